//! What the threads of the log cleaner share, and what becomes of a log that cannot be compacted.

use super::*;
use crate::tests::{NODE, NOW_MS, id, led_by, setting, start, topic};
use crate::{Acks, Origin};
use ottla_ids::Offset;
use ottla_metadata::{Image, MetadataRecord};
use ottla_protocol::records::metadata::RemoveTopicRecord;
use ottla_records::{BatchBuilder, Compression};
use ottla_state_machine::Machine;
use ottla_storage::SimulatedDisk;
use std::path::Path;

#[test]
fn all_threads_together_keep_to_the_rate() {
    let cleaner = Cleaner::default();
    let now = Instant::now();
    assert_eq!(cleaner.pause(500, 1000.0, now), Duration::from_millis(500));
    assert_eq!(cleaner.pause(500, 1000.0, now), Duration::from_secs(1));
    assert_eq!(cleaner.pause(100, 1000.0, now + Duration::from_secs(2)), Duration::from_millis(100));
    assert_eq!(cleaner.pause(usize::MAX, f64::MAX, now + Duration::from_secs(9)), Duration::ZERO);
}

#[test]
fn threads_share_the_memory() {
    let settings = |pairs: &[(&str, &str)]| {
        Settings::of(&BrokerConfig::new(pairs.iter().copied()).expect("valid settings"))
    };
    let one = settings(&[]);
    assert_eq!((one.threads, one.map_bytes, one.buffer_bytes), (1, 128 << 20, 256 << 10));
    let four = settings(&[("log.cleaner.threads", "4")]);
    assert_eq!((four.threads, four.map_bytes, four.buffer_bytes), (4, 32 << 20, 64 << 10));
}

/// A compacted partition with one damaged segment, and the broker of it.
struct Damaged {
    disk: SimulatedDisk,
    partitions: Arc<Partitions>,
    image: Image,
    settings: Settings,
    begin: Instant,
}

/// Within the value of the first record of the first segment.
const DAMAGE: (&str, usize) = ("/data/t-0/00000000000000000000.log", 75);

impl Damaged {
    async fn new() -> Damaged {
        let disk = SimulatedDisk::new(31);
        let partitions = start(&disk);
        let settings = Settings::of(&partitions.broker_config());
        let mut it = Damaged { disk, partitions, image: Image::default(), settings, begin: Instant::now() };
        it.follow(&[
            topic(1, "t"),
            led_by(1, 0, NODE.0, 0),
            setting("t", "cleanup.policy", "compact"),
            setting("t", "segment.ms", "1"),
        ]);
        let partition = it.partitions.get(id(1), 0).unwrap();
        for second in 0..3 {
            let mut builder = BatchBuilder::new(Offset::ZERO, Compression::None);
            builder.append(NOW_MS + second * 1000, Some(b"key"), Some(&[7; 50]), &[]).unwrap();
            let origin = Origin::Client { transactional_id: None, produce_version: 13 };
            partition.append(&builder.finish().unwrap(), Acks::All, origin, NOW_MS).unwrap();
            partition.ticket(Offset(second + 1)).reached().await.unwrap();
        }
        it.partitions.checkpoint(NOW_MS);
        it.flip();
        assert!(!it.clean(0) && it.uncleanable() == 1);
        it
    }

    fn follow(&mut self, records: &[MetadataRecord]) {
        let before = self.image.clone();
        records.iter().for_each(|record| self.image.replay(record));
        let failed = self.partitions.follow(&self.image, &self.image.changes_since(&before), NOW_MS);
        assert!(failed.is_empty(), "{failed:?}");
    }

    /// Damages the segment, or mends it.
    fn flip(&self) {
        self.disk.flip_bit(Path::new(DAMAGE.0), DAMAGE.1).unwrap();
    }

    /// Whether something is compacted so many seconds after the beginning.
    fn clean(&self, seconds: u64) -> bool {
        let now = self.begin + Duration::from_secs(seconds);
        self.partitions.clean_one(&self.settings, || NOW_MS, now, &Stop::default())
    }

    fn uncleanable(&self) -> usize {
        self.partitions.cleaner().lock().uncleanable.len()
    }
}

/// It was tried again only after a restart once.
#[tokio::test]
async fn what_cannot_be_compacted_is_tried_again_after_a_while() {
    let it = Damaged::new().await;
    assert!(!it.clean(UNCLEANABLE_RETRY.as_secs()) && it.uncleanable() == 1, "it is damaged still");
    it.flip();
    assert!(!it.clean(2 * UNCLEANABLE_RETRY.as_secs() - 1), "it is left alone for as long again");
    assert!(it.clean(2 * UNCLEANABLE_RETRY.as_secs()) && it.uncleanable() == 0);
}

#[tokio::test]
async fn what_cannot_be_compacted_is_tried_again_with_another_configuration() {
    let mut it = Damaged::new().await;
    it.flip();
    assert!(!it.clean(1));
    it.follow(&[setting("t", "delete.retention.ms", "5")]);
    assert!(it.clean(1) && it.uncleanable() == 0);

    let mut it = Damaged::new().await;
    it.flip();
    assert!(!it.clean(1));
    it.settings.map_bytes += 1;
    assert!(it.clean(1) && it.uncleanable() == 0);
}

#[tokio::test]
async fn a_deleted_partition_is_not_remembered_as_uncleanable() {
    let mut it = Damaged::new().await;
    let removed = RemoveTopicRecord { topic_id: id(1), ..RemoveTopicRecord::default() };
    it.follow(&[MetadataRecord::RemoveTopic(removed)]);
    assert!(!it.clean(1) && it.uncleanable() == 0);
}
