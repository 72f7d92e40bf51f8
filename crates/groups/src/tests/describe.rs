//! DescribeGroups, ListGroups, DeleteGroups.

use super::check;

#[test]
fn a_group_that_is_not_there_is_dead() {
    check(
        "0s describe g h
           > describe: g Dead - - GroupIdNotFound, h Dead - - GroupIdNotFound",
    );
}

#[test]
fn a_group_is_described_in_each_of_its_states() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         1s describe g
           > describe: g PreparingRebalance consumer - a-1 0+0
         3s describe g
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > describe: g CompletingRebalance consumer - a-1 0+0
         3s sync a-1 a-1:x
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         3s describe g
           > describe: g Stable consumer range a-1 13+1
         4s leave a-1
           > log: group g generation 2 is empty
           > leave: a-1 ok
         4s describe g
           > describe: g Empty consumer -",
    );
}

#[test]
fn static_members_are_described_with_their_instance_id() {
    check(
        "0s join a static=i
           > log: group g generation 0 is empty
         3s sync i-1 static=i i-1:x
           > at 3s:
           > join a: i-1 in generation 1 of range led by i-1: i-1(i)
           > log: group g generation 1 of range led by i-1: i-1(i)=x
           > sync i-1: x
         3s describe g
           > describe: g Stable consumer range i-1(i) 13+1",
    );
}

#[test]
fn a_simple_group_has_no_protocol() {
    check(
        "0s commit t-0=5
           > log: group g at t-0=5
           > commit: t-0 ok
         0s describe g
           > describe: g Empty - -
         0s list
           > list: g classic Empty -",
    );
}

#[test]
fn groups_are_listed_by_state_and_type() {
    check(
        "0s commit t-0=5 group=s
           > log: group s at t-0=5
           > commit: t-0 ok
         0s join a group=m v=3
           > log: group m generation 0 is empty
         3s list
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > list: m classic CompletingRebalance consumer, s classic Empty -
         3s list state=empty
           > list: s classic Empty -
         3s list state=COMPLETINGREBALANCE
           > list: m classic CompletingRebalance consumer
         3s list state=Dead
           > list: -
         3s list type=classic
           > list: m classic CompletingRebalance consumer, s classic Empty -
         3s list type=consumer
           > list: -",
    );
}

#[test]
fn an_empty_group_can_be_deleted_with_its_offsets() {
    check(
        "0s commit t-0=5
           > log: group g at t-0=5
           > commit: t-0 ok
         0s commit u-0=5 group=h
           > log: group h at u-0=5
           > commit: u-0 ok
         1s delete g x
           > log: group g forgets t-0
           > log: group g is no more
           > delete: g ok, x GroupIdNotFound
         1s delete h h
           > log: group h forgets u-0
           > log: group h is no more
           > delete: h ok
         1s list
           > list: -
         1s fetch all
           > fetch: -",
    );
}

#[test]
fn a_group_with_members_cannot_be_deleted() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         1s delete g
           > delete: g NonEmptyGroup
         3s delete g
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > delete: g NonEmptyGroup
         3s sync a-1 a-1:x
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         3s delete g
           > delete: g NonEmptyGroup
         4s leave a-1
           > log: group g generation 2 is empty
           > leave: a-1 ok
         4s delete g
           > log: group g is no more
           > delete: g ok",
    );
}

#[test]
fn a_deleted_group_can_be_joined_anew() {
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
         5s delete g
           > log: group g is no more
           > delete: g ok
         6s join a v=3
           > log: group g generation 0 is empty
         9s wait
           > at 9s:
           > join a: a-2 in generation 1 of range led by a-2: a-2",
    );
}

#[test]
fn a_group_that_cannot_be_deleted_for_lack_of_a_log_stays() {
    check(
        "0s commit t-0=5
           > log: group g at t-0=5
           > commit: t-0 ok
         1s unwritable
         1s delete g
           > delete: CoordinatorNotAvailable
         1s fetch all
           > fetch: t-0=5",
    );
}

#[test]
fn what_a_transaction_is_about_to_commit_goes_with_its_group() {
    check(
        "0s commit t-0=1
           > log: group g at t-0=1
           > commit: t-0 ok
         0s pending t-0=2 t-1=3
         1s delete g
           > log: group g forgets t-0
           > log: group g forgets t-1
           > log: group g is no more
           > delete: g ok
         2s commits
         2s fetch all
           > fetch: -",
    );
}
