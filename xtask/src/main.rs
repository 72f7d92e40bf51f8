//! The project's own tasks: `cargo xtask codegen | docs | test | flights | bench | tidy`. Each lives in its own file.

mod bench;
mod codegen;
mod docs;
mod kafka;
mod process;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

use clap::Parser;

/// The project's own tasks.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
enum Task {
    Bench(bench::Options),
    Codegen(codegen::Options),
    /// Writes the generated parts of the reference anew.
    Docs,
    Flights(test::FlightsOptions),
    Test(test::Options),
    /// Formats the code, and writes the generated code and the generated documentation anew.
    Tidy,
}

fn main() -> ExitCode {
    let worked = match Task::parse() {
        Task::Bench(options) => bench::run(&options),
        Task::Codegen(options) => codegen::run(&options),
        Task::Docs => docs::run(),
        Task::Flights(options) => test::run_flights(&options),
        Task::Test(options) => test::run(&options),
        Task::Tidy => tidy::run(),
    };
    match worked {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
