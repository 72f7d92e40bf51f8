//! Ottla as a test runs it: a process of its own, killed and started again at will.

use std::env;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::kafka::{START_LIMIT, stop, wait_for_port};
use crate::process::Process;

/// Where tests look for free ports, unless `OTTLA_PORTS` names another first one: below the ports that the system
/// hands to outgoing connections, so that nobody takes a broker's port while it is down.
const FIRST_PORT: u16 = 21_700;
/// Among so many.
const PORTS: u16 = 100;

/// A running Ottla. Killed when dropped.
#[derive(Debug)]
pub struct Ottla {
    binary: PathBuf,
    folder: PathBuf,
    settings: Vec<String>,
    process: Option<Process>,
    /// Where it listens on 127.0.0.1; its controller listens on the next one, as with [`crate::kafka::Kafka`].
    pub port: u16,
}

impl Ottla {
    /// Starts Ottla with its data and its log in `folder`, on free ports. A setting is `KEY=VALUE`.
    pub fn start(binary: &Path, folder: &Path, settings: &[impl AsRef<str>]) -> Result<Ottla> {
        fs::create_dir_all(folder)?;
        let mut ottla = Ottla {
            binary: binary.to_path_buf(),
            folder: folder.to_path_buf(),
            settings: settings.iter().map(|setting| setting.as_ref().to_owned()).collect(),
            process: None,
            port: free_ports(2)?,
        };
        ottla.start_again()?;
        Ok(ottla)
    }

    /// Starts it on the same folder and port, after [`Ottla::kill`] or [`Ottla::stop`].
    pub fn start_again(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.log_path())?;
        let mut command = Command::new(&self.binary);
        command.arg("serve");
        if !self.settings.iter().any(|setting| setting.starts_with("log.dirs=")) {
            command.arg("--data").arg(self.folder.join("data"));
        }
        command
            .args(["--listen", &self.bootstrap()])
            .args(["--set", "controller.listener.names=CONTROLLER"])
            .args(["--set", &format!("listeners=CONTROLLER://127.0.0.1:{}", self.port + 1)])
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        let mut process = Process::spawn(&mut command)
            .with_context(|| format!("cannot start {}", self.binary.display()))?;
        let ready = wait_for_port(self.port, &mut process, START_LIMIT);
        self.process = Some(process);
        ready.with_context(|| format!("Ottla did not start:\n{}", self.log_tail()))
    }

    /// The address that clients are given.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `kill -9`.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill()?;
            process.wait()?;
        }
        Ok(())
    }

    /// A stop as an operator does it (SIGTERM).
    pub fn stop(&mut self) -> Result<()> {
        match self.process.take() {
            Some(mut process) => stop(&mut process),
            None => Ok(()),
        }
    }

    /// Fails when the process has ended by itself.
    pub fn check_alive(&mut self) -> Result<()> {
        if let Some(process) = &mut self.process
            && let Some(status) = process.try_wait()?
        {
            bail!("Ottla ended with {status}:\n{}", self.log_tail());
        }
        Ok(())
    }

    /// Resident memory in KiB, where the system tells it.
    pub fn memory_kib(&self) -> Option<u64> {
        let pid = self.process.as_ref()?.id();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().trim_end_matches("kB").trim().parse().ok()
    }

    /// Lines of the log that no run should leave: panics, and what Ottla itself calls an error.
    pub fn complaints(&self) -> Vec<String> {
        let log = fs::read_to_string(self.log_path()).unwrap_or_default();
        log.lines()
            .filter(|line| line.contains("panicked at") || line.contains(" ERROR "))
            .map(str::to_owned)
            .collect()
    }

    /// Fails when there are [`Ottla::complaints`].
    pub fn check_log(&self) -> Result<()> {
        let complaints = self.complaints();
        ensure!(complaints.is_empty(), "{} lines in the log, as: {}", complaints.len(), complaints[0]);
        Ok(())
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("ottla.log")
    }

    fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let start = lines.len().saturating_sub(15);
        lines.get(start..).unwrap_or_default().join("\n")
    }
}

/// The first of `count` neighbouring ports of 127.0.0.1 that nobody listens on.
pub fn free_ports(count: u16) -> Result<u16> {
    let given = env::var("OTTLA_PORTS").ok().map(|port| port.parse().context("OTTLA_PORTS")).transpose()?;
    let first: u16 = given.unwrap_or(FIRST_PORT);
    let free = |port: u16| TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).is_ok();
    let ports = first..first.saturating_add(PORTS);
    ports.step_by(usize::from(count)).find(|first| (*first..first + count).all(free)).with_context(|| {
        format!("none of the {PORTS} ports from {first} on is free: stop what listens there")
    })
}
