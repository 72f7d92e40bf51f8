#!/usr/bin/env bash
# Lets Java, librdkafka and franz-go read batches that Ottla's builder wrote, and compares with the sample.
#   check-ours.sh JARS OURS            Kafka's own classes read the segments in OURS (see the example write_batches)
#   check-ours.sh JARS OURS BOOTSTRAP  clients consume the topics ours-CODEC, whose segments are those of OURS
# For the second, create the topics (one partition, retention.ms=-1), stop the broker, put each OURS/CODEC.log in
# place of the partition's 00000000000000000000.log, remove its .index and .timeindex, and start it again.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
jars=$1 ours=$2 bootstrap=${3:-}
sample=$here/../../crates/records/testdata/sample.txt
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
javac -cp "$jars/*" -d "$work/classes" "$here/Batches.java"
same() { diff -q "$sample" "$1" > /dev/null && echo "$2: same" || { echo "$2: differs"; diff "$sample" "$1" | head; exit 1; }; }

for file in "$ours"/*.log; do
  java -cp "$jars/*:$work/classes" Batches read "$file" 2> /dev/null | grep -v ^batch | head -121 > "$work/out"
  same "$work/out" "Java, $(basename "$file" .log)"
done
[ -n "$bootstrap" ] || exit 0
(cd "$here/go" && go build -o "$work/franz-go" .)
for codec in none gzip snappy lz4 zstd; do
  "${PYTHON:-python3}" "$here/librdkafka.py" consume "$bootstrap" "ours-$codec" > "$work/out"
  same "$work/out" "librdkafka, $codec"
  "$work/franz-go" consume "$bootstrap" "ours-$codec" 121 > "$work/out"
  same "$work/out" "franz-go, $codec"
done
