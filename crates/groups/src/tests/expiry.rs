//! How offsets and groups go that nobody uses (`offsets.retention.minutes`, KIP-211).

use super::check;

#[test]
fn offsets_of_a_simple_group_go_one_by_one() {
    check(
        "0s commit t-0=5
           > log: group g at t-0=5
           > commit: t-0 ok
         3d commit t-1=6
           > log: group g at t-1=6
           > commit: t-1 ok
         7d wait
           > at 604800s:
           > log: group g forgets t-0
         7d10m wait
         7d10m fetch all
           > fetch: t-1=6
         10d10m wait
           > at 864000s:
           > log: group g forgets t-1
           > log: group g is no more
         10d10m list
           > list: -",
    );
}

#[test]
fn offsets_of_a_group_are_counted_from_its_last_use() {
    check(
        "0s join a session=30m v=3
           > log: group g generation 0 is empty
         3s sync a-1 a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         4s commit member=a-1 gen=1 t-0=5
           > log: group g at t-0=5
           > commit: t-0 ok
         10m leave a-1
           > log: group g generation 2 is empty
           > leave: a-1 ok
         7d fetch all
           > fetch: t-0=5
         7d10m wait
           > at 605400s:
           > log: group g forgets t-0
           > log: group g is no more
         7d20m wait
         7d20m list
           > list: -",
    );
}

#[test]
fn offsets_of_what_members_read_stay() {
    check(
        "0s join a offers=range:t session=30m v=3
           > log: group g generation 0 is empty
         3s sync a-1 a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         4s commit member=a-1 gen=1 t-0=5 u-0=6
           > log: group g at t-0=5
           > log: group g at u-0=6
           > commit: t-0 ok, u-0 ok
         20m beat a-1
           > beat a-1: ok
         30m fetch all
           > fetch: t-0=5, u-0=6",
    );
}

#[test]
fn a_commit_may_say_how_long_to_keep_it() {
    check(
        "0s commit t-0=5 keep=1h
           > log: group g at t-0=5
           > commit: t-0 ok
         0s commit t-1=5
           > log: group g at t-1=5
           > commit: t-1 ok
         59m fetch all
           > fetch: t-0=5, t-1=5
         1h10m fetch all
           > at 3600s:
           > log: group g forgets t-0
           > fetch: t-1=5",
    );
}

#[test]
fn an_offset_that_a_transaction_is_about_to_change_stays() {
    check(
        "0s commit t-0=5
           > log: group g at t-0=5
           > commit: t-0 ok
         1s pending t-0=6
         8d fetch all
           > fetch: t-0=5",
    );
}

#[test]
fn a_group_that_never_was_used_goes() {
    check(
        "0s join a
           > log: group g generation 0 is empty
           > join a: MemberIdRequired a-1
         10s wait
         10m wait
           > at 600s:
           > log: group g is no more
         10m list
           > list: -",
    );
}

#[test]
fn a_group_that_a_member_is_about_to_join_stays() {
    check(
        "9m55s join a
           > log: group g generation 0 is empty
           > join a: MemberIdRequired a-1
         10m wait
         10m list
           > list: g classic Empty -",
    );
}

#[test]
fn the_time_counts_across_restarts() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         3s sync a-1 a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         4s commit member=a-1 gen=1 t-0=5
           > log: group g at t-0=5
           > commit: t-0 ok
         5s leave a-1
           > log: group g generation 2 is empty
           > leave: a-1 ok
         3d restart
         7d wait
         7d20m list
           > at 605400s:
           > log: group g forgets t-0
           > log: group g is no more
           > list: -",
    );
}

#[test]
fn offsets_of_topics_that_members_do_not_read_go() {
    check(
        "0s join a offers=range:t session=30m v=3
           > log: group g generation 0 is empty
         3s sync a-1 a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         4s commit member=a-1 gen=1 t-0=5 u-0=6 keep=5m
           > log: group g at t-0=5
           > log: group g at u-0=6
           > commit: t-0 ok, u-0 ok
         9m beat a-1
           > beat a-1: ok
         10m fetch all
           > at 600s:
           > log: group g forgets u-0
           > fetch: t-0=5",
    );
}
