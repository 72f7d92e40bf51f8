//! Consumer groups: joining, giving back, taking, leaving.

use super::check;

#[test]
fn a_first_member_gets_everything() {
    check(
        "0s topic t=3
         0s hello a reads=t
           > log: g a reads t
           > log: g epoch 2
           > log: g target for a: t-0,1,2
           > log: g targets of epoch 2
           > log: g a 0->2 Stable has t-0,1,2
           > hello a: epoch 2 has t-0,1,2
         1s alive a epoch=2
           > alive a: epoch 2
         1s alive a epoch=2 owns=t-0,t-1,t-2
           > alive a: epoch 2
         1s inspect g
           > inspect: g Stable epoch 2 assigned 2 uniform, a at 2 has t-0,1,2 of t-0,1,2
         1s list
           > list: g consumer Stable consumer
         1s describe g
           > describe: g Dead - - GroupIdNotFound",
    );
}

#[test]
fn partitions_are_given_back_before_others_take_them() {
    check(
        "0s topic t=3
         0s hello a reads=t
           > log: g a reads t
           > log: g epoch 2
           > log: g target for a: t-0,1,2
           > log: g targets of epoch 2
           > log: g a 0->2 Stable has t-0,1,2
           > hello a: epoch 2 has t-0,1,2
         2s hello b reads=t
           > log: g b reads t
           > log: g epoch 3
           > log: g target for a: t-0,1
           > log: g target for b: t-2
           > log: g targets of epoch 3
           > log: g b 0->3 UnreleasedPartitions has -
           > hello b: epoch 3 has -
         3s inspect g
           > inspect: g Reconciling epoch 3 assigned 3 uniform, a at 2 has t-0,1,2 of t-0,1, b at 3 has - of t-2
         3s alive a epoch=2 owns=t-0,t-1,t-2
           > log: g a 2->2 UnrevokedPartitions has t-0,1, gives back t-2
           > alive a: epoch 2 has t-0,1
         4s alive b epoch=3
           > log: g b 3->3 UnreleasedPartitions has -
           > alive b: epoch 3
         4s alive a epoch=2
           > alive a: epoch 2
         5s alive a epoch=2 owns=t-0,t-1
           > log: g a 2->3 Stable has t-0,1
           > alive a: epoch 3
         5s alive b epoch=3
           > log: g b 3->3 Stable has t-2
           > alive b: epoch 3 has t-2
         6s inspect g
           > inspect: g Stable epoch 3 assigned 3 uniform, a at 3 has t-0,1 of t-0,1, b at 3 has t-2 of t-2",
    );
}

#[test]
fn targets_are_not_made_more_often_than_the_interval_allows() {
    check(
        "1s topic t=2
         1s hello a reads=t
           > log: g a reads t
           > log: g epoch 2
           > log: g target for a: t-0,1
           > log: g targets of epoch 2
           > log: g a 0->2 Stable has t-0,1
           > hello a: epoch 2 has t-0,1
         1500ms hello b reads=t
           > log: g b reads t
           > log: g epoch 3
           > log: g b 0->2 Stable has -
           > hello b: epoch 2 has -
         1600ms hello c reads=t
           > log: g c reads t
           > log: g epoch 4
           > log: g c 0->2 Stable has -
           > hello c: epoch 2 has -
         1600ms inspect g
           > inspect: g Assigning epoch 4 assigned 2 uniform, a at 2 has t-0,1 of t-0,1, b at 2 has - of -, c at 2 has - of -
         1999ms alive b epoch=2
           > alive b: epoch 2
         2s alive b epoch=2
           > log: g target for a: t-0
           > log: g target for b: -
           > log: g target for c: t-1
           > log: g targets of epoch 4
           > log: g b 2->4 Stable has -
           > alive b: epoch 4
         2s inspect g
           > inspect: g Reconciling epoch 4 assigned 4 uniform, a at 2 has t-0,1 of t-0, b at 4 has - of -, c at 2 has - of t-1",
    );
}

#[test]
fn who_leaves_leaves_everything_at_once() {
    check(
        "0s topic t=2
         0s hello a reads=t
           > log: g a reads t
           > log: g epoch 2
           > log: g target for a: t-0,1
           > log: g targets of epoch 2
           > log: g a 0->2 Stable has t-0,1
           > hello a: epoch 2 has t-0,1
         2s hello b reads=t
           > log: g b reads t
           > log: g epoch 3
           > log: g target for a: t-0
           > log: g target for b: t-1
           > log: g targets of epoch 3
           > log: g b 0->3 UnreleasedPartitions has -
           > hello b: epoch 3 has -
         3s bye a
           > log: g a has nothing
           > log: g no target for a
           > log: g without a
           > log: g epoch 4
           > bye a: epoch -1
         4s alive b epoch=3
           > log: g target for b: t-0,1
           > log: g targets of epoch 4
           > log: g b 3->4 Stable has t-0,1
           > alive b: epoch 4 has t-0,1
         5s bye b
           > log: g b has nothing
           > log: g no target for b
           > log: g without b
           > log: g epoch 5
           > bye b: epoch -1
         5s inspect g
           > inspect: g Empty epoch 5 assigned 4 uniform
         6s bye b
           > bye b: UnknownMemberId
         6s bye c group=h
           > bye c: GroupIdNotFound",
    );
}

#[test]
fn a_silent_member_is_let_go_after_its_session() {
    check(
        "0s topic t=2
         0s hello a reads=t
           > log: g a reads t
           > log: g epoch 2
           > log: g target for a: t-0,1
           > log: g targets of epoch 2
           > log: g a 0->2 Stable has t-0,1
           > hello a: epoch 2 has t-0,1
         30s alive a epoch=2
           > alive a: epoch 2
         74s wait
         75s wait
           > at 75s:
           > log: g a has nothing
           > log: g no target for a
           > log: g without a
           > log: g epoch 3
         76s alive a epoch=2
           > alive a: UnknownMemberId
         76s hello a reads=t
           > log: g a reads t
           > log: g epoch 4
           > log: g target for a: t-0,1
           > log: g targets of epoch 4
           > log: g a 0->4 Stable has t-0,1
           > hello a: epoch 4 has t-0,1",
    );
}

#[test]
fn who_does_not_give_back_in_time_is_let_go() {
    check(
        "0s topic t=2
         0s hello a reads=t rebalance=10s
           > log: g a reads t
           > log: g epoch 2
           > log: g target for a: t-0,1
           > log: g targets of epoch 2
           > log: g a 0->2 Stable has t-0,1
           > hello a: epoch 2 has t-0,1
         2s hello b reads=t
           > log: g b reads t
           > log: g epoch 3
           > log: g target for a: t-0
           > log: g target for b: t-1
           > log: g targets of epoch 3
           > log: g b 0->3 UnreleasedPartitions has -
           > hello b: epoch 3 has -
         3s alive a epoch=2 owns=t-0,t-1
           > log: g a 2->2 UnrevokedPartitions has t-0, gives back t-1
           > alive a: epoch 2 has t-0
         12s alive a epoch=2 owns=t-0,t-1
           > alive a: epoch 2
         14s alive b epoch=3
           > at 13s:
           > log: g a has nothing
           > log: g no target for a
           > log: g without a
           > log: g epoch 4
           > log: g target for b: t-0,1
           > log: g targets of epoch 4
           > log: g b 3->4 Stable has t-0,1
           > alive b: epoch 4 has t-0,1
         14s alive a epoch=2 owns=t-0,t-1
           > alive a: UnknownMemberId",
    );
}

#[test]
fn an_epoch_that_is_not_the_members_is_fenced() {
    check(
        "0s topic t=2
         0s hello a reads=t
           > log: g a reads t
           > log: g epoch 2
           > log: g target for a: t-0,1
           > log: g targets of epoch 2
           > log: g a 0->2 Stable has t-0,1
           > hello a: epoch 2 has t-0,1
         1s alive a epoch=3
           > alive a: FencedMemberEpoch
         1s alive a epoch=0 owns=t-0
           > alive a: InvalidRequest
         2s hello b reads=t
           > log: g b reads t
           > log: g epoch 3
           > log: g target for a: t-0
           > log: g target for b: t-1
           > log: g targets of epoch 3
           > log: g b 0->3 UnreleasedPartitions has -
           > hello b: epoch 3 has -
         3s alive a epoch=2 owns=t-0,t-1
           > log: g a 2->2 UnrevokedPartitions has t-0, gives back t-1
           > alive a: epoch 2 has t-0
         4s alive a epoch=2 owns=t-0
           > log: g a 2->3 Stable has t-0
           > alive a: epoch 3
         5s alive a epoch=2 owns=t-0
           > alive a: epoch 3
         5s alive a epoch=2 owns=t-1
           > alive a: FencedMemberEpoch
         5s alive a epoch=2
           > alive a: FencedMemberEpoch
         6s hello a reads=t
           > hello a: epoch 3 has t-0",
    );
}

#[test]
fn who_is_not_a_member_is_told_so() {
    check(
        "0s alive a epoch=2
           > alive a: GroupIdNotFound
         0s topic t=1
         0s hello a reads=t
           > log: g a reads t
           > log: g epoch 2
           > log: g target for a: t-0
           > log: g targets of epoch 2
           > log: g a 0->2 Stable has t-0
           > hello a: epoch 2 has t-0
         0s alive b epoch=2
           > alive b: UnknownMemberId
         0s alive b epoch=2 static=i
           > alive b: UnknownMemberId",
    );
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    check(
        "0s hello a group= reads=t
           > hello a: InvalidRequest
         0s hello reads=t
           > hello : InvalidRequest
         0s hello reads=t v=0
           > log: g #3 reads t
           > log: g epoch 2
           > log: g target for #3: -
           > log: g targets of epoch 2
           > log: g #3 0->2 Stable has -
           > hello : epoch 2 has -
         0s hello a
           > hello a: InvalidRequest
         0s topic t=1
         0s hello a reads=t owns=t-0
           > hello a: InvalidRequest
         0s alive a epoch=-3
           > alive a: InvalidRequest
         0s bye a epoch=-2
           > bye a: InvalidRequest
         0s hello a reads=t by=sticky
           > hello a: UnsupportedAssignor
         0s hello a reads=t static=
           > hello a: InvalidRequest
         0s alive a epoch=0 reads=t owns=-
           > alive a: InvalidRequest
         0s list
           > list: g consumer Stable consumer",
    );
}

#[test]
fn a_group_grows_up_to_its_limit() {
    check(
        "0s set max-size=1
         0s topic t=1
         0s hello a reads=t
           > log: g a reads t
           > log: g epoch 2
           > log: g target for a: t-0
           > log: g targets of epoch 2
           > log: g a 0->2 Stable has t-0
           > hello a: epoch 2 has t-0
         0s hello b reads=t
           > hello b: GroupMaxSizeReached
         1s hello a reads=t
           > hello a: epoch 2 has t-0",
    );
}

#[test]
fn topics_and_partitions_that_come_and_go_are_noticed() {
    check(
        "0s hello a reads=t,u
           > log: g a reads t,u
           > log: g epoch 2
           > log: g target for a: -
           > log: g targets of epoch 2
           > log: g a 0->2 Stable has -
           > hello a: epoch 2 has -
         2s topic t=1
         2s alive a epoch=2
           > log: g epoch 3
           > log: g target for a: t-0
           > log: g targets of epoch 3
           > log: g a 2->3 Stable has t-0
           > alive a: epoch 3 has t-0
         4s topic t=2 u=1
         4s alive a epoch=3
           > log: g epoch 4
           > log: g target for a: t-0,1 u-0
           > log: g targets of epoch 4
           > log: g a 3->4 Stable has t-0,1 u-0
           > alive a: epoch 4 has t-0,1 u-0
         4s alive a epoch=4
           > alive a: epoch 4
         6s topic t=-
         6s alive a epoch=4 owns=t-0,t-1,u-0
           > log: g epoch 5
           > log: g target for a: u-0
           > log: g targets of epoch 5
           > log: g a 4->4 UnrevokedPartitions has u-0, gives back t-0,1
           > alive a: epoch 4 has u-0
         7s alive a epoch=4 owns=u-0
           > log: g a 4->5 Stable has u-0
           > alive a: epoch 5",
    );
}

#[test]
fn a_changed_subscription_is_followed() {
    check(
        "0s topic t=1 u=1
         0s hello a reads=t
           > log: g a reads t
           > log: g epoch 2
           > log: g target for a: t-0
           > log: g targets of epoch 2
           > log: g a 0->2 Stable has t-0
           > hello a: epoch 2 has t-0
         0s alive a epoch=2 reads=u owns=t-0
           > log: g a reads u
           > log: g epoch 3
           > log: g target for a: u-0
           > log: g targets of epoch 3
           > log: g a 2->2 UnrevokedPartitions has -, gives back t-0
           > alive a: epoch 2 has -
         2s alive a epoch=2 owns=-
           > log: g a 2->3 Stable has u-0
           > alive a: epoch 3 has u-0
         3s alive a epoch=3 owns=-
           > alive a: epoch 3
         4s inspect g
           > inspect: g Stable epoch 3 assigned 3 uniform, a at 3 has u-0 of u-0",
    );
}

#[test]
fn members_choose_the_assignor_by_majority() {
    check(
        "0s set interval=0s
         0s topic t=3 u=3
         0s hello a reads=t,u by=range
           > log: g a reads t,u
           > log: g epoch 2
           > log: g target for a: t-0,1,2 u-0,1,2
           > log: g targets of epoch 2
           > log: g a 0->2 Stable has t-0,1,2 u-0,1,2
           > hello a: epoch 2 has t-0,1,2 u-0,1,2
         0s hello b reads=t,u by=range
           > log: g b reads t,u
           > log: g epoch 3
           > log: g target for a: t-0,1 u-0,1
           > log: g target for b: t-2 u-2
           > log: g targets of epoch 3
           > log: g b 0->3 UnreleasedPartitions has -
           > hello b: epoch 3 has -
         0s hello c reads=t,u by=uniform
           > log: g c reads t,u
           > log: g epoch 4
           > log: g target for a: t-0 u-0
           > log: g target for b: t-1 u-1
           > log: g target for c: t-2 u-2
           > log: g targets of epoch 4
           > log: g c 0->4 UnreleasedPartitions has -
           > hello c: epoch 4 has -
         0s inspect g
           > inspect: g Reconciling epoch 4 assigned 4 range, a at 2 has t-0,1,2 u-0,1,2 of t-0 u-0, b at 3 has - of t-1 u-1, c at 4 has - of t-2 u-2",
    );
}

#[test]
fn a_static_member_comes_back_to_what_it_had() {
    check(
        "0s topic t=2
         0s hello a reads=t static=i
           > log: g a(i) reads t
           > log: g epoch 2
           > log: g target for a: t-0,1
           > log: g targets of epoch 2
           > log: g a 0->2 Stable has t-0,1
           > hello a: epoch 2 has t-0,1
         1s hello b reads=t static=i
           > hello b: UnreleasedInstanceId
         2s bye b epoch=-2 static=i
           > bye b: FencedInstanceId
         2s bye a epoch=-2 static=i
           > log: g a 0->-2 Stable has t-0,1
           > bye a: epoch -2
         3s hello b reads=t static=i
           > log: g a has nothing
           > log: g no target for a
           > log: g without a
           > log: g b(i) reads t
           > log: g target for b: t-0,1
           > log: g b 0->0 Stable has t-0,1
           > log: g b 0->2 Stable has t-0,1
           > hello b: epoch 2 has t-0,1
         4s alive a epoch=2 static=i
           > alive a: FencedInstanceId
         4s alive b epoch=2 static=i
           > alive b: epoch 2
         5s inspect g
           > inspect: g Stable epoch 2 assigned 2 uniform, b at 2 has t-0,1 of t-0,1
         6s bye b static=i
           > log: g b has nothing
           > log: g no target for b
           > log: g without b
           > log: g epoch 3
           > bye b: epoch -1",
    );
}

#[test]
fn a_static_member_that_does_not_come_back_is_let_go() {
    check(
        "0s topic t=2
         0s hello a reads=t static=i
           > log: g a(i) reads t
           > log: g epoch 2
           > log: g target for a: t-0,1
           > log: g targets of epoch 2
           > log: g a 0->2 Stable has t-0,1
           > hello a: epoch 2 has t-0,1
         2s bye a epoch=-2 static=i
           > log: g a 0->-2 Stable has t-0,1
           > bye a: epoch -2
         46s wait
           > at 45s:
           > log: g a has nothing
           > log: g no target for a
           > log: g without a
           > log: g epoch 3",
    );
}

#[test]
fn an_empty_group_becomes_of_the_kind_of_the_next_member() {
    check(
        "0s topic t=1
         0s join a v=3
           > log: group g generation 0 is empty
         3s leave a-1
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 2 is empty
           > leave: a-1 ok
         3s commit t-0=5
           > log: group g at t-0=5
           > commit: t-0 ok
         4s hello b reads=t
           > log: group g is no more
           > log: g b reads t
           > log: g epoch 2
           > log: g target for b: t-0
           > log: g targets of epoch 2
           > log: g b 0->2 Stable has t-0
           > hello b: epoch 2 has t-0
         4s join a v=3 type=connect
           > join a: InconsistentGroupProtocol
         5s bye b
           > log: g b has nothing
           > log: g no target for b
           > log: g without b
           > log: g epoch 3
           > bye b: epoch -1
         6s join a v=3
           > log: g has no targets
           > log: g is no more
           > log: group g generation 0 is empty
         9s fetch all
           > at 9s:
           > join a: a-5 in generation 1 of range led by a-5: a-5
           > fetch: t-0=5
         9s alive b epoch=1
           > alive b: GroupIdNotFound",
    );
}

#[test]
fn offsets_are_committed_by_members_in_their_epoch() {
    check(
        "0s topic t=2 u=1
         0s commit t-0=1
           > log: group g at t-0=1
           > commit: t-0 ok
         0s hello a reads=t
           > log: group g is no more
           > log: g a reads t
           > log: g epoch 2
           > log: g target for a: t-0,1
           > log: g targets of epoch 2
           > log: g a 0->2 Stable has t-0,1
           > hello a: epoch 2 has t-0,1
         1s commit t-0=2
           > commit: UnknownMemberId
         1s commit member=a gen=2 t-0=3
           > log: group g at t-0=3
           > commit: t-0 ok
         1s commit member=a gen=2 v=8 t-0=4
           > commit: UnsupportedVersion
         1s commit member=b gen=2 t-0=4
           > commit: UnknownMemberId
         1s commit member=a gen=3 t-0=4
           > commit: StaleMemberEpoch
         2s hello b reads=t
           > log: g b reads t
           > log: g epoch 3
           > log: g target for a: t-0
           > log: g target for b: t-1
           > log: g targets of epoch 3
           > log: g b 0->3 UnreleasedPartitions has -
           > hello b: epoch 3 has -
         3s alive a epoch=2 owns=t-0,t-1
           > log: g a 2->2 UnrevokedPartitions has t-0, gives back t-1
           > alive a: epoch 2 has t-0
         4s alive a epoch=2 owns=t-0
           > log: g a 2->3 Stable has t-0
           > alive a: epoch 3
         5s commit member=a gen=2 id=1 t-0=5
           > log: group g at t-0=5
           > commit: t-0 ok
         5s commit member=a gen=2 id=1 t-1=5
           > commit: StaleMemberEpoch
         5s commit member=a gen=3 id=1 t-1=6
           > log: group g at t-1=6
           > commit: t-1 ok
         5s fetch all
           > fetch: t-0=5, t-1=6
         5s fetch all member=a epoch=3
           > fetch: t-0=5, t-1=6
         5s fetch all member=a epoch=2
           > fetch: StaleMemberEpoch
         5s fetch all member=c epoch=2
           > fetch: UnknownMemberId
         5s forget t-0
           > forget: t-0 GroupSubscribedToTopic
         5s forget u-0
           > forget: u-0 ok
         5s delete g
           > delete: g NonEmptyGroup
         6s bye a
           > log: g a has nothing
           > log: g no target for a
           > log: g without a
           > log: g epoch 4
           > bye a: epoch -1
         6s bye b
           > log: g b has nothing
           > log: g no target for b
           > log: g without b
           > log: g epoch 5
           > bye b: epoch -1
         6s forget t-0
           > log: group g forgets t-0
           > forget: t-0 ok
         6s delete g
           > log: group g forgets t-1
           > log: g has no targets
           > log: g is no more
           > delete: g ok
         6s list
           > list: -",
    );
}

#[test]
fn an_unused_group_is_let_go() {
    check(
        "0s topic t=1
         0s hello a reads=t
           > log: g a reads t
           > log: g epoch 2
           > log: g target for a: t-0
           > log: g targets of epoch 2
           > log: g a 0->2 Stable has t-0
           > hello a: epoch 2 has t-0
         0s commit member=a gen=2 t-0=1 u-0=2
           > log: group g at t-0=1
           > log: group g at u-0=2
           > commit: t-0 ok, u-0 ok
         8d alive a epoch=2
           > at 45s:
           > log: g a has nothing
           > log: g no target for a
           > log: g without a
           > log: g epoch 3
           > at 604800s:
           > log: group g forgets t-0
           > log: group g forgets u-0
           > log: g has no targets
           > log: g is no more
           > alive a: GroupIdNotFound",
    );
}

#[test]
fn a_restart_changes_nothing() {
    check(
        "0s topic t=2
         0s hello a reads=t
           > log: g a reads t
           > log: g epoch 2
           > log: g target for a: t-0,1
           > log: g targets of epoch 2
           > log: g a 0->2 Stable has t-0,1
           > hello a: epoch 2 has t-0,1
         2s hello b reads=t
           > log: g b reads t
           > log: g epoch 3
           > log: g target for a: t-0
           > log: g target for b: t-1
           > log: g targets of epoch 3
           > log: g b 0->3 UnreleasedPartitions has -
           > hello b: epoch 3 has -
         3s alive a epoch=2 owns=t-0,t-1
           > log: g a 2->2 UnrevokedPartitions has t-0, gives back t-1
           > alive a: epoch 2 has t-0
         4s restart
         4s alive a epoch=2 owns=t-0
           > log: g a 2->3 Stable has t-0
           > alive a: epoch 3
         5s alive b epoch=3
           > log: g b 3->3 Stable has t-1
           > alive b: epoch 3 has t-1
         48s alive b epoch=3
           > alive b: epoch 3
         49s wait
           > at 49s:
           > log: g a has nothing
           > log: g no target for a
           > log: g without a
           > log: g epoch 4
         50s inspect g
           > inspect: g Assigning epoch 4 assigned 3 uniform, b at 3 has t-1 of t-1",
    );
}

#[test]
fn a_write_that_fails_changes_nothing() {
    check(
        "0s topic t=2
         0s unwritable
         0s hello a reads=t
           > hello a: CoordinatorNotAvailable
         0s list
           > list: -
         1s hello a reads=t
           > log: g a reads t
           > log: g epoch 2
           > log: g target for a: t-0,1
           > log: g targets of epoch 2
           > log: g a 0->2 Stable has t-0,1
           > hello a: epoch 2 has t-0,1
         2s unwritable
         2s bye a
           > bye a: CoordinatorNotAvailable
         2s alive a epoch=2
           > alive a: epoch 2",
    );
}

#[test]
fn regular_expressions_stand_for_topics_that_come_and_go() {
    check(
        "1s topic t1=1 u=1
         1s hello a regex=t.*
           > log: g a reads t.*
           > log: g t.* is t1
           > log: g epoch 2
           > log: g target for a: t1-0
           > log: g targets of epoch 2
           > log: g a 0->2 Stable has t1-0
           > hello a: epoch 2 has t1-0
         2s hello b regex=t.*
           > log: g b reads t.*
           > log: g epoch 3
           > log: g target for b: -
           > log: g targets of epoch 3
           > log: g b 0->3 Stable has -
           > hello b: epoch 3 has -
         3s hello c reads=u regex=(
           > hello c: InvalidRegularExpression
         4s topic t2=1
         5s alive b epoch=3
           > alive b: epoch 3
         20s alive b epoch=3
           > log: g t.* is t1,t2
           > log: g epoch 4
           > log: g target for b: t2-0
           > log: g targets of epoch 4
           > log: g b 3->4 Stable has t2-0
           > alive b: epoch 4 has t2-0
         21s topic t1=-
         32s alive b epoch=4
           > log: g t.* is t2
           > log: g epoch 5
           > log: g target for a: -
           > log: g targets of epoch 5
           > log: g b 4->5 Stable has t2-0
           > alive b: epoch 5
         32s hello b reads=u regex=
           > log: g b reads u
           > log: g epoch 6
           > log: g b 5->5 Stable has -
           > hello b: epoch 5 has -
         33s bye a
           > log: g a has nothing
           > log: g no target for a
           > log: g without a
           > log: g without t.*
           > log: g epoch 7
           > bye a: epoch -1
         34s inspect g
           > inspect: g Assigning epoch 7 assigned 5 uniform, b at 5 has - of t2-0",
    );
}

#[test]
fn a_regular_expression_goes_with_its_last_member() {
    check(
        "1s topic t1=1
         1s hello a regex=t.*
           > log: g a reads t.*
           > log: g t.* is t1
           > log: g epoch 2
           > log: g target for a: t1-0
           > log: g targets of epoch 2
           > log: g a 0->2 Stable has t1-0
           > hello a: epoch 2 has t1-0
         2s alive a epoch=2 regex=t. owns=t1-0
           > log: g a reads t.
           > log: g without t.*
           > log: g t. is t1
           > log: g epoch 3
           > log: g targets of epoch 3
           > log: g a 2->3 Stable has t1-0
           > alive a: epoch 3
         3s bye a
           > log: g a has nothing
           > log: g no target for a
           > log: g without a
           > log: g without t.
           > log: g epoch 4
           > bye a: epoch -1",
    );
}
