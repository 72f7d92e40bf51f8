//! From a frame to its handler and back to an answer.
//!
//! What cannot be understood closes the connection, as Kafka does: an unknown key, a version that is
//! not served, bytes that are no request. The one exception is ApiVersions (KIP-511).

use crate::broker::{Broker, Shared};
use crate::call::Call;
use crate::group_settings::{consumer_groups_enabled, group_settings};
use crate::handlers::produce::Produced;
use crate::handlers::{
    acls, alter_configs, alter_partition_reassignments, alter_replica_log_dirs, api_versions,
    consumer_group_describe, consumer_group_heartbeat, create_partitions, create_topics, delete_groups,
    delete_records, delete_topics, describe_cluster, describe_configs, describe_groups, describe_log_dirs,
    describe_producers, describe_quorum, describe_topic_partitions, elect_leaders, fetch, find_coordinator,
    heartbeat, incremental_alter_configs, init_producer_id, join_group, leave_group, list_config_resources,
    list_groups, list_offsets, list_partition_reassignments, metadata, offset_commit, offset_delete,
    offset_fetch, offset_for_leader_epoch, produce, sync_group, unregister_broker, update_features,
};
use crate::topics::may_block;
use bytes::Bytes;
use ottla_network::{Answer, Connection, FileRange, OnFailure, Outcome, Piece, Service};
use ottla_partition::RecordRange;
use ottla_protocol::messages::consumer_group_heartbeat::ConsumerGroupHeartbeatRequest;
use ottla_protocol::messages::join_group::JoinGroupRequest;
use ottla_protocol::{
    ApiKey, EncodedFrame, Message, Reader, Request, decode_from, decode_request_header, encode_response_frame,
};
use std::sync::Arc;

/// Where an answer goes: which request it answers, in which version.
#[derive(Clone, Copy)]
struct ReplyTo {
    key: ApiKey,
    version: i16,
    correlation_id: i32,
}

/// The request cannot be answered; the reason is for a log line at debug level.
struct Unanswerable(String);

impl From<acls::Unknown> for Unanswerable {
    fn from(_: acls::Unknown) -> Unanswerable {
        Unanswerable("an ACL with an unknown type, operation or permission".into())
    }
}

impl Service for Broker {
    async fn call(&self, connection: &Arc<Connection>, frame: Bytes) -> Outcome {
        match self.answer(connection, frame).await {
            Ok(outcome) => outcome,
            Err(Unanswerable(reason)) => {
                tracing::debug!(peer = %connection.peer(), reason, "request closes its connection");
                Outcome::Close
            }
        }
    }
}

impl Broker {
    async fn answer(&self, connection: &Arc<Connection>, frame: Bytes) -> Result<Outcome, Unanswerable> {
        let (key, header, reader) =
            decode_request_header(frame).map_err(|error| Unanswerable(error.to_string()))?;
        let to = ReplyTo { key, version: header.request_api_version, correlation_id: header.correlation_id };
        if !self.served(connection.listener()).contains(&key) {
            return Err(Unanswerable(format!("{} is not served", key.name())));
        }
        if !key.stable_versions().contains(&to.version) {
            if key == ApiKey::ApiVersions {
                let to = ReplyTo { version: 0, ..to };
                return to.reply(&api_versions::unsupported_version());
            }
            return Err(Unanswerable(format!("{} version {} is not served", key.name(), to.version)));
        }
        let call = Call {
            api_version: to.version,
            client_id: header.client_id.unwrap_or_default(),
            client_host: connection.peer().ip(),
            listener: Arc::clone(connection.listener()),
        };
        self.handle(&call, to, reader).await
    }

    /// One arm an API key, in the order of `SERVED`; on every listener the same, but for two.
    async fn handle(&self, call: &Call, to: ReplyTo, reader: Reader) -> Result<Outcome, Unanswerable> {
        let Shared {
            quorum,
            partitions,
            groups,
            group_topics,
            fetch_sessions,
            configs,
            log_levels,
            settings,
            clock,
        } = &*self.shared;
        let image = quorum.image();
        let now_ms = clock.now_ms();
        match to.key {
            ApiKey::Produce => {
                let request = to.decode(reader)?;
                match produce::produce(call, request, &image, partitions, now_ms) {
                    Produced::Now(response) => to.reply(&response),
                    Produced::Later(response) => Ok(Outcome::Later(Box::pin(async move {
                        match to.encode(&response.await) {
                            Ok(frame) => Answer::from(frame.bytes),
                            // The connection is closed by the panic, as it is for an answer that cannot
                            // be encoded at once.
                            Err(Unanswerable(reason)) => panic!("a produce answer cannot be sent: {reason}"),
                        }
                    }))),
                    Produced::Unasked { failed: false } => Ok(Outcome::Nothing),
                    Produced::Unasked { failed: true } => {
                        Err(Unanswerable("a produce request with acks=0 was refused".into()))
                    }
                }
            }
            ApiKey::Fetch => {
                let request = to.decode(reader)?;
                let max_bytes = settings.fetch_max_bytes;
                let now_ms = || clock.now_ms();
                let image = || quorum.image();
                let fetched =
                    fetch::fetch(call, request, image, partitions, fetch_sessions, max_bytes, now_ms).await;
                Ok(Outcome::Answer(with_ranges(to.encode(&fetched.response)?, fetched.ranges)))
            }
            ApiKey::ListOffsets => {
                to.reply(&list_offsets::list_offsets(call, &to.decode(reader)?, &image, partitions))
            }
            ApiKey::Metadata => {
                let request = to.decode(reader)?;
                let create = settings.auto_create_topics;
                let metadata::Described { response, missing } =
                    metadata::metadata(call, &request, &image, quorum.cluster_id(), create);
                self.create_in_background(missing);
                to.reply(&response)
            }
            ApiKey::OffsetCommit => {
                to.reply(&offset_commit::offset_commit(call, to.decode(reader)?, &image, groups).await)
            }
            ApiKey::OffsetFetch => {
                to.reply(&offset_fetch::offset_fetch(call, to.decode(reader)?, &image, groups).await)
            }
            ApiKey::FindCoordinator => {
                let topics = &*self.shared;
                to.reply(&find_coordinator::find_coordinator(call, to.decode(reader)?, groups, topics).await)
            }
            ApiKey::JoinGroup => {
                let request: JoinGroupRequest = to.decode(reader)?;
                let settings = group_settings(configs, &image, quorum.node(), &request.group_id);
                let topics = group_topics.of(&image);
                to.reply(&join_group::join_group(call, request, groups, topics, settings).await)
            }
            ApiKey::Heartbeat => {
                let topics = group_topics.of(&image);
                to.reply(&heartbeat::heartbeat(to.decode(reader)?, groups, topics).await)
            }
            ApiKey::LeaveGroup => {
                let topics = group_topics.of(&image);
                to.reply(&leave_group::leave_group(call, to.decode(reader)?, groups, topics).await)
            }
            ApiKey::SyncGroup => {
                let topics = group_topics.of(&image);
                to.reply(&sync_group::sync_group(call, to.decode(reader)?, groups, topics).await)
            }
            ApiKey::DescribeGroups => {
                to.reply(&describe_groups::describe_groups(call, to.decode(reader)?, groups).await)
            }
            ApiKey::ListGroups => to.reply(&list_groups::list_groups(to.decode(reader)?, groups).await),
            ApiKey::ApiVersions => {
                let request = to.decode(reader)?;
                to.reply(&api_versions::api_versions(
                    call,
                    &request,
                    self.served(&call.listener),
                    &image,
                    quorum,
                ))
            }
            ApiKey::CreateTopics => {
                let response = create_topics::create_topics(to.decode(reader)?, quorum).await;
                to.reply(&response)
            }
            ApiKey::DeleteTopics => {
                to.reply(&delete_topics::delete_topics(call, to.decode(reader)?, quorum).await)
            }
            ApiKey::DeleteRecords => {
                to.reply(&delete_records::delete_records(&to.decode(reader)?, &image, partitions, now_ms))
            }
            ApiKey::InitProducerId => {
                to.reply(&init_producer_id::init_producer_id(&to.decode(reader)?, quorum).await)
            }
            ApiKey::OffsetForLeaderEpoch => {
                let request = to.decode(reader)?;
                to.reply(&offset_for_leader_epoch::offset_for_leader_epoch(&request, &image, partitions))
            }
            ApiKey::DescribeAcls => to.reply(&acls::describe_acls(&to.decode(reader)?)?),
            ApiKey::CreateAcls => to.reply(&acls::create_acls(&to.decode(reader)?)?),
            ApiKey::DeleteAcls => to.reply(&acls::delete_acls(&to.decode(reader)?)?),
            ApiKey::DescribeConfigs => {
                let request = to.decode(reader)?;
                to.reply(&describe_configs::describe_configs(
                    &request,
                    &image,
                    quorum.node(),
                    configs,
                    log_levels,
                ))
            }
            ApiKey::AlterConfigs => {
                to.reply(&alter_configs::alter_configs(to.decode(reader)?, self.through(call), quorum).await)
            }
            ApiKey::AlterReplicaLogDirs => {
                let request = to.decode(reader)?;
                to.reply(&may_block(|| {
                    alter_replica_log_dirs::alter_replica_log_dirs(&request, &image, partitions)
                }))
            }
            ApiKey::DescribeLogDirs => {
                let request = to.decode(reader)?;
                to.reply(&may_block(|| describe_log_dirs::describe_log_dirs(&request, partitions, &image)))
            }
            ApiKey::CreatePartitions => {
                to.reply(&create_partitions::create_partitions(to.decode(reader)?, quorum).await)
            }
            ApiKey::DeleteGroups => to.reply(&delete_groups::delete_groups(to.decode(reader)?, groups).await),
            ApiKey::ElectLeaders => {
                to.reply(&elect_leaders::elect_leaders(call, to.decode(reader)?, quorum).await)
            }
            ApiKey::IncrementalAlterConfigs => {
                let request = to.decode(reader)?;
                to.reply(
                    &incremental_alter_configs::incremental_alter_configs(
                        request,
                        self.through(call),
                        quorum,
                        log_levels,
                    )
                    .await,
                )
            }
            ApiKey::AlterPartitionReassignments => {
                let request = to.decode(reader)?;
                to.reply(&alter_partition_reassignments::alter_partition_reassignments(request, quorum).await)
            }
            ApiKey::ListPartitionReassignments => {
                let request = to.decode(reader)?;
                to.reply(&list_partition_reassignments::list_partition_reassignments(&request, &image))
            }
            ApiKey::OffsetDelete => {
                to.reply(&offset_delete::offset_delete(to.decode(reader)?, &image, groups).await)
            }
            ApiKey::DescribeQuorum => {
                to.reply(&describe_quorum::describe_quorum(call, &to.decode(reader)?, quorum, now_ms))
            }
            ApiKey::UpdateFeatures => {
                to.reply(&update_features::update_features(call, to.decode(reader)?, quorum).await)
            }
            ApiKey::DescribeCluster => {
                let request = to.decode(reader)?;
                to.reply(&match self.is_of_controllers(&call.listener) {
                    true => describe_cluster::describe_controllers(call, &request, &image, quorum),
                    false => describe_cluster::describe_cluster(call, &request, &image, quorum.cluster_id()),
                })
            }
            ApiKey::DescribeProducers => {
                let request = to.decode(reader)?;
                to.reply(&may_block(|| describe_producers::describe_producers(&request, &image, partitions)))
            }
            ApiKey::UnregisterBroker => {
                to.reply(&unregister_broker::unregister_broker(to.decode(reader)?, quorum).await)
            }
            ApiKey::ListConfigResources => {
                let request = to.decode(reader)?;
                to.reply(&list_config_resources::list_config_resources(to.version, &request, &image))
            }
            ApiKey::ConsumerGroupHeartbeat => {
                let request: ConsumerGroupHeartbeatRequest = to.decode(reader)?;
                if !consumer_groups_enabled(configs, &image) {
                    return to.reply(&consumer_group_heartbeat::not_enabled());
                }
                let settings = group_settings(configs, &image, quorum.node(), &request.group_id);
                let topics = group_topics.of(&image);
                to.reply(
                    &consumer_group_heartbeat::consumer_group_heartbeat(
                        call, request, groups, topics, settings,
                    )
                    .await,
                )
            }
            ApiKey::ConsumerGroupDescribe => {
                let request = to.decode(reader)?;
                if !consumer_groups_enabled(configs, &image) {
                    return to.reply(&consumer_group_describe::not_enabled(request));
                }
                to.reply(
                    &consumer_group_describe::consumer_group_describe(to.version, request, &image, groups)
                        .await,
                )
            }
            ApiKey::DescribeTopicPartitions => {
                let request = to.decode(reader)?;
                let max = i32::try_from(settings.describe_partitions_max).unwrap_or(i32::MAX);
                to.reply(&describe_topic_partitions::describe_topic_partitions(call, &request, &image, max))
            }
            other => Err(Unanswerable(format!("{} has no handler", other.name()))),
        }
    }
}

impl ReplyTo {
    /// What follows the request in its frame is not looked at, as Kafka does.
    fn decode<R: Request>(self, mut reader: Reader) -> Result<R, Unanswerable> {
        decode_from(&mut reader, self.version).map_err(|error| Unanswerable(error.to_string()))
    }

    fn encode<M: Message>(self, response: &M) -> Result<EncodedFrame, Unanswerable> {
        encode_response_frame(self.correlation_id, self.key, self.version, response).map_err(|error| {
            // A handler set a field that the version cannot say: a bug of ours, told loudly.
            tracing::error!(api = self.key.name(), version = self.version, %error, "an answer cannot be encoded");
            Unanswerable(error.to_string())
        })
    }

    fn reply<M: Message>(self, response: &M) -> Result<Outcome, Unanswerable> {
        Ok(Outcome::Answer(self.encode(response)?.bytes.into()))
    }
}

/// The frame with its gaps filled by ranges of files.
fn with_ranges(frame: EncodedFrame, ranges: Vec<RecordRange>) -> Answer {
    let mut ranges: Vec<Option<RecordRange>> = ranges.into_iter().map(Some).collect();
    let mut answer = Answer::default();
    let mut rest = frame.bytes;
    let mut done = 0;
    for gap in frame.gaps {
        let before = rest.split_to(gap.position - done);
        done = gap.position;
        answer.pieces.push(Piece::Bytes(before));
        let range = ranges.get_mut(gap.ticket).and_then(Option::take).expect("one gap for each range");
        answer.pieces.push(match range {
            RecordRange::File(range) => {
                let (file, position, size) = (Arc::clone(&range.file), range.position, range.size);
                let on_failure = Some(OnFailure::new(move |error| range.refused(error)));
                Piece::File(FileRange { file, position, size, on_failure })
            }
            RecordRange::Bytes(bytes) => Piece::Bytes(bytes),
        });
    }
    answer.pieces.push(Piece::Bytes(rest));
    answer
}
