//! `ottla log check`: everything in log directories, compared with everything else in them.

use super::metadata;
use crate::output::{Exit, Format, counted, print};
use anyhow::{Result, bail};
use clap::Args;
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use ottla_ids::{TopicId, TopicPartition};
use ottla_metadata::Image;
use ottla_storage::inspect::{
    Answer, CheckedDirectory, Finding, Holder, check_partition, hold, look_at_directory,
};
use ottla_storage::{Disk, Lock};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

/// Verify log directories: Ottla's, or Apache Kafka's. Nothing is written or repaired.
///
/// Every batch is read and its CRC compared, every record decoded; indexes, time indexes, transaction
/// indexes, producer snapshots, leader epochs and checkpoints are compared with the records, topic
/// ids with the metadata log, and the metadata log's own records and snapshots are decoded.
///
/// Each finding says where it is (file, byte, offset), what the server does about it, and what to do:
/// left alone, rebuilt and cut are repaired by the next start; unreadable records, what would go
/// unnoticed, isolated partitions and a refused start are damage.
///
/// The exit code is 0 when all is well, 3 when the next start repairs all that was found, 4 when
/// there is damage, 1 when the check could not be made, and 2 when the command line makes no sense.
///
/// A directory in which a server works is refused: what it writes would look like damage. With
/// --live only what a running server changes no more is looked at: all segments but the newest of
/// each partition, with their indexes and snapshots. Reading disturbs no server.
#[derive(Args)]
pub struct Check {
    /// The log directories of one node (log.dirs).
    #[arg(required = true, value_name = "DIR")]
    directories: Vec<PathBuf>,
    /// Only partitions of this topic. May be given often.
    #[arg(long, short, value_name = "NAME")]
    topic: Vec<String>,
    /// A server works in the directory: look only at what it changes no more.
    #[arg(long)]
    live: bool,
    /// How to show what was found: for people, or JSON, one object for all.
    #[arg(long, short, value_enum, default_value = "text")]
    output: Format,
}

/// The next start repairs all that was found.
const REPAIRED: u8 = 3;
/// There is damage that a start does not repair.
const DAMAGED: u8 = 4;

/// What was gone through.
#[derive(Default)]
struct Sums {
    partitions: u64,
    segments: u64,
    batches: u64,
    records: u64,
    bytes: u64,
    more_findings: u64,
}

/// All that was found.
#[derive(Default)]
struct Report {
    sums: Sums,
    findings: Vec<Finding>,
}

impl Check {
    /// Does it.
    pub fn run(self) -> Result<()> {
        let report = self.check()?;
        match self.output {
            Format::Text => print(&report.to_text())?,
            Format::Json => print(&(serde_json::to_string_pretty(&report.to_json())? + "\n"))?,
        }
        match report.exit_code() {
            0 => Ok(()),
            code => Err(Exit(code).into()),
        }
    }

    fn check(&self) -> Result<Report> {
        let mut report = Report::default();
        let mut directories: Vec<(&Path, CheckedDirectory)> = Vec::new();
        // Held to the end, so that no server begins to work in what is being read.
        let mut locks: Vec<Lock> = Vec::new();
        for path in &self.directories {
            match hold(&Disk::Real, path)? {
                Holder::Nobody(lock) => locks.extend(lock),
                Holder::Server if self.live => {}
                Holder::Server => bail!(
                    "a server works in {}: stop it, or give --live to look only at what it changes no more",
                    path.display()
                ),
            }
            directories.push((path, look_at_directory(&Disk::Real, path, self.live)?));
        }
        let image = self.metadata(&directories, &mut report)?;
        let progress = progress(&directories);
        for (path, directory) in &directories {
            report.take(&directory.findings);
            for partition in &directory.files.partitions {
                if !self.topic.is_empty() && !self.topic.iter().any(|it| **it == *partition.topic) {
                    continue;
                }
                progress.set_message(partition.to_string());
                let folder = path.join(partition.to_string());
                let topic_id = topic_id(image.as_ref(), partition);
                if let Some(image) = &image
                    && topic_id.is_none()
                    && !self.live
                {
                    report.findings.push(stray(image, partition, &folder));
                }
                let expected = directory.files.expected(partition, topic_id, self.live);
                let checked =
                    check_partition(&Disk::Real, &folder, &expected, &mut |bytes| progress.inc(bytes))?;
                report.take(&checked.findings);
                report.sums.partitions += 1;
                report.sums.segments += checked.segments;
                report.sums.batches += checked.batches;
                report.sums.records += checked.records;
                report.sums.bytes += checked.bytes;
            }
        }
        progress.finish_and_clear();
        if let Some(image) = &image
            && !self.live
            && self.topic.is_empty()
        {
            missing_folders(image, &directories, &mut report);
        }
        Ok(report)
    }

    /// What the metadata log says, where one of the directories has it.
    fn metadata(
        &self,
        directories: &[(&Path, CheckedDirectory)],
        report: &mut Report,
    ) -> Result<Option<Image>> {
        for (path, _) in directories {
            let folder = path.join(metadata::FOLDER);
            if folder.is_dir() {
                let metadata = metadata::read(&folder)?;
                report.take(&metadata.findings);
                return Ok(Some(metadata.image));
            }
        }
        eprintln!("no metadata log here: topic ids are not compared");
        Ok(None)
    }
}

fn topic_id(image: Option<&Image>, partition: &TopicPartition) -> Option<TopicId> {
    if format!("{partition}") == metadata::FOLDER {
        return Some(TopicId::METADATA_TOPIC);
    }
    let topic = image?.topic(&partition.topic)?;
    topic.partition(partition.partition).map(|_| topic.id)
}

fn stray(image: &Image, partition: &TopicPartition, folder: &Path) -> Finding {
    let what = match image.topic(&partition.topic) {
        Some(topic) => {
            format!("is of a partition that its topic, which has {}, does not have", topic.partition_count())
        }
        None => "is of a topic that the cluster does not have".to_owned(),
    };
    Finding::about(folder.to_owned(), Answer::LeftAlone, what)
        .advise("remove it when nobody misses its records")
}

/// The partitions that should be in one of the directories and are in none.
fn missing_folders(image: &Image, directories: &[(&Path, CheckedDirectory)], report: &mut Report) {
    let Some((first, directory)) = directories.first() else { return };
    let Some(node) = directory.files.meta.as_ref().map(|it| it.node_id) else { return };
    for topic in image.topics() {
        for (index, state) in &topic.partitions {
            let Some(place) = state.replicas.iter().position(|it| *it == node) else { continue };
            let partition = TopicPartition::new(&topic.name, *index);
            if directories.iter().any(|(_, it)| it.files.partitions.contains(&partition)) {
                continue;
            }
            let assigned = state.directories.get(place);
            let home = directories.iter().find(|(_, it)| {
                it.files.meta.as_ref().and_then(|meta| meta.directory_id).as_ref() == assigned
            });
            let (path, home) = home.map_or((*first, directory), |(path, it)| (*path, it));
            let durable = home.files.expected(&partition, None, false).recovery_point;
            let place = path.join(partition.to_string());
            report.findings.push(match durable.filter(|it| it.0 > 0) {
                Some(point) => Finding::about(
                    place,
                    Answer::Isolated,
                    format!("is missing, but the log was durable up to offset {point}"),
                )
                .advise("restore the folder, or delete the topic"),
                None => {
                    Finding::about(place, Answer::LeftAlone, "is not there: nothing was ever written to it")
                        .advise("nothing: it is created when the partition is opened")
                }
            });
        }
    }
}

/// A bar, when a person looks at it.
fn progress(directories: &[(&Path, CheckedDirectory)]) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let folders = directories
        .iter()
        .flat_map(|(path, it)| it.files.partitions.iter().map(|it| path.join(it.to_string())));
    let files = folders.filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let records = files.filter(|it| it.file_name().to_string_lossy().ends_with(".log"));
    let size = records.filter_map(|it| it.metadata().ok()).map(|it| it.len()).sum();
    let progress = ProgressBar::with_draw_target(Some(size), ProgressDrawTarget::stderr());
    progress.set_style(
        ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {eta} {msg}")
            .expect("the template is a constant that parses"),
    );
    progress
}

impl Report {
    fn take(&mut self, findings: &ottla_storage::inspect::Findings) {
        self.findings.extend(findings.kept().iter().cloned());
        self.sums.more_findings += findings.more;
    }

    fn count(&self, is: impl Fn(Answer) -> bool) -> usize {
        self.findings.iter().filter(|it| is(it.answer)).count()
    }

    fn exit_code(&self) -> u8 {
        if self.count(Answer::is_damage) > 0 {
            DAMAGED
        } else if self.count(|it| it != Answer::LeftAlone) > 0 {
            REPAIRED
        } else {
            0
        }
    }

    fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        for finding in &self.findings {
            let _ = write!(text, "{}: {}", finding.answer, finding.path.display());
            if let Some(position) = finding.position {
                let _ = write!(text, ", byte {position}");
            }
            if let Some(offset) = finding.offset {
                let _ = write!(text, ", offset {offset}");
            }
            let _ = writeln!(text, ": {}\n    what to do: {}", finding.what, finding.advice);
        }
        if self.sums.more_findings > 0 {
            let _ = writeln!(text, "and {} more", counted(self.sums.more_findings, "finding"));
        }
        let Sums { partitions, segments, batches, records, bytes, .. } = self.sums;
        let _ = writeln!(
            text,
            "read {}, {}, {}, {}, {}",
            counted(partitions, "partition"),
            counted(segments, "segment"),
            if batches == 1 { "1 batch".to_owned() } else { format!("{batches} batches") },
            counted(records, "record"),
            HumanBytes(bytes),
        );
        let damages = self.count(Answer::is_damage) as u64;
        let repairs = self.count(|it| !it.is_damage() && it != Answer::LeftAlone) as u64;
        let _ = match (damages, repairs) {
            (0, 0) => writeln!(text, "all is well"),
            (0, repairs) => writeln!(text, "the next start repairs {}", counted(repairs, "thing")),
            (damages, repairs) => {
                writeln!(
                    text,
                    "{}; the next start repairs {}",
                    counted(damages, "damage"),
                    counted(repairs, "thing")
                )
            }
        };
        text
    }

    fn to_json(&self) -> Value {
        let findings: Vec<Value> = self
            .findings
            .iter()
            .map(|it| {
                json!({
                    "answer": it.answer.to_string(),
                    "is_damage": it.answer.is_damage(),
                    "path": it.path.display().to_string(),
                    "byte": it.position,
                    "offset": it.offset.map(|it| it.0),
                    "what": it.what,
                    "advice": it.advice,
                })
            })
            .collect();
        json!({
            "exit_code": self.exit_code(),
            "findings": findings,
            "findings_left_out": self.sums.more_findings,
            "partitions": self.sums.partitions,
            "segments": self.sums.segments,
            "batches": self.sums.batches,
            "records": self.sums.records,
            "bytes": self.sums.bytes,
        })
    }
}
