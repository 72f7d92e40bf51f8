//! A look at the data folders before anything in them is changed: do they hold what this build cannot serve?
//!
//! A folder may be Apache Kafka's, which goes on here and back again. What would be served wrongly, or be ignored
//! in silence, is refused by name: other nodes' replicas that are needed, tiered topics, records in formats of before 2017,
//! transactions under way, members of the newer kinds of groups, quotas. What is only stored (ACLs, SCRAM
//! credentials, delegation tokens) stays: settings that would use it are refused with the configuration.

use ottla_ids::NodeId;
use ottla_metadata::{Image, KRAFT_VERSION, MetadataVersion, Partition, feature_of};
use ottla_protocol::records::group::GroupRecord;
use ottla_protocol::records::share::ShareRecord;
use ottla_protocol::records::transaction::TransactionRecord;
use ottla_quorum::{Inspection, inspect};
use ottla_records::{BatchView, HEADER_SIZE};
use ottla_storage::{Disk, JOURNAL, MetaProperties, RECOVERY_POINTS};

use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// What Kafka leaves behind when it stops in order.
const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";
/// The offset, in a batch, of the number of its format.
const MAGIC_AT: usize = 16;
/// The first format of batches that is served, of Kafka 0.11.
const FIRST_MAGIC: u8 = 2;
/// The records of one batch of an internal topic take no more than this, decompressed.
const BATCH_BYTES_MAX: usize = 256 << 20;
/// So many reasons are told; there may be thousands of the same kind.
const REASONS_MAX: usize = 20;

/// The folders hold what cannot be served. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[error(
    "the data cannot be taken over, and nothing was changed; Apache Kafka can go on with it:\n{}",
    reasons.join("\n")
)]
pub struct TakeoverError {
    /// What and where, and what to do about it; one line each.
    pub reasons: Vec<String>,
}

/// Looks at what `node` is to serve from these folders, of which `metadata_dir` has the metadata log.
pub(crate) fn check(log_dirs: &[PathBuf], metadata_dir: &Path, node: NodeId) -> Result<(), TakeoverError> {
    match MetaProperties::read(&Disk::Real, metadata_dir) {
        Ok(Some(meta)) if meta.node_id == node => {}
        // A first start; or a folder of another node or with a damaged file, which is refused by name before anything in it
        // is changed.
        Ok(_) | Err(_) => return Ok(()),
    }
    let inspection = match inspect(&Disk::Real, metadata_dir) {
        Ok(inspection) => inspection,
        // After a crash the log may end in the middle of a batch, which recovery mends; what it cannot mend it
        // tells.
        Err(_) if !metadata_dir.join(CLEAN_SHUTDOWN).exists() => return Ok(()),
        Err(error) => return Err(TakeoverError { reasons: vec![error.to_string()] }),
    };
    let mut reasons = of_metadata(&inspection, node);
    for folder in log_dirs {
        match of_logs(folder, &inspection.image) {
            Ok(found) => reasons.extend(found),
            // A new one.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // A disk that fails is dealt with when the folder is opened.
            Err(error) => tracing::warn!("{} was not looked through: {error}", folder.display()),
        }
    }
    if reasons.is_empty() {
        return Ok(());
    }
    let more = reasons.len().saturating_sub(REASONS_MAX);
    reasons.truncate(REASONS_MAX);
    if more > 0 {
        reasons.push(format!("… and {more} more of these"));
    }
    Err(TakeoverError { reasons })
}

/// What the metadata says that cannot be served.
fn of_metadata(inspection: &Inspection, node: NodeId) -> Vec<String> {
    let image = &inspection.image;
    let mut reasons = Vec::new();
    let others: Vec<String> =
        inspection.voters.iter().filter(|id| **id != node).map(|id| id.to_string()).collect();
    if !others.is_empty() {
        reasons.push(format!(
            "the metadata quorum has other voters ({}): a quorum of several nodes is not served yet; remove them \
             with kafka-metadata-quorum remove-controller first",
            others.join(", ")
        ));
    }
    for (name, level) in image.features().chain([(&KRAFT_VERSION.into(), inspection.kraft_version)]) {
        let known = feature_of(name).map(|feature| feature.known.max);
        if known.is_none_or(|max| max < level) {
            let known = known.map_or("none".to_owned(), |max| max.to_string());
            reasons.push(format!(
                "feature {name} is at level {level}, of which this build knows {known}: the data is of a newer \
                 version of Apache Kafka"
            ));
        }
    }
    if let Some(version) = image.metadata_version().filter(|version| *version < MetadataVersion::MINIMUM) {
        reasons.push(format!("metadata.version is {}, older than Apache Kafka 3.3's", version.0));
    }
    for topic in image.topics() {
        let needed: BTreeSet<NodeId> =
            topic.partitions.values().flat_map(|it| brokers_that_are_needed(it, node)).collect();
        if !needed.is_empty() {
            let nodes: Vec<String> = needed.iter().map(NodeId::to_string).collect();
            reasons.push(format!(
                "topic {} has replicas on other brokers ({}) that are in sync, or are the only ones: several brokers \
                 are not served yet; reassign its partitions to broker {node}, or stop the others first",
                topic.name,
                nodes.join(", ")
            ));
        }
        let is_tiered = |name: &str| {
            image.topic_configs(&topic.name).and_then(|it| it.get(name)).is_some_and(|it| &**it == "true")
        };
        if is_tiered("remote.storage.enable") {
            reasons.push(format!(
                "topic {} has remote.storage.enable=true: tiered storage is not served yet, and what was tiered \
                 could not be read",
                topic.name
            ));
        }
    }
    for (entity, _) in image.quotas() {
        let entity: Vec<String> = entity
            .0
            .iter()
            .map(|(kind, name)| format!("{kind} {}", name.as_deref().unwrap_or("<default>")))
            .collect();
        reasons.push(format!(
            "there is a client quota for {}: quotas are not served yet and would not be enforced; remove it with \
             kafka-configs first",
            entity.join(", ")
        ));
    }
    reasons
}

/// The other brokers without which `partition` cannot be served here: those in sync, and, where this node has no copy
/// that may lead, all that have one. A replica that is not in sync, or only on its way in by a reassignment, is nobody's
/// business but its own: this node leads without it, as with Apache Kafka while the other broker is down.
fn brokers_that_are_needed(partition: &Partition, node: NodeId) -> Vec<NodeId> {
    let others = |nodes: &[NodeId]| nodes.iter().copied().filter(|id| *id != node).collect::<Vec<NodeId>>();
    let may_lead = partition.isr.contains(&node)
        || (partition.isr.is_empty() && partition.eligible_leader_replicas.contains(&node))
        || partition.last_known_elr == [node];
    match partition.is_replica(node) && may_lead {
        true => others(&partition.isr),
        false => others(&partition.replicas),
    }
}

/// What the logs of one folder hold that cannot be served.
fn of_logs(folder: &Path, image: &Image) -> io::Result<Vec<String>> {
    let mut reasons = Vec::new();
    // Apache Kafka does not start where a journal is: all that is here was served by this program, or looked at when
    // it took the folder over. A start after a crash has enough to read.
    if folder.join(JOURNAL).exists() {
        return Ok(reasons);
    }
    let ends = recovery_points(folder);
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let Some((topic, index)) = name.rsplit_once('-') else { continue };
        let is_here = index.parse().is_ok_and(|index| image.partition(topic, index).is_some());
        // After a stop in order an empty log is known to be one without a look.
        if !is_here || ends.as_ref().is_some_and(|ends| ends.get(&name) == Some(&0)) {
            continue;
        }
        let segments = segments(&entry.path())?;
        // Formats never went back: with the first batch of a log all are new enough.
        if let Some((first, magic)) = first_magic(&segments)?.filter(|(_, magic)| *magic < FIRST_MAGIC) {
            reasons.push(format!(
                "topic {topic} has records in the old message format {magic} ({}): they cannot be read here; copy \
                 the topic with a client of Apache Kafka, or let them expire",
                first.display()
            ));
            continue;
        }
        match topic {
            "__transaction_state" => reasons.extend(open_transactions(&segments)?),
            "__consumer_offsets" => reasons.extend(group_members(&segments)?),
            "__share_group_state" => reasons.extend(share_state(&segments)?),
            _ => {}
        }
    }
    Ok(reasons)
}

/// The ends of the logs of a folder that was closed in order, by the name of their folder.
fn recovery_points(folder: &Path) -> Option<BTreeMap<String, i64>> {
    if !folder.join(CLEAN_SHUTDOWN).exists() {
        return None;
    }
    let text = std::fs::read_to_string(folder.join(RECOVERY_POINTS)).ok()?;
    let lines = text.lines().skip(2).filter_map(|line| {
        let (partition, offset) = line.rsplit_once(' ')?;
        let (topic, index) = partition.rsplit_once(' ')?;
        Some((format!("{topic}-{index}"), offset.parse().ok()?))
    });
    Some(lines.collect())
}

/// The segments of a log, the oldest first.
fn segments(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "log") {
            segments.push(path);
        }
    }
    segments.sort();
    Ok(segments)
}

/// The first segment that is not empty, and the format of its first batch.
fn first_magic(segments: &[PathBuf]) -> io::Result<Option<(&PathBuf, u8)>> {
    for segment in segments {
        if let Some(magic) = magic(segment)? {
            return Ok(Some((segment, magic)));
        }
    }
    Ok(None)
}

/// The format of a segment's first batch, if there is one.
fn magic(segment: &Path) -> io::Result<Option<u8>> {
    let mut bytes = [0; MAGIC_AT + 1];
    let read = File::open(segment)?.read_at(&mut bytes, 0)?;
    Ok(bytes.last().copied().filter(|_| read == bytes.len()))
}

/// Calls `visit` with key and value of all records of a log, as far as they can be read: the rest is told when the
/// log is opened.
fn each_record(segments: &[PathBuf], mut visit: impl FnMut(Bytes, Option<Bytes>)) -> io::Result<()> {
    for segment in segments {
        let file = File::open(segment)?;
        let size = file.metadata()?.len();
        let mut position = 0;
        while position < size {
            let mut header = [0; HEADER_SIZE];
            let read = file.read_at(&mut header, position)?;
            let Ok(header) = ottla_records::BatchHeader::parse(header.get(..read).unwrap_or_default()) else {
                break;
            };
            if position + header.size() as u64 > size {
                break;
            }
            if !header.is_control() {
                let mut bytes = vec![0; header.size()];
                file.read_exact_at(&mut bytes, position)?;
                let Ok(batch) = BatchView::parse(&bytes) else { break };
                let Ok(records) = batch.records(BATCH_BYTES_MAX) else { break };
                for record in records.iter().map_while(Result::ok) {
                    let Some(key) = record.key else { continue };
                    visit(Bytes::copy_from_slice(key), record.value.map(Bytes::copy_from_slice));
                }
            }
            position += header.size() as u64;
        }
    }
    Ok(())
}

fn place(segments: &[PathBuf]) -> String {
    let folder = segments.first().and_then(|it| it.parent());
    folder.map(|it| it.display().to_string()).unwrap_or_default()
}

/// The transactional ids of one partition of `__transaction_state` whose transaction has not ended.
fn open_transactions(segments: &[PathBuf]) -> io::Result<Vec<String>> {
    let mut states = BTreeMap::new();
    each_record(segments, |key, value| {
        if let Ok(TransactionRecord::TransactionLog(key, value)) = TransactionRecord::decode(key, value) {
            states.insert(key.transactional_id, value.map(|value| value.transaction_status));
        }
    })?;
    let under_way = states.iter().filter_map(|(id, status)| {
        let state = match (*status)? {
            1 => "Ongoing",
            2 => "PrepareCommit",
            3 => "PrepareAbort",
            7 => "PrepareEpochFence",
            _ => return None,
        };
        Some(format!(
            "a transaction of {id} is under way, in state {state} ({}): transactions are not served yet; end it, or \
             let it time out, before Apache Kafka is stopped",
            place(segments)
        ))
    });
    Ok(under_way.collect())
}

/// The groups of one partition of `__consumer_offsets` that have members which cannot go on here: of kinds that are
/// not served.
fn group_members(segments: &[PathBuf]) -> io::Result<Vec<String>> {
    let mut members = BTreeSet::new();
    each_record(segments, |key, value| {
        let Ok(record) = GroupRecord::decode(key, value) else { return };
        let is_there = !record.is_tombstone();
        let member = match record {
            GroupRecord::ShareGroupMemberMetadata(key, _) => ("share group", key.group_id, key.member_id),
            GroupRecord::StreamsGroupMemberMetadata(key, _) => ("streams group", key.group_id, key.member_id),
            _ => return,
        };
        if is_there {
            members.insert(member);
        } else {
            members.remove(&member);
        }
    })?;
    let groups: BTreeSet<_> = members.into_iter().map(|(kind, group, _)| (kind, group)).collect();
    let place = place(segments);
    let told = groups.into_iter().map(|(kind, group)| {
        format!(
            "{kind} {group} has members ({place}): only classic and consumer groups are served yet; stop them, and \
             let their sessions end, before Apache Kafka is stopped"
        )
    });
    Ok(told.collect())
}

/// The share groups of one partition of `__share_group_state` that have a place in a topic.
fn share_state(segments: &[PathBuf]) -> io::Result<Vec<String>> {
    let mut groups = BTreeMap::new();
    each_record(segments, |key, value| match ShareRecord::decode(key, value) {
        Ok(ShareRecord::ShareSnapshot(key, value)) => {
            groups.insert((key.group_id, key.topic_id, key.partition), value.is_some());
        }
        Ok(ShareRecord::ShareUpdate(..)) | Err(_) => {}
    })?;
    let names: BTreeSet<_> =
        groups.into_iter().filter(|(_, is_there)| *is_there).map(|((group, ..), _)| group).collect();
    let place = place(segments);
    let told = names.into_iter().map(|group| {
        format!("share group {group} is in use ({place}): share groups are not served yet; delete it first")
    });
    Ok(told.collect())
}

#[cfg(test)]
mod tests;
