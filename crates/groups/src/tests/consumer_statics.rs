//! Static members of consumer groups, beyond coming back to what they had.

use super::check;

#[test]
fn a_static_member_comes_back_with_another_subscription() {
    check(
        "0s topic t=2 u=1
         0s hello a reads=t static=i
           > log: g a(i) reads t
           > log: g epoch 2
           > log: g target for a: t-0,1
           > log: g targets of epoch 2
           > log: g a 0->2 Stable has t-0,1
           > hello a: epoch 2 has t-0,1
         2s hello b reads=t static=j
           > log: g b(j) reads t
           > log: g epoch 3
           > log: g target for a: t-0
           > log: g target for b: t-1
           > log: g targets of epoch 3
           > log: g b 0->3 UnreleasedPartitions has -
           > hello b: epoch 3 has -
         3s alive a epoch=2 owns=t-0,t-1 static=i
           > log: g a 2->2 UnrevokedPartitions has t-0, gives back t-1
           > alive a: epoch 2 has t-0
         3s alive a epoch=2 owns=t-0 static=i
           > log: g a 2->3 Stable has t-0
           > alive a: epoch 3
         3s alive b epoch=3 static=j
           > log: g b 3->3 Stable has t-1
           > alive b: epoch 3 has t-1
         4s bye b epoch=-2 static=j
           > log: g b 3->-2 Stable has t-1
           > bye b: epoch -2
         5s hello c reads=t,u static=j
           > log: g b has nothing
           > log: g no target for b
           > log: g without b
           > log: g c(j) reads t
           > log: g target for c: t-1
           > log: g c 0->0 Stable has t-1
           > log: g c(j) reads t,u
           > log: g epoch 4
           > log: g target for c: t-1 u-0
           > log: g targets of epoch 4
           > log: g c 0->4 Stable has t-1 u-0
           > hello c: epoch 4 has t-1 u-0
         6s alive c epoch=4 owns=t-1,u-0 static=j
           > alive c: epoch 4
         6s inspect g
           > inspect: g Reconciling epoch 4 assigned 4 uniform, a at 3 has t-0 of t-0, c at 4 has t-1 u-0 of t-1 u-0",
    );
}

#[test]
fn who_is_not_the_static_member_cannot_leave_for_it() {
    check(
        "0s topic t=1
         0s hello a reads=t static=i
           > log: g a(i) reads t
           > log: g epoch 2
           > log: g target for a: t-0
           > log: g targets of epoch 2
           > log: g a 0->2 Stable has t-0
           > hello a: epoch 2 has t-0
         0s bye a static=j
           > bye a: UnknownMemberId
         0s bye b static=i
           > bye b: FencedInstanceId
         0s bye b epoch=-2 static=i
           > bye b: FencedInstanceId
         0s bye b
           > bye b: UnknownMemberId
         0s alive a epoch=2 static=i
           > alive a: epoch 2
         0s bye a epoch=-2
           > bye a: InvalidRequest
         0s alive a epoch=2 static=i
           > alive a: epoch 2",
    );
}

#[test]
fn a_static_member_that_left_for_good_may_come_back_as_another() {
    check(
        "0s topic t=1
         0s hello a reads=t static=i
           > log: g a(i) reads t
           > log: g epoch 2
           > log: g target for a: t-0
           > log: g targets of epoch 2
           > log: g a 0->2 Stable has t-0
           > hello a: epoch 2 has t-0
         1s bye a static=i
           > log: g a has nothing
           > log: g no target for a
           > log: g without a
           > log: g epoch 3
           > bye a: epoch -1
         1s alive a epoch=2 static=i
           > alive a: UnknownMemberId
         2s hello a reads=t static=i
           > log: g a(i) reads t
           > log: g epoch 4
           > log: g target for a: t-0
           > log: g targets of epoch 4
           > log: g a 0->4 Stable has t-0
           > hello a: epoch 4 has t-0
         2s hello b reads=t static=i
           > hello b: UnreleasedInstanceId",
    );
}
