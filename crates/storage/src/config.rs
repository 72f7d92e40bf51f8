//! What a topic's configuration means to its logs.

/// The part of a topic's configuration that its logs obey. `Default` is Kafka's default, except that appends
/// are durable before they count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment that would grow beyond it is followed by a new one. At most `i32::MAX`.
    pub segment_bytes: u32,
    /// `segment.ms`: so long after its first record a segment is followed by a new one at the next append.
    pub segment_ms: i64,
    /// `segment.jitter.ms`: by up to so much less a segment may last, so that not all roll at once.
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`: a segment is followed by a new one when its offset index has reached this size.
    pub segment_index_bytes: u32,
    /// `index.interval.bytes`: about one entry in the indexes for so many bytes of records.
    pub index_interval_bytes: u32,
    /// `flush.messages`: after so many records the log is synced. 1: an append counts when it is durable.
    /// More: an append counts at once, and a power cut may take it back.
    pub flush_messages: i64,
    /// `flush.ms`: so long after an append the log is synced, if `flush.messages` did not do it before.
    pub flush_ms: i64,
    /// `preallocate`: a new segment takes room on the disk for `segment_bytes` at once.
    pub preallocate: bool,
    /// `file.delete.delay.ms`: so long the files of a deleted segment or log stay, for those who still read.
    pub file_delete_delay_ms: i64,
    /// `producer.id.expiration.ms` of the broker: so long after its last append an idempotent producer without
    /// an open transaction is forgotten.
    pub producer_id_expiration_ms: i64,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig {
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 3600 * 1000,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: 4096,
            flush_messages: 1,
            flush_ms: i64::MAX,
            preallocate: false,
            file_delete_delay_ms: 60_000,
            producer_id_expiration_ms: 86_400_000,
        }
    }
}

impl LogConfig {
    /// Whether appended records count only once they are durable.
    pub(crate) fn is_durable_first(&self) -> bool {
        self.flush_messages <= 1
    }

    /// The room that a new segment takes at once, in bytes.
    pub(crate) fn reserve(&self) -> Option<u64> {
        self.preallocate.then_some(self.segment_bytes.into())
    }

    /// How long the segment from `base_offset` on of a log may last: `segment.ms` less its share of the
    /// jitter, which follows from `seed` and the offset so that it is the same after a restart.
    pub(crate) fn segment_lifetime_ms(&self, seed: u64, base_offset: i64) -> i64 {
        let jitter_max = self.segment_jitter_ms.min(self.segment_ms);
        if jitter_max <= 0 {
            return self.segment_ms;
        }
        let mixed = (seed ^ base_offset as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.segment_ms - ((mixed >> 24) as i64) % jitter_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_shortens_a_segments_life_by_less_than_its_bound() {
        let config = LogConfig { segment_ms: 1000, segment_jitter_ms: 100, ..LogConfig::default() };
        let lives: std::collections::BTreeSet<i64> =
            (0..100).map(|base| config.segment_lifetime_ms(7, base)).collect();
        assert!(lives.iter().all(|life| 900 < *life && *life <= 1000));
        assert!(lives.len() > 20);
        assert_eq!(LogConfig::default().segment_lifetime_ms(7, 0), 604_800_000);
    }
}
