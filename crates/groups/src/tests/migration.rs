//! From the classic protocol to the consumer protocol and back, while members are there.

use super::check;

mod downgrade;
mod mixed;
mod upgrade;

/// A scenario that goes on where `before`, one of those below, ends.
#[track_caller]
fn check_after(before: &str, scenario: &str) {
    check(&format!("{before}\n{scenario}"));
}

/// Member a of the classic protocol had both partitions; c comes with the consumer protocol, and waits for one of them.
const A_GOES_OVER: &str = "
    0s topic t=2
    0s join a v=3 session=45s rebalance=20s
        > log: group g generation 0 is empty
    3s sync a-1 a-1:[t-0,t-1]
        > at 3s:
        > join a: a-1 in generation 1 of range led by a-1: a-1
        > log: group g generation 1 of range led by a-1: a-1=[t-0,t-1]
        > sync a-1: [t-0,t-1]
    4s hello c reads=t
        > log: group g is no more
        > log: g a-1 reads t, classic range
        > log: g epoch 1
        > log: g target for a-1: t-0,1
        > log: g targets of epoch 1
        > log: g a-1 1->1 Stable has t-0,1
        > log: g c reads t
        > log: g epoch 2
        > log: g target for a-1: t-0
        > log: g target for c: t-1
        > log: g targets of epoch 2
        > log: g c 0->2 UnreleasedPartitions has -
        > hello c: epoch 2 has -";

/// Member c of the consumer protocol had both partitions; a comes with the classic one, and waits for one of them.
const A_JOINS_C: &str = "
    0s topic t=2
    0s hello c reads=t
        > log: g c reads t
        > log: g epoch 2
        > log: g target for c: t-0,1
        > log: g targets of epoch 2
        > log: g c 0->2 Stable has t-0,1
        > hello c: epoch 2 has t-0,1
    2s join a v=3 session=45s
        > log: g #2 reads t, classic range
        > log: g epoch 3
        > log: g target for #2: t-1
        > log: g target for c: t-0
        > log: g targets of epoch 3
        > log: g #2 0->3 UnreleasedPartitions has -
        > join a: #2 in generation 3 of range led by -";

/// Member a of the classic protocol, alone, has both partitions.
const A_HAS_ALL: &str = "
    0s topic t=2
    0s join a v=3 session=45s
        > log: group g generation 0 is empty
    3s sync a-1 a-1:[t-0,t-1]
        > at 3s:
        > join a: a-1 in generation 1 of range led by a-1: a-1
        > log: group g generation 1 of range led by a-1: a-1=[t-0,t-1]
        > sync a-1: [t-0,t-1]";
