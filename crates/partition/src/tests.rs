//! Partitions on a simulated disk: what is visible and promised, and what a power cut may take.

use crate::partition::{AppendError, Appended};
use crate::rules::Rules;
use crate::{
    Acks, Directories, Isolation, Offline, OffsetSpec, OpenError, Origin, Partition, Partitions, Ticket,
    Watch,
};
use ottla_configs::{BrokerConfig, TopicConfig, TopicDefaults};
use ottla_ids::{LeaderEpoch, NodeId, Offset, ProducerEpoch, ProducerId, TopicPartition, Uuid};
use ottla_metadata::{Image, MetadataRecord};
use ottla_protocol::Text;
use ottla_protocol::records::metadata::{ConfigRecord, PartitionRecord, RemoveTopicRecord, TopicRecord};
use ottla_records::{BatchBuilder, Compression, EndTransactionMarker};
use ottla_state_machine::Machine;
use ottla_storage::{DirectoryOptions, Disk, LogDirectory, SimulatedDisk};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

mod bounds;
mod topic_configs;

pub(crate) const NODE: NodeId = NodeId(1);
pub(crate) const NOW_MS: i64 = 1_700_000_000_000;

pub(crate) fn id(number: u128) -> Uuid {
    Uuid::from_u128(1000 + number)
}

fn defaults() -> TopicDefaults {
    BrokerConfig::new::<String, String>([]).expect("no settings are right").topic_defaults()
}

fn open(disk: &SimulatedDisk) -> Arc<LogDirectory> {
    open_at(disk, "/data")
}

pub(crate) fn open_at(disk: &SimulatedDisk, path: &str) -> Arc<LogDirectory> {
    let options = DirectoryOptions { cluster_id: Some("cluster".to_owned()), node_id: NODE };
    LogDirectory::open(Disk::Simulated(disk.clone()), Path::new(path), &options).unwrap()
}

fn batch(values: &[&str]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Offset::ZERO, Compression::None);
    for value in values {
        builder.append(NOW_MS, None, Some(value.as_bytes()), &[]).unwrap();
    }
    builder.finish().unwrap().to_vec()
}

pub(crate) fn append(partition: &Partition, values: &[&str]) -> Result<Appended, AppendError> {
    let origin = Origin::Client { transactional_id: None, produce_version: 13 };
    partition.append(&batch(values), Acks::All, origin, NOW_MS)
}

fn readable(partition: &Partition) -> usize {
    partition.read(Offset::ZERO, 1 << 20, Isolation::ReadUncommitted, true).unwrap().size()
}

fn poll(
    ticket: &mut std::pin::Pin<Box<impl Future<Output = Result<(), Offline>>>>,
) -> Poll<Result<(), Offline>> {
    ticket.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

pub(crate) fn topic(number: u128, name: &'static str) -> MetadataRecord {
    let name = Text::from_static(name);
    MetadataRecord::Topic(TopicRecord { name, topic_id: id(number), ..TopicRecord::default() })
}

pub(crate) fn led_by(topic: u128, index: i32, leader: i32, leader_epoch: i32) -> MetadataRecord {
    MetadataRecord::Partition(PartitionRecord {
        partition_id: index,
        topic_id: id(topic),
        replicas: vec![leader],
        isr: vec![leader],
        directories: vec![id(9)],
        leader,
        leader_epoch,
        ..PartitionRecord::default()
    })
}

pub(crate) fn setting(topic: &'static str, name: &'static str, value: &'static str) -> MetadataRecord {
    MetadataRecord::Config(ConfigRecord {
        resource_type: 2,
        resource_name: Text::from_static(topic),
        name: Text::from_static(name),
        value: Some(Text::from_static(value)),
        ..ConfigRecord::default()
    })
}

/// A setting of one broker, or with the empty name of all.
fn broker_setting(broker: &'static str, name: &'static str, value: Option<&'static str>) -> MetadataRecord {
    MetadataRecord::Config(ConfigRecord {
        resource_type: 4,
        resource_name: Text::from_static(broker),
        name: Text::from_static(name),
        value: value.map(Text::from_static),
        ..ConfigRecord::default()
    })
}

pub(crate) fn image(records: &[MetadataRecord]) -> Image {
    let mut image = Image::default();
    records.iter().for_each(|record| image.replay(record));
    image
}

/// One partition whose commits are made by the test, not by a thread.
struct ByHand {
    disk: SimulatedDisk,
    directory: Arc<LogDirectory>,
    partition: Arc<Partition>,
}

impl ByHand {
    fn on(disk: &SimulatedDisk, settings: &[(&str, &str)]) -> ByHand {
        let directory = open(disk);
        let config = TopicConfig::resolve(settings.iter().copied(), &defaults());
        let rules = Arc::new(Rules::of(&config, 86_400_000));
        let log = directory.open_log(&TopicPartition::new("t", 0), id(1), rules.log, 1).unwrap();
        let image = image(&[topic(1, "t"), led_by(1, 0, NODE.0, 0)]);
        let partition = Arc::new(Partition::new(log, image.partition("t", 0).unwrap(), rules));
        ByHand { disk: disk.clone(), directory, partition }
    }

    fn commit(&self) {
        match self.directory.commit_queue().sync_waiting() {
            Ok(synced) => synced.iter().for_each(|it| self.partition.advance(it.durable_end)),
            Err(_) => self.partition.fail(),
        }
    }
}

#[test]
fn nothing_is_seen_or_promised_before_it_is_durable() {
    let it = ByHand::on(&SimulatedDisk::new(1), &[]);
    let appended = append(&it.partition, &["a", "b"]).unwrap();
    assert_eq!(appended.wait, Some(Offset(2)));
    assert_eq!(it.partition.high_watermark(), Offset::ZERO);
    assert_eq!(it.partition.log_end_offset(), Offset(2));
    assert_eq!(readable(&it.partition), 0);

    it.commit();
    assert_eq!(it.partition.high_watermark(), Offset(2));
    assert_eq!(readable(&it.partition), batch(&["a", "b"]).len());
}

#[test]
fn who_watches_is_told_of_whatever_changes_for_readers() {
    let it = ByHand::on(&SimulatedDisk::new(12), &[("segment.bytes", "1048576"), ("retention.ms", "1000")]);
    let watch = Arc::new(Watch::default());
    let watched = it.partition.watch(&watch, 5);
    let told = || watch.take() == [5];
    append(&it.partition, &["a", "b", "c"]).unwrap();
    assert!(!told(), "what is not durable is not there for readers");
    it.commit();
    assert!(told());
    it.partition.delete_records(1, NOW_MS).unwrap();
    assert!(told());
    it.partition.retain(NOW_MS + 10).unwrap();
    assert!(!told(), "nothing was too old");
    it.partition.retain(NOW_MS + 10_000).unwrap();
    assert!(told());
    let lead = |epoch| {
        it.partition.lead_as(image(&[topic(1, "t"), led_by(1, 0, NODE.0, epoch)]).partition("t", 0).unwrap())
    };
    lead(1);
    assert!(told());
    lead(1);
    assert!(!told(), "it is the same epoch");
    it.partition.fail();
    assert!(told());
    drop(watched);
    it.partition.fail();
    assert!(!told(), "it is watched no longer");
}

#[test]
fn a_ticket_waits_for_the_commit_that_has_its_offset() {
    let it = ByHand::on(&SimulatedDisk::new(2), &[]);
    append(&it.partition, &["a"]).unwrap();
    let mut first = Box::pin(it.partition.ticket(Offset(1)).reached());
    let mut beyond = Box::pin(it.partition.ticket(Offset(2)).reached());
    assert_eq!(poll(&mut first), Poll::Pending);
    it.commit();
    assert_eq!(poll(&mut first), Poll::Ready(Ok(())));
    assert_eq!(poll(&mut beyond), Poll::Pending);
    assert!(it.partition.ticket(Offset(1)).is_ready());
}

#[test]
fn a_failed_sync_fails_the_tickets_and_refuses_what_comes_after() {
    let it = ByHand::on(&SimulatedDisk::new(3), &[]);
    append(&it.partition, &["a"]).unwrap();
    let mut waiting = Box::pin(it.partition.ticket(Offset(1)).reached());
    it.disk.fail_syncs(Some(io::ErrorKind::Other));
    it.commit();
    assert_eq!(poll(&mut waiting), Poll::Ready(Err(Offline)));
    assert_eq!(it.partition.high_watermark(), Offset::ZERO);

    // A disk that works again is not trusted again: nobody knows what it holds.
    it.disk.fail_syncs(None);
    let refused = append(&it.partition, &["b"]);
    assert!(matches!(refused, Err(AppendError::Log(ottla_storage::AppendError::Storage(_)))), "{refused:?}");
    assert!(matches!(it.partition.ticket(Offset(1)), Ticket::Ready(Err(Offline))));
}

#[test]
fn a_power_cut_takes_only_what_was_not_promised() {
    for seed in 0..50 {
        let disk = SimulatedDisk::new(seed);
        let it = ByHand::on(&disk, &[]);
        append(&it.partition, &["a", "b"]).unwrap();
        it.commit();
        append(&it.partition, &["c"]).unwrap();
        let promised = it.partition.high_watermark();
        drop(it);
        disk.power_cut();

        let it = ByHand::on(&disk, &[]);
        assert!(promised <= it.partition.high_watermark(), "seed {seed}");
        assert!(it.partition.high_watermark() <= Offset(3), "seed {seed}");
        // What recovery found counts as durable, so it is: a second cut takes nothing of it.
        let found = it.partition.high_watermark();
        drop(it);
        disk.power_cut();
        let again = ByHand::on(&disk, &[]).partition.high_watermark();
        assert_eq!(again, found, "seed {seed}");
    }
}

#[test]
fn the_high_watermark_never_goes_back() {
    let it = ByHand::on(&SimulatedDisk::new(4), &[]);
    it.partition.advance(Offset(5));
    it.partition.advance(Offset(3));
    assert_eq!(it.partition.high_watermark(), Offset(5));
}

#[test]
fn with_many_flush_messages_the_page_cache_is_enough() {
    let it = ByHand::on(&SimulatedDisk::new(5), &[("flush.messages", "9223372036854775807")]);
    let appended = append(&it.partition, &["a"]).unwrap();
    assert_eq!(appended.wait, None);
    assert_eq!(it.partition.high_watermark(), Offset(1));
    assert_eq!(readable(&it.partition), batch(&["a"]).len());
}

#[test]
fn no_more_replicas_are_asked_for_than_are_assigned() {
    let it = ByHand::on(&SimulatedDisk::new(6), &[("min.insync.replicas", "2")]);
    append(&it.partition, &["a"]).unwrap();

    let mut records = [topic(1, "t"), led_by(1, 0, NODE.0, 0)];
    if let MetadataRecord::Partition(record) = &mut records[1] {
        record.replicas = vec![1, 2, 3];
        record.directories = vec![id(9); 3];
    }
    it.partition.lead_as(image(&records).partition("t", 0).unwrap());
    let refused = append(&it.partition, &["b"]);
    assert!(matches!(refused, Err(AppendError::NotEnoughReplicas { in_sync: 1, wanted: 2 })), "{refused:?}");
}

/// A coordinator's append: a transactional record of the producer, or the marker that ends its transaction.
fn transact(partition: &Partition, producer: i64, ends: Option<bool>) -> Offset {
    let (id, epoch) = (ProducerId(producer), ProducerEpoch(0));
    let batch = match ends {
        Some(commit) => {
            let marker = EndTransactionMarker { commit, coordinator_epoch: 0 };
            BatchBuilder::end_transaction(Offset::ZERO, LeaderEpoch(0), NOW_MS, id, epoch, marker).unwrap()
        }
        None => {
            let builder = BatchBuilder::new(Offset::ZERO, Compression::None).producer(id, epoch, 0);
            let mut builder = builder.transactional(true);
            builder.append(NOW_MS, None, Some(b"in a transaction"), &[]).unwrap();
            builder.finish().unwrap()
        }
    };
    partition.append(&batch, Acks::All, Origin::Coordinator, NOW_MS).unwrap().base_offset
}

/// What a read-committed consumer gets from `from` on: bytes, and the aborted transactions.
fn committed(partition: &Partition, from: i64) -> (usize, Vec<(i64, i64)>) {
    let read = partition.read(Offset(from), 1 << 20, Isolation::ReadCommitted, true).unwrap();
    let aborted = read.aborted.as_ref().expect("the list is there for read-committed consumers");
    (read.size(), aborted.iter().map(|(id, first)| (id.0, first.0)).collect())
}

#[test]
fn a_read_committed_consumer_sees_what_is_stable_and_is_told_what_was_aborted() {
    let disk = SimulatedDisk::new(11);
    let mut it = ByHand::on(&disk, &[("segment.bytes", "1048576")]);
    append(&it.partition, &["plain"]).unwrap();
    transact(&it.partition, 7, None);
    transact(&it.partition, 8, None);
    it.commit();
    let stable = |partition: &Partition| partition.last_stable_offset().unwrap().0;
    assert_eq!((stable(&it.partition), it.partition.high_watermark().0), (1, 3));
    assert_eq!(committed(&it.partition, 0), (batch(&["plain"]).len(), vec![]));
    assert_eq!(committed(&it.partition, 1), (0, vec![]));
    let latest = |partition: &Partition, isolation| {
        partition.find_offset(OffsetSpec::Latest, isolation).unwrap().unwrap().offset.0
    };
    assert_eq!(latest(&it.partition, Isolation::ReadCommitted), 1);
    assert_eq!(latest(&it.partition, Isolation::ReadUncommitted), 3);

    // The marker counts once it is durable.
    transact(&it.partition, 7, Some(false));
    assert_eq!(stable(&it.partition), 1);
    it.commit();
    assert_eq!(stable(&it.partition), 2);
    assert_eq!(committed(&it.partition, 0).1, [(7, 1)]);
    transact(&it.partition, 8, Some(true));
    it.commit();
    assert_eq!(stable(&it.partition), 5);
    assert_eq!((committed(&it.partition, 0).1, committed(&it.partition, 4).1), (vec![(7, 1)], vec![]));

    // An open transaction stays one over a power cut and over a stop in order; so does an aborted one.
    transact(&it.partition, 9, None);
    it.commit();
    for in_order in [false, true] {
        if in_order {
            it.directory.close(1).unwrap();
        } else {
            disk.power_cut();
        }
        drop(it);
        it = ByHand::on(&disk, &[]);
        assert_eq!((stable(&it.partition), it.partition.high_watermark().0), (5, 6), "{in_order}");
        assert_eq!(committed(&it.partition, 0).1, [(7, 1)], "{in_order}");
    }
    // A deletion may pass what is unstable, but no reader goes back behind the log's start.
    it.partition.delete_records(6, NOW_MS).unwrap();
    assert_eq!((stable(&it.partition), committed(&it.partition, 6)), (6, (0, vec![])));
}

/// All partitions of a node, with the thread that commits.
pub(crate) fn start(disk: &SimulatedDisk) -> Arc<Partitions> {
    Partitions::start(NODE, Directories::one(open(disk)).unwrap(), BrokerConfig::default()).unwrap()
}

#[tokio::test]
async fn the_committer_reaches_the_offset_of_every_append() {
    let partitions = start(&SimulatedDisk::new(7));
    let image = image(&[topic(1, "t"), led_by(1, 0, NODE.0, 0)]);
    let partition = partitions.get_or_open(&image, image.topic("t").unwrap(), 0).unwrap();
    for count in 1..=20 {
        append(&partition, &["a"]).unwrap();
        partition.ticket(Offset(count)).reached().await.unwrap();
        assert!(Offset(count) <= partition.high_watermark());
    }
    partitions.close(1).unwrap();
}

#[tokio::test]
async fn a_failed_disk_takes_all_partitions_offline() {
    let disk = SimulatedDisk::new(8);
    let partitions = start(&disk);
    let image = image(&[topic(1, "t"), led_by(1, 0, NODE.0, 0), led_by(1, 1, NODE.0, 0)]);
    let topic = image.topic("t").unwrap();
    let partition = partitions.get_or_open(&image, topic, 0).unwrap();
    let other = partitions.get_or_open(&image, topic, 1).unwrap();
    disk.fail_syncs(Some(io::ErrorKind::Other));
    append(&partition, &["a"]).unwrap();
    assert_eq!(partition.ticket(Offset(1)).reached().await, Err(Offline));
    // Another partition's ticket fails too, now or when the news has reached it.
    assert_eq!(other.ticket(Offset(1)).reached().await, Err(Offline));
    assert!(append(&other, &["a"]).is_err());
}

#[test]
fn following_the_cluster_opens_changes_and_deletes() {
    let disk = SimulatedDisk::new(9);
    let partitions = start(&disk);
    let empty = Image::default();
    let one = image(&[topic(1, "t"), led_by(1, 0, NODE.0, 3), led_by(1, 1, 2, 0)]);
    let follow = |before: &Image, now: &Image| partitions.follow(now, &now.changes_since(before), NOW_MS);

    assert!(follow(&empty, &one).is_empty());
    let partition = partitions.get(id(1), 0).expect("it is led here");
    assert_eq!(partition.leader_epoch(), LeaderEpoch(3));
    assert!(partitions.get(id(1), 1).is_none(), "it is led elsewhere");
    let elsewhere = partitions.get_or_open(&one, one.topic("t").unwrap(), 1);
    assert!(matches!(elsewhere, Err(OpenError::NotHere { .. })));

    let mut two = one.clone();
    [
        led_by(1, 0, NODE.0, 4),
        setting("t", "max.message.bytes", "80"),
        setting("t", "file.delete.delay.ms", "1"),
    ]
    .iter()
    .for_each(|it| two.replay(it));
    assert!(follow(&one, &two).is_empty());
    assert_eq!(partition.leader_epoch(), LeaderEpoch(4));
    append(&partition, &["small"]).unwrap();
    assert!(append(&partition, &["too large for eighty bytes"]).is_err());

    let mut waiting = Box::pin(partition.ticket(Offset(100)).reached());
    assert_eq!(poll(&mut waiting), Poll::Pending);
    // Deleted and created again in one step: another topic, and none of the first one's records.
    let mut three = two.clone();
    let removed = RemoveTopicRecord { topic_id: id(1), ..RemoveTopicRecord::default() };
    [MetadataRecord::RemoveTopic(removed), topic(2, "t"), led_by(2, 0, NODE.0, 0)]
        .iter()
        .for_each(|it| three.replay(it));
    assert!(follow(&two, &three).is_empty());
    assert!(partitions.get(id(1), 0).is_none());
    let again = partitions.get(id(2), 0).expect("it is led here");
    assert_eq!(again.log_end_offset(), Offset::ZERO);
    assert!(append(&partition, &["into what is deleted"]).is_err());
    assert_eq!(poll(&mut waiting), Poll::Ready(Err(Offline)), "nobody waits for what is gone");
    append(&again, &["a"]).unwrap();
    let folders = |now_ms| {
        partitions.remove_deleted(now_ms);
        let entries = Disk::Simulated(disk.clone()).list(Path::new("/data")).unwrap();
        entries.iter().filter(|entry| entry.name.ends_with("-delete")).count()
    };
    assert_eq!((folders(NOW_MS + 59_999), folders(NOW_MS + 60_000)), (1, 0), "by the broker's setting");
    partitions.close(1).unwrap();
}

#[test]
fn many_partitions_are_opened_closed_and_deleted_together() {
    const COUNT: i32 = 300;
    let disk = SimulatedDisk::new(21);
    let records = (0..COUNT).map(|index| led_by(1, index, NODE.0, 0));
    let there = image(&[topic(1, "t")].into_iter().chain(records).collect::<Vec<_>>());
    let gone = Image::default();
    let follow = |partitions: &Partitions, now: &Image, before: &Image| {
        assert!(partitions.follow(now, &now.changes_since(before), NOW_MS).is_empty());
    };
    let end = |partitions: &Partitions, index| partitions.get(id(1), index).unwrap().log_end_offset();

    let partitions = start(&disk);
    follow(&partitions, &there, &gone);
    for index in 0..COUNT {
        append(&partitions.get(id(1), index).unwrap(), &["a"]).unwrap();
    }
    partitions.close(1).unwrap();
    disk.power_cut();

    let partitions = start(&disk);
    follow(&partitions, &there, &gone);
    for index in 0..COUNT {
        assert_eq!(end(&partitions, index), Offset(1), "what was closed in order is durable: {index}");
        append(&partitions.get(id(1), index).unwrap(), &["b"]).unwrap();
    }
    disk.power_cut();

    let partitions = start(&disk);
    follow(&partitions, &there, &gone);
    let recovered: Vec<Offset> = (0..COUNT).map(|index| end(&partitions, index)).collect();
    disk.power_cut();

    let partitions = start(&disk);
    follow(&partitions, &there, &gone);
    for (index, recovered) in (0..COUNT).zip(recovered) {
        assert_eq!(end(&partitions, index), recovered, "what recovery showed is durable: {index}");
    }
    follow(&partitions, &gone, &there);
    assert!(partitions.all().is_empty());
    assert!(partitions.directories().home(&TopicPartition::new("t", 7)).is_none());
    disk.power_cut();
    let names = Disk::Simulated(disk).list(Path::new("/data")).unwrap();
    // A journal that was removed may have left its folder, under a name of this kind too.
    let is_deleted = |name: &str| name.starts_with("t-") && name.ends_with("-delete");
    let deleted = names.iter().filter(|entry| is_deleted(&entry.name)).count();
    assert_eq!(deleted, COUNT as usize);
}

#[test]
fn what_a_running_broker_is_told_counts_at_once_unless_the_topic_says_otherwise() {
    let partitions = start(&SimulatedDisk::new(10));
    let mut before = Image::default();
    let mut image =
        image(&[topic(1, "t"), led_by(1, 0, NODE.0, 0), topic(2, "own"), led_by(2, 0, NODE.0, 0)]);
    image.replay(&setting("own", "max.message.bytes", "200"));
    assert!(partitions.follow(&image, &image.changes_since(&before), NOW_MS).is_empty());
    let (plain, own) = (partitions.get(id(1), 0).expect("open"), partitions.get(id(2), 0).expect("open"));
    let takes =
        |partition: &Partition| append(partition, &["more than eighty bytes with its header"]).is_ok();

    for (record, plain_takes) in [
        (broker_setting("", "message.max.bytes", Some("80")), false),
        (broker_setting("1", "message.max.bytes", Some("500")), true),
        (broker_setting("2", "message.max.bytes", Some("80")), true),
        (broker_setting("1", "message.max.bytes", None), false),
        (broker_setting("", "message.max.bytes", None), true),
    ] {
        before = image.clone();
        image.replay(&record);
        partitions.follow(&image, &image.changes_since(&before), NOW_MS);
        assert_eq!((takes(&plain), takes(&own)), (plain_takes, true), "{record:?}");
    }
    partitions.close(1).unwrap();
}

#[tokio::test]
async fn a_failed_directory_takes_only_its_own_partitions_offline() {
    let disks: Vec<SimulatedDisk> = (20..22).map(SimulatedDisk::new).collect();
    let members: Vec<_> = disks.iter().zip(["/a", "/b"]).map(|(disk, path)| open_at(disk, path)).collect();
    let metadata = Arc::clone(&members[0]);
    let members = members.into_iter().map(|it| (it.path().to_owned(), Ok(it))).collect();
    let directories = Directories::new(members, metadata).unwrap();
    let failed_id = directories.states()[1].directory.as_ref().unwrap().id();
    let partitions = Partitions::start(NODE, directories, BrokerConfig::default()).unwrap();
    let image = image(&[topic(1, "t"), led_by(1, 0, NODE.0, 0), led_by(1, 1, NODE.0, 0)]);
    let topic = image.topic("t").unwrap();
    let stays = partitions.get_or_open(&image, topic, 0).unwrap();
    let fails = partitions.get_or_open(&image, topic, 1).unwrap();
    // The metadata said nothing of directories.
    assert_eq!(partitions.news().next(10).await.placed.len(), 2);

    append(&fails, &["a"]).unwrap();
    fails.ticket(Offset(1)).reached().await.unwrap();
    disks[1].fail_writes(Some(io::ErrorKind::Other));
    append(&fails, &["b"]).unwrap_err();
    partitions.checkpoint(NOW_MS);
    assert_eq!(partitions.news().next(10).await.failed, [failed_id]);
    assert_eq!(fails.ticket(Offset(2)).reached().await, Err(Offline));
    let read = fails.read(Offset::ZERO, 1 << 20, Isolation::ReadUncommitted, true);
    assert!(read.unwrap_err().to_string().contains("is offline"));

    append(&stays, &["a"]).unwrap();
    stays.ticket(Offset(1)).reached().await.unwrap();
    assert!(0 < readable(&stays));
    partitions.tidy(NOW_MS);
    partitions.close(1).unwrap();
}

#[test]
fn a_partition_whose_directory_is_offline_is_not_begun_anew_in_another() {
    let disk = SimulatedDisk::new(40);
    let works = open_at(&disk, "/a");
    let members = vec![
        (works.path().to_owned(), Ok(Arc::clone(&works))),
        (Path::new("/b").to_owned(), Err("it cannot be read".to_owned())),
    ];
    let directories = Directories::new(members, Arc::clone(&works)).unwrap();
    let partitions = Partitions::start(NODE, directories, BrokerConfig::default()).unwrap();
    let mut records = [topic(1, "t"), led_by(1, 0, NODE.0, 0), led_by(1, 1, NODE.0, 0)];
    if let MetadataRecord::Partition(record) = &mut records[2] {
        record.directories = vec![ottla_metadata::DirectoryId::UNASSIGNED];
    }
    let image = image(&records);
    // The first is in a directory that does not work, or in none of these; the second was never placed.
    let failed = partitions.follow(&image, &image.changes_since(&Image::default()), NOW_MS);
    let told: Vec<String> = failed.iter().map(|(name, error)| format!("{name}: {error}")).collect();
    assert!(
        told.len() == 1 && told[0].starts_with("t-0: ") && told[0].contains("it cannot be read"),
        "{told:?}"
    );
    assert!(partitions.get_or_open(&image, image.topic("t").unwrap(), 0).is_err());
    assert_eq!(works.partitions().unwrap(), [TopicPartition::new("t", 1)]);
    partitions.close(1).unwrap();
}

#[test]
fn a_partition_that_is_opened_by_an_old_image_has_the_configuration_that_was_followed() {
    let partitions = start(&SimulatedDisk::new(11));
    let old = image(&[topic(1, "t"), led_by(1, 0, NODE.0, 0)]);
    let mut new = old.clone();
    new.replay(&setting("t", "max.message.bytes", "80"));
    partitions.follow(&new, &new.changes_since(&old), NOW_MS);
    let partition = partitions.get_or_open(&old, old.topic("t").unwrap(), 0).unwrap();
    assert!(append(&partition, &["more than eighty bytes with its header"]).is_err());
    partitions.close(1).unwrap();
}

#[test]
fn a_damaged_partition_is_isolated_and_the_others_go_on() {
    let disk = SimulatedDisk::new(11);
    let image = image(&[topic(1, "t"), led_by(1, 0, NODE.0, 0), led_by(1, 1, NODE.0, 0)]);
    let topic = image.topic("t").unwrap();
    let partitions = start(&disk);
    append(&partitions.get_or_open(&image, topic, 0).unwrap(), &["a"]).unwrap();
    partitions.get_or_open(&image, topic, 1).unwrap();
    partitions.close(1).unwrap();
    let path = Path::new("/data/t-0/partition.metadata");
    let simulated = Disk::Simulated(disk.clone());
    simulated.replace(path, b"nothing that makes sense here, and longer than what belongs here").unwrap();

    let partitions = start(&disk);
    let first = partitions.get_or_open(&image, topic, 0).unwrap_err().to_string();
    assert!(first.contains("/data/t-0/partition.metadata"), "{first}");
    let again = partitions.get_or_open(&image, topic, 0);
    assert!(matches!(again, Err(OpenError::Isolated { ref reason, .. }) if *first == **reason), "{again:?}");
    append(&partitions.get_or_open(&image, topic, 1).unwrap(), &["b"]).unwrap();
}

#[test]
fn a_folder_of_a_topic_that_is_gone_is_set_aside_and_one_of_a_living_topic_is_not() {
    let disk = SimulatedDisk::new(12);
    let old = image(&[topic(1, "t"), led_by(1, 0, NODE.0, 0)]);
    let partitions = start(&disk);
    append(&partitions.get_or_open(&old, old.topic("t").unwrap(), 0).unwrap(), &["a"]).unwrap();
    partitions.close(1).unwrap();

    let both = image(&[topic(1, "u"), led_by(1, 0, NODE.0, 0), topic(2, "t"), led_by(2, 0, NODE.0, 0)]);
    let partitions = start(&disk);
    assert!(partitions.get_or_open(&both, both.topic("t").unwrap(), 0).is_err(), "the files are u's");
    partitions.close(1).unwrap();

    let new = image(&[topic(2, "t"), led_by(2, 0, NODE.0, 0)]);
    let partitions = start(&disk);
    let partition = partitions.get_or_open(&new, new.topic("t").unwrap(), 0).unwrap();
    assert_eq!(partition.log().log_end_offset(), Offset::ZERO);
}

/// Partitions that know the newest metadata, which the test sets.
fn start_with_newest(disk: &SimulatedDisk, first: &Image) -> (Arc<Partitions>, Arc<Mutex<Image>>) {
    let partitions = start(disk);
    let newest = Arc::new(Mutex::new(first.clone()));
    let told = Arc::clone(&newest);
    partitions.look_at(move || Arc::new(told.lock().unwrap().clone()));
    (partitions, newest)
}

#[tokio::test]
async fn a_topic_that_was_created_anew_is_opened_once_the_deletion_of_the_old_one_is_followed() {
    let old = image(&[topic(1, "t"), led_by(1, 0, NODE.0, 0)]);
    let (partitions, newest) = start_with_newest(&SimulatedDisk::new(21), &old);
    partitions.follow(&old, &old.changes_since(&Image::default()), NOW_MS);
    append(&partitions.get_or_open(&old, old.topic("t").unwrap(), 0).unwrap(), &["old"]).unwrap();

    let new = image(&[topic(2, "t"), led_by(2, 0, NODE.0, 0)]);
    *newest.lock().unwrap() = new.clone();
    let early = partitions.get_or_open(&new, new.topic("t").unwrap(), 0);
    assert!(matches!(early, Err(OpenError::NotHere { .. })), "the folder is the old topic's");
    partitions.follow(&new, &new.changes_since(&old), NOW_MS);
    let partition = partitions.get_or_open(&new, new.topic("t").unwrap(), 0).unwrap();
    assert_eq!(partition.topic_id(), new.topic("t").unwrap().id);
    append(&partition, &["new"]).unwrap();
    partition.ticket(Offset(1)).reached().await.unwrap();

    let late = partitions.get_or_open(&old, old.topic("t").unwrap(), 0);
    assert!(matches!(late, Err(OpenError::NotHere { .. })), "a request with the old metadata comes too late");
    assert_eq!(partitions.all().len(), 1);
    append(&partition, &["goes on"]).unwrap();
    partition.ticket(Offset(2)).reached().await.unwrap();
    partitions.close(1).unwrap();
}

#[test]
fn a_request_with_old_metadata_does_not_bring_back_a_deleted_topic() {
    let disk = SimulatedDisk::new(22);
    let old = image(&[topic(1, "t"), led_by(1, 0, NODE.0, 0)]);
    let (partitions, newest) = start_with_newest(&disk, &old);
    partitions.follow(&old, &old.changes_since(&Image::default()), NOW_MS);
    let none = Image::default();
    *newest.lock().unwrap() = none.clone();
    partitions.follow(&none, &none.changes_since(&old), NOW_MS);
    let late = partitions.get_or_open(&old, old.topic("t").unwrap(), 0);
    assert!(matches!(late, Err(OpenError::NotHere { .. })));
    assert!(!Disk::Simulated(disk).exists(Path::new("/data/t-0")).unwrap());
    partitions.close(1).unwrap();
}

#[test]
fn a_topic_that_came_and_went_between_two_images_leaves_no_partition() {
    let disk = SimulatedDisk::new(23);
    let short = image(&[topic(1, "t"), led_by(1, 0, NODE.0, 0)]);
    let (partitions, newest) = start_with_newest(&disk, &short);
    append(&partitions.get_or_open(&short, short.topic("t").unwrap(), 0).unwrap(), &["a"]).unwrap();

    // An older image is followed: the topic is there still.
    let older = Image::default();
    partitions.follow(&older, &older.changes_since(&older), NOW_MS);
    assert_eq!(partitions.all().len(), 1);

    let new = image(&[topic(2, "t"), led_by(2, 0, NODE.0, 0)]);
    *newest.lock().unwrap() = new.clone();
    partitions.follow(&new, &new.changes_since(&older), NOW_MS);
    let partition = partitions.get_or_open(&new, new.topic("t").unwrap(), 0).unwrap();
    assert_eq!(partition.log().log_end_offset(), Offset::ZERO);
    assert_eq!(partitions.all().len(), 1);
    partitions.close(1).unwrap();
}
