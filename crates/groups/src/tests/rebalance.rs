//! From one generation to the next.

use super::check;

#[test]
fn an_empty_group_waits_for_more_members() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         2s join b v=3
         3s wait
         6s wait
           > at 6s:
           > join a: a-1 in generation 1 of range led by a-1: a-1 b-2
           > join b: b-2 in generation 1 of range led by a-1",
    );
}

#[test]
fn it_waits_anew_while_members_come_but_not_longer_than_a_rebalance_may_take() {
    check(
        "0s join a rebalance=8s v=3
           > log: group g generation 0 is empty
         2s join b rebalance=8s v=3
         5s join c rebalance=8s v=3
         7s join d rebalance=8s v=3
         20s wait
           > at 8s:
           > join a: a-1 in generation 1 of range led by a-1: a-1 b-2 c-3 d-4
           > join b: b-2 in generation 1 of range led by a-1
           > join c: c-3 in generation 1 of range led by a-1
           > join d: d-4 in generation 1 of range led by a-1
           > at 16s:
           > log: group g generation 2 is empty",
    );
}

#[test]
fn a_delay_of_nothing_lets_the_first_member_in_at_once() {
    check(
        "0s set delay=0s
         0s join a v=3
           > log: group g generation 0 is empty
         0s wait
           > at 0s:
           > join a: a-1 in generation 1 of range led by a-1: a-1",
    );
}

#[test]
fn a_member_that_comes_later_makes_a_rebalance() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         3s sync a-1 a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         4s join b v=3
         5s beat a-1
           > beat a-1: RebalanceInProgress
         6s join a-1
           > join a-1: a-1 in generation 2 of range led by a-1: a-1 b-2
           > join b: b-2 in generation 2 of range led by a-1
         6s sync b-2 gen=2
         6s sync a-1 gen=2 a-1:x b-2:y
           > log: group g generation 2 of range led by a-1: a-1=x b-2=y
           > sync a-1: x
           > sync b-2: y",
    );
}

#[test]
fn members_that_do_not_join_again_in_time_are_out() {
    check(
        "0s join a rebalance=20s session=30s v=3
           > log: group g generation 0 is empty
         3s sync a-1 a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         4s join b rebalance=20s v=3
         24s wait
           > at 24s:
           > join b: b-2 in generation 2 of range led by b-2: b-2
         24s beat a-1
           > beat a-1: UnknownMemberId",
    );
}

#[test]
fn the_longest_rebalance_timeout_counts() {
    check(
        "0s join a rebalance=20s session=60s v=3
           > log: group g generation 0 is empty
         3s sync a-1 a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         4s join b rebalance=40s v=3
         30s wait
         44s wait
           > at 44s:
           > join b: b-2 in generation 2 of range led by b-2: b-2",
    );
}

#[test]
fn an_id_given_out_is_waited_for() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         3s sync a-1 a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         4s join b
           > join b: MemberIdRequired b-2
         5s join c v=3
         6s join a-1
         7s join b-2
           > join a-1: a-1 in generation 2 of range led by a-1: a-1 b-2 c-3
           > join b-2: b-2 in generation 2 of range led by a-1
           > join c: c-3 in generation 2 of range led by a-1",
    );
}

#[test]
fn an_id_given_out_that_times_out_is_waited_for_no_more() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         3s sync a-1 a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         4s join b session=10s
           > join b: MemberIdRequired b-2
         5s join c v=3
         6s join a-1
         14s wait
           > at 14s:
           > join a-1: a-1 in generation 2 of range led by a-1: a-1 c-3
           > join c: c-3 in generation 2 of range led by a-1",
    );
}

#[test]
fn a_leader_that_does_not_join_again_is_replaced() {
    check(
        "0s join a rebalance=10s session=30s v=3
           > log: group g generation 0 is empty
         0s join b rebalance=10s session=30s v=3
         10s sync b-2
           > at 6s:
           > join a: a-1 in generation 1 of range led by a-1: a-1 b-2
           > join b: b-2 in generation 1 of range led by a-1
         10s sync a-1 a-1:x b-2:y
           > log: group g generation 1 of range led by a-1: a-1=x b-2=y
           > sync a-1: x
           > sync b-2: y
         11s join c rebalance=10s v=3
         12s join b-2 rebalance=10s
         21s wait
           > at 21s:
           > join b-2: b-2 in generation 2 of range led by b-2: b-2 c-3
           > join c: c-3 in generation 2 of range led by b-2",
    );
}

#[test]
fn a_group_whose_last_member_goes_is_empty() {
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
         5s describe g
           > describe: g Empty consumer -
         5s join b
           > join b: MemberIdRequired b-2
         5s join b-2
         8s wait
           > at 8s:
           > join b-2: b-2 in generation 3 of range led by b-2: b-2",
    );
}

#[test]
fn members_that_do_not_ask_for_their_assignment_are_out() {
    check(
        "0s join a rebalance=10s v=3
           > log: group g generation 0 is empty
         0s join b rebalance=10s v=3
         10s sync a-1 a-1:x b-2:y
           > at 6s:
           > join a: a-1 in generation 1 of range led by a-1: a-1 b-2
           > join b: b-2 in generation 1 of range led by a-1
           > log: group g generation 1 of range led by a-1: a-1=x b-2=y
           > sync a-1: x
         12s beat b-2
           > beat b-2: ok
         13s beat a-1
           > beat a-1: ok
         19s beat b-2
           > beat b-2: UnknownMemberId
         20s wait
         20s beat b-2
           > beat b-2: UnknownMemberId
         20s beat a-1
           > beat a-1: RebalanceInProgress",
    );
}

#[test]
fn a_generation_follows_another() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         3s sync a-1 a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         4s join a-1
           > join a-1: a-1 in generation 2 of range led by a-1: a-1
         5s sync a-1 gen=2 a-1:y
           > log: group g generation 2 of range led by a-1: a-1=y
           > sync a-1: y
         6s join a-1
           > join a-1: a-1 in generation 3 of range led by a-1: a-1
         7s sync a-1 gen=3 a-1:z
           > log: group g generation 3 of range led by a-1: a-1=z
           > sync a-1: z",
    );
}
