//! What a fetch gives of each partition, within its limits and by the epochs that the reader names.

use super::super::fetch;
use super::super::read::{Limits, Part, is_enough, read_all, targets};
use super::world::World;
use super::{PARTITIONS, all, append};
use crate::call::Call;
use crate::errors::Refusal;
use crate::fetch_sessions::{FetchSessions, Wanted};
use crate::topics::TopicKey;
use ottla_ids::{LeaderEpoch, Offset};
use ottla_partition::{Isolation, Partition};
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use std::sync::Arc;
use std::time::Duration;

const ALL: usize = 1 << 20;

fn limits(max_bytes: usize) -> Limits {
    Limits { max_bytes, min_bytes: ALL, isolation: Isolation::ReadUncommitted, wait: Duration::ZERO }
}

fn wanted(topic: &'static str, partition: i32) -> Wanted {
    Wanted {
        topic: TopicKey::Name(topic.into()),
        partition,
        fetch_offset: 0,
        current_leader_epoch: -1,
        last_fetched_epoch: -1,
        log_start_offset: -1,
        max_bytes: ALL as i32,
    }
}

#[tokio::test]
async fn the_first_with_records_gives_a_whole_batch_and_all_together_no_more_than_the_limit() {
    let (_partitions, all) = all();
    // Two batches in each but the first.
    for partition in &all[1..] {
        append(partition, 100).await;
        append(partition, 100).await;
    }
    let targets: Vec<Result<Arc<Partition>, Refusal>> = all.into_iter().map(Ok).collect();
    let sizes = |max_bytes: usize, of_each: usize| {
        let wanted: Vec<_> = (0..PARTITIONS)
            .map(|index| Arc::new(Wanted { max_bytes: of_each as i32, ..wanted("t", index) }))
            .collect();
        let parts = read_all(&wanted, &targets, &limits(max_bytes));
        parts.iter().map(|part| part.as_ref().unwrap().size()).collect::<Vec<_>>()
    };
    let one = sizes(1, ALL)[1];
    assert!(100 < one && one < 200);
    assert_eq!(sizes(1, ALL), [0, one, 0, 0, 0, 0]);
    assert_eq!(sizes(ALL, 1), [0, one, 0, 0, 0, 0], "so large a first batch may be, whoever is asked");
    assert_eq!(sizes(2 * one - 1, ALL), [0, one, 0, 0, 0, 0]);
    assert_eq!(sizes(3 * one, ALL), [0, 2 * one, one, 0, 0, 0]);
    assert_eq!(sizes(ALL, one + 10), [0, one, one, one, one, one]);
    assert_eq!(sizes(3 * one, one), [0, one, one, one, 0, 0]);
}

/// Partition 0 of topic `a`, with one record of epoch 0 and one of epoch 2, in which it is led.
fn of_two_epochs() -> World {
    let mut world = World::new(1);
    let partition = world.partition("a", 0).unwrap();
    for epoch in 0..=2 {
        world.elect(&partition, 1);
        world.follow();
        assert_eq!(partition.leader_epoch(), LeaderEpoch(epoch));
        if epoch != 1 {
            World::produce_now(&partition, 10);
        }
    }
    world
}

fn read(world: &World, wanted: Wanted, replica: i32) -> Part {
    let wanted = [Arc::new(wanted)];
    let targets = targets(&wanted, replica, &world.image(), &world.partitions);
    read_all(&wanted, &targets, &limits(ALL)).remove(0)
}

#[tokio::test]
async fn a_reader_whose_log_leaves_this_one_is_told_where_and_need_not_wait() {
    let world = of_two_epochs();
    let diverging = |last_fetched_epoch, fetch_offset| {
        let part = read(&world, Wanted { last_fetched_epoch, fetch_offset, ..wanted("a", 0) }, -1);
        let told = part.as_ref().map(|it| it.diverging).map_err(|refusal| refusal.code);
        assert!(!matches!(told, Ok(Some(_))) || is_enough(&[part], &limits(ALL)));
        told
    };
    let back_to_first = Ok(Some((LeaderEpoch(0), Offset(1))));
    assert_eq!((diverging(-1, 2), diverging(0, 1), diverging(2, 2)), (Ok(None), Ok(None), Ok(None)));
    assert_eq!(diverging(0, 2), back_to_first, "it has a record too many of that epoch");
    assert_eq!(diverging(1, 1), back_to_first, "of that epoch there is nothing here");
    assert_eq!(diverging(3, 2), Err(ErrorCode::OffsetOutOfRange));
}

#[tokio::test]
async fn who_knows_another_epoch_or_is_no_replica_is_refused() {
    let world = of_two_epochs();
    let refusal = |current_leader_epoch, replica| {
        let part = read(&world, Wanted { current_leader_epoch, ..wanted("a", 0) }, replica);
        part.err().map(|refusal| refusal.code)
    };
    assert_eq!((refusal(-1, -1), refusal(2, -1)), (None, None));
    assert_eq!(refusal(1, -1), Some(ErrorCode::FencedLeaderEpoch));
    assert_eq!(refusal(3, -1), Some(ErrorCode::UnknownLeaderEpoch));
    assert_eq!((refusal(-1, 1), refusal(2, 1)), (None, None), "it is assigned");
    assert_eq!(refusal(-1, 5), Some(ErrorCode::NotLeaderOrFollower));
    assert_eq!(refusal(2, 5), Some(ErrorCode::UnknownLeaderEpoch), "it may know something newer");
}

#[tokio::test]
async fn what_is_not_there_is_told_last_and_with_an_empty_list_of_transactions() {
    let world = World::new(2);
    let topics = ["nowhere", "a"].map(|topic| FetchTopic {
        topic: topic.into(),
        partitions: vec![FetchPartition {
            fetch_offset: 99,
            partition_max_bytes: 1000,
            ..Default::default()
        }],
        ..Default::default()
    });
    let request = FetchRequest { topics: topics.into(), session_epoch: -1, ..Default::default() };
    let sessions = FetchSessions::new(1);
    let call = Call::of_version(12);
    let fetched = fetch(&call, request, world.newest(), &world.partitions, &sessions, ALL, || 0).await;
    let told: Vec<_> = fetched
        .response
        .responses
        .iter()
        .flat_map(|it| {
            it.partitions.iter().map(|part| (&*it.topic, part.error_code, &part.aborted_transactions))
        })
        .collect();
    let (out_of_range, unknown) = (ErrorCode::OffsetOutOfRange, ErrorCode::UnknownTopicOrPartition);
    assert_eq!(told, [("a", out_of_range.into(), &None), ("nowhere", unknown.into(), &Some(Vec::new()))]);
}
