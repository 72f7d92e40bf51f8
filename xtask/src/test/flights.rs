//! The example of `examples/flights`: real rows through one topic to three consumers in three
//! languages, with a `kill -9` of the broker in the middle.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::crash;
use super::ottla::{Ottla, free_ports};
use crate::kafka::Kafka;
use crate::process::Process;
use crate::tools::Tools;

/// All rows of the data.
pub const ALL_ROWS: u64 = 336_776;

const TOPIC: &str = "flights";
const GROUP: &str = "three-languages";
const PARTITIONS: &str = "6";

/// How long the sending takes at least, so that there is a middle to be killed in.
const SENDING_SECONDS: u64 = 6;

/// How long producer and consumers may take for their parts: against hangs.
const READ_LIMIT: Duration = Duration::from_secs(900);

/// The broker under test, as far as this example treats it.
enum Broker<'a> {
    Ottla(Ottla),
    Kafka { tools: &'a Tools, folder: &'a Path, port: u16, running: Option<Kafka> },
}

impl Broker<'_> {
    fn bootstrap(&self) -> String {
        match self {
            Broker::Ottla(ottla) => ottla.bootstrap(),
            Broker::Kafka { port, .. } => format!("127.0.0.1:{port}"),
        }
    }

    fn kill(&mut self) -> Result<()> {
        match self {
            Broker::Ottla(ottla) => ottla.kill(),
            Broker::Kafka { running, .. } => running.take().map_or(Ok(()), Kafka::kill),
        }
    }

    fn start_again(&mut self) -> Result<()> {
        match self {
            Broker::Ottla(ottla) => ottla.start_again(),
            Broker::Kafka { tools, folder, port, running } => {
                *running = Some(Kafka::start(
                    tools,
                    folder,
                    *port,
                    "1g",
                    &[("group.initial.rebalance.delay.ms", "0")],
                )?);
                Ok(())
            }
        }
    }
}

/// A consumer's process; it leaves the group when its standard input is closed.
struct Consumer {
    process: Process,
    output: PathBuf,
}

impl Consumer {
    fn start(mut command: Command, bootstrap: &str, folder: &Path, name: &str) -> Result<Consumer> {
        let output = folder.join(name);
        command.args([bootstrap, TOPIC, GROUP]).arg(&output);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        command.stderr(File::create(folder.join(format!("{name}.log")))?);
        let process = Process::spawn(&mut command).with_context(|| format!("cannot start {name}"))?;
        Ok(Consumer { process, output })
    }

    fn stop(mut self) -> Result<()> {
        drop(self.process.stdin.take());
        let end = Instant::now() + READ_LIMIT;
        while self.process.try_wait()?.is_none() {
            ensure!(Instant::now() < end, "a consumer does not leave ({})", self.output.display());
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// Runs the example on `rows` rows, against Ottla (`binary`) or, without one, against Apache Kafka.
/// Returns the table of what was seen.
pub fn run(tools: &Tools, binary: Option<&Path>, folder: &Path, rows: u64) -> Result<String> {
    let here = tools.root.join("examples/flights");
    let python = tools.python()?;
    let go = tools.go_program(&here.join("go"), "flights")?;
    let creator = crash::program(tools)?;
    let node = || tools.node(&here.join("consume.js"));
    let script = |name: &str| {
        let mut command = Command::new(&python);
        command.arg(here.join(name));
        command
    };
    fs::create_dir_all(folder)?;
    let mut broker = match binary {
        Some(binary) => Broker::Ottla(Ottla::start(binary, folder, &["group.initial.rebalance.delay.ms=0"])?),
        None => {
            let mut kafka = Broker::Kafka { tools, folder, port: free_ports(2)?, running: None };
            kafka.start_again()?;
            kafka
        }
    };
    let bootstrap = broker.bootstrap();
    crash::once(&creator, &["create", &bootstrap, TOPIC, PARTITIONS])?;

    let start = Instant::now();
    // Two from the beginning; the third joins when a part is read, and takes its share over. Rows are sent when the
    // group is settled: who came too late for them all would have nothing to read.
    let settled = |members: &str| crash::once(&creator, &["members", &bootstrap, GROUP, members]);
    let mut consumers = vec![
        Consumer::start(script("consume.py"), &bootstrap, folder, "consumed in Python")?,
        Consumer::start(node()?, &bootstrap, folder, "consumed in Node")?,
    ];
    settled("2")?;
    let acks = folder.join("acks");
    let mut producer = script("produce.py");
    producer.args([&bootstrap, TOPIC, &rows.to_string(), &(rows / SENDING_SECONDS).to_string()]).arg(&acks);
    let mut producer = Process::spawn(producer.stdin(Stdio::null()).stdout(Stdio::piped()))?;
    let lines = BufReader::new(producer.stdout.take().context("its output is piped")?).lines();
    let acked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&acked);
    thread::spawn(move || {
        for line in lines.map_while(|line| line.ok()) {
            let number = line.split(' ').nth(1).and_then(|number| number.parse().ok());
            count.store(number.unwrap_or(0), Ordering::Relaxed);
        }
    });
    wait(&acked, &mut producer, rows / 4)?;
    producer.signal("STOP")?;
    consumers.push(Consumer::start(Command::new(&go), &bootstrap, folder, "consumed in Go")?);
    settled("3")?;
    producer.signal("CONT")?;
    wait(&acked, &mut producer, rows / 2)?;
    let killed_at = acked.load(Ordering::Relaxed);
    eprintln!("      kill -9 after {killed_at} acks");
    broker.kill()?;
    thread::sleep(Duration::from_secs(1));
    broker.start_again()?;
    let status = producer.wait()?;
    ensure!(status.success(), "the producer ended with {status}");

    let end = Instant::now() + READ_LIMIT;
    let outputs: Vec<_> = consumers.iter().map(|consumer| consumer.output.clone()).collect();
    let mut last = (0, Instant::now());
    // Until all places of the log were read and nothing has come for three seconds.
    loop {
        let lines: u64 = outputs.iter().map(|path| count_lines(path)).sum();
        if lines != last.0 {
            last = (lines, Instant::now());
        }
        let is_settled = Duration::from_secs(3) < last.1.elapsed();
        if (is_settled && rows <= places(&outputs)) || end < Instant::now() {
            break;
        }
        thread::sleep(Duration::from_millis(200));
    }
    for consumer in consumers {
        consumer.stop()?;
    }
    let seconds = start.elapsed().as_secs_f32();
    let output =
        script("check.py").arg(rows.to_string()).arg(&acks).args(&outputs).stdin(Stdio::null()).output()?;
    let table = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
    ensure!(
        output.status.success(),
        "{table}{}\n(what was read is in {})",
        String::from_utf8_lossy(&output.stderr),
        folder.display()
    );
    if let Broker::Ottla(ottla) = &mut broker {
        ottla.check_log()?;
        ottla.stop()?;
    }
    drop(broker);
    fs::remove_dir_all(folder).ok();
    Ok(format!(
        "{table}\nkilled at                 {killed_at:>9} acks\nseconds                   {seconds:>9.1}"
    ))
}

/// Waits until so many rows are acked.
fn wait(acked: &AtomicU64, producer: &mut Process, rows: u64) -> Result<()> {
    let end = Instant::now() + READ_LIMIT;
    while acked.load(Ordering::Relaxed) < rows {
        ensure!(producer.try_wait()?.is_none(), "the producer ended early");
        ensure!(Instant::now() < end, "{} rows acked after {READ_LIMIT:?}", acked.load(Ordering::Relaxed));
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// How many records there are in these files: a record that was handed out again has its place once more.
fn places(outputs: &[PathBuf]) -> u64 {
    let mut places = HashSet::new();
    for output in outputs {
        for line in fs::read_to_string(output).unwrap_or_default().lines() {
            let mut words = line.split(' ').skip(1);
            places.insert((words.next().map(str::to_owned), words.next().map(str::to_owned)));
        }
    }
    places.len() as u64
}

fn count_lines(path: &Path) -> u64 {
    let Ok(file) = File::open(path) else { return 0 };
    BufReader::new(file).split(b'\n').map_while(|line| line.ok()).count() as u64
}
