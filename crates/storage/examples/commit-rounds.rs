//! How long one round of group commit takes when so many partitions have a small append each, by the journal and
//! by a sync of each file: `commit-rounds DIR [PARTITIONS…]`, on the disk of `DIR`, which is removed.

use ottla_ids::{LeaderEpoch, NodeId, Offset, TopicPartition, Uuid};
use ottla_records::{BatchBuilder, Compression};
use ottla_storage::{
    AppendInfo, DirectoryOptions, Disk, JournalChoice, JournalOptions, LogConfig, LogDirectory, Origin,
};
use std::path::Path;
use std::time::{Duration, Instant};

const ROUNDS: usize = 50;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: commit-rounds DIR [PARTITIONS…]")?;
    let mut partitions = arguments.map(|number| number.parse()).collect::<Result<Vec<i32>, _>>()?;
    if partitions.is_empty() {
        partitions = vec![1, 10, 100, 1000];
    }
    println!("partitions  way      p50 ms   p99 ms");
    for partitions in partitions {
        for choice in [JournalChoice::Never, JournalChoice::Always, JournalChoice::ByCost] {
            let mut took = measure(Path::new(&folder), partitions, choice)?;
            took.sort();
            let at = |part: usize| took[(ROUNDS * part / 100).min(ROUNDS - 1)].as_secs_f64() * 1e3;
            let way = match choice {
                JournalChoice::Never => "files",
                JournalChoice::Always => "journal",
                _ => "by cost",
            };
            println!("{partitions:10}  {way:7} {:8.3} {:8.3}", at(50), at(99));
        }
    }
    Ok(())
}

fn measure(
    folder: &Path,
    partitions: i32,
    choice: JournalChoice,
) -> Result<Vec<Duration>, Box<dyn std::error::Error>> {
    let options = DirectoryOptions { cluster_id: Some("cluster".to_owned()), node_id: NodeId(1) };
    let journal = JournalOptions { choice, ..JournalOptions::default() };
    let directory = LogDirectory::open_with_journal(Disk::Real, folder, &options, journal)?;
    let mut logs = Vec::new();
    for partition in 0..partitions {
        let name = TopicPartition::new("t", partition);
        logs.push(directory.open_log(&name, Uuid::from_u128(1), LogConfig::default(), 0)?);
    }
    let mut builder = BatchBuilder::new(Offset(0), Compression::None);
    builder.append(1, None, Some(&[7; 100]), &[])?;
    let batch = builder.finish()?;
    let info =
        AppendInfo { leader_epoch: LeaderEpoch(0), append_time: None, origin: Origin::Client, now_ms: 1 };
    let queue = directory.commit_queue();
    let mut took = Vec::new();
    for round in 0..ROUNDS + 3 {
        for log in &logs {
            log.append(&batch, &info)?;
        }
        let start = Instant::now();
        queue.sync_waiting()?;
        // The first ones make the folders and the journal.
        if round >= 3 {
            took.push(start.elapsed());
        }
        queue.write_back()?;
    }
    directory.close(1)?;
    std::fs::remove_dir_all(folder)?;
    Ok(took)
}
