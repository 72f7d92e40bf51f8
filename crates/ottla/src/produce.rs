//! `ottla produce`: each line of the input becomes a record.

use crate::output::counted;
use crate::remote::{Interrupt, Remote, advise};
use crate::topic::key_value;
use anyhow::{Context as _, Result, anyhow, bail};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ottla_client::{
    Cluster, Codec, Compression, Delivery, Placed, Producer, ProducerConfig, Record, RequiredAcks,
};
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;

/// Send records: each line of the input is one.
#[derive(Args)]
pub struct Produce {
    #[command(flatten)]
    remote: Remote,
    /// The topic.
    topic: String,
    /// Read the lines from a file instead of standard input.
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The key of every record.
    #[arg(long, short)]
    key: Option<String>,
    /// What stands between key and value in each line.
    #[arg(long, short = 's', value_name = "TEXT", conflicts_with = "key", value_parser = not_empty)]
    key_separator: Option<String>,
    /// A header of every record. May be given often.
    #[arg(long, short = 'H', value_name = "KEY=VALUE", value_parser = key_value)]
    header: Vec<(String, String)>,
    /// The partition; without it, the key chooses, and records without a key are spread.
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    /// Who must have a record before it counts as sent: every replica in sync, the leader, nobody.
    #[arg(long, short, value_enum, default_value = "all")]
    acks: Acks,
    /// The codec.
    #[arg(long, short, value_enum, default_value = "none")]
    compression: Codecs,
    /// A value that stands for no value at all: a tombstone.
    #[arg(long, value_name = "TEXT")]
    null_value: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Acks {
    All,
    #[value(name = "1", alias = "leader")]
    Leader,
    #[value(name = "0", alias = "none")]
    None,
}

#[derive(Clone, Copy, ValueEnum)]
enum Codecs {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

fn not_empty(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("expected at least one character".to_owned()) } else { Ok(text.to_owned()) }
}

/// A line that is longer is no record for Kafka, whose default limit is 1 MiB.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// Lines that were read and wait to be sent. The producer's own buffer bounds what is sent and not acked.
const LINES_MAX: usize = 256;

/// Records that were sent and whose fate is not looked at yet.
const DELIVERIES_MAX: usize = 1 << 16;

/// Batches are larger than a program's: someone waits for the whole input, not for one record.
const BATCH_BYTES: usize = 256 << 10;

/// What became of the records.
#[derive(Default)]
struct Report {
    acked: u64,
    failed: u64,
    first_error: Option<ottla_client::ClientError>,
    last: Option<Placed>,
}

impl Produce {
    /// Does it.
    pub fn run(self) -> Result<()> {
        let remote = self.remote.clone();
        remote.run(|cluster| self.produce(cluster))
    }

    async fn produce(self, cluster: Cluster) -> Result<()> {
        let mut interrupt = Interrupt::listen()?;
        let input = Input::open(self.file.as_ref())?;
        if input.is_terminal {
            eprintln!("each line is a record for topic '{}'; Ctrl-D ends", self.topic);
        }
        let progress = input.progress();
        let is_terminal = input.is_terminal;
        let mut lines = input.read();
        let config = ProducerConfig {
            acks: match self.acks {
                Acks::All => RequiredAcks::All,
                Acks::Leader => RequiredAcks::Leader,
                Acks::None => RequiredAcks::None,
            },
            codec: Codec::from(match self.compression {
                Codecs::None => Compression::None,
                Codecs::Gzip => Compression::Gzip,
                Codecs::Snappy => Compression::Snappy,
                Codecs::Lz4 => Compression::Lz4,
                Codecs::Zstd => Compression::Zstd,
            }),
            batch_bytes: BATCH_BYTES,
            ..ProducerConfig::default()
        };
        let producer = Producer::new(cluster, config);
        let (deliveries, fates) = mpsc::channel(DELIVERIES_MAX);
        let mut report = tokio::spawn(follow(fates, progress.clone()));
        let mut number = 0_u64;
        let mut interrupted = false;
        // A line that cannot be sent ends the input; what came before is sent all the same.
        let mut bad_line = Ok(());
        loop {
            let line = tokio::select! {
                line = lines.recv() => line,
                // A record has failed: that is told at once, not with the next line.
                () = deliveries.closed() => None,
                () = interrupt.wait() => {
                    interrupted = true;
                    None
                }
            };
            let Some(line) = line else { break };
            number += 1;
            let record = line.and_then(|line| self.record(&line).with_context(|| format!("line {number}")));
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    bad_line = Err(error);
                    break;
                }
            };
            let sent = tokio::select! {
                sent = producer.send(record) => sent?,
                () = interrupt.wait() => {
                    interrupted = true;
                    break;
                }
            };
            if deliveries.send(sent).await.is_err() {
                break; // a record has failed, so no more are sent
            }
        }
        drop(deliveries);
        let report = tokio::select! {
            report = &mut report => report.context("counting the acks failed")?,
            () = interrupt.wait() => {
                bail!("stopped before the last records were acked; they may or may not have been stored");
            }
        };
        progress.finish_and_clear();
        if report.acked > 0 || report.failed == 0 {
            eprintln!("{}", self.summary(&report));
        }
        if let Some(error) = report.first_error {
            return Err(advise(error))
                .with_context(|| format!("{} could not be sent", counted(report.failed, "record")));
        }
        producer.close().await?;
        bad_line?;
        if interrupted && !is_terminal {
            bail!("interrupted before the end of the input");
        }
        Ok(())
    }

    fn summary(&self, report: &Report) -> String {
        let topic = &self.topic;
        match (report.acked, report.last) {
            (1, Some(Placed { partition, offset: -1 })) => {
                format!("sent 1 record to {topic}-{partition}, unacked")
            }
            (1, Some(Placed { partition, offset })) => {
                format!("sent 1 record to {topic}-{partition} at offset {offset}")
            }
            (count, _) => format!("sent {} to {topic}", counted(count, "record")),
        }
    }

    /// The record in `line`.
    fn record(&self, line: &[u8]) -> Result<Record> {
        let (key, value) = match &self.key_separator {
            Some(separator) => {
                let separator = separator.as_bytes();
                let at = line.windows(separator.len()).position(|it| it == separator).ok_or_else(|| {
                    anyhow!("no key separator '{}' in it", String::from_utf8_lossy(separator))
                })?;
                let (key, rest) = line.split_at(at);
                (Some(Bytes::copy_from_slice(key)), rest.get(separator.len()..).unwrap_or_default())
            }
            None => (self.key.clone().map(Bytes::from), line),
        };
        let is_null = self.null_value.as_ref().is_some_and(|it| it.as_bytes() == value);
        Ok(Record {
            topic: self.topic.clone(),
            partition: self.partition,
            key,
            value: (!is_null).then(|| Bytes::copy_from_slice(value)),
            headers: self
                .header
                .iter()
                .map(|(key, value)| (key.clone(), Some(Bytes::from(value.clone()))))
                .collect(),
            timestamp_ms: None,
        })
    }
}

/// Counts what became of each record, up to the first that failed: then it looks at those that are
/// under way and ends, which ends the sending.
async fn follow(mut fates: mpsc::Receiver<Delivery>, progress: ProgressBar) -> Report {
    let mut report = Report::default();
    while let Some(delivery) = fates.recv().await {
        match delivery.placed().await {
            Ok(placed) => {
                report.acked += 1;
                report.last = Some(placed);
                if report.acked.is_multiple_of(1000) {
                    progress.set_message(counted(report.acked, "record"));
                }
            }
            Err(error) => {
                report.failed += 1;
                report.first_error.get_or_insert(error);
                fates.close();
            }
        }
    }
    report
}

/// Where the lines come from.
struct Input {
    reader: Box<dyn BufRead + Send>,
    is_terminal: bool,
    /// In bytes, where it is known.
    size: Option<u64>,
    progress: ProgressBar,
}

impl Input {
    fn open(file: Option<&PathBuf>) -> Result<Input> {
        let progress = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let Some(path) = file else {
            let is_terminal = io::stdin().is_terminal();
            let reader = Box::new(BufReader::new(io::stdin()));
            return Ok(Input { reader, is_terminal, size: None, progress });
        };
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let size = file.metadata().ok().filter(|it| it.is_file()).map(|it| it.len());
        Ok(Input { reader: Box::new(BufReader::new(file)), is_terminal: false, size, progress })
    }

    /// A bar for long input, when a person looks at it.
    fn progress(&self) -> ProgressBar {
        let progress = self.progress.clone();
        if self.is_terminal || !io::stderr().is_terminal() {
            return progress;
        }
        let template = match self.size {
            Some(size) => {
                progress.set_length(size);
                "{bar:40} {bytes}/{total_bytes} {msg}"
            }
            None => "{spinner} {bytes} {msg}",
        };
        progress.set_style(
            ProgressStyle::with_template(template).expect("the template is a constant that parses"),
        );
        progress.set_draw_target(ProgressDrawTarget::stderr());
        progress.enable_steady_tick(Duration::from_millis(200));
        progress
    }

    /// Reads the lines on a thread of their own: a read from a terminal cannot be called off.
    fn read(mut self) -> mpsc::Receiver<Result<Vec<u8>>> {
        let (lines, receiver) = mpsc::channel(LINES_MAX);
        std::thread::spawn(move || {
            loop {
                let line = match self.next_line() {
                    Ok(Some(line)) => Ok(line),
                    Ok(None) => return,
                    Err(error) => Err(error),
                };
                let failed = line.is_err();
                if lines.blocking_send(line).is_err() || failed {
                    return; // nobody listens any more, or there is no more to tell
                }
            }
        });
        receiver
    }

    /// The next line without its end (`\n` or `\r\n`); `None` at the end of the input.
    fn next_line(&mut self) -> Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let mut limited = (&mut self.reader).take(LINE_BYTES_MAX);
        let size = limited.read_until(b'\n', &mut line).context("cannot read the input")?;
        if size == 0 {
            return Ok(None);
        }
        self.progress.inc(size as u64);
        if line.last() == Some(&b'\n') {
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
        } else if size as u64 == LINE_BYTES_MAX {
            bail!("a line is longer than {LINE_BYTES_MAX} bytes");
        }
        Ok(Some(line))
    }
}
