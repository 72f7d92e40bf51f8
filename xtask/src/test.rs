//! `cargo xtask test`: everything that tells whether Ottla is right, from the formatting to real
//! clients while the broker is killed. Progress goes to stderr; the last line of stdout is the count.

mod churn;
mod cleaner;
mod compat;
mod crash;
mod disks;
mod dump;
mod flights;
mod formatted;
mod guard;
mod hostile;
mod ottla;
mod stock;
mod swap;
mod transacted;

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, exit};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use self::churn::Churn;
use crate::codegen;
use crate::tools::{Tools, run as run_command};

/// Runs the tests: all of them, or those that are asked for.
///
/// Without options everything runs but the suites against Apache Kafka.
#[derive(Debug, Default, clap::Args)]
pub struct Options {
    /// Formatting, lints, generated files, licences and the unit tests
    #[arg(long)]
    unit: bool,
    /// Real clients, the log cleaner beside Apache Kafka's, full and failing disks, kill -9, the hostile client and the
    /// flights, against Ottla
    #[arg(long)]
    compat: bool,
    /// The suites of --compat against Apache Kafka too
    #[arg(long)]
    oracle: bool,
    /// Keep Apache Kafka's answers in compat/answers.json
    #[arg(long, requires = "oracle")]
    record: bool,
    /// More kills, a longer hostile client, all flights
    #[arg(long)]
    long: bool,
    /// A binary to test; without it the release build is made first
    #[arg(long, value_name = "BINARY")]
    ottla: Option<PathBuf>,
    /// Only steps whose name contains one of these: fmt clippy codegen deny unit protocol records compat/SUITE cleaner
    /// transacted disks swap formatted stock crash churn hostile flights
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
}

impl Options {
    /// Whether the step of this name is asked for.
    pub fn wants(&self, step: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| step.contains(filter))
    }
}

/// What passed and what failed, so far.
#[derive(Debug, Default)]
pub struct Tally {
    passed: u64,
    failures: Vec<String>,
}

impl Tally {
    fn passed(&mut self, _name: &str) {
        self.passed += 1;
    }

    fn failed(&mut self, name: &str, what: &str) {
        eprintln!("FAIL  {name}: {what}");
        self.failures.push(name.to_owned());
    }

    /// Runs one step, and counts it as one.
    fn step(&mut self, name: &str, step: impl FnOnce() -> Result<()>) {
        self.telling_step(name, || step().map(|()| String::new()));
    }

    /// Runs one step that tells what it saw.
    fn telling_step(&mut self, name: &str, step: impl FnOnce() -> Result<String>) {
        eprintln!("==== {name}");
        let start = Instant::now();
        match step() {
            Ok(told) => {
                for line in told.lines() {
                    eprintln!("      {line}");
                }
                eprintln!("ok    {name} ({:.1} s)", start.elapsed().as_secs_f32());
                self.passed += 1;
            }
            Err(error) => self.failed(name, &format!("{error:#}")),
        }
    }
}

/// Runs what the arguments ask for. Fails when a test does.
pub fn run(options: &Options) -> Result<()> {
    if let Some(status) = guard::guard()? {
        exit(guard::code(status));
    }
    let tools = Tools::find()?;
    let work = tempfile::tempdir().context("no folder for temporary files")?;
    let mut tally = Tally::default();
    let start = Instant::now();

    let all = !options.unit && !options.compat && !options.oracle;
    if all || options.unit {
        unit(&tools, options, &mut tally);
    }
    if all || options.compat || options.oracle {
        clients(&tools, options, work.path(), &mut tally);
    }

    eprintln!("==== {:.0} s", start.elapsed().as_secs_f32());
    for failure in &tally.failures {
        eprintln!("failed: {failure}");
    }
    println!("{} passed, {} failed", tally.passed, tally.failures.len());
    ensure!(
        0 < tally.passed || !tally.failures.is_empty(),
        "no test has run: no step has such a name, see --help"
    );
    // The count stays the last line.
    drop(work);
    if tally.failures.is_empty() { Ok(()) } else { exit(1) }
}

/// Runs the example of the flights: three clients of one group, and a broker that is killed in between.
#[derive(Debug, clap::Args)]
pub struct FlightsOptions {
    /// How many of the rows
    #[arg(long, default_value_t = flights::ALL_ROWS, value_parser = clap::value_parser!(u64).range(100..=flights::ALL_ROWS))]
    rows: u64,
    /// Against Apache Kafka
    #[arg(long)]
    oracle: bool,
    /// The binary to run; without it the release build is made first
    #[arg(long, value_name = "BINARY")]
    ottla: Option<PathBuf>,
}

/// Runs the example and prints what was counted.
pub fn run_flights(options: &FlightsOptions) -> Result<()> {
    let tools = Tools::find()?;
    let work = tempfile::tempdir()?;
    let binary = if options.oracle { None } else { Some(binary(&tools, options.ottla.as_deref())?) };
    // What was read is kept when something is wrong with it.
    let told = flights::run(&tools, binary.as_deref(), &work.path().join("flights"), options.rows);
    match told {
        Ok(table) => println!("{table}"),
        Err(error) => {
            let _kept = work.keep();
            return Err(error);
        }
    }
    Ok(())
}

/// What needs nothing but Rust.
fn unit(tools: &Tools, options: &Options, tally: &mut Tally) {
    if options.wants("fmt") {
        tally.step("fmt", || cargo(tools, &["fmt", "--all", "--check"]));
    }
    if options.wants("codegen") {
        tally.step("codegen", || codegen::run(&codegen::Options { check: true }));
    }
    if options.wants("clippy") {
        tally.step("clippy", || {
            cargo(tools, &["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])
        });
    }
    if options.wants("deny") {
        tally.step("deny", || {
            let mut deny = Command::new(tools.cargo_deny()?);
            run_command(deny.args(["check", "bans", "licenses", "sources"]).current_dir(&tools.root))
        });
    }
    if options.wants("unit")
        && let Err(error) = unit_tests(tools, tally)
    {
        tally.failed("unit", &format!("{error:#}"));
    }
}

fn cargo(tools: &Tools, arguments: &[&str]) -> Result<()> {
    run_command(Command::new(env!("CARGO")).args(arguments).current_dir(&tools.root))
}

/// The unit tests of the workspace, counted one by one.
fn unit_tests(tools: &Tools, tally: &mut Tally) -> Result<()> {
    eprintln!("==== unit");
    let start = Instant::now();
    let mut process = Command::new(env!("CARGO"))
        .args(["test", "--quiet", "--workspace", "--no-fail-fast"])
        .current_dir(&tools.root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = process.stdout.take().context("its output is piped")?;
    let mut passed = 0;
    let mut failed = 0;
    for line in BufReader::new(output).lines() {
        let line = line?;
        match line.strip_prefix("test result: ") {
            Some(result) => {
                passed += number_before(result, " passed");
                failed += number_before(result, " failed");
            }
            // The dots of a quiet run tell nothing.
            None if line.is_empty()
                || line.starts_with("running ")
                || line.chars().all(|c| ".i".contains(c)) => {}
            None => eprintln!("      {line}"),
        }
    }
    let status = process.wait()?;
    tally.passed += passed;
    for _ in 0..failed {
        tally.failures.push("unit (see above)".to_owned());
    }
    ensure!(status.success() || 0 < failed, "cargo test ended with {status}");
    eprintln!(
        "{}  unit: {passed} passed, {failed} failed ({:.1} s)",
        if failed == 0 { "ok  " } else { "FAIL" },
        start.elapsed().as_secs_f32()
    );
    Ok(())
}

/// The number that stands before `word`, as in `ok. 12 passed; 0 failed`.
fn number_before(text: &str, word: &str) -> u64 {
    let end = text.find(word).unwrap_or(0);
    let start = text[..end].rfind(' ').map_or(0, |space| space + 1);
    text[start..end].parse().unwrap_or(0)
}

/// What runs real clients.
fn clients(tools: &Tools, options: &Options, work: &Path, tally: &mut Tally) {
    if options.wants("protocol") {
        tally.step("protocol", || {
            let jars = tools.kafka_jars()?;
            run_command(Command::new(tools.compat("java-protocol/run")).arg(jars).arg(&tools.cache))
        });
    }
    if options.wants("records") {
        tally.step("records", || records(tools, work));
    }
    let wants_ottla = !options.oracle || options.compat;
    let steps = [
        "compat",
        "cleaner",
        "transacted",
        "disks",
        "swap",
        "formatted",
        "stock",
        "crash",
        "churn",
        "hostile",
        "flights",
    ];
    let any = options.filters.is_empty()
        || options.filters.iter().any(|filter| steps.iter().any(|step| filter.contains(step)));
    if !any {
        return;
    }
    let binary = match wants_ottla.then(|| binary(tools, options.ottla.as_deref())).transpose() {
        Ok(binary) => binary,
        Err(error) => return tally.failed("build", &format!("{error:#}")),
    };
    if let Err(error) = compat::run(tools, options, binary.as_deref(), &work.join("compat"), tally) {
        tally.failed("compat", &format!("{error:#}"));
    }
    let Some(binary) = binary else { return };
    if options.wants("cleaner") {
        tally.telling_step("cleaner", || cleaner::run(tools, &binary, &work.join("cleaner"), seed()));
    }
    if options.wants("transacted") {
        tally
            .telling_step("transacted", || transacted::run(tools, &binary, &work.join("transacted"), seed()));
    }
    if options.wants("disks") {
        tally.telling_step("disks", || disks::run(tools, &binary, &work.join("disks")));
    }
    if options.wants("swap") {
        let records = if options.long { 20_000 } else { 300 };
        for quorum in ["dynamic", "static"] {
            let folder = work.join("swap").join(quorum);
            tally.telling_step(&format!("swap with a {quorum} quorum"), || {
                swap::run(tools, &binary, &folder, quorum == "static", records)
            });
        }
    }
    for case in formatted::CASES.iter().filter(|_| options.wants("formatted")) {
        let folder = work.join("formatted").join(case.name);
        tally.telling_step(&format!("formatted {}", case.name), || {
            formatted::run(tools, &binary, &folder, case)
        });
    }
    if options.wants("stock") {
        for (file, is_static) in stock::FILES {
            let folder = work.join("stock").join(file);
            tally.telling_step(&format!("stock {file}"), || {
                stock::run(tools, &binary, &folder, file, is_static)
            });
        }
    }
    if options.wants("crash") {
        let rounds = if options.long { 60 } else { 5 };
        tally.telling_step("crash", || crash::run(tools, &binary, &work.join("crash"), rounds));
    }
    if options.wants("churn") {
        let churn = match options.long {
            true => Churn { kills: 6, between: Duration::from_secs(90), pause: Duration::from_secs(180) },
            false => Churn { kills: 2, between: Duration::from_secs(15), pause: Duration::from_secs(12) },
        };
        let seed = seed();
        tally.telling_step("churn", || churn::run(tools, &binary, &work.join("churn"), seed, &churn));
    }
    if options.wants("hostile") {
        let duration = Duration::from_secs(if options.long { 300 } else { 20 });
        let seed = seed();
        tally.telling_step("hostile", || hostile::run(tools, &binary, &work.join("hostile"), seed, duration));
    }
    if options.wants("flights") {
        let rows = if options.long { flights::ALL_ROWS } else { 20_000 };
        tally.telling_step("flights", || flights::run(tools, Some(&binary), &work.join("flights"), rows));
    }
}

/// `OTTLA_SEED`, to repeat a run, or a new one.
fn seed() -> u64 {
    let given = env::var("OTTLA_SEED").ok().and_then(|seed| seed.parse().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    given.unwrap_or(now)
}

/// Batches that Ottla's builder wrote, read by Kafka's own classes.
fn records(tools: &Tools, work: &Path) -> Result<()> {
    let ours = work.join("records");
    std::fs::create_dir_all(&ours)?;
    let jars = tools.kafka_jars()?;
    run_command(
        Command::new(env!("CARGO"))
            .args(["run", "--quiet", "--package", "ottla-records", "--example", "write_batches", "--"])
            .arg(&ours)
            .current_dir(&tools.root),
    )?;
    run_command(Command::new(tools.compat("records/check-ours.sh")).arg(jars).arg(&ours))
}

/// The binary under test: the given one, or the release build, made now.
fn binary(tools: &Tools, given: Option<&Path>) -> Result<PathBuf> {
    if let Some(binary) = given {
        ensure!(binary.is_file(), "{}: no such file", binary.display());
        return Ok(binary.to_owned());
    }
    eprintln!("==== build");
    let start = Instant::now();
    cargo(tools, &["build", "--release", "--package", "ottla"])?;
    eprintln!("ok    build ({:.1} s)", start.elapsed().as_secs_f32());
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| tools.root.join("target"), PathBuf::from);
    Ok(target.join("release/ottla"))
}
