//! Apache Kafka, one node of it: the judge of the compatibility tests and the other side of the
//! benchmark. Started from the jars that [`Tools::kafka_jars`] installs.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::process::Process;
use crate::tools::Tools;

/// Any cluster id does; a fixed one keeps folders readable. It is "ottla-oracle-001" in Kafka's
/// base64 form of 16 bytes.
const CLUSTER_ID: &str = "b3R0bGEtb3JhY2xlLTAwMQ";

/// How long a broker may take to accept its first connection, after a crash too. As every limit of the tests it is there
/// against hangs, on a machine with much else to do: none is a measure of speed.
pub const START_LIMIT: Duration = Duration::from_secs(300);

/// How long a broker may take to stop before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(180);

/// A running Apache Kafka: one combined broker and controller on 127.0.0.1. Killed when dropped.
#[derive(Debug)]
pub struct Kafka {
    process: Process,
    /// The broker's port; the controller listens on the next one.
    pub port: u16,
}

impl Kafka {
    /// Formats `folder` when it is new (`server.properties`, `server.log` and `data/` lie in it), starts a broker on `port` and waits until it accepts
    /// connections. `heap` is Java's (`"1g"`); `properties` are added to Kafka's defaults for one
    /// node and win over them.
    pub fn start(
        tools: &Tools,
        folder: &Path,
        port: u16,
        heap: &str,
        properties: &[(&str, &str)],
    ) -> Result<Kafka> {
        Kafka::configure(folder, port, properties)?;
        let is_static = properties.iter().any(|(name, _)| *name == "controller.quorum.voters");
        Kafka::start_as_configured(tools, &folder.canonicalize()?, port, heap, is_static)
    }

    /// Writes `server.properties` into `folder`, which is made where it is not there; see [`Kafka::start`].
    pub fn configure(folder: &Path, port: u16, properties: &[(&str, &str)]) -> Result<()> {
        fs::create_dir_all(folder)?;
        let text = server_properties(&folder.canonicalize()?, port, properties);
        Ok(fs::write(folder.join("server.properties"), text)?)
    }

    /// Formats `data/` in `folder` with Kafka's tool, as `server.properties` there says; `arguments` are added to
    /// its own.
    pub fn format(tools: &Tools, folder: &Path, is_static: bool, arguments: &[&str]) -> Result<()> {
        // A static quorum is named in the properties, a dynamic one by formatting.
        let standalone: &[&str] = if is_static { &[] } else { &["--standalone"] };
        let told = folder.join("format.log");
        let file = File::create(&told)?;
        let status = tools
            .java("256m", None)?
            .args(["kafka.tools.StorageTool", "format"])
            .args(standalone)
            .args(arguments)
            .args(["-t", CLUSTER_ID, "-c"])
            .arg(folder.join("server.properties"))
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .status()?;
        ensure!(status.success(), "formatting Apache Kafka's folder failed, see {}", told.display());
        Ok(())
    }

    /// Starts a broker as `server.properties` in `folder` says, which names `data/` in the folder and `port`.
    /// `is_static` says whether it names the voters.
    pub fn start_as_configured(
        tools: &Tools,
        folder: &Path,
        port: u16,
        heap: &str,
        is_static: bool,
    ) -> Result<Kafka> {
        let file = folder.join("server.properties");
        let log = folder.join("server.log");
        if !folder.join("data/meta.properties").exists() {
            Kafka::format(tools, folder, is_static, &[])?;
        }
        let mut command = tools.java(heap, None)?;
        command
            .env("JDK_JAVA_OPTIONS", "-XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent")
            .arg("kafka.Kafka")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(File::create(&log)?)
            .stderr(File::options().append(true).open(&log)?);
        let mut process = Process::spawn(&mut command).context("cannot start java")?;
        if let Err(error) = wait_for_port(port, &mut process, START_LIMIT) {
            let lines = fs::read_to_string(&log).unwrap_or_default();
            let tail: Vec<&str> = lines.lines().rev().take(15).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            return Err(error.context(format!("Apache Kafka did not start:\n{}", tail.join("\n"))));
        }
        Ok(Kafka { process, port })
    }

    /// The address clients are given.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The broker's process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Stops the broker as an operator would (SIGTERM), and waits for its end.
    pub fn stop(mut self) -> Result<()> {
        stop(&mut self.process)
    }

    /// Kills the broker (SIGKILL), and waits for its end.
    pub fn kill(mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

/// The settings of a static quorum, beside those of [`Kafka::start`] for a broker on `port`.
pub fn static_quorum(port: u16) -> [(&'static str, String); 2] {
    let voters = format!("1@127.0.0.1:{}", port + 1);
    [("controller.quorum.bootstrap.servers", String::new()), ("controller.quorum.voters", voters)]
}

/// Kafka's properties for one node that works alone; everything else is Kafka's default.
fn server_properties(folder: &Path, port: u16, properties: &[(&str, &str)]) -> String {
    let controller = port + 1;
    let addresses = format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}");
    let mut text = format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners={addresses}
advertised.listeners={addresses}
controller.listener.names=CONTROLLER
log.dirs={}
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
",
        folder.join("data").display()
    );
    for (name, value) in properties {
        text.push_str(&format!("{name}={value}\n"));
    }
    text
}

/// Waits until something accepts connections on this port of 127.0.0.1, or `process` has ended.
pub fn wait_for_port(port: u16, process: &mut Child, limit: Duration) -> Result<()> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let end = Instant::now() + limit;
    loop {
        if TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok() {
            return Ok(());
        }
        if let Some(status) = process.try_wait()? {
            bail!("the broker ended with {status} before it accepted a connection");
        }
        ensure!(Instant::now() < end, "nothing accepts connections on port {port} after {limit:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Asks a process to stop (SIGTERM); kills it when it has not after a while.
pub fn stop(process: &mut Child) -> Result<()> {
    Command::new("kill").args(["-TERM", &process.id().to_string()]).status()?;
    let end = Instant::now() + STOP_LIMIT;
    while Instant::now() < end {
        if process.try_wait()?.is_some() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(20));
    }
    process.kill()?;
    process.wait()?;
    bail!("the broker did not stop within {STOP_LIMIT:?} and was killed")
}
