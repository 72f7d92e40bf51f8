//! Counters for whoever exports metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a [`Network`](crate::Network) has done since it was made. Each counter only grows, but
/// for the two that say `now`. They are read one by one, so two of them may be of different moments.
#[derive(Debug, Default)]
pub struct Stats {
    /// Connections accepted and kept.
    pub connections_accepted: AtomicU64,
    /// Connections open now.
    pub connections_now: AtomicU64,
    /// Connections that had to wait for `max.connections`.
    pub waited_for_max_connections: AtomicU64,
    /// Connections that had to wait for `max.connection.creation.rate`.
    pub waited_for_creation_rate: AtomicU64,
    /// Closed on arrival: `max.connections.per.ip`.
    pub closed_per_ip: AtomicU64,
    /// Closed: a frame of negative size or beyond `socket.request.max.bytes`.
    pub closed_frame_size: AtomicU64,
    /// Closed: idle for `connections.max.idle.ms`.
    pub closed_idle: AtomicU64,
    /// Closed: a frame that did not complete in time.
    pub closed_half_frame: AtomicU64,
    /// Closed: an answer of which the client took nothing for `connections.max.idle.ms`.
    pub closed_slow_reader: AtomicU64,
    /// Closed: the service panicked while it handled a frame of it.
    pub closed_panic: AtomicU64,
    /// Closed: the service said so.
    pub closed_by_service: AtomicU64,
    /// Frames that had to wait for `queued.max.request.bytes`.
    pub waited_for_request_bytes: AtomicU64,
    /// Bytes of large request frames in memory now; at most `queued.max.request.bytes`, or one larger
    /// frame.
    pub request_bytes_now: AtomicU64,
    /// Frames handed to the service.
    pub requests: AtomicU64,
    /// Bytes received.
    pub bytes_in: AtomicU64,
    /// Bytes sent.
    pub bytes_out: AtomicU64,
    /// Failed attempts to accept a connection (no file descriptors left, say).
    pub accept_errors: AtomicU64,
}

pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

pub(crate) fn subtract(counter: &AtomicU64, n: u64) {
    counter.fetch_sub(n, Ordering::Relaxed);
}
