//! What the operating system tells: of a process, and of the machine.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::tools::Tools;

/// The kernel's unit of CPU time in `/proc`, on every architecture Linux runs on today.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time of a process since it began, its ended threads included. Seconds.
pub(super) struct CpuSeconds {
    pub(super) user: f64,
    pub(super) system: f64,
}

pub(super) fn cpu_seconds(pid: u32) -> Result<CpuSeconds> {
    let path = format!("/proc/{pid}/stat");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {path}: did the broker end?"))?;
    // The second field, the name in parentheses, may itself hold spaces and parentheses.
    let (_, fields) = text.rsplit_once(") ").context("a process's stat has a name")?;
    let mut fields = fields.split(' ').skip(11);
    let mut next = || -> Result<f64> {
        let ticks: f64 = fields.next().context("a process's stat has its times")?.parse()?;
        Ok(ticks / TICKS_PER_SECOND)
    };
    Ok(CpuSeconds { user: next()?, system: next()? })
}

/// Memory of a process. Bytes.
pub(super) struct Memory {
    pub(super) resident: u64,
    pub(super) peak: u64,
}

pub(super) fn memory(pid: u32) -> Result<Memory> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    Ok(Memory { resident: kib_field(&text, "VmRSS:") * 1024, peak: kib_field(&text, "VmHWM:") * 1024 })
}

/// Memory that could be used now, that of the page cache among it. Bytes.
pub(super) fn available_memory() -> u64 {
    kib_field(&fs::read_to_string("/proc/meminfo").unwrap_or_default(), "MemAvailable:") * 1024
}

/// Memory that nobody uses. Bytes.
pub(super) fn free_memory() -> u64 {
    kib_field(&fs::read_to_string("/proc/meminfo").unwrap_or_default(), "MemFree:") * 1024
}

fn kib_field(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}

/// Bytes of disk that a folder's files take.
pub(super) fn folder_size(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;

    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => folder_size(&entry.path()),
            Ok(metadata) => metadata.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

/// What a reader of the results has to know of where they come from.
pub(super) fn describe(tools: &Tools, data: &Path) -> Value {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown", |(_, model)| model.trim());
    let said = |program: &str, arguments: &[&str]| -> String {
        let output = Command::new(program).args(arguments).current_dir(&tools.root).output();
        let output =
            output.map(|output| if output.stdout.is_empty() { output.stderr } else { output.stdout });
        let text = output.map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default();
        text.lines().next().unwrap_or("unknown").trim().to_owned()
    };
    json!({
        "date": said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        "cpu": model,
        "cores": cpuinfo.lines().filter(|line| line.starts_with("processor")).count(),
        "memory_bytes": kib_field(&meminfo, "MemTotal:") * 1024,
        "kernel": said("uname", &["-sr"]),
        "file_system": said("stat", &["-f", "-c", "%T", &data.to_string_lossy()]),
        "load_before": fs::read_to_string("/proc/loadavg").unwrap_or_default().trim(),
        "java": said("java", &["-version"]),
        "go": said("go", &["version"]),
        "commit": said("git", &["rev-parse", "--short=12", "HEAD"]),
    })
}
