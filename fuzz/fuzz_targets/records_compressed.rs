//! Any bytes as the compressed body of a batch whose header is right: no codec may panic, hang, or let out more
//! than the limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ottla_ids::Offset;
use ottla_records::{BatchBuilder, BatchError, BatchView, Compression, HEADER_SIZE};
use std::ops::ControlFlow;

const SIZE_MAX: usize = 1 << 20;

fuzz_target!(|input: &[u8]| {
    let Some((&codec, body)) = input.split_first() else {
        return;
    };
    let compression = Compression::ALL[usize::from(codec) % 5];
    let mut builder = BatchBuilder::new(Offset(0), compression);
    builder.append(1, None, None, &[]).expect("one record fits");
    let mut bytes = builder.finish().expect("one record is a batch").to_vec();
    bytes.truncate(HEADER_SIZE);
    bytes.extend_from_slice(body);
    let length = (bytes.len() - 12) as i32;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());

    let view = BatchView::parse(&bytes).expect("the header is right");
    let whole = view.records(SIZE_MAX).map(|records| {
        assert!(records.size() <= SIZE_MAX);
        let mut lines = Vec::new();
        for record in records.iter() {
            match record {
                Ok(record) => lines.push((record.offset, record.timestamp)),
                Err(error) => return (lines, Some(error)),
            }
        }
        (lines, None)
    });
    // In pieces it is the same as at once.
    let mut lines = Vec::new();
    let walked = view.walk(SIZE_MAX, |record| {
        lines.push((record.offset, record.timestamp));
        ControlFlow::<()>::Continue(())
    });
    match whole {
        Ok((records, None)) => assert_eq!((lines, walked), (records, Ok(None))),
        Ok((records, Some(_))) => assert!(walked.is_err() && lines == records),
        // The piecewise walk may find a bad record before it comes to where the codec fails.
        Err(_) => assert!(matches!(
            walked,
            Err(BatchError::Decompression { .. }
                | BatchError::DecompressedTooLarge { .. }
                | BatchError::InvalidRecord { .. })
        )),
    }
});
