//! The whole way of a decision, on a disk whose power can be cut.

use crate::driver::load;
use crate::inspect;
use crate::log::memory::MemoryLog;
use crate::snapshot::{Snapshot, list_snapshots, read_snapshot, snapshot_bytes};
use crate::{
    DecideError, Formatted, Identity, Limits, METADATA_FOLDER, MetadataLog, MetadataSegments, NodeSettings,
    Quorum, QuorumError, StorageLog, VoterEndpoint, format,
};
use ottla_configs::BrokerConfig;
use ottla_controller::{Random, Registration, TopicToDelete};
use ottla_ids::{NodeId, Offset, QuorumEpoch, Uuid};
use ottla_metadata::{Endpoint, Image, MetadataRecord, MetadataVersion};
use ottla_protocol::Text;
use ottla_protocol::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, ReassignablePartition, ReassignableTopic,
};
use ottla_protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use ottla_protocol::messages::update_features::{FeatureUpdateKey, UpdateFeaturesRequest};
use ottla_protocol::records::metadata::FeatureLevelRecord;
use ottla_state_machine::Decision;
use ottla_storage::{DirectoryOptions, Disk, LogDirectory, META_PROPERTIES, MetaProperties, SimulatedDisk};
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::Poll;
use std::time::Duration;

fn folder() -> PathBuf {
    PathBuf::from("/data")
}

fn endpoints() -> Vec<VoterEndpoint> {
    vec![VoterEndpoint { listener: Text::from("CONTROLLER"), host: Text::from("localhost"), port: 9093 }]
}

fn identity(node: i32) -> Identity {
    Identity { node: NodeId(node), cluster_id: None }
}

fn format_one(disk: &Disk, identity: &Identity) -> Result<Formatted, QuorumError> {
    format(disk, &[folder()], &folder(), identity, &endpoints(), 1_000)
}

fn directory_ids(formatted: &Formatted) -> Vec<Uuid> {
    formatted.directories.iter().map(|id| id.clone().expect("it works")).collect()
}

fn settings(disk: &Disk, formatted: &Formatted, limits: Limits) -> NodeSettings {
    let endpoint = |name: &'static str, port| Endpoint {
        listener: Text::from_static(name),
        host: Text::from("localhost"),
        port,
        security_protocol: 0,
    };
    NodeSettings {
        node: NodeId(1),
        cluster_id: formatted.cluster_id.clone(),
        disk: disk.clone(),
        metadata_dir: folder(),
        metadata_directory_id: directory_ids(formatted)[0],
        directory_ids: directory_ids(formatted),
        endpoints: vec![endpoint("PLAINTEXT", 9092)],
        controller_endpoints: vec![endpoint("CONTROLLER", 9093)],
        rack: None,
        configs: BrokerConfig::default(),
        append_linger: Duration::ZERO,
        limits,
    }
}

/// A clock that tests move.
#[derive(Clone, Default)]
struct Time(Arc<AtomicI64>);

fn open(disk: &Disk, log: impl MetadataLog, limits: Limits, time: &Time) -> Result<Quorum, QuorumError> {
    let formatted = format_one(disk, &identity(1))?;
    let time = time.clone();
    let clock = Box::new(move || time.0.load(Ordering::Relaxed));
    // Each start is another incarnation.
    let random = Random::new(log.end_offset().0 as u64);
    Quorum::open_with(log, settings(disk, &formatted, limits), random, clock)
}

fn simulated() -> (SimulatedDisk, Disk) {
    let simulated = SimulatedDisk::new(7);
    (simulated.clone(), Disk::Simulated(simulated))
}

fn topic(name: &str, partitions: i32) -> CreateTopicsRequest {
    let topic = CreatableTopic {
        name: Text::from(name),
        num_partitions: partitions,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() }
}

async fn create(quorum: &Quorum, name: &str) -> Result<(), DecideError> {
    let answers = quorum.create_topics(topic(name, 2)).await?;
    answers.expect("not too large")[0].as_ref().expect("a new name");
    Ok(())
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// A folder as a static quorum of Apache Kafka leaves it: its log names no voters.
fn format_static(disk: &Disk) {
    format_one(disk, &identity(1)).unwrap();
    let voters = folder().join(METADATA_FOLDER).join("00000000000000000000-0000000000.checkpoint");
    disk.remove_file(&voters).unwrap();
}

fn update(name: &str, level: i16) -> UpdateFeaturesRequest {
    let update = FeatureUpdateKey {
        feature: Text::from(name),
        max_version_level: level,
        upgrade_type: 1,
        ..FeatureUpdateKey::default()
    };
    UpdateFeaturesRequest { feature_updates: vec![update], ..UpdateFeaturesRequest::default() }
}

/// Partition 0 of topic `name`: where it lies, who leads it, and whether it is being reassigned.
fn placed(quorum: &Quorum, name: &str) -> (Vec<i32>, Option<i32>, bool) {
    let image = quorum.image();
    let partition = image.partition(name, 0).unwrap();
    let replicas = partition.replicas.iter().map(|node| node.0).collect();
    (replicas, partition.leader.map(|node| node.0), partition.is_reassigning())
}

#[test]
fn a_reassignment_to_a_broker_that_is_down_stays_under_way_over_a_restart_and_is_given_up() {
    let (_, disk) = simulated();
    let log = MemoryLog::default();
    let quorum = open(&disk, log.clone(), Limits::default(), &Time::default()).unwrap();
    let other = Registration {
        node: NodeId(2),
        incarnation_id: Uuid::from_u128(2000),
        endpoints: Vec::new(),
        features: Registration::known_features(),
        rack: None,
        directories: vec![Uuid::from_u128(3000)],
    };
    let alter = |replicas: Option<Vec<i32>>| AlterPartitionReassignmentsRequest {
        topics: vec![ReassignableTopic {
            name: Text::from("flights"),
            partitions: vec![ReassignablePartition { partition_index: 0, replicas, ..Default::default() }],
            ..Default::default()
        }],
        ..Default::default()
    };
    block_on(async {
        quorum.decide(move |controller| controller.register_broker(&other)).await.unwrap().unwrap();
        create(&quorum, "flights").await.unwrap();
        let answers = quorum.alter_partition_reassignments(alter(Some(vec![2]))).await.unwrap().unwrap();
        assert_eq!(answers, [Ok(())]);
    });
    assert_eq!(placed(&quorum, "flights"), (vec![2, 1], Some(1), true));
    quorum.stop();
    let quorum = open(&disk, log, Limits::default(), &Time::default()).unwrap();
    assert_eq!(placed(&quorum, "flights"), (vec![2, 1], Some(1), true));
    let answers = block_on(quorum.alter_partition_reassignments(alter(None))).unwrap().unwrap();
    assert_eq!(answers, [Ok(())]);
    assert_eq!(placed(&quorum, "flights"), (vec![1], Some(1), false));
    quorum.stop();
}

#[test]
fn a_static_quorum_comes_to_name_its_voter_and_still_does_after_a_restart() {
    let (_, disk) = simulated();
    format_static(&disk);
    let log = MemoryLog::default();
    let quorum = open(&disk, log.clone(), Limits::default(), &Time::default()).unwrap();
    let status = quorum.status();
    assert_eq!(status.kraft_version, 0);
    assert!(status.voters.iter().all(|voter| voter.key.directory_id == Uuid::ZERO));
    let epoch = status.epoch;
    let before = quorum.offset();
    block_on(quorum.update_features(update("kraft.version", 1))).unwrap().unwrap();
    let status = quorum.status();
    assert_eq!(quorum.offset(), Offset(before.0 + 2), "a record of the level and one of the voters");
    assert_eq!((status.kraft_version, status.epoch), (1, epoch));
    let voters: Vec<_> = status.voters.iter().cloned().collect();
    assert_ne!(voters[0].key.directory_id, Uuid::ZERO);
    assert_eq!(voters[0].endpoints, endpoints());
    // Once more changes nothing.
    block_on(quorum.update_features(update("kraft.version", 1))).unwrap().unwrap();
    assert_eq!(quorum.offset(), Offset(before.0 + 2));
    quorum.stop();
    let quorum = open(&disk, log, Limits::default(), &Time::default()).unwrap();
    let status = quorum.status();
    assert_eq!(status.kraft_version, 1);
    assert_eq!(status.voters.iter().cloned().collect::<Vec<_>>(), voters);
    quorum.stop();
}

#[test]
fn what_comes_while_the_writer_lingers_is_written_together() {
    let (_, disk) = simulated();
    let formatted = format_one(&disk, &identity(1)).unwrap();
    let log = MemoryLog::default();
    // It would linger for ever, were it not for the stop.
    let settings = NodeSettings {
        append_linger: Duration::from_secs(1 << 20),
        ..settings(&disk, &formatted, Limits::default())
    };
    let quorum = Quorum::open_with(log.clone(), settings, Random::new(1), Box::new(|| 0)).unwrap();
    let syncs = log.syncs();
    block_on(async {
        let (mut first, mut second) = (Box::pin(create(&quorum, "a")), Box::pin(create(&quorum, "b")));
        // Both are with the writer once they were polled.
        for decision in [&mut first, &mut second] {
            let poll = poll_fn(|cx| Poll::Ready(decision.as_mut().poll(cx).is_pending()));
            assert!(poll.await);
        }
        quorum.stop();
        first.await.unwrap();
        second.await.unwrap();
    });
    assert_eq!(log.syncs(), syncs + 1);
}

#[test]
fn segments_of_the_log_are_closed_by_size_and_by_age() {
    let segments = |segments: MetadataSegments, step_ms: i64| {
        let (_, disk) = simulated();
        let formatted = format_one(&disk, &identity(1)).unwrap();
        let options = DirectoryOptions { cluster_id: Some(formatted.cluster_id.clone()), node_id: NodeId(1) };
        let directory = LogDirectory::open(disk.clone(), &folder(), &options).unwrap();
        let log = || StorageLog::open(directory.clone(), 0, segments, || 0).unwrap();
        let time = Time::default();
        let quorum = open(&disk, log(), Limits::default(), &time).unwrap();
        for name in ["a", "b", "c"] {
            time.0.fetch_add(step_ms, Ordering::Relaxed);
            block_on(create(&quorum, name)).unwrap();
        }
        let image = quorum.image();
        quorum.stop();
        let read = load(&disk, &folder().join(METADATA_FOLDER), &mut log()).unwrap().image;
        assert_eq!(read, *image);
        let entries = disk.list(&folder().join(METADATA_FOLDER)).unwrap();
        entries.iter().filter(|entry| entry.name.ends_with(".log")).count()
    };
    let defaults = MetadataSegments::default();
    assert_eq!(segments(defaults, 1000), 1);
    // So small that what is written at the start goes into several.
    assert!(segments(MetadataSegments { bytes: 800, ..defaults }, 1000) > 1);
    assert_eq!(segments(MetadataSegments { ms: 999, ..defaults }, 1000), 4);
    assert_eq!(segments(MetadataSegments { ms: 1999, ..defaults }, 1000), 2);
}

#[test]
fn the_voters_are_named_in_one_step_with_the_other_features_of_a_request() {
    let (_, disk) = simulated();
    format_static(&disk);
    let log = MemoryLog::default();
    let quorum = open(&disk, log.clone(), Limits::default(), &Time::default()).unwrap();
    let before = quorum.offset();
    let both = |groups: i16, validate_only| {
        let updates = [("kraft.version", 1, 1), ("group.version", groups, 2)];
        let update = |(name, level, upgrade_type): (&'static str, i16, i8)| FeatureUpdateKey {
            feature: Text::from_static(name),
            max_version_level: level,
            upgrade_type,
            ..Default::default()
        };
        UpdateFeaturesRequest {
            feature_updates: updates.map(update).into(),
            validate_only,
            ..Default::default()
        }
    };
    // All of them or none.
    block_on(quorum.update_features(both(7, false))).unwrap().unwrap_err();
    block_on(quorum.update_features(both(0, true))).unwrap().unwrap();
    assert_eq!((quorum.offset(), quorum.status().kraft_version), (before, 0));
    log.fail(true);
    block_on(quorum.update_features(both(0, false))).unwrap_err();
    assert_eq!((quorum.status().kraft_version, quorum.image().feature("group.version")), (0, 1));
    quorum.stop();

    log.fail(false);
    let quorum = open(&disk, log.clone(), Limits::default(), &Time::default()).unwrap();
    let (before, syncs) = (quorum.offset(), log.syncs());
    block_on(quorum.update_features(both(0, false))).unwrap().unwrap();
    assert_eq!(quorum.offset(), Offset(before.0 + 3), "the level, the voters, and a level");
    assert_eq!(log.syncs(), syncs + 1);
    assert_eq!((quorum.status().kraft_version, quorum.image().feature("group.version")), (1, 0));
    quorum.stop();
    let quorum = open(&disk, log, Limits::default(), &Time::default()).unwrap();
    assert_eq!((quorum.status().kraft_version, quorum.image().feature("group.version")), (1, 0));
    quorum.stop();
}

#[test]
fn a_node_of_an_old_metadata_version_registers_fully_when_that_is_raised() {
    let (_, disk) = simulated();
    let log = MemoryLog::default();
    let quorum = open(&disk, log.clone(), Limits::default(), &Time::default()).unwrap();
    let old = MetadataRecord::FeatureLevel(FeatureLevelRecord {
        name: Text::from("metadata.version"),
        feature_level: 7,
        ..FeatureLevelRecord::default()
    });
    let gone = MetadataRecord::FeatureLevel(FeatureLevelRecord {
        name: Text::from("eligible.leader.replicas.version"),
        ..FeatureLevelRecord::default()
    });
    let decision = Decision::write(vec![gone, old], ());
    block_on(quorum.decide(move |_| decision)).unwrap();
    quorum.stop();
    let quorum = open(&disk, log, Limits::default(), &Time::default()).unwrap();
    let directories = |quorum: &Quorum| quorum.image().broker(NodeId(1)).unwrap().directories.len();
    assert_eq!(directories(&quorum), 0, "before 3.7 brokers did not name them");
    block_on(quorum.update_features(update("metadata.version", 30))).unwrap().unwrap();
    assert_eq!(quorum.image().feature("metadata.version"), 30);
    assert_eq!(directories(&quorum), 1);
    assert!(quorum.image().is_active(NodeId(1)), "it is the same incarnation");
    assert_eq!(quorum.image().broker(NodeId(1)).unwrap().epoch, quorum.broker_epoch());
    quorum.stop();
}

fn names(image: &Image) -> Vec<String> {
    image.topics().map(|topic| topic.name.to_string()).collect()
}

#[test]
fn a_first_start_needs_nothing_and_syncs_the_log_once() {
    let (_, disk) = simulated();
    let log = MemoryLog::default();
    let quorum = open(&disk, log.clone(), Limits::default(), &Time::default()).unwrap();
    assert_eq!(log.syncs(), 1);
    let image = quorum.image();
    assert!(image.is_active(NodeId(1)));
    assert_eq!(image.feature("metadata.version"), 30);
    assert_eq!(image.controllers().count(), 1);
    assert_eq!(quorum.offset(), Offset(15));
    assert_eq!(quorum.broker_epoch().0, 13);
    assert_eq!(quorum.cluster_id().len(), 22);
    quorum.stop();
}

#[test]
fn a_decision_is_in_the_image_when_it_is_answered() {
    let (_, disk) = simulated();
    let quorum = open(&disk, MemoryLog::default(), Limits::default(), &Time::default()).unwrap();
    let images = quorum.watch();
    block_on(async {
        create(&quorum, "flights").await.unwrap();
        assert_eq!(names(&quorum.image()), ["flights"]);
        assert!(images.has_changed().unwrap());
        assert_eq!(names(&images.borrow()), ["flights"]);
    });
    quorum.stop();
}

#[test]
fn decisions_that_wait_together_are_synced_together() {
    let (_, disk) = simulated();
    let log = MemoryLog::default();
    let quorum = open(&disk, log.clone(), Limits::default(), &Time::default()).unwrap();
    let before = log.syncs();
    block_on(async {
        let (blocked, block) = std::sync::mpsc::channel::<()>();
        // Holds the writer until all the others wait.
        let first = quorum.decide(move |_| {
            block.recv().unwrap();
            Decision::answer(())
        });
        let others: Vec<String> = (0..20).map(|number| format!("t{number}")).collect();
        let creations = futures(&quorum, &others);
        let release = async {
            tokio::task::yield_now().await;
            blocked.send(()).unwrap();
        };
        let (first, (), answers) = tokio::join!(first, release, creations);
        first.unwrap();
        answers.into_iter().for_each(|answer| answer.unwrap());
    });
    assert_eq!(quorum.image().topic_count(), 20);
    assert!(log.syncs() - before <= 3, "{} syncs for 20 decisions", log.syncs() - before);
    quorum.stop();
}

/// Creates all of these at once.
async fn futures(quorum: &Quorum, names: &[String]) -> Vec<Result<(), DecideError>> {
    let mut tasks = tokio::task::JoinSet::new();
    for name in names {
        let (quorum, name) = (quorum.clone(), name.clone());
        tasks.spawn(async move { create(&quorum, &name).await });
    }
    tasks.join_all().await
}

#[test]
fn the_second_of_two_that_want_one_name_is_refused() {
    let (_, disk) = simulated();
    let quorum = open(&disk, MemoryLog::default(), Limits::default(), &Time::default()).unwrap();
    block_on(async {
        let (one, other) =
            tokio::join!(quorum.create_topics(topic("a", 1)), quorum.create_topics(topic("a", 1)));
        let mut results: Vec<bool> =
            [one, other].into_iter().map(|answer| answer.unwrap().unwrap()[0].is_ok()).collect();
        results.sort_unstable();
        assert_eq!(results, [false, true]);
    });
    quorum.stop();
}

#[test]
fn a_restart_brings_everything_back_in_a_new_epoch() {
    let (_, disk) = simulated();
    let log = MemoryLog::default();
    let quorum = open(&disk, log.clone(), Limits::default(), &Time::default()).unwrap();
    let (cluster_id, epoch) = (quorum.cluster_id().clone(), quorum.broker_epoch());
    block_on(async {
        create(&quorum, "a").await.unwrap();
        create(&quorum, "b").await.unwrap();
        let delete = vec![TopicToDelete { name: Some(Text::from("a")), id: Uuid::ZERO }];
        quorum.delete_topics(delete).await.unwrap().unwrap();
    });
    quorum.stop();
    let quorum = open(&disk, log.clone(), Limits::default(), &Time::default()).unwrap();
    assert_eq!(names(&quorum.image()), ["b"]);
    assert_eq!(*quorum.cluster_id(), cluster_id);
    assert!(quorum.broker_epoch() > epoch, "another incarnation");
    let bytes = log.all_bytes();
    let epochs: Vec<i32> =
        ottla_records::batches(&bytes).map(|batch| batch.unwrap().header().leader_epoch().0).collect();
    assert_eq!((epochs.first(), epochs.last()), (Some(&1), Some(&2)));
    assert!(epochs.is_sorted());
    quorum.stop();
    // Also where nothing but the file tells of an epoch, it is not led in twice.
    let state = disk.read(&folder().join(METADATA_FOLDER).join("quorum-state")).unwrap().unwrap();
    let state = ottla_raft::QuorumState::from_json(&String::from_utf8(state).unwrap()).unwrap();
    assert_eq!((state.leader, state.epoch.0), (Some(NodeId(1)), 2));
}

#[test]
fn the_living_image_equals_its_log_replayed() {
    let (_, disk) = simulated();
    let log = MemoryLog::default();
    let quorum = open(&disk, log.clone(), Limits::default(), &Time::default()).unwrap();
    block_on(async {
        for name in ["a", "b", "c"] {
            create(&quorum, name).await.unwrap();
        }
        quorum.next_producer_id().await.unwrap().unwrap();
    });
    let living = quorum.image();
    quorum.stop();
    let mut image = Image::default();
    let bytes = log.all_bytes();
    crate::frames::read_batches(Path::new("log"), &bytes, &mut |item| {
        if let crate::frames::Item::Data(record) = item {
            ottla_state_machine::Machine::replay(&mut image, &record);
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(image, *living);
}

#[test]
fn producer_ids_are_never_given_twice_not_even_after_a_restart() {
    let (_, disk) = simulated();
    let log = MemoryLog::default();
    let mut last = -1;
    for _ in 0..2 {
        let quorum = open(&disk, log.clone(), Limits::default(), &Time::default()).unwrap();
        block_on(async {
            for _ in 0..1500 {
                let id = quorum.next_producer_id().await.unwrap().unwrap();
                assert!(id.0 > last);
                last = id.0;
            }
        });
        quorum.stop();
    }
}

#[test]
fn a_decision_that_panics_ends_only_itself() {
    let (_, disk) = simulated();
    let quorum = open(&disk, MemoryLog::default(), Limits::default(), &Time::default()).unwrap();
    block_on(async {
        let answer = quorum.decide::<(), _>(|_| panic!("a bug")).await;
        assert!(matches!(answer, Err(DecideError::Bug)), "{answer:?}");
        create(&quorum, "a").await.unwrap();
    });
    quorum.stop();
}

#[test]
fn after_a_failed_write_nothing_is_decided_and_readers_see_what_is_durable() {
    let (_, disk) = simulated();
    let log = MemoryLog::default();
    let quorum = open(&disk, log.clone(), Limits::default(), &Time::default()).unwrap();
    block_on(async {
        create(&quorum, "a").await.unwrap();
        log.fail(true);
        assert!(matches!(create(&quorum, "b").await, Err(DecideError::Failed(_))));
        log.fail(false);
        assert!(matches!(create(&quorum, "c").await, Err(DecideError::Failed(_))), "not as if nothing was");
        assert_eq!(names(&quorum.image()), ["a"]);
        assert!(quorum.failure().is_some());
    });
    quorum.stop();
}

#[test]
fn what_comes_after_the_stop_is_refused() {
    let (_, disk) = simulated();
    let quorum = open(&disk, MemoryLog::default(), Limits::default(), &Time::default()).unwrap();
    quorum.stop();
    block_on(async {
        assert!(matches!(create(&quorum, "a").await, Err(DecideError::Stopped)));
    });
    quorum.stop();
}

#[test]
fn a_snapshot_is_taken_by_size_and_old_ones_go_with_the_log_before_them() {
    let (_, disk) = simulated();
    let log = MemoryLog::default();
    let limits = Limits { bytes_between_snapshots_max: 2_000, retention_bytes_max: 1, ..Limits::default() };
    let quorum = open(&disk, log.clone(), limits, &Time::default()).unwrap();
    block_on(async {
        for number in 0..200 {
            create(&quorum, &format!("t{number}")).await.unwrap();
        }
    });
    let living = quorum.image();
    quorum.stop();
    let metadata = folder().join(METADATA_FOLDER);
    let snapshots = list_snapshots(&disk, &metadata).unwrap();
    let newest = *snapshots.last().unwrap();
    assert!(newest.end_offset > Offset::ZERO);
    assert!(log.start_offset() > Offset::ZERO, "the log's beginning was removed");
    assert!(snapshots.iter().any(|id| id.end_offset >= log.start_offset()));
    let snapshot = read_snapshot(&disk, &metadata, newest).unwrap();
    assert_eq!((snapshot.kraft_version, snapshot.voters.map(|voters| voters.len())), (1, Some(1)));
    let again = open(&disk, log, limits, &Time::default()).unwrap();
    assert_eq!(names(&again.image()), names(&living));
    again.stop();
}

#[test]
fn a_snapshot_is_taken_by_time() {
    let (_, disk) = simulated();
    let time = Time::default();
    let limits = Limits { snapshot_interval_ms: 1_000, ..Limits::default() };
    let quorum = open(&disk, MemoryLog::default(), limits, &time).unwrap();
    block_on(async {
        create(&quorum, "a").await.unwrap();
        time.0.store(5_000, Ordering::Relaxed);
        create(&quorum, "b").await.unwrap();
    });
    quorum.stop();
    let snapshots = list_snapshots(&disk, &folder().join(METADATA_FOLDER)).unwrap();
    assert_eq!(snapshots.len(), 2, "{snapshots:?}");
}

#[test]
fn a_log_whose_beginning_is_gone_without_a_snapshot_is_refused() {
    let (_, disk) = simulated();
    let mut log = MemoryLog::default();
    open(&disk, log.clone(), Limits::default(), &Time::default()).unwrap().stop();
    log.delete_before(Offset(12)).unwrap();
    let error = open(&disk, log, Limits::default(), &Time::default()).unwrap_err();
    assert!(matches!(error, QuorumError::SnapshotMissing { log_start: Offset(12), .. }), "{error}");
}

#[test]
fn a_folder_of_another_node_is_refused() {
    let (_, disk) = simulated();
    format_one(&disk, &identity(1)).unwrap();
    let error = format_one(&disk, &identity(2)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/data/meta.properties belongs to node 1, but this node is 2: set node.id=1, or give this node an empty \
         folder of its own"
    );
}

#[test]
fn a_folder_of_another_cluster_is_refused() {
    let (_, disk) = simulated();
    let named = |id: &str| Identity { node: NodeId(1), cluster_id: Some(id.to_owned()) };
    assert_eq!(format_one(&disk, &named("mine")).unwrap().cluster_id, "mine");
    let error = format_one(&disk, &named("yours")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/data/meta.properties belongs to cluster mine, but this node is to be one of cluster yours: leave the \
         cluster id out to go on with mine, or give this node an empty folder of its own"
    );
}

#[test]
fn two_folders_of_different_clusters_are_refused_and_neither_is_touched() {
    let (_, disk) = simulated();
    let folders = [PathBuf::from("/a"), PathBuf::from("/b"), PathBuf::from("/c")];
    let format_some = |folders: &[PathBuf], cluster_id: Option<&str>| {
        let identity = Identity { node: NodeId(1), cluster_id: cluster_id.map(str::to_owned) };
        format(&disk, folders, &folders[0], &identity, &endpoints(), 0)
    };
    format_some(&folders[..1], Some("one")).unwrap();
    format_some(&folders[1..2], Some("two")).unwrap();
    let error = format_some(&folders, None).unwrap_err();
    assert!(matches!(error, QuorumError::TwoClusters { .. }), "{error}");
    assert_eq!(disk.read(&folders[2].join(META_PROPERTIES)).unwrap(), None);
}

#[test]
fn a_metadata_log_without_meta_properties_is_not_formatted_over() {
    let (_, disk) = simulated();
    format_one(&disk, &identity(1)).unwrap();
    disk.remove_file(&folder().join(META_PROPERTIES)).unwrap();
    disk.create(&folder().join(METADATA_FOLDER).join("00000000000000000000.log")).unwrap();
    let error = format_one(&disk, &identity(1)).unwrap_err();
    assert!(matches!(error, QuorumError::Unformatted { .. }), "{error}");
}

#[test]
fn a_second_log_directory_gets_an_id_of_its_own() {
    let (_, disk) = simulated();
    let folders = [PathBuf::from("/a"), PathBuf::from("/b")];
    let formatted = format(&disk, &folders, &folders[0], &identity(1), &endpoints(), 0).unwrap();
    let ids = directory_ids(&formatted);
    assert_ne!(ids[0], ids[1]);
    let again = format(&disk, &folders, &folders[0], &identity(1), &endpoints(), 0).unwrap();
    assert_eq!(again, Formatted { is_first_start: false, ..formatted });
}

#[test]
fn a_log_directory_that_is_not_formatted_beside_others_is_refused() {
    let (_, disk) = simulated();
    let folders = [PathBuf::from("/a"), PathBuf::from("/b")];
    format(&disk, &folders[..1], &folders[0], &identity(1), &endpoints(), 0).unwrap();
    let error = format(&disk, &folders, &folders[0], &identity(1), &endpoints(), 0).unwrap_err();
    assert!(error.to_string().starts_with("No `meta.properties` found in /b"), "{error}");
    assert!(!disk.exists(&folders[1]).unwrap(), "a disk that is not mounted is not written below");
}

#[test]
fn two_log_directories_with_one_id_are_refused() {
    let (_, disk) = simulated();
    let folders = [PathBuf::from("/a"), PathBuf::from("/b")];
    format(&disk, &folders, &folders[0], &identity(1), &endpoints(), 0).unwrap();
    let meta = MetaProperties::read(&disk, &folders[0]).unwrap().unwrap();
    meta.write(&disk, &folders[1]).unwrap();
    let error = format(&disk, &folders, &folders[0], &identity(1), &endpoints(), 0).unwrap_err();
    assert!(matches!(error, QuorumError::TwoDirectories { .. }), "{error}");
}

#[test]
fn a_log_directory_that_cannot_be_read_is_left_out_unless_it_is_the_metadata_logs() {
    let (_, disk) = simulated();
    let folders = [PathBuf::from("/a"), PathBuf::from("/b")];
    // A file where the folder should be.
    disk.create(&folders[1]).unwrap();
    let formatted = format(&disk, &folders, &folders[0], &identity(1), &endpoints(), 0).unwrap();
    assert!(formatted.directories[0].is_ok());
    assert!(formatted.directories[1].is_err());
    format(&disk, &folders, &folders[1], &identity(1), &endpoints(), 0).unwrap_err();
}

#[test]
fn a_metadata_directory_may_lie_beside_the_log_directories() {
    let (_, disk) = simulated();
    let (folders, metadata_dir) = ([PathBuf::from("/a"), PathBuf::from("/b")], PathBuf::from("/m"));
    let formatted = format(&disk, &folders, &metadata_dir, &identity(1), &endpoints(), 0).unwrap();
    assert_eq!(formatted.directories.len(), 2);
    assert!(disk.exists(&metadata_dir.join(METADATA_FOLDER)).unwrap());
    assert!(!disk.exists(&folders[0].join(METADATA_FOLDER)).unwrap());
}

/// Opens everything on a real storage log.
fn open_storage(disk: &Disk, limits: Limits) -> Result<(Quorum, Arc<LogDirectory>), QuorumError> {
    let formatted = format_one(disk, &identity(1))?;
    let options = DirectoryOptions { cluster_id: Some(formatted.cluster_id.clone()), node_id: NodeId(1) };
    let directory = LogDirectory::open(disk.clone(), &folder(), &options)?;
    let log = StorageLog::open(directory.clone(), 0, MetadataSegments::default(), || 0)?;
    Ok((Quorum::open(log, settings(disk, &formatted, limits), || 0)?, directory))
}

#[test]
fn on_a_full_disk_nothing_is_decided_and_nothing_seen_until_there_is_room() {
    let (simulated, disk) = simulated();
    let (quorum, directory) = open_storage(&disk, Limits::default()).unwrap();
    block_on(async {
        create(&quorum, "a").await.unwrap();
        simulated.set_room(Some(0));
        let refused = create(&quorum, "b").await;
        assert!(matches!(refused, Err(DecideError::NoRoom(_))), "{refused:?}");
        assert_eq!(names(&quorum.image()), ["a"]);
        assert!(quorum.failure().is_none(), "there may be room later");
        simulated.set_room(None);
        create(&quorum, "b").await.unwrap();
        // What is decided may make room: it takes what is kept for that.
        directory.keep_ballast().unwrap();
        simulated.set_room(Some(0));
        create(&quorum, "c").await.unwrap();
        assert_eq!(names(&quorum.image()), ["a", "b", "c"]);
    });
    quorum.stop();
    drop((quorum, directory));
    simulated.power_cut();
    simulated.set_room(None);
    let (quorum, _directory) = open_storage(&disk, Limits::default()).unwrap();
    assert_eq!(names(&quorum.image()), ["a", "b", "c"]);
    quorum.stop();
}

#[test]
fn what_was_answered_survives_power_cuts() {
    for seed in 0..20 {
        let simulated = SimulatedDisk::new(seed);
        let disk = Disk::Simulated(simulated.clone());
        let limits =
            Limits { bytes_between_snapshots_max: 1_500, retention_bytes_max: 4_000, ..Limits::default() };
        let mut answered: Vec<String> = Vec::new();
        for round in 0..6 {
            let (quorum, directory) = open_storage(&disk, limits)
                .unwrap_or_else(|error| panic!("seed {seed}, round {round}: {error}"));
            let image = quorum.image();
            for name in &answered {
                assert!(image.topic(name).is_some(), "seed {seed}, round {round}: {name} is lost");
            }
            assert!(image.is_active(NodeId(1)));
            // The power goes in the middle of what is done now, at another place each time.
            simulated.cut_power_after(5 + (seed * 7 + round * 13) % 60);
            block_on(async {
                for number in 0..12 {
                    let name = format!("t-{round}-{number}");
                    match create(&quorum, &name).await {
                        Ok(()) => answered.push(name),
                        Err(_) => break,
                    }
                }
            });
            quorum.stop();
            drop(directory);
            simulated.power_cut();
        }
    }
}

#[test]
fn power_cuts_while_formatting_leave_a_folder_that_can_be_started() {
    for cut in 0..60 {
        let simulated = SimulatedDisk::new(cut);
        let disk = Disk::Simulated(simulated.clone());
        simulated.cut_power_after(cut);
        let first = open_storage(&disk, Limits::default());
        if let Ok((quorum, _)) = &first {
            quorum.stop();
        }
        drop(first);
        simulated.power_cut();
        let (quorum, _) =
            open_storage(&disk, Limits::default()).unwrap_or_else(|error| panic!("cut {cut}: {error}"));
        assert!(quorum.image().is_active(NodeId(1)));
        quorum.stop();
    }
}

/// `bootstrap.checkpoint` as formatting with these levels leaves it.
fn bootstrap_of(levels: &[(&'static str, i16)]) -> Vec<u8> {
    let level = |(name, level): &(&'static str, i16)| {
        let record =
            FeatureLevelRecord { name: Text::from_static(name), feature_level: *level, ..Default::default() };
        MetadataRecord::FeatureLevel(record)
    };
    let snapshot = Snapshot { records: levels.iter().map(level).collect(), ..Snapshot::default() };
    snapshot_bytes(&snapshot, QuorumEpoch(0), MetadataVersion::LATEST, 0).unwrap()
}

#[test]
fn a_formatted_directory_begins_with_the_levels_it_was_formatted_with() {
    let (_, disk) = simulated();
    let bootstrap = folder().join("bootstrap.checkpoint");
    format_one(&disk, &identity(1)).unwrap();
    disk.replace(&bootstrap, &bootstrap_of(&[("metadata.version", 23), ("transaction.version", 2)])).unwrap();
    let levels = |image: &Image| {
        let levels = image.features().map(|(name, level)| format!("{name}={level}")).collect::<Vec<_>>();
        levels.join(" ")
    };
    let of_a_start = || {
        let (quorum, _directory) = open_storage(&disk, Limits::default()).unwrap();
        quorum.stop();
        levels(&quorum.image())
    };
    let formatted = "metadata.version=23 transaction.version=2";
    assert_eq!(levels(&inspect(&disk, &folder()).unwrap().image), formatted);
    assert_eq!(of_a_start(), formatted);
    // Once the log has begun nobody asks for it.
    disk.replace(&bootstrap, b"damaged").unwrap();
    assert_eq!(of_a_start(), formatted);
}

#[test]
fn a_bootstrap_checkpoint_that_does_not_say_with_what_to_begin_is_refused() {
    let whole = bootstrap_of(&[("metadata.version", 30)]);
    let unfinished = &whole[..whole.len() - 1];
    for (content, reason) in [
        (bootstrap_of(&[("group.version", 1)]).as_slice(), "gives metadata.version no level"),
        (unfinished, "bootstrap.checkpoint"),
        (b"", "ends with a footer"),
    ] {
        let (_, disk) = simulated();
        format_one(&disk, &identity(1)).unwrap();
        disk.replace(&folder().join("bootstrap.checkpoint"), content).unwrap();
        for error in [inspect(&disk, &folder()).map(drop), open_storage(&disk, Limits::default()).map(drop)] {
            let error = error.unwrap_err().to_string();
            assert!(error.contains("bootstrap.checkpoint") && error.contains(reason), "{error}");
        }
    }
}

#[test]
fn a_first_start_on_a_disk_syncs_little() {
    let (simulated, disk) = simulated();
    let (quorum, _directory) = open_storage(&disk, Limits::default()).unwrap();
    assert!(simulated.syncs() <= 13, "{} syncs", simulated.syncs());
    quorum.stop();
}
