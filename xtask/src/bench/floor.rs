//! What the kernel alone takes for the same work: an example of `ottla-network`, in the same run.

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Bench;
use super::report::{cell, sorted};
use crate::tools::run as run_command;

/// The measurements of a round: a name, the field of its number, a title.
const ROWS: [(&str, &str, &str); 9] = [
    ("receive", "cpu_seconds_per_gb", "receive 1 MB messages: CPU-s per GB"),
    ("receive, check", "cpu_seconds_per_gb", "receive, CRC-32C: CPU-s per GB"),
    ("receive, check, write", "cpu_seconds_per_gb", "receive, CRC-32C, write: CPU-s per GB"),
    (
        "receive, check, write, sync",
        "cpu_seconds_per_gb",
        "receive, CRC-32C, write, `fdatasync` of each: CPU-s per GB",
    ),
    ("sendfile", "cpu_seconds_per_gb", "`sendfile` of 1 MB: CPU-s per GB"),
    ("latency 1000", "cpu_ms_per_record", "a message of 1.2 KB, answered, 1,000/s: CPU, ms"),
    ("latency 1000 durable", "cpu_ms_per_record", "the same, written with `O_DSYNC` before: CPU, ms"),
    ("latency 5000", "cpu_ms_per_record", "a message of 1.2 KB, answered, 5,000/s: CPU, ms"),
    ("latency 5000 durable", "cpu_ms_per_record", "the same, written with `O_DSYNC` before: CPU, ms"),
];

impl Bench {
    pub(super) fn measure_floor(&mut self, round: u32) -> Result<()> {
        run_command(&mut Command::new("sync"))?;
        let output = Command::new(&self.floor)
            .arg(self.data.join("floor"))
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("cannot start {}", self.floor.display()))?;
        ensure!(output.status.success(), "the floor ended with {}", output.status);
        for line in String::from_utf8(output.stdout)?.lines() {
            self.tell("floor", "floor", round, serde_json::from_str(line)?);
        }
        Ok(())
    }
}

/// The table of the floor; empty where it was not measured.
pub(super) fn table(measured: &[Value]) -> String {
    let of = |name: &str, field: &str| -> Vec<f64> {
        let some = measured.iter().filter(|it| it["what"] == "floor" && it["floor"] == name);
        sorted(some.filter_map(|it| it[field].as_f64()))
    };
    let mut page = String::new();
    for (name, field, title) in ROWS {
        let numbers = of(name, field);
        if numbers.is_empty() {
            continue;
        }
        if page.is_empty() {
            page += "
## The floor

One thread that does with blocking calls what every broker must, without a protocol, a log or a second connection (`crates/network/examples/floor.rs`), in the same rounds: what the kernel of this machine takes.

| measure | floor |
|---|---|
";
        }
        let _ = writeln!(page, "| {title} | {} |", cell(&numbers));
        if name.starts_with("latency") {
            for (field, share) in [("p50_ms", "p50"), ("p99_ms", "p99"), ("p99_9_ms", "p99.9")] {
                let _ = writeln!(page, "| … until the answer {share}, ms | {} |", cell(&of(name, field)));
            }
        }
    }
    page
}
