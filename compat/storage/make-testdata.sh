#!/usr/bin/env bash
# Makes crates/ottla/testdata/kafka-4.3.1 anew, and what DumpLogSegments says of its files:
#   make-testdata.sh KAFKA LIBS PORT
#     KAFKA: a script with the commands `start DIR PORT`, `stop DIR` and `tool CLASS ARGUMENTS...`
#     LIBS: the folder of Apache Kafka's jars; PORT: a free one, with the next
set -euo pipefail
[ $# -eq 3 ] || { sed -n '2,5p' "$0"; exit 2; }
kafka=$1 libs=$2 port=$3
here=$(cd "$(dirname "$0")" && pwd)
target=$here/../../crates/ottla/testdata
folder=$(mktemp -d)
trap "rm -rf $folder" EXIT
export KAFKA_PROPS='log.retention.ms=-1
offsets.topic.num.partitions=2
transaction.state.log.num.partitions=2
share.coordinator.state.topic.num.partitions=1
log.index.size.max.bytes=8192
log.cleaner.backoff.ms=500
log.cleaner.dedupe.buffer.size=2000000
metadata.log.max.record.bytes.between.snapshots=3000
file.delete.delay.ms=100
log.initial.task.delay.ms=500
log.retention.check.interval.ms=2000'
"$kafka" start "$folder" "$port"
java -cp "$libs/*" "$here/Fill.java" "127.0.0.1:$port"
kill -9 "$(cat "$folder/pid")"
sleep 1
"$kafka" start "$folder" "$port"
"$kafka" stop "$folder"
rm -rf "$folder"/data/*-delete "$target/kafka-4.3.1"
cp -r "$folder/data" "$target/kafka-4.3.1"

cd "$target/kafka-4.3.1"
files() { find . -type f -name "$1" | grep -E "${2:-.}" | sort | sed 's/^\.\///' | paste -sd, -; }
dump() { "$kafka" tool DumpLogSegments --files "$@" 2>/dev/null | grep -v -E '^Non-consecutive|^  *-?[0-9]+ is followed|^WARNING'; }
{
  dump "$(files '*.log' '^./[a-z]')" --print-data-log
  dump "$(files '*.log' __consumer)" --offsets-decoder
  dump "$(files '*.log' __transaction)" --transaction-log-decoder
  dump "$(files '*.log' __share)" --share-group-state-decoder
  dump "$(files '*.log' __cluster)" --cluster-metadata-decoder
  dump "$(files '*.checkpoint')" --cluster-metadata-decoder
  for kind in index timeindex txnindex snapshot; do dump "$(files "*.$kind")"; done
} > "$target/kafka-4.3.1.dump.txt"
