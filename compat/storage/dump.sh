#!/usr/bin/env bash
# Fills a log directory with Ottla's storage and has Apache Kafka's DumpLogSegments read every file of it:
#   dump.sh KAFKA      KAFKA: a command that runs a class of Apache Kafka's jars, by its short name: `KAFKA CLASS ARGUMENTS...`
# Succeeds if all segments, indexes, time indexes and producer snapshots are read without a complaint.
set -euo pipefail
kafka=("$@")
[ $# -gt 0 ] || { sed -n '2,4p' "$0"; exit 2; }
cd "$(dirname "$0")/../.."
folder=$(mktemp -d)
trap "rm -rf $folder" EXIT
cargo run --quiet --package ottla-storage --example fill-log-directory -- "$folder/data"
partition=$folder/data/filled-0
files() { find "$partition" -name "*$1" | sort | paste -sd, -; }
dump() { "${kafka[@]}" DumpLogSegments "$@" 2>&1; }

dump --files "$(files .log)" --deep-iteration > "$folder/log.txt"
dump --files "$(files .index)" > "$folder/index.txt"
dump --files "$(files .index)" --index-sanity-check > "$folder/sanity.txt"
dump --files "$(files .index)" --verify-index-only > "$folder/verify.txt"
dump --files "$(files .timeindex)" > "$folder/timeindex.txt"
dump --files "$(files .timeindex)" --index-sanity-check > "$folder/timesanity.txt"
dump --files "$(files .snapshot)" > "$folder/snapshot.txt"
complaints='(?i)mismatch|corrupt|exception|invalid|isvalid: false|out of order|fail|found .* problem|^ *[0-9]+ is followed by'
# "-1 is followed by N" is what the tool says of every segment that does not begin at offset 0.
if grep -P "$complaints" "$folder"/*.txt; then
  echo "DumpLogSegments complains" >&2
  exit 1
fi
batches=$(grep -c '^baseOffset' "$folder/log.txt")
entries=$(grep -c '^offset: ' "$folder/index.txt")
times=$(grep -c '^timestamp: ' "$folder/timeindex.txt")
producers=$(grep -c '^producerId: ' "$folder/snapshot.txt")
echo "read: $batches batches, $entries index entries, $times time index entries, $producers producers in snapshots"
[ "$batches" -eq 2666 ] && [ "$entries" -gt 100 ] && [ "$times" -gt 10 ] && [ "$producers" -gt 2 ]
