//! What a service may know about a connection, and keep on it.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

/// A client's connection, as the service sees it.
#[derive(Debug)]
pub struct Connection {
    id: u64,
    peer: SocketAddr,
    local: SocketAddr,
    listener: Arc<str>,
    principal: RwLock<Arc<Principal>>,
    client_software: RwLock<Option<Arc<ClientSoftware>>>,
}

/// Who is at the other end. Kafka's `KafkaPrincipal`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    /// `User`, unless an authenticator of its own kind says otherwise.
    pub kind: String,
    /// The name within the kind.
    pub name: String,
}

impl Default for Principal {
    /// `User:ANONYMOUS`, as everyone on a listener without authentication is.
    fn default() -> Principal {
        Principal { kind: "User".to_owned(), name: "ANONYMOUS".to_owned() }
    }
}

/// What a client says it is (ApiVersions version 3 and later, KIP-511). Checked by the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSoftware {
    /// Such as `apache-kafka-java`.
    pub name: String,
    /// Such as `4.3.1`.
    pub version: String,
}

impl Connection {
    /// A connection that no socket stands behind unless [`Network`](crate::Network) made it; tests of
    /// services make their own. `listener` is the listener's name, such as `PLAINTEXT`.
    pub fn new(id: u64, peer: SocketAddr, local: SocketAddr, listener: Arc<str>) -> Connection {
        Connection {
            id,
            peer,
            local,
            listener,
            principal: RwLock::default(),
            client_software: RwLock::default(),
        }
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

    /// Who is at the other end: [`Principal::default`] until an authentication succeeded.
    pub fn principal(&self) -> Arc<Principal> {
        self.principal.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps who was authenticated: by the transport (a TLS certificate) before the first frame, or
    /// by the service (SASL) between two frames.
    pub fn set_principal(&self, principal: Principal) {
        *self.principal.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(principal);
    }

    /// What the client said it is, once it did.
    pub fn client_software(&self) -> Option<Arc<ClientSoftware>> {
        self.client_software.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps what the client said it is; the last word counts.
    pub fn set_client_software(&self, software: ClientSoftware) {
        *self.client_software.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(software));
    }
}
