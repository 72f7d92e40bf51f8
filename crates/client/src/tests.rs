//! The client against a broker in a few lines, which misbehaves as the real ones do.

use crate::{
    ClientConfig, ClientError, Cluster, Connection, Consumer, ConsumerConfig, GroupConfig, OffsetReset,
    Producer, ProducerConfig, Record, Start, TopicPartition,
};
use bytes::Bytes;
use ottla_ids::{Offset, Uuid};
use ottla_protocol::messages::api_versions::{ApiVersion, ApiVersionsResponse};
use ottla_protocol::messages::fetch::{FetchRequest, FetchResponse, FetchableTopicResponse, PartitionData};
use ottla_protocol::messages::find_coordinator::{Coordinator, FindCoordinatorResponse};
use ottla_protocol::messages::heartbeat::HeartbeatResponse;
use ottla_protocol::messages::init_producer_id::InitProducerIdResponse;
use ottla_protocol::messages::join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember};
use ottla_protocol::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse};
use ottla_protocol::messages::list_offsets::{
    ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use ottla_protocol::messages::metadata::{
    MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition,
    MetadataResponseTopic,
};
use ottla_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use ottla_protocol::messages::offset_fetch::{
    OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use ottla_protocol::messages::produce::{
    PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceResponse,
};
use ottla_protocol::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};
use ottla_protocol::{
    ApiKey, ErrorCode, Message, Payload, Reader, decode_from, decode_request_header, encode_response_frame,
};
use ottla_records::{BatchBuilder, Compression};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// A request as the broker gets it.
struct Asked {
    key: ApiKey,
    version: i16,
    id: i32,
    port: u16,
    body: Reader,
}

/// What the broker does about it.
enum Reply {
    /// Sends these bytes.
    Frame(Bytes),
    /// Nothing.
    Silence,
    /// Ends the connection.
    Close,
}

impl Asked {
    fn read<M: Message>(&mut self) -> M {
        decode_from(&mut self.body, self.version).unwrap()
    }

    fn answer<M: Message>(&self, response: &M) -> Reply {
        self.answer_in(self.version, response)
    }

    fn answer_in<M: Message>(&self, version: i16, response: &M) -> Reply {
        Reply::Frame(encode_response_frame(self.id, self.key, version, response).unwrap().bytes)
    }

    fn speaks(&self, versions: &[(ApiKey, i16)]) -> Reply {
        let api_keys = versions
            .iter()
            .map(|(key, max)| ApiVersion {
                api_key: *key as i16,
                min_version: *key.valid_versions().start(),
                max_version: *max,
                ..Default::default()
            })
            .collect();
        self.answer(&ApiVersionsResponse { api_keys, ..Default::default() })
    }

    /// Broker 1, at the address of this one, leads the only partition of "greetings".
    fn metadata(&self) -> Reply {
        self.answer(&MetadataResponse {
            brokers: vec![MetadataResponseBroker {
                node_id: 1,
                host: "127.0.0.1".into(),
                port: i32::from(self.port),
                ..Default::default()
            }],
            topics: vec![MetadataResponseTopic {
                name: Some("greetings".into()),
                topic_id: topic_id(),
                partitions: vec![MetadataResponsePartition { leader_id: 1, ..Default::default() }],
                ..Default::default()
            }],
            ..Default::default()
        })
    }
}

fn topic_id() -> Uuid {
    "AAAAAAAAAAAAAAAAAAAABw".parse().unwrap()
}

fn newest(key: ApiKey) -> (ApiKey, i16) {
    (key, *key.valid_versions().end())
}

/// Starts a broker that does what `reply` says; its address.
async fn broker(reply: impl FnMut(Asked) -> Reply + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let reply = Arc::new(Mutex::new(reply));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let reply = Arc::clone(&reply);
            tokio::spawn(async move {
                // The client has gone, or is sent away.
                let _ = serve(stream, address.port(), reply).await;
            });
        }
    });
    address.to_string()
}

async fn serve(
    mut stream: TcpStream,
    port: u16,
    reply: Arc<Mutex<impl FnMut(Asked) -> Reply + Send>>,
) -> std::io::Result<()> {
    loop {
        let size = stream.read_i32().await?;
        let mut frame = vec![0; usize::try_from(size).unwrap()];
        stream.read_exact(&mut frame).await?;
        let (key, header, body) = decode_request_header(frame.into()).unwrap();
        let (version, id) = (header.request_api_version, header.correlation_id);
        let reply = (*reply.lock().unwrap())(Asked { key, version, id, port, body });
        match reply {
            Reply::Frame(bytes) => stream.write_all(&bytes).await?,
            Reply::Silence => {}
            Reply::Close => return Ok(()),
        }
    }
}

fn cluster(address: &str) -> Cluster {
    Cluster::new(ClientConfig::new(address))
}

/// Runs `test`, and fails where it hangs.
async fn soon<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, test).await.expect("it does not hang")
}

#[tokio::test]
async fn an_old_broker_is_asked_in_the_version_it_knows() {
    let versions = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&versions);
    let address = broker(move |asked| {
        seen.lock().unwrap().push(asked.version);
        if asked.version <= 2 {
            return asked.speaks(&[(ApiKey::ApiVersions, 2), (ApiKey::Metadata, 9)]);
        }
        let known = ApiVersion {
            api_key: ApiKey::ApiVersions as i16,
            min_version: 0,
            max_version: 2,
            ..Default::default()
        };
        let error_code = ErrorCode::UnsupportedVersion as i16;
        asked.answer_in(0, &ApiVersionsResponse { error_code, api_keys: vec![known], ..Default::default() })
    })
    .await;
    let connection = soon(Connection::open(&address, "test")).await.unwrap();
    assert_eq!(*versions.lock().unwrap(), [newest(ApiKey::ApiVersions).1, 2]);
    assert_eq!(connection.version::<MetadataRequest>().unwrap(), 9);
    let error = connection.version::<ProduceRequest>().unwrap_err();
    assert!(matches!(error, ClientError::NotServed { api: "Produce", .. }), "{error}");
}

#[tokio::test]
async fn behind_an_answer_that_does_not_come_none_is_waited_for() {
    let address = broker(|asked| match asked.key {
        ApiKey::ApiVersions => asked.speaks(&[newest(ApiKey::Metadata)]),
        _ => Reply::Silence,
    })
    .await;
    let connection = soon(Connection::open(&address, "test")).await.unwrap();
    let error =
        soon(connection.call(&MetadataRequest::default(), Duration::from_millis(1))).await.unwrap_err();
    assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
    assert!(connection.is_closed());
    let error = soon(connection.call(&MetadataRequest::default(), PATIENCE)).await.unwrap_err();
    assert!(matches!(error, ClientError::Disconnected { .. }), "{error}");
}

#[tokio::test]
async fn what_is_no_kafka_broker_is_told_apart() {
    for (bytes, words) in [
        (b"HTTP/1.1 400 Bad Request\r\n".as_slice(), "no Kafka broker"),
        (b"\0\0\0\x04\0\0\x30\x39".as_slice(), "nobody asked for"),
    ] {
        let address = broker(move |_| Reply::Frame(Bytes::from_static(bytes))).await;
        let error = soon(Connection::open(&address, "test")).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_batch_is_sent_again_as_it_was_until_it_is_acked() {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&sent);
    let address = broker(move |mut asked| match asked.key {
        ApiKey::ApiVersions => {
            asked.speaks(&[newest(ApiKey::Metadata), newest(ApiKey::InitProducerId), newest(ApiKey::Produce)])
        }
        ApiKey::Metadata => asked.metadata(),
        ApiKey::InitProducerId => {
            asked.answer(&InitProducerIdResponse { producer_id: 7, producer_epoch: 0, ..Default::default() })
        }
        _ => {
            let request: ProduceRequest = asked.read();
            let records = request.topic_data[0].partition_data[0].records.clone().unwrap();
            let mut sent = seen.lock().unwrap();
            sent.push(records.as_bytes().unwrap().clone());
            let (error_code, base_offset) = match sent.len() {
                // It may have been stored: the connection ends before the answer.
                1 => return Reply::Close,
                2 => (ErrorCode::NotLeaderOrFollower as i16, -1),
                count => (0, 40 + count as i64),
            };
            let partition = PartitionProduceResponse { error_code, base_offset, ..Default::default() };
            let topic = TopicProduceResponse {
                topic_id: topic_id(),
                partition_responses: vec![partition],
                ..Default::default()
            };
            asked.answer(&ProduceResponse { responses: vec![topic], ..Default::default() })
        }
    })
    .await;
    let producer = Producer::new(cluster(&address), ProducerConfig::default());
    let record = |value: &'static str| Record {
        topic: "greetings".to_owned(),
        value: Some(Bytes::from_static(value.as_bytes())),
        ..Default::default()
    };
    let first = soon(producer.send(record("one"))).await.unwrap();
    assert_eq!(soon(first.placed()).await.unwrap().offset, 43);
    let second = soon(producer.send(record("two"))).await.unwrap();
    assert_eq!(soon(second.placed()).await.unwrap().offset, 44);
    soon(producer.close()).await.unwrap();
    let sent = sent.lock().unwrap();
    assert!(sent[0] == sent[1] && sent[1] == sent[2], "the same bytes, so that they are stored once");
    let sequences: Vec<i32> = sent
        .iter()
        .map(|it| ottla_records::BatchHeader::parse(it).unwrap())
        .inspect(|it| assert_eq!(it.producer_id().0, 7))
        .map(|it| it.base_sequence())
        .collect();
    assert_eq!(sequences, [0, 0, 0, 1]);
}

/// The answer to a fetch from a log that begins at offset 5 and holds one record.
fn log_from_5_to_6(mut asked: Asked) -> Reply {
    let request: FetchRequest = asked.read();
    let mut partition = PartitionData::default();
    match request.topics[0].partitions[0].fetch_offset {
        5 => {
            let mut batch = BatchBuilder::new(Offset(5), Compression::None);
            batch.append(1, None, Some(b"still there"), &[]).unwrap();
            partition.records = Some(Payload::Bytes(batch.finish().unwrap()));
        }
        6 => {}
        _ => partition.error_code = ErrorCode::OffsetOutOfRange as i16,
    }
    let topic =
        FetchableTopicResponse { topic_id: topic_id(), partitions: vec![partition], ..Default::default() };
    asked.answer(&FetchResponse { responses: vec![topic], ..Default::default() })
}

/// A broker whose log begins at offset 5 and holds one record.
async fn shortened_log() -> String {
    broker(|asked| match asked.key {
        ApiKey::ApiVersions => {
            asked.speaks(&[newest(ApiKey::Metadata), newest(ApiKey::ListOffsets), newest(ApiKey::Fetch)])
        }
        ApiKey::Metadata => asked.metadata(),
        ApiKey::ListOffsets => {
            let partition = ListOffsetsPartitionResponse { offset: 5, ..Default::default() };
            let topic = ListOffsetsTopicResponse {
                name: "greetings".into(),
                partitions: vec![partition],
                ..Default::default()
            };
            asked.answer(&ListOffsetsResponse { topics: vec![topic], ..Default::default() })
        }
        _ => log_from_5_to_6(asked),
    })
    .await
}

#[tokio::test]
async fn an_offset_that_was_deleted_is_reset_or_an_error() {
    let address = shortened_log().await;
    let partition = TopicPartition::new("greetings", 0);
    let consumer = |offset_reset| {
        let config = ConsumerConfig { offset_reset, ..Default::default() };
        let mut consumer = Consumer::new(cluster(&address), config);
        consumer.assign([(partition.clone(), Start::Offset(1))]);
        consumer
    };
    let mut strict = consumer(OffsetReset::None);
    let error = soon(strict.poll(1)).await.unwrap_err();
    assert!(matches!(error, ClientError::OffsetOutOfRange { offset: 1, .. }), "{error}");

    let mut lenient = consumer(OffsetReset::Earliest);
    let records = soon(lenient.poll(1)).await.unwrap();
    assert_eq!(records.iter().map(|it| it.offset).collect::<Vec<_>>(), [5]);
    assert_eq!(lenient.positions().collect::<Vec<_>>(), [(&partition, Some(6))]);
}

#[tokio::test]
async fn a_poll_that_is_given_up_loses_nothing() {
    let address = shortened_log().await;
    let mut consumer = Consumer::new(cluster(&address), ConsumerConfig::default());
    consumer.assign([(TopicPartition::new("greetings", 0), Start::Beginning)]);
    let mut records = Vec::new();
    soon(async {
        while records.is_empty() {
            // Given up at whatever point it has come to, again and again.
            let given_up = tokio::time::timeout(Duration::from_millis(1), consumer.poll(10)).await;
            records = given_up.map_or(Vec::new(), Result::unwrap);
        }
    })
    .await;
    assert_eq!(records.len(), 1);
}

/// A broker that coordinates a group of one, with all the turns that the protocol may take; what it was
/// told, heartbeats and fetches aside.
struct Group {
    told: Vec<String>,
    /// Heartbeats are answered with "rebalance in progress".
    rebalancing: bool,
}

impl Group {
    fn reply(&mut self, mut asked: Asked) -> Reply {
        match asked.key {
            ApiKey::ApiVersions => {
                let served = [
                    ApiKey::Metadata,
                    ApiKey::Fetch,
                    ApiKey::ListOffsets,
                    ApiKey::FindCoordinator,
                    ApiKey::JoinGroup,
                    ApiKey::SyncGroup,
                    ApiKey::Heartbeat,
                    ApiKey::OffsetCommit,
                    ApiKey::OffsetFetch,
                    ApiKey::LeaveGroup,
                ];
                asked.speaks(&served.map(newest))
            }
            ApiKey::Metadata => asked.metadata(),
            ApiKey::FindCoordinator => {
                self.told.push("find".to_owned());
                let port = i32::from(asked.port);
                let coordinator =
                    Coordinator { node_id: 1, host: "127.0.0.1".into(), port, ..Default::default() };
                asked.answer(&FindCoordinatorResponse {
                    coordinators: vec![coordinator],
                    ..Default::default()
                })
            }
            ApiKey::JoinGroup => {
                let request: JoinGroupRequest = asked.read();
                let member_id = request.member_id.clone();
                self.told.push(format!("join as '{member_id}'"));
                let joins = self.told.iter().filter(|it| it.starts_with("join")).count();
                let response = match joins {
                    1 => JoinGroupResponse {
                        error_code: ErrorCode::MemberIdRequired as i16,
                        member_id: "m".into(),
                        ..Default::default()
                    },
                    2 => JoinGroupResponse {
                        error_code: ErrorCode::NotCoordinator as i16,
                        ..Default::default()
                    },
                    generation => JoinGroupResponse {
                        generation_id: generation as i32,
                        protocol_name: Some("range".into()),
                        leader: member_id.clone(),
                        member_id: member_id.clone(),
                        members: vec![JoinGroupResponseMember {
                            member_id,
                            metadata: request.protocols[0].metadata.clone(),
                            ..Default::default()
                        }],
                        ..Default::default()
                    },
                };
                self.rebalancing = false;
                asked.answer(&response)
            }
            ApiKey::SyncGroup => {
                let request: SyncGroupRequest = asked.read();
                self.told.push(format!("sync {}", request.generation_id));
                let response = match request.generation_id {
                    3 => SyncGroupResponse {
                        error_code: ErrorCode::RebalanceInProgress as i16,
                        ..Default::default()
                    },
                    _ => SyncGroupResponse {
                        assignment: request.assignments[0].assignment.clone(),
                        ..Default::default()
                    },
                };
                asked.answer(&response)
            }
            ApiKey::Heartbeat => {
                let code = if self.rebalancing { ErrorCode::RebalanceInProgress } else { ErrorCode::None };
                asked.answer(&HeartbeatResponse { error_code: code as i16, ..Default::default() })
            }
            ApiKey::OffsetFetch => {
                let partition = OffsetFetchResponsePartitions { committed_offset: 5, ..Default::default() };
                let topic = OffsetFetchResponseTopics {
                    name: "greetings".into(),
                    partitions: vec![partition],
                    ..Default::default()
                };
                let group = OffsetFetchResponseGroup { topics: vec![topic], ..Default::default() };
                asked.answer(&OffsetFetchResponse { groups: vec![group], ..Default::default() })
            }
            ApiKey::OffsetCommit => {
                let request: OffsetCommitRequest = asked.read();
                let partition = &request.topics[0].partitions[0];
                self.told.push(format!(
                    "commit {} in {}",
                    partition.committed_offset, request.generation_id_or_member_epoch
                ));
                let topic = OffsetCommitResponseTopic {
                    name: "greetings".into(),
                    partitions: vec![OffsetCommitResponsePartition::default()],
                    ..Default::default()
                };
                asked.answer(&OffsetCommitResponse { topics: vec![topic], ..Default::default() })
            }
            ApiKey::LeaveGroup => {
                let request: LeaveGroupRequest = asked.read();
                self.told.push(format!("leave as '{}'", request.members[0].member_id));
                asked.answer(&LeaveGroupResponse::default())
            }
            _ => log_from_5_to_6(asked),
        }
    }
}

#[tokio::test]
async fn a_member_joins_reads_commits_joins_again_and_leaves() {
    let group = Arc::new(Mutex::new(Group { told: Vec::new(), rebalancing: false }));
    let coordinator = Arc::clone(&group);
    let address = broker(move |asked| coordinator.lock().unwrap().reply(asked)).await;
    let config = GroupConfig { heartbeat_interval: Duration::from_millis(1), ..GroupConfig::new("readers") };
    let mut consumer =
        Consumer::new(cluster(&address), ConsumerConfig { group: Some(config), ..Default::default() });
    consumer.subscribe(["greetings".to_owned()]).unwrap();
    soon(async {
        assert_eq!(consumer.poll(10).await.unwrap().len(), 1);
        group.lock().unwrap().rebalancing = true;
        // The record of the last poll is committed in the generation that handed it out.
        let joins = || group.lock().unwrap().told.iter().filter(|it| it.starts_with("sync")).count();
        while joins() < 3 {
            consumer.poll(10).await.unwrap();
        }
        consumer.close().await.unwrap();
    })
    .await;
    assert_eq!(
        group.lock().unwrap().told,
        [
            "find",
            "join as ''",
            "join as 'm'",
            "find",
            "join as 'm'",
            "sync 3",
            "join as 'm'",
            "sync 4",
            "commit 6 in 4",
            "join as 'm'",
            "sync 5",
            "leave as 'm'",
        ]
    );
}
