//! Many partitions on one node: what they cost when nobody uses them, and when all are used a little.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::broker::{Broker, Kind};
use super::report::{Number, cell, ratio, sorted};
use super::{Bench, clear, finish_driver, machine};
use crate::tools::run as run_command;

/// Both brokers with so many, since Apache Kafka keeps three files open for each.
const BOTH: u32 = 2_000;
/// What Ottla is made for on one node: as many as one CreateTopics may create, whose ten thousand records include
/// the topic's own (Kafka's `MAX_RECORDS_PER_USER_OP`).
const OTTLA: u32 = 9_999;
/// Records a second over all partitions that are busy.
const RATE: &str = "2000";
/// Bytes of a record.
const SIZE: &str = "200";
/// After so long an allocator has given back what nobody uses any more (jemalloc's `dirty_decay_ms` is ten seconds).
const UNTIL_GIVEN_BACK: Duration = Duration::from_secs(13);

impl Bench {
    pub(super) fn measure_scale(&mut self) -> Result<()> {
        for kind in self.kinds() {
            self.measure_partitions(kind, BOTH)?;
            if kind == Kind::Ottla {
                self.measure_partitions(kind, OTTLA)?;
            }
        }
        Ok(())
    }

    /// Leaves nothing behind, whatever fails: a broker is killed when it is dropped.
    fn measure_partitions(&mut self, kind: Kind, count: u32) -> Result<()> {
        clear(&self.folder(kind))?;
        let measured = self.measure_partitions_in_order(kind, count);
        measured.and(clear(&self.folder(kind)))
    }

    fn measure_partitions_in_order(&mut self, kind: Kind, count: u32) -> Result<()> {
        let (broker, _) = self.start_to_first_ack(kind)?;
        sleep(Duration::from_secs(3));
        let empty = machine::memory(broker.pid())?.resident;
        let text = count.to_string();
        let topic = ["-topic", "scale", "-partitions", &text];
        let drive = |broker: &Broker, what: &str, more: &[&str]| {
            self.drive(broker, &[&[what], &topic[..], more].concat())
        };

        let created = drive(&broker, "create", &[])?;
        let served = drive(&broker, "served", &[])?;
        let seconds = |told: &Value| told["seconds"].as_f64().unwrap_or_default();
        let until_served = seconds(&created) + seconds(&served);
        let metadata = drive(&broker, "metadata", &[])?;
        let rss_per_partition = |broker: &Broker| -> Result<f64> {
            sleep(UNTIL_GIVEN_BACK);
            Ok((machine::memory(broker.pid())?.resident as f64 - empty as f64) / f64::from(count))
        };
        let created_rss = rss_per_partition(&broker)?;
        let before = machine::cpu_seconds(broker.pid())?;
        sleep(Duration::from_secs(5));
        let after = machine::cpu_seconds(broker.pid())?;
        let idle_cpu = (after.user - before.user + after.system - before.system) / 5.0;
        self.note(
            kind,
            count,
            "create",
            json!({ "answered_seconds": seconds(&created), "seconds": until_served }),
        );
        self.note(kind, count, "metadata", metadata);
        self.note(kind, count, "memory-created", json!({ "bytes": created_rss }));
        self.note(kind, count, "idle", json!({ "cpu": idle_cpu }));

        self.measure_restart(kind, count, "clean", broker)?;
        let broker = self.measure_restart_of_running(kind, count, "killed")?;
        let restarted_rss = rss_per_partition(&broker)?;
        self.note(kind, count, "memory-restarted", json!({ "bytes": restarted_rss }));

        let duration = format!("{}s", self.plan.seconds);
        let mut first_use = Value::Null;
        for busy in [1, 100, 1000, count] {
            run_command(&mut Command::new("sync"))?;
            let (busy_text, pid) = (busy.to_string(), broker.pid().to_string());
            let told = self.drive(
                &broker,
                &[
                    "busy",
                    "-topic",
                    "scale",
                    "-partitions",
                    &busy_text,
                    "-rate",
                    RATE,
                    "-size",
                    SIZE,
                    "-duration",
                    &duration,
                    "-pid",
                    &pid,
                ],
            )?;
            first_use = told["first_use_seconds"].clone();
            let name = if busy == count { "busy-all".to_owned() } else { format!("busy-{busy}") };
            self.note(kind, count, &name, told);
        }
        self.note(kind, count, "first-use", json!({ "seconds": first_use }));
        let used_rss = rss_per_partition(&broker)?;
        self.note(kind, count, "memory-used", json!({ "bytes": used_rss }));
        let open_files = fs::read_dir(format!("/proc/{}/fd", broker.pid()))?.count();
        self.note(kind, count, "open-files", json!({ "files": open_files }));
        let pid = broker.pid().to_string();
        let group = self.drive(
            &broker,
            &["group", "-topic", "scale", "-partitions", &text, "-duration", &duration, "-pid", &pid],
        )?;
        self.note(kind, count, "group", group);
        broker.kill()?;
        let broker = self.measure_restart_of_running(kind, count, "killed-used")?;
        let stop = SystemTime::now();
        broker.stop()?;
        let stopped = stop.elapsed().unwrap_or_default().as_secs_f64();
        self.note(kind, count, "stop", json!({ "seconds": stopped }));
        self.measure_restart_of_running(kind, count, "clean-used")?.stop()
    }

    /// Stops in order, starts, and kills.
    fn measure_restart(&mut self, kind: Kind, count: u32, what: &str, broker: Broker) -> Result<()> {
        broker.stop()?;
        self.measure_restart_of_running(kind, count, what)?.kill()
    }

    /// Starts what has ended, while the driver asks already: until the first record is acked, and until all
    /// partitions are served.
    fn measure_restart_of_running(&mut self, kind: Kind, count: u32, what: &str) -> Result<Broker> {
        let text = count.to_string();
        let asking =
            self.spawn_driver(self.port_of(kind), &["served", "-topic", "scale", "-partitions", &text])?;
        let started = SystemTime::now();
        let (broker, first) = self.start_to_first_ack(kind)?;
        let told = finish_driver(asking)?;
        let served = told["acked_unix_nano"].as_u64().context("the driver says when all were served")?;
        let served = UNIX_EPOCH + Duration::from_nanos(served);
        // The knocking driver is given 200 ms before the broker is started.
        let all = served.duration_since(started).unwrap_or_default().as_secs_f64() - 0.2;
        self.note(kind, count, what, json!({ "first_seconds": first, "seconds": all }));
        Ok(broker)
    }

    fn note(&mut self, kind: Kind, count: u32, measure: &str, mut measured: Value) {
        measured["partitions"] = json!(count);
        measured["measure"] = json!(measure);
        self.tell("scale", kind.id(), 1, measured);
    }
}

/// The table of this workload; empty where it was not measured.
pub(super) fn table(measured: &[Value]) -> String {
    let mut page = String::new();
    let of = |side: &str, count: u32, measure: &str, number: &Number| -> Vec<f64> {
        let some = measured.iter().filter(|it| {
            it["what"] == "scale"
                && it["side"] == side
                && it["partitions"] == count
                && it["measure"] == measure
        });
        sorted(some.filter_map(number))
    };
    for (measure, title, number) in rows() {
        let sides = [("kafka", BOTH), ("ottla", BOTH), ("ottla", OTTLA)]
            .map(|(side, count)| of(side, count, measure, &number));
        if sides.iter().all(Vec::is_empty) {
            continue;
        }
        if page.is_empty() {
            let _ = write!(
                page,
                "
## Many partitions

One topic, created by one request. Idle ones, and {RATE} records of {SIZE} bytes a second over 1, 100, 1,000 and all of them in turn, each in a batch of its own. *Served* means that the offsets of all are told. The last column is Kafka's over Ottla's with {BOTH} partitions.

| measure | Apache Kafka, {BOTH} | Ottla, {BOTH} | Ottla, {OTTLA} | Kafka ÷ Ottla |
|---|---|---|---|---|
"
            );
        }
        let ratio = ratio(&sides[0], &sides[1]);
        let [kafka, ottla, more] = sides.map(|numbers| cell(&numbers));
        let _ = writeln!(page, "| {title} | {kafka} | {ottla} | {more} | {ratio} |");
    }
    page
}

fn rows() -> Vec<(&'static str, String, Number)> {
    let field =
        |name: &'static str, factor: f64| -> Number { Box::new(move |it| Some(it[name].as_f64()? * factor)) };
    let mut rows = vec![
        ("create", "CreateTopics answered, s".to_owned(), field("answered_seconds", 1.0)),
        ("create", "… and all served, s".to_owned(), field("seconds", 1.0)),
        ("metadata", "Metadata of all, ms".to_owned(), field("seconds", 1e3)),
        (
            "memory-created",
            "memory per partition after creation (RSS), KiB".to_owned(),
            field("bytes", 1.0 / 1024.0),
        ),
        ("memory-restarted", "… after a restart, KiB".to_owned(), field("bytes", 1.0 / 1024.0)),
        ("memory-used", "… after all were written to, KiB".to_owned(), field("bytes", 1.0 / 1024.0)),
        ("idle", "CPU when idle, % of a core".to_owned(), field("cpu", 100.0)),
        (
            "clean",
            "start after a stop in order, idle partitions, to the first ack, s".to_owned(),
            field("first_seconds", 1.0),
        ),
        ("clean", "… to all served, s".to_owned(), field("seconds", 1.0)),
        (
            "killed",
            "start after `kill -9`, idle partitions, to the first ack, s".to_owned(),
            field("first_seconds", 1.0),
        ),
        ("killed", "… to all served, s".to_owned(), field("seconds", 1.0)),
        (
            "killed-used",
            "start after `kill -9`, all written to, to the first ack, s".to_owned(),
            field("first_seconds", 1.0),
        ),
        ("killed-used", "… to all served, s".to_owned(), field("seconds", 1.0)),
        (
            "clean-used",
            "start after a stop in order, all written to, to the first ack, s".to_owned(),
            field("first_seconds", 1.0),
        ),
        ("clean-used", "… to all served, s".to_owned(), field("seconds", 1.0)),
        ("open-files", "files open after all were written to".to_owned(), field("files", 1.0)),
        ("stop", "stop in order, s".to_owned(), field("seconds", 1.0)),
        ("first-use", "first record of all partitions, acked, s".to_owned(), field("seconds", 1.0)),
        ("group", "a group of one reads the first record of all, s".to_owned(), field("seconds", 1.0)),
        (
            "group",
            "CPU-s of the broker while that consumer idles".to_owned(),
            field("broker_cpu_seconds", 1.0),
        ),
    ];
    for (measure, busy) in [("busy-1", "1"), ("busy-100", "100"), ("busy-1000", "1,000"), ("busy-all", "all")]
    {
        rows.push((
            measure,
            format!("{busy} busy: CPU per record, ms"),
            Box::new(|it| Some(it["broker_cpu_seconds"].as_f64()? / it["records"].as_f64()? * 1e3)),
        ));
        for share in ["p50", "p99", "p99.9"] {
            rows.push((
                measure,
                format!("{busy} busy: ack latency {share}, ms"),
                Box::new(move |it| it["ack_ms"][share].as_f64()),
            ));
        }
    }
    rows
}
