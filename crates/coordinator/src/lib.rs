//! Runs a state machine on the partitions of an internal topic.
