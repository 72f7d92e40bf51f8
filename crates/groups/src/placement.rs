//! Which partition of `__consumer_offsets` a group lives on.

/// The partition of `__consumer_offsets` that keeps `group`, out of `partitions` (at least 1).
///
/// Kafka's choice, on which clients, brokers and tools must agree: the remainder of the absolute value of Java's
/// string hash (`Utils.abs`).
pub fn partition_for(group: &str, partitions: i32) -> i32 {
    assert!(partitions > 0, "a topic has partitions");
    let hash =
        group.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    // `Utils.abs` maps the smallest integer to 0 and every other to its absolute value.
    hash.checked_abs().unwrap_or(0) % partitions
}

#[cfg(test)]
mod tests {
    use super::partition_for;

    #[test]
    fn a_group_lives_where_java_puts_it() {
        // Values of Math.abs("…".hashCode()) % 50, the smallest integer as 0.
        for (group, partition) in
            [("", 0), ("a", 47), ("test-group", 12), ("console-consumer-1", 24), ("polygenelubricants", 0)]
        {
            assert_eq!(partition_for(group, 50), partition, "{group}");
        }
    }
}
