#!/usr/bin/env bash
# Makes crates/records/testdata from a fresh, otherwise unused Apache Kafka 4.3.
#   make-testdata.sh JARS BOOTSTRAP DATA
# JARS is the folder of Kafka's jars, BOOTSTRAP the broker's address, DATA its log directory.
# Needs a JDK, Go, and a Python with confluent-kafka (PYTHON=... names it).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
jars=$1 bootstrap=$2 data=$3
out=$here/../../crates/records/testdata
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"

javac -cp "$jars/*" -d "$work/classes" "$here/Batches.java"
batches() { java -cp "$jars/*:$work/classes" Batches "$@" 2> "$work/java.log" || { cat "$work/java.log" >&2; exit 1; }; }
(cd "$here/go" && go build -o "$work/franz-go" .)

batches topics "$bootstrap"
batches produce "$bootstrap"
"${PYTHON:-python3}" "$here/librdkafka.py" produce "$bootstrap"
"$work/franz-go" produce "$bootstrap"
for codec in none gzip snappy lz4 zstd; do
  for client in java librdkafka franz-go; do
    cp "$data/$client-$codec-0/00000000000000000000.log" "$out/$client-$codec.log"
  done
done
cp "$data/java-append-time-0/00000000000000000000.log" "$out/java-append-time.log"
cat "$data"/java-transaction-0/*.log > "$out/java-transaction.log"
cp "$data"/__cluster_metadata-0/*.checkpoint "$out/kraft-snapshot.log"
chmod u+w "$out/kraft-snapshot.log"
batches empty "$out/java-empty.log"
batches refusals "$bootstrap" > "$out/refusals.tsv"
batches read "$out/java-none.log" | grep -v ^batch > "$out/sample.txt"
