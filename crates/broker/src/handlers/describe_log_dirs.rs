//! DescribeLogDirs (key 35), versions 1–5. Which partitions lie in which log directory, how large they are, and
//! how large the file systems are (KIP-113, KIP-827), and which take no new ones (version 5, KIP-1066). A directory that
//! failed answers KAFKA_STORAGE_ERROR. Versions up to 2 have no error of their own: it would only tell that access is
//! refused.

use crate::errors::Refusal;
use ottla_metadata::{Image, MetadataVersion};
use ottla_partition::{DirectoryState, Partitions};
use ottla_protocol::messages::describe_log_dirs::{
    DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeLogDirsResult,
    DescribeLogDirsTopic,
};
use ottla_protocol::{ErrorCode, Text};
use ottla_storage::{LogSummary, StorageError};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Answers DescribeLogDirs. Blocks on the disk.
pub fn describe_log_dirs(
    request: &DescribeLogDirsRequest,
    partitions: &Partitions,
    image: &Image,
) -> DescribeLogDirsResponse {
    let wanted: Option<BTreeSet<(&str, i32)>> = request.topics.as_ref().map(|topics| {
        let pairs = topics.iter().flat_map(|it| it.partitions.iter().map(|index| (&*it.topic, *index)));
        pairs.collect()
    });
    // Before metadata.version 4.3 none are, as far as others hear.
    let may_be_cordoned = image.metadata_version().is_some_and(MetadataVersion::has_cordoned_directories);
    let mut states = partitions.directories().states();
    states.iter_mut().for_each(|state| state.cordoned &= may_be_cordoned);
    let results = states.into_iter().map(|state| describe(state, wanted.as_ref()));
    DescribeLogDirsResponse { results: results.collect(), ..Default::default() }
}

fn describe(state: DirectoryState, wanted: Option<&BTreeSet<(&str, i32)>>) -> DescribeLogDirsResult {
    let log_dir = Text::from(absolute(&state.path));
    let result = DescribeLogDirsResult { log_dir, ..Default::default() };
    let Ok(directory) = state.directory else {
        return DescribeLogDirsResult { error_code: ErrorCode::KafkaStorageError.into(), ..result };
    };
    let described = directory.space().and_then(|space| {
        let is_wanted = |it: &LogSummary| {
            wanted.is_none_or(|wanted| wanted.contains(&(&*it.partition.topic, it.partition.partition)))
        };
        let summaries = directory.summaries()?.into_iter().filter(is_wanted);
        Ok::<_, StorageError>((space, topics(summaries)))
    });
    match described {
        Ok((space, topics)) => DescribeLogDirsResult {
            topics,
            total_bytes: number(space.total_bytes),
            usable_bytes: number(space.usable_bytes),
            is_cordoned: state.cordoned,
            ..result
        },
        Err(error) => {
            tracing::warn!(%error, "a log directory cannot be described");
            DescribeLogDirsResult { error_code: Refusal::from(error).code.into(), ..result }
        }
    }
}

fn topics(summaries: impl Iterator<Item = LogSummary>) -> Vec<DescribeLogDirsTopic> {
    let mut topics: BTreeMap<std::sync::Arc<str>, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for it in summaries {
        topics.entry(it.partition.topic).or_default().push(DescribeLogDirsPartition {
            partition_index: it.partition.partition,
            partition_size: number(it.size),
            offset_lag: it.offset_lag,
            is_future_key: it.is_future,
            ..Default::default()
        });
    }
    let topic = |(name, partitions): (std::sync::Arc<str>, _)| DescribeLogDirsTopic {
        name: Text::from(&*name),
        partitions,
        ..Default::default()
    };
    topics.into_iter().map(topic).collect()
}

/// As clients see it: Kafka answers absolute paths, whatever the configuration says.
fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// File systems larger than 8 EiB are told as so large (Kafka's `adjustForLargeFileSystems`).
fn number(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
