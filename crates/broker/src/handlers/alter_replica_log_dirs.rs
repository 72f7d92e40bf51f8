//! AlterReplicaLogDirs (key 34), versions 1–2. Moves partitions to other log directories of this node (KIP-113), in
//! the background; DescribeLogDirs shows how far they are. Asking for the directory where a partition is gives its
//! move up. For a partition that does not exist, or has no copy here, the directory is remembered, and
//! UNKNOWN_TOPIC_OR_PARTITION or REPLICA_NOT_AVAILABLE answered.

use crate::errors::Refusal;
use ottla_metadata::Image;
use ottla_partition::Partitions;
use ottla_protocol::Text;
use ottla_protocol::messages::alter_replica_log_dirs::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult, AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
};
use std::collections::BTreeMap;
use std::path::Path;

/// Answers AlterReplicaLogDirs. Blocks on the disk.
pub fn alter_replica_log_dirs(
    request: &AlterReplicaLogDirsRequest,
    image: &Image,
    partitions: &Partitions,
) -> AlterReplicaLogDirsResponse {
    let mut topics: BTreeMap<Text, Vec<AlterReplicaLogDirPartitionResult>> = BTreeMap::new();
    for directory in &request.dirs {
        for topic in &directory.topics {
            for partition_index in topic.partitions.iter().copied() {
                let moved =
                    partitions.move_to(image, &topic.name, partition_index, Path::new(&*directory.path));
                let error_code = moved.map_or_else(|error| Refusal::from(error).code.into(), |()| 0);
                let result =
                    AlterReplicaLogDirPartitionResult { partition_index, error_code, ..Default::default() };
                topics.entry(topic.name.clone()).or_default().push(result);
            }
        }
    }
    let topic = |(topic_name, partitions)| AlterReplicaLogDirTopicResult {
        topic_name,
        partitions,
        ..Default::default()
    };
    AlterReplicaLogDirsResponse { results: topics.into_iter().map(topic).collect(), ..Default::default() }
}
