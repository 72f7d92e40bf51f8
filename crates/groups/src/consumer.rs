//! Consumer groups (KIP-848): members say what they read, and the coordinator divides the partitions.

pub mod assignor;
pub mod pattern;
