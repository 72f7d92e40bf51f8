//! The core: all groups of one partition.

use crate::classic::{Group, Turn};
use crate::consumer::{Change, GroupConfigs, Topics};
use crate::messages::*;
use crate::records::Record;
use crate::timers::{Timer, Timers};
use crate::{Now, Refusal, Settings, State, StoredGroup};
use bytes::Bytes;
use ottla_protocol::Text;
use ottla_state_machine::Machine;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Keys of records hold texts of at most this many bytes.
const GROUP_ID_SIZE_MAX: usize = i16::MAX as usize;

/// What the caller must now make true. The default is "nothing".
///
/// In this order: write `records` as one batch; [`Groups::replay`] each; hand `then` to [`Groups::then`], whose
/// effects come on top; hold `answers` back until everything written so far is committed. If the write fails,
/// nothing is replayed, `answers` are replaced by the refusal, and `then` is handed over with it.
#[derive(Debug, Default)]
pub struct Effects {
    /// To be written, all of them or none; unless `divisible`.
    pub records: Vec<Record>,
    /// To be given once everything written is committed. Others than the present call may be among them.
    pub answers: Vec<(CallId, Answer)>,
    /// What follows from the write.
    pub then: Option<Then>,
    /// Each record is right on its own, so that what is too large for one batch may go into several.
    pub divisible: bool,
    /// What an operator may want to know.
    pub notes: Vec<Note>,
}

/// What follows from a write: to be handed to [`Groups::then`] with the write's outcome.
#[derive(Debug)]
pub struct Then(pub(crate) Follow);

#[derive(Debug)]
pub(crate) enum Follow {
    /// A group came into being.
    Created { group: Text },
    /// A leader's assignment was written.
    Assigned { group: Text, generation: i32, assignments: HashMap<Text, Bytes> },
    /// A static member's new id was written; `before` is the group to go back to.
    Replaced { before: Box<Group> },
    /// A consumer group with these members became a classic one, which may have to rebalance.
    Downgraded { group: Box<Group>, members: Vec<Text>, why: Option<String> },
}

/// What an operator may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Members are to join again.
    Rebalancing {
        /// The group.
        group: Text,
        /// The generation that ends.
        generation: i32,
        /// Why.
        why: String,
    },
    /// A rebalance is complete but for the assignment.
    NewGeneration {
        /// The group.
        group: Text,
        /// The generation that begins.
        generation: i32,
        /// How many members it has.
        members: usize,
    },
    /// Everyone has an assignment.
    Stable {
        /// The group.
        group: Text,
        /// Its generation.
        generation: i32,
    },
    /// Nobody is left.
    Emptied {
        /// The group.
        group: Text,
        /// Its generation.
        generation: i32,
    },
    /// A member was silent for too long.
    Failed {
        /// The group.
        group: Text,
        /// The member.
        member: Text,
    },
    /// A member went.
    Left {
        /// The group.
        group: Text,
        /// The member.
        member: Text,
        /// What it said.
        why: String,
    },
    /// A classic group became a consumer group.
    Upgraded {
        /// The group.
        group: Text,
    },
    /// A consumer group became a classic group.
    Downgraded {
        /// The group.
        group: Text,
    },
    /// Offsets that nobody used were let go.
    Expired {
        /// How many records say so.
        records: usize,
    },
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Note::Rebalancing { group, generation, why } => {
                write!(f, "group {group} rebalances after generation {generation}: {why}")
            }
            Note::NewGeneration { group, generation, members } => {
                write!(f, "group {group} has {members} members in generation {generation}")
            }
            Note::Stable { group, generation } => {
                write!(f, "group {group} is stable in generation {generation}")
            }
            Note::Emptied { group, generation } => {
                write!(f, "group {group} is empty after generation {generation}")
            }
            Note::Failed { group, member } => {
                write!(f, "member {member} of group {group} was silent for too long")
            }
            Note::Left { group, member, why } => write!(f, "member {member} left group {group}: {why}"),
            Note::Upgraded { group } => write!(f, "classic group {group} is a consumer group from now on"),
            Note::Downgraded { group } => write!(f, "consumer group {group} is a classic group from now on"),
            Note::Expired { records } => write!(f, "let go of unused offsets and groups: {records} records"),
        }
    }
}

/// All groups of one partition of `__consumer_offsets`.
#[derive(Debug)]
pub struct Groups {
    pub(crate) settings: Settings,
    /// What survives. Changed by [`Groups::replay`] only.
    pub(crate) state: State,
    /// Classic groups as they live. Every group of `state` that is no consumer group is among them, once
    /// [`Groups::loaded`] was called.
    pub(crate) classic: BTreeMap<Text, Group>,
    /// The cluster's topics as they were last seen.
    pub(crate) cluster: Option<Arc<dyn Topics>>,
    /// Consumer groups whose epoch is of the topics in this state ([`Topics::version`]).
    pub(crate) seen: HashMap<Text, i64>,
    pub(crate) timers: Timers,
    /// The groups that the present look for unused offsets has still to look at.
    pub(crate) expiry: Vec<Text>,
    /// What groups are configured with, until the log is loaded.
    loading: Option<Arc<dyn GroupConfigs>>,
}

impl Groups {
    /// No groups yet: replay the log, then call [`Groups::loaded`]. `configs` are of the present.
    pub fn new(settings: Settings, configs: Arc<dyn GroupConfigs>) -> Groups {
        Groups {
            settings,
            state: State::default(),
            classic: BTreeMap::new(),
            cluster: None,
            seen: HashMap::new(),
            timers: Timers::default(),
            expiry: Vec::new(),
            loading: Some(configs),
        }
    }

    /// What survives.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// A record that is written: from the log while loading, or of [`Effects::records`].
    pub fn replay(&mut self, record: &Record) {
        self.state.replay(record);
        if self.loading.is_some() {
            return;
        }
        match record {
            Record::Classic { group, metadata: None } => {
                self.forget(group);
            }
            Record::Consumer { group, change: Change::Epoch(None) } => {
                self.seen.remove(group);
                let has_offsets = self.state.group(group).is_some()
                    || self.state.pending_groups().any(|pending| pending == group);
                if has_offsets && !self.classic.contains_key(group) {
                    self.classic.insert(group.clone(), Group::simple(group.clone()));
                }
            }
            Record::Consumer { group, change } => {
                if !change.is_tombstone() {
                    self.forget(group);
                }
            }
            // A group of someone who assigns partitions by itself lives from its first offset on.
            Record::Offset { group, commit: Some(_), .. } | Record::PendingOffset { group, .. } => {
                if !self.classic.contains_key(group) && self.consumer_group(group).is_none() {
                    self.classic.insert(
                        group.clone(),
                        Group { phase_since_ms: None, ..Group::new(group.clone(), 0) },
                    );
                }
            }
            Record::Classic { .. } | Record::Offset { .. } | Record::TransactionEnded { .. } => {}
        }
    }

    /// The log is replayed: members that it knows of are given the time of a session to be heard of.
    pub fn loaded(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        let configs = self.loading.take();
        let groups: Vec<Group> = self
            .state
            .groups()
            .filter(|(_, stored)| stored.consumer.is_none())
            .map(|(id, stored)| match &stored.classic {
                Some(metadata) => Group::from_metadata(id.clone(), metadata),
                None => Group::simple(id.clone()),
            })
            .collect();
        // Who only appears in open transactions is a simple group, too.
        for group in self.state.pending_groups() {
            if self.state.group(group).is_none() && !self.classic.contains_key(group) {
                self.classic.insert(group.clone(), Group::simple(group.clone()));
            }
        }
        for mut group in groups {
            let mut turn = Turn {
                group: &mut group,
                timers: &mut self.timers,
                settings: &self.settings,
                now,
                effects: &mut effects,
            };
            turn.resume();
            self.classic.insert(group.id.clone(), group);
        }
        if let Some(configs) = configs {
            self.resume_consumers(&*configs, now);
        }
        self.timers.set(Timer::Expiry, now.tick_ms + self.settings.offsets_retention_check_interval_ms);
        effects
    }

    /// Decides about a request. Its answer is in the effects, or in those of a later call.
    pub fn handle(&mut self, call: CallId, request: Request, now: Now) -> Effects {
        let mut effects = Effects::default();
        let answer = match request {
            Request::Join(join) => {
                self.join(call, *join, now, &mut effects);
                None
            }
            Request::Sync(sync) => {
                self.sync(call, sync, now, &mut effects);
                None
            }
            Request::Heartbeat(heartbeat) => {
                let answer = match self.turn(&heartbeat.group, now, &mut effects) {
                    Ok(mut turn) => turn.heartbeat(&heartbeat),
                    Err(Refusal::UnknownMemberId) => self.heartbeat_to_consumers(&heartbeat, now),
                    Err(refusal) => Err(refusal),
                };
                Some(Answer::Heartbeat(answer))
            }
            Request::Leave(leave) => {
                let answer = match self.turn(&leave.group, now, &mut effects) {
                    Ok(mut turn) => Ok(turn.leave(&leave)),
                    Err(Refusal::UnknownMemberId) => Ok(self.leave_consumers(&leave, now, &mut effects)),
                    Err(refusal) => Err(refusal),
                };
                Some(Answer::Leave(answer))
            }
            Request::ConsumerHeartbeat(beat) => {
                Some(Answer::ConsumerHeartbeat(self.consumer_heartbeat(*beat, now, &mut effects)))
            }
            Request::DescribeConsumers(groups) => Some(Answer::DescribeConsumers(
                groups.iter().map(|group| self.describe_consumer(group)).collect(),
            )),
            Request::CommitOffsets(commit) => {
                Some(Answer::CommitOffsets(self.commit_offsets(&commit, now, &mut effects)))
            }
            Request::FetchOffsets(fetch) => Some(Answer::FetchOffsets(self.fetch_offsets(fetch))),
            Request::DeleteOffsets(delete) => {
                Some(Answer::DeleteOffsets(self.delete_offsets(delete, &mut effects)))
            }
            Request::DeleteGroups(groups) => {
                Some(Answer::DeleteGroups(self.delete_groups(groups, &mut effects)))
            }
            Request::DescribeGroups(groups) => {
                Some(Answer::DescribeGroups(groups.into_iter().map(|group| self.describe(group)).collect()))
            }
            Request::ListGroups(filter) => Some(Answer::ListGroups(self.list(&filter))),
            Request::TopicsDeleted(topics) => {
                self.topics_deleted(&topics, &mut effects);
                Some(Answer::TopicsDeleted)
            }
        };
        if let Some(answer) = answer {
            effects.answers.push((call, answer));
        }
        effects
    }

    /// What follows from a write that succeeded, or failed and is answered with the refusal.
    pub fn then(&mut self, then: Then, outcome: Result<(), Refusal>, now: Now) -> Effects {
        let mut effects = Effects::default();
        match (then.0, outcome) {
            (Follow::Assigned { group, generation, assignments }, outcome) => {
                if let Ok(mut turn) = self.turn(&group, now, &mut effects) {
                    turn.assigned(generation, &assignments, outcome);
                }
            }
            (Follow::Created { .. } | Follow::Replaced { .. }, Ok(()))
            | (Follow::Downgraded { .. }, Err(_)) => {}
            (Follow::Downgraded { group, members, why }, Ok(())) => {
                self.downgrade_lives(*group, members, why, now, &mut effects);
            }
            (Follow::Created { group }, Err(refusal)) => {
                let waiting = self.forget(&group).into_iter();
                let waiting: Vec<CallId> = waiting.flat_map(|group| group.members.waiting_joins()).collect();
                for call in waiting {
                    let answer = JoinAnswer::refused(Text::default(), refusal);
                    effects.answers.push((call, Answer::Join(Box::new(answer))));
                }
            }
            (Follow::Replaced { before }, Err(_)) => {
                let id = before.id.clone();
                self.forget(&id);
                self.classic.insert(id.clone(), *before);
                if let Ok(mut turn) = self.turn(&id, now, &mut effects) {
                    turn.resume();
                }
            }
        }
        effects
    }

    /// When [`Groups::on_time`] is to be called, in [`Now::tick_ms`].
    pub fn deadline(&self) -> Option<i64> {
        self.timers.next()
    }

    /// Lets one thing happen whose time has come. Call again while [`Groups::deadline`] has passed.
    pub fn on_time(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        match self.timers.pop(now.tick_ms) {
            None => {}
            Some(Timer::Session { group, member }) => {
                if let Ok(mut turn) = self.turn(&group, now, &mut effects) {
                    turn.session_is_over(&member);
                }
            }
            Some(Timer::Join { group }) => {
                if let Ok(mut turn) = self.turn(&group, now, &mut effects) {
                    turn.join_time_is_up();
                }
            }
            Some(Timer::Sync { group }) => {
                if let Ok(mut turn) = self.turn(&group, now, &mut effects) {
                    turn.sync_time_is_up();
                }
            }
            Some(Timer::ConsumerSession { group, member }) => {
                self.consumer_session_is_over(&group, &member, now, &mut effects);
            }
            Some(Timer::Revocation { group, member }) => {
                self.revocation_is_late(&group, &member, now, &mut effects);
            }
            Some(Timer::ConsumerJoin { group, member } | Timer::ConsumerSync { group, member }) => {
                self.classic_step_is_late(&group, &member, now, &mut effects);
            }
            Some(Timer::Expiry) => self.expire(now, &mut effects),
        }
        effects
    }

    fn join(&mut self, call: CallId, join: Join, now: Now, effects: &mut Effects) {
        let refused = |effects: &mut Effects, member: Text, refusal| {
            effects.answers.push((call, Answer::Join(Box::new(JoinAnswer::refused(member, refusal)))));
        };
        if check_group_id(&join.group).is_err() {
            return refused(effects, join.member_id, Refusal::InvalidGroupId);
        }
        let bounds = self.settings.min_session_timeout_ms..=self.settings.max_session_timeout_ms;
        if !bounds.contains(&join.session_timeout_ms) {
            return refused(effects, join.member_id, Refusal::InvalidSessionTimeout);
        }
        let is_new = !self.classic.contains_key(&join.group);
        // An empty group is of whatever kind the next member is.
        let tombstones = match self.consumer_group(&join.group) {
            None => Vec::new(),
            Some(_) => match self.consumer_tombstones(&join.group) {
                None => {
                    let answer = self.join_consumers(join, now, effects);
                    return effects.answers.push((call, Answer::Join(Box::new(answer))));
                }
                Some(tombstones) => tombstones,
            },
        };
        if is_new && !join.member_id.is_empty() {
            return refused(effects, join.member_id, Refusal::UnknownMemberId);
        }
        let id = join.group.detached();
        let group = self.classic.entry(id.clone()).or_insert_with(|| Group::new(id.clone(), now.wall_ms));
        let (timers, settings) = (&mut self.timers, &self.settings);
        let mut turn = Turn { group, timers, settings, now, effects };
        turn.join(call, join);
        if !is_new {
            return;
        }
        if turn.group.members.is_empty() && turn.group.pending_joins.is_empty() {
            // Nobody was let in: there is no group.
            self.classic.remove(&id);
        } else if turn.effects.records.is_empty() {
            // Written down so that it is found, and let go, after a restart.
            let metadata = Group::new(id.clone(), now.wall_ms).metadata(|_| Bytes::new());
            effects.records.extend(tombstones);
            effects.records.push(Record::Classic { group: id.clone(), metadata: Some(metadata) });
            effects.then = Some(Then(Follow::Created { group: id }));
        }
    }

    fn sync(&mut self, call: CallId, sync: Sync, now: Now, effects: &mut Effects) {
        match self.turn(&sync.group.clone(), now, effects) {
            Ok(mut turn) => turn.sync(call, sync),
            Err(Refusal::UnknownMemberId) => {
                let answer = self.sync_consumer(&sync, now);
                effects.answers.push((call, Answer::Sync(answer)));
            }
            Err(refusal) => effects.answers.push((call, Answer::Sync(SyncAnswer::refused(refusal)))),
        }
    }

    /// The turn of a member's group.
    pub(crate) fn turn<'a>(
        &'a mut self,
        group: &Text,
        now: Now,
        effects: &'a mut Effects,
    ) -> Result<Turn<'a>, Refusal> {
        check_group_id(group)?;
        let group = self.classic.get_mut(group).ok_or(Refusal::UnknownMemberId)?;
        Ok(Turn { group, timers: &mut self.timers, settings: &self.settings, now, effects })
    }

    /// Drops what lives of a group, and its timers.
    fn forget(&mut self, id: &Text) -> Option<Group> {
        let group = self.classic.remove(id)?;
        let members = group.members.iter().map(|member| &member.id).chain(&group.pending_joins);
        for member in members {
            self.timers.cancel(&Timer::Session { group: id.clone(), member: member.clone() });
        }
        self.timers.cancel(&Timer::Join { group: id.clone() });
        self.timers.cancel(&Timer::Sync { group: id.clone() });
        Some(group)
    }

    fn delete_groups(&mut self, groups: Vec<Text>, effects: &mut Effects) -> Vec<(Text, Option<Refusal>)> {
        effects.divisible = true;
        let mut outcomes: Vec<(Text, Option<Refusal>)> = Vec::with_capacity(groups.len());
        for id in groups {
            if outcomes.iter().any(|(done, _)| *done == id) {
                continue;
            }
            let refusal = match self.classic.get(&id) {
                None if self.consumer_group(&id).is_some() => match self.consumer_tombstones(&id) {
                    None => Some(Refusal::NonEmptyGroup),
                    Some(tombstones) => {
                        self.forget_offsets(&id, effects);
                        effects.records.extend(tombstones);
                        None
                    }
                },
                None => Some(Refusal::GroupIdNotFound),
                Some(group) if group.phase != crate::classic::Phase::Empty => Some(Refusal::NonEmptyGroup),
                Some(_) => {
                    self.forget_offsets(&id, effects);
                    effects.records.push(Record::Classic { group: id.clone(), metadata: None });
                    None
                }
            };
            outcomes.push((id, refusal));
        }
        outcomes
    }

    fn describe(&self, id: Text) -> Description {
        if let Some(group) = self.classic.get(&id) {
            return group.described();
        }
        let message = match self.consumer_group(&id) {
            Some(_) => format!("Group {id} is not a classic group."),
            None => format!("Group {id} not found."),
        };
        Description::refused(id, Refusal::GroupIdNotFound, message)
    }

    fn list(&self, filter: &ListFilter) -> Vec<Listed> {
        let wanted = |wanted: &[Text], name: &str| {
            wanted.is_empty() || wanted.iter().any(|wanted| wanted.trim().eq_ignore_ascii_case(name))
        };
        let groups = self.classic.values().map(Group::listed).chain(self.listed_consumers());
        groups
            .filter(|group| wanted(&filter.states, group.state) && wanted(&filter.types, group.group_type))
            .collect()
    }

    /// What is written down of a group, if anything is.
    pub(crate) fn stored(&self, group: &str) -> Option<&StoredGroup> {
        self.state.group(group)
    }
}

/// Groups of members are named, and their names fit into a record.
pub(crate) fn check_group_id(group: &str) -> Result<(), Refusal> {
    if group.is_empty() || group.len() > GROUP_ID_SIZE_MAX { Err(Refusal::InvalidGroupId) } else { Ok(()) }
}

#[cfg(test)]
impl Groups {
    /// What must always hold.
    pub(crate) fn check_invariants(&self) {
        for (id, group) in &self.classic {
            assert_eq!(*id, group.id);
            group.check_invariants();
        }
        for (_, stored) in self.state.groups() {
            stored.consumer.iter().for_each(|group| group.check_invariants());
        }
        for (id, _) in self.state.groups() {
            let kinds = [self.classic.contains_key(id), self.consumer_group(id).is_some()];
            assert!(kinds[0] != kinds[1], "group {id} is written down, so it lives, as one kind");
        }
    }
}
