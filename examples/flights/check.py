"""Compares what was acked and what was consumed with the source.

    check.py ROWS ACKS CONSUMED...

Exits with 0 when every acked row was consumed, every row of the source is among them, the order of each
key was kept, and counts and checksum equal the source's. A record that was handed out again after a crash or
a rebalance is a duplicate by re-delivery: it is counted, and its first delivery is the one that is judged.
"""

import sys
import zlib
from collections import defaultdict

from source import flights


def main():
    rows, acks, consumed = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    source = {row: (zlib.crc32(value), key.decode() if key else "-") for row, key, value in flights(rows)}
    acked = {}
    for line in open(acks):
        partition, offset, row = map(int, line.split())
        acked[row] = (partition, offset)

    deliveries, readers = [], {}
    for path in consumed:
        count = 0
        for line in open(path):
            time, partition, offset, row, crc, key = line.split()
            deliveries.append((int(time), int(partition), int(offset), int(row), int(crc), key))
            count += 1
        readers[path] = count
    # By time; records of one batch bear the same time, and follow each other in their partition.
    deliveries.sort()
    first = {}
    order = defaultdict(list)
    for _, partition, offset, row, crc, key in deliveries:
        if (partition, offset) not in first:
            first[partition, offset] = row, crc, key
            order[key].append(row)
    log_rows = [row for row, _, _ in first.values()]
    distinct = set(log_rows)

    problems = []

    def require(holds, what):
        if not holds:
            problems.append(what)

    require(len(acked) == rows, f"{len(acked)} of {rows} rows were acked")
    lost = [row for row, place in acked.items() if first.get(place, (None,))[0] != row]
    require(not lost, f"{len(lost)} acked rows were not consumed where they were acked, as {sorted(lost)[:5]}")
    require(distinct == set(source), f"the consumed rows differ from the source: {len(set(source) - distinct)} missing, {len(distinct - set(source))} too many")
    require(len(log_rows) == len(distinct), f"{len(log_rows) - len(distinct)} rows are in the log twice")
    changed = [row for row, crc, key in first.values() if source.get(row) != (crc, key)]
    require(not changed, f"{len(changed)} rows differ from the source, as {changed[:5]}")
    unordered = [key for key, list_ in order.items() if key != "-" and list_ != sorted(list_)]
    require(not unordered, f"the order of {len(unordered)} keys was not kept, as {unordered[:3]}")
    checksum = sum(crc for crc, _ in source.values()) % 2**64
    consumed_sum = sum(crc for _, crc, _ in first.values()) % 2**64
    require(checksum == consumed_sum, f"checksum {consumed_sum:016x}, the source's is {checksum:016x}")

    print(f"rows in the source        {rows:>9,}")
    print(f"rows acked                {len(acked):>9,}")
    print(f"rows consumed             {len(distinct):>9,}")
    for path, count in readers.items():
        require(count > 0, f"{path} read nothing: it had no share")
        print(f"  {path.rsplit('/', 1)[-1]:<24}{count:>9,}")
    print(f"delivered again           {len(deliveries) - len(first):>9,}")
    print(f"twice in the log          {len(log_rows) - len(distinct):>9,}")
    print(f"keys, all in order        {len(order) - ('-' in order):>9,}")
    print(f"checksum of the source     {checksum:016x}")
    print(f"checksum of what was read  {consumed_sum:016x}")
    for problem in problems:
        print(f"WRONG: {problem}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
