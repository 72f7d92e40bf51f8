//! What a service may know about a connection.

use std::net::SocketAddr;
use std::sync::Arc;

/// A client's connection, as the service sees it.
#[derive(Debug)]
pub struct Connection {
    id: u64,
    peer: SocketAddr,
    local: SocketAddr,
    listener: Arc<str>,
}

impl Connection {
    /// A connection that no socket stands behind unless [`Network`](crate::Network) made it; tests of
    /// services make their own. `listener` is the listener's name, such as `PLAINTEXT`.
    pub fn new(id: u64, peer: SocketAddr, local: SocketAddr, listener: Arc<str>) -> Connection {
        Connection { id, peer, local, listener }
    }

    /// Unique among all connections this process ever had.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Where the client is. An IPv4 client of an IPv6 listener has its IPv4 address here.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Our end of the connection: the address the client dialled.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The name of the listener it came in at, such as `PLAINTEXT`.
    pub fn listener(&self) -> &Arc<str> {
        &self.listener
    }
}
