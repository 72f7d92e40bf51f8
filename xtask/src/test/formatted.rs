//! Log directories that `kafka-storage format` has made with levels of features of its own, and in which no node ever
//! ran: Ottla begins the metadata log of one as Apache Kafka begins that of its copy, and Apache Kafka goes on with
//! what Ottla began.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::dump::output;
use super::ottla::free_ports;
use super::swap;
use crate::kafka::{Kafka, static_quorum, stop};
use crate::tools::{Tools, run as run_command};

/// A way to format.
pub struct Case {
    /// What the step is called by.
    pub name: &'static str,
    /// Whether the quorum is static; one with a `metadata.version` below 3.9 has to be.
    is_static: bool,
    /// Arguments for `kafka-storage format`.
    arguments: &'static [&'static str],
}

/// All of them: levels of before transactions in the metadata log, of before eligible leader replicas, and single
/// features and credentials.
pub const CASES: [Case; 3] = [
    Case { name: "3.5", is_static: true, arguments: &["--release-version", "3.5"] },
    Case { name: "4.0", is_static: false, arguments: &["--release-version", "4.0"] },
    Case {
        name: "features",
        is_static: false,
        arguments: &[
            "--feature",
            "group.version=0",
            "--feature",
            "eligible.leader.replicas.version=0",
            "--add-scram",
            "SCRAM-SHA-256=[name=alice,password=alice-secret]",
        ],
    },
];

/// Formats, begins, and goes on; with how many records the log began.
pub fn run(tools: &Tools, ottla: &Path, folder: &Path, case: &Case) -> Result<String> {
    fs::create_dir_all(folder)?;
    let folder = folder.canonicalize()?;
    let (begun_by_kafka, begun_by_ottla) = (folder.join("kafka"), folder.join("ottla"));
    let port = free_ports(2)?;
    let voters = static_quorum(port);
    let settings = voters.iter().filter(|_| case.is_static).map(|(name, value)| (*name, value.as_str()));
    let settings: Vec<(&str, &str)> = settings.collect();
    for folder in [&begun_by_kafka, &begun_by_ottla] {
        Kafka::configure(folder, port, &settings)?;
    }
    Kafka::format(tools, &begun_by_kafka, case.is_static, case.arguments)?;
    // Formatting chooses ids and salts.
    run_command(Command::new("cp").arg("-r").arg(begun_by_kafka.join("data")).arg(&begun_by_ottla))?;

    Kafka::start_as_configured(tools, &begun_by_kafka, port, "512m", case.is_static)?.stop()?;
    let mut process = swap::start(ottla, &begun_by_ottla, port)?;
    stop(&mut process)?;
    let expected = first_records(tools, &begun_by_kafka)?;
    let found = first_records(tools, &begun_by_ottla)?;
    ensure!(
        expected == found,
        "the metadata log begins otherwise\nApache Kafka's:\n{}\nOttla's:\n{}",
        expected.join("\n"),
        found.join("\n")
    );
    Kafka::start_as_configured(tools, &begun_by_ottla, port, "512m", case.is_static)
        .context("with Apache Kafka on the folder that Ottla began")?
        .stop()?;
    Ok(format!("{} records\n", found.len()))
}

/// What the metadata log has before its first node registers.
fn first_records(tools: &Tools, folder: &Path) -> Result<Vec<String>> {
    let log = folder.join("data/__cluster_metadata-0/00000000000000000000.log");
    let mut command = tools.short_java("256m", None)?;
    command
        .args(["org.apache.kafka.tools.DumpLogSegments", "--cluster-metadata-decoder", "--files"])
        .arg(&log);
    let text = output(&mut command)?;
    let payloads = text.lines().filter_map(|line| line.split_once(" payload: ").map(|(_, payload)| payload));
    // Kafka's keepalive for other nodes comes at any time.
    let begun = payloads.filter(|payload| !payload.contains("\"NO_OP_RECORD\""));
    let records: Vec<String> =
        begun.take_while(|payload| !payload.contains("\"REGISTER_")).map(str::to_owned).collect();
    ensure!(!records.is_empty(), "no record in {}:\n{text}", log.display());
    Ok(records)
}
