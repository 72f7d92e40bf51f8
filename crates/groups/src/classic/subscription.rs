//! The one thing the coordinator reads in what consumers tell each other: the topics they read.

use bytes::Bytes;
use ottla_protocol::Text;

/// The topics in the metadata of a member of protocol type `consumer`; `None` when it cannot be read.
///
/// Every version of Kafka's `ConsumerProtocolSubscription` starts as version 0 does: the version, then an array
/// of topic names.
pub(crate) fn topics(metadata: &Bytes) -> Option<Vec<Text>> {
    let (version, rest) = metadata.split_first_chunk::<2>()?;
    if i16::from_be_bytes(*version) < 0 {
        return None;
    }
    let (count, mut rest) = rest.split_first_chunk::<4>()?;
    let count = usize::try_from(i32::from_be_bytes(*count)).ok()?;
    // A name takes at least its length: nothing is reserved for names that cannot be there.
    let mut topics = Vec::with_capacity(count.min(rest.len() / 2));
    for _ in 0..count {
        let (size, after) = rest.split_first_chunk::<2>()?;
        let size = usize::try_from(i16::from_be_bytes(*size)).ok()?;
        let (name, after) = after.split_at_checked(size)?;
        topics.push(Text::from(std::str::from_utf8(name).ok()?));
        rest = after;
    }
    Some(topics)
}

#[cfg(test)]
mod tests {
    use super::topics;
    use bytes::Bytes;

    #[test]
    fn topics_are_read_from_every_version() {
        for version in 0..=3_u8 {
            let mut bytes = vec![0, version, 0, 0, 0, 2, 0, 1, b'a', 0, 2, b'b', b'c'];
            bytes.extend([0xff; 9]);
            assert_eq!(topics(&bytes.into()), Some(vec!["a".into(), "bc".into()]));
        }
    }

    #[test]
    fn metadata_of_another_kind_is_not_read() {
        for bytes in [
            &b""[..],
            b"\x00",
            b"\x00\x00\x00\x00",
            b"\xff\xff\x00\x00\x00\x00",
            b"\x00\x00\xff\xff\xff\xff",
            b"\x00\x00\x7f\xff\xff\xff\x00\x01a",
            b"\x00\x00\x00\x00\x00\x01\x00\x05a",
            b"\x00\x00\x00\x00\x00\x01\x00\x01\xff",
        ] {
            assert_eq!(topics(&Bytes::from_static(bytes)), None, "{bytes:?}");
        }
    }
}
