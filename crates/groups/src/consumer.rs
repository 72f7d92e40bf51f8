//! Consumer groups (KIP-848): members say what they read, and the coordinator divides the partitions.
//!
//! Three epochs count what happens. The *group's* grows when members or topics change. The *assignment's* is
//! that of the group which the targets were made for. A *member's* is that of the target it has come to. Who has
//! to give partitions back does so first; only then may others have them.
//!
//! ```text
//!    heartbeat ──▶ wishes changed? ──▶ group's epoch + 1 ──▶ targets for all ──▶ this member: a step
//!    (topics changed, somebody went) ─────────┘                                  (`reconcile.rs`)
//! ```
//!
//! Everything there is to know of a group is written down: [`Group`] is what its records add up to, and a
//! heartbeat decides on that alone. Kafka's `ConsumerGroup` and the other half of its `GroupMetadataManager`.

mod advance;
pub mod assignor;
mod change;
mod classic_members;
mod downgrade;
mod embedded;
mod group;
mod heartbeat;
mod leave;
pub mod member;
mod messages;
mod offsets;
pub mod pattern;
mod reconcile;
mod regexes;
mod serve;
mod settings;
mod target;
mod topics;
mod upgrade;

/// Kafka's name of this kind of group.
pub(crate) const TYPE_NAME: &str = "consumer";

pub use change::{Change, GroupEpoch, ResolvedRegex, TargetEpoch};
pub use group::{Group, Phase};
pub use messages::{DescribedMember, Description, Heartbeat, HeartbeatAnswer, Refused};
pub use settings::{GroupConfigs, GroupSettings, Migration, Settings};
pub use topics::{TopicMetadata, Topics, metadata_hash};
