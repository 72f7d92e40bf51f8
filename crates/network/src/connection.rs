//! What a service may know about a connection.

use std::net::SocketAddr;
use std::sync::Arc;

/// A client's connection, as the service sees it.
#[derive(Debug)]
pub struct Connection {
    peer: SocketAddr,
    listener: Arc<str>,
}

impl Connection {
    /// A connection that no socket stands behind unless [`Network`](crate::Network) made it; tests of
    /// services make their own. `listener` is the listener's name, such as `PLAINTEXT`.
    pub fn new(peer: SocketAddr, listener: Arc<str>) -> Connection {
        Connection { peer, listener }
    }

    /// Where the client is. An IPv4 client of an IPv6 listener has its IPv4 address here.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The name of the listener it came in at, such as `PLAINTEXT`.
    pub fn listener(&self) -> &Arc<str> {
        &self.listener
    }
}
