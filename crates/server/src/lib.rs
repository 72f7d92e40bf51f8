//! Assembly: configuration in, a running node out.
//!
//! [`ServerConfig`](config::ServerConfig) says what is wanted, [`Node::start`] opens the disk, the
//! metadata quorum, the partitions and the listeners, in this order, and [`Node::stop`] closes them in
//! the other. Nobody else sees all of them together.
//!
//! Start reading at `node.rs`.

pub mod config;

mod dynamic;
mod node;
mod takeover;

pub use node::{Node, StartError};
pub use ottla_broker::LogLevels;
pub use takeover::TakeoverError;
