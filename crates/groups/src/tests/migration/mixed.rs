//! Members of the classic protocol in a consumer group.

use super::super::check;
use super::{A_GOES_OVER, A_HAS_ALL, A_JOINS_C, check_after};

#[test]
fn cooperative_members_give_back_first() {
    check(
        "0s topic t=3
         0s join a v=3 session=45s offers=coop
           > log: group g generation 0 is empty
         0s join b v=3 session=45s offers=coop
         6s sync a-1 a-1:[t-0] b-2:[t-1,t-2]
           > at 6s:
           > join a: a-1 in generation 1 of coop led by a-1: a-1 b-2
           > join b: b-2 in generation 1 of coop led by a-1
           > log: group g generation 1 of coop led by a-1: a-1=[t-0] b-2=[t-1,t-2]
           > sync a-1: [t-0]
         6s sync b-2
           > sync b-2: [t-1,t-2]
         7s hello c reads=t
           > log: group g is no more
           > log: g a-1 reads t, classic coop
           > log: g b-2 reads t, classic coop
           > log: g epoch 1
           > log: g target for a-1: t-0
           > log: g target for b-2: t-1,2
           > log: g targets of epoch 1
           > log: g a-1 1->1 Stable has t-0
           > log: g b-2 1->1 Stable has t-1,2
           > log: g c reads t
           > log: g epoch 2
           > log: g target for b-2: t-1
           > log: g target for c: t-2
           > log: g targets of epoch 2
           > log: g c 0->2 UnreleasedPartitions has -
           > hello c: epoch 2 has -
         8s beat a-1
           > beat a-1: RebalanceInProgress
         8s beat b-2
           > beat b-2: RebalanceInProgress
         8s join a-1 owns=t-0 offers=coop session=45s
           > log: g a-1 reads t, classic coop
           > log: g a-1 1->2 Stable has t-0
           > join a-1: a-1 in generation 2 of coop led by -
         8s sync a-1 gen=2
           > sync a-1: [t-0]
         8s join b-2 owns=t-1,t-2 offers=coop session=45s
           > log: g b-2 reads t, classic coop
           > log: g b-2 1->1 UnrevokedPartitions has t-1, gives back t-2
           > join b-2: b-2 in generation 1 of coop led by -
         8s sync b-2
           > sync b-2: [t-1]
         8s beat b-2
           > beat b-2: RebalanceInProgress
         9s alive c epoch=2
           > log: g c 2->2 UnreleasedPartitions has -
           > alive c: epoch 2
         9s join b-2 owns=t-1 offers=coop session=45s
           > log: g b-2 reads t, classic coop
           > log: g b-2 1->2 Stable has t-1
           > join b-2: b-2 in generation 2 of coop led by -
         9s sync b-2 gen=2
           > sync b-2: [t-1]
         9s beat b-2 gen=2
           > beat b-2: ok
         9s alive c epoch=2
           > log: g c 2->2 Stable has t-2
           > alive c: epoch 2 has t-2",
    );
}

#[test]
fn eager_members_give_everything_back() {
    check(
        "0s topic t=3
         0s join a v=3 session=45s
           > log: group g generation 0 is empty
         0s join b v=3 session=45s
         6s sync a-1 a-1:[t-0] b-2:[t-1,t-2]
           > at 6s:
           > join a: a-1 in generation 1 of range led by a-1: a-1 b-2
           > join b: b-2 in generation 1 of range led by a-1
           > log: group g generation 1 of range led by a-1: a-1=[t-0] b-2=[t-1,t-2]
           > sync a-1: [t-0]
         6s sync b-2
           > sync b-2: [t-1,t-2]
         7s hello c reads=t
           > log: group g is no more
           > log: g a-1 reads t, classic range
           > log: g b-2 reads t, classic range
           > log: g epoch 1
           > log: g target for a-1: t-0
           > log: g target for b-2: t-1,2
           > log: g targets of epoch 1
           > log: g a-1 1->1 Stable has t-0
           > log: g b-2 1->1 Stable has t-1,2
           > log: g c reads t
           > log: g epoch 2
           > log: g target for b-2: t-1
           > log: g target for c: t-2
           > log: g targets of epoch 2
           > log: g c 0->2 UnreleasedPartitions has -
           > hello c: epoch 2 has -
         8s join a-1 session=45s
           > log: g a-1 reads t, classic range
           > log: g a-1 1->2 Stable has t-0
           > join a-1: a-1 in generation 2 of range led by -
         8s sync a-1 gen=2
           > sync a-1: [t-0]
         8s beat a-1 gen=2
           > beat a-1: ok
         8s join b-2 session=45s
           > log: g b-2 reads t, classic range
           > log: g b-2 1->2 Stable has t-1
           > join b-2: b-2 in generation 2 of range led by -
         8s sync b-2 gen=2
           > sync b-2: [t-1]
         9s alive c epoch=2
           > log: g c 2->2 Stable has t-2
           > alive c: epoch 2 has t-2",
    );
}

#[test]
fn who_waits_for_others_is_told_when_they_gave_back() {
    check_after(
        A_JOINS_C,
        "2s sync #2 gen=3
           > sync #2: []
         2s beat #2 gen=3
           > beat #2: ok
         3s alive c epoch=2 owns=t-0,t-1
           > log: g c 2->2 UnrevokedPartitions has t-0, gives back t-1
           > alive c: epoch 2 has t-0
         3s beat #2 gen=3
           > beat #2: ok
         4s alive c epoch=2 owns=t-0
           > log: g c 2->3 Stable has t-0
           > alive c: epoch 3
         4s beat #2 gen=3
           > beat #2: RebalanceInProgress
         4s join #2 session=45s
           > log: g #2 reads t, classic range
           > log: g #2 3->3 Stable has t-1
           > join #2: #2 in generation 3 of range led by -
         4s sync #2 gen=3
           > sync #2: [t-1]
         4s beat #2 gen=3
           > beat #2: ok",
    );
}

#[test]
fn newcomers_come_again_with_an_id() {
    check(
        "0s topic t=2
         0s hello c reads=t
           > log: g c reads t
           > log: g epoch 2
           > log: g target for c: t-0,1
           > log: g targets of epoch 2
           > log: g c 0->2 Stable has t-0,1
           > hello c: epoch 2 has t-0,1
         2s join a v=4 session=45s
           > join a: MemberIdRequired #2
         2s inspect g
           > inspect: g Stable epoch 2 assigned 2 uniform, c at 2 has t-0,1 of t-0,1
         2s join #2 v=4 session=45s
           > log: g #2 reads t, classic range
           > log: g epoch 3
           > log: g target for #2: t-1
           > log: g target for c: t-0
           > log: g targets of epoch 3
           > log: g #2 0->3 UnreleasedPartitions has -
           > join #2: #2 in generation 3 of range led by -
         2s sync #2 gen=3
           > sync #2: []
         2s join b v=9 static=i session=45s
           > log: g #4(i) reads t, classic range
           > log: g epoch 4
           > log: g #4 0->3 Stable has -
           > join b: #4 in generation 3 of range led by -
         2s sync #4 gen=3 static=i
           > sync #4: []",
    );
}

#[test]
fn who_cannot_join_is_told_why() {
    check(
        "0s topic t=2
         0s hello c reads=t
           > log: g c reads t
           > log: g epoch 2
           > log: g target for c: t-0,1
           > log: g targets of epoch 2
           > log: g c 0->2 Stable has t-0,1
           > hello c: epoch 2 has t-0,1
         2s join a v=3 session=45s offers=range,sticky
           > log: g #2 reads t, classic range,sticky
           > log: g epoch 3
           > log: g target for #2: t-1
           > log: g target for c: t-0
           > log: g targets of epoch 3
           > log: g #2 0->3 UnreleasedPartitions has -
           > join a: #2 in generation 3 of range led by -
         2s join b v=3 session=45s offers=sticky,coop
           > log: g #3 reads t, classic sticky,coop
           > log: g epoch 4
           > log: g #3 0->3 Stable has -
           > join b: #3 in generation 3 of sticky led by -
         2s join d v=3 offers=coop
           > join d: InconsistentGroupProtocol
         2s join d v=3 type=connect
           > join d: InconsistentGroupProtocol
         2s join d v=3 offers=
           > join d: InconsistentGroupProtocol
         2s join d v=3 offers=range:?
           > join d: InconsistentGroupProtocol
         2s join d-9 static=i offers=sticky
           > join d-9: UnknownMemberId
         4s join e static=i offers=sticky session=45s
           > log: g #9(i) reads t, classic sticky
           > log: g epoch 5
           > log: g target for #3: -
           > log: g target for #9: -
           > log: g targets of epoch 5
           > log: g #9 0->5 Stable has -
           > join e: #9 in generation 5 of sticky led by -
         4s join d-9 static=i offers=sticky
           > join d-9: FencedInstanceId
         4s join d v=3 session=1s
           > join d: InvalidSessionTimeout
         4s join #2 session=45s offers=range,sticky
           > log: g #2 reads t, classic range,sticky
           > log: g #2 3->5 UnreleasedPartitions has -
           > join #2: #2 in generation 5 of range led by -",
    );
}

#[test]
fn a_full_group_takes_no_member_of_the_classic_protocol() {
    check_after(
        A_JOINS_C,
        "2s set max-size=2
         2s join b v=3
           > join b: GroupMaxSizeReached
         2s join #2 session=45s
           > log: g #2 reads t, classic range
           > log: g #2 3->3 UnreleasedPartitions has -
           > join #2: #2 in generation 3 of range led by -",
    );
}

#[test]
fn under_the_policy_disabled_consumer_groups_take_no_member_of_the_classic_protocol() {
    check(
        "0s set migration=disabled
         0s topic t=2
         0s hello c reads=t
           > log: g c reads t
           > log: g epoch 2
           > log: g target for c: t-0,1
           > log: g targets of epoch 2
           > log: g c 0->2 Stable has t-0,1
           > hello c: epoch 2 has t-0,1
         1s join a v=3
           > join a: InconsistentGroupProtocol
         1s join a v=3 static=i
           > join a: InconsistentGroupProtocol
         1s alive c epoch=2 owns=t-0,t-1
           > alive c: epoch 2
         2s bye c
           > log: g c has nothing
           > log: g no target for c
           > log: g without c
           > log: g epoch 3
           > bye c: epoch -1
         2s list
           > list: g consumer Empty consumer
         3s join a v=3
           > log: g has no targets
           > log: g is no more
           > log: group g generation 0 is empty
         7s list
           > at 6s:
           > join a: a-6 in generation 1 of range led by a-6: a-6
           > list: g classic CompletingRebalance consumer",
    );
}

#[test]
fn who_is_not_in_the_group_as_it_says_is_told_so() {
    check(
        "0s topic t=2
         0s hello c reads=t
           > log: g c reads t
           > log: g epoch 2
           > log: g target for c: t-0,1
           > log: g targets of epoch 2
           > log: g c 0->2 Stable has t-0,1
           > hello c: epoch 2 has t-0,1
         2s join a static=i session=45s
           > log: g #2(i) reads t, classic range
           > log: g epoch 3
           > log: g target for #2: t-1
           > log: g target for c: t-0
           > log: g targets of epoch 3
           > log: g #2 0->3 UnreleasedPartitions has -
           > join a: #2 in generation 3 of range led by -
         2s sync x gen=3
           > sync x: UnknownMemberId
         2s sync c gen=2
           > sync c: UnknownMemberId
         2s sync #2 gen=3 static=j
           > sync #2: UnknownMemberId
         2s sync x gen=3 static=i
           > sync x: FencedInstanceId
         2s sync #2 gen=2
           > sync #2: IllegalGeneration
         2s sync #2 gen=3 static=i type=connect
           > sync #2: InconsistentGroupProtocol
         2s sync #2 gen=3 static=i type=consumer protocol=sticky
           > sync #2: InconsistentGroupProtocol
         2s sync #2 gen=3 static=i type=consumer protocol=range
           > sync #2: []
         2s beat x gen=3
           > beat x: UnknownMemberId
         2s beat c gen=2
           > beat c: UnknownMemberId
         2s beat #2 gen=3 static=j
           > beat #2: UnknownMemberId
         2s beat x gen=3 static=i
           > beat x: FencedInstanceId
         2s beat #2 gen=4
           > beat #2: IllegalGeneration
         2s leave x #2:j x:i
           > leave: x UnknownMemberId, #2:j UnknownMemberId, x:i FencedInstanceId
         2s alive #2 epoch=3
           > log: g #2(i) reads t
           > log: g #2 3->3 UnreleasedPartitions has -
           > alive #2: epoch 3",
    );
}

#[test]
fn who_is_behind_does_not_get_its_assignment() {
    check_after(
        A_JOINS_C,
        "4s join b v=3 session=45s
           > log: g #3 reads t, classic range
           > log: g epoch 4
           > log: g target for #3: -
           > log: g targets of epoch 4
           > log: g #3 0->4 Stable has -
           > join b: #3 in generation 4 of range led by -
         4s sync #2 gen=3
           > sync #2: RebalanceInProgress
         4s join #2 session=45s
           > log: g #2 reads t, classic range
           > log: g #2 3->4 UnreleasedPartitions has -
           > join #2: #2 in generation 4 of range led by -
         4s sync #2 gen=4
           > sync #2: []",
    );
}

#[test]
fn who_does_not_join_in_time_is_let_go() {
    check_after(
        A_GOES_OVER,
        "5s beat a-1
           > beat a-1: RebalanceInProgress
         9s beat a-1
           > beat a-1: RebalanceInProgress
         24s alive c epoch=2
           > log: g c 2->2 UnreleasedPartitions has -
           > alive c: epoch 2
         25s alive c epoch=2
           > at 25s:
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

#[test]
fn who_does_not_ask_for_its_assignment_in_time_is_let_go() {
    check_after(
        A_GOES_OVER,
        "5s join a-1 session=45s rebalance=20s
           > log: g a-1 reads t, classic range
           > log: g a-1 1->2 Stable has t-0
           > join a-1: a-1 in generation 2 of range led by -
         20s beat a-1 gen=2
           > beat a-1: ok
         24s alive c epoch=2
           > log: g c 2->2 Stable has t-1
           > alive c: epoch 2 has t-1
         25s alive c epoch=2
           > at 25s:
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

#[test]
fn who_does_in_time_what_it_is_told_stays() {
    check_after(
        A_GOES_OVER,
        "5s beat a-1
           > beat a-1: RebalanceInProgress
         6s join a-1 session=45s rebalance=20s
           > log: g a-1 reads t, classic range
           > log: g a-1 1->2 Stable has t-0
           > join a-1: a-1 in generation 2 of range led by -
         7s sync a-1 gen=2
           > sync a-1: [t-0]
         30s beat a-1 gen=2
           > beat a-1: ok
         30s alive c epoch=2
           > log: g c 2->2 Stable has t-1
           > alive c: epoch 2 has t-1",
    );
}

#[test]
fn members_leave() {
    check(
        "0s topic t=4
         0s hello c reads=t
           > log: g c reads t
           > log: g epoch 2
           > log: g target for c: t-0,1,2,3
           > log: g targets of epoch 2
           > log: g c 0->2 Stable has t-0,1,2,3
           > hello c: epoch 2 has t-0,1,2,3
         2s hello d reads=t
           > log: g d reads t
           > log: g epoch 3
           > log: g target for c: t-0,1
           > log: g target for d: t-2,3
           > log: g targets of epoch 3
           > log: g d 0->3 UnreleasedPartitions has -
           > hello d: epoch 3 has -
         4s join a v=3 session=45s
           > log: g #3 reads t, classic range
           > log: g epoch 4
           > log: g target for #3: t-3
           > log: g target for d: t-2
           > log: g targets of epoch 4
           > log: g #3 0->4 UnreleasedPartitions has -
           > join a: #3 in generation 4 of range led by -
         6s join b static=i session=45s
           > log: g #4(i) reads t, classic range
           > log: g epoch 5
           > log: g target for #4: t-1
           > log: g target for c: t-0
           > log: g targets of epoch 5
           > log: g #4 0->5 UnreleasedPartitions has -
           > join b: #4 in generation 5 of range led by -
         6s leave #3
           > log: g #3 has nothing
           > log: g no target for #3
           > log: g without #3
           > log: g epoch 6
           > leave: #3 ok
         6s leave -:i d
           > log: g #4 has nothing
           > log: g no target for #4
           > log: g without #4
           > log: g d has nothing
           > log: g no target for d
           > log: g without d
           > log: g epoch 7
           > leave: -:i ok, d ok
         8s alive c epoch=2
           > log: g target for c: t-0,1,2,3
           > log: g targets of epoch 7
           > log: g c 2->7 Stable has t-0,1,2,3
           > alive c: epoch 7",
    );
}

#[test]
fn a_static_member_is_replaced() {
    check(
        "0s topic t=2
         0s hello c reads=t
           > log: g c reads t
           > log: g epoch 2
           > log: g target for c: t-0,1
           > log: g targets of epoch 2
           > log: g c 0->2 Stable has t-0,1
           > hello c: epoch 2 has t-0,1
         2s join a static=i session=45s
           > log: g #2(i) reads t, classic range
           > log: g epoch 3
           > log: g target for #2: t-1
           > log: g target for c: t-0
           > log: g targets of epoch 3
           > log: g #2 0->3 UnreleasedPartitions has -
           > join a: #2 in generation 3 of range led by -
         2s alive c epoch=2 owns=t-0
           > log: g c 2->3 Stable has t-0
           > alive c: epoch 3 has t-0
         2s join #2 static=i session=45s
           > log: g #2(i) reads t, classic range
           > log: g #2 3->3 Stable has t-1
           > join #2: #2 in generation 3 of range led by -
         3s join a static=i session=45s
           > log: g #2 has nothing
           > log: g no target for #2
           > log: g without #2
           > log: g #5(i) reads t, classic range
           > log: g target for #5: t-1
           > log: g #5 0->0 Stable has t-1
           > log: g #5(i) reads t, classic range
           > log: g #5 0->3 Stable has t-1
           > join a: #5 in generation 3 of range led by -
         3s beat #2 gen=3 static=i
           > beat #2: FencedInstanceId
         3s sync #5 gen=3 static=i
           > sync #5: [t-1]
         4s hello d static=i reads=t
           > log: g #5 has nothing
           > log: g no target for #5
           > log: g without #5
           > log: g d(i) reads t, classic range
           > log: g target for d: t-1
           > log: g d 0->0 Stable has t-1
           > log: g d(i) reads t
           > log: g d 0->3 Stable has t-1
           > hello d: epoch 3 has t-1
         4s hello e static=i reads=t
           > hello e: UnreleasedInstanceId
         4s beat #5 gen=3 static=i
           > beat #5: FencedInstanceId",
    );
}

#[test]
fn a_static_member_is_replaced_by_one_that_reads_something_else() {
    check(
        "0s topic t=2 u=1
         0s hello c reads=t
           > log: g c reads t
           > log: g epoch 2
           > log: g target for c: t-0,1
           > log: g targets of epoch 2
           > log: g c 0->2 Stable has t-0,1
           > hello c: epoch 2 has t-0,1
         2s join a static=i session=45s
           > log: g #2(i) reads t, classic range
           > log: g epoch 3
           > log: g target for #2: t-1
           > log: g target for c: t-0
           > log: g targets of epoch 3
           > log: g #2 0->3 UnreleasedPartitions has -
           > join a: #2 in generation 3 of range led by -
         3s alive c epoch=2 owns=t-0
           > log: g c 2->3 Stable has t-0
           > alive c: epoch 3 has t-0
         3s join #2 static=i session=45s
           > log: g #2(i) reads t, classic range
           > log: g #2 3->3 Stable has t-1
           > join #2: #2 in generation 3 of range led by -
         3s sync #2 gen=3 static=i
           > sync #2: [t-1]
         5s join b static=i session=45s offers=range:tu
           > log: g #2 has nothing
           > log: g no target for #2
           > log: g without #2
           > log: g #5(i) reads t, classic range
           > log: g target for #5: t-1
           > log: g #5 0->0 Stable has t-1
           > log: g #5(i) reads t,u, classic range
           > log: g epoch 4
           > log: g target for #5: t-1 u-0
           > log: g targets of epoch 4
           > log: g #5 0->4 Stable has t-1 u-0
           > join b: #5 in generation 4 of range led by -
         5s sync #5 gen=4 static=i
           > sync #5: [t-1,u-0]
         5s beat #2 gen=3 static=i
           > beat #2: FencedInstanceId
         5s inspect g
           > inspect: g Reconciling epoch 4 assigned 4 uniform, #5 at 4 has t-1 u-0 of t-1 u-0, c at 3 has t-0 of t-0",
    );
}

#[test]
fn offsets_are_committed_in_the_members_generation() {
    check_after(
        A_JOINS_C,
        "2s commit member=#2 gen=3 v=2 t-0=5
           > log: group g at t-0=5
           > commit: t-0 ok
         2s commit member=#2 gen=4 v=9 t-0=5
           > commit: IllegalGeneration
         2s commit member=#2 gen=2 v=9 t-0=5 id=1
           > commit: IllegalGeneration
         2s commit member=c gen=2 v=8 t-0=5
           > commit: UnsupportedVersion
         2s commit t-0=5
           > commit: UnknownMemberId
         2s fetch t-0 member=#2 epoch=3
           > fetch: t-0=5
         2s fetch t-0 member=#2 epoch=2
           > fetch: IllegalGeneration
         2s fetch t-0 member=c epoch=6
           > fetch: StaleMemberEpoch",
    );
}

#[test]
fn without_anyone_of_the_consumer_protocol_a_group_still_rebalances() {
    check(
        "0s set migration=upgrade
         0s topic t=2
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
           > hello c: epoch 2 has -
         8s bye c
           > log: g c has nothing
           > log: g no target for c
           > log: g without c
           > log: g epoch 3
           > bye c: epoch -1
         8s list
           > list: g consumer Assigning consumer
         9s beat a-1
           > beat a-1: RebalanceInProgress
         9s join a-1 session=45s
           > log: g a-1 reads t, classic range
           > log: g targets of epoch 3
           > log: g a-1 1->3 Stable has t-0
           > join a-1: a-1 in generation 3 of range led by -
         9s sync a-1 gen=3
           > sync a-1: [t-0]
         9s join b-2 session=45s
           > log: g b-2 reads t, classic range
           > log: g b-2 1->3 Stable has t-1
           > join b-2: b-2 in generation 3 of range led by -
         9s sync b-2 gen=3
           > sync b-2: [t-1]
         9s beat a-1 gen=3
           > beat a-1: ok
         10s leave a-1
           > log: g a-1 has nothing
           > log: g no target for a-1
           > log: g without a-1
           > log: g epoch 4
           > leave: a-1 ok
         10s beat b-2 gen=3
           > beat b-2: RebalanceInProgress
         10s join b-2 session=45s
           > log: g target for b-2: t-0,1
           > log: g targets of epoch 4
           > log: g b-2 3->4 Stable has t-0,1
           > join b-2: b-2 in generation 4 of range led by -
         10s sync b-2 gen=4
           > sync b-2: [t-0,t-1]
         10s set migration=bidirectional
         10s leave b-2
           > log: g b-2 has nothing
           > log: g no target for b-2
           > log: g without b-2
           > log: g epoch 5
           > leave: b-2 ok
         10s list
           > list: g consumer Empty consumer",
    );
}

#[test]
fn after_a_restart_members_go_on() {
    check_after(
        A_HAS_ALL,
        "4s hello c reads=t
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
         4s restart
         5s beat a-1
           > beat a-1: RebalanceInProgress
         5s join a-1 session=45s
           > log: g a-1 reads t, classic range
           > log: g a-1 1->2 Stable has t-0
           > join a-1: a-1 in generation 2 of range led by -
         5s restart
         5s sync a-1 gen=2
           > sync a-1: [t-0]
         6s alive c epoch=2
           > log: g c 2->2 Stable has t-1
           > alive c: epoch 2 has t-1
         7s beat a-1 gen=2
           > beat a-1: ok",
    );
}
