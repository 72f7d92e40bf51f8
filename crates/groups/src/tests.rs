//! Scenarios as text: what happens, and below it, indented, what comes of it.
//!
//! A line is a time and an event; what the core answers and writes follows, indented by `>`. [`check`] lets the
//! events happen and compares. After each scenario, and at each `restart`, the living state must equal its
//! log, replayed; and no call may be answered twice.
//!
//! What members and operators are told was compared with Apache Kafka 4.3.1, asked the same over sockets. It differs
//! in two places. Kafka lets a JoinGroup that it refuses create the (empty) group; here it does not. Kafka answers
//! UNKNOWN_SERVER_ERROR to a member that comes with an instance id and an id that was handed out; here it is told that
//! it is unknown.
//!
//! Where groups go from one protocol to the other, four things differ from Kafka: an upgrade before the first generation
//! or of a group whose leader gave a partition to several, and a subscription in a JoinGroup that is none, are no
//! UNKNOWN_SERVER_ERROR; and a consumer group with classic members alone rebalances.
//!
//! Member ids are written `a-1`: what the client calls itself, and the how-manieth id was made; `#1` where consumer
//! groups give ids out.

mod harness;
mod harness_consumer;

mod consumer_statics;
mod consumers;
mod describe;
mod expiry;
mod giving_back;
mod join;
mod laws;
mod leave;
mod limits;
mod migration;
mod offsets;
mod rebalance;
mod records;
mod restart;
mod sessions;
mod statics;
mod sync;

use harness::check;
