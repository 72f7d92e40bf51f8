//! Members of consumer groups that are to give partitions back, while the group goes on.

use super::check;

#[test]
fn who_gives_back_in_time_stays() {
    check(
        "0s topic t=2
         0s hello a reads=t rebalance=5s
           > log: g a reads t
           > log: g epoch 2
           > log: g target for a: t-0,1
           > log: g targets of epoch 2
           > log: g a 0->2 Stable has t-0,1
           > hello a: epoch 2 has t-0,1
         2s hello b reads=t rebalance=5s
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
         5s alive b epoch=3
           > log: g b 3->3 Stable has t-1
           > alive b: epoch 3 has t-1
         12s alive a epoch=3
           > alive a: epoch 3
         12s inspect g
           > inspect: g Stable epoch 3 assigned 3 uniform, a at 3 has t-0 of t-0, b at 3 has t-1 of t-1",
    );
}

#[test]
fn what_is_to_be_given_back_and_then_is_not_is_given_back_first() {
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
         4s bye b
           > log: g b has nothing
           > log: g no target for b
           > log: g without b
           > log: g epoch 4
           > bye b: epoch -1
         4s alive a epoch=2 owns=t-0,t-1
           > log: g target for a: t-0,1
           > log: g targets of epoch 4
           > alive a: epoch 2
         5s alive a epoch=2 owns=t-0
           > log: g a 2->4 Stable has t-0,1
           > alive a: epoch 4 has t-0,1
         6s alive a epoch=4 owns=t-0,t-1
           > alive a: epoch 4
         6s inspect g
           > inspect: g Stable epoch 4 assigned 4 uniform, a at 4 has t-0,1 of t-0,1",
    );
}

#[test]
fn who_waits_for_what_others_have_follows_a_newer_target() {
    check(
        "0s topic t=2 u=1
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
         4s hello c reads=u
           > log: g c reads u
           > log: g epoch 4
           > log: g target for c: u-0
           > log: g targets of epoch 4
           > log: g c 0->4 Stable has u-0
           > hello c: epoch 4 has u-0
         5s alive b epoch=3
           > log: g b 3->4 UnreleasedPartitions has -
           > alive b: epoch 4
         6s alive a epoch=2 owns=t-0,t-1
           > log: g a 2->2 UnrevokedPartitions has t-0, gives back t-1
           > alive a: epoch 2 has t-0
         6s alive a epoch=2 owns=t-0
           > log: g a 2->4 Stable has t-0
           > alive a: epoch 4
         6s alive b epoch=4
           > log: g b 4->4 Stable has t-1
           > alive b: epoch 4 has t-1
         6s inspect g
           > inspect: g Stable epoch 4 assigned 4 uniform, a at 4 has t-0 of t-0, b at 4 has t-1 of t-1, c at 4 has u-0 of u-0",
    );
}

#[test]
fn who_unsubscribes_gives_everything_back() {
    check(
        "0s topic t=1 u=1
         0s hello a reads=t
           > log: g a reads t
           > log: g epoch 2
           > log: g target for a: t-0
           > log: g targets of epoch 2
           > log: g a 0->2 Stable has t-0
           > hello a: epoch 2 has t-0
         2s alive a epoch=2 reads=u owns=t-0 rebalance=60s
           > log: g a reads u
           > log: g epoch 3
           > log: g target for a: u-0
           > log: g targets of epoch 3
           > log: g a 2->2 UnrevokedPartitions has -, gives back t-0
           > alive a: epoch 2 has -
         3s alive a epoch=2 owns=-
           > log: g a 2->3 Stable has u-0
           > alive a: epoch 3 has u-0
         3s inspect g
           > inspect: g Stable epoch 3 assigned 3 uniform, a at 3 has u-0 of u-0",
    );
}
