//! Writes batches for others to read: `write_batches DIR` puts a file per codec there, each a segment from
//! offset 0 with the records of `testdata/java-none.log` in several batches, and a transaction's markers.

use ottla_ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};
use ottla_records::{BatchBuilder, Codec, Compression, EndTransactionMarker, Header, batches};
use std::error::Error;
use std::path::Path;
use std::{env, fs};

/// Records per batch: the sample's 121 make five batches.
const BATCH_RECORDS: usize = 25;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args().nth(1).ok_or("usage: write_batches DIR")?;
    let sample = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/java-none.log"))?;
    let levels = [Codec::with_level(Compression::Gzip, 9)?, Codec::with_level(Compression::Zstd, 19)?];
    for codec in Compression::ALL.into_iter().map(Codec::from) {
        fs::write(Path::new(&folder).join(format!("{}.log", codec.compression())), segment(&sample, codec)?)?;
    }
    for codec in levels {
        let name = format!("{}-level.log", codec.compression());
        fs::write(Path::new(&folder).join(name), segment(&sample, codec)?)?;
    }
    Ok(())
}

fn segment(sample: &[u8], codec: Codec) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut log = Vec::new();
    let mut next = Offset::ZERO;
    for batch in batches(sample) {
        let records = batch?.records(1 << 20)?;
        let records: Vec<_> = records.iter().collect::<Result<_, _>>()?;
        for some in records.chunks(BATCH_RECORDS) {
            let sequence = i32::try_from(next.0)?;
            let mut builder = BatchBuilder::new(next, codec)
                .leader_epoch(LeaderEpoch(0))
                .producer(ProducerId(4711), ProducerEpoch(0), sequence)
                .transactional(true);
            for record in some {
                let headers: Vec<Header<'_>> = record.headers.collect();
                builder.append(record.timestamp, record.key, record.value, &headers)?;
            }
            next = builder.next_offset();
            log.extend_from_slice(&builder.finish()?);
        }
    }
    let marker = EndTransactionMarker { commit: true, coordinator_epoch: 0 };
    log.extend_from_slice(&BatchBuilder::end_transaction(
        next,
        LeaderEpoch(0),
        1_700_000_000_000,
        ProducerId(4711),
        ProducerEpoch(0),
        marker,
    )?);
    Ok(log)
}
