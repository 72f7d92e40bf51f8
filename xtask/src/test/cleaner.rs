//! What is kept of a log, beside Apache Kafka. Both brokers are sent the same history, both compact it, and both are
//! read: the same records must be at the same offsets, also after kill -9. Then both delete, by time, by size and when
//! told to. Kafka's `DumpLogSegments` and `ottla log check` have no complaint about what is left.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use super::dump::{self, output};
use super::ottla::{Ottla, free_ports};
use crate::kafka::Kafka;
use crate::tools::{Tools, run as run_command};

/// The logs are looked at all the time.
const SETTINGS: &[(&str, &str)] = &[
    ("log.cleaner.backoff.ms", "50"),
    ("log.cleaner.dedupe.buffer.size", "4194304"),
    ("log.initial.task.delay.ms", "100"),
    ("log.retention.check.interval.ms", "100"),
    ("log.segment.delete.delay.ms", "1000"),
];

/// Both brokers, each with its data in a folder of its own.
struct Both<'a> {
    tools: &'a Tools,
    folder: &'a Path,
    ottla: Ottla,
    /// Not there while it is started again.
    kafka: Option<Kafka>,
}

/// What was seen.
pub fn run(tools: &Tools, ottla: &Path, folder: &Path, seed: u64) -> Result<String> {
    let classes = tools.java_classes("cleaner", &tools.compat("cleaner"))?;
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis().to_string();
    let seed = seed.to_string();
    let mut both = Both::start(tools, ottla, folder)?;
    let compact = |both: &Both<'_>, action: &str| {
        let mut command = tools.short_java("128m", Some(&classes))?;
        command.arg("Clean").args(both.names()).args([action, &seed, &now_ms]);
        output(&mut command).with_context(|| format!("seed {seed} ({action})"))
    };
    let written = compact(&both, "write")?;
    both.sequence("write")?;
    both.kill_and_start()?;
    let read = compact(&both, "read")?;
    both.sequence("again")?;
    let mut retain = tools.short_java("128m", Some(&classes))?;
    let retained = output(retain.arg("Retain").args(both.names())).context("retention")?;
    both.kafka.take().map(Kafka::stop).transpose()?;
    both.ottla.stop()?;
    let complaints = both.ottla.complaints();
    ensure!(complaints.is_empty(), "Ottla complains: {}", complaints.join("\n"));

    // The number at the end of a line stands for all that was read.
    let digests = |text: &str| -> Vec<String> {
        text.lines().filter_map(|line| line.rsplit(' ').next()).map(str::to_owned).collect()
    };
    ensure!(digests(&written) == digests(&read), "seed {seed}: before kill -9\n{written}after it\n{read}");
    let data = both.folder.join("ottla/data");
    let files = dump::check(tools, &data, &["cleaned-", "kept-"], None)?;
    output(Command::new(ottla).args(["log", "check"]).arg(&data)).context("ottla log check")?;
    Ok(format!("{written}{retained}DumpLogSegments: {files} files, none with a complaint"))
}

impl<'a> Both<'a> {
    fn start(tools: &'a Tools, ottla: &Path, folder: &'a Path) -> Result<Both<'a>> {
        let settings: Vec<String> = SETTINGS.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let ottla = Ottla::start(ottla, &folder.join("ottla"), &settings)?;
        let mut both = Both { tools, folder, ottla, kafka: None };
        both.start_kafka(free_ports(2)?)?;
        Ok(both)
    }

    fn start_kafka(&mut self, port: u16) -> Result<()> {
        self.kafka = Some(Kafka::start(self.tools, &self.folder.join("kafka"), port, "384m", SETTINGS)?);
        Ok(())
    }

    /// kill -9 of both, and a start on the same folders, but for the snapshots of producers: their state must be in
    /// what was compacted.
    fn kill_and_start(&mut self) -> Result<()> {
        self.ottla.kill()?;
        let kafka = self.kafka.take().context("Apache Kafka runs")?;
        let port = kafka.port;
        kafka.kill()?;
        for folder in ["ottla", "kafka"] {
            let snapshots = dump::files(&self.folder.join(folder).join("data"), &["cleaned-"], ".snapshot")?;
            ensure!(!snapshots.is_empty(), "no snapshot of producers");
            snapshots.iter().try_for_each(fs::remove_file)?;
        }
        self.ottla.start_again()?;
        self.start_kafka(port)
    }

    /// Name, address and data folder of each, as the programs in `compat/cleaner/` want them.
    fn names(&self) -> Vec<String> {
        let sides = [
            ("Kafka", "kafka", self.kafka.as_ref().map(Kafka::bootstrap)),
            ("Ottla", "ottla", Some(self.ottla.bootstrap())),
        ];
        let data = |folder: &str| self.folder.join(folder).join("data").display().to_string();
        sides
            .into_iter()
            .flat_map(|(name, folder, address)| [name.to_owned(), address.unwrap_or_default(), data(folder)])
            .collect()
    }

    /// Runs `compat/cleaner/sequence.py` against both.
    fn sequence(&self, action: &str) -> Result<()> {
        for side in self.names().chunks(3) {
            let [name, address, data] = side else { continue };
            let port = address.rsplit(':').next().unwrap_or_default();
            let mut command = Command::new("python3");
            command.arg("-B").arg(self.tools.compat("cleaner/sequence.py")).args([port, data, action]);
            run_command(&mut command).with_context(|| format!("an idempotent producer, with {name}"))?;
        }
        Ok(())
    }
}
