//! Ottla: Apache Kafka as one binary. `ottla serve` runs a node, the other commands talk to one.

mod serve;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

// Requests are freed on other threads than they came from, which this allocator does at half the CPU of others.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Apache Kafka as one binary: a broker, and the tools to talk to one.
#[derive(Parser)]
#[command(name = "ottla", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a node.
    Serve(serve::Serve),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Serve(serve) => serve.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ottla: {error:#}");
            ExitCode::FAILURE
        }
    }
}
