//! Everything that bounds what a stranger can make this process do or keep.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// The bounds of a [`Network`](crate::Network), over all its listeners. The default is Kafka's,
/// and ours where Kafka has none.
#[derive(Debug, Clone)]
pub struct Limits {
    /// `socket.request.max.bytes`: a larger frame (or one of negative size) closes its connection.
    /// Bytes.
    pub max_request_size: usize,
    /// `queued.max.request.bytes`: bytes of large request frames in memory over all connections,
    /// from the moment such a frame has begun to arrive until its last slice is dropped. A
    /// connection whose frame does not fit waits, in order of arrival. A frame larger than the bound
    /// takes all of it. Frames of at most [`Limits::SMALL_FRAME`] bytes do not count: those are
    /// bounded by the number of connections. Kafka's -1 (no bound) is
    /// [`Limits::DEFAULT_REQUEST_BYTES_IN_FLIGHT`] here.
    pub max_request_bytes_in_flight: usize,
    /// `max.connections`: at the limit accepted connections wait until another one ends.
    pub max_connections: usize,
    /// `max.connections.per.ip`: connections beyond it are closed at once.
    pub max_connections_per_ip: usize,
    /// `max.connections.per.ip.overrides`: the same for single addresses.
    pub max_connections_per_ip_overrides: HashMap<IpAddr, usize>,
    /// `max.connection.creation.rate`: connections accepted per second; the ones beyond it wait.
    pub max_connection_creation_rate: u32,
    /// `connections.max.idle.ms`: a connection on which nothing happened for so long is closed, and
    /// so is one that takes none of its answer's bytes, or does not complete a frame, for so long.
    /// A connection with a call in progress or an answer to come is not idle.
    pub max_idle: Duration,
    /// A large frame that has begun to arrive, and so counts against
    /// [`Limits::max_request_bytes_in_flight`], but of which no byte came for so long, closes its
    /// connection: nobody may sit on what others wait for. Our own limit; clients give up on a
    /// request after `request.timeout.ms`, 30 s.
    pub max_frame_stall: Duration,
    /// Frames of one connection that may wait for their answer ([`Outcome::Later`](crate::Outcome));
    /// at the limit the next frame waits.
    pub max_pending_answers: usize,
    /// Bytes of answers, file ranges included, that may wait to be sent on one connection before its
    /// next frame is handled: a client that does not read is not served. One answer may be larger.
    pub max_output_bytes: usize,
    /// `socket.send.buffer.bytes`; `None` (-1) leaves it to the operating system.
    pub send_buffer_bytes: Option<u32>,
    /// `socket.receive.buffer.bytes`; `None` (-1, our default) leaves it to the operating system.
    pub receive_buffer_bytes: Option<u32>,
    /// `socket.listen.backlog.size`: connections the operating system holds for us to accept.
    pub listen_backlog: u32,
}

impl Limits {
    /// What `queued.max.request.bytes=-1` means here.
    pub const DEFAULT_REQUEST_BYTES_IN_FLIGHT: usize = 512 * 1024 * 1024;

    /// A frame of at most so many bytes has its buffer from the moment its size is known, uncounted.
    pub const SMALL_FRAME: usize = 32 * 1024;

    /// Of a larger frame so many bytes must have arrived before its buffer is made and counted, so
    /// that announcing sizes costs the announcer more than us.
    pub const LARGE_FRAME_PROOF: usize = 16 * 1024;
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_request_size: 100 * 1024 * 1024,
            max_request_bytes_in_flight: Limits::DEFAULT_REQUEST_BYTES_IN_FLIGHT,
            max_connections: i32::MAX as usize,
            max_connections_per_ip: i32::MAX as usize,
            max_connections_per_ip_overrides: HashMap::new(),
            max_connection_creation_rate: i32::MAX as u32,
            max_idle: Duration::from_secs(600),
            max_frame_stall: Duration::from_secs(30),
            max_pending_answers: 256,
            max_output_bytes: 1024 * 1024,
            send_buffer_bytes: None,
            receive_buffer_bytes: None,
            listen_backlog: 50,
        }
    }
}
