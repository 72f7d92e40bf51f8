//! Groups under churn: 50 members of several clients and protocols join, leave, crash and pause while
//! a producer runs and the broker is killed. What must hold is in `compat/go/churn`.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::crash::Work;
use super::ottla::Ottla;
use crate::tools::Tools;

/// How much a run disturbs.
pub struct Churn {
    /// How often the broker is killed.
    pub kills: u32,
    /// How long the members churn before each kill, and after the last.
    pub between: Duration,
    /// The longest pause of a member. Sessions are six seconds: most pauses outlast them.
    pub pause: Duration,
}

/// Churns, and returns what was seen.
pub fn run(tools: &Tools, binary: &Path, folder: &Path, seed: u64, churn: &Churn) -> Result<String> {
    let program = tools.go_program(&tools.compat("go"), "churn")?;
    let python = tools.python()?;
    let modules = tools.node_modules()?;
    let classes = tools.java_classes("churn", &tools.compat("churn"))?;
    let class_path = format!("{}:{}/*", classes.display(), tools.kafka_jars()?.display());
    let settings = [
        "group.initial.rebalance.delay.ms=0",
        "group.consumer.min.session.timeout.ms=1000",
        "group.consumer.session.timeout.ms=6000",
        "group.consumer.min.heartbeat.interval.ms=100",
        "group.consumer.heartbeat.interval.ms=500",
    ];
    let mut ottla = Ottla::start(binary, folder, &settings)?;
    let members = folder.join("members");
    let mut command = Command::new(program);
    command
        .env("NODE_PATH", modules)
        .args(["work", &ottla.bootstrap(), "churn"])
        .args([&members, &python, &tools.compat("churn")])
        .arg(class_path)
        .args([seed.to_string(), churn.pause.as_secs().to_string()]);
    let mut work = Work::spawn(&mut command)?;
    work.wait_for_more_than(0)?;
    for _ in 0..churn.kills {
        thread::sleep(churn.between);
        ottla.kill()?;
        thread::sleep(Duration::from_secs(1));
        ottla.start_again()?;
        work.wait_for_more_than(work.acked())?;
    }
    thread::sleep(churn.between);
    let told = work.finish()?;
    ottla.stop()?;
    ottla.check_log()?;
    fs::remove_dir_all(folder).ok();
    Ok(format!("seed {seed}, {} kills of the broker\n{}", churn.kills, told.replace("; ", "\n")))
}
