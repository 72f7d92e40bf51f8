//! Which brokers get a new partition's replicas (Kafka's `StripedReplicaPlacer`, KIP-36 and KIP-631).
//!
//! Leaders go round all racks and all unfenced brokers, starting at a random place; the other replicas
//! go round the racks too, so that a partition lies in as many racks as it can. Fenced brokers get
//! replicas when there are not enough others, but never the first one.

use crate::random::Random;
use ottla_ids::NodeId;
use ottla_protocol::Text;
use std::collections::BTreeMap;

/// A broker that may get replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsableBroker {
    /// Who.
    pub id: NodeId,
    /// Where it stands.
    pub rack: Option<Text>,
    /// Whether it is not known to be alive.
    pub fenced: bool,
}

/// Why there is no such placement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// A partition has at least one replica.
    #[error("Invalid replication factor {0}: the replication factor must be positive.")]
    NotPositive(i16),
    /// Nobody could lead.
    #[error("All brokers are currently fenced, or have all their log directories cordoned.")]
    NobodyAlive,
    /// More replicas than brokers.
    #[error(
        "The target replication factor of {replication_factor} cannot be reached because only {brokers} \
         broker(s) are registered or some brokers have all their log directories cordoned."
    )]
    TooFewBrokers {
        /// How many replicas were asked for.
        replication_factor: i16,
        /// How many brokers there are.
        brokers: usize,
    },
}

/// Places `partition_count` partitions: the replicas of each, the leader first.
pub fn place(
    brokers: impl IntoIterator<Item = UsableBroker>,
    partition_count: usize,
    replication_factor: i16,
    random: &mut Random,
) -> Result<Vec<Vec<NodeId>>, PlacementError> {
    let mut racks = Racks::new(brokers, random);
    let replicas = match usize::try_from(replication_factor) {
        Ok(replicas) if replicas > 0 => replicas,
        _ => return Err(PlacementError::NotPositive(replication_factor)),
    };
    if racks.unfenced_count == 0 {
        return Err(PlacementError::NobodyAlive);
    }
    if replicas > racks.broker_count {
        return Err(PlacementError::TooFewBrokers { replication_factor, brokers: racks.broker_count });
    }
    Ok((0..partition_count).map(|_| racks.place(replicas, random)).collect())
}

/// Brokers taken in turn; each round starts one further on.
#[derive(Default)]
struct Round {
    brokers: Vec<NodeId>,
    taken: usize,
    offset: usize,
    round: usize,
}

impl Round {
    /// The next broker that was not yet taken in this round.
    fn next(&mut self, round: usize) -> Option<NodeId> {
        if self.brokers.is_empty() {
            return None;
        }
        if self.round != round {
            self.round = round;
            self.taken = 0;
            self.offset = (self.offset + 1) % self.brokers.len();
        }
        if self.taken >= self.brokers.len() {
            return None;
        }
        let broker = self.brokers[(self.taken + self.offset) % self.brokers.len()];
        self.taken += 1;
        Some(broker)
    }
}

#[derive(Default)]
struct Rack {
    fenced: Round,
    unfenced: Round,
}

struct Racks {
    /// In the order of their names; brokers without a rack are one rack, which comes first.
    racks: Vec<Rack>,
    broker_count: usize,
    unfenced_count: usize,
    /// Counts the partitions placed.
    round: usize,
    placed_since_shuffle: usize,
    offset: usize,
}

impl Racks {
    fn new(brokers: impl IntoIterator<Item = UsableBroker>, random: &mut Random) -> Racks {
        let mut by_name: BTreeMap<Option<Text>, Rack> = BTreeMap::new();
        let (mut broker_count, mut unfenced_count) = (0, 0);
        for broker in brokers {
            let rack = by_name.entry(broker.rack).or_default();
            broker_count += 1;
            if broker.fenced {
                rack.fenced.brokers.push(broker.id);
            } else {
                unfenced_count += 1;
                rack.unfenced.brokers.push(broker.id);
            }
        }
        let mut racks: Vec<Rack> = by_name.into_values().collect();
        for round in racks.iter_mut().flat_map(|rack| [&mut rack.fenced, &mut rack.unfenced]) {
            if !round.brokers.is_empty() {
                round.brokers.sort_unstable();
                round.offset = random.below(round.brokers.len());
            }
        }
        let offset = if racks.is_empty() { 0 } else { random.below(racks.len()) };
        Racks { racks, broker_count, unfenced_count, round: 0, placed_since_shuffle: 0, offset }
    }

    /// One partition. There are unfenced brokers, and enough brokers: so each loop below ends.
    fn place(&mut self, replicas: usize, random: &mut Random) -> Vec<NodeId> {
        // After as many partitions as there are unfenced brokers the same sets would come again.
        if self.placed_since_shuffle == self.unfenced_count && self.unfenced_count > 1 {
            random.shuffle(&mut self.racks);
            for rack in &mut self.racks {
                random.shuffle(&mut rack.fenced.brokers);
                random.shuffle(&mut rack.unfenced.brokers);
            }
            self.placed_since_shuffle = 0;
        }
        let rack_count = self.racks.len();
        self.offset %= rack_count;
        let mut placed = Vec::with_capacity(replicas);
        let mut leaders_rack = self.offset;
        loop {
            if let Some(leader) = self.racks[leaders_rack].unfenced.next(self.round) {
                placed.push(leader);
                break;
            }
            leaders_rack = (leaders_rack + 1) % rack_count;
        }
        // The leader's rack is passed over once: then every other rack had its turn.
        let mut passed_over = false;
        let mut rack_index = self.offset;
        while placed.len() < replicas {
            let rack = &mut self.racks[rack_index];
            if rack_index == leaders_rack && !passed_over {
                passed_over = true;
            } else if let Some(broker) =
                rack.unfenced.next(self.round).or_else(|| rack.fenced.next(self.round))
            {
                placed.push(broker);
            }
            rack_index = (rack_index + 1) % rack_count;
        }
        self.round += 1;
        self.placed_since_shuffle += 1;
        self.offset += 1;
        placed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Brokers as `1`, `2@rack`, `3!` (fenced).
    fn brokers(text: &str) -> Vec<UsableBroker> {
        text.split_whitespace()
            .map(|word| {
                let fenced = word.ends_with('!');
                let (id, rack) = match word.trim_end_matches('!').split_once('@') {
                    Some((id, rack)) => (id, Some(Text::from(rack))),
                    None => (word.trim_end_matches('!'), None),
                };
                UsableBroker { id: NodeId(id.parse().unwrap()), rack, fenced }
            })
            .collect()
    }

    fn placed(cluster: &str, partitions: usize, replicas: i16, seed: u64) -> Vec<Vec<i32>> {
        let placed = place(brokers(cluster), partitions, replicas, &mut Random::new(seed)).unwrap();
        placed.into_iter().map(|replicas| replicas.into_iter().map(|node| node.0).collect()).collect()
    }

    #[track_caller]
    fn check_refused(cluster: &str, replicas: i16, message: &str) {
        let error = place(brokers(cluster), 1, replicas, &mut Random::new(1)).unwrap_err();
        assert_eq!(error.to_string(), message);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        check_refused("1 2", 0, "Invalid replication factor 0: the replication factor must be positive.");
        check_refused(
            "1! 2!",
            1,
            "All brokers are currently fenced, or have all their log directories cordoned.",
        );
        check_refused(
            "1 2",
            3,
            "The target replication factor of 3 cannot be reached because only 2 broker(s) are registered \
             or some brokers have all their log directories cordoned.",
        );
    }

    #[test]
    fn one_broker_leads_everything() {
        assert_eq!(placed("1", 3, 1, 1), [[1], [1], [1]]);
    }

    #[test]
    fn leaders_go_round_all_brokers() {
        for seed in 0..50 {
            let leaders: BTreeSet<i32> =
                placed("1 2 3 4", 4, 3, seed).iter().map(|replicas| replicas[0]).collect();
            assert_eq!(leaders, BTreeSet::from([1, 2, 3, 4]), "seed {seed}");
        }
    }

    #[test]
    fn replicas_are_distinct_and_in_different_racks() {
        for seed in 0..50 {
            for replicas in placed("1@a 2@a 3@b 4@b 5@c 6@c", 12, 3, seed) {
                let racks: BTreeSet<i32> = replicas.iter().map(|id| (id - 1) / 2).collect();
                assert_eq!(racks.len(), 3, "seed {seed}: {replicas:?}");
            }
        }
    }

    #[test]
    fn more_replicas_than_racks_are_spread_evenly() {
        for seed in 0..50 {
            for replicas in placed("1@a 2@a 3@b 4@b", 8, 4, seed) {
                let distinct: BTreeSet<&i32> = replicas.iter().collect();
                assert_eq!(distinct.len(), 4, "seed {seed}: {replicas:?}");
            }
        }
    }

    #[test]
    fn a_fenced_broker_never_leads() {
        for seed in 0..50 {
            for replicas in placed("1 2! 3", 9, 3, seed) {
                assert_ne!(replicas[0], 2, "seed {seed}");
                assert!(replicas.contains(&2), "seed {seed}");
            }
        }
    }
}
