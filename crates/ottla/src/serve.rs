//! `ottla serve`: run a node until a signal says stop.

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use ottla_server::config::{Options, ServerConfig};
use ottla_server::{LogLevels, Node};
use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Instant;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Run a node.
///
/// Without any option: a broker for this machine on 127.0.0.1:9092, with its data in ./ottla-data.
#[derive(Args)]
pub struct Serve {
    /// A file in the format of Kafka's server.properties.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder for the data (log.dirs); it is created and formatted when it is new.
    #[arg(long, short, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where clients connect (listeners); :PORT is every interface.
    #[arg(long, short, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// One of Kafka's configuration keys; stands above the file. May be given often.
    #[arg(long, short, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Show the values in force and where they come from, and run nothing.
    #[arg(long)]
    print_config: bool,
    /// How to show them.
    #[arg(long, value_enum, default_value = "text", requires = "print_config")]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
}

impl Serve {
    /// Runs the node, or shows its configuration.
    pub fn run(self) -> Result<()> {
        let options = Options { file: self.config, set: self.set, data: self.data, listen: self.listen };
        let config = ServerConfig::load(&options)?;
        if self.print_config {
            let shown = match self.output {
                Output::Text => config.to_text(),
                Output::Json => config.to_json() + "\n",
            };
            std::io::stdout().write_all(shown.as_bytes()).context("cannot write to standard output")?;
            return Ok(());
        }
        let log_levels = start_logs();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_name("ottla")
            .build()
            .context("cannot start the threads that serve clients")?;
        runtime.block_on(serve(&config, log_levels))
    }
}

/// Warnings and errors go to standard error; `OTTLA_LOG` asks for more (`OTTLA_LOG=info`, or
/// `ottla_network=debug` for one part), and so does an administrator while the node runs.
fn start_logs() -> LogLevels {
    const DEFAULT: &str = "warn";
    let (text, filter) = match EnvFilter::try_from_env("OTTLA_LOG") {
        Ok(filter) => (std::env::var("OTTLA_LOG").unwrap_or_default(), filter),
        Err(_) => (DEFAULT.to_owned(), EnvFilter::new(DEFAULT)),
    };
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_filter_reloading();
    let handle = logs.reload_handle();
    logs.init();
    LogLevels::new(&text, move |filter| {
        if let Err(error) = handle.reload(EnvFilter::new(filter)) {
            tracing::error!(%error, filter, "the log levels could not be changed");
        }
    })
}

async fn serve(config: &ServerConfig, log_levels: LogLevels) -> Result<()> {
    let begun = Instant::now();
    // Before anything is opened: a signal during the start is then not lost.
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let node = Node::start(config, log_levels).await.context("the node did not start")?;
    for note in &config.notes {
        eprintln!("note: {note}");
    }
    announce(config, &node, begun);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        reason = node.failed() => {
            // Nothing on the disk is trusted any more: no orderly stop, the next start checks it.
            bail!("the node cannot go on: {reason}");
        }
    }
    eprintln!("ottla is stopping");
    node.stop().await.context("the node did not stop cleanly: the next start will check its data")?;
    eprintln!("ottla has stopped");
    Ok(())
}

/// The one line at start.
fn announce(config: &ServerConfig, node: &Node, begun: Instant) {
    let addresses: Vec<String> = node.addresses().iter().map(|(_, address)| address.to_string()).collect();
    let first = node.addresses().first().map(|(_, address)| from_here(*address)).unwrap_or_default();
    eprintln!(
        "ottla serves Kafka clients on {} (data in {}, ready after {} ms); try: ottla topic create hello --bootstrap {first}",
        addresses.join(", "),
        config.folders(),
        begun.elapsed().as_millis()
    );
}

/// How a client on this machine reaches the listener. One on every interface has no address of its own.
fn from_here(address: SocketAddr) -> String {
    if address.ip().is_unspecified() { format!("localhost:{}", address.port()) } else { address.to_string() }
}

#[cfg(test)]
mod tests {
    use super::from_here;

    #[test]
    fn a_listener_on_every_interface_is_reached_as_localhost() {
        for (listens, reached) in [
            ("[::]:9092", "localhost:9092"),
            ("0.0.0.0:19092", "localhost:19092"),
            ("127.0.0.1:9092", "127.0.0.1:9092"),
            ("[::1]:9092", "[::1]:9092"),
        ] {
            assert_eq!(from_here(listens.parse().unwrap()), reached);
        }
    }
}
