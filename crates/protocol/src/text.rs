//! [`Text`]: a string that is a slice of the frame it came in.

use std::borrow::{Borrow, Cow};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use bytes::Bytes;

/// A string of the protocol: UTF-8, cheap to clone, and a slice of the frame's buffer when decoded.
///
/// As long as it lives, so does the whole frame; [`Text::detached`] makes a copy that lets go of it,
/// for what is kept after the request is answered.
///
/// Invariant: the bytes are valid UTF-8; they never change.
#[derive(Clone, Default)]
pub struct Text(Bytes);

impl Text {
    /// The empty string.
    pub const fn new() -> Text {
        Text(Bytes::new())
    }

    /// A string that lives as long as the program; nothing is copied.
    pub const fn from_static(text: &'static str) -> Text {
        Text(Bytes::from_static(text.as_bytes()))
    }

    /// Takes `bytes` as text. What is not UTF-8 is replaced by U+FFFD, as Kafka does when it reads
    /// strings: clients exist that put other bytes into metadata and client ids.
    pub fn from_bytes_lossy(bytes: Bytes) -> Text {
        if std::str::from_utf8(&bytes).is_ok() {
            return Text(bytes);
        }
        Text(Bytes::from(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The string itself.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("checked when it was made, and never changed since")
    }

    /// Its size in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its bytes, UTF-8.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same string in a buffer of its own, so that it does not keep a frame alive.
    pub fn detached(&self) -> Text {
        Text(Bytes::copy_from_slice(&self.0))
    }

    /// Gives the bytes, UTF-8, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl Hash for Text {
    /// As `str` does, so that maps keyed by `Text` can be asked by `&str`.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        self.0 == other.0
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Text) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    /// The order of the bytes, which is the order of `str`.
    fn cmp(&self, other: &Text) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<String> for Text {
    fn eq(&self, other: &String) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<Text> for str {
    fn eq(&self, other: &Text) -> bool {
        other == self
    }
}

impl PartialEq<Text> for &str {
    fn eq(&self, other: &Text) -> bool {
        other == self
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Text {
        Text::from(text.as_str())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        Text(Bytes::from(text))
    }
}

impl From<Cow<'_, str>> for Text {
    fn from(text: Cow<'_, str>) -> Text {
        Text::from(text.into_owned())
    }
}

impl From<Text> for String {
    fn from(text: Text) -> String {
        text.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_map_keyed_by_text_is_asked_by_str() {
        let map = HashMap::from([(Text::from("flights"), 6)]);
        assert_eq!(map.get("flights"), Some(&6));
        assert_eq!(map.get("weather"), None);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced_and_kept_otherwise() {
        assert_eq!(Text::from_bytes_lossy(Bytes::from_static(b"caf\xe9!")), "caf\u{fffd}!");
        assert_eq!(Text::from_bytes_lossy(Bytes::from_static("café".as_bytes())), "café");
    }

    #[test]
    fn a_detached_copy_has_its_own_buffer() {
        let frame = Bytes::from_static(b"a long frame with a topic in it");
        let topic = Text::from_bytes_lossy(frame.slice(20..25));
        let copy = topic.detached();
        assert_eq!(topic, copy);
        assert_ne!(topic.as_bytes().as_ptr(), copy.as_bytes().as_ptr());
    }

    #[test]
    fn it_reads_like_a_str() {
        let text = Text::from(String::from("__consumer_offsets"));
        assert!(text.starts_with("__"));
        assert_eq!(format!("{text} {text:?}"), "__consumer_offsets \"__consumer_offsets\"");
        assert!(Text::from_static("a") < Text::from_static("b"));
    }
}
