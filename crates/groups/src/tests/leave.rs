//! LeaveGroup.

use super::check;

#[test]
fn a_member_that_goes_makes_a_rebalance() {
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
         7s leave b-2
           > leave: b-2 ok
         7s beat a-1
           > beat a-1: RebalanceInProgress
         8s join a-1
           > join a-1: a-1 in generation 2 of range led by a-1: a-1",
    );
}

#[test]
fn several_go_at_once() {
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
         7s leave a-1 b-2 c-9
           > log: group g generation 2 is empty
           > leave: a-1 ok, b-2 ok, c-9 UnknownMemberId",
    );
}

#[test]
fn who_is_not_there_cannot_go() {
    check(
        "0s leave a-1
           > leave: a-1 UnknownMemberId
         0s join a v=3
           > log: group g generation 0 is empty
         3s leave b-2 -
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > leave: b-2 UnknownMemberId, - UnknownMemberId
         3s leave a-1 group=
           > leave: InvalidGroupId",
    );
}

#[test]
fn an_operator_removes_a_static_member_by_its_instance_id() {
    check(
        "0s join a static=i
           > log: group g generation 0 is empty
         3s sync i-1 i-1:x
           > at 3s:
           > join a: i-1 in generation 1 of range led by i-1: i-1(i)
           > log: group g generation 1 of range led by i-1: i-1(i)=x
           > sync i-1: x
         4s leave -:j -:i
           > log: group g generation 2 is empty
           > leave: -:j UnknownMemberId, -:i ok",
    );
}

#[test]
fn a_static_member_that_was_replaced_cannot_go() {
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
         4s leave i-1:i
           > leave: i-1:i FencedInstanceId
         4s leave i-2:j
           > leave: i-2:j UnknownMemberId
         4s leave i-2:i
           > log: group g generation 2 is empty
           > leave: i-2:i ok",
    );
}

#[test]
fn an_id_given_out_can_be_given_back() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         3s sync a-1 a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         4s join b
           > join b: MemberIdRequired b-2
         4s join c v=3
         4s join a-1
         5s leave b-2
           > join a-1: a-1 in generation 2 of range led by a-1: a-1 c-3
           > join c: c-3 in generation 2 of range led by a-1
           > leave: b-2 ok",
    );
}

#[test]
fn a_member_that_goes_while_it_waits_is_told_that_it_is_unknown() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         1s join b v=3
         2s leave b-2
           > join b: UnknownMemberId
           > leave: b-2 ok
         6s wait
           > at 6s:
           > join a: a-1 in generation 1 of range led by a-1: a-1",
    );
}

#[test]
fn who_goes_while_the_assignment_is_awaited_makes_a_rebalance() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         0s join b v=3
         6s sync b-2
           > at 6s:
           > join a: a-1 in generation 1 of range led by a-1: a-1 b-2
           > join b: b-2 in generation 1 of range led by a-1
         7s leave a-1
           > sync b-2: RebalanceInProgress
           > leave: a-1 ok
         8s join b-2
           > join b-2: b-2 in generation 2 of range led by b-2: b-2",
    );
}
