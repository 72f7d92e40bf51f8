//! The listeners and connections of one node.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use crate::accept::{accept, bind};
use crate::budget::Budget;
use crate::session::{Control, Surroundings, run};
use crate::slots::{Slot, Slots};
use crate::transport::Transport;
use crate::{Connection, Limits, Service, Stats};

/// The listeners and connections of one node. Dropping it closes the listeners and leaves the
/// connections running; see [`Network::stop`].
pub struct Network<S> {
    shared: Arc<Shared<S>>,
    stopping: watch::Sender<bool>,
    acceptors: Mutex<Vec<JoinHandle<()>>>,
}

/// Longer than any connection lives. A longer wait could not be added to the time of day.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// What the listeners and connections have in common.
pub(crate) struct Shared<S> {
    pub(crate) around: Surroundings<S>,
    pub(crate) slots: Arc<Slots>,
    next_id: AtomicU64,
    live: Mutex<Live>,
    ended: Notify,
}

#[derive(Default)]
struct Live {
    connections: HashMap<u64, Arc<Control>>,
    /// Connections begun after this end at once.
    stopped: bool,
}

/// A listener could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for listener {listener}: {source}; is another broker running there?")]
pub struct ListenError {
    /// The listener's name.
    pub listener: String,
    /// What was to be listened on.
    pub address: SocketAddr,
    /// What the operating system said.
    pub source: io::Error,
}

/// An open port that is not served yet: who connects waits. So a node can know its ports, tell others
/// of them, and only then be ready.
#[derive(Debug)]
pub struct Bound {
    name: Arc<str>,
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// Opens a plaintext listener called `name` (such as `PLAINTEXT`). To be called within a tokio runtime.
    pub fn open(name: &str, address: SocketAddr, limits: &Limits) -> Result<Bound, ListenError> {
        let fail = |source| ListenError { listener: name.to_owned(), address, source };
        let listener = bind(address, limits).map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        Ok(Bound { name: Arc::from(name), listener, address })
    }

    /// The address it really listens on: port 0 let the operating system choose one.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl<S: Service> Network<S> {
    /// A network without listeners yet, whose frames `service` handles.
    pub fn new(mut limits: Limits, service: S) -> Network<S> {
        limits.max_idle = limits.max_idle.min(FOREVER);
        limits.max_frame_stall = limits.max_frame_stall.min(FOREVER);
        let stats = Arc::new(Stats::default());
        let slots = Arc::new(Slots::new(&limits, stats.clone()));
        let budget = Budget::new(limits.max_request_bytes_in_flight, stats.clone());
        Network {
            shared: Arc::new(Shared {
                around: Surroundings { service, limits, stats, budget },
                slots,
                next_id: AtomicU64::new(0),
                live: Mutex::default(),
                ended: Notify::new(),
            }),
            stopping: watch::channel(false).0,
            acceptors: Mutex::default(),
        }
    }

    /// Opens a plaintext listener called `name` (such as `PLAINTEXT`), and serves who connects;
    /// the address it really listens on (port 0 lets the operating system choose one). To be
    /// called within a tokio runtime: connections run there.
    pub fn listen(&self, name: &str, address: SocketAddr) -> Result<SocketAddr, ListenError> {
        let bound = Bound::open(name, address, &self.shared.around.limits)?;
        let address = bound.address();
        self.serve(bound);
        Ok(address)
    }

    /// Serves who connects to `bound`, and who did already. To be called within a tokio runtime:
    /// connections run there.
    pub fn serve(&self, bound: Bound) {
        let acceptor =
            tokio::spawn(accept(self.shared.clone(), bound.listener, bound.name, self.stopping.subscribe()));
        self.acceptors.lock().unwrap_or_else(PoisonError::into_inner).push(acceptor);
    }

    /// From now on the limits on connections of `limits` count: `max_connections`, `max_connections_per_ip`
    /// with its overrides, and `max_connection_creation_rate`. Who is connected stays; who waits is let in
    /// if there is room. The other limits stay as they were given to [`Network::new`].
    pub fn set_connection_limits(&self, limits: &Limits) {
        self.shared.slots.set_limits(limits);
    }

    /// The counters; they outlive the network.
    pub fn stats(&self) -> &Arc<Stats> {
        &self.shared.around.stats
    }

    /// Ends it: no connection is accepted any more and no call begun; calls in progress have up to
    /// `patience` to finish and their answers to leave. Then what is left is closed. Returns when
    /// all connections are gone; the listeners' ports are free then.
    pub async fn stop(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        self.stopping.send_replace(true);
        let acceptors = std::mem::take(&mut *self.acceptors.lock().unwrap_or_else(PoisonError::into_inner));
        for acceptor in acceptors {
            // It panics only by a bug of ours, and is gone then too.
            let _ = acceptor.await;
        }
        for control in self.shared.stop_live() {
            control.stop();
        }
        if timeout_at(deadline, self.shared.all_ended()).await.is_err() {
            for control in self.shared.stop_live() {
                control.stop_now();
            }
            self.shared.all_ended().await;
        }
    }
}

impl<S: Service> Shared<S> {
    /// Serves a connection in a task of its own.
    pub(crate) fn begin(
        self: &Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        listener: &Arc<str>,
        slot: Slot,
    ) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection::new(peer, listener.clone()));
        let control = Arc::new(Control::default());
        {
            let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
            if live.stopped {
                return;
            }
            live.connections.insert(id, control.clone());
        }
        let end = End { shared: self.clone(), id, _slot: slot };
        tokio::spawn(async move {
            let ended = run(&end.shared.around, &connection, Transport::Plaintext(stream), &control).await;
            debug!(id, %peer, listener = %connection.listener(), reason = %ended, "connection ended");
        });
    }

    fn stop_live(&self) -> Vec<Arc<Control>> {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.stopped = true;
        live.connections.values().cloned().collect()
    }

    async fn all_ended(&self) {
        loop {
            let ended = self.ended.notified();
            if self.live.lock().unwrap_or_else(PoisonError::into_inner).connections.is_empty() {
                return;
            }
            ended.await;
        }
    }
}

/// Takes a connection off the books when its task is gone, however that came.
struct End<S: Service> {
    shared: Arc<Shared<S>>,
    id: u64,
    _slot: Slot,
}

impl<S: Service> Drop for End<S> {
    fn drop(&mut self) {
        let mut live = self.shared.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.connections.remove(&self.id);
        drop(live);
        self.shared.ended.notify_waiters();
    }
}
