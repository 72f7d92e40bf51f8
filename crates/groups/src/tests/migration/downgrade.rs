//! A consumer group becomes a classic group when its last member of the consumer protocol goes.

use super::super::check;
use super::{A_HAS_ALL, A_JOINS_C, check_after};

#[test]
fn the_last_of_the_consumer_protocol_leaves() {
    check_after(
        A_HAS_ALL,
        "3s commit member=a-1 gen=1 v=8 t-0=7
           > log: group g at t-0=7
           > commit: t-0 ok
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
         5s join a-1 session=45s
           > log: g a-1 reads t, classic range
           > log: g a-1 1->2 Stable has t-0
           > join a-1: a-1 in generation 2 of range led by -
         5s sync a-1 gen=2
           > sync a-1: [t-0]
         6s bye c
           > log: g a-1 has nothing
           > log: g c has nothing
           > log: g no target for a-1
           > log: g no target for c
           > log: g has no targets
           > log: g without a-1
           > log: g without c
           > log: g is no more
           > log: group g generation 2 of range led by a-1: a-1=[t-0]
           > bye c: epoch -1
         6s list
           > list: g classic PreparingRebalance consumer
         6s beat a-1 gen=2
           > beat a-1: RebalanceInProgress
         6s commit member=a-1 gen=2 v=8 t-0=8
           > log: group g at t-0=8
           > commit: t-0 ok
         6s fetch t-0
           > fetch: t-0=8
         7s join a-1 session=45s
           > join a-1: a-1 in generation 3 of range led by a-1: a-1
         7s sync a-1 gen=3 a-1:[t-0,t-1]
           > log: group g generation 3 of range led by a-1: a-1=[t-0,t-1]
           > sync a-1: [t-0,t-1]
         8s alive c epoch=2
           > alive c: GroupIdNotFound
         8s inspect g
           > inspect: GroupIdNotFound",
    );
}

#[test]
fn the_last_of_the_consumer_protocol_is_silent() {
    check(
        "0s topic t=2
         0s join a v=3 session=60s
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
         5s join a-1 session=60s
           > log: g a-1 reads t, classic range
           > log: g a-1 1->2 Stable has t-0
           > join a-1: a-1 in generation 2 of range led by -
         5s sync a-1 gen=2
           > sync a-1: [t-0]
         40s beat a-1 gen=2
           > beat a-1: ok
         49s beat a-1 gen=2
           > at 49s:
           > log: g a-1 has nothing
           > log: g c has nothing
           > log: g no target for a-1
           > log: g no target for c
           > log: g has no targets
           > log: g without a-1
           > log: g without c
           > log: g is no more
           > log: group g generation 2 of range led by a-1: a-1=[t-0]
           > beat a-1: RebalanceInProgress",
    );
}

#[test]
fn the_last_of_the_consumer_protocol_keeps_its_partitions() {
    check(
        "0s topic t=2
         0s hello c reads=t rebalance=10s
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
           > join a: #2 in generation 3 of range led by -
         3s alive c epoch=2 owns=t-0,t-1
           > log: g c 2->2 UnrevokedPartitions has t-0, gives back t-1
           > alive c: epoch 2 has t-0
         3s sync #2 gen=3
           > sync #2: []
         13s beat #2 gen=3
           > at 13s:
           > log: g #2 has nothing
           > log: g c has nothing
           > log: g no target for #2
           > log: g no target for c
           > log: g has no targets
           > log: g without #2
           > log: g without c
           > log: g is no more
           > log: group g generation 3 of range led by #2: #2=[t-1]
           > beat #2: RebalanceInProgress",
    );
}

#[test]
fn the_last_of_the_consumer_protocol_is_removed_by_an_operator() {
    check(
        "0s topic t=2
         0s hello c reads=t static=i
           > log: g c(i) reads t
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
           > join a: #2 in generation 3 of range led by -
         3s leave -:i
           > log: g #2 has nothing
           > log: g c has nothing
           > log: g no target for #2
           > log: g no target for c
           > log: g has no targets
           > log: g without #2
           > log: g without c
           > log: g is no more
           > log: group g generation 3 of range led by #2: #2=[t-1]
           > leave: -:i ok
         3s list
           > list: g classic PreparingRebalance consumer",
    );
}

#[test]
fn while_others_speak_the_consumer_protocol_nothing_changes() {
    check(
        "0s topic t=3
         0s hello c reads=t
           > log: g c reads t
           > log: g epoch 2
           > log: g target for c: t-0,1,2
           > log: g targets of epoch 2
           > log: g c 0->2 Stable has t-0,1,2
           > hello c: epoch 2 has t-0,1,2
         2s hello d reads=t
           > log: g d reads t
           > log: g epoch 3
           > log: g target for c: t-0,1
           > log: g target for d: t-2
           > log: g targets of epoch 3
           > log: g d 0->3 UnreleasedPartitions has -
           > hello d: epoch 3 has -
         4s join a v=3 session=45s
           > log: g #3 reads t, classic range
           > log: g epoch 4
           > log: g target for #3: t-1
           > log: g target for c: t-0
           > log: g targets of epoch 4
           > log: g #3 0->4 UnreleasedPartitions has -
           > join a: #3 in generation 4 of range led by -
         6s bye c
           > log: g c has nothing
           > log: g no target for c
           > log: g without c
           > log: g epoch 5
           > bye c: epoch -1
         6s list
           > list: g consumer Assigning consumer
         6s bye d
           > log: g #3 has nothing
           > log: g d has nothing
           > log: g no target for #3
           > log: g no target for d
           > log: g has no targets
           > log: g without #3
           > log: g without d
           > log: g is no more
           > log: group g generation 5 of range led by #3: #3=[t-1]
           > bye d: epoch -1
         6s list
           > list: g classic PreparingRebalance consumer",
    );
}

#[test]
fn under_the_policy_upgrade_groups_do_not_go_back() {
    check(
        "0s set migration=upgrade
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
           > join a: #2 in generation 3 of range led by -
         3s bye c
           > log: g c has nothing
           > log: g no target for c
           > log: g without c
           > log: g epoch 4
           > bye c: epoch -1
         3s list
           > list: g consumer Assigning consumer",
    );
}

#[test]
fn under_the_policy_downgrade_groups_go_back() {
    check(
        "0s set migration=downgrade
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
           > join a: #2 in generation 3 of range led by -
         3s bye c
           > log: g #2 has nothing
           > log: g c has nothing
           > log: g no target for #2
           > log: g no target for c
           > log: g has no targets
           > log: g without #2
           > log: g without c
           > log: g is no more
           > log: group g generation 3 of range led by #2: #2=[t-1]
           > bye c: epoch -1
         3s list
           > list: g classic PreparingRebalance consumer
         3s join #2 session=45s
           > join #2: #2 in generation 4 of range led by #2: #2
         3s sync #2 gen=4 #2:[t-0,t-1]
           > log: group g generation 4 of range led by #2: #2=[t-0,t-1]
           > sync #2: [t-0,t-1]
         4s hello d reads=t
           > hello d: GroupIdNotFound",
    );
}

#[test]
fn a_group_that_is_too_large_stays_what_it_is() {
    check_after(
        A_JOINS_C,
        "2s join b v=3 session=45s
           > log: g #3 reads t, classic range
           > log: g epoch 4
           > log: g #3 0->3 Stable has -
           > join b: #3 in generation 3 of range led by -
         3s set max-size=1
         3s bye c
           > log: g c has nothing
           > log: g no target for c
           > log: g without c
           > log: g epoch 5
           > bye c: epoch -1
         3s list
           > list: g consumer Assigning consumer",
    );
}

#[test]
fn a_static_classic_member_takes_the_place_of_the_last_one() {
    check(
        "0s topic t=2
         0s hello c reads=t static=i
           > log: g c(i) reads t
           > log: g epoch 2
           > log: g target for c: t-0,1
           > log: g targets of epoch 2
           > log: g c 0->2 Stable has t-0,1
           > hello c: epoch 2 has t-0,1
         2s join a v=3 session=45s offers=coop
           > log: g #2 reads t, classic coop
           > log: g epoch 3
           > log: g target for #2: t-1
           > log: g target for c: t-0
           > log: g targets of epoch 3
           > log: g #2 0->3 UnreleasedPartitions has -
           > join a: #2 in generation 3 of coop led by -
         2s alive c epoch=2 owns=t-0 static=i
           > log: g c 2->3 Stable has t-0
           > alive c: epoch 3 has t-0
         2s join #2 session=45s offers=coop
           > log: g #2 reads t, classic coop
           > log: g #2 3->3 Stable has t-1
           > join #2: #2 in generation 3 of coop led by -
         2s sync #2 gen=3
           > sync #2: [t-1]
         3s bye c epoch=-2 static=i
           > log: g c 2->-2 Stable has t-0
           > bye c: epoch -2
         4s join d session=45s static=i offers=coop owns=t-0
           > log: g #2 has nothing
           > log: g c has nothing
           > log: g no target for #2
           > log: g no target for c
           > log: g has no targets
           > log: g without #2
           > log: g without c
           > log: g is no more
           > log: group g generation 3 of coop led by #2: #2=[t-1] #6(i)=[t-0]
           > join d: #6 in generation 3 of coop led by -
         4s sync #6 gen=3 static=i
           > sync #6: [t-0]
         4s beat #2 gen=3
           > beat #2: ok
         5s list
           > list: g classic Stable consumer",
    );
}

#[test]
fn a_static_classic_member_that_reads_something_else_makes_the_group_rebalance() {
    check(
        "0s topic t=2 u=1
         0s hello c reads=t static=i
           > log: g c(i) reads t
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
           > join a: #2 in generation 3 of range led by -
         2s alive c epoch=2 owns=t-0 static=i
           > log: g c 2->3 Stable has t-0
           > alive c: epoch 3 has t-0
         2s join #2 session=45s
           > log: g #2 reads t, classic range
           > log: g #2 3->3 Stable has t-1
           > join #2: #2 in generation 3 of range led by -
         3s join d session=45s static=i offers=range:tu
           > log: g #2 has nothing
           > log: g c has nothing
           > log: g no target for #2
           > log: g no target for c
           > log: g has no targets
           > log: g without #2
           > log: g without c
           > log: g is no more
           > log: group g generation 3 of range led by #2: #2=[t-1] #5(i)=[t-0]
           > join d: #5 in generation 0 of range led by -
         3s sync #5 gen=0 static=i
           > sync #5: IllegalGeneration
         3s beat #2 gen=3
           > beat #2: RebalanceInProgress
         4s join #2 session=45s
         4s join #5 session=45s static=i offers=range:tu
           > join #2: #2 in generation 4 of range led by #2: #2 #5(i)
           > join #5: #5 in generation 4 of range led by #2",
    );
}

#[test]
fn a_static_classic_member_takes_the_place_where_groups_do_not_go_back() {
    check(
        "0s set migration=upgrade
         0s topic t=2
         0s hello c reads=t static=i
           > log: g c(i) reads t
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
           > join a: #2 in generation 3 of range led by -
         2s alive c epoch=2 owns=t-0 static=i
           > log: g c 2->3 Stable has t-0
           > alive c: epoch 3 has t-0
         2s join #2 session=45s
           > log: g #2 reads t, classic range
           > log: g #2 3->3 Stable has t-1
           > join #2: #2 in generation 3 of range led by -
         3s join d session=45s static=i
           > log: g c has nothing
           > log: g no target for c
           > log: g without c
           > log: g #5(i) reads t
           > log: g target for #5: t-0
           > log: g #5 0->0 Stable has t-0
           > log: g #5(i) reads t, classic range
           > log: g #5 0->3 Stable has t-0
           > join d: #5 in generation 3 of range led by -
         3s sync #5 gen=3 static=i
           > sync #5: [t-0]
         3s list
           > list: g consumer Stable consumer",
    );
}

#[test]
fn a_downgrade_that_is_not_written_changes_nothing() {
    check_after(
        A_JOINS_C,
        "3s unwritable
         3s bye c
           > bye c: CoordinatorNotAvailable
         3s list
           > list: g consumer Reconciling consumer
         4s beat #2 gen=3
           > beat #2: ok
         5s bye c
           > log: g #2 has nothing
           > log: g c has nothing
           > log: g no target for #2
           > log: g no target for c
           > log: g has no targets
           > log: g without #2
           > log: g without c
           > log: g is no more
           > log: group g generation 3 of range led by #2: #2=[t-1]
           > bye c: epoch -1
         5s list
           > list: g classic PreparingRebalance consumer",
    );
}

#[test]
fn a_group_goes_there_and_back_and_there_again() {
    check(
        "0s topic t=1
         0s join a v=3 session=45s rebalance=20s
           > log: group g generation 0 is empty
         3s sync a-1 a-1:[t-0]
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=[t-0]
           > sync a-1: [t-0]
         4s hello c reads=t
           > log: group g is no more
           > log: g a-1 reads t, classic range
           > log: g epoch 1
           > log: g target for a-1: t-0
           > log: g targets of epoch 1
           > log: g a-1 1->1 Stable has t-0
           > log: g c reads t
           > log: g epoch 2
           > log: g target for c: -
           > log: g targets of epoch 2
           > log: g c 0->2 Stable has -
           > hello c: epoch 2 has -
         5s beat a-1
           > beat a-1: RebalanceInProgress
         6s bye c
           > log: g a-1 has nothing
           > log: g c has nothing
           > log: g no target for a-1
           > log: g no target for c
           > log: g has no targets
           > log: g without a-1
           > log: g without c
           > log: g is no more
           > log: group g generation 2 of range led by a-1: a-1=[t-0]
           > bye c: epoch -1
         6s join a-1 session=45s rebalance=20s
           > join a-1: a-1 in generation 3 of range led by a-1: a-1
         6s sync a-1 gen=3 a-1:[t-0]
           > log: group g generation 3 of range led by a-1: a-1=[t-0]
           > sync a-1: [t-0]
         7s hello d reads=t
           > log: group g is no more
           > log: g a-1 reads t, classic range
           > log: g epoch 3
           > log: g target for a-1: t-0
           > log: g targets of epoch 3
           > log: g a-1 3->3 Stable has t-0
           > log: g d reads t
           > log: g epoch 4
           > log: g target for d: -
           > log: g targets of epoch 4
           > log: g d 0->4 Stable has -
           > hello d: epoch 4 has -
         8s join a-1 session=45s rebalance=20s
           > log: g a-1 reads t, classic range
           > log: g a-1 3->4 Stable has t-0
           > join a-1: a-1 in generation 4 of range led by -
         8s sync a-1 gen=4
           > sync a-1: [t-0]
         26s alive d epoch=4
           > alive d: epoch 4
         27s beat a-1 gen=4
           > beat a-1: ok
         29s alive d epoch=4
           > alive d: epoch 4
         29s beat a-1 gen=4
           > beat a-1: ok",
    );
}

#[test]
fn after_a_restart_the_group_is_what_it_became() {
    check_after(
        A_JOINS_C,
        "3s bye c
           > log: g #2 has nothing
           > log: g c has nothing
           > log: g no target for #2
           > log: g no target for c
           > log: g has no targets
           > log: g without #2
           > log: g without c
           > log: g is no more
           > log: group g generation 3 of range led by #2: #2=[t-1]
           > bye c: epoch -1
         3s restart
         4s list
           > list: g classic Stable consumer
         4s describe g
           > describe: g Stable consumer range #2 13+21
         4s beat #2 gen=3
           > beat #2: ok",
    );
}
