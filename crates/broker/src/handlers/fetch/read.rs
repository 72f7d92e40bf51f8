//! What a fetch reads: of all that is asked for, or of a session what is open; within its limits, and waiting for enough.

use crate::errors::Refusal;
use crate::fetch_sessions::{Incremental, Look, Outcome, Told, View, Wanted, Way};
use crate::topics::{self, TopicKey};
use ottla_ids::{LeaderEpoch, Offset};
use ottla_metadata::{Image, Topic};
use ottla_partition::{Isolation, Partition, Partitions, Read, Watch};
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::fetch::FetchRequest;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// What was read of one partition, or why not.
pub(super) type Part = Result<Read, Refusal>;

/// What bounds an answer, and how long it waits.
pub(super) struct Limits {
    pub(super) max_bytes: usize,
    pub(super) min_bytes: usize,
    pub(super) isolation: Isolation,
    pub(super) wait: Duration,
}

impl Limits {
    pub(super) fn of(request: &FetchRequest, fetch_max_bytes: usize) -> Limits {
        let max_bytes = fetch_max_bytes.min(request.max_bytes.max(0) as usize);
        Limits {
            max_bytes,
            // More than may be answered is never there: waiting for it would be in vain.
            min_bytes: max_bytes.min(request.min_bytes.max(0) as usize),
            isolation: if request.isolation_level == 1 {
                Isolation::ReadCommitted
            } else {
                Isolation::ReadUncommitted
            },
            wait: Duration::from_millis(request.max_wait_ms.max(0) as u64),
        }
    }
}

/// The partitions to read.
pub(super) fn targets(
    wanted: &[Arc<Wanted>],
    replica: i32,
    image: &Image,
    partitions: &Partitions,
) -> Vec<Result<Arc<Partition>, Refusal>> {
    let mut targets = Targets { replica, image, partitions, last: None };
    wanted.iter().map(|wanted| targets.of(wanted)).collect()
}

/// Finds partitions. A topic is looked for once, where many of its partitions follow each other.
struct Targets<'a> {
    replica: i32,
    image: &'a Image,
    partitions: &'a Partitions,
    last: Option<(TopicKey, Result<&'a Arc<Topic>, Refusal>)>,
}

impl Targets<'_> {
    fn of(&mut self, wanted: &Wanted) -> Result<Arc<Partition>, Refusal> {
        let topic = match &self.last {
            Some((known, topic)) if *known == wanted.topic => topic.clone(),
            _ => {
                let found = topics::find(self.image, &wanted.topic);
                self.last.insert((wanted.topic.clone(), found)).1.clone()
            }
        };
        target(wanted, topic?, self.replica, self.image, self.partitions)
    }
}

/// The partition to read, if it is led here in the epoch that the client believes in.
fn target(
    wanted: &Wanted,
    topic: &Topic,
    replica: i32,
    image: &Image,
    partitions: &Partitions,
) -> Result<Arc<Partition>, Refusal> {
    let partition = topics::partition(image, topic, wanted.partition, partitions)?;
    topics::check_epoch(&partition, wanted.current_leader_epoch)?;
    if replica >= 0 && !topics::is_replica(topic, wanted.partition, replica) {
        // A follower that is not assigned: it may know something newer than this node.
        let code = if wanted.current_leader_epoch >= 0 {
            ErrorCode::UnknownLeaderEpoch
        } else {
            ErrorCode::NotLeaderOrFollower
        };
        return Err(code.into());
    }
    Ok(partition)
}

/// What was looked at for an incremental answer.
pub(super) struct Looked {
    pub(super) looks: Vec<Look>,
    /// What was read, look by look.
    pub(super) parts: Vec<Part>,
    pub(super) image: Arc<Image>,
}

/// Looks at what is open in a session until there is enough, something is to be told at once, or the time is over. Of a
/// session of thousands that is little: the others tell when they change.
///
/// # Errors
/// Where another request has gone on with the session meanwhile.
pub(super) async fn look_or_wait(
    request: &Incremental,
    replica: i32,
    newest: impl Fn() -> Arc<Image>,
    partitions: &Partitions,
    limits: &Limits,
) -> Result<Looked, ErrorCode> {
    let deadline = Instant::now() + limits.wait;
    let mut is_over = limits.wait.is_zero();
    loop {
        let view = View { image: newest(), way: Way { isolation: limits.isolation, replica } };
        let mut looks = request.looks(&view)?;
        let mut targets = Targets { replica, image: &view.image, partitions, last: None };
        let mut reader = Reader::new(limits);
        let parts: Vec<Part> =
            looks.iter_mut().map(|look| reader.look(look, &mut targets, request.watch())).collect();
        if is_over || is_enough(&parts, limits) {
            return Ok(Looked { looks, parts, image: view.image });
        }
        let outcomes = outcomes(looks.iter().map(|look| &look.wanted), &parts, limits.isolation);
        request.settle(looks, &outcomes)?;
        is_over = waited_until(deadline, request.watch()).await;
    }
}

/// Waits for a change; whether it is later than `deadline` then.
async fn waited_until(deadline: Instant, watch: &Watch) -> bool {
    // Where changes come in all the time, none of them is late by itself.
    timeout_at(deadline, watch.changed()).await.is_err() || Instant::now() >= deadline
}

/// Reads all that is wanted until there is enough, something is to be told at once, or the time is over.
pub(super) async fn read_or_wait(
    wanted: &[Arc<Wanted>],
    replica: i32,
    image: &Image,
    partitions: &Partitions,
    limits: &Limits,
) -> Vec<Part> {
    let targets = targets(wanted, replica, image, partitions);
    let mut parts = read_all(wanted, &targets, limits);
    if limits.wait.is_zero() || wanted.is_empty() || is_enough(&parts, limits) {
        return parts;
    }
    let deadline = Instant::now() + limits.wait;
    let watch = Arc::new(Watch::default());
    let partitions = targets.iter().flatten();
    let _watched: Vec<_> = partitions.zip(0..).map(|(it, number)| it.watch(&watch, number)).collect();
    loop {
        watch.take();
        // Something may have come between reading and watching: the marks tell, without reading again.
        if read_moved(wanted, &targets, limits, &mut parts) && is_enough(&parts, limits) {
            return parts;
        }
        if waited_until(deadline, &watch).await {
            return parts;
        }
    }
}

/// Whether the answer must not wait: enough bytes, an error, or news that the client acts on.
pub(super) fn is_enough(parts: &[Part], limits: &Limits) -> bool {
    let mut bytes = 0;
    for part in parts {
        match part {
            Err(_) => return true,
            Ok(read) if read.diverging.is_some() => return true,
            Ok(read) => bytes += read.size(),
        }
    }
    bytes >= limits.min_bytes
}

/// Whether a partition has other offsets than those that `part` was read at.
fn has_moved(target: &Result<Arc<Partition>, Refusal>, part: &Part) -> bool {
    match (target, part) {
        (Ok(partition), Ok(read)) => {
            partition.is_offline()
                || partition.high_watermark() != read.high_watermark
                || partition.log_start_offset() != read.log_start_offset
        }
        _ => false,
    }
}

/// Reads again what has moved since `parts` were read; whether anything has. The answer is that of [`read_all`]: where
/// nothing was read before, nothing was taken of the limits, and what has not moved has nothing still.
pub(super) fn read_moved(
    wanted: &[Arc<Wanted>],
    targets: &[Result<Arc<Partition>, Refusal>],
    limits: &Limits,
    parts: &mut Vec<Part>,
) -> bool {
    let moved: Vec<usize> = targets
        .iter()
        .zip(&*parts)
        .enumerate()
        .filter_map(|(index, (target, part))| has_moved(target, part).then_some(index))
        .collect();
    if moved.is_empty() {
        return false;
    }
    if parts.iter().flatten().any(|read| read.size() > 0) {
        *parts = read_all(wanted, targets, limits);
        return true;
    }
    let mut reader = Reader::new(limits);
    for index in moved {
        if let (Some(wanted), Some(target), Some(part)) =
            (wanted.get(index), targets.get(index), parts.get_mut(index))
        {
            *part = reader.read(wanted, target);
        }
    }
    true
}

/// Reads every partition in order, within the limits.
pub(super) fn read_all(
    wanted: &[Arc<Wanted>],
    targets: &[Result<Arc<Partition>, Refusal>],
    limits: &Limits,
) -> Vec<Part> {
    let mut reader = Reader::new(limits);
    wanted.iter().zip(targets).map(|(wanted, target)| reader.read(wanted, target)).collect()
}

/// Reads one partition after the other. The first one that has records gives at least one whole batch, however large, so
/// that a client always gets on.
struct Reader {
    /// Bytes that may still be read.
    left: usize,
    at_least_one: bool,
    isolation: Isolation,
}

impl Reader {
    fn new(limits: &Limits) -> Reader {
        Reader { left: limits.max_bytes, at_least_one: true, isolation: limits.isolation }
    }

    /// Reads what a session wants. The partition is watched before anything is looked at, so that no change after that is
    /// missed.
    fn look(&mut self, look: &mut Look, targets: &mut Targets<'_>, watch: &Arc<Watch>) -> Part {
        let mut target = targets.of(&look.wanted);
        while let Ok(partition) = &target
            && !look.watched.as_ref().is_some_and(|it| it.is_of(partition))
        {
            look.watched = Some(partition.watch(watch, look.number));
            // Its epoch may have changed before it was watched.
            target = targets.of(&look.wanted);
        }
        self.read(&look.wanted, &target)
    }

    fn read(&mut self, wanted: &Wanted, target: &Result<Arc<Partition>, Refusal>) -> Part {
        let partition = target.as_ref().map_err(Refusal::clone)?;
        if let Some(diverging) = diverging(wanted, partition)? {
            return Ok(Read { diverging: Some(diverging), ..partition.read_nothing()? });
        }
        let max_bytes = self.left.min(wanted.max_bytes.max(0) as usize);
        let read =
            partition.read(Offset(wanted.fetch_offset), max_bytes, self.isolation, self.at_least_one)?;
        if read.size() > 0 {
            self.at_least_one = false;
            self.left = self.left.saturating_sub(read.size());
        }
        Ok(read)
    }
}

/// Where the reader's log leaves ours, if it does (KIP-595): it must cut back to there first.
fn diverging(wanted: &Wanted, partition: &Partition) -> Result<Option<(LeaderEpoch, Offset)>, Refusal> {
    if wanted.last_fetched_epoch < 0 {
        return Ok(None);
    }
    let last_fetched_epoch = LeaderEpoch(wanted.last_fetched_epoch);
    match partition.end_offset_for_epoch(last_fetched_epoch)? {
        None => Err(ErrorCode::OffsetOutOfRange.into()),
        Some((epoch, end)) if epoch < last_fetched_epoch || end < Offset(wanted.fetch_offset) => {
            Ok(Some((epoch, end)))
        }
        Some(_) => Ok(None),
    }
}

/// The session's view of what was read.
pub(super) fn outcomes<'a>(
    wanted: impl IntoIterator<Item = &'a Arc<Wanted>>,
    parts: &[Part],
    isolation: Isolation,
) -> Vec<Outcome> {
    wanted.into_iter().zip(parts).map(|(wanted, part)| outcome(wanted, part, isolation)).collect()
}

pub(super) fn outcome(wanted: &Wanted, part: &Part, isolation: Isolation) -> Outcome {
    match part {
        Ok(read) => Outcome {
            told: Told { high_watermark: read.high_watermark.0, log_start_offset: read.log_start_offset.0 },
            has_records: read.size() > 0,
            has_error: false,
            urgent: read.diverging.is_some(),
            // The reader has all that there is. Elsewhere a limit may be what it has nothing for.
            is_settled: read.diverging.is_none()
                && Offset(wanted.fetch_offset) == read.visible_end(isolation),
        },
        Err(_) => Outcome {
            told: Told { high_watermark: -1, log_start_offset: -1 },
            has_records: false,
            has_error: true,
            urgent: false,
            is_settled: false,
        },
    }
}
