//! JoinGroup.

use super::check;

#[test]
fn a_member_is_given_an_id_and_joins_with_it() {
    check(
        "0s join a
           > log: group g generation 0 is empty
           > join a: MemberIdRequired a-1
         0s join a-1
         3s wait
           > at 3s:
           > join a-1: a-1 in generation 1 of range led by a-1: a-1",
    );
}

#[test]
fn clients_of_old_join_without_being_asked_for_an_id() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         3s wait
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1",
    );
}

#[test]
fn a_static_member_joins_without_being_asked_for_an_id() {
    check(
        "0s join a static=i
           > log: group g generation 0 is empty
         3s wait
           > at 3s:
           > join a: i-1 in generation 1 of range led by i-1: i-1(i)",
    );
}

#[test]
fn a_member_with_an_id_does_not_make_a_group() {
    check(
        "0s join a-7
           > join a-7: UnknownMemberId a-7
         0s list
           > list: -",
    );
}

#[test]
fn a_group_needs_a_name() {
    check(
        "0s join a group=
           > join a: InvalidGroupId",
    );
}

#[test]
fn the_session_timeout_must_lie_within_the_brokers_bounds() {
    check(
        "0s join a session=5999ms
           > join a: InvalidSessionTimeout
         0s join a session=6s
           > log: group g generation 0 is empty
           > join a: MemberIdRequired a-2
         0s join b session=30m group=h
           > log: group h generation 0 is empty
           > join b: MemberIdRequired b-3
         0s join b session=1800001ms group=k
           > join b: InvalidSessionTimeout
         0s list
           > list: g classic Empty -, h classic Empty -",
    );
}

#[test]
fn who_offers_nothing_is_not_let_in() {
    check(
        "0s join a offers=
           > join a: InconsistentGroupProtocol
         0s join a type=
           > join a: InconsistentGroupProtocol
         0s list
           > list: -",
    );
}

#[test]
fn who_has_nothing_in_common_with_the_members_is_not_let_in() {
    check(
        "0s join a offers=range,sticky v=3
           > log: group g generation 0 is empty
         0s join b offers=roundrobin v=3
           > join b: InconsistentGroupProtocol
         0s join c offers=range type=connect v=3
           > join c: InconsistentGroupProtocol
         0s join d offers=sticky v=3
         3s wait
         6s wait
           > at 6s:
           > join a: a-1 in generation 1 of sticky led by a-1: a-1 d-4
           > join d: d-4 in generation 1 of sticky led by a-1
         9s wait",
    );
}

#[test]
fn the_protocol_with_the_most_votes_wins() {
    check(
        "0s join a offers=range,sticky v=3
           > log: group g generation 0 is empty
         0s join b offers=sticky,range v=3
         0s join c offers=sticky,range v=3
         6s wait
           > at 6s:
           > join a: a-1 in generation 1 of sticky led by a-1: a-1 b-2 c-3
           > join b: b-2 in generation 1 of sticky led by a-1
           > join c: c-3 in generation 1 of sticky led by a-1",
    );
}

#[test]
fn only_protocols_that_all_offer_are_voted_for() {
    check(
        "0s join a offers=x,range v=3
           > log: group g generation 0 is empty
         0s join b offers=x,range v=3
         0s join c offers=y,range v=3
         6s wait
           > at 6s:
           > join a: a-1 in generation 1 of range led by a-1: a-1 b-2 c-3
           > join b: b-2 in generation 1 of range led by a-1
           > join c: c-3 in generation 1 of range led by a-1",
    );
}

#[test]
fn an_id_that_was_not_given_out_is_unknown() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         0s join b-9
           > join b-9: UnknownMemberId b-9
         3s wait
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1",
    );
}

#[test]
fn an_id_that_was_given_out_is_good_for_a_session() {
    check(
        "0s join a session=10s
           > log: group g generation 0 is empty
           > join a: MemberIdRequired a-1
         9999ms join a-1 session=10s
         13s wait
           > at 12999ms:
           > join a-1: a-1 in generation 1 of range led by a-1: a-1
         14s join b session=10s
           > join b: MemberIdRequired b-3
         24s wait
           > at 22999ms:
           > log: group g generation 2 is empty
         24s join b-3
           > join b-3: UnknownMemberId b-3",
    );
}

#[test]
fn an_id_that_was_given_out_does_not_go_with_an_instance_id() {
    check(
        "0s join a
           > log: group g generation 0 is empty
           > join a: MemberIdRequired a-1
         0s join a-1 static=i
           > join a-1: UnknownMemberId a-1",
    );
}

#[test]
fn a_member_that_joins_twice_is_answered_on_the_second_call() {
    check(
        "0s join a
           > log: group g generation 0 is empty
           > join a: MemberIdRequired a-1
         0s join a-1
         1s join a-1
           > join a-1: RebalanceInProgress a-1
         3s wait
           > at 3s:
           > join a-1: a-1 in generation 1 of range led by a-1: a-1",
    );
}

#[test]
fn a_member_that_missed_the_answer_gets_it_again() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         3s wait
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
         4s join a-1 v=3
           > join a-1: a-1 in generation 1 of range led by a-1: a-1
         4s join b v=3
         5s join a-1 v=3
           > join a-1: a-1 in generation 2 of range led by a-1: a-1 b-3
           > join b: b-3 in generation 2 of range led by a-1",
    );
}

#[test]
fn a_follower_that_changes_nothing_stays() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         0s join b v=3
         6s wait
           > at 6s:
           > join a: a-1 in generation 1 of range led by a-1: a-1 b-2
           > join b: b-2 in generation 1 of range led by a-1
         6s sync b-2
         6s sync a-1 a-1:x b-2:y
           > log: group g generation 1 of range led by a-1: a-1=x b-2=y
           > sync a-1: x
           > sync b-2: y
         7s join b-2
           > join b-2: b-2 in generation 1 of range led by a-1
         8s sync b-2
           > sync b-2: y",
    );
}

#[test]
fn a_follower_that_changes_what_it_offers_makes_a_rebalance() {
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
         7s join b-2 offers=range:u
         7s beat a-1
           > beat a-1: RebalanceInProgress
         7s join a-1
           > join a-1: a-1 in generation 2 of range led by a-1: a-1 b-2
           > join b-2: b-2 in generation 2 of range led by a-1",
    );
}

#[test]
fn a_leader_that_joins_again_makes_a_rebalance() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         3s sync a-1 a-1:x
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x
         4s join a-1
           > join a-1: a-1 in generation 2 of range led by a-1: a-1
         4s sync a-1 gen=2 a-1:y
           > log: group g generation 2 of range led by a-1: a-1=y
           > sync a-1: y",
    );
}

#[test]
fn a_change_while_the_assignment_is_awaited_makes_a_rebalance() {
    check(
        "0s join a v=3
           > log: group g generation 0 is empty
         0s join b v=3
         6s sync b-2
           > at 6s:
           > join a: a-1 in generation 1 of range led by a-1: a-1 b-2
           > join b: b-2 in generation 1 of range led by a-1
         7s join b-2 offers=range:u
           > sync b-2: RebalanceInProgress
         8s join a-1
           > join a-1: a-1 in generation 2 of range led by a-1: a-1 b-2
           > join b-2: b-2 in generation 2 of range led by a-1",
    );
}

#[test]
fn a_name_offered_twice_counts_once() {
    check(
        "0s join a offers=range:t,range:u v=3
           > log: group g generation 0 is empty
         3s wait
           > at 3s:
           > join a: a-1 in generation 1 of range led by a-1: a-1
         3s sync a-1 a-1:x
           > log: group g generation 1 of range led by a-1: a-1=x
           > sync a-1: x",
    );
}
