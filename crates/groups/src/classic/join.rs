//! JoinGroup.

use super::members::Member;
use super::phase::Phase;
use super::turn::Turn;
use crate::groups::Follow;
use crate::messages::{CallId, Join, JoinAnswer, Protocol};
use crate::{Record, Refusal, Then};
use bytes::Bytes;
use ottla_protocol::Text;

/// A new member that waits for its first rebalance does not send heartbeats and cannot be seen to go away; it
/// is given up after this time, so that clients which retry do not fill the group with the dead (Kafka's
/// `classicGroupNewMemberJoinTimeoutMs`).
const NEW_MEMBER_JOIN_TIMEOUT_MS: i32 = 300_000;

/// Ids handed out to members that have not come back with them, per group. Further newcomers are refused until
/// some have come or timed out.
const PENDING_JOINS_MAX: usize = 100_000;

impl Turn<'_> {
    /// A member wants to be in the group.
    pub fn join(&mut self, call: CallId, join: Join) {
        if !self.group.has_room_for(&join.member_id, self.settings) {
            self.remove(&join.member_id);
            return self.refuse_join(call, Text::default(), Refusal::GroupMaxSizeReached);
        }
        if !self.group.supports(&join.protocol_type, &join.protocols) {
            return self.refuse_join(call, join.member_id, Refusal::InconsistentGroupProtocol);
        }
        if join.member_id.is_empty() { self.join_newcomer(call, join) } else { self.join_again(call, join) }
    }

    fn join_newcomer(&mut self, call: CallId, join: Join) {
        let name = join.instance_id.as_ref().unwrap_or(&join.client_id);
        let id = Text::from(format!("{name}-{}", uuid::Uuid::from_bytes(*join.fresh_id.as_bytes())));
        if let Some(instance) = &join.instance_id {
            return match self.group.members.static_id(instance).cloned() {
                Some(before) => self.replace_static(call, join, before, id),
                None => self.add(call, join, id),
            };
        }
        if !join.requires_member_id {
            return self.add(call, join, id);
        }
        if self.group.pending_joins.len() >= PENDING_JOINS_MAX {
            return self.refuse_join(call, Text::default(), Refusal::GroupMaxSizeReached);
        }
        self.group.pending_joins.insert(id.clone());
        self.expect_within(&id, join.session_timeout_ms);
        self.refuse_join(call, id, Refusal::MemberIdRequired);
    }

    fn join_again(&mut self, call: CallId, join: Join) {
        if self.group.pending_joins.contains(&join.member_id) {
            // Ids are only handed out to members without an instance id.
            if join.instance_id.is_some() {
                return self.refuse_join(call, join.member_id, Refusal::UnknownMemberId);
            }
            let id = join.member_id.detached();
            return self.add(call, join, id);
        }
        if let Err(refusal) = self.group.check_member(&join.member_id, join.instance_id.as_ref()) {
            return self.refuse_join(call, join.member_id, refusal);
        }
        let unchanged =
            self.group.members.get(&join.member_id).is_some_and(|member| member.protocols == join.protocols);
        match self.group.phase {
            Phase::PreparingRebalance => self.update_and_rebalance(call, join, "joins again"),
            // The answer to its first JoinGroup may have been lost.
            Phase::CompletingRebalance if unchanged => self.answer_present(call, &join.member_id),
            Phase::CompletingRebalance => self.update_and_rebalance(call, join, "changes what it offers"),
            // The leader asks for a new assignment in this way, such as when a topic has grown.
            Phase::Stable if self.group.is_leader(&join.member_id) => {
                self.update_and_rebalance(call, join, "joins again as leader");
            }
            Phase::Stable if unchanged => self.answer_follower(call, &join.member_id),
            Phase::Stable => self.update_and_rebalance(call, join, "changes what it offers"),
            Phase::Empty => self.refuse_join(call, join.member_id, Refusal::UnknownMemberId),
        }
    }

    fn answer_present(&mut self, call: CallId, member: &Text) {
        let answer = self.present_generation(member, false);
        self.answer_join(call, answer);
    }

    fn answer_follower(&mut self, call: CallId, member: &Text) {
        let answer = JoinAnswer { members: Vec::new(), ..self.present_generation(member, false) };
        self.answer_join(call, answer);
    }

    fn add(&mut self, call: CallId, join: Join, id: Text) {
        let why = format!("member {id} joins; it says: {}", reason(&join));
        if self.group.members.is_empty() {
            self.group.protocol_type = Some(join.protocol_type.detached());
        }
        if let Some(first) = &mut self.group.first_rebalance {
            first.member_added = true;
        }
        self.group.pending_joins.remove(&id);
        self.group.members.insert(Member {
            id: id.clone(),
            instance_id: join.instance_id.map(|instance| instance.detached()),
            client_id: join.client_id.detached(),
            client_host: join.client_host.detached(),
            rebalance_timeout_ms: join.rebalance_timeout_ms,
            session_timeout_ms: join.session_timeout_ms,
            protocols: detached(&join.protocols),
            assignment: Bytes::new(),
            joining: Some(call),
            syncing: None,
            is_new: true,
        });
        if self.group.leader.is_none() {
            self.group.leader = Some(id.clone());
        }
        self.expect_within(&id, NEW_MEMBER_JOIN_TIMEOUT_MS);
        self.rebalance_or_complete(why);
    }

    fn update_and_rebalance(&mut self, call: CallId, join: Join, what: &str) {
        let why = format!("member {} {what}; it says: {}", join.member_id, reason(&join));
        let id = join.member_id.clone();
        self.update(call, &id, &join);
        self.rebalance_or_complete(why);
    }

    /// The member offers from now on what `join` says, and waits for the rebalance to complete.
    fn update(&mut self, call: CallId, id: &str, join: &Join) {
        let protocols = detached(&join.protocols);
        let waiting = self.group.members.change(id, |member| {
            member.protocols = protocols;
            member.rebalance_timeout_ms = join.rebalance_timeout_ms;
            member.session_timeout_ms = join.session_timeout_ms;
            member.joining.replace(call)
        });
        // It asked twice: the connection of the first call is gone, or the client does not wait for it.
        if let Some(Some(waiting)) = waiting {
            self.refuse_join(waiting, join.member_id.clone(), Refusal::RebalanceInProgress);
        }
    }

    /// A static member starts again without its old id: the new process takes the old one's place (KIP-345).
    fn replace_static(&mut self, call: CallId, join: Join, before: Text, id: Text) {
        let group_before = self.group.clone();
        let Some(mut member) = self.group.members.remove(&before) else { return };
        self.expect_nothing_of(&before);
        // Whoever still waits under the old id is another process with the same instance id.
        if let Some(other) = member.joining.take() {
            self.refuse_join(other, before.clone(), Refusal::FencedInstanceId);
        }
        if let Some(other) = member.syncing.take() {
            self.refuse_sync(other, Refusal::FencedInstanceId);
        }
        member.id = id.clone();
        self.group.members.insert(member);
        let leader_before = self.group.leader.clone().unwrap_or_default();
        if self.group.is_leader(&before) {
            self.group.leader = Some(id.clone());
        }
        if self.group.pending_syncs.remove(&before) {
            self.group.pending_syncs.insert(id.clone());
        }
        self.update(call, &id, &join);
        self.heard_of(&id);
        let why = format!(
            "static member {} comes back as {id}; it says: {}",
            join.instance_id.clone().unwrap_or_default(),
            reason(&join)
        );
        match self.group.phase {
            Phase::Stable if self.group.members.elect_protocol() == self.group.protocol => {
                // Nothing changes for the others: no rebalance, but the new id is to be remembered.
                self.group.members.change(&id, |member| member.joining = None);
                let metadata = self.group.metadata(|member| member.assignment.clone());
                self.effects
                    .records
                    .push(Record::Classic { group: self.group.id.clone(), metadata: Some(metadata) });
                let answer = if join.skips_assignment {
                    self.present_generation(&id, self.group.is_leader(&id))
                } else {
                    // Who cannot be told to keep the assignment must not believe to be the leader.
                    JoinAnswer {
                        leader: leader_before,
                        members: Vec::new(),
                        ..self.present_generation(&id, false)
                    }
                };
                self.answer_join(call, answer);
                self.effects.then = Some(Then(Follow::Replaced { before: Box::new(group_before) }));
            }
            Phase::Stable => self.rebalance_or_complete(why),
            // The leader may have been told of the old id already.
            Phase::CompletingRebalance => self.prepare_rebalance(why),
            Phase::PreparingRebalance => self.complete_if_all_joined(),
            Phase::Empty => {}
        }
    }
}

fn reason(join: &Join) -> &str {
    join.reason.as_deref().unwrap_or("not provided")
}

/// Copies that do not keep the request's buffer.
fn detached(protocols: &[Protocol]) -> Vec<Protocol> {
    let mut kept: Vec<Protocol> = Vec::with_capacity(protocols.len());
    for protocol in protocols {
        // A name given twice counts once.
        if kept.iter().all(|other| other.name != protocol.name) {
            let metadata = Bytes::copy_from_slice(&protocol.metadata);
            kept.push(Protocol { name: protocol.name.detached(), metadata });
        }
    }
    kept
}
