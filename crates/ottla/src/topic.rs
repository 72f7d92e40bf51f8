//! `ottla topic`: create, list, describe and delete topics.

use crate::output::{Format, counted, print, table};
use crate::remote::{Remote, advise};
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use ottla_client::{
    Admin, ClientError, Cluster, IsolationLevel, NewTopic, OffsetSpec, Outcomes, TopicConfig, TopicMetadata,
    TopicPartition,
};
use ottla_configs::{nearest_topic_name, topic};
use ottla_protocol::ErrorCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// Create, list, describe and delete topics.
#[derive(Args)]
pub struct Topic {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Create a topic.
    Create {
        /// Its name.
        name: String,
        /// How many partitions; without it, what the cluster is set up for (num.partitions).
        #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
        partitions: Option<i32>,
        /// How many copies of each; without it, what the cluster is set up for
        /// (default.replication.factor).
        #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(i16).range(1..))]
        replication_factor: Option<i16>,
        /// One of Kafka's topic configuration keys. May be given often.
        #[arg(long, short, value_name = "KEY=VALUE", value_parser = key_value)]
        config: Vec<(String, String)>,
        /// Do nothing, and succeed, when the topic is there already.
        #[arg(long)]
        if_not_exists: bool,
    },
    /// Show all topics.
    List {
        /// How to show them.
        #[arg(long, short, value_enum, default_value = "text")]
        output: Format,
        /// Those too that hold the state of the cluster itself.
        #[arg(long)]
        internal: bool,
    },
    /// Show topics in full: partitions, offsets, configuration.
    Describe {
        /// Which; without names, all that are not internal.
        names: Vec<String>,
        /// How to show them.
        #[arg(long, short, value_enum, default_value = "text")]
        output: Format,
        /// The configuration in full, with what was not set for the topic.
        #[arg(long)]
        all_configs: bool,
    },
    /// Delete topics, with all their records.
    Delete {
        /// Which.
        #[arg(required = true)]
        names: Vec<String>,
    },
}

/// `KEY=VALUE`; the value may be empty.
pub fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

impl Topic {
    /// Does it.
    pub fn run(self) -> Result<()> {
        let command = self.command;
        self.remote.run(|cluster| async move {
            let admin = Admin::new(cluster.clone());
            match command {
                Command::Create { name, partitions, replication_factor, config, if_not_exists } => {
                    let topic = NewTopic { name, partitions, replication_factor, configs: config };
                    create(&admin, topic, if_not_exists).await
                }
                Command::List { output, internal } => list(&admin, output, internal).await,
                Command::Describe { names, output, all_configs } => {
                    describe(&cluster, &admin, &names, output, all_configs).await
                }
                Command::Delete { names } => delete(&admin, &names).await,
            }
        })
    }
}

async fn create(admin: &Admin, topic: NewTopic, if_not_exists: bool) -> Result<()> {
    let name = topic.name.clone();
    let configs = topic.configs.clone();
    let outcomes = admin.create_topics(&[topic]).await?;
    for (_, outcome) in outcomes {
        match outcome {
            Ok(created) if created.partitions >= 0 => eprintln!(
                "created topic '{name}' with {}, {} of each",
                counted(created.partitions as u64, "partition"),
                if created.replication_factor == 1 {
                    "1 copy".to_owned()
                } else {
                    format!("{} copies", created.replication_factor)
                }
            ),
            Ok(_) => eprintln!("created topic '{name}'"),
            Err(error) if if_not_exists && error.code() == Some(ErrorCode::TopicAlreadyExists) => {
                eprintln!("topic '{name}' is there already");
            }
            Err(error) if error.code() == Some(ErrorCode::InvalidConfig) => {
                bail!("{error}{}", key_hint(&configs, &error.to_string()));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// What was probably meant by the key that the cluster complains of, where we do not know it either.
fn key_hint(configs: &[(String, String)], complaint: &str) -> String {
    let mut unknown = configs.iter().map(|(key, _)| key).filter(|key| topic::key(key).is_none());
    let meant = unknown.find(|key| complaint.contains(*key)).and_then(|key| nearest_topic_name(key));
    meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default()
}

async fn delete(admin: &Admin, names: &[String]) -> Result<()> {
    let mut failed = 0;
    for (name, outcome) in admin.delete_topics(names).await? {
        match outcome {
            Ok(()) => eprintln!("deleted topic '{name}'"),
            Err(error) if error.code() == Some(ErrorCode::UnknownTopicOrPartition) => {
                failed += 1;
                eprintln!("ottla: {}", advise(ClientError::NoSuchTopic { topic: name }));
            }
            Err(error) => {
                failed += 1;
                eprintln!("ottla: {error}");
            }
        }
    }
    if failed > 0 {
        bail!("{} of {} not deleted", failed, counted(names.len() as u64, "topic"));
    }
    Ok(())
}

async fn list(admin: &Admin, output: Format, internal: bool) -> Result<()> {
    let topics = admin.topics().await?;
    let shown = topics.values().filter(|it| internal || !it.is_internal);
    match output {
        Format::Text => {
            let rows: Vec<Vec<String>> = shown
                .map(|it| {
                    vec![it.name.clone(), it.partitions.len().to_string(), replication_factor(it).to_string()]
                })
                .collect();
            if rows.is_empty() {
                eprintln!("no topics yet: `ottla topic create NAME` creates one");
                return Ok(());
            }
            print(&table(&["TOPIC", "PARTITIONS", "REPLICATION FACTOR"], &rows))
        }
        Format::Json => print_json(&shown.map(|it| Value::Object(head(it))).collect()),
    }
}

/// What list and describe both tell.
fn head(topic: &TopicMetadata) -> serde_json::Map<String, Value> {
    let mut head = serde_json::Map::new();
    head.insert("topic".to_owned(), json!(topic.name));
    head.insert("id".to_owned(), json!(topic.id.to_string()));
    head.insert("partition_count".to_owned(), json!(topic.partitions.len()));
    head.insert("replication_factor".to_owned(), json!(replication_factor(topic)));
    head.insert("internal".to_owned(), json!(topic.is_internal));
    head
}

fn replication_factor(topic: &TopicMetadata) -> usize {
    topic.partitions.values().map(|it| it.replicas.len()).max().unwrap_or(0)
}

fn print_json(topics: &Vec<Value>) -> Result<()> {
    print(&(serde_json::to_string_pretty(topics)? + "\n"))
}

/// A topic with all that is known of it.
struct Description {
    topic: Arc<TopicMetadata>,
    /// Where each partition begins and ends; without an entry where no broker could tell.
    begins: BTreeMap<TopicPartition, i64>,
    ends: BTreeMap<TopicPartition, i64>,
    configs: Vec<TopicConfig>,
}

async fn describe(
    cluster: &Cluster,
    admin: &Admin,
    names: &[String],
    output: Format,
    all_configs: bool,
) -> Result<()> {
    let topics: Vec<Arc<TopicMetadata>> = if names.is_empty() {
        admin.topics().await?.into_values().filter(|it| !it.is_internal).collect()
    } else {
        let mut topics = Vec::with_capacity(names.len());
        for name in names {
            topics.push(admin.topic(name).await.map_err(advise)?);
        }
        topics
    };
    if topics.is_empty() && output == Format::Text {
        eprintln!("no topics yet: `ottla topic create NAME` creates one");
        return Ok(());
    }
    let names: Vec<String> = topics.iter().map(|it| it.name.clone()).collect();
    let configs: Outcomes<Vec<TopicConfig>> =
        if names.is_empty() { Vec::new() } else { admin.topic_configs(&names).await? };
    let mut descriptions = Vec::with_capacity(topics.len());
    for (topic, (_, configs)) in topics.into_iter().zip(configs) {
        let configs = configs?.into_iter().filter(|it| all_configs || it.is_set).collect();
        let begins = offsets(cluster, &topic, OffsetSpec::Earliest).await?;
        let ends = offsets(cluster, &topic, OffsetSpec::Latest).await?;
        descriptions.push(Description { topic, begins, ends, configs });
    }
    match output {
        Format::Text => {
            let shown: Vec<String> = descriptions.iter().map(Description::to_text).collect();
            print(&shown.join("\n"))
        }
        Format::Json => print_json(&descriptions.iter().map(Description::to_json).collect()),
    }
}

/// The offsets of those partitions that have a leader to ask.
async fn offsets(
    cluster: &Cluster,
    topic: &TopicMetadata,
    spec: OffsetSpec,
) -> Result<BTreeMap<TopicPartition, i64>> {
    let led = topic.partitions.iter().filter(|(_, it)| it.leader.is_some());
    let wanted: Vec<_> = led.map(|(index, _)| (TopicPartition::new(&topic.name, *index), spec)).collect();
    Ok(cluster.list_offsets(&wanted, IsolationLevel::ReadUncommitted).await?)
}

impl Description {
    fn to_text(&self) -> String {
        let topic = &self.topic;
        let mut text = format!(
            "topic {}{}\n  id                  {}\n  partitions          {}\n  replication factor  {}\n",
            topic.name,
            if topic.is_internal { " (internal)" } else { "" },
            topic.id,
            topic.partitions.len(),
            replication_factor(topic)
        );
        for config in &self.configs {
            let value = config.value.as_deref().unwrap_or("(secret)");
            let set = if config.is_set { "" } else { "  (default)" };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {} = {value}{set}", config.name);
        }
        let rows: Vec<Vec<String>> = topic
            .partitions
            .iter()
            .map(|(index, it)| {
                let at = TopicPartition::new(&topic.name, *index);
                let offset =
                    |of: &BTreeMap<TopicPartition, i64>| of.get(&at).map_or("?".to_owned(), i64::to_string);
                vec![
                    index.to_string(),
                    it.leader.map_or("none".to_owned(), |it| it.to_string()),
                    join(&it.replicas),
                    join(&it.isr),
                    offset(&self.begins),
                    offset(&self.ends),
                ]
            })
            .collect();
        text.push('\n');
        for line in table(&["PARTITION", "LEADER", "REPLICAS", "ISR", "BEGIN", "END"], &rows).lines() {
            let _ = writeln!(text, "  {line}");
        }
        text
    }

    fn to_json(&self) -> Value {
        let mut object = head(&self.topic);
        let configs = self.configs.iter().map(|it| (it.name.clone(), json!(it.value)));
        object.insert("configs".to_owned(), Value::Object(configs.collect()));
        let partitions = self.topic.partitions.iter().map(|(index, it)| {
            let at = TopicPartition::new(&self.topic.name, *index);
            json!({
                "partition": index,
                "leader": it.leader.map(|it| it.0),
                "replicas": it.replicas,
                "isr": it.isr,
                "begin_offset": self.begins.get(&at),
                "end_offset": self.ends.get(&at),
            })
        });
        object.insert("partitions".to_owned(), partitions.collect());
        Value::Object(object)
    }
}

fn join(numbers: &[i32]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
