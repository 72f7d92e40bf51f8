//! `cargo xtask bench`: Ottla and Apache Kafka under the same driver, on the same machine, in one
//! run, in turns. Writes a table and everything that was measured into `bench/results/`.
//!
//! The first figure is the broker process's own CPU time, from the operating system: with few
//! cores the driver is often what limits the throughput. Both brokers are alive for the whole run,
//! so both are warm; before each measured run the file systems are synced, so that nobody pays for
//! what the other one left to be written, and the page cache is filled, so that nobody pays for memory
//! that the machine's host has to find first.

mod broker;
mod floor;
mod groups;
mod machine;
mod page_cache;
mod report;
mod scale;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};

use crate::tools::{Tools, need, run as run_command};
use broker::{Broker, Kind};
use page_cache::PageCache;

/// Kafka's own value of `flush.messages`: answers come from the page cache.
const NEVER_FLUSH: &str = "9223372036854775807";

/// What one measurement is about: who, and what its ack promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// As it comes: an ack says that the page cache has it.
    Kafka,
    /// As it comes: an ack says that the disk has it.
    Ottla,
    /// With Kafka's `flush.messages`, so with Kafka's promise.
    OttlaPageCache,
}

impl Side {
    pub(crate) const ALL: [Side; 3] = [Side::Kafka, Side::Ottla, Side::OttlaPageCache];

    fn kind(self) -> Kind {
        match self {
            Side::Kafka => Kind::Kafka,
            Side::Ottla | Side::OttlaPageCache => Kind::Ottla,
        }
    }

    /// The name in the raw results and in topics' names.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Side::Kafka => "kafka",
            Side::Ottla => "ottla",
            Side::OttlaPageCache => "ottla-page-cache",
        }
    }
}

/// What a workload's CPU time is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Per {
    Gigabyte,
    MillionRecords,
    Record,
}

/// One line of work for the driver.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) per: Per,
    /// The driver's first argument.
    command: &'static str,
    size: usize,
    records: u64,
    /// Further arguments of the driver.
    flags: &'static [&'static str],
    partitions: u32,
    /// Reads what this workload wrote in the same round.
    reads: Option<&'static str>,
}

struct Plan {
    rounds: u32,
    workloads: Vec<Workload>,
    /// Seconds of the open-loop workloads.
    seconds: u64,
    /// How often starting is measured.
    starts: u32,
    /// How often a start after `kill -9` is measured.
    kills: u32,
}

fn plan(quick: bool, rounds: Option<u32>) -> Plan {
    let scale = if quick { 1 } else { 3 };
    let fast = |name, title, per, size, thousands: u64, flags| Workload {
        name,
        title,
        per,
        command: "produce",
        size,
        records: thousands * 1000 * scale,
        flags,
        partitions: 6,
        reads: None,
    };
    let small: &[&str] = &["-batch", "4096", "-linger", "0s"];
    let produce_1k =
        || fast("produce-1k", "produce, 1 KiB records, large batches", Per::Gigabyte, 1024, 500, &[]);
    let produce_100 =
        || fast("produce-100", "produce, 100 B records, large batches", Per::Gigabyte, 100, 2500, &[]);
    let read = |name, title, written: Workload| Workload {
        name,
        title,
        command: "consume",
        reads: Some(written.name),
        ..written
    };
    let paced = |name, title, command, flags| Workload {
        name,
        title,
        per: Per::Record,
        command,
        size: 1024,
        records: 0,
        flags,
        partitions: 1,
        reads: None,
    };
    Plan {
        rounds: rounds.unwrap_or(if quick { 2 } else { 3 }),
        workloads: vec![
            produce_1k(),
            read("consume-1k", "consume, 1 KiB records", produce_1k()),
            produce_100(),
            read("consume-100", "consume, 100 B records", produce_100()),
            fast(
                "produce-small",
                "produce, 100 B records, 4 KiB batches, no linger",
                Per::MillionRecords,
                100,
                350,
                small,
            ),
            paced("latency-1000", "one record at a time, 1,000/s", "latency", &["-rate", "1000"]),
            paced("latency-5000", "one record at a time, 5,000/s", "latency", &["-rate", "5000"]),
            paced(
                "round-trip",
                "one record produced, acked and consumed, 1,000/s",
                "round-trip",
                &["-rate", "1000"],
            ),
        ],
        seconds: if quick { 4 } else { 10 },
        starts: if quick { 2 } else { 3 },
        kills: if quick { 1 } else { 2 },
    }
}

/// What is measured beside the [`plan`]'s workloads.
const OTHERS: [&str; 5] = ["start", "kill", "floor", "groups", "scale"];

/// What `--workload` takes.
fn names() -> impl Iterator<Item = &'static str> {
    plan(false, None).workloads.into_iter().map(|workload| workload.name).chain(OTHERS)
}

/// Measures Ottla and Apache Kafka in turns, and writes a table and all that was measured.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Smaller sizes and two rounds: about four minutes instead of a quarter of an hour
    #[arg(long)]
    quick: bool,
    /// How often each measurement is repeated, in turns [default: 3, with --quick 2]
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,
    /// One side alone, for work on the benchmark itself
    #[arg(long, value_name = "SIDE", value_parser = ["kafka", "ottla"])]
    only: Option<String>,
    /// Only this one, and what it needs; may be given several times. `floor` is what the kernel takes for such work,
    /// without a broker; `groups` a group over 900 partitions; `scale` many partitions, which takes minutes
    #[arg(long = "workload", value_name = "NAME", value_parser = PossibleValuesParser::new(names()))]
    workloads: Vec<String>,
    /// The binary to measure; without it the release build is made first
    #[arg(long, value_name = "BINARY")]
    ottla: Option<PathBuf>,
    /// Where both keep their data [default: target/bench]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// The first of the ports used
    #[arg(long, default_value_t = 21310)]
    port: u16,
    /// Where the results go [default: bench/results]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// Runs the benchmark.
pub fn run(options: &Options) -> Result<()> {
    let tools = Tools::find()?;
    let ottla = match &options.ottla {
        Some(binary) => binary.clone(),
        None => broker::build(&tools, &["--package", "ottla"], "ottla")?,
    };
    let target = tools.root.join("target");
    let data = options.data.clone().unwrap_or_else(|| target.join("bench"));
    let out = options.out.clone().unwrap_or_else(|| tools.root.join("bench/results"));
    fs::create_dir_all(&data).with_context(|| format!("cannot make {}", data.display()))?;
    let mut bench = Bench {
        driver: build_driver(&tools)?,
        floor: broker::build(
            &tools,
            &["--package", "ottla-network", "--example", "floor"],
            "examples/floor",
        )?,
        tools,
        ottla,
        data,
        port: options.port,
        plan: plan(options.quick, options.rounds),
        only: options.only.clone(),
        wanted: options.workloads.clone(),
        measured: Vec::new(),
    };
    let started = SystemTime::now();
    let machine = machine::describe(&bench.tools, &bench.data);
    let worked = bench.measure();
    // What was measured before something failed is told all the same.
    let minutes = started.elapsed().unwrap_or_default().as_secs() / 60;
    let files =
        report::write(&out, &bench.plan.workloads, &machine, options.quick, minutes, &bench.measured)?;
    eprintln!("wrote {} and {}", files.table.display(), files.raw.display());
    print!("{}", fs::read_to_string(&files.table)?);
    worked
}

/// Builds the driver; Go keeps what did not change.
fn build_driver(tools: &Tools) -> Result<PathBuf> {
    need(&["go"])?;
    let binary = tools.cache.join("bench-driver");
    run_command(
        Command::new("go")
            .args(["build", "-o"])
            .arg(&binary)
            .arg(".")
            .current_dir(tools.root.join("bench/driver")),
    )?;
    Ok(binary)
}

struct Bench {
    tools: Tools,
    driver: PathBuf,
    /// The example that measures what the kernel takes.
    floor: PathBuf,
    ottla: PathBuf,
    data: PathBuf,
    port: u16,
    plan: Plan,
    only: Option<String>,
    wanted: Vec<String>,
    /// One JSON object for each measurement, in order.
    measured: Vec<Value>,
}

impl Bench {
    fn takes_part(&self, kind: Kind) -> bool {
        self.only.as_deref().is_none_or(|only| only == kind.id())
    }

    fn wants(&self, workload: &str) -> bool {
        let reads_it = |wanted: &String| {
            self.plan.workloads.iter().any(|it| it.name == wanted && it.reads == Some(workload))
        };
        self.wanted.is_empty() || self.wanted.iter().any(|wanted| wanted == workload || reads_it(wanted))
    }

    fn kinds(&self) -> Vec<Kind> {
        [Kind::Kafka, Kind::Ottla].into_iter().filter(|kind| self.takes_part(*kind)).collect()
    }

    fn folder(&self, kind: Kind) -> PathBuf {
        self.data.join(kind.id())
    }

    /// Kafka's controller listens on the port behind its own.
    fn port_of(&self, kind: Kind) -> u16 {
        match kind {
            Kind::Kafka => self.port,
            Kind::Ottla => self.port + 2,
        }
    }

    fn start(&self, kind: Kind) -> Result<Broker> {
        Broker::start(kind, &self.tools, &self.ottla, &self.folder(kind), self.port_of(kind))
    }

    fn measure(&mut self) -> Result<()> {
        for kind in self.kinds() {
            clear(&self.folder(kind))?;
        }
        if self.wants("start") {
            self.measure_starts()?;
        }
        if self.wants("groups") {
            self.measure_groups()?;
        }
        if self.wants("scale") {
            self.measure_scale()?;
        }
        let loads = self.plan.workloads.iter().any(|it| self.wants(it.name));
        if loads || self.wants("kill") || self.wants("floor") {
            let cache = PageCache::fill(&self.data)?;
            let mut brokers = Vec::new();
            for kind in self.kinds() {
                clear(&self.folder(kind))?;
                let broker = self.start(kind)?;
                self.warm_up(&broker)?;
                brokers.push(broker);
            }
            self.measure_workloads(&brokers, &cache)?;
            for broker in &brokers {
                self.note_memory("memory-after", broker)?;
            }
            if self.wants("kill") {
                self.measure_kills(brokers)?;
            } else {
                for broker in brokers {
                    broker.stop()?;
                }
            }
        }
        for kind in self.kinds() {
            clear(&self.folder(kind))?;
        }
        Ok(())
    }

    /// From nothing to the first acked record, and what an idle broker holds then.
    fn measure_starts(&mut self) -> Result<()> {
        for round in 1..=self.plan.starts {
            for kind in self.kinds() {
                clear(&self.folder(kind))?;
                if kind == Kind::Kafka {
                    // Kafka's folder is formatted by a tool of its own; that is not counted.
                    self.start(kind)?.stop()?;
                }
                let (broker, seconds) = self.start_to_first_ack(kind)?;
                self.tell("start", kind.id(), round, json!({ "seconds": seconds }));
                sleep(Duration::from_secs(3));
                self.note_memory("memory-idle", &broker)?;
                broker.stop()?;
            }
        }
        Ok(())
    }

    /// The same after a kill, with the data of the workloads in the folder.
    fn measure_kills(&mut self, brokers: Vec<Broker>) -> Result<()> {
        let mut running = brokers;
        for round in 1..=self.plan.kills {
            let mut next = Vec::new();
            for broker in running {
                let kind = broker.kind();
                let bytes = machine::folder_size(&self.folder(kind));
                broker.kill()?;
                let (broker, seconds) = self.start_to_first_ack(kind)?;
                self.tell("kill", kind.id(), round, json!({ "seconds": seconds, "bytes_on_disk": bytes }));
                next.push(broker);
            }
            running = next;
        }
        for broker in running {
            broker.stop()?;
        }
        Ok(())
    }

    /// Starts a broker while the driver knocks already; seconds until its first record is acked.
    fn start_to_first_ack(&self, kind: Kind) -> Result<(Broker, f64)> {
        let knocking = self.spawn_driver(self.port_of(kind), &["first-ack", "-topic", "first"])?;
        sleep(Duration::from_millis(200));
        let started = SystemTime::now();
        let broker = self.start(kind)?;
        let told = finish_driver(knocking)?;
        let acked = told["acked_unix_nano"].as_u64().context("the driver says when the first ack came")?;
        let acked = UNIX_EPOCH + Duration::from_nanos(acked);
        let seconds = acked.duration_since(started).context("the ack came after the start")?.as_secs_f64();
        Ok((broker, seconds))
    }

    /// Lets a broker reach its speed: code is compiled, buffers have grown, files were opened.
    fn warm_up(&self, broker: &Broker) -> Result<()> {
        eprintln!("warming up {}", broker.kind().id());
        let small = ["-batch", "4096", "-linger", "0s"];
        for (topic, size, share, flags) in [
            ("warm-1k", 1024, 600_000, &[][..]),
            ("warm-100", 100, 2_000_000, &[]),
            ("warm-small", 100, 300_000, &small),
        ] {
            let size = size.to_string();
            let records = share.to_string();
            self.drive(broker, &["create", "-topic", topic, "-partitions", "6"])?;
            let written = ["-topic", topic, "-size", &size, "-records", &records];
            self.drive(broker, &[&["produce"], &written[..], flags].concat())?;
            self.drive(broker, &[&["consume"], &written[..]].concat())?;
        }
        self.drive(broker, &["create", "-topic", "warm-paced"])?;
        self.drive(broker, &["latency", "-topic", "warm-paced", "-rate", "5000", "-duration", "6s"])?;
        self.drive(broker, &["round-trip", "-topic", "warm-paced", "-rate", "1000", "-duration", "5s"])?;
        for topic in ["warm-1k", "warm-100", "warm-small", "warm-paced"] {
            self.delete(broker, topic);
        }
        Ok(())
    }

    fn measure_workloads(&mut self, brokers: &[Broker], cache: &PageCache) -> Result<()> {
        for round in 1..=self.plan.rounds {
            if self.wants("floor") {
                cache.top_up()?;
                self.measure_floor(round)?;
            }
            let mut written = Vec::new();
            for index in 0..self.plan.workloads.len() {
                for side in Side::ALL {
                    let Some(broker) = brokers.iter().find(|broker| broker.kind() == side.kind()) else {
                        continue;
                    };
                    let workload = &self.plan.workloads[index];
                    // Reading is the same whatever an ack promised.
                    if !self.wants(workload.name)
                        || (side == Side::OttlaPageCache && workload.reads.is_some())
                    {
                        continue;
                    }
                    let (name, writes) = (workload.name, workload.reads.is_none());
                    let topic = format!("{}-{}-{round}", workload.reads.unwrap_or(name), side.id());
                    let measured = self.measure_one(broker, workload, side, &topic, cache)?;
                    self.tell(name, side.id(), round, measured);
                    if writes {
                        written.push((side, topic));
                    }
                }
            }
            // The last round's data stays: it is what a killed broker starts with.
            if round < self.plan.rounds {
                for (side, topic) in written {
                    if let Some(broker) = brokers.iter().find(|broker| broker.kind() == side.kind()) {
                        self.delete(broker, &topic);
                    }
                }
            }
        }
        Ok(())
    }

    fn measure_one(
        &self,
        broker: &Broker,
        workload: &Workload,
        side: Side,
        topic: &str,
        cache: &PageCache,
    ) -> Result<Value> {
        if workload.reads.is_none() {
            let partitions = workload.partitions.to_string();
            let mut create = vec!["create", "-topic", topic, "-partitions", &partitions];
            if side == Side::OttlaPageCache {
                create.extend(["-flush-messages", NEVER_FLUSH]);
            }
            self.drive(broker, &create)?;
        }
        // What others left to be written is not to be paid for here.
        run_command(&mut Command::new("sync"))?;
        cache.top_up()?;
        let size = workload.size.to_string();
        let amount = match workload.per {
            Per::Record => ["-duration".to_owned(), format!("{}s", self.plan.seconds)],
            Per::Gigabyte | Per::MillionRecords => ["-records".to_owned(), workload.records.to_string()],
        };
        let mut arguments = vec![workload.command, "-topic", topic, "-size", &size];
        arguments.extend(amount.iter().map(String::as_str));
        arguments.extend(workload.flags);
        let before = machine::cpu_seconds(broker.pid())?;
        let mut told = self.drive(broker, &arguments)?;
        let after = machine::cpu_seconds(broker.pid())?;
        told["broker_cpu_user_seconds"] = json!(after.user - before.user);
        told["broker_cpu_system_seconds"] = json!(after.system - before.system);
        told["broker_rss_bytes"] = json!(machine::memory(broker.pid())?.resident);
        Ok(told)
    }

    /// Deletes a topic to make room; whether that works is not what is measured.
    fn delete(&self, broker: &Broker, topic: &str) {
        if let Err(error) = self.drive(broker, &["delete", "-topic", topic]) {
            eprintln!("{topic} stays: {error}");
        }
    }

    fn note_memory(&mut self, what: &str, broker: &Broker) -> Result<()> {
        let memory = machine::memory(broker.pid())?;
        let id = broker.kind().id();
        self.tell(what, id, 1, json!({ "rss_bytes": memory.resident, "peak_rss_bytes": memory.peak }));
        Ok(())
    }

    /// Keeps a measurement.
    fn tell(&mut self, what: &str, side: &str, round: u32, mut measured: Value) {
        eprintln!("{what:14} {side:17} {measured}");
        measured["what"] = json!(what);
        measured["side"] = json!(side);
        measured["round"] = json!(round);
        self.measured.push(measured);
    }

    fn spawn_driver(&self, port: u16, arguments: &[&str]) -> Result<Child> {
        let (command, flags) = arguments.split_first().context("the driver wants a command")?;
        Command::new(&self.driver)
            .arg(command)
            .args(["-broker", &format!("127.0.0.1:{port}")])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", self.driver.display()))
    }

    fn drive(&self, broker: &Broker, arguments: &[&str]) -> Result<Value> {
        finish_driver(self.spawn_driver(broker.port(), arguments)?)
            .with_context(|| format!("{} with {}", broker.kind().id(), arguments.join(" ")))
    }
}

/// What the driver told on its only line.
fn finish_driver(driver: Child) -> Result<Value> {
    let output = driver.wait_with_output()?;
    ensure!(output.status.success(), "the driver ended with {}", output.status);
    serde_json::from_slice(&output.stdout).context("the driver's line is JSON")
}

fn clear(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot clear {}", folder.display()))
        }
        _ => Ok(()),
    }
}
