//! Which names topics may have (Kafka's `Topic`).

/// A name's length at most: the folder's name, with the partition's number, must fit a file system.
const NAME_LENGTH_MAX: usize = 249;

/// The topics in which Kafka keeps its own state, and which clients are told are internal.
pub const INTERNAL_TOPICS: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];

/// Whether Kafka keeps its own state in this topic.
pub fn is_internal_topic(name: &str) -> bool {
    INTERNAL_TOPICS.contains(&name)
}

/// Why a topic cannot have this name; the texts are Kafka's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicNameError {
    /// No name at all.
    #[error("Topic name is invalid: the empty string is not allowed")]
    Empty,
    /// A folder of this name has a meaning.
    #[error("Topic name is invalid: '{0}' is not allowed")]
    Dots(String),
    /// Longer than 249 characters.
    #[error("Topic name is invalid: the length of '{0}' is longer than the max allowed length 249")]
    TooLong(String),
    /// A character that no topic has.
    #[error(
        "Topic name is invalid: '{0}' contains one or more characters other than ASCII alphanumerics, '.', \
         '_' and '-'"
    )]
    Character(String),
}

/// Whether a topic may have this name.
pub fn validate_topic_name(name: &str) -> Result<(), TopicNameError> {
    if name.is_empty() {
        return Err(TopicNameError::Empty);
    }
    if name == "." || name == ".." {
        return Err(TopicNameError::Dots(name.to_owned()));
    }
    // Java counts UTF-16 units; a name that has others than ASCII is refused for those anyway.
    if name.encode_utf16().count() > NAME_LENGTH_MAX {
        return Err(TopicNameError::TooLong(name.to_owned()));
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')) {
        return Err(TopicNameError::Character(name.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: &str) {
        let found = validate_topic_name(name).map_or_else(|error| error.to_string(), |()| "fine".to_owned());
        assert_eq!(found, expected);
    }

    #[test]
    fn names_are_kafkas() {
        check("flights", "fine");
        check("a.b_c-D9", "fine");
        check("...", "fine");
        check(&"x".repeat(249), "fine");
        check("", "Topic name is invalid: the empty string is not allowed");
        check("..", "Topic name is invalid: '..' is not allowed");
        let long = "x".repeat(250);
        check(
            &long,
            &format!(
                "Topic name is invalid: the length of '{long}' is longer than the max allowed length 249"
            ),
        );
        check(
            "a b",
            "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, \
             '.', '_' and '-'",
        );
    }
}
