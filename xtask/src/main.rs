//! The project's own tasks: `cargo xtask codegen | docs | test | flights | bench | tidy`. Each lives in its own file.

mod bench;
mod codegen;
mod docs;
mod kafka;
mod test;
mod tidy;
mod tools;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (task, rest) = match arguments.split_first() {
        Some((task, rest)) => (task.as_str(), rest),
        None => ("", arguments.as_slice()),
    };
    match task {
        "bench" => bench::run(rest),
        "codegen" => codegen::run(rest),
        "docs" => docs::run(rest),
        "flights" => test::run_flights(rest),
        "test" => test::run(rest),
        "tidy" => tidy::run(rest),
        _ => bail!(
            "usage: cargo xtask test [--help] | flights | bench [--help] | codegen [--check] | docs | tidy"
        ),
    }
}
