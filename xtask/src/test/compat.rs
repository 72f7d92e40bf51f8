//! The compatibility suites: each is a program of some client that takes a broker's address and a
//! prefix for its topics and groups, and prints a JSON line for each check. The same program runs
//! against Ottla and against Apache Kafka, and the answers are compared: with those in
//! `compat/answers.json`, which `--record` writes from Apache Kafka, and with `--oracle` also with
//! an Apache Kafka that runs now.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use super::ottla::{Ottla, free_ports};
use super::{Options, Tally};
use crate::kafka::Kafka;
use crate::tools::Tools;

/// How many suites run at once. More would measure the machine's patience.
const AT_ONCE: usize = 2;

/// No suite takes nearly as long: it hangs.
const SUITE_LIMIT: Duration = Duration::from_secs(1800);

/// Suites that run against one broker.
struct Round {
    /// What this broker's folder and its steps are called.
    name: &'static str,
    /// What differs from Kafka's defaults.
    settings: &'static [(&'static str, &'static str)],
    /// The longest first, so that the others run beside it.
    suites: &'static [(&'static str, Prepare)],
}

const ROUNDS: &[Round] = &[
    // Groups begin at once, as in a benchmark: the tests would wait three seconds for each otherwise.
    Round { name: "compat", settings: &[("group.initial.rebalance.delay.ms", "0")], suites: SUITES },
    // Two consumers at once have a fetch session, the others are refused one.
    Round {
        name: "few-sessions",
        settings: &[
            ("group.initial.rebalance.delay.ms", "0"),
            ("max.incremental.fetch.session.cache.slots", "2"),
        ],
        suites: &[("java", |tools| java(tools, "ClientSuite")), ("franz-go", |tools| go(tools, "franz"))],
    },
    Round { name: "scenarios", settings: &[], suites: &[("scenarios", scenarios)] },
    // Which groups go from one protocol to the other; by default all do.
    Round {
        name: "migration-upgrade",
        settings: &[("group.consumer.migration.policy", "upgrade")],
        suites: &[("scenarios-upgrade", scenarios)],
    },
    Round {
        name: "migration-downgrade",
        settings: &[("group.consumer.migration.policy", "downgrade")],
        suites: &[("scenarios-downgrade", scenarios)],
    },
    Round {
        name: "migration-disabled",
        settings: &[("group.consumer.migration.policy", "disabled")],
        suites: &[("scenarios-disabled", scenarios)],
    },
    // Each unlike the default, and so small that its effect is soon there.
    Round {
        name: "group-settings",
        settings: &[
            ("group.consumer.assignment.interval.ms", "14000"),
            ("group.consumer.assignors", "range"),
            ("group.consumer.heartbeat.interval.ms", "700"),
            ("group.consumer.max.assignment.interval.ms", "14000"),
            ("group.consumer.max.heartbeat.interval.ms", "900"),
            ("group.consumer.max.session.timeout.ms", "50000"),
            ("group.consumer.max.size", "2"),
            ("group.consumer.min.assignment.interval.ms", "100"),
            ("group.consumer.min.heartbeat.interval.ms", "500"),
            ("group.consumer.min.session.timeout.ms", "1000"),
            ("group.consumer.session.timeout.ms", "2000"),
            ("group.initial.rebalance.delay.ms", "0"),
            ("group.max.session.timeout.ms", "20000"),
            ("group.max.size", "2"),
            ("group.min.session.timeout.ms", "2000"),
            ("offset.metadata.max.bytes", "10"),
            ("offsets.retention.check.interval.ms", "200"),
            ("offsets.retention.minutes", "1"),
            ("offsets.topic.compression.codec", "1"),
            ("offsets.topic.num.partitions", "3"),
            ("offsets.topic.segment.bytes", "2097152"),
        ],
        suites: &[("group-settings", |tools| python(tools, "groups/suite_settings.py"))],
    },
    // Features are set to other levels and back again, which other suites must not see.
    Round {
        name: "quorum",
        settings: &[("group.initial.rebalance.delay.ms", "0")],
        suites: &[("quorum", |tools| python(tools, "wire/suite_quorum.py"))],
    },
];

type Prepare = fn(&Tools) -> Result<Command>;

const SUITES: &[(&str, Prepare)] = &[
    ("java", |tools| java(tools, "ClientSuite")),
    ("java-tools", |tools| java(tools, "ToolSuite")),
    ("java-consumer", |tools| java(tools, "ConsumerGroupSuite")),
    ("java-migration", |tools| java(tools, "MigrationSuite")),
    ("connect", connect),
    ("java-streams", |tools| java(tools, "StreamsSuite")),
    ("java-election", |tools| java(tools, "ElectionSuite")),
    ("java-directories", |tools| java(tools, "DirectorySuite")),
    ("librdkafka", |tools| python(tools, "python/suite_librdkafka.py")),
    ("aiokafka", |tools| python(tools, "python/suite_aiokafka.py")),
    ("kafkajs", |tools| tools.node(&tools.compat("node/suite_kafkajs.js"))),
    ("franz-go", |tools| go(tools, "franz")),
    ("sarama", |tools| go(tools, "sarama")),
    ("wire", |tools| python(tools, "wire/suite_wire.py")),
];

fn java(tools: &Tools, class: &str) -> Result<Command> {
    let classes = tools.java_classes("compat", &tools.compat("java"))?;
    let mut command = tools.java("384m", Some(&classes))?;
    command.arg(class);
    Ok(command)
}

/// A script of `compat/`; those that send raw requests need nothing installed.
fn python(tools: &Tools, script: &str) -> Result<Command> {
    let mut command = Command::new(tools.python()?);
    command.arg("-B").arg(tools.compat(script));
    Ok(command)
}

/// The scenarios of the group coordinator's own tests.
fn scenarios(tools: &Tools) -> Result<Command> {
    python(tools, "groups/suite_scenarios.py")
}

/// Kafka Connect's workers, which the suite starts and kills.
fn connect(tools: &Tools) -> Result<Command> {
    let mut command = python(tools, "connect/suite_connect.py")?;
    command.arg(tools.connect_jars()?).arg(tools.compat("kafka/log4j2.yaml"));
    Ok(command)
}

fn go(tools: &Tools, package: &str) -> Result<Command> {
    Ok(Command::new(tools.go_program(&tools.compat("go"), package)?))
}

/// Three log directories in a broker's folder: the first is where a broker with one would have it.
fn log_dirs(folder: &Path) -> Result<String> {
    fs::create_dir_all(folder)?;
    let folder = folder.canonicalize()?;
    let paths = ["data", "data-2", "data-3"].map(|name| folder.join(name).display().to_string());
    Ok(paths.join(","))
}

/// What one check found.
#[derive(Clone, Debug)]
struct Finding {
    ok: bool,
    answer: String,
    detail: String,
}

/// By client and check.
type Findings = BTreeMap<(String, String), Finding>;

/// The suites that are wanted, against the brokers that are wanted.
pub fn run(
    tools: &Tools,
    options: &Options,
    ottla: Option<&Path>,
    work: &Path,
    tally: &mut Tally,
) -> Result<()> {
    for round in ROUNDS {
        run_round(round, tools, options, ottla, &work.join(round.name), tally)?;
    }
    Ok(())
}

fn run_round(
    round: &Round,
    tools: &Tools,
    options: &Options,
    ottla: Option<&Path>,
    work: &Path,
    tally: &mut Tally,
) -> Result<()> {
    let mut commands = Vec::new();
    for (name, prepare) in round.suites {
        if !options.wants(&format!("compat/{name}")) {
            continue;
        }
        match prepare(tools) {
            Ok(command) => commands.push((*name, command)),
            Err(error) => tally.failed(&format!("compat/{name}"), &format!("{error:#}")),
        }
    }
    if commands.is_empty() {
        return Ok(());
    }

    let answers = tools.compat("answers.json");
    let mut expected = read_answers(&answers)?;
    if options.oracle {
        eprintln!("==== {}: Apache Kafka", round.name);
        let port = free_ports(2)?;
        let folder = work.join("kafka");
        let log_dirs = log_dirs(&folder)?;
        let settings = [round.settings, &[("log.dirs", log_dirs.as_str())]].concat();
        let kafka = Kafka::start(tools, &folder, port, "1g", &settings)?;
        let found = suites(&mut commands, &kafka.bootstrap(), "kafka")?;
        kafka.stop()?;
        judge(&format!("{}: kafka", round.name), &found, None, tally);
        if options.record {
            for ((client, check), finding) in found.iter().filter(|(_, finding)| finding.ok) {
                expected.entry(client.clone()).or_default().insert(check.clone(), finding.answer.clone());
            }
            fs::write(&answers, serde_json::to_string_pretty(&expected)? + "\n")?;
            eprintln!("      recorded in {}", answers.display());
        } else {
            judge_answers(&format!("{}: kafka", round.name), &found, &expected, tally);
        }
    }
    if let Some(binary) = ottla {
        eprintln!("==== {}: Ottla", round.name);
        let folder = work.join("ottla");
        let log_dirs = log_dirs(&folder)?;
        let settings = [round.settings, &[("log.dirs", log_dirs.as_str())]].concat();
        let settings: Vec<String> = settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let mut ottla = Ottla::start(binary, &folder, &settings)?;
        let found = suites(&mut commands, &ottla.bootstrap(), "ottla")?;
        judge(&format!("{}: ottla", round.name), &found, Some(&expected), tally);
        tally.step(&format!("{}/ottla-goes-on", round.name), || {
            ottla.check_alive()?;
            ottla.check_log()?;
            ottla.stop()
        });
    }
    Ok(())
}

/// Counts every check: it must hold and, where `expected` is given, its answer must be Kafka's.
fn judge(broker: &str, found: &Findings, expected: Option<&Answers>, tally: &mut Tally) {
    for ((client, check), finding) in found {
        let name = format!("{broker}: {client}/{check}");
        if !finding.ok {
            tally.failed(&name, &finding.detail);
            continue;
        }
        if !finding.detail.is_empty() {
            eprintln!("      {name}: {}", finding.detail);
        }
        match expected.map(|answers| answers.get(client).and_then(|checks| checks.get(check))) {
            Some(Some(answer)) if *answer != finding.answer => {
                tally.failed(
                    &name,
                    &format!("answers differ\n        Kafka: {answer}\n        Ottla: {}", finding.answer),
                );
            }
            Some(None) => tally.failed(&name, "no answer of Apache Kafka is recorded (--oracle --record)"),
            _ => tally.passed(&name),
        }
    }
    for (client, checks) in expected.into_iter().flatten() {
        let ran = found.keys().any(|(one, _)| one == client);
        for check in
            checks.keys().filter(|check| ran && !found.contains_key(&(client.clone(), (*check).clone())))
        {
            tally.failed(&format!("{broker}: {client}/{check}"), "did not run");
        }
    }
}

/// Whether Apache Kafka still answers as recorded.
fn judge_answers(broker: &str, found: &Findings, expected: &Answers, tally: &mut Tally) {
    for ((client, check), finding) in found.iter().filter(|(_, finding)| finding.ok) {
        let recorded = expected.get(client).and_then(|checks| checks.get(check));
        if recorded != Some(&finding.answer) {
            let what = format!(
                "differs from the record\n        record: {recorded:?}\n        now: {}",
                finding.answer
            );
            tally.failed(&format!("{broker}: {client}/{check} as recorded"), &what);
        }
    }
}

/// Client, check, answer.
type Answers = BTreeMap<String, BTreeMap<String, String>>;

fn read_answers(path: &Path) -> Result<Answers> {
    if !path.exists() {
        return Ok(Answers::new());
    }
    let text = fs::read_to_string(path)?;
    let whole: Value = serde_json::from_str(&text).context("compat/answers.json")?;
    let mut answers = Answers::new();
    for (client, checks) in whole.as_object().into_iter().flatten() {
        for (check, answer) in checks.as_object().into_iter().flatten() {
            let answer = answer.as_str().unwrap_or_default().to_owned();
            answers.entry(client.clone()).or_default().insert(check.clone(), answer);
        }
    }
    Ok(answers)
}

/// Runs all the suites against one broker, a few at a time.
fn suites(commands: &mut [(&str, Command)], bootstrap: &str, label: &str) -> Result<Findings> {
    let found = Mutex::new(Findings::new());
    let queue = Mutex::new(commands.iter_mut());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().expect("no suite panics").next();
                    let Some((name, command)) = next else { break };
                    let start = Instant::now();
                    let lines = suite(name, command, bootstrap, label);
                    let bad = lines.values().filter(|finding| !finding.ok).count();
                    eprintln!(
                        "      {name}: {} checks, {bad} failed, {:.1} s",
                        lines.len(),
                        start.elapsed().as_secs_f32()
                    );
                    found.lock().expect("no suite panics").extend(lines);
                }
            });
        }
    });
    Ok(found.into_inner().expect("no suite panics"))
}

/// Runs one suite to its end; a suite that breaks is a failed check called `suite`.
fn suite(name: &str, command: &mut Command, bootstrap: &str, label: &str) -> Findings {
    let mut found = Findings::new();
    if let Err(error) = suite_lines(name, command, bootstrap, label, &mut found) {
        let finding = Finding { ok: false, answer: String::new(), detail: format!("{error:#}") };
        found.insert((name.to_owned(), "suite".to_owned()), finding);
    }
    found
}

fn suite_lines(
    name: &str,
    command: &mut Command,
    bootstrap: &str,
    label: &str,
    found: &mut Findings,
) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let output = folder.path().join("out");
    let errors = folder.path().join("err");
    let mut once = Command::new(command.get_program());
    once.args(command.get_args()).args([bootstrap, &format!("{label}-{name}.")]);
    for (key, value) in command.get_envs() {
        if let Some(value) = value {
            once.env(key, value);
        }
    }
    let mut process = once
        .stdin(Stdio::null())
        .stdout(File::create(&output)?)
        .stderr(File::create(&errors)?)
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    let end = Instant::now() + SUITE_LIMIT;
    let status = loop {
        if let Some(status) = process.try_wait()? {
            break Some(status);
        }
        if end < Instant::now() {
            process.kill()?;
            process.wait()?;
            break None;
        }
        thread::sleep(Duration::from_millis(50));
    };
    for line in fs::read_to_string(&output)?.lines().filter(|line| line.starts_with('{')) {
        let line: Value = serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))?;
        let field = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
        let finding = Finding { ok: line["ok"] == true, answer: field("answer"), detail: field("detail") };
        found.insert((field("client"), field("check")), finding);
    }
    let failed = found.values().any(|finding| !finding.ok);
    match status {
        None => anyhow::bail!("no end after {SUITE_LIMIT:?}"),
        // A suite says by its code whether a check failed; another reason to fail is one of its own.
        Some(status) if !status.success() && !failed => {
            let text = fs::read_to_string(&errors)?;
            let tail: Vec<&str> = text.lines().rev().take(5).collect();
            anyhow::bail!("ended with {status}: {}", tail.into_iter().rev().collect::<Vec<_>>().join(" | "))
        }
        Some(_) => Ok(()),
    }
}
