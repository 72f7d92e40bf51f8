//! `cargo xtask docs`: writes the generated parts of the reference anew.

use anyhow::{Context as _, Result, bail};
use std::process::Command;

/// Programs that each write one page of `docs/reference`: package and example.
const PAGES: [(&str, &str); 1] = [("ottla-configs", "reference")];

/// Writes every page.
pub fn run() -> Result<()> {
    for (package, example) in PAGES {
        let status = Command::new(env!("CARGO"))
            .args(["run", "--quiet", "--package", package, "--example", example])
            .status()
            .with_context(|| format!("cannot run cargo for {package}"))?;
        if !status.success() {
            bail!("the page of {package} could not be written");
        }
    }
    Ok(())
}
