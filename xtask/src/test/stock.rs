//! Apache Kafka's own configuration files (`compat/swap/stock/`) as they stand: Ottla serves a new folder with each,
//! and Apache Kafka goes on with that folder.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::ottla::free_ports;
use super::swap::{self, LOG};
use crate::kafka::{Kafka, stop};
use crate::tools::Tools;

/// The files, and whether their quorum is static.
pub const FILES: [(&str, bool); 3] =
    [("server.properties", false), ("docker.properties", true), ("compose.properties", true)];
/// How many records are written to each topic.
const RECORDS: u32 = 300;

/// Serves with one of [`FILES`]; what was seen.
pub fn run(tools: &Tools, ottla: &Path, folder: &Path, file: &str, is_static: bool) -> Result<String> {
    fs::create_dir_all(folder)?;
    let folder = folder.canonicalize()?;
    let port = free_ports(3)?;
    let data = folder.join("data").display().to_string();
    let mut text = fs::read_to_string(tools.compat("swap/stock").join(file))?;
    for (stock, here) in [
        (":19092", format!(":{}", port + 2)),
        (":9092", format!(":{port}")),
        (":9093", format!(":{}", port + 1)),
        ("log.dirs=/tmp/kraft-combined-logs", format!("log.dirs={data}")),
    ] {
        // Only one of them has a third listener.
        ensure!(text.contains(stock) || stock == ":19092", "{file} does not say {stock}");
        text = text.replace(stock, &here);
    }
    fs::write(folder.join("server.properties"), &text)?;

    let notes = folder.join("notes");
    let mut process = swap::start(ottla, &folder, port)?;
    let seen = swap::act(tools, port, &notes, "begin,write,check", 0, RECORDS);
    stop(&mut process)?;
    let ottla = seen.context("with Ottla")?;
    let told = what_it_said(&fs::read_to_string(folder.join(LOG))?, &text)?;

    let kafka = Kafka::start_as_configured(tools, &folder, port, "512m", is_static)?;
    let seen = swap::act(tools, port, &notes, "check", 1, RECORDS);
    kafka.stop()?;
    let kafka = seen.context("with Apache Kafka on the folder that Ottla began")?;
    Ok(format!("{told}Ottla: {ottla}Apache Kafka: {kafka}"))
}

/// The notes at start, each of settings that the file has, and nothing that sounds like trouble.
fn what_it_said(log: &str, properties: &str) -> Result<String> {
    let mut notes = String::new();
    for line in log.lines() {
        ensure!(!line.contains(" WARN ") && !line.contains(" ERROR "), "in the log: {line}");
        let Some(note) = line.strip_prefix("note: ") else { continue };
        let (keys, reason) = note.split_once(": ").context("a note without a reason")?;
        for key in keys.split(", ") {
            let is_set = properties.lines().any(|line| line.starts_with(&format!("{key}=")));
            ensure!(is_set, "a note on {key}, which is not set: {reason}");
        }
        notes += &format!("{line}\n");
    }
    Ok(notes)
}
