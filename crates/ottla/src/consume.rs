//! `ottla consume`: records to standard output.

use crate::output::{CANNOT_WRITE, Format, Usage, counted, put_bytes};
use crate::remote::{Interrupt, Remote, advise};
use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use ottla_client::{
    Cluster, Consumer, ConsumerConfig, ConsumerRecord, GroupConfig, IsolationLevel, OffsetReset, OffsetSpec,
    Start, TopicPartition,
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::str::FromStr;

/// Read records.
///
/// Without a group nothing is committed; with one, partitions are shared among its members, and each
/// goes on where the group left off.
#[derive(Args)]
pub struct Consume {
    #[command(flatten)]
    remote: Remote,
    /// The topic.
    topic: String,
    /// Where to begin: beginning, end, an offset (with --partition), or a time such as
    /// 2026-01-31T12:00:00Z. In a group, beginning or end, for partitions that it has not read yet.
    #[arg(long, value_name = "WHERE", default_value = "end")]
    from: From,
    /// Only this partition. May be given often.
    #[arg(long, short, value_name = "N", conflicts_with = "group", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Vec<i32>,
    /// The group to be a member of.
    #[arg(long, short, value_name = "NAME")]
    group: Option<String>,
    /// Stop after so many records.
    #[arg(long, short = 'n', value_name = "N")]
    count: Option<u64>,
    /// Stop at the end, as it is at the start of the command.
    #[arg(long)]
    stop_at_end: bool,
    /// Leave out the records of aborted transactions, and wait at those of open ones.
    #[arg(long)]
    read_committed: bool,
    /// How to show records: the value alone, or JSON with everything, one record a line.
    #[arg(long, short, value_enum, default_value = "text")]
    output: Format,
    /// Before the value: the key and a tab.
    #[arg(long)]
    keys: bool,
    /// Before key and value: the headers and a tab.
    #[arg(long)]
    headers: bool,
}

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct From(Start);

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<From, String> {
        match text {
            "beginning" => return Ok(From(Start::Beginning)),
            "end" => return Ok(From(Start::End)),
            _ => {}
        }
        if let Ok(offset) = text.parse::<i64>() {
            return if offset >= 0 {
                Ok(From(Start::Offset(offset)))
            } else {
                Err("an offset is not negative".to_owned())
            };
        }
        match text.parse::<jiff::Timestamp>() {
            Ok(time) => Ok(From(Start::Timestamp(time.as_millisecond()))),
            Err(_) => {
                Err("expected beginning, end, an offset, or a time such as 2026-01-31T12:00:00Z".to_owned())
            }
        }
    }
}

/// Records that are handed out at once, at most; between them, Ctrl-C is heard.
const POLL_RECORDS_MAX: usize = 500;

impl Consume {
    /// Does it.
    pub fn run(self) -> Result<()> {
        self.check()?;
        let remote = self.remote.clone();
        remote.run(|cluster| self.consume(cluster))
    }

    /// What clap cannot see by itself.
    fn check(&self) -> Result<()> {
        let From(from) = self.from;
        if matches!(from, Start::Offset(_)) && self.partition.is_empty() {
            let message = "--from with an offset needs --partition: each partition counts for itself";
            return Err(Usage(message.to_owned()).into());
        }
        if matches!(from, Start::Offset(_) | Start::Timestamp(_)) && self.group.is_some() {
            let message = "with --group, --from is beginning or end: the group knows where it left off";
            return Err(Usage(message.to_owned()).into());
        }
        Ok(())
    }

    async fn consume(self, cluster: Cluster) -> Result<()> {
        let topic = cluster.topic(&self.topic, false).await.map_err(advise)?;
        let partitions: Vec<TopicPartition> = match self.partition.is_empty() {
            true => topic.partitions.keys().map(|index| TopicPartition::new(&topic.name, *index)).collect(),
            false => self.partition.iter().map(|index| TopicPartition::new(&topic.name, *index)).collect(),
        };
        let wanted: Vec<_> = partitions.iter().map(|it| (it.clone(), OffsetSpec::Latest)).collect();
        // Asked for in any case: a partition that is not there shows at once.
        let isolation = match self.read_committed {
            true => IsolationLevel::ReadCommitted,
            false => IsolationLevel::ReadUncommitted,
        };
        let ends = cluster.list_offsets(&wanted, isolation).await.map_err(advise)?;
        let From(from) = self.from;
        if let Start::Offset(offset) = from {
            let wanted: Vec<_> = partitions.iter().map(|it| (it.clone(), OffsetSpec::Earliest)).collect();
            let begins = cluster.list_offsets(&wanted, isolation).await.map_err(advise)?;
            check_offset(offset, &begins, &ends)?;
        }
        let config = ConsumerConfig {
            offset_reset: match from {
                Start::Beginning => OffsetReset::Earliest,
                Start::End => OffsetReset::Latest,
                Start::Offset(_) | Start::Timestamp(_) => OffsetReset::None,
            },
            isolation,
            group: self.group.as_deref().map(GroupConfig::new),
            ..ConsumerConfig::default()
        };
        let mut consumer = Consumer::new(cluster, config);
        if self.group.is_some() {
            consumer.subscribe([self.topic.clone()])?;
        } else {
            consumer.assign(partitions.into_iter().map(|it| (it, from)));
        }
        // From here on there may be something to put in order before the end.
        let mut interrupt = Interrupt::listen()?;
        let mut out = BufWriter::new(io::stdout().lock());
        let mut consumed = 0;
        let result = self.copy(&mut consumer, &ends, &mut out, &mut consumed, &mut interrupt).await;
        // All that was handed out is written, unless there was an error: then who comes next gets the last
        // records again.
        let commits = result.is_ok();
        let close = async {
            let committed = if commits { consumer.commit().await } else { Ok(()) };
            committed.and(consumer.close().await)
        };
        let closed = tokio::select! {
            closed = close => closed.map_err(advise),
            () = interrupt.wait() => Err(anyhow!("interrupted: the last records may not be committed")),
        };
        if result.is_ok() {
            eprintln!("{}", counted(consumed, "record"));
        }
        result?;
        closed.context("leaving the group")
    }

    /// Copies records until it is time to stop.
    async fn copy(
        &self,
        consumer: &mut Consumer,
        ends: &BTreeMap<TopicPartition, i64>,
        out: &mut impl Write,
        consumed: &mut u64,
        interrupt: &mut Interrupt,
    ) -> Result<()> {
        loop {
            let left = self.count.map_or(u64::MAX, |count| count.saturating_sub(*consumed));
            if left == 0 || (self.stop_at_end && is_at_end(consumer, ends)) {
                return Ok(());
            }
            let records_max = POLL_RECORDS_MAX.min(usize::try_from(left).unwrap_or(usize::MAX));
            let records = tokio::select! {
                records = consumer.poll(records_max) => records.map_err(advise)?,
                () = interrupt.wait() => return Ok(()),
            };
            for record in &records {
                let beyond = ends.get(&record.partition).is_some_and(|end| *end <= record.offset);
                if self.stop_at_end && beyond {
                    continue;
                }
                self.write(record, out).context(CANNOT_WRITE)?;
                *consumed += 1;
            }
            out.flush().context(CANNOT_WRITE)?;
        }
    }

    fn write(&self, record: &ConsumerRecord, out: &mut impl Write) -> io::Result<()> {
        match self.output {
            Format::Text => self.write_text(record, out),
            Format::Json => {
                serde_json::to_writer(&mut *out, &to_json(record))?;
                out.write_all(b"\n")
            }
        }
    }

    fn write_text(&self, record: &ConsumerRecord, out: &mut impl Write) -> io::Result<()> {
        if self.headers {
            for (place, (key, value)) in record.headers.iter().enumerate() {
                let comma = if place == 0 { "" } else { "," };
                write!(out, "{comma}{key}=")?;
                out.write_all(value.as_deref().unwrap_or(NULL))?;
            }
            out.write_all(b"\t")?;
        }
        if self.keys {
            out.write_all(record.key.as_deref().unwrap_or(NULL))?;
            out.write_all(b"\t")?;
        }
        out.write_all(record.value.as_deref().unwrap_or(NULL))?;
        out.write_all(b"\n")
    }
}

/// What stands for "none" in text, as in Kafka's console consumer.
const NULL: &[u8] = b"null";

/// Whether the consumer has read up to where its partitions ended at the start.
fn is_at_end(consumer: &Consumer, ends: &BTreeMap<TopicPartition, i64>) -> bool {
    consumer.has_assignment()
        && consumer.positions().all(|(partition, position)| match ends.get(partition) {
            Some(end) => position.is_some_and(|it| *end <= it),
            None => true,
        })
}

/// Whether one can begin at `offset`. Behind the last record one can: the next comes there.
fn check_offset(
    offset: i64,
    begins: &BTreeMap<TopicPartition, i64>,
    ends: &BTreeMap<TopicPartition, i64>,
) -> Result<()> {
    for (partition, end) in ends {
        let begin = begins.get(partition).copied().unwrap_or_default();
        if offset < begin || *end < offset {
            bail!("{partition} has no offset {offset}: it begins at {begin} and ends at {end}");
        }
    }
    Ok(())
}

/// Everything about a record.
fn to_json(record: &ConsumerRecord) -> Value {
    let mut object = Map::new();
    object.insert("topic".to_owned(), Value::from(&*record.partition.topic));
    object.insert("partition".to_owned(), Value::from(record.partition.partition));
    object.insert("offset".to_owned(), Value::from(record.offset));
    object.insert("timestamp".to_owned(), Value::from(record.timestamp_ms));
    put_bytes(&mut object, "key", record.key.as_deref());
    put_bytes(&mut object, "value", record.value.as_deref());
    let headers = record.headers.iter().map(|(key, value)| {
        let mut header = Map::new();
        header.insert("key".to_owned(), Value::from(key.as_str()));
        put_bytes(&mut header, "value", value.as_deref());
        Value::Object(header)
    });
    object.insert("headers".to_owned(), headers.collect());
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::From;
    use ottla_client::Start;

    #[test]
    fn places_to_begin_are_words_offsets_and_times() {
        for (text, start) in [
            ("beginning", Start::Beginning),
            ("end", Start::End),
            ("0", Start::Offset(0)),
            ("42", Start::Offset(42)),
            ("1970-01-01T00:00:01Z", Start::Timestamp(1000)),
            ("1970-01-01T01:00:01.5+01:00", Start::Timestamp(1500)),
        ] {
            assert_eq!(text.parse(), Ok(From(start)), "{text}");
        }
        for bad in ["", "-1", "start", "1970-01-01", "yesterday"] {
            assert!(bad.parse::<From>().is_err(), "{bad}");
        }
    }
}
