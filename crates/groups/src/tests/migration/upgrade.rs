//! A classic group with members becomes a consumer group.

use super::super::check;
use super::{A_HAS_ALL, check_after};

#[test]
fn a_heartbeat_makes_a_classic_group_a_consumer_group() {
    check(
        "0s topic t=4
         0s join a v=3 session=45s
           > log: group g generation 0 is empty
         3s sync a-1 a-1:[t-0,t-1,t-2,t-3]
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=[t-0,t-1,t-2,t-3]
           > sync a-1: [t-0,t-1,t-2,t-3]
         3s commit member=a-1 gen=1 v=8 t-0=7
           > log: group g at t-0=7
           > commit: t-0 ok
         4s hello c reads=t
           > log: group g is no more
           > log: g a-1 reads t, classic range
           > log: g epoch 1
           > log: g target for a-1: t-0,1,2,3
           > log: g targets of epoch 1
           > log: g a-1 1->1 Stable has t-0,1,2,3
           > log: g c reads t
           > log: g epoch 2
           > log: g target for a-1: t-0,1
           > log: g target for c: t-2,3
           > log: g targets of epoch 2
           > log: g c 0->2 UnreleasedPartitions has -
           > hello c: epoch 2 has -
         5s list
           > list: g consumer Reconciling consumer
         5s inspect g
           > inspect: g Reconciling epoch 2 assigned 2 uniform, a-1 at 1 has t-0,1,2,3 of t-0,1, c at 2 has - of t-2,3
         5s describe g
           > describe: g Dead - - GroupIdNotFound
         5s fetch t-0
           > fetch: t-0=7
         5s commit member=a-1 gen=1 v=8 t-0=8 id=1
           > log: group g at t-0=8
           > commit: t-0 ok
         6s beat a-1
           > beat a-1: RebalanceInProgress
         6s join a-1
           > log: g a-1 reads t, classic range
           > log: g a-1 1->2 Stable has t-0,1
           > join a-1: a-1 in generation 2 of range led by -
         6s sync a-1 gen=2
           > sync a-1: [t-0,t-1]
         6s beat a-1 gen=2
           > beat a-1: ok
         6s alive c epoch=2
           > log: g c 2->2 Stable has t-2,3
           > alive c: epoch 2 has t-2,3",
    );
}

#[test]
fn who_waits_to_join_is_told_to_join_again() {
    check_after(
        A_HAS_ALL,
        "4s join b v=3 session=45s
         4s topic u=1
         4s hello c reads=u
           > log: group g is no more
           > log: g a-1 reads t, classic range
           > log: g b-2 reads t, classic range
           > log: g epoch 1
           > log: g target for a-1: t-0,1
           > log: g target for b-2: -
           > log: g targets of epoch 1
           > log: g a-1 1->1 Stable has t-0,1
           > log: g b-2 1->1 Stable has -
           > log: g c reads u
           > log: g epoch 2
           > log: g target for a-1: t-0
           > log: g target for b-2: t-1
           > log: g target for c: u-0
           > log: g targets of epoch 2
           > log: g c 0->2 Stable has u-0
           > join b: RebalanceInProgress b-2
           > hello c: epoch 2 has u-0
         4s beat a-1
           > beat a-1: RebalanceInProgress
         5s join b-2
           > log: g b-2 reads t, classic range
           > log: g b-2 1->2 UnreleasedPartitions has -
           > join b-2: b-2 in generation 2 of range led by -
         5s join a-1
           > log: g a-1 reads t, classic range
           > log: g a-1 1->2 Stable has t-0
           > join a-1: a-1 in generation 2 of range led by -
         5s beat b-2 gen=2
           > beat b-2: RebalanceInProgress",
    );
}

#[test]
fn who_waits_for_an_assignment_is_told_to_join_again() {
    check(
        "0s topic t=2 u=1
         0s join a v=3 session=45s
           > log: group g generation 0 is empty
         0s join b v=3 session=45s
         6s sync b-2
           > at 6s:
           > join a: a-1 in generation 1 of range led by a-1: a-1 b-2
           > join b: b-2 in generation 1 of range led by a-1
         6s hello c reads=u
           > log: group g is no more
           > log: g a-1 reads t, classic range
           > log: g b-2 reads t, classic range
           > log: g epoch 1
           > log: g target for a-1: -
           > log: g target for b-2: -
           > log: g targets of epoch 1
           > log: g a-1 1->1 Stable has -
           > log: g b-2 1->1 Stable has -
           > log: g c reads u
           > log: g epoch 2
           > log: g target for a-1: t-0
           > log: g target for b-2: t-1
           > log: g target for c: u-0
           > log: g targets of epoch 2
           > log: g c 0->2 Stable has u-0
           > sync b-2: RebalanceInProgress
           > hello c: epoch 2 has u-0
         6s sync b-2
           > sync b-2: RebalanceInProgress
         6s sync a-1 a-1:[t-0] b-2:[t-1]
           > sync a-1: RebalanceInProgress",
    );
}

#[test]
fn a_group_before_its_first_generation_can_be_upgraded() {
    check(
        "0s topic t=2
         0s join a v=3 session=45s
           > log: group g generation 0 is empty
         0s hello c reads=t
           > log: group g is no more
           > log: g a-1 reads t, classic range
           > log: g epoch 0
           > log: g target for a-1: -
           > log: g targets of epoch 0
           > log: g a-1 0->0 Stable has -
           > log: g c reads t
           > log: g epoch 1
           > log: g target for a-1: t-0
           > log: g target for c: t-1
           > log: g targets of epoch 1
           > log: g c 0->1 Stable has t-1
           > join a: RebalanceInProgress a-1
           > hello c: epoch 1 has t-1
         1s join a-1
           > log: g a-1 reads t, classic range
           > log: g a-1 0->1 Stable has t-0
           > join a-1: a-1 in generation 1 of range led by -
         1s sync a-1 gen=1
           > sync a-1: [t-0]",
    );
}

#[test]
fn under_the_policy_disabled_classic_groups_stay_classic() {
    check(
        "0s set migration=disabled
         0s topic t=2
         0s join a v=3 session=45s
           > log: group g generation 0 is empty
         3s sync a-1 a-1:[t-0,t-1]
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=[t-0,t-1]
           > sync a-1: [t-0,t-1]
         4s hello c reads=t
           > hello c: GroupIdNotFound
         4s beat a-1
           > beat a-1: ok
         5s leave a-1
           > log: group g generation 2 is empty
           > leave: a-1 ok
         5s hello c reads=t
           > log: group g is no more
           > log: g c reads t
           > log: g epoch 2
           > log: g target for c: t-0,1
           > log: g targets of epoch 2
           > log: g c 0->2 Stable has t-0,1
           > hello c: epoch 2 has t-0,1",
    );
}

#[test]
fn under_the_policy_downgrade_classic_groups_stay_classic() {
    check(
        "0s set migration=downgrade
         0s topic t=2
         0s join a v=3 session=45s
           > log: group g generation 0 is empty
         3s sync a-1 a-1:[t-0,t-1]
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=[t-0,t-1]
           > sync a-1: [t-0,t-1]
         4s hello c reads=t
           > hello c: GroupIdNotFound
         4s beat a-1
           > beat a-1: ok
         5s leave a-1
           > log: group g generation 2 is empty
           > leave: a-1 ok
         5s hello c reads=t
           > log: group g is no more
           > log: g c reads t
           > log: g epoch 2
           > log: g target for c: t-0,1
           > log: g targets of epoch 2
           > log: g c 0->2 Stable has t-0,1
           > hello c: epoch 2 has t-0,1",
    );
}

#[test]
fn under_the_policy_upgrade_classic_groups_become_consumer_groups() {
    check(
        "0s set migration=upgrade
         0s topic t=2
         0s join a v=3 session=45s
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
           > hello c: epoch 2 has -
         5s beat a-1
           > beat a-1: RebalanceInProgress
         5s join a-1 session=45s
           > log: g a-1 reads t, classic range
           > log: g a-1 1->2 Stable has t-0
           > join a-1: a-1 in generation 2 of range led by -
         5s sync a-1 gen=2
           > sync a-1: [t-0]
         6s alive c epoch=2
           > log: g c 2->2 Stable has t-1
           > alive c: epoch 2 has t-1
         7s bye c
           > log: g c has nothing
           > log: g no target for c
           > log: g without c
           > log: g epoch 3
           > bye c: epoch -1
         7s list
           > list: g consumer Assigning consumer",
    );
}

#[test]
fn only_groups_of_consumers_are_upgraded() {
    check(
        "0s topic t=2
         0s join a v=3 type=connect
           > log: group g generation 0 is empty
         3s sync a-1 a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         3s hello c reads=t
           > hello c: GroupIdNotFound
         4s join a group=h v=3 offers=range:?
           > log: group h generation 0 is empty
         7s sync a-3 group=h a-3:x
           > at 7s:
           > join a: a-3 in generation 1 of range led by a-3: a-3
           > log: group h generation 1 of range led by a-3: a-3=x
           > sync a-3: x
         7s hello c group=h reads=t
           > hello c: GroupIdNotFound
         8s join a group=i v=3
           > log: group i generation 0 is empty
         11s sync a-5 group=i a-5:x
           > at 11s:
           > join a: a-5 in generation 1 of range led by a-5: a-5
           > log: group i generation 1 of range led by a-5: a-5=x
           > sync a-5: x
         11s hello c group=i reads=t
           > hello c: GroupIdNotFound
         12s join a group=j v=3
           > log: group j generation 0 is empty
         15s sync a-7 group=j a-7:[t-0,t-1+sticky]
           > at 13s:
           > log: group g generation 2 is empty
           > at 15s:
           > join a: a-7 in generation 1 of range led by a-7: a-7
           > log: group j generation 1 of range led by a-7: a-7=[t-0,t-1]
           > sync a-7: [t-0,t-1]
         15s hello c group=j reads=t
           > hello c: GroupIdNotFound",
    );
}

#[test]
fn a_group_that_is_too_large_is_not_upgraded() {
    check(
        "0s topic t=2
         0s join a v=3 session=45s
           > log: group g generation 0 is empty
         0s join b v=3 session=45s
         6s sync a-1 a-1:[t-0] b-2:[t-1]
           > at 6s:
           > join a: a-1 in generation 1 of range led by a-1: a-1 b-2
           > join b: b-2 in generation 1 of range led by a-1
           > log: group g generation 1 of range led by a-1: a-1=[t-0] b-2=[t-1]
           > sync a-1: [t-0]
         6s sync b-2
           > sync b-2: [t-1]
         7s set max-size=1
         7s hello c reads=t
           > hello c: GroupIdNotFound
         7s set max-size=2
         7s hello c reads=t
           > hello c: GroupMaxSizeReached
         7s set max-size=3
         7s hello c reads=t
           > log: group g is no more
           > log: g a-1 reads t, classic range
           > log: g b-2 reads t, classic range
           > log: g epoch 1
           > log: g target for a-1: t-0
           > log: g target for b-2: t-1
           > log: g targets of epoch 1
           > log: g a-1 1->1 Stable has t-0
           > log: g b-2 1->1 Stable has t-1
           > log: g c reads t
           > log: g epoch 2
           > log: g target for c: -
           > log: g targets of epoch 2
           > log: g c 0->2 Stable has -
           > hello c: epoch 2 has -",
    );
}

#[test]
fn only_who_joins_upgrades_a_group() {
    check_after(
        A_HAS_ALL,
        "4s alive c epoch=1
           > alive c: GroupIdNotFound
         4s bye c
           > bye c: GroupIdNotFound
         4s beat a-1
           > beat a-1: ok",
    );
}

#[test]
fn a_static_member_goes_on_with_the_consumer_protocol() {
    check(
        "0s topic t=2
         0s join a static=i session=45s
           > log: group g generation 0 is empty
         0s join b static=j session=45s
         6s sync i-1 static=i i-1:[t-0] j-2:[t-1]
           > at 6s:
           > join a: i-1 in generation 1 of range led by i-1: i-1(i) j-2(j)
           > join b: j-2 in generation 1 of range led by i-1
           > log: group g generation 1 of range led by i-1: i-1(i)=[t-0] j-2(j)=[t-1]
           > sync i-1: [t-0]
         6s sync j-2 static=j
           > sync j-2: [t-1]
         7s hello c static=i reads=t
           > log: group g is no more
           > log: g i-1(i) reads t, classic range
           > log: g j-2(j) reads t, classic range
           > log: g epoch 1
           > log: g target for i-1: t-0
           > log: g target for j-2: t-1
           > log: g targets of epoch 1
           > log: g i-1 1->1 Stable has t-0
           > log: g j-2 1->1 Stable has t-1
           > log: g i-1 has nothing
           > log: g no target for i-1
           > log: g without i-1
           > log: g c(i) reads t, classic range
           > log: g target for c: t-0
           > log: g c 0->0 Stable has t-0
           > log: g c(i) reads t
           > log: g c 0->1 Stable has t-0
           > hello c: epoch 1 has t-0
         7s beat i-1 static=i
           > beat i-1: FencedInstanceId
         7s beat j-2 static=j
           > beat j-2: ok
         8s hello d static=j reads=t
           > log: g j-2 has nothing
           > log: g no target for j-2
           > log: g without j-2
           > log: g d(j) reads t, classic range
           > log: g target for d: t-1
           > log: g d 0->0 Stable has t-1
           > log: g d(j) reads t
           > log: g d 0->1 Stable has t-1
           > hello d: epoch 1 has t-1
         8s sync j-2 static=j
           > sync j-2: FencedInstanceId
         9s inspect g
           > inspect: g Stable epoch 1 assigned 1 uniform, c at 1 has t-0 of t-0, d at 1 has t-1 of t-1",
    );
}

#[test]
fn what_is_given_to_several_has_one_owner() {
    check(
        "0s topic t=2
         0s join a v=3 session=45s
           > log: group g generation 0 is empty
         0s join b v=3 session=45s
         6s sync a-1 a-1:[t-0,t-7] b-2:[t-0,t-1,u-0]
           > at 6s:
           > join a: a-1 in generation 1 of range led by a-1: a-1 b-2
           > join b: b-2 in generation 1 of range led by a-1
           > log: group g generation 1 of range led by a-1: a-1=[t-0,t-7] b-2=[t-0,t-1,u-0]
           > sync a-1: [t-0,t-7]
         6s sync b-2
           > sync b-2: [t-0,t-1,u-0]
         7s hello c reads=t
           > log: group g is no more
           > log: g a-1 reads t, classic range
           > log: g b-2 reads t, classic range
           > log: g epoch 1
           > log: g target for a-1: t-0
           > log: g target for b-2: t-1
           > log: g targets of epoch 1
           > log: g a-1 1->1 Stable has t-0
           > log: g b-2 1->1 Stable has t-1
           > log: g c reads t
           > log: g epoch 2
           > log: g target for c: -
           > log: g targets of epoch 2
           > log: g c 0->2 Stable has -
           > hello c: epoch 2 has -",
    );
}

#[test]
fn an_upgrade_that_is_not_written_changes_nothing() {
    check_after(
        A_HAS_ALL,
        "4s join b v=3 session=45s
         4s unwritable
         4s hello c reads=t
           > join b: CoordinatorNotAvailable
           > hello c: CoordinatorNotAvailable
         5s beat a-1
           > beat a-1: RebalanceInProgress
         5s join a-1
         5s join b-2
           > join a-1: a-1 in generation 2 of range led by a-1: a-1 b-2
           > join b-2: b-2 in generation 2 of range led by a-1
         6s list
           > list: g classic CompletingRebalance consumer",
    );
}

#[test]
fn members_that_are_not_heard_of_are_let_go_after_their_own_session() {
    check(
        "0s topic t=2
         0s join a v=3 session=10s
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
           > hello c: epoch 2 has -
         13s alive c epoch=2
           > log: g c 2->2 UnreleasedPartitions has -
           > alive c: epoch 2
         15s alive c epoch=2
           > at 14s:
           > log: g a-1 has nothing
           > log: g no target for a-1
           > log: g without a-1
           > log: g epoch 3
           > log: g target for c: t-0,1
           > log: g targets of epoch 3
           > log: g c 2->3 Stable has t-0,1
           > alive c: epoch 3 has t-0,1",
    );
}
