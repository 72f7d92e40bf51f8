//! Ottla: Apache Kafka as one binary. `ottla serve` runs a node, the other commands talk to one.

mod consume;
mod log;
mod output;
mod produce;
#[cfg(test)]
mod reference;
mod remote;
mod serve;
mod topic;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

// Requests are freed on other threads than they came from, which this allocator does at half the CPU of others.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Apache Kafka as one binary: a broker, and the tools to talk to one.
///
/// Data goes to standard output, everything else to standard error. The exit code is 0 when all was
/// done, 1 when something failed, 2 when the command line makes no sense.
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
    /// Create, list, describe and delete topics.
    Topic(topic::Topic),
    /// Send records: each line of the input is one.
    Produce(produce::Produce),
    /// Read records.
    Consume(consume::Consume),
    /// Look into log directories and their files.
    Log(log::Log),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Serve(serve) => serve.run(),
        Command::Topic(topic) => topic.run(),
        Command::Produce(produce) => produce.run(),
        Command::Consume(consume) => consume.run(),
        Command::Log(log) => log.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Who read our output has had enough of it (`ottla consume … | head`).
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(output::Exit(code)) = error.downcast_ref() {
                return ExitCode::from(*code);
            }
            eprintln!("ottla: {}", in_one_line(&error));
            ExitCode::from(if error.is::<output::Usage>() { 2 } else { 1 })
        }
    }
}

/// An error and its causes; a cause that the text before it already told is not told twice.
fn in_one_line(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::in_one_line;

    #[test]
    fn a_cause_is_told_once() {
        let error =
            anyhow::anyhow!("no such file").context("cannot read x: no such file").context("not started");
        assert_eq!(in_one_line(&error), "not started: cannot read x: no such file");
    }
}
