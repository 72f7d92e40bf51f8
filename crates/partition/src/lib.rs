//! A partition that lives here: append, read, wait.
//!
//! Joins one log ([`ottla_storage::Log`]) with the rules of a leader: what a producer may append
//! ([`Partition::append`]), up to where consumers may read ([`Partition::high_watermark`]), and who
//! waits for what ([`Ticket`], [`Partition::watch`]). On a single replica the high watermark is the
//! durable end of the log: nobody reads, and nobody is promised, what a power cut could take back.
//!
//! It does not know requests, sessions or clients; nor who else keeps a copy.
//! Kafka's own names: `ReplicaManager`, `Partition`.
//!
//! Start reading at [`Partition`].

mod isolated;
mod partition;
mod partitions;

mod directories;
mod moves;
mod news;

mod cleaner;
mod committer;
mod retention;
mod rules;
mod waiters;
mod watch;
mod worker;

pub use directories::{Directories, DirectoryState};
pub use moves::{AssignError, Assignments};
pub use news::{News, Report};
pub use ottla_storage::RecordRange;
pub use partition::{
    Acks, AppendError, Appended, DeleteRecordsError, Found, Isolation, OffsetSpec, Origin, Partition, Read,
};
pub use partitions::{MoveError, OpenError, Partitions};
pub use retention::{Clock, RetentionSettings};
pub use waiters::{Offline, Ticket};
pub use watch::{Watch, Watched};

#[cfg(test)]
mod tests;
