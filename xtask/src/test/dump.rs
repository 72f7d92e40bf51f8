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
];

/// The kinds of files, and how the tool is to look at each.
const KINDS: [(&str, &[&str]); 5] = [
    (".log", &["--deep-iteration"]),
    (".index", &["--index-sanity-check"]),
    (".timeindex", &["--index-sanity-check"]),
    (".txnindex", &[]),
    (".snapshot", &[]),
];

/// Has Kafka's tool read all files of the topics whose names begin with one of `topics`; how many there are. Their records
/// must not hold any of [`COMPLAINTS`]. `decoder` is the switch for records of an internal topic.
pub fn check(tools: &Tools, data: &Path, topics: &[&str], decoder: Option<&str>) -> Result<usize> {
    let mut count = 0;
    for (suffix, switches) in KINDS {
        let files = files(data, topics, suffix)?;
        if files.is_empty() {
            // A log of less than index.interval.bytes has empty indexes.
            ensure!(suffix != ".log", "no {suffix} of {topics:?} in {}", data.display());
            continue;
        }
        count += files.len();
        let mut command = tools.short_java("256m", None)?;
        command.arg("org.apache.kafka.tools.DumpLogSegments").args(switches);
        command.args(decoder.filter(|_| suffix == ".log"));
        command.arg("--files").arg(files.join(","));
        let text = output(&mut command)?;
        let is_complaint = |line: &&str| {
            let line = line.to_lowercase();
            COMPLAINTS.iter().any(|complaint| line.contains(complaint))
        };
        if let Some(line) = text.lines().find(is_complaint) {
            bail!("{topics:?} {suffix}: {line}");
        }
    }
    Ok(count)
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
    let name = command.get_program().display().to_string();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {name}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{}\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    Ok(text)
}
