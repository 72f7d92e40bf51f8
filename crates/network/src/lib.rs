//! Listeners: bytes to frames to bytes, bounded.
//!
//! A [`Network`] owns the listeners and everything that is counted over all connections. Each
//! connection is one task: it cuts what arrives into frames (a 4-byte length and that many bytes),
//! hands each frame to the [`Service`], and sends the [`Answer`]s back in the order of the frames.
//! The next frame is handled while earlier answers still wait for their durability
//! ([`Outcome::Later`]); file ranges go from the page cache to the socket without a copy here.
//!
//! It knows frames, not requests: what a frame asks, who may ask it and what an answer says is the
//! service's. Everything a stranger can make grow has a name in [`Limits`].
//!
//! Start reading at `session.rs` (one connection's life), then `inbound.rs` and `outbound.rs`.

mod accept;
mod answer;
mod budget;
mod connection;
mod file;
mod inbound;
mod limits;
mod network;
mod outbound;
mod session;
mod slots;
mod stats;
mod transport;

#[cfg(test)]
mod tests;

pub use answer::{Answer, FileRange, OnFailure, Outcome, Piece, Service};
pub use connection::Connection;
pub use limits::Limits;
pub use network::{Bound, ListenError, Network};
pub use stats::Stats;
