//! What all commands that talk to a cluster have in common: where it is, and a runtime to reach it.

use anyhow::{Context as _, Result};
use clap::Args;
use ottla_client::{ClientConfig, ClientError, Cluster};
use std::future::Future;
use std::io::IsTerminal as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Where the cluster is.
#[derive(Args, Clone, Debug)]
pub struct Remote {
    /// The brokers to ask first, separated by commas.
    #[arg(
        long,
        short,
        global = true,
        value_name = "HOST:PORT",
        env = "OTTLA_BOOTSTRAP",
        hide_env_values = true,
        default_value = "localhost:9092"
    )]
    bootstrap: String,
}

impl Remote {
    /// Runs `work` with the cluster.
    ///
    /// # Errors
    /// When no broker answers, at once: someone sits there and waits. Later, the client tries again by
    /// itself.
    pub fn run<F: Future<Output = Result<()>>>(self, work: impl FnOnce(Cluster) -> F) -> Result<()> {
        start_logs();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("cannot start the threads that talk to the cluster")?;
        let cluster = Cluster::new(ClientConfig::new(&self.bootstrap));
        let done = runtime.block_on(async {
            match cluster.any().await {
                Ok(_) => work(cluster).await,
                Err(error) => Err(advise(error)),
            }
        });
        // Something may still read from standard input.
        runtime.shutdown_background();
        done
    }
}

/// Warnings go to standard error; `OTTLA_LOG` asks for more or less, as for `ottla serve`.
fn start_logs() {
    let filter = EnvFilter::try_from_env("OTTLA_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .without_time()
        .init();
}

/// Ctrl-C or a request to terminate.
pub struct Interrupt {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupt {
    /// Listens from now on.
    pub fn listen() -> Result<Interrupt> {
        Ok(Interrupt {
            interrupt: signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?,
            terminate: signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
        })
    }

    /// Waits until it comes.
    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The error, with what to do about it where that is known.
pub fn advise(error: ClientError) -> anyhow::Error {
    let hint = match &error {
        ClientError::NoSuchTopic { topic } => {
            format!("`ottla topic list` shows those there are, `ottla topic create {topic}` creates it")
        }
        ClientError::OffsetOutOfRange { topic, .. } => {
            format!("`ottla topic describe {topic}` shows the offsets there are")
        }
        ClientError::Connect { .. } => {
            "is a broker running there? `ottla serve` starts one, --bootstrap says where it is".to_owned()
        }
        _ => return error.into(),
    };
    anyhow::anyhow!("{error}: {hint}")
}
