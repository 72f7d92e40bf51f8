//! The runtime over a log in memory: what waits for what, and what becomes of it when the log refuses.

mod memory;
mod partitions;
mod topics;

use crate::{GroupCoordinator, LogError};
use bytes::Bytes;
use memory::MemoryLog;
use ottla_configs::BrokerConfig;
use ottla_groups::consumer::{self, GroupConfigs, GroupSettings};
use ottla_groups::{
    CommitOffsets, CommitPartition, CommitTopic, FetchOffsets, Heartbeat, Join, JoinAnswer, ListFilter,
    Protocol, Refusal, Settings, TopicOutcome,
};
use ottla_ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Uuid};
use ottla_protocol::Text;
use ottla_records::{BatchBuilder, Compression, EndTransactionMarker};
use std::sync::Arc;
use std::time::Duration;
use topics::no_topics;

const TIMEOUT: Duration = Duration::from_secs(5);

/// The time of all tests, in ms since 1970.
fn now_ms() -> i64 {
    1_750_000_000_000
}

fn coordinator() -> Arc<GroupCoordinator> {
    Arc::new(GroupCoordinator::new(Settings::default(), 1, TIMEOUT, now_ms))
}

/// A coordinator that has loaded `log`.
async fn leading(log: &MemoryLog) -> Arc<GroupCoordinator> {
    let groups = coordinator();
    groups.lead(0, LeaderEpoch(1), log.clone());
    assert!(groups.wait_loaded(0, TIMEOUT).await);
    groups
}

fn commit(partition: i32, offset: i64) -> CommitOffsets {
    CommitOffsets {
        group: "g".into(),
        generation: -1,
        member_id: Text::default(),
        instance_id: None,
        retention_ms: None,
        knows_missing_groups: true,
        topics: vec![CommitTopic {
            name: "t".into(),
            topic_id: Uuid::ZERO,
            partitions: vec![CommitPartition { partition, offset, leader_epoch: -1, metadata: None }],
        }],
    }
}

fn committed(partition: i32) -> Result<Vec<TopicOutcome>, Refusal> {
    Ok(vec![TopicOutcome { name: "t".into(), topic_id: Uuid::ZERO, partitions: vec![(partition, None)] }])
}

fn join(member: &str) -> Join {
    Join {
        group: "g".into(),
        member_id: member.into(),
        instance_id: None,
        client_id: "c".into(),
        client_host: "/192.0.2.1".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".into(),
        protocols: vec![Protocol { name: "range".into(), metadata: Bytes::new() }],
        reason: None,
        requires_member_id: false,
        skips_assignment: false,
        fresh_id: Uuid::from_u128(1),
        cluster: no_topics(),
        settings: GroupSettings::default(),
    }
}

/// All offsets of the group, as text.
async fn offsets(groups: &Arc<GroupCoordinator>) -> Result<String, Refusal> {
    let fetch = FetchOffsets {
        group: "g".into(),
        require_stable: false,
        member_id: None,
        member_epoch: -1,
        topics: None,
    };
    let topics = groups.fetch_offsets(fetch).await?;
    let offsets = topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(move |it| format!("{}-{}={}", topic.name, it.partition, it.offset))
    });
    Ok(offsets.collect::<Vec<_>>().join(" "))
}

/// Lets everything happen that can without time passing.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_waits_for_its_commit() {
    let log = MemoryLog::default();
    let groups = leading(&log).await;
    log.hold_commits(true);
    let asked = tokio::spawn({
        let groups = groups.clone();
        async move { groups.commit_offsets(commit(0, 5)).await }
    });
    settle().await;
    assert_eq!(log.batches(), 1, "it is written");
    assert!(!asked.is_finished(), "but not answered");
    log.hold_commits(false);
    assert_eq!(asked.await.unwrap(), committed(0));
}

#[tokio::test(start_paused = true)]
async fn each_answer_waits_for_its_own_commit() {
    let log = MemoryLog::default();
    let groups = leading(&log).await;
    log.hold_commits(true);
    let mut asked = Vec::new();
    for partition in 0..2 {
        let groups = groups.clone();
        asked.push(tokio::spawn(async move { groups.commit_offsets(commit(partition, 5)).await }));
        settle().await;
    }
    assert_eq!(log.batches(), 2);
    log.commit_to(Offset(1));
    settle().await;
    assert_eq!(asked.iter().map(|it| it.is_finished()).collect::<Vec<_>>(), [true, false]);
    log.hold_commits(false);
    for (partition, asked) in (0..).zip(asked) {
        assert_eq!(asked.await.unwrap(), committed(partition));
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_what_is_not_committed() {
    let log = MemoryLog::default();
    let groups = leading(&log).await;
    log.hold_commits(true);
    let committing = tokio::spawn({
        let groups = groups.clone();
        async move { groups.commit_offsets(commit(0, 5)).await }
    });
    settle().await;
    let reading = tokio::spawn({
        let groups = groups.clone();
        async move { offsets(&groups).await }
    });
    settle().await;
    assert!(!reading.is_finished(), "the reader has seen the offset, so it waits too");
    log.hold_commits(false);
    assert_eq!(reading.await.unwrap(), Ok("t-0=5".into()));
    assert_eq!(committing.await.unwrap(), committed(0));
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_takes_too_long_is_given_up() {
    let log = MemoryLog::default();
    let groups = leading(&log).await;
    log.hold_commits(true);
    assert_eq!(groups.commit_offsets(commit(0, 5)).await, Err(Refusal::CoordinatorNotAvailable));
    log.hold_commits(false);
    assert_eq!(offsets(&groups).await, Ok("t-0=5".into()), "it was written nevertheless");
}

#[tokio::test(start_paused = true)]
async fn what_the_log_refuses_never_was() {
    for (refusal, told) in [
        (LogError::NotEnoughReplicas, Refusal::CoordinatorNotAvailable),
        (LogError::Busy("full".into()), Refusal::CoordinatorNotAvailable),
        (LogError::TooLarge, Refusal::NotWritable),
    ] {
        let log = MemoryLog::default();
        let groups = leading(&log).await;
        assert_eq!(groups.commit_offsets(commit(0, 5)).await, committed(0));
        log.refuse(refusal);
        assert_eq!(groups.commit_offsets(commit(0, 6)).await, Err(told));
        assert_eq!(offsets(&groups).await, Ok("t-0=5".into()));
        assert_eq!(groups.commit_offsets(commit(0, 7)).await, committed(0), "and it goes on");
        assert_eq!(offsets(&leading(&log).await).await, Ok("t-0=7".into()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_is_lost_is_coordinated_no_more() {
    for refusal in [LogError::NotLeader, LogError::Storage("broken".into())] {
        let log = MemoryLog::default();
        let groups = leading(&log).await;
        let joining = tokio::spawn({
            let groups = groups.clone();
            async move { groups.join(Join { group: "h".into(), ..join("") }).await }
        });
        settle().await;
        log.refuse(refusal);
        assert_eq!(groups.commit_offsets(commit(0, 6)).await, Err(Refusal::NotCoordinator));
        assert_eq!(joining.await.unwrap().refusal, Some(Refusal::NotCoordinator), "who waits is told too");
        assert_eq!(offsets(&groups).await, Err(Refusal::NotCoordinator));
        groups.lead(0, LeaderEpoch(1), log.clone());
        assert!(groups.wait_loaded(0, TIMEOUT).await, "it can be led again");
    }
}

#[tokio::test(start_paused = true)]
async fn who_resigns_answers_nobody() {
    let log = MemoryLog::default();
    let groups = leading(&log).await;
    let joining = tokio::spawn({
        let groups = groups.clone();
        async move { groups.join(join("")).await }
    });
    settle().await;
    groups.resign(0, LeaderEpoch(0));
    assert_eq!(groups.partitions(), [0], "an epoch gone by says nothing");
    groups.resign(0, LeaderEpoch(2));
    assert_eq!(joining.await.unwrap().refusal, Some(Refusal::NotCoordinator));
    assert_eq!(offsets(&groups).await, Err(Refusal::NotCoordinator));
}

#[tokio::test(start_paused = true)]
async fn being_told_again_changes_nothing() {
    let log = MemoryLog::default();
    let groups = leading(&log).await;
    let joining = tokio::spawn({
        let groups = groups.clone();
        async move { groups.join(join("")).await }
    });
    settle().await;
    groups.lead(0, LeaderEpoch(1), log.clone());
    groups.lead(0, LeaderEpoch(0), log.clone());
    assert_eq!(joining.await.unwrap().refusal, None, "the join was not forgotten");
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_is_being_loaded_says_so() {
    let log = MemoryLog::default();
    assert_eq!(leading(&log).await.commit_offsets(commit(0, 5)).await, committed(0));
    log.hold_reads(true);
    let groups = coordinator();
    assert_eq!(offsets(&groups).await, Err(Refusal::NotCoordinator), "before it is led");
    groups.lead(0, LeaderEpoch(1), log.clone());
    settle().await;
    assert_eq!(offsets(&groups).await, Err(Refusal::CoordinatorLoadInProgress));
    let heartbeat = Heartbeat {
        group: "g".into(),
        generation: 1,
        member_id: "m".into(),
        instance_id: None,
        cluster: no_topics(),
    };
    assert_eq!(groups.heartbeat(heartbeat).await, Ok(()), "members need not worry");
    assert_eq!(groups.list_groups(ListFilter::default()).await, Err(Refusal::CoordinatorLoadInProgress));
    log.hold_reads(false);
    assert!(groups.wait_loaded(0, TIMEOUT).await);
    assert_eq!(offsets(&groups).await, Ok("t-0=5".into()));
}

#[tokio::test(start_paused = true)]
async fn a_long_log_is_loaded_piece_by_piece() {
    let log = MemoryLog::default();
    let groups = leading(&log).await;
    for offset in 0..200 {
        assert_eq!(groups.commit_offsets(commit(0, offset)).await, committed(0));
    }
    log.read_one_batch_at_a_time();
    assert_eq!(offsets(&leading(&log).await).await, Ok("t-0=199".into()));
}

#[tokio::test(start_paused = true)]
async fn a_log_whose_start_was_cut_is_loaded_from_there() {
    let log = MemoryLog::default();
    let groups = leading(&log).await;
    for partition in 0..3 {
        assert_eq!(groups.commit_offsets(commit(partition, 1)).await, committed(partition));
    }
    log.cut_before(Offset(2));
    assert_eq!(offsets(&leading(&log).await).await, Ok("t-2=1".into()));
}

fn batch(records: &[(&[u8], Option<&[u8]>)]) -> Bytes {
    let mut builder = BatchBuilder::new(Offset::ZERO, Compression::None);
    for (key, value) in records {
        builder.append(0, Some(key), *value, &[]).unwrap();
    }
    builder.finish().unwrap()
}

const OFFSET_KEY: &[u8] = b"\0\x01\0\x01g\0\x01t\0\0\0\0";
const OFFSET_VALUE: &[u8] = b"\0\x03\0\0\0\0\0\0\0\x05\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\0";

#[tokio::test(start_paused = true)]
async fn records_of_unknown_kinds_are_passed_over() {
    let log = MemoryLog::default();
    log.put(batch(&[(b"\x7f\xff?", Some(b"?")), (OFFSET_KEY, Some(OFFSET_VALUE)), (b"\0\x03\0\x01g", None)]));
    assert_eq!(offsets(&leading(&log).await).await, Ok("t-0=5".into()));
}

#[tokio::test(start_paused = true)]
async fn a_damaged_log_is_not_coordinated() {
    let good = batch(&[(OFFSET_KEY, Some(OFFSET_VALUE))]);
    let flipped = |position: usize| {
        let mut bytes = good.to_vec();
        bytes[position] ^= 1;
        Bytes::from(bytes)
    };
    // Whatever the CRC covers, the offset that was committed among it.
    let all_flipped = (ottla_records::HEADER_SIZE..good.len()).map(flipped);
    let others = [good.slice(..good.len() - 1), batch(&[(OFFSET_KEY, Some(b"\0\x03?"))])];
    for damaged in all_flipped.chain(others) {
        let log = MemoryLog::default();
        log.put(damaged);
        let groups = coordinator();
        groups.lead(0, LeaderEpoch(1), log.clone());
        assert!(!groups.wait_loaded(0, TIMEOUT).await);
        assert_eq!(offsets(&groups).await, Err(Refusal::NotCoordinator));
        settle().await;
        assert_eq!(log.holders(), 1, "time alone changes nothing: nobody tries again");
    }
}

fn transactional(producer: i64) -> Bytes {
    let mut builder = BatchBuilder::new(Offset::ZERO, Compression::None)
        .producer(ProducerId(producer), ProducerEpoch(0), 0)
        .transactional(true);
    builder.append(0, Some(OFFSET_KEY), Some(OFFSET_VALUE), &[]).unwrap();
    builder.finish().unwrap()
}

fn marker(producer: i64, commit: bool) -> Bytes {
    let marker = EndTransactionMarker { commit, coordinator_epoch: 0 };
    let (id, epoch) = (ProducerId(producer), ProducerEpoch(0));
    BatchBuilder::end_transaction(Offset::ZERO, LeaderEpoch(0), 0, id, epoch, marker).unwrap()
}

#[tokio::test(start_paused = true)]
async fn offsets_of_a_transaction_count_once_it_is_committed() {
    for (markers, expected) in [
        (vec![], ""),
        (vec![marker(7, false)], ""),
        (vec![marker(8, true)], ""),
        (vec![marker(7, true)], "t-0=5"),
        (vec![marker(7, false), marker(7, true)], ""),
    ] {
        let log = MemoryLog::default();
        log.put(transactional(7));
        markers.into_iter().for_each(|marker| log.put(marker));
        assert_eq!(offsets(&leading(&log).await).await, Ok(expected.into()));
    }
}

#[tokio::test(start_paused = true)]
async fn commits_that_arrive_together_are_written_together() {
    let log = MemoryLog::default();
    let groups = leading(&log).await;
    let asked: Vec<_> = (0..100)
        .map(|partition| {
            let groups = groups.clone();
            tokio::spawn(async move { groups.commit_offsets(commit(partition, 1)).await })
        })
        .collect();
    for (partition, asked) in (0..).zip(asked) {
        assert_eq!(asked.await.unwrap(), committed(partition));
    }
    assert!(log.batches() < 100, "{} batches", log.batches());
    assert_eq!(offsets(&groups).await.unwrap().split(' ').count(), 100);
}

#[tokio::test(start_paused = true)]
async fn no_batch_is_larger_than_the_log_takes() {
    let log = MemoryLog::default();
    let groups = leading(&log).await;
    log.batch_size_max(2_000);
    let asked: Vec<_> = (0..200)
        .map(|partition| {
            let groups = groups.clone();
            tokio::spawn(async move { groups.commit_offsets(commit(partition, 1)).await })
        })
        .collect();
    for asked in asked {
        assert!(asked.await.unwrap().is_ok());
    }
    assert_eq!(groups.delete_groups(vec!["g".into()]).await, [("g".into(), None)]);
    assert!(log.largest_batch() <= 2_000, "{} bytes", log.largest_batch());
    assert_eq!(offsets(&groups).await, Ok(String::new()));
    assert_eq!(offsets(&leading(&log).await).await, Ok(String::new()));
}

#[tokio::test(start_paused = true)]
async fn time_makes_a_rebalance_complete() {
    let log = MemoryLog::default();
    let groups = leading(&log).await;
    let JoinAnswer { refusal, generation, member_id, leader, .. } = groups.join(join("")).await;
    assert_eq!((refusal, generation), (None, 1));
    assert_eq!(member_id, leader);
    let heartbeat = || Heartbeat {
        group: "g".into(),
        generation: 1,
        member_id: member_id.clone(),
        instance_id: None,
        cluster: no_topics(),
    };
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(groups.heartbeat(heartbeat()).await, Ok(()));
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(groups.heartbeat(heartbeat()).await, Err(Refusal::UnknownMemberId));
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_is_not_missed() {
    let log = MemoryLog::default();
    let groups = leading(&log).await;
    let asked = tokio::spawn({
        let groups = groups.clone();
        async move { groups.join(join("")).await }
    });
    settle().await;
    asked.abort();
    let other = Join { fresh_id: Uuid::from_u128(2), ..join("") };
    assert_eq!(groups.join(other).await.generation, 1);
}

#[tokio::test(start_paused = true)]
async fn a_bug_ends_neither_the_partition_nor_others() {
    let log = MemoryLog::default();
    let groups = leading(&log).await;
    assert_eq!(groups.commit_offsets(commit(0, 5)).await, committed(0));
    let waiting = tokio::spawn({
        let groups = groups.clone();
        async move { groups.join(join("")).await }
    });
    settle().await;
    // An id that was there before cannot be made by a random number: it takes a bug.
    assert_eq!(groups.join(join("")).await.refusal, Some(Refusal::NotCoordinator));
    assert_eq!(waiting.await.unwrap().refusal, Some(Refusal::NotCoordinator));
    assert!(groups.wait_loaded(0, TIMEOUT).await);
    assert_eq!(offsets(&groups).await, Ok("t-0=5".into()));
}

#[tokio::test(start_paused = true)]
async fn groups_of_other_partitions_are_coordinated_elsewhere() {
    let groups = Arc::new(GroupCoordinator::new(Settings::default(), 50, TIMEOUT, now_ms));
    groups.lead(groups.partition_for("g"), LeaderEpoch(1), MemoryLog::default());
    assert!(groups.wait_loaded(groups.partition_for("g"), TIMEOUT).await);
    assert_eq!(offsets(&groups).await, Ok(String::new()));
    let described = groups.describe_groups(vec!["g".into(), "h".into()]).await;
    let refusals: Vec<_> = described.iter().map(|it| (it.group.to_string(), it.refusal)).collect();
    assert!(refusals.contains(&("g".into(), Some(Refusal::GroupIdNotFound))), "{refusals:?}");
    assert!(refusals.contains(&("h".into(), Some(Refusal::NotCoordinator))), "{refusals:?}");
    assert!(!groups.wait_loaded(groups.partition_for("h"), TIMEOUT).await);
}

/// Every group is configured with Kafka's defaults.
fn group_configs() -> Arc<dyn GroupConfigs> {
    Arc::new(GroupSettings::default())
}

/// A coordinator of a broker that is configured so, which has loaded `log`.
async fn configured<'a>(
    log: &MemoryLog,
    settings: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Arc<GroupCoordinator> {
    let config = BrokerConfig::new(settings).expect("valid settings");
    let groups = Arc::new(GroupCoordinator::from_config(&config, group_configs, now_ms));
    groups.set_partitions(1);
    groups.lead(0, LeaderEpoch(1), log.clone());
    assert!(groups.wait_loaded(0, TIMEOUT).await);
    groups
}

#[tokio::test(start_paused = true)]
async fn what_lingers_is_written_together() {
    let log = MemoryLog::default();
    let linger = Duration::from_millis(20);
    let groups = configured(&log, [("group.coordinator.append.linger.ms", "20")]).await;
    let started = tokio::time::Instant::now();
    let mut asked = Vec::new();
    for partition in 0..3 {
        let groups = groups.clone();
        asked.push(tokio::spawn(async move { groups.commit_offsets(commit(partition, 5)).await }));
        settle().await;
        assert_eq!(log.batches(), 0, "more may come");
        tokio::time::advance(Duration::from_millis(5)).await;
    }
    for (partition, asked) in (0..).zip(asked) {
        assert_eq!(asked.await.unwrap(), committed(partition));
    }
    assert_eq!(log.batches(), 1);
    assert_eq!(started.elapsed(), linger, "the first waits no longer");
    assert_eq!(offsets(&groups).await.unwrap(), "t-0=5 t-1=5 t-2=5");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_seen_before_what_lingers() {
    let log = MemoryLog::default();
    let groups = configured(&log, [("group.coordinator.append.linger.ms", "3000")]).await;
    let asked = tokio::spawn({
        let groups = groups.clone();
        async move { groups.commit_offsets(commit(0, 5)).await }
    });
    settle().await;
    assert_eq!(offsets(&groups).await.unwrap(), "t-0=5", "who asks sees what was decided before");
    assert_eq!(log.batches(), 1);
    assert_eq!(asked.await.unwrap(), committed(0));
}

#[tokio::test(start_paused = true)]
async fn what_lingers_fills_one_batch_at_most() {
    let log = MemoryLog::default();
    log.batch_size_max(1_000);
    let groups = configured(&log, [("group.coordinator.append.linger.ms", "3000")]).await;
    let asked: Vec<_> = (0..30)
        .map(|partition| {
            let groups = groups.clone();
            tokio::spawn(async move { groups.commit_offsets(commit(partition, 5)).await })
        })
        .collect();
    for (partition, asked) in (0..).zip(asked) {
        assert_eq!(asked.await.unwrap(), committed(partition));
    }
    assert!(log.batches() > 1);
    assert!(log.largest_batch() <= 1_000);
}

#[tokio::test(start_paused = true)]
async fn batches_are_compressed_as_configured() {
    for (codec, compression) in ["0", "1", "2", "3", "4"].into_iter().zip(Compression::ALL) {
        let log = MemoryLog::default();
        let groups = configured(&log, [("offsets.topic.compression.codec", codec)]).await;
        assert_eq!(groups.commit_offsets(commit(0, 5)).await, committed(0));
        assert_eq!(log.compressions(), [compression]);
        let again = leading(&log).await;
        assert_eq!(offsets(&again).await.unwrap(), "t-0=5", "it is read again");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_waits_no_longer_for_its_commit_than_configured() {
    let log = MemoryLog::default();
    let timeout = Duration::from_millis(700);
    let groups = configured(&log, [("offsets.commit.timeout.ms", "700")]).await;
    log.hold_commits(true);
    let started = tokio::time::Instant::now();
    assert_eq!(groups.commit_offsets(commit(0, 5)).await, Err(Refusal::CoordinatorNotAvailable));
    assert_eq!(started.elapsed(), timeout);
    log.hold_commits(false);
    assert_eq!(offsets(&groups).await.unwrap(), "t-0=5", "what was decided stays decided");
}

#[tokio::test(start_paused = true)]
async fn a_log_that_failed_is_coordinated_again_when_it_works_again() {
    let log = MemoryLog::default();
    let groups = leading(&log).await;
    assert_eq!(groups.commit_offsets(commit(0, 5)).await, committed(0));
    log.refuse(LogError::Storage("it is broken".into()));
    assert_eq!(groups.commit_offsets(commit(0, 6)).await, Err(Refusal::NotCoordinator));
    log.fail_reads(true);
    for _ in 0..5 {
        tokio::time::advance(Duration::from_secs(31)).await;
        settle().await;
        assert_eq!(offsets(&groups).await, Err(Refusal::NotCoordinator), "it cannot be read");
    }
    log.fail_reads(false);
    assert!(groups.wait_loaded(0, Duration::from_secs(31)).await);
    assert_eq!(offsets(&groups).await.unwrap(), "t-0=5");
    assert_eq!(groups.commit_offsets(commit(0, 7)).await, committed(0));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_log_that_failed_ends_when_it_is_led_elsewhere() {
    let log = MemoryLog::default();
    let groups = leading(&log).await;
    log.refuse(LogError::Storage("it is broken".into()));
    assert_eq!(groups.commit_offsets(commit(0, 6)).await, Err(Refusal::NotCoordinator));
    settle().await;
    let before = log.holders();
    groups.resign(0, LeaderEpoch(2));
    settle().await;
    assert!(log.holders() < before, "nothing goes on trying");
}

/// The state of the group `g`, of the consumer protocol.
async fn state(groups: &GroupCoordinator) -> &'static str {
    let described = groups.describe_consumers(vec!["g".into()]).await;
    described.first().and_then(|(_, it)| it.as_ref().ok()).map_or("unknown", |it| it.state)
}

#[tokio::test(start_paused = true)]
async fn what_a_group_is_configured_with_counts_when_its_log_is_loaded() {
    let log = MemoryLog::default();
    let groups = leading(&log).await;
    let joined = groups.consumer_heartbeat(consumer::Heartbeat {
        group: "g".into(),
        member_id: "c".into(),
        requires_member_id: true,
        epoch: 0,
        instance_id: None,
        rack_id: None,
        rebalance_timeout_ms: 60_000,
        topics: Some(vec!["t".into()]),
        regex: None,
        assignor: None,
        reported: Some(Default::default()),
        client_id: "c".into(),
        client_host: "/192.0.2.1".into(),
        fresh_id: Uuid::from_u128(1),
        cluster: no_topics(),
        settings: GroupSettings::default(),
    });
    joined.await.expect("it joins");
    groups.resign_all();

    // Meanwhile somebody has given its members less time than others have.
    let configs = || Arc::new(GroupSettings { session_timeout_ms: 3_000, ..Default::default() });
    let config = BrokerConfig::default();
    let groups = GroupCoordinator::from_config(&config, move || configs(), now_ms);
    groups.set_partitions(1);
    groups.lead(0, LeaderEpoch(1), log.clone());
    assert!(groups.wait_loaded(0, TIMEOUT).await);
    assert_eq!(state(&groups).await, "Stable");
    tokio::time::sleep(Duration::from_millis(2_999)).await;
    assert_eq!(state(&groups).await, "Stable");
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(state(&groups).await, "Empty");
}
