//! `ottla log`: look into the files of a log directory, Ottla's or Apache Kafka's, without a server.

mod check;
mod decode;
mod dump;
mod metadata;
mod show;

use anyhow::Result;
use clap::{Args, Subcommand};

/// Look into log directories and their files, without a server; Apache Kafka's too.
#[derive(Args)]
pub struct Log {
    #[command(subcommand)]
    command: Command,
}

// The help of each stands with its arguments; a doc comment here would hide it.
#[derive(Subcommand)]
enum Command {
    Check(check::Check),
    Dump(dump::Dump),
}

impl Log {
    /// Does it.
    pub fn run(self) -> Result<()> {
        match self.command {
            Command::Check(check) => check.run(),
            Command::Dump(dump) => dump.run(),
        }
    }
}
