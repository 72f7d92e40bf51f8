//! `ottla log dump`: what is in a file. The text is that of Apache Kafka's `kafka-dump-log`, line by line, so
//! that what was written to read the one reads the other.

use super::decode::Decoder;
use super::show::{self, Detail};
use crate::output::{CANNOT_WRITE, Format, counted};
use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use ottla_ids::Offset;
use ottla_storage::inspect::{
    BatchFile, FileKind, FileName, read_aborted_index, read_leader_epochs, read_offset_checkpoint,
    read_offset_index, read_producer_snapshot, read_time_index, read_topic_id,
};
use ottla_storage::{Disk, MetaProperties};
use serde_json::{Value, json};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Show what is in files of a log directory: batches and records, indexes, snapshots, checkpoints.
///
/// The text is laid out as that of Apache Kafka's kafka-dump-log. Nothing is written, and a running
/// server does not mind. Damage goes to standard error, and the exit code is then 1; what can be
/// read behind it is shown all the same.
#[derive(Args)]
pub struct Dump {
    /// The files: .log, .index, .timeindex, .txnindex, .snapshot, .checkpoint, the checkpoints of
    /// offsets and leader epochs, partition.metadata, meta.properties, quorum-state.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Of each batch its records: offsets, sizes, times, headers' keys.
    #[arg(long, visible_alias = "deep-iteration")]
    deep: bool,
    /// Of each record key and value, too. What Kafka's own topics hold is taken apart.
    #[arg(long, short, visible_alias = "print-data-log")]
    records: bool,
    /// As what the records are read.
    #[arg(long, value_enum, default_value = "auto")]
    decode: Decoder,
    /// Only batches that reach up to this offset or lie behind it.
    #[arg(long, value_name = "OFFSET")]
    from: Option<i64>,
    /// Stop after so many batches, or entries of an index.
    #[arg(long, short = 'n', value_name = "N")]
    count: Option<u64>,
    /// How to show them: Kafka's lines, or JSON, one batch, entry or producer a line.
    #[arg(long, short, value_enum, default_value = "text")]
    output: Format,
}

/// Where it goes, and what was wrong on the way.
struct Out<'a> {
    stream: &'a mut dyn Write,
    format: Format,
    damaged: u64,
}

impl Out<'_> {
    fn line(&mut self, text: impl FnOnce() -> String, json: impl FnOnce() -> Value) -> Result<()> {
        let line = match self.format {
            Format::Text => text(),
            Format::Json => json().to_string(),
        };
        writeln!(self.stream, "{line}").context(CANNOT_WRITE)
    }

    fn damage(&mut self, path: &Path, what: &str) -> Result<()> {
        self.damaged += 1;
        // In the order in which both streams are read.
        self.stream.flush().context(CANNOT_WRITE)?;
        eprintln!("ottla: {}: {what}", path.display());
        Ok(())
    }
}

impl Dump {
    /// Does it.
    pub fn run(self) -> Result<()> {
        let mut stream = BufWriter::new(io::stdout().lock());
        let damaged = self.write_to(&mut stream)?;
        if damaged > 0 {
            bail!("{} found", counted(damaged, "damaged place"));
        }
        Ok(())
    }

    /// Writes what is in the files; returns how many places were damaged.
    fn write_to(&self, stream: &mut dyn Write) -> Result<u64> {
        let mut out = Out { stream, format: self.output, damaged: 0 };
        for path in &self.files {
            if self.output == Format::Text {
                out.line(|| format!("Dumping {}", path.display()), || Value::Null)?;
            }
            self.dump(path, &mut out)?;
        }
        out.stream.flush().context(CANNOT_WRITE)?;
        Ok(out.damaged)
    }

    fn dump(&self, path: &Path, out: &mut Out<'_>) -> Result<()> {
        let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
        let name = FileName::parse(name);
        let base = name.base.unwrap_or(Offset::ZERO);
        match name.kind {
            FileKind::Records | FileKind::MetadataSnapshot => self.batches(path, name, out),
            FileKind::OffsetIndex => self.offset_index(path, base, out),
            FileKind::TimeIndex => {
                let content = read_time_index(&Disk::Real, path, base)?;
                for entry in content.entries.iter().take(self.count_max()) {
                    let (timestamp, offset) = (entry.timestamp, entry.offset.0);
                    out.line(
                        || format!("timestamp: {timestamp} offset: {offset}"),
                        || json!({ "timestamp": timestamp, "offset": offset }),
                    )?;
                }
                Ok(())
            }
            FileKind::TransactionIndex => {
                let content = read_aborted_index(&Disk::Real, path)?;
                for entry in content.entries.iter().take(self.count_max()) {
                    out.line(|| show::aborted_text(entry), || show::aborted_json(entry))?;
                }
                Ok(())
            }
            FileKind::ProducerSnapshot => {
                let content = read_producer_snapshot(&Disk::Real, path)?;
                for state in content.producers.iter().take(self.count_max()) {
                    out.line(|| show::producer_text(state), || show::producer_json(state))?;
                }
                Ok(())
            }
            FileKind::LeaderEpochs => {
                for entry in read_leader_epochs(&Disk::Real, path)? {
                    let (epoch, start) = (entry.epoch.0, entry.start.0);
                    out.line(
                        || format!("epoch: {epoch} startOffset: {start}"),
                        || json!({ "epoch": epoch, "start_offset": start }),
                    )?;
                }
                Ok(())
            }
            FileKind::OffsetCheckpoint => {
                for (partition, offset) in read_offset_checkpoint(&Disk::Real, path)? {
                    out.line(
                        || format!("topic: {} partition: {} offset: {offset}", partition.topic, partition.partition),
                        || json!({ "topic": &*partition.topic, "partition": partition.partition, "offset": offset.0 }),
                    )?;
                }
                Ok(())
            }
            FileKind::PartitionMetadata => {
                let id = read_topic_id(&Disk::Real, folder_of(path))?;
                let id = id.map_or("none".to_owned(), |it| it.to_string());
                out.line(|| format!("topicId: {id}"), || json!({ "topic_id": id }))
            }
            FileKind::MetaProperties => {
                let meta = MetaProperties::read(&Disk::Real, folder_of(path))?;
                let meta = meta.ok_or_else(|| anyhow!("{} is not there", path.display()))?;
                let directory = meta.directory_id.map(|it| it.to_string());
                out.line(
                    || {
                        format!(
                            "clusterId: {} nodeId: {} directoryId: {}",
                            meta.cluster_id,
                            meta.node_id,
                            directory.as_deref().unwrap_or("none")
                        )
                    },
                    || json!({ "cluster_id": meta.cluster_id, "node_id": meta.node_id.0, "directory_id": directory }),
                )
            }
            FileKind::QuorumState | FileKind::CleanShutdown => {
                let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
                let value: Value = serde_json::from_slice(&text)
                    .with_context(|| format!("{} is not JSON", path.display()))?;
                out.line(|| value.to_string(), || value.clone())
            }
            FileKind::Ballast => bail!("{} has no content: it keeps room for a full disk", path.display()),
            FileKind::Lock => bail!("{} has no content: it only keeps a second server out", path.display()),
            FileKind::Unknown => bail!(
                "{} is not a file of a log directory, by its name; of a copy with another name, keep the \
                 20 digits and the ending",
                path.display()
            ),
        }
    }

    fn count_max(&self) -> usize {
        self.count.map_or(usize::MAX, |it| usize::try_from(it).unwrap_or(usize::MAX))
    }

    fn detail(&self) -> Detail {
        match (self.records, self.deep) {
            (true, _) => Detail::Contents,
            (false, true) => Detail::Records,
            (false, false) => Detail::Batches,
        }
    }

    fn batches(&self, path: &Path, name: FileName, out: &mut Out<'_>) -> Result<()> {
        let mut file = BatchFile::open(&Disk::Real, path)?;
        if self.output == Format::Text {
            let head = match (name.base, name.epoch) {
                (Some(base), Some(epoch)) => format!("Snapshot end offset: {base}, epoch: {epoch}"),
                (Some(base), None) => format!("Log starting offset: {base}"),
                (None, _) => "KRaft bootstrap snapshot".to_owned(),
            };
            out.line(|| head, || Value::Null)?;
        }
        let decoder = self.decode.of(path);
        let mut shown = 0;
        while shown < self.count_max() {
            match file.next_batch()? {
                None => break,
                Some(Ok((position, batch))) => {
                    if self.from.is_some_and(|from| batch.last_offset().0 < from) {
                        continue;
                    }
                    shown += 1;
                    let wrong = match self.output {
                        Format::Text => {
                            show::batch_text(&batch, position, self.detail(), decoder, out.stream)?
                        }
                        Format::Json => {
                            show::batch_json(&batch, position, self.detail(), decoder, out.stream)?
                        }
                    };
                    if let Some(wrong) = wrong {
                        let base = batch.base_offset();
                        out.damage(path, &format!("damaged at byte {position} (offset {base}): {wrong}"))?;
                    }
                }
                Some(Err(error)) => {
                    let what = format!(
                        "damaged at byte {} (offset {}): {}",
                        error.position, error.expected, error.error
                    );
                    let what = match file.skip_damage()? {
                        Some(position) => format!("{what}; the next batch is at byte {position}"),
                        None => format!("{what}; no batch lies behind it"),
                    };
                    out.damage(path, &what)?;
                }
            }
        }
        Ok(())
    }

    /// The entries, each compared with the batch it names where the records are beside the index.
    fn offset_index(&self, path: &Path, base: Offset, out: &mut Out<'_>) -> Result<()> {
        let content = read_offset_index(&Disk::Real, path, base)?;
        if content.entries.is_empty() && self.output == Format::Text {
            return out.line(|| format!("{} is empty.", path.display()), || Value::Null);
        }
        let mut records = BatchFile::open(&Disk::Real, &records_of(path)).ok();
        for entry in content.entries.iter().take(self.count_max()) {
            let (offset, position) = (entry.offset.0, entry.position);
            out.line(
                || format!("offset: {offset} position: {position}"),
                || json!({ "offset": offset, "position": position }),
            )?;
            let Some(records) = &mut records else { continue };
            records.seek(u64::try_from(position).unwrap_or(u64::MAX));
            let found = match records.next_batch()? {
                Some(Ok((_, batch))) if batch.last_offset() == entry.offset => continue,
                Some(Ok((_, batch))) => format!("the batch there ends at offset {}", batch.last_offset()),
                Some(Err(_)) => "no batch begins there".to_owned(),
                None => "it lies behind the end of the records".to_owned(),
            };
            out.damage(path, &format!("entry for offset {offset} names byte {position}, but {found}"))?;
        }
        Ok(())
    }
}

/// The folder a file is in.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The records that an index belongs to: `….index` becomes `….log`, whatever follows stays.
fn records_of(path: &Path) -> PathBuf {
    let name = path.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(name.replacen(".index", ".log", 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        dump: Dump,
    }

    fn dump(arguments: &[&str]) -> (String, u64) {
        let command = Command::try_parse_from([&["dump"], arguments].concat()).unwrap();
        let mut text = Vec::new();
        let damaged = command.dump.write_to(&mut text).unwrap();
        (String::from_utf8(text).unwrap(), damaged)
    }

    /// What Kafka's own tool said of each file of the golden directory: see testdata/README.md.
    #[test]
    fn every_file_of_kafka_is_shown_as_kafka_shows_it() {
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/kafka-4.3.1");
        let expected = include_str!("../../testdata/kafka-4.3.1.dump.txt");
        let files = expected.split("Dumping ").skip(1);
        let mut compared = 0;
        for file in files {
            let (name, content) = file.split_once('\n').unwrap();
            let (text, damaged) = dump(&["--records", &format!("{golden}/{name}")]);
            let (_, ours) = text.split_once('\n').unwrap();
            assert_eq!(ours.replace(&format!("{golden}/"), ""), content, "{name}");
            assert_eq!(damaged, 0, "{name}");
            compared += 1;
        }
        assert!(compared > 50, "{compared}");
    }

    #[test]
    fn damage_is_counted_and_what_lies_behind_it_shown() {
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/kafka-4.3.1/rolled-0");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("00000000000000000000.log");
        let mut bytes = std::fs::read(format!("{golden}/00000000000000000000.log")).unwrap();
        bytes[100] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let (text, damaged) = dump(&[path.to_str().unwrap()]);
        let (whole, _) = dump(&[&format!("{golden}/00000000000000000000.log")]);
        assert_eq!(damaged, 1);
        assert_eq!(text.lines().count() + 1, whole.lines().count());
        assert_eq!(text.lines().last(), whole.lines().last());
    }

    #[test]
    fn json_has_a_batch_a_line() {
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/kafka-4.3.1");
        let file = format!("{golden}/__transaction_state-0/00000000000000000000.log");
        let (text, _) = dump(&["--records", "-o", "json", "-n", "1", "--from", "3", &file]);
        let batch: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(batch["base_offset"], 3);
        assert_eq!(batch["records"][0]["key"]["data"]["transactionalId"], "teller");
        assert_eq!(batch["records"][0]["value"]["data"]["transactionStatus"], 4);
    }
}
