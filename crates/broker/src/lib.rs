//! Dispatch and one handler per API key: from a frame to an answer.
//!
//! A handler translates: request in, calls of the services below, response out. Its parameters are the
//! list of what it needs; nobody but `dispatch` sees the whole [`Broker`]. Rules of Kafka live in the
//! cores; what is here is the order in which they are asked, and Kafka's numbers for what they refuse
//! (`errors`, the only place that knows them).
//!
//! It does not know sockets (`network`), files (`storage`) or who leads the quorum (`quorum`).
//! Kafka's own name: `KafkaApis`. Start reading at `dispatch.rs`, then any file of `handlers`.

mod broker;
mod dispatch;
pub mod handlers;
mod served;

mod fetch_sessions;
mod follow;
mod group_settings;
mod group_topics;
mod report;
mod topic_creation;
mod topics;

mod call;
mod clock;
mod errors;
mod log_levels;

pub use broker::{Broker, Settings};
pub use call::Call;
pub use clock::Clock;
pub use errors::Refusal;
pub use fetch_sessions::FetchSessions;
pub use group_settings::group_configs;
pub use log_levels::LogLevels;
pub use served::{SERVED, SERVED_BY_CONTROLLERS};
