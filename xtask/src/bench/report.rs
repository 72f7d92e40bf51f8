//! The table, and beside it everything that was measured.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Per, Side, Workload};

pub(super) struct Files {
    pub(super) table: PathBuf,
    pub(super) raw: PathBuf,
}

/// Writes `DATE-COMMIT.md` and `.json` into `out`.
pub(super) fn write(
    out: &Path,
    workloads: &[Workload],
    machine: &Value,
    quick: bool,
    minutes: u64,
    measured: &[Value],
) -> Result<Files> {
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let date: String =
        text(machine, "date").chars().take(16).map(|it| if it.is_ascii_digit() { it } else { '-' }).collect();
    let name = format!("{date}-{}{}", text(machine, "commit"), if quick { "-quick" } else { "" });
    let files = Files { table: out.join(format!("{name}.md")), raw: out.join(format!("{name}.json")) };
    fs::write(&files.table, table(workloads, machine, quick, minutes, measured, &name))?;
    let raw = json!({ "machine": machine, "quick": quick, "measured": measured });
    fs::write(&files.raw, serde_json::to_string_pretty(&raw)? + "\n")?;
    Ok(files)
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or("unknown")
}

/// Finds a number in a measurement.
pub(super) type Number = Box<dyn Fn(&Value) -> Option<f64>>;

/// A line of the table: a name, and how its number is found in a measurement.
struct Row {
    what: String,
    title: String,
    number: Number,
    /// Whether more is better.
    more: bool,
}

fn table(
    workloads: &[Workload],
    machine: &Value,
    quick: bool,
    minutes: u64,
    measured: &[Value],
    name: &str,
) -> String {
    let mut page = String::new();
    let gib = machine["memory_bytes"].as_f64().unwrap_or(0.0) / f64::from(1 << 30);
    let _ = write!(
        page,
        "# Ottla and Apache Kafka 4.3.1, {date}{quick}

Made by `cargo xtask bench{flag}` at commit {commit}, in {minutes} minutes. All of what was measured: [{name}.json]({name}.json).

* Machine: {cpu}, {cores} cores, {gib:.0} GiB, {kernel}, {file_system}; load before: {load}.
* Driver: `bench/driver` (franz-go, {go}) on the same machine over the loopback interface; `acks=all`, idempotent, no compression.
* Apache Kafka: one combined node, heap 1 GiB, {java}, its defaults: **an ack says that the page cache has the record**.
* Ottla: its defaults: **an ack says that the disk has the record** (`flush.messages=1`, `fdatasync`). The column *page cache* is the same broker with Kafka's `flush.messages` on the topic.
* CPU is the broker process's own (user and system). In turns; the median, and the range of all rounds. GB are 10⁹ bytes of record values. The last column is Kafka's median over Ottla's, durable (for throughput the other way round): above 1 is in Ottla's favour.

| measure | Apache Kafka, page cache | Ottla, durable | Ottla, page cache | Kafka ÷ Ottla |
|---|---|---|---|---|
",
        date = text(machine, "date"),
        quick = if quick { ", quick run" } else { "" },
        flag = if quick { " --quick" } else { "" },
        commit = text(machine, "commit"),
        cpu = text(machine, "cpu"),
        cores = machine["cores"],
        kernel = text(machine, "kernel"),
        file_system = text(machine, "file_system"),
        load = text(machine, "load_before"),
        go = text(machine, "go"),
        java = text(machine, "java"),
    );
    for row in rows(workloads) {
        let sides = Side::ALL.map(|side| numbers(measured, &row, side.id()));
        if sides.iter().all(Vec::is_empty) {
            continue;
        }
        let [kafka, ottla, _] = &sides;
        let ratio = if row.more { ratio(ottla, kafka) } else { ratio(kafka, ottla) };
        let [kafka, ottla, page_cache] = sides.map(|numbers| cell(&numbers));
        let _ = writeln!(page, "| {} | {kafka} | {ottla} | {page_cache} | {ratio} |", row.title);
    }
    page + &super::floor::table(measured) + &super::groups::table(measured) + &super::scale::table(measured)
}

/// The median of some numbers over that of others, as the last column of a table.
pub(super) fn ratio(some: &[f64], others: &[f64]) -> String {
    match (median(some), median(others)) {
        (Some(some), Some(others)) if 0.0 < some && 0.0 < others => format!("{}×", digits(some / others)),
        _ => "–".to_owned(),
    }
}

fn rows(workloads: &[Workload]) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |what: &str, title: String, more, number: Number| {
        rows.push(Row { what: what.to_owned(), title, number, more });
    };
    let cpu = |it: &Value| {
        Some(it["broker_cpu_user_seconds"].as_f64()? + it["broker_cpu_system_seconds"].as_f64()?)
    };
    for workload in workloads {
        let (name, title) = (workload.name, workload.title);
        match workload.per {
            Per::Gigabyte => {
                row(
                    name,
                    format!("{title}: CPU-s per GB"),
                    false,
                    Box::new(move |it| Some(cpu(it)? / it["bytes"].as_f64()? * 1e9)),
                );
                row(
                    name,
                    format!("{title}: MB/s"),
                    true,
                    Box::new(|it| Some(it["bytes"].as_f64()? / it["seconds"].as_f64()? / 1e6)),
                );
            }
            Per::MillionRecords => {
                row(
                    name,
                    format!("{title}: CPU-s per million records"),
                    false,
                    Box::new(move |it| Some(cpu(it)? / it["records"].as_f64()? * 1e6)),
                );
                row(
                    name,
                    format!("{title}: thousand records/s"),
                    true,
                    Box::new(|it| Some(it["records"].as_f64()? / it["seconds"].as_f64()? / 1e3)),
                );
            }
            Per::Record => {
                row(
                    name,
                    format!("{title}: CPU per record, ms"),
                    false,
                    Box::new(move |it| Some(cpu(it)? / it["records"].as_f64()? * 1e3)),
                );
                for share in ["p50", "p99", "p99.9"] {
                    row(
                        name,
                        format!("{title}: ack latency {share}, ms"),
                        false,
                        Box::new(move |it| it["ack_ms"][share].as_f64()),
                    );
                }
                for share in ["p50", "p99"] {
                    row(
                        name,
                        format!("{title}: until consumed {share}, ms"),
                        false,
                        Box::new(move |it| it["end_to_end_ms"][share].as_f64()),
                    );
                }
            }
        }
    }
    let seconds = |it: &Value| it["seconds"].as_f64();
    let mib = |it: &Value| Some(it["rss_bytes"].as_f64()? / f64::from(1 << 20));
    row(
        "start",
        "start of an empty node to the first acked record, s (Kafka's formatting not counted)".into(),
        false,
        Box::new(seconds),
    );
    row(
        "kill",
        "`kill -9` with the data of a round, to the first acked record, s".into(),
        false,
        Box::new(seconds),
    );
    row("memory-idle", "idle memory (RSS), MiB".into(), false, Box::new(mib));
    row("memory-after", "memory after all of the above (RSS), MiB".into(), false, Box::new(mib));
    rows
}

/// Sorted.
fn numbers(measured: &[Value], row: &Row, side: &str) -> Vec<f64> {
    let of_row = measured.iter().filter(|it| it["what"] == row.what.as_str() && it["side"] == side);
    sorted(of_row.filter_map(|it| (row.number)(it)))
}

/// What the median and the range are taken of.
pub(super) fn sorted(numbers: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers
}

pub(super) fn median(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get(sorted.len().checked_sub(1)? / 2)?;
    Some((lower + upper) / 2.0)
}

pub(super) fn cell(sorted: &[f64]) -> String {
    match (median(sorted), sorted) {
        (Some(median), [first, .., last]) => {
            format!("{} ({}–{})", digits(median), digits(*first), digits(*last))
        }
        (Some(median), _) => digits(median),
        (None, _) => "–".to_owned(),
    }
}

/// Three digits that mean something.
pub(super) fn digits(number: f64) -> String {
    match number.abs() {
        it if it < 0.1 => format!("{number:.4}"),
        it if it < 1.0 => format!("{number:.3}"),
        it if it < 10.0 => format!("{number:.2}"),
        it if it < 100.0 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_the_median_and_the_range() {
        assert_eq!(cell(&[]), "–");
        assert_eq!(cell(&[0.05]), "0.0500");
        assert_eq!(cell(&[1.0, 2.0]), "1.50 (1.00–2.00)");
        assert_eq!(cell(&[0.2, 30.0, 400.0]), "30.0 (0.200–400)");
    }
}
