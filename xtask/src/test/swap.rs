//! Swap in place: Apache Kafka, Ottla, Apache Kafka and Ottla serve one data folder in turn, each from the same
//! `server.properties`. Each writes; each finds all that was written before, and at last Kafka's own
//! `DumpLogSegments` reads every file.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::dump::{self, files, output};
use super::ottla::free_ports;
use crate::kafka::{Kafka, START_LIMIT, static_quorum, stop, wait_for_port};
use crate::process::Process;
use crate::tools::{Tools, run as run_command};

/// Groups begin at once.
const SETTINGS: &[(&str, &str)] = &[("group.initial.rebalance.delay.ms", "0")];
/// What Ottla prints goes to this file.
pub const LOG: &str = "ottla.log";

/// One trip; what was seen.
pub fn run(tools: &Tools, ottla: &Path, folder: &Path, is_static: bool, records: u32) -> Result<String> {
    fs::create_dir_all(folder)?;
    let port = free_ports(2)?;
    let voters = static_quorum(port);
    let mut settings = SETTINGS.to_vec();
    if is_static {
        settings.extend(voters.iter().map(|(name, value)| (*name, value.as_str())));
    }
    let trip = Trip { tools, folder, port, records };
    let mut told = String::new();
    for step in 0..4 {
        let is_kafka = step % 2 == 0;
        let name = if is_kafka { "Apache Kafka" } else { "Ottla" };
        let seen = if is_kafka {
            let kafka = Kafka::start(tools, folder, port, "512m", &settings)?;
            let seen = trip.step(step);
            kafka.stop()?;
            seen
        } else {
            let mut process = start(ottla, folder, port)?;
            let seen = trip.step(step);
            stop(&mut process)?;
            seen
        };
        told += &format!("{name}: {}", seen.with_context(|| format!("in step {step}, with {name}"))?);
    }
    let notes = fs::read_to_string(trip.notes())?;
    let is_dynamic = notes.lines().any(|line| line == "cluster kraft.version 1");
    ensure!(is_dynamic != is_static, "not the kind of quorum that was to be tested");
    Ok(format!("{told}DumpLogSegments: {}", trip.dump()?))
}

struct Trip<'a> {
    tools: &'a Tools,
    folder: &'a Path,
    port: u16,
    records: u32,
}

impl Trip<'_> {
    /// What one broker is asked to do; what it had in the end.
    fn step(&self, step: u32) -> Result<String> {
        let first = if step == 0 { "begin" } else { "check" };
        // Transactions are written by Apache Kafka, and read by both.
        let writes = if step.is_multiple_of(2) { "write,transact" } else { "write" };
        let act = |actions: &str| act(self.tools, self.port, &self.notes(), actions, step, self.records);
        act(&format!("{first},{writes}"))?;
        let mut idempotent = Command::new("python3");
        idempotent.arg("-B").arg(self.tools.compat("swap/idempotent.py"));
        idempotent.arg(self.port.to_string()).arg(step.to_string()).arg(self.notes());
        run_command(&mut idempotent)?;
        act("check")
    }

    /// Where the programs note what they wrote.
    fn notes(&self) -> PathBuf {
        self.folder.join("notes")
    }

    /// Has Kafka's tool read all files; how many.
    fn dump(&self) -> Result<String> {
        let data = self.folder.join("data");
        let mut count = 0;
        for (topics, decoder) in [
            ("swap-", None),
            ("__consumer_offsets-", Some("--offsets-decoder")),
            ("__transaction_state-", Some("--transaction-log-decoder")),
            ("__cluster_metadata-", Some("--cluster-metadata-decoder")),
        ] {
            count += dump::check(self.tools, &data, &[topics], decoder)?;
        }
        let indexes = files(&data, &["swap-transactions-"], ".txnindex")?.len();
        ensure!(0 < indexes, "no index of aborted transactions");
        Ok(format!("{count} files, none with a complaint"))
    }
}

/// Starts Ottla as `server.properties` in `folder` says; what it prints goes to [`LOG`] in the folder.
pub fn start(ottla: &Path, folder: &Path, port: u16) -> Result<Process> {
    let log = folder.join(LOG);
    let file = File::options().create(true).append(true).open(&log)?;
    let mut command = Command::new(ottla);
    command.args(["serve", "--config"]).arg(folder.join("server.properties"));
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    let mut process =
        Process::spawn(&mut command).with_context(|| format!("cannot start {}", ottla.display()))?;
    if let Err(error) = wait_for_port(port, &mut process, START_LIMIT) {
        return Err(error.context(fs::read_to_string(&log).unwrap_or_default()));
    }
    Ok(process)
}

/// Runs actions of `compat/swap/Swap.java` against what listens on `port`; what it tells. It notes in `notes` what it
/// writes.
pub fn act(tools: &Tools, port: u16, notes: &Path, actions: &str, step: u32, records: u32) -> Result<String> {
    let classes = tools.java_classes("swap", &tools.compat("swap"))?;
    let mut command = tools.short_java("256m", Some(&classes))?;
    command.arg("Swap").arg(format!("127.0.0.1:{port}")).arg(notes);
    command.args([actions, &step.to_string(), &records.to_string()]);
    output(&mut command).with_context(|| format!("Swap {actions}"))
}
