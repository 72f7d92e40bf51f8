//! `kill -9` in the middle of work: what was acked is there afterwards, at its offset, in order and
//! once; and so are the topics, the group's offsets and the producer's sequence.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::ottla::Ottla;
use crate::process::Process;
use crate::tools::Tools;

const PARTITIONS: &str = "6";

/// How long a step of the client may take, from a start of the broker to the next acks.
const STEP_LIMIT: Duration = Duration::from_secs(600);

/// Clients at work in a process of their own, which tells how much is acked (`compat/go/crash`, `compat/go/churn`).
/// Killed when dropped.
pub struct Work {
    process: Process,
    acked: Arc<AtomicU64>,
    reader: JoinHandle<String>,
}

impl Work {
    /// Starts to produce to `topic` and to read it.
    pub fn start(program: &Path, bootstrap: &str, topic: &str, acks: &Path) -> Result<Work> {
        Work::spawn(Command::new(program).args(["work", bootstrap, topic, PARTITIONS]).arg(acks))
    }

    /// Starts a command that prints `acked N` now and then, and ends its work when its stdin ends.
    pub fn spawn(command: &mut Command) -> Result<Work> {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut process = Process::spawn(command).context("cannot start the test's client")?;
        let lines = BufReader::new(process.stdout.take().context("its output is piped")?).lines();
        let acked = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&acked);
        let reader = thread::spawn(move || {
            let mut last = String::new();
            for line in lines.map_while(|line| line.ok()) {
                let number = line.split(' ').nth(1).and_then(|number| number.parse().ok());
                count.store(number.unwrap_or(0), Ordering::Relaxed);
                last = line;
            }
            last
        });
        Ok(Work { process, acked, reader })
    }

    /// Records acked so far, as it last told.
    pub fn acked(&self) -> u64 {
        self.acked.load(Ordering::Relaxed)
    }

    /// Waits until it has more than `count` acks.
    pub fn wait_for_more_than(&mut self, count: u64) -> Result<()> {
        let end = Instant::now() + STEP_LIMIT;
        while self.acked() <= count {
            ensure!(Instant::now() < end, "no new acks for {STEP_LIMIT:?} at {count}");
            ensure!(self.process.try_wait()?.is_none(), "the client ended");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Ends its work: it waits for its last acks, reads to the end, and tells what it did.
    pub fn finish(mut self) -> Result<String> {
        drop(self.process.stdin.take());
        let status = self.process.wait()?;
        let last = self.reader.join().unwrap_or_default();
        ensure!(status.success(), "the client ended with {status}");
        Ok(last)
    }
}

/// Runs the client's program for one command, and returns what it printed.
pub fn once(program: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output()?;
    ensure!(
        output.status.success(),
        "{}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default()
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The program behind [`Work`].
pub fn program(tools: &Tools) -> Result<PathBuf> {
    tools.go_program(&tools.compat("go"), "crash")
}

/// Kills Ottla `rounds` times under work, and checks the acks at the end. Returns what it saw.
pub fn run(tools: &Tools, binary: &Path, folder: &Path, rounds: u32) -> Result<String> {
    let program = program(tools)?;
    let mut ottla = Ottla::start(binary, folder, &["group.initial.rebalance.delay.ms=0"])?;
    let bootstrap = ottla.bootstrap();
    let acks = folder.join("acks");
    let topic = "crash";
    once(&program, &["create", &bootstrap, topic, PARTITIONS])?;
    let mut topics = vec![topic.to_owned()];
    let mut work = Work::start(&program, &bootstrap, topic, &acks)?;
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        let before = work.acked();
        work.wait_for_more_than(before + 1000)?;
        // Another moment in every round: during a batch, a sync, an answer, a commit of offsets.
        thread::sleep(Duration::from_millis(u64::from(round * 37 % 300)));
        ottla.kill()?;
        let start = Instant::now();
        ottla.start_again()?;
        slowest = slowest.max(start.elapsed());
        let name = format!("crash-{round}");
        once(&program, &["create", &bootstrap, &name, "1"])?;
        topics.push(name);
        work.wait_for_more_than(work.acked())?;
    }
    let done = work.finish()?;
    // The last kill meets an idle broker that has just answered everything.
    ottla.kill()?;
    ottla.start_again()?;
    let path = acks.display().to_string();
    let verdict = once(&program, &["verify", &bootstrap, topic, PARTITIONS, &path])?;
    let names: Vec<&str> =
        ["topics", &bootstrap].into_iter().chain(topics.iter().map(String::as_str)).collect();
    once(&program, &names)?;
    ottla.stop()?;
    ottla.check_log()?;
    fs::remove_dir_all(folder).ok();
    Ok(format!("{rounds} kills, {done}; {verdict}; slowest restart {} ms", slowest.as_millis()))
}
