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

// The help of each stands with its arguments; a doc comment here would hide it.
#[derive(Subcommand)]
enum Command {
    Serve(serve::Serve),
    Topic(topic::Topic),
    Produce(produce::Produce),
    Consume(consume::Consume),
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
    use super::{Cli, in_one_line};
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_of_a_command_is_shown_in_full() {
        for (path, words) in [
            (["serve"].as_slice(), "Without any option: a broker for this machine"),
            (&["consume"], "Without a group nothing is committed"),
            (&["log", "check"], "3 when the next start repairs all that was found, 4 when there is damage"),
            (&["log", "dump"], "a running server does not mind"),
        ] {
            let mut command = &mut Cli::command().term_width(0);
            command.build();
            for name in path {
                command = command.find_subcommand_mut(name).expect("there is such a command");
            }
            let help = command.render_long_help().to_string();
            assert!(help.contains(words), "{path:?}: {help}");
        }
    }

    #[test]
    fn a_cause_is_told_once() {
        let error =
            anyhow::anyhow!("no such file").context("cannot read x: no such file").context("not started");
        assert_eq!(in_one_line(&error), "not started: cannot read x: no such file");
    }
}
