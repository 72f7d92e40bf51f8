//! Apache Kafka's `DumpLogSegments` as a judge of files.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::tools::Tools;

/// What `DumpLogSegments` says of what is wrong.
const COMPLAINTS: &[&str] = &[
    "mismatch",
    "corrupt",
    "exception",
    "invalid",
    "isvalid: false",
    "out of order",
    "fail",
    "index sanity check failed",
    "not found",
    "ignoring unknown file",
];

/// The kinds of files that the tool reads.
const KINDS: [&str; 6] = [".log", ".index", ".timeindex", ".txnindex", ".snapshot", ".checkpoint"];

/// Has Kafka's tool read all files of the topics whose names begin with one of `topics`; how many there are. Their records
/// must not hold any of [`COMPLAINTS`]. `decoder` is the switch for records of an internal topic.
pub fn check(tools: &Tools, data: &Path, topics: &[&str], decoder: Option<&str>) -> Result<usize> {
    let mut all = Vec::new();
    for suffix in KINDS {
        let files = files(data, topics, suffix)?;
        // A log of less than index.interval.bytes has empty indexes.
        ensure!(!files.is_empty() || suffix != ".log", "no {suffix} of {topics:?} in {}", data.display());
        all.extend(files);
    }
    let mut command = tools.short_java("256m", None)?;
    command.arg("org.apache.kafka.tools.DumpLogSegments").args(["--deep-iteration", "--verify-index-only"]);
    command.args(decoder).arg("--files").arg(all.join(","));
    // It names the file it reads; what is wrong with indexes it says at the end, to stderr.
    let (stdout, stderr) = outputs(&mut command)?;
    let text = stdout + &stderr;
    if let Some(place) = text.lines().position(is_complaint) {
        let lines: Vec<&str> = text.lines().skip(place.saturating_sub(2)).take(6).collect();
        bail!("{topics:?}: {}", lines.join("\n"));
    }
    Ok(all.len())
}

/// Whether a line tells of something wrong. A time index may name a batch whose records compaction has taken: its header
/// keeps the largest timestamp, which Kafka's cleaner, too, puts into the index, and the tool, which looks for it among
/// the records, finds none. So not the heading of such mismatches counts but each of them.
fn is_complaint(line: &str) -> bool {
    if line.starts_with("  Index timestamp: ") {
        return !line.ends_with(", log timestamp: -1");
    }
    let is_heading = line.starts_with("Found timestamp mismatch in ");
    let line = line.to_lowercase();
    !is_heading && COMPLAINTS.iter().any(|complaint| line.contains(complaint))
}

/// The files of these topics that end in `suffix` and are not empty, with their paths.
pub fn files(data: &Path, topics: &[&str], suffix: &str) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for folder in fs::read_dir(data)? {
        let folder = folder?;
        let name = folder.file_name().to_string_lossy().into_owned();
        if !topics.iter().any(|topic| name.starts_with(topic)) {
            continue;
        }
        for file in fs::read_dir(folder.path())? {
            let file = file?;
            let path = file.path().display().to_string();
            if path.ends_with(suffix) && 0 < file.metadata()?.len() {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// What a command prints; fails with it when the command does.
pub fn output(command: &mut Command) -> Result<String> {
    Ok(outputs(command)?.0)
}

/// What a command prints to stdout, and what to stderr; fails with both when the command does.
fn outputs(command: &mut Command) -> Result<(String, String)> {
    let name = command.get_program().display().to_string();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {name}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    ensure!(output.status.success(), "{}\n{stdout}{stderr}", output.status);
    Ok((stdout, stderr))
}
