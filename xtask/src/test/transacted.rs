//! Compaction of what transactions wrote, beside Apache Kafka's. Apache Kafka writes it and stops; each broker then
//! compacts a copy of that directory. After each round the same must be there: what readers of both kinds are given, each
//! batch with its producer and sequence numbers, each marker, each entry of the indexes of aborted transactions; and after
//! a stop the same states of producers, also where they are made anew from what compaction has left.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use super::dump::{self, output};
use super::ottla::{Ottla, free_ports};
use crate::kafka::Kafka;
use crate::tools::{Tools, run as run_command};

/// Few partitions to load, and logs that are looked at all the time.
const SETTINGS: &[(&str, &str)] = &[
    ("group.initial.rebalance.delay.ms", "0"),
    ("log.cleaner.backoff.ms", "50"),
    ("log.cleaner.dedupe.buffer.size", "4194304"),
    ("transaction.state.log.num.partitions", "3"),
];
const TOPICS: &[&str] = &["transacted-"];

/// What was seen.
pub fn run(tools: &Tools, ottla: &Path, folder: &Path, seed: u64) -> Result<String> {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis().to_string();
    let (seed, classes) = (seed.to_string(), tools.java_classes("cleaner", &tools.compat("cleaner"))?);
    let client = |action: &str, names: &[String]| {
        let mut command = tools.short_java("128m", Some(&classes))?;
        command.args(["Transacted", action, &seed, &now_ms]).args(names);
        output(&mut command).with_context(|| format!("seed {seed} ({action})"))
    };
    let side = |name: &str, address: String| {
        let data = folder.join(name.to_lowercase()).join("data");
        [name.to_owned(), address, data.display().to_string()]
    };
    let port = free_ports(2)?;
    let start_kafka = || Kafka::start(tools, &folder.join("kafka"), port, "384m", SETTINGS);
    let kafka = start_kafka()?;
    let mut told = client("write", &side("Kafka", kafka.bootstrap()))?;
    kafka.stop()?;
    fs::create_dir_all(folder.join("ottla"))?;
    let mut copy = std::process::Command::new("cp");
    run_command(copy.arg("-r").arg(folder.join("kafka/data")).arg(folder.join("ottla/data")))?;

    let kafka = start_kafka()?;
    let settings: Vec<String> = SETTINGS.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mut ottla = Ottla::start(ottla, &folder.join("ottla"), &settings)?;
    let names = |kafka: &Kafka, ottla: &Ottla| {
        [side("Kafka", kafka.bootstrap()), side("Ottla", ottla.bootstrap())].concat()
    };
    told += &client("compare", &names(&kafka, &ottla))?;
    let producers = |folder: &Path| {
        ["kafka", "ottla"]
            .into_iter()
            .map(|name| producers(tools, &folder.join(name)))
            .collect::<Result<Vec<_>>>()
    };
    kafka.stop()?;
    ottla.stop()?;
    let first = producers(folder)?;
    ensure!(first[0] == first[1], "seed {seed}, producers: Kafka has\n{}Ottla\n{}", first[0], first[1]);

    // As after a crash that took all that is known of producers.
    for name in ["kafka", "ottla"] {
        let data = folder.join(name).join("data");
        dump::files(&data, TOPICS, ".snapshot")?.iter().try_for_each(fs::remove_file)?;
        fs::remove_file(data.join(".kafka_cleanshutdown"))?;
    }
    ottla.start_again()?;
    let kafka = start_kafka()?;
    client("again", &names(&kafka, &ottla))?;
    kafka.stop()?;
    ottla.stop()?;
    let again = producers(folder)?;
    ensure!(
        again[0] == again[1],
        "seed {seed}, producers made anew: Kafka has\n{}Ottla\n{}",
        again[0],
        again[1]
    );
    told += &format!(
        "{} states of producers, {} made anew\n",
        first[0].lines().count(),
        again[0].lines().count()
    );
    ottla.check_log()?;
    let files = dump::check(tools, &folder.join("ottla/data"), TOPICS, None)?;
    Ok(format!("{told}DumpLogSegments: {files} files, none with a complaint"))
}

/// What the newest snapshot of each partition says of its producers, a line each.
fn producers(tools: &Tools, folder: &Path) -> Result<String> {
    let mut newest: Vec<String> = Vec::new();
    for file in dump::files(&folder.join("data"), TOPICS, ".snapshot")? {
        // They are in the order of their offsets.
        match newest.last_mut() {
            Some(last) if Path::new(last).parent() == Path::new(&file).parent() => *last = file,
            _ => newest.push(file),
        }
    }
    ensure!(!newest.is_empty(), "no snapshot of producers in {}", folder.display());
    let mut command = tools.short_java("256m", None)?;
    command.args(["org.apache.kafka.tools.DumpLogSegments", "--files"]).arg(newest.join(","));
    let text = output(&mut command)?;
    let mut lines = Vec::new();
    let mut file = String::new();
    for line in text.lines() {
        match line.strip_prefix("Dumping ") {
            Some(path) => file = path.rsplit("data/").next().unwrap_or_default().to_owned(),
            None => lines.push(format!("{file}: {line}\n")),
        }
    }
    lines.sort();
    Ok(lines.concat())
}
