//! SyncGroup.

use super::check;

#[test]
fn followers_wait_for_the_leader() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         0s join b v=3
         6s sync b-2
           > at 6s:
           > join a: a-1 in generation 1 of range led by a-1: a-1 b-2
           > join b: b-2 in generation 1 of range led by a-1
         7s sync a-1 a-1:x b-2:y
           > log: group g generation 1 of range led by a-1: a-1=x b-2=y
           > sync a-1: x
           > sync b-2: y
         8s sync b-2
           > sync b-2: y",
    );
}

#[test]
fn whom_the_leader_forgets_has_nothing_to_do() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         0s join b v=3
         6s sync b-2
           > at 6s:
           > join a: a-1 in generation 1 of range led by a-1: a-1 b-2
           > join b: b-2 in generation 1 of range led by a-1
         7s sync a-1 a-1:x
           > log: group g generation 1 of range led by a-1: a-1=x b-2=-
           > sync a-1: x
           > sync b-2: -",
    );
}

#[test]
fn who_is_no_member_gets_no_assignment() {
    check(
        "0s sync a-1
           > sync a-1: UnknownMemberId
         0s join a v=3
           > log: group g generation 0 is empty
         3s sync b-2
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > sync b-2: UnknownMemberId
         3s sync a-1 gen=2
           > sync a-1: IllegalGeneration
         3s sync a-1 gen=0
           > sync a-1: IllegalGeneration",
    );
}

#[test]
fn a_group_without_a_name_has_no_assignment() {
    check(
        "0s sync a-1 group=
           > sync a-1: InvalidGroupId",
    );
}

#[test]
fn the_protocol_must_be_the_groups() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         3s sync a-1 type=connect a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > sync a-1: InconsistentGroupProtocol
         3s sync a-1 protocol=sticky a-1:x
           > sync a-1: InconsistentGroupProtocol
         3s sync a-1 type=consumer protocol=range a-1:x
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x",
    );
}

#[test]
fn there_is_no_assignment_while_members_join() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         3s sync a-1 a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         4s join b v=3
         4s sync a-1
           > sync a-1: RebalanceInProgress",
    );
}

#[test]
fn a_rebalance_ends_the_wait_for_an_assignment() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         0s join b v=3
         6s sync b-2
           > at 6s:
           > join a: a-1 in generation 1 of range led by a-1: a-1 b-2
           > join b: b-2 in generation 1 of range led by a-1
         7s join c v=3
           > sync b-2: RebalanceInProgress",
    );
}

#[test]
fn who_asks_twice_is_answered_on_the_second_call() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         0s join b v=3
         6s sync b-2
           > at 6s:
           > join a: a-1 in generation 1 of range led by a-1: a-1 b-2
           > join b: b-2 in generation 1 of range led by a-1
         7s sync b-2
           > sync b-2: RebalanceInProgress
         8s sync a-1 b-2:y
           > log: group g generation 1 of range led by a-1: a-1=- b-2=y
           > sync a-1: -
           > sync b-2: y",
    );
}

#[test]
fn an_assignment_that_cannot_be_written_is_not_given_out() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         0s join b v=3
         6s sync b-2
           > at 6s:
           > join a: a-1 in generation 1 of range led by a-1: a-1 b-2
           > join b: b-2 in generation 1 of range led by a-1
         7s unwritable
         7s sync a-1 a-1:x b-2:y
           > sync a-1: CoordinatorNotAvailable
           > sync b-2: CoordinatorNotAvailable
         8s join a-1
         8s join b-2
           > join a-1: a-1 in generation 2 of range led by a-1: a-1 b-2
           > join b-2: b-2 in generation 2 of range led by a-1
         8s sync a-1 gen=2 a-1:x
           > log: group g generation 2 of range led by a-1: a-1=x b-2=-
           > sync a-1: x",
    );
}
