use super::*;
use crate::{BatchBuilder, Compression, ControlType, Header, TimestampType};
use bytes::Bytes;

/// Three records: with key and value, without a key, and a tombstone with headers.
fn three(compression: Compression) -> Bytes {
    let mut builder = BatchBuilder::new(Offset(40), compression);
    builder.append(1000, Some(b"k"), Some(b"v"), &[]).unwrap();
    builder.append(900, None, Some(&b"value".repeat(50)), &[]).unwrap();
    let headers = [Header { key: b"a", value: Some(b"1") }, Header { key: b"b", value: None }];
    builder.append(1100, Some(b""), None, &headers).unwrap();
    builder.finish().unwrap()
}

#[test]
fn what_is_built_is_read() {
    for compression in Compression::ALL {
        let bytes = three(compression);
        let view = BatchView::parse(&bytes).unwrap();
        view.check_crc().unwrap();
        assert_eq!(view.size(), bytes.len());
        assert_eq!(view.compression(), compression);
        assert_eq!(
            (view.base_offset(), view.last_offset(), view.record_count()),
            (Offset(40), Offset(42), 3)
        );
        assert_eq!((view.base_timestamp(), view.max_timestamp()), (1000, 1100));

        let records = view.records(1 << 20).unwrap();
        let records: Vec<_> = records.iter().map(|record| record.unwrap()).collect();
        assert_eq!(records.iter().map(|r| r.offset.0).collect::<Vec<_>>(), [40, 41, 42]);
        assert_eq!(records.iter().map(|r| r.timestamp).collect::<Vec<_>>(), [1000, 900, 1100]);
        assert_eq!((records[0].key, records[0].value), (Some(&b"k"[..]), Some(&b"v"[..])));
        assert_eq!(records[1].key, None);
        assert_eq!((records[2].key, records[2].value), (Some(&b""[..]), None));
        let headers: Vec<_> = records[2].headers.collect();
        assert_eq!(headers, [Header { key: b"a", value: Some(b"1") }, Header { key: b"b", value: None }]);
    }
}

#[test]
fn a_patched_prefix_is_a_batch_with_the_rest_of_the_old() {
    let bytes = three(Compression::None);
    let view = BatchView::parse(&bytes).unwrap();
    for append_time in [None, Some(123_456)] {
        let mut patched = patched_prefix(&view, Offset(7), LeaderEpoch(3), append_time).to_vec();
        patched.extend_from_slice(view.body());
        let view = BatchView::parse(&patched).unwrap();
        view.check_crc().unwrap();
        assert_eq!((view.base_offset(), view.leader_epoch()), (Offset(7), LeaderEpoch(3)));
        let times: Vec<_> =
            view.records(1 << 20).unwrap().iter().map(|record| record.unwrap().timestamp).collect();
        match append_time {
            None => assert_eq!(times, [1000, 900, 1100]),
            Some(now) => {
                assert_eq!(view.timestamp_type(), TimestampType::LogAppendTime);
                assert_eq!(times, [now; 3]);
            }
        }
    }
}

#[test]
fn a_new_append_time_does_not_hide_damage() {
    let mut bytes = three(Compression::None).to_vec();
    bytes[80] ^= 1;
    let view = BatchView::parse(&bytes).unwrap();
    let mut patched = patched_prefix(&view, Offset(7), LeaderEpoch(3), Some(5)).to_vec();
    patched.extend_from_slice(view.body());
    assert!(BatchView::parse(&patched).unwrap().check_crc().is_err());
}

#[test]
fn batches_follow_one_another_and_a_cut_one_is_told() {
    let one = three(Compression::Zstd);
    let mut log = [&one[..], &one[..], &one[..50]].concat();
    let sizes: Vec<_> = batches(&log).map(|batch| batch.map(|view| view.size())).collect();
    assert_eq!(sizes.len(), 3);
    assert_eq!((&sizes[0], &sizes[1]), (&Ok(one.len()), &Ok(one.len())));
    assert_eq!(sizes[2], Err(BatchError::Truncated { needed: HEADER_SIZE, available: 50 }));
    log.truncate(one.len() * 2);
    assert_eq!(batches(&log).filter(|batch| batch.is_ok()).count(), 2);
}

#[test]
fn control_batches_are_told_by_their_keys() {
    let mut builder = BatchBuilder::control(Offset(5)).leader_epoch(LeaderEpoch(2));
    builder.append_control(10, ControlType::LeaderChange, b"\0\0value").unwrap();
    let bytes = builder.finish().unwrap();
    let view = BatchView::parse(&bytes).unwrap();
    assert!(view.is_control());
    let records = view.records(1 << 20).unwrap();
    let key = records.iter().next().unwrap().unwrap().key.unwrap();
    assert_eq!(ControlType::parse_key(key), Ok(ControlType::LeaderChange));
}

#[test]
fn a_walk_within_a_walk_is_a_walk() {
    for compression in Compression::ALL {
        let bytes = three(compression);
        let view = BatchView::parse(&bytes).unwrap();
        let mut walked = Vec::new();
        let all: Option<()> = view
            .walk(1 << 20, |outer| {
                let first = view.walk(1 << 20, |inner| ControlFlow::Break(inner.offset)).unwrap();
                walked.push((outer.offset, first));
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(all, None);
        let first = Some(Offset(40));
        assert_eq!(walked, [(Offset(40), first), (Offset(41), first), (Offset(42), first)]);
    }
}

#[test]
fn a_walk_that_breaks_off_or_fails_leaves_the_next_one_alone() {
    for compression in Compression::ALL {
        let good = three(compression);
        let mut builder = BatchBuilder::new(Offset(0), compression);
        builder.append(1, None, Some(&vec![7; 300_000]), &[]).unwrap();
        builder.append(1, None, Some(b"small"), &[]).unwrap();
        let large = builder.finish().unwrap();
        let mut wrong = large.to_vec();
        wrong[57..61].copy_from_slice(&5i32.to_be_bytes());
        for _ in 0..3 {
            let view = BatchView::parse(&large).unwrap();
            assert_eq!(view.walk(1 << 20, |record| ControlFlow::Break(record.offset)), Ok(Some(Offset(0))));
            let wrong = BatchView::parse(&wrong).unwrap();
            let result = wrong.walk(1 << 20, |_| ControlFlow::<()>::Continue(()));
            assert_eq!(result, Err(BatchError::InvalidRecord { index: 2, reason: "it is cut off" }));
            let view = BatchView::parse(&good).unwrap();
            assert_eq!(view.walk(1 << 20, |_| ControlFlow::<()>::Continue(())), Ok(None), "{compression}");
        }
    }
}
