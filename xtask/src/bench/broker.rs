//! The two brokers, started and ended alike.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::kafka::{Kafka, stop, wait_for_port};
use crate::process::Process;
use crate::tools::{Tools, run};

/// Kafka's heap, its start script's default.
const KAFKA_HEAP: &str = "1g";

/// How long Ottla may take to accept its first connection.
const START_LIMIT: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Kafka,
    Ottla,
}

impl Kind {
    pub(super) fn id(self) -> &'static str {
        match self {
            Kind::Kafka => "kafka",
            Kind::Ottla => "ottla",
        }
    }
}

/// A running broker. Killed when dropped.
pub(super) enum Broker {
    Kafka(Kafka),
    Ottla(Ottla),
}

pub(super) struct Ottla {
    process: Process,
    port: u16,
}

impl Broker {
    /// Both as they come: every setting is the default that is not an address or a folder, or what
    /// Kafka needs to be alone.
    pub(super) fn start(kind: Kind, tools: &Tools, ottla: &Path, folder: &Path, port: u16) -> Result<Broker> {
        match kind {
            Kind::Kafka => Kafka::start(tools, folder, port, KAFKA_HEAP, &[]).map(Broker::Kafka),
            Kind::Ottla => {
                fs::create_dir_all(folder)?;
                let log = File::options().create(true).append(true).open(folder.join("ottla.log"))?;
                let mut command = Command::new(ottla);
                command.args(["serve", "--data"]).arg(folder.join("data"));
                command.args(["--listen", &format!("127.0.0.1:{port}")]);
                command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
                let mut process = Process::spawn(&mut command)
                    .with_context(|| format!("cannot start {}", ottla.display()))?;
                if let Err(error) = wait_for_port(port, &mut process, START_LIMIT) {
                    let told = fs::read_to_string(folder.join("ottla.log")).unwrap_or_default();
                    return Err(error.context(format!("Ottla did not start:\n{told}")));
                }
                Ok(Broker::Ottla(Ottla { process, port }))
            }
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Broker::Kafka(_) => Kind::Kafka,
            Broker::Ottla(_) => Kind::Ottla,
        }
    }

    pub(super) fn port(&self) -> u16 {
        match self {
            Broker::Kafka(kafka) => kafka.port,
            Broker::Ottla(ottla) => ottla.port,
        }
    }

    pub(super) fn pid(&self) -> u32 {
        match self {
            Broker::Kafka(kafka) => kafka.pid(),
            Broker::Ottla(ottla) => ottla.process.id(),
        }
    }

    pub(super) fn stop(self) -> Result<()> {
        match self {
            Broker::Kafka(kafka) => kafka.stop(),
            Broker::Ottla(mut ottla) => stop(&mut ottla.process),
        }
    }

    pub(super) fn kill(self) -> Result<()> {
        match self {
            Broker::Kafka(kafka) => kafka.kill(),
            Broker::Ottla(mut ottla) => {
                ottla.process.kill()?;
                ottla.process.wait()?;
                Ok(())
            }
        }
    }
}

/// Builds `what`, in cargo's words, as Ottla is released; where its `binary` is.
pub(super) fn build(tools: &Tools, what: &[&str], binary: &str) -> Result<PathBuf> {
    run(Command::new("cargo").args(["build", "--release"]).args(what).current_dir(&tools.root))?;
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| tools.root.join("target"), PathBuf::from);
    Ok(tools.root.join(target).join("release").join(binary))
}
