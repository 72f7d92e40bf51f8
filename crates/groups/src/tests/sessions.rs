//! Heartbeats, and what happens without them.

use super::check;

#[test]
fn a_member_is_heard_of_by_its_heartbeats() {
    check(
        "0s join a session=10s v=3
           > log: group g generation 0 is empty
         3s sync a-1 a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         12s beat a-1
           > beat a-1: ok
         21s beat a-1
           > beat a-1: ok
         31s wait
           > at 31s:
           > log: group g generation 2 is empty",
    );
}

#[test]
fn a_member_that_is_silent_for_too_long_is_out() {
    check(
        "0s join a session=10s v=3
           > log: group g generation 0 is empty
         0s join b session=30s v=3
         6s sync b-2
           > at 6s:
           > join a: a-1 in generation 1 of range led by a-1: a-1 b-2
           > join b: b-2 in generation 1 of range led by a-1
         6s sync a-1 a-1:x b-2:y
           > log: group g generation 1 of range led by a-1: a-1=x b-2=y
           > sync a-1: x
           > sync b-2: y
         16s wait
         16s beat b-2
           > beat b-2: RebalanceInProgress
         16s beat a-1
           > beat a-1: UnknownMemberId",
    );
}

#[test]
fn a_heartbeat_must_be_of_this_generation_and_member() {
    check(
        "0s beat a-1
           > beat a-1: UnknownMemberId
         0s join a v=3
           > log: group g generation 0 is empty
         3s sync a-1 a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         3s beat a-1 gen=0
           > beat a-1: IllegalGeneration
         3s beat b-2
           > beat b-2: UnknownMemberId
         3s beat a-1 static=i
           > beat a-1: UnknownMemberId
         3s beat a-1 group=
           > beat a-1: InvalidGroupId
         3s beat a-1
           > beat a-1: ok",
    );
}

#[test]
fn a_heartbeat_tells_of_a_rebalance() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         3s sync a-1 a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         4s join b v=3
         4s beat a-1
           > beat a-1: RebalanceInProgress
         5s join a-1
           > join a-1: a-1 in generation 2 of range led by a-1: a-1 b-2
           > join b: b-2 in generation 2 of range led by a-1
         5s beat a-1 gen=2
           > beat a-1: ok
         5s beat a-1 gen=1
           > beat a-1: IllegalGeneration",
    );
}

#[test]
fn a_member_that_is_silent_while_others_join_is_out_before_the_rebalance_times_out() {
    check(
        "0s join a session=10s v=3
           > log: group g generation 0 is empty
         3s sync a-1 a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         4s join b v=3
         13s wait
           > at 13s:
           > join b: b-2 in generation 2 of range led by b-2: b-2",
    );
}

#[test]
fn a_member_that_waits_for_others_may_be_silent() {
    check(
        "0s join a session=10s v=3
           > log: group g generation 0 is empty
         0s join b session=60s v=3
         6s sync b-2
           > at 6s:
           > join a: a-1 in generation 1 of range led by a-1: a-1 b-2
           > join b: b-2 in generation 1 of range led by a-1
         6s sync a-1 a-1:x b-2:y
           > log: group g generation 1 of range led by a-1: a-1=x b-2=y
           > sync a-1: x
           > sync b-2: y
         7s join c v=3
         8s join a-1 session=10s
         60s join b-2
           > join a-1: a-1 in generation 2 of range led by a-1: a-1 b-2 c-3
           > join b-2: b-2 in generation 2 of range led by a-1
           > join c: c-3 in generation 2 of range led by a-1",
    );
}

#[test]
fn a_member_that_waits_for_its_assignment_may_be_silent() {
    check(
        "0s join a session=60s v=3
           > log: group g generation 0 is empty
         0s join b session=10s v=3
         6s sync b-2
           > at 6s:
           > join a: a-1 in generation 1 of range led by a-1: a-1 b-2
           > join b: b-2 in generation 1 of range led by a-1
         50s sync a-1 b-2:y
           > log: group g generation 1 of range led by a-1: a-1=- b-2=y
           > sync a-1: -
           > sync b-2: y
         59s beat b-2
           > beat b-2: ok
         70s wait",
    );
}

#[test]
fn a_newcomer_that_waits_is_given_up_after_five_minutes() {
    check(
        "0s join a session=30m rebalance=30m v=3
           > log: group g generation 0 is empty
         1799s sync a-1 a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         1800s join b rebalance=30m v=3
         2100s wait
           > at 2100s:
           > join b: UnknownMemberId",
    );
}

#[test]
fn a_commit_is_a_sign_of_life() {
    check(
        "0s join a session=10s v=3
           > log: group g generation 0 is empty
         3s sync a-1 a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         12s commit member=a-1 gen=1 t-0=5
           > log: group g at t-0=5
           > commit: t-0 ok
         21s beat a-1
           > beat a-1: ok",
    );
}

#[test]
fn an_empty_group_has_no_heartbeats() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         3s sync a-1 a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         4s leave a-1
           > log: group g generation 2 is empty
           > leave: a-1 ok
         5s beat a-1 gen=2
           > beat a-1: UnknownMemberId",
    );
}
