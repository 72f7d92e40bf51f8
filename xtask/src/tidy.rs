//! `cargo xtask tidy`: formats the code, and writes the generated code and the generated
//! documentation anew.

use std::process::Command;

use anyhow::Result;

use crate::tools::run as run_command;
use crate::{codegen, docs};

/// Does all three.
pub fn run() -> Result<()> {
    codegen::run(&codegen::Options::default())?;
    docs::run()?;
    run_command(Command::new(env!("CARGO")).args(["fmt", "--all"]))
}
