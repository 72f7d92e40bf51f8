//! Static members (KIP-345).

use super::check;

#[test]
fn a_static_member_that_starts_again_takes_its_place_without_a_rebalance() {
    check(
        "0s join a static=i v=8
           > log: group g generation 0 is empty
         0s join b v=3
         6s sync b-2
           > at 6s:
           > join b: b-2 in generation 1 of range led by i-1
           > join a: i-1 in generation 1 of range led by i-1: b-2 i-1(i)
         6s sync i-1 i-1:x b-2:y
           > log: group g generation 1 of range led by i-1: b-2=y i-1(i)=x
           > sync b-2: y
           > sync i-1: x
         7s join a static=i v=8
           > log: group g generation 1 of range led by i-3: b-2=y i-3(i)=x
           > join a: i-3 in generation 1 of range led by i-1
         7s sync i-3 static=i
           > sync i-3: x
         7s beat i-1 static=i
           > beat i-1: FencedInstanceId
         7s beat i-3 static=i
           > beat i-3: ok
         7s beat b-2
           > beat b-2: ok",
    );
}

#[test]
fn a_static_leader_that_starts_again_is_told_to_keep_the_assignment() {
    check(
        "0s join a static=i
           > log: group g generation 0 is empty
         3s sync i-1 i-1:x
           > at 3s:
           > join a: i-1 in generation 1 of range led by i-1: i-1(i)
           > log: group g generation 1 of range led by i-1: i-1(i)=x
           > sync i-1: x
         4s join a static=i
           > log: group g generation 1 of range led by i-2: i-2(i)=x
           > join a: i-2 in generation 1 of range led by i-2: i-2(i), keeps the assignment
         5s join a static=i v=8
           > log: group g generation 1 of range led by i-3: i-3(i)=x
           > join a: i-3 in generation 1 of range led by i-2",
    );
}

#[test]
fn a_static_follower_that_starts_again_is_told_nothing_of_others() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         0s join b static=i
         6s sync i-2
           > at 6s:
           > join a: a-1 in generation 1 of range led by a-1: a-1 i-2(i)
           > join b: i-2 in generation 1 of range led by a-1
         6s sync a-1 a-1:x i-2:y
           > log: group g generation 1 of range led by a-1: a-1=x i-2(i)=y
           > sync a-1: x
           > sync i-2: y
         7s join b static=i
           > log: group g generation 1 of range led by a-1: a-1=x i-3(i)=y
           > join b: i-3 in generation 1 of range led by a-1
         7s sync i-3 static=i
           > sync i-3: y",
    );
}

#[test]
fn a_static_member_that_starts_again_with_another_protocol_makes_a_rebalance() {
    check(
        "0s join a static=i offers=range,sticky
           > log: group g generation 0 is empty
         3s sync i-1 i-1:x
           > at 3s:
           > join a: i-1 in generation 1 of range led by i-1: i-1(i)
           > log: group g generation 1 of range led by i-1: i-1(i)=x
           > sync i-1: x
         4s join a static=i offers=sticky
           > join a: i-2 in generation 2 of sticky led by i-2: i-2(i)
         4s join a static=i offers=sticky
           > join a: i-3 in generation 3 of sticky led by i-3: i-3(i)",
    );
}

#[test]
fn a_static_member_that_starts_again_with_another_subscription_makes_none() {
    check(
        "0s join a static=i offers=range:t
           > log: group g generation 0 is empty
         3s sync i-1 i-1:x
           > at 3s:
           > join a: i-1 in generation 1 of range led by i-1: i-1(i)
           > log: group g generation 1 of range led by i-1: i-1(i)=x
           > sync i-1: x
         4s join a static=i offers=range:u
           > log: group g generation 1 of range led by i-2: i-2(i)=x
           > join a: i-2 in generation 1 of range led by i-2: i-2(i), keeps the assignment
         4s sync i-2 static=i
           > sync i-2: x",
    );
}

#[test]
fn two_processes_with_one_instance_id_fence_each_other() {
    check(
        "0s join a static=i
           > log: group g generation 0 is empty
         1s join a static=i
           > join a: FencedInstanceId i-1
         3s wait
           > at 3s:
           > join a: i-2 in generation 1 of range led by i-2: i-2(i)
         3s sync i-1 static=i i-1:x
           > sync i-1: FencedInstanceId
         3s sync i-2 static=i i-2:x
           > log: group g generation 1 of range led by i-2: i-2(i)=x
           > sync i-2: x
         4s commit member=i-1 static=i gen=1 t-0=1
           > commit: FencedInstanceId
         4s commit member=i-2 static=i gen=1 t-0=1
           > log: group g at t-0=1
           > commit: t-0 ok
         4s join i-1 static=i
           > join i-1: FencedInstanceId i-1
         4s leave i-1:i
           > leave: i-1:i FencedInstanceId",
    );
}

#[test]
fn a_static_member_that_starts_again_while_the_assignment_is_awaited_makes_a_rebalance() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         0s join b static=i
         6s sync i-2 static=i
           > at 6s:
           > join a: a-1 in generation 1 of range led by a-1: a-1 i-2(i)
           > join b: i-2 in generation 1 of range led by a-1
         7s join b static=i
           > sync i-2: FencedInstanceId
         8s join a-1
           > join a-1: a-1 in generation 2 of range led by a-1: a-1 i-3(i)
           > join b: i-3 in generation 2 of range led by a-1",
    );
}

#[test]
fn an_instance_id_that_is_not_there_is_unknown() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         3s sync a-1 static=i a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > sync a-1: UnknownMemberId
         3s join a-1 static=i
           > join a-1: UnknownMemberId a-1",
    );
}

#[test]
fn a_static_member_is_given_until_the_end_of_its_session_to_come_back() {
    check(
        "0s join a static=i session=60s rebalance=10s
           > log: group g generation 0 is empty
         0s join b rebalance=10s v=3
         10s sync i-1 static=i
           > at 6s:
           > join b: b-2 in generation 1 of range led by i-1
           > join a: i-1 in generation 1 of range led by i-1: b-2 i-1(i)
           > log: group g generation 1 of range led by i-1: b-2=- i-1(i)=-
           > sync i-1: -
         10s sync b-2 i-1:x b-2:y
           > sync b-2: -
         11s join c rebalance=10s v=3
         12s join b-2 rebalance=10s
         21s sync b-2 gen=2
           > at 21s:
           > join b-2: b-2 in generation 2 of range led by b-2: b-2 c-3 i-1(i)
           > join c: c-3 in generation 2 of range led by b-2
           > log: group g generation 2 of range led by b-2: b-2=- c-3=- i-1(i)=-
           > sync b-2: -
         21s sync c-3 gen=2
           > sync c-3: -
         21s describe g
           > describe: g Stable consumer range b-2 13+0 c-3 13+0 i-1(i) 13+0",
    );
}

#[test]
fn a_new_id_that_cannot_be_written_is_not_given_out() {
    check(
        "0s join a static=i
           > log: group g generation 0 is empty
         3s sync i-1 static=i i-1:x
           > at 3s:
           > join a: i-1 in generation 1 of range led by i-1: i-1(i)
           > log: group g generation 1 of range led by i-1: i-1(i)=x
           > sync i-1: x
         4s unwritable
         4s join a static=i
           > join a: CoordinatorNotAvailable
         5s beat i-1 static=i
           > beat i-1: ok
         14s wait
         15s wait
           > at 15s:
           > log: group g generation 2 is empty",
    );
}

#[test]
fn a_static_member_is_let_go_when_silent() {
    check(
        "0s join a static=i session=10s
           > log: group g generation 0 is empty
         3s sync i-1 static=i i-1:x
           > at 3s:
           > join a: i-1 in generation 1 of range led by i-1: i-1(i)
           > log: group g generation 1 of range led by i-1: i-1(i)=x
           > sync i-1: x
         13s wait
           > at 13s:
           > log: group g generation 2 is empty
         14s join a static=i",
    );
}
