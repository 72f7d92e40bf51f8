//! Evenly among members that read different topics.
//!
//! Three steps: members keep what they still read; what nobody has goes to the least loaded subscriber,
//! topic by topic, those with most partitions per subscriber first; then partitions move from the most to
//! the least loaded subscribers, topic by topic, until a whole round moves none.
//! Kafka's `UniformHeterogeneousAssignmentBuilder`.

use super::{AssignError, Assignment, GroupSpec, Partitions, TopicView, count};
use ottla_ids::TopicId;
use std::collections::{BTreeMap, HashMap};

/// Rounds over all topics at most. Where all subscribers of a topic read the same topics, one round
/// balances and another finds nothing left to do; where subscriptions overlap each round about halves the
/// imbalance. Kafka's limit.
const ROUNDS_MAX: usize = 16;

/// A member, by its place in the order of member ids.
type Member = usize;

struct Topic {
    id: TopicId,
    /// In the order of members. Never empty.
    subscribers: Vec<Member>,
    /// The owner of each partition.
    owners: Vec<Option<Member>>,
}

pub(super) fn assign(group: &GroupSpec, topics: &dyn TopicView) -> Result<Assignment, AssignError> {
    let mut by_id: BTreeMap<TopicId, Topic> = BTreeMap::new();
    for (member, subscription) in group.members.values().enumerate() {
        for id in &subscription.subscribed {
            if let Some(topic) = by_id.get_mut(id) {
                topic.subscribers.push(member);
                continue;
            }
            let owners = vec![None; count(topics, id)?.max(0) as usize];
            by_id.insert(*id, Topic { id: *id, subscribers: vec![member], owners });
        }
    }

    // How many partitions each member has.
    let mut loads = vec![0; group.members.len()];
    for (member, subscription) in group.members.values().enumerate() {
        for (id, partitions) in &subscription.owned {
            if !subscription.subscribed.contains(id) {
                continue;
            }
            let topic = by_id.get_mut(id).expect("it has a subscriber");
            for partition in partitions {
                let owner = usize::try_from(*partition).ok().and_then(|at| topic.owners.get_mut(at));
                if let Some(owner @ None) = owner {
                    *owner = Some(member);
                    loads[member] += 1;
                }
            }
        }
    }

    let mut topics: Vec<Topic> = by_id.into_values().collect();
    sort(&mut topics);
    for topic in &mut topics {
        give_unassigned(topic, &mut loads);
    }
    balance(&mut topics, &mut loads);

    let mut members: Vec<Partitions> = vec![Partitions::new(); group.members.len()];
    for topic in &topics {
        for (partition, owner) in (0..).zip(&topic.owners) {
            let owner = owner.expect("given away above");
            members[owner].entry(topic.id).or_default().insert(partition);
        }
    }
    Ok(group.members.keys().cloned().zip(members).collect())
}

/// Most partitions per subscriber first, then fewest subscribers, then by id as Kafka orders ids (its two
/// halves as signed numbers).
fn sort(topics: &mut [Topic]) {
    topics.sort_by(|a, b| {
        let per_subscriber = |topic: &Topic| topic.owners.len() as f64 / topic.subscribers.len() as f64;
        let by_load = per_subscriber(b).total_cmp(&per_subscriber(a));
        let signed = |topic: &Topic| {
            let number = u128::from_be_bytes(*topic.id.as_bytes());
            ((number >> 64) as i64, number as i64)
        };
        by_load
            .then_with(|| a.subscribers.len().cmp(&b.subscribers.len()))
            .then_with(|| signed(a).cmp(&signed(b)))
    });
}

fn give_unassigned(topic: &mut Topic, loads: &mut [usize]) {
    if topic.owners.iter().all(Option::is_some) {
        return;
    }
    let mut balancer = Balancer::new(&topic.subscribers, loads);
    for owner in &mut topic.owners {
        if owner.is_none() {
            let member = balancer.next_least_loaded(loads);
            *owner = Some(member);
            loads[member] += 1;
        }
    }
}

/// Moves partitions until a whole round over the topics moved none, or the rounds are over.
fn balance(topics: &mut [Topic], loads: &mut [usize]) {
    let mut shared: Vec<&mut Topic> =
        topics.iter_mut().filter(|topic| topic.subscribers.len() >= 2).collect();
    let mut last_moved = None;
    for _ in 0..ROUNDS_MAX {
        for (index, topic) in shared.iter_mut().enumerate() {
            if last_moved == Some(index) {
                return;
            }
            if balance_topic(topic, loads) > 0 || last_moved.is_none() {
                last_moved = Some(index);
            }
        }
    }
}

/// Moves partitions of one topic from its most to its least loaded subscribers, until they differ by one at
/// most or there is nothing more to give up. How many were moved.
fn balance_topic(topic: &mut Topic, loads: &mut [usize]) -> usize {
    let mut balancer = Balancer::new(&topic.subscribers, loads);
    if balancer.is_balanced_from_the_start(loads) {
        return 0;
    }
    // What each member can give up; the last goes first.
    let mut owned: HashMap<Member, Vec<usize>> = HashMap::new();
    for (partition, owner) in topic.owners.iter().enumerate() {
        owned.entry(owner.expect("all are given away before")).or_default().push(partition);
    }
    let mut moved = 0;
    while !balancer.is_balanced() {
        let (from, partition) = loop {
            let Some(member) = balancer.next_most_loaded(loads) else { return moved };
            match owned.get_mut(&member).and_then(Vec::pop) {
                Some(partition) => break (member, partition),
                None => balancer.exclude_most_loaded(),
            }
        };
        let to = balancer.next_least_loaded(loads);
        if balancer.is_balanced() {
            break;
        }
        loads[from] -= 1;
        loads[to] += 1;
        topic.owners[partition] = Some(to);
        moved += 1;
    }
    moved
}

/// Two ranges of members, sorted by load: those with least, which grows to the right as they are filled,
/// and those with most, which grows to the left as they are emptied. Within a range all have the same load
/// once its pointer is through.
///
/// ```text
///           ^ least       most
///           | loaded      loaded   #
///           | range      [##<-   ]##
/// partitions|          ##[#######]##
///           | [...->  ]##[#######]##
///           | [#######]##[#######]##
///           +----------------------->
///             members             ^^ these have nothing to give up
/// ```
struct Balancer {
    /// Sorted by load at the start, then by place.
    members: Vec<Member>,
    /// End of the least loaded range, which starts at 0.
    least_end: usize,
    /// What each of the least loaded range had before this turn of its pointer.
    least_load: isize,
    least_next: usize,
    most_start: usize,
    /// Exclusive. Not the end of `members`: who has nothing to give up is moved behind it.
    most_end: usize,
    /// What each of the most loaded range had before this turn of its pointer.
    most_load: isize,
    /// -1 when there is none.
    most_next: isize,
}

impl Balancer {
    /// `subscribers` is not empty.
    fn new(subscribers: &[Member], loads: &[usize]) -> Balancer {
        let mut members = subscribers.to_vec();
        members.sort_by_key(|member| (loads[*member], *member));
        let (least, most) = (loads[members[0]], loads[members[members.len() - 1]]);
        Balancer {
            least_end: 0,
            least_load: least as isize - 1,
            least_next: 0,
            most_start: members.len(),
            most_end: members.len(),
            most_load: most as isize + 1,
            most_next: members.len() as isize - 1,
            members,
        }
    }

    fn is_balanced_from_the_start(&self, loads: &[usize]) -> bool {
        let ends = [self.members.first(), self.members.last()];
        let [least, most] = ends.map(|member| loads[*member.expect("not empty")]);
        most - least <= 1
    }

    fn is_balanced(&self) -> bool {
        self.most_load - self.least_load <= 1
    }

    /// Whom to give the next partition, which the caller then does.
    fn next_least_loaded(&mut self, loads: &[usize]) -> Member {
        if self.least_next >= self.least_end {
            self.least_load += 1;
            while self.least_end < self.members.len()
                && loads[self.members[self.least_end]] as isize == self.least_load
            {
                self.least_end += 1;
            }
            self.least_next = 0;
        }
        let member = self.members[self.least_next];
        self.least_next += 1;
        member
    }

    /// From whom to take the next partition, which the caller then does or excludes the member.
    fn next_most_loaded(&mut self, loads: &[usize]) -> Option<Member> {
        if self.most_next < self.most_start as isize {
            if self.most_end <= self.most_start && self.most_start > 0 {
                // All of the range had nothing to give up: begin with the next to its left.
                self.most_load = loads[self.members[self.most_start - 1]] as isize;
            } else {
                self.most_load -= 1;
            }
            while self.most_start > 0 && loads[self.members[self.most_start - 1]] as isize == self.most_load {
                self.most_start -= 1;
            }
            self.most_next = self.most_end as isize - 1;
        }
        let at = usize::try_from(self.most_next).ok()?;
        self.most_next -= 1;
        Some(self.members[at])
    }

    /// Takes the member that [`Balancer::next_most_loaded`] named last out of the range.
    fn exclude_most_loaded(&mut self) {
        let at = (self.most_next + 1) as usize;
        self.members.swap(at, self.most_end - 1);
        self.most_end -= 1;
    }
}
