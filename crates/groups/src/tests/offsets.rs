//! Offsets.

use super::check;

#[test]
fn offsets_are_remembered() {
    check(
        "0s commit t-0=5 t-1=6@note u-0=7
           > log: group g at t-0=5
           > log: group g at t-1=6
           > log: group g at u-0=7
           > commit: t-0 ok, t-1 ok, u-0 ok
         1s fetch t-0 t-1 u-0
           > fetch: t-0=5, t-1=6@note, u-0=7
         1s fetch t-2 v-0
           > fetch: t-2=-1, v-0=-1
         1s fetch all
           > fetch: t-0=5, t-1=6@note, u-0=7",
    );
}

#[test]
fn a_group_without_offsets_has_none() {
    check(
        "0s fetch t-0
           > fetch: t-0=-1
         0s fetch all
           > fetch: -",
    );
}

#[test]
fn the_nameless_group_can_store_offsets() {
    check(
        "0s commit t-0=5 group=
           > log: group - at t-0=5
           > commit: t-0 ok
         0s fetch all group=
           > fetch: t-0=5",
    );
}

#[test]
fn a_later_offset_takes_the_place_of_an_earlier_one_also_backwards() {
    check(
        "0s commit t-0=5
           > log: group g at t-0=5
           > commit: t-0 ok
         1s commit t-0=3
           > log: group g at t-0=3
           > commit: t-0 ok
         1s fetch t-0
           > fetch: t-0=3",
    );
}

#[test]
fn metadata_may_be_so_long() {
    check(
        "0s commit t-0=5@x*4096 t-1=6@x*4097
           > log: group g at t-0=5
           > commit: t-0 ok, t-1 OffsetMetadataTooLarge
         0s fetch t-1
           > fetch: t-1=-1",
    );
}

#[test]
fn an_offset_that_cannot_be_written_is_not_remembered() {
    check(
        "0s unwritable
         0s commit t-0=5
           > commit: CoordinatorNotAvailable
         0s fetch all
           > fetch: -
         0s list
           > list: -",
    );
}

#[test]
fn a_member_commits_in_its_generation() {
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
         4s commit member=a-1 gen=0 t-0=6
           > commit: IllegalGeneration
         4s commit member=a-1 gen=2 t-0=6
           > commit: IllegalGeneration
         4s commit member=b-2 gen=1 t-0=6
           > commit: UnknownMemberId
         4s commit member=a-1 gen=1 static=i t-0=6
           > commit: UnknownMemberId
         4s fetch t-0
           > fetch: t-0=5",
    );
}

#[test]
fn who_is_no_member_cannot_commit_for_a_group_with_members() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         3s sync a-1 a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         4s commit t-0=5
           > commit: UnknownMemberId
         4s commit gen=-1 member=a-1 t-0=5
           > commit: IllegalGeneration
         4s commit gen=-1 member=b-9 t-0=5
           > commit: UnknownMemberId
         4s fetch all
           > fetch: -",
    );
}

#[test]
fn who_is_no_member_can_commit_for_an_empty_group() {
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
         5s commit t-0=5
           > log: group g at t-0=5
           > commit: t-0 ok
         5s commit member=a-1 gen=-1 t-1=6
           > log: group g at t-1=6
           > commit: t-1 ok
         5s commit member=a-1 gen=2 t-1=7
           > commit: UnknownMemberId
         5s fetch all
           > fetch: t-0=5, t-1=6",
    );
}

#[test]
fn a_member_of_a_group_that_is_not_there_is_told_so_as_its_version_knows() {
    check(
        "0s commit member=a-1 gen=1 t-0=5
           > commit: GroupIdNotFound
         0s commit member=a-1 gen=1 t-0=5 v=8
           > commit: IllegalGeneration",
    );
}

#[test]
fn offsets_can_be_committed_while_members_join_but_not_while_they_sync() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         3s commit member=a-1 gen=1 t-0=5
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > commit: RebalanceInProgress
         3s sync a-1 a-1:x
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         4s join b v=3
         4s commit member=a-1 gen=1 t-0=6
           > log: group g at t-0=6
           > commit: t-0 ok
         5s join a-1
           > join a-1: a-1 in generation 2 of range led by a-1: a-1 b-2
           > join b: b-2 in generation 2 of range led by a-1
         5s commit member=a-1 gen=1 t-0=7
           > commit: IllegalGeneration
         5s commit member=a-1 gen=2 t-0=7
           > commit: RebalanceInProgress
         5s fetch t-0
           > fetch: t-0=6",
    );
}

#[test]
fn offsets_of_an_open_transaction_are_not_stable() {
    check(
        "0s commit t-0=5
           > log: group g at t-0=5
           > commit: t-0 ok
         1s pending t-0=9
         1s fetch t-0 t-1
           > fetch: t-0=5, t-1=-1
         1s fetch stable t-0 t-1
           > fetch: t-0 UnstableOffsetCommit, t-1=-1
         1s fetch stable all
           > fetch: t-0 UnstableOffsetCommit
         2s commits
         2s fetch stable t-0
           > fetch: t-0=9",
    );
}

#[test]
fn offsets_of_an_aborted_transaction_never_were() {
    check(
        "0s commit t-0=5
           > log: group g at t-0=5
           > commit: t-0 ok
         1s pending t-0=9
         2s aborts
         2s fetch stable t-0
           > fetch: t-0=5",
    );
}

#[test]
fn a_plain_commit_that_was_written_later_than_a_transactions_wins() {
    check(
        "0s pending t-0=9
         1s commit t-0=5
           > log: group g at t-0=5
           > commit: t-0 ok
         2s commits
         2s fetch t-0
           > fetch: t-0=5",
    );
}

#[test]
fn offsets_are_of_a_topic_not_of_its_namesake() {
    check(
        "0s commit t-0=5 id=1
           > log: group g at t-0=5
           > commit: t-0 ok
         0s fetch t-0 id=1
           > fetch: t-0=5
         0s fetch t-0 id=2
           > fetch: t-0=-1
         0s fetch t-0
           > fetch: t-0=5
         0s fetch all
           > fetch: t-0=5",
    );
}

#[test]
fn offsets_can_be_deleted() {
    check(
        "0s commit t-0=5 t-1=6
           > log: group g at t-0=5
           > log: group g at t-1=6
           > commit: t-0 ok, t-1 ok
         1s forget t-0 t-7
           > log: group g forgets t-0
           > forget: t-0 ok, t-7 ok
         1s fetch all
           > fetch: t-1=6
         2s forget t-0 group=nobody
           > forget: GroupIdNotFound
         2s forget t-0 group=
           > forget: InvalidGroupId",
    );
}

#[test]
fn offsets_of_topics_that_members_read_cannot_be_deleted() {
    check(
        "0s commit t-0=5 u-0=6
           > log: group g at t-0=5
           > log: group g at u-0=6
           > commit: t-0 ok, u-0 ok
         0s join a offers=range:t v=3
         3s sync a-1 a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         4s forget t-0 u-0
           > log: group g forgets u-0
           > forget: t-0 GroupSubscribedToTopic, u-0 ok
         4s fetch all
           > fetch: t-0=5",
    );
}

#[test]
fn offsets_of_a_group_whose_subscription_cannot_be_read_cannot_be_deleted() {
    check(
        "0s commit t-0=5
           > log: group g at t-0=5
           > commit: t-0 ok
         0s join a offers=range:? v=3
         3s sync a-1 a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         4s forget t-0
           > forget: t-0 GroupSubscribedToTopic",
    );
}

#[test]
fn offsets_of_members_that_are_no_consumers_cannot_be_deleted() {
    check(
        "0s commit t-0=5
           > log: group g at t-0=5
           > commit: t-0 ok
         0s join a type=connect v=3
         3s sync a-1 a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         4s forget t-0
           > forget: NonEmptyGroup",
    );
}

#[test]
fn a_pending_offset_can_be_deleted() {
    check(
        "0s pending t-0=9
         1s forget t-0
           > log: group g forgets t-0
           > forget: t-0 ok
         2s commits
         2s fetch all
           > fetch: -",
    );
}

#[test]
fn offsets_go_with_their_topic() {
    check(
        "0s commit t-0=5 t-1=6 u-0=7
           > log: group g at t-0=5
           > log: group g at t-1=6
           > log: group g at u-0=7
           > commit: t-0 ok, t-1 ok, u-0 ok
         0s commit t-0=8 group=h
           > log: group h at t-0=8
           > commit: t-0 ok
         1s dropped t
           > log: group g forgets t-0
           > log: group g forgets t-1
           > log: group h forgets t-0
           > dropped: ok
         1s fetch all
           > fetch: u-0=7
         1s fetch all group=h
           > fetch: -",
    );
}

#[test]
fn offsets_do_not_go_with_a_namesake_of_their_topic() {
    check(
        "0s commit t-0=5 id=1
           > log: group g at t-0=5
           > commit: t-0 ok
         1s dropped t id=2
           > dropped: ok
         1s fetch all
           > fetch: t-0=5
         1s dropped t id=1
           > log: group g forgets t-0
           > dropped: ok
         1s fetch all
           > fetch: -",
    );
}

/// A member that was thought dead comes back and commits what it had read before: nobody can tell, since a commit is
/// checked by its member and generation only, not by who reads the partition. So a committed offset can go back.
#[test]
fn who_has_lost_a_partition_may_commit_for_it_once_it_is_in_the_generation() {
    check(
        "0s join a v=3 session=6s
           > log: group g generation 0 is empty
         0s join b v=3 session=30s
         6s sync b-2
           > at 6s:
           > join a: a-1 in generation 1 of range led by a-1: a-1 b-2
           > join b: b-2 in generation 1 of range led by a-1
         6s sync a-1 a-1:t0 b-2:t1
           > log: group g generation 1 of range led by a-1: a-1=t0 b-2=t1
           > sync a-1: t0
           > sync b-2: t1
         7s commit member=a-1 gen=1 t-0=5
           > log: group g at t-0=5
           > commit: t-0 ok
         14s join b-2 session=30s
           > join b-2: b-2 in generation 2 of range led by b-2: b-2
         14s sync b-2 gen=2 b-2:t0t1
           > log: group g generation 2 of range led by b-2: b-2=t0t1
           > sync b-2: t0t1
         15s commit member=b-2 gen=2 t-0=9
           > log: group g at t-0=9
           > commit: t-0 ok
         16s join a v=3 session=30s
         17s commit member=b-2 gen=2 t-0=10
           > log: group g at t-0=10
           > commit: t-0 ok
         18s join b-2 session=30s
           > join a: a-4 in generation 3 of range led by b-2
           > join b-2: b-2 in generation 3 of range led by b-2: a-4 b-2
         19s commit member=a-4 gen=3 t-0=6
           > commit: RebalanceInProgress
         20s sync b-2 gen=3 b-2:t0 a-4:t1
           > log: group g generation 3 of range led by b-2: a-4=t1 b-2=t0
           > sync b-2: t0
         21s commit member=a-4 gen=2 t-0=6
           > commit: IllegalGeneration
         21s commit member=a-4 gen=3 t-0=6
           > log: group g at t-0=6
           > commit: t-0 ok
         22s sync a-4 gen=3
           > sync a-4: t1
         23s fetch t-0
           > fetch: t-0=6",
    );
}
