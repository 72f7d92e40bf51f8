//! What survives a restart.

use super::check;

#[test]
fn a_stable_group_goes_on() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         0s join b static=i
         6s sync i-2 static=i
           > at 6s:
           > join a: a-1 in generation 1 of range led by a-1: a-1 i-2(i)
           > join b: i-2 in generation 1 of range led by a-1
         6s sync a-1 a-1:x i-2:y
           > log: group g generation 1 of range led by a-1: a-1=x i-2(i)=y
           > sync a-1: x
           > sync i-2: y
         7s restart
         8s beat a-1
           > beat a-1: ok
         8s beat i-2 static=i
           > beat i-2: ok
         8s sync i-2 static=i
           > sync i-2: y
         8s commit member=a-1 gen=1 t-0=4
           > log: group g at t-0=4
           > commit: t-0 ok
         9s fetch all
           > fetch: t-0=4
         9s describe g
           > describe: g Stable consumer range a-1 13+1 i-2(i) 13+1",
    );
}

#[test]
fn members_that_are_gone_after_a_restart_are_let_go_after_a_session() {
    check(
        "0s join a session=10s v=3
           > log: group g generation 0 is empty
         3s sync a-1 a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         4s restart
         14s wait
           > at 14s:
           > log: group g generation 2 is empty",
    );
}

#[test]
fn a_rebalance_under_way_is_forgotten() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         3s sync a-1 a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         4s join b v=3
         5s restart
           > join b: NotCoordinator
         5s beat a-1
           > beat a-1: ok
         5s join b-2
           > join b-2: UnknownMemberId b-2
         6s join b v=3
         6s join a-1
           > join a-1: a-1 in generation 2 of range led by a-1: a-1 b-4
           > join b: b-4 in generation 2 of range led by a-1",
    );
}

#[test]
fn who_waits_is_told_to_look_for_the_coordinator_again() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         1s restart
           > join a: NotCoordinator
         1s describe g
           > describe: g Empty - -",
    );
}

#[test]
fn ids_given_out_are_forgotten() {
    check(
        "0s join a
           > log: group g generation 0 is empty
           > join a: MemberIdRequired a-1
         1s restart
         1s join a-1
           > join a-1: UnknownMemberId a-1",
    );
}

#[test]
fn offsets_stay() {
    check(
        "0s commit t-0=5 t-1=6@m
           > log: group g at t-0=5
           > log: group g at t-1=6
           > commit: t-0 ok, t-1 ok
         1s commit t-0=7
           > log: group g at t-0=7
           > commit: t-0 ok
         2s restart
         3s fetch t-0 t-1 t-2
           > fetch: t-0=7, t-1=6@m, t-2=-1
         3s list
           > list: g classic Empty -",
    );
}

#[test]
fn a_deleted_group_stays_deleted() {
    check(
        "0s commit t-0=5
           > log: group g at t-0=5
           > commit: t-0 ok
         1s delete g
           > log: group g forgets t-0
           > log: group g is no more
           > delete: g ok
         2s restart
         3s fetch all
           > fetch: -
         3s list
           > list: -",
    );
}

#[test]
fn the_generation_goes_on() {
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
         5s restart
         6s join a v=3
         9s wait
           > at 9s:
           > join a: a-2 in generation 3 of range led by a-2: a-2",
    );
}

#[test]
fn a_group_that_was_only_begun_is_found_again() {
    check(
        "0s join a
           > log: group g generation 0 is empty
           > join a: MemberIdRequired a-1
         1s restart
         1s list
           > list: g classic Empty -
         1s describe g
           > describe: g Empty - -",
    );
}

#[test]
fn members_of_consumer_groups_have_the_session_of_their_group() {
    check(
        "0s set session=60s
         0s topic t=1
         0s hello c reads=t
           > log: g c reads t
           > log: g epoch 2
           > log: g target for c: t-0
           > log: g targets of epoch 2
           > log: g c 0->2 Stable has t-0
           > hello c: epoch 2 has t-0
         10s restart
         69s inspect g
           > inspect: g Stable epoch 2 assigned 2 uniform, c at 2 has t-0 of t-0
         70s inspect g
           > at 70s:
           > log: g c has nothing
           > log: g no target for c
           > log: g without c
           > log: g epoch 3
           > inspect: g Empty epoch 3 assigned 2 uniform",
    );
}

#[test]
fn a_session_that_was_changed_counts_from_the_next_heartbeat_or_restart_on() {
    check(
        "0s topic t=1
         0s hello c reads=t
           > log: g c reads t
           > log: g epoch 2
           > log: g target for c: t-0
           > log: g targets of epoch 2
           > log: g c 0->2 Stable has t-0
           > hello c: epoch 2 has t-0
         1s set session=60s
         44s alive c epoch=2
           > alive c: epoch 2
         100s inspect g
           > inspect: g Stable epoch 2 assigned 2 uniform, c at 2 has t-0 of t-0
         100s set session=50s
         100s restart
         149s inspect g
           > inspect: g Stable epoch 2 assigned 2 uniform, c at 2 has t-0 of t-0
         150s list
           > at 150s:
           > log: g c has nothing
           > log: g no target for c
           > log: g without c
           > log: g epoch 3
           > list: g consumer Empty consumer",
    );
}
