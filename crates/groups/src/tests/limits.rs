//! Limits of a group's size.

use super::check;
use super::harness::World;
use crate::Settings;

#[test]
fn a_group_takes_no_more_members_than_it_may() {
    check(
        "0s set max-size=2
         0s join a v=3
           > log: group g generation 0 is empty
         0s join b v=3
         0s join c v=3
           > join c: GroupMaxSizeReached
         6s sync b-2
           > at 6s:
           > join a: a-1 in generation 1 of range led by a-1: a-1 b-2
           > join b: b-2 in generation 1 of range led by a-1
         6s sync a-1 a-1:x
           > log: group g generation 1 of range led by a-1: a-1=x b-2=-
           > sync a-1: x
           > sync b-2: -
         7s join c
           > join c: GroupMaxSizeReached
         7s join a-1",
    );
}

#[test]
fn who_comes_back_last_is_let_go_when_the_group_is_too_large() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         0s join b v=3
         0s join c v=3
         6s sync b-2
           > at 6s:
           > join a: a-1 in generation 1 of range led by a-1: a-1 b-2 c-3
           > join b: b-2 in generation 1 of range led by a-1
           > join c: c-3 in generation 1 of range led by a-1
         6s sync c-3
         6s sync a-1 a-1:x b-2:y c-3:z
           > log: group g generation 1 of range led by a-1: a-1=x b-2=y c-3=z
           > sync a-1: x
           > sync b-2: y
           > sync c-3: z
         7s set max-size=2
         8s join a-1
         8s join b-2
         8s join c-3
           > join c-3: GroupMaxSizeReached
         68s wait
           > at 68s:
           > join a-1: a-1 in generation 2 of range led by a-1: a-1 b-2
           > join b-2: b-2 in generation 2 of range led by a-1",
    );
}

#[test]
fn a_group_that_is_too_large_after_a_restart_rebalances() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         0s join b v=3
         6s sync b-2
           > at 6s:
           > join a: a-1 in generation 1 of range led by a-1: a-1 b-2
           > join b: b-2 in generation 1 of range led by a-1
         6s sync a-1 a-1:x b-2:y
           > log: group g generation 1 of range led by a-1: a-1=x b-2=y
           > sync a-1: x
           > sync b-2: y
         7s set max-size=1
         7s restart
         8s beat a-1
           > beat a-1: RebalanceInProgress
         8s join a-1
         8s join b-2
           > join b-2: GroupMaxSizeReached
         18s wait",
    );
}

#[test]
fn ids_with_which_nobody_comes_back_are_bounded_until_their_time_is_over() {
    let mut world = World::new(Settings::default());
    let mut given = 0;
    while world.told("0s join a session=6s").contains("MemberIdRequired") {
        given += 1;
        assert!(given <= 100_000, "{given}");
    }
    assert_eq!(given, 100_000);
    assert_eq!(world.told("1s join b"), "> join b: GroupMaxSizeReached\n");
    // Who comes back with one makes room for another.
    world.event("2s join a-1");
    assert!(world.told("2s join b").contains("MemberIdRequired"));
    assert!(world.told("2s join b").contains("GroupMaxSizeReached"));
    world.event("7s wait");
    assert!(world.told("7s join b").contains("MemberIdRequired"));
}
