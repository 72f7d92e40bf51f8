//! Accepts connections, as fast as the limits allow.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, warn};

use crate::Limits;
use crate::Service;
use crate::network::Shared;
use crate::slots::PerIpLimit;
use crate::stats::add;

/// How long accepting rests after it failed: without file descriptors it fails again at once.
const FAILED_ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listening socket on `address`.
pub(crate) fn bind(address: SocketAddr, limits: &Limits) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    if let Some(size) = limits.receive_buffer_bytes {
        // Inherited by the accepted sockets; after the handshake it would be too late to widen the window.
        socket.set_recv_buffer_size(size)?;
    }
    socket.bind(address)?;
    socket.listen(limits.listen_backlog)
}

/// Accepts until `stopping` says true, or nobody is left who could say so.
pub(crate) async fn accept<S: Service>(
    shared: Arc<Shared<S>>,
    listener: TcpListener,
    name: Arc<str>,
    mut stopping: watch::Receiver<bool>,
) {
    tokio::select! {
        _ = stopping.wait_for(|stopping| *stopping) => {}
        () = accept_for_ever(&shared, &listener, &name) => {}
    }
}

async fn accept_for_ever<S: Service>(shared: &Arc<Shared<S>>, listener: &TcpListener, name: &Arc<str>) {
    let limits = &shared.around.limits;
    let stats = &shared.around.stats;
    let mut rate = Rate::default();
    let mut failing = false;
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) if is_of_one_connection(&error) => {
                debug!(%error, "a client went away on arrival");
                continue;
            }
            Err(error) => {
                add(&stats.accept_errors, 1);
                if !failing {
                    // Said once, not ten times a second for as long as it lasts.
                    warn!(listener = %name, %error, "cannot accept connections for now; trying again");
                }
                failing = true;
                sleep(FAILED_ACCEPT_PAUSE).await;
                continue;
            }
        };
        failing = false;
        if let Some(turn) = rate.next(Instant::now(), shared.slots.creation_rate()) {
            add(&stats.waited_for_creation_rate, 1);
            sleep_until(turn).await;
        }
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        match shared.slots.take(peer.ip()).await {
            Ok(slot) => match prepare(&stream, limits) {
                Ok(()) => shared.begin(stream, peer, name, slot),
                Err(error) => debug!(%peer, %error, "the client went away on arrival"),
            },
            Err(PerIpLimit) => {
                add(&stats.closed_per_ip, 1);
                debug!(%peer, "connection closed: max.connections.per.ip");
            }
        }
    }
}

/// What a new connection's socket is set to.
fn prepare(stream: &TcpStream, limits: &Limits) -> io::Result<()> {
    stream.set_nodelay(true)?;
    rustix::net::sockopt::set_socket_keepalive(stream, true)?;
    if let Some(size) = limits.send_buffer_bytes {
        rustix::net::sockopt::set_socket_send_buffer_size(stream, size as usize)?;
    }
    Ok(())
}

/// Errors of the connection that was to be accepted, not of the listener (accept(2)).
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, TimedOut};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | ConnectionRefused | Interrupted | TimedOut)
}

/// Lets so many a second through, evenly once a second's worth came at once.
#[derive(Default)]
struct Rate {
    /// When the next one would be due if all had come evenly; at most a second behind now.
    due: Option<Instant>,
}

impl Rate {
    /// One more comes at `now`; when it has its turn, unless that is now.
    fn next(&mut self, now: Instant, per_second: u32) -> Option<Instant> {
        let step = Duration::from_secs(1) / per_second.max(1);
        let burst = Duration::from_secs(1) - step;
        let earliest = now.checked_sub(burst).unwrap_or(now);
        let turn = self.due.map_or(earliest, |due| due.max(earliest));
        self.due = Some(turn + step);
        (now < turn).then_some(turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seconds_worth_passes_at_once_and_the_rest_evenly() {
        let start = Instant::now() + Duration::from_secs(10);
        let mut rate = Rate::default();
        let waits: Vec<_> =
            (0..7).map(|_| rate.next(start, 4).map_or(0, |turn| (turn - start).as_millis())).collect();
        assert_eq!(waits, [0, 0, 0, 0, 250, 500, 750]);
    }
}
