//! A group over many partitions: how long its members need to share them when one comes or goes, with
//! each protocol.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::{Value, json};

use super::report::{cell, ratio, sorted};
use super::{Bench, clear};

/// As in KIP-848's own comparison of the protocols.
const MEMBERS: &str = "10";
const PARTITIONS: &str = "900";
const PROTOCOLS: [&str; 2] = ["classic", "consumer"];

impl Bench {
    pub(super) fn measure_groups(&mut self) -> Result<()> {
        for kind in self.kinds() {
            clear(&self.folder(kind))?;
            let (broker, _) = self.start_to_first_ack(kind)?;
            let pid = broker.pid().to_string();
            for round in 1..=self.plan.rounds {
                for protocol in PROTOCOLS {
                    let topic = format!("groups-{protocol}-{round}");
                    let topic = ["-topic", topic.as_str(), "-partitions", PARTITIONS];
                    self.drive(&broker, &[&["create"], &topic[..]].concat())?;
                    self.drive(&broker, &[&["served"], &topic[..]].concat())?;
                    let flags = ["-members", MEMBERS, "-protocol", protocol, "-pid", &pid];
                    let mut told = self.drive(&broker, &[&["rebalance"], &topic[..], &flags].concat())?;
                    told["protocol"] = json!(protocol);
                    self.tell("groups", kind.id(), round, told);
                }
            }
            broker.stop()?;
            clear(&self.folder(kind))?;
        }
        Ok(())
    }
}

/// The table of this workload; empty where it was not measured.
pub(super) fn table(measured: &[Value]) -> String {
    let mut page = String::new();
    for protocol in PROTOCOLS {
        for (change, title) in
            [("first", "nine come at once"), ("join", "a tenth comes"), ("leave", "one goes")]
        {
            for (number, unit, factor) in [
                ("seconds", "until all is shared, s", 1.0),
                ("broker_cpu_seconds", "CPU of the broker, ms", 1e3),
            ] {
                let of = |side: &str| -> Vec<f64> {
                    let some = measured.iter().filter(|it| {
                        it["what"] == "groups" && it["side"] == side && it["protocol"] == protocol
                    });
                    sorted(some.filter_map(|it| Some(it[change][number].as_f64()? * factor)))
                };
                let (kafka, ottla) = (of("kafka"), of("ottla"));
                if kafka.is_empty() && ottla.is_empty() {
                    continue;
                }
                if page.is_empty() {
                    let _ = write!(
                        page,
                        "
## Groups

{MEMBERS} members, {PARTITIONS} partitions, each protocol with its client's default heartbeats and the broker's defaults. *Shared* means that every partition has one owner and nobody has two more than another.

| protocol, change | measure | Apache Kafka | Ottla | Kafka ÷ Ottla |
|---|---|---|---|---|
"
                    );
                }
                let ratio = ratio(&kafka, &ottla);
                let _ = writeln!(
                    page,
                    "| {protocol}, {title} | {unit} | {} | {} | {ratio} |",
                    cell(&kafka),
                    cell(&ottla)
                );
            }
        }
    }
    page
}
