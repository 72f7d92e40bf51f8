//! Kafka's UUID: 16 bytes, written as URL-safe base64 without padding (22 characters).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use std::str::FromStr;

/// A topic id, directory id or member id. Kafka's text form is URL-safe base64 without padding.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid([u8; 16]);

impl Uuid {
    /// All zero: "no id" on the wire (Kafka's `Uuid.ZERO_UUID`).
    pub const ZERO: Uuid = Uuid([0; 16]);
    /// The id of the metadata log's topic (Kafka's `Uuid.METADATA_TOPIC_ID`, also `ONE_UUID`).
    pub const METADATA_TOPIC: Uuid = Uuid::from_u128(1);

    /// The id with these 16 bytes, most significant first, as on the wire.
    pub const fn from_bytes(bytes: [u8; 16]) -> Uuid {
        Uuid(bytes)
    }

    /// The id whose big-endian bytes are those of `number`.
    pub const fn from_u128(number: u128) -> Uuid {
        Uuid(number.to_be_bytes())
    }

    /// The 16 bytes, most significant first, as on the wire.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Whether this is [`Uuid::ZERO`].
    pub fn is_zero(&self) -> bool {
        *self == Uuid::ZERO
    }

    /// A random id (version 4), never one of Kafka's reserved ids and never one whose text starts
    /// with `-`, which command lines would take for an option (Kafka's `Uuid.randomUuid`).
    pub fn random() -> Uuid {
        loop {
            let id = Uuid(*uuid::Uuid::new_v4().as_bytes());
            let reserved = u128::from_be_bytes(id.0) < 100;
            if !reserved && !id.to_string().starts_with('-') {
                return id;
            }
        }
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not 22 characters of URL-safe base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseUuidError {
    /// The text that was to be an id.
    pub text: String,
}

impl fmt::Display for ParseUuidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is not an id: expected 22 characters of URL-safe base64", self.text)
    }
}

impl std::error::Error for ParseUuidError {}

impl FromStr for Uuid {
    type Err = ParseUuidError;

    fn from_str(text: &str) -> Result<Uuid, ParseUuidError> {
        let error = || ParseUuidError { text: text.to_owned() };
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| error())?;
        Ok(Uuid(bytes.try_into().map_err(|_| error())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_kafkas() {
        assert_eq!(Uuid::METADATA_TOPIC.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!("AAAAAAAAAAAAAAAAAAAAAQ".parse(), Ok(Uuid::METADATA_TOPIC));
    }

    #[test]
    fn text_that_is_no_id_is_refused() {
        for text in ["", "short", "AAAAAAAAAAAAAAAAAAAAAQ==", "AAAAAAAAAAAAAAAAAAAAA/"] {
            assert!(text.parse::<Uuid>().is_err(), "{text}");
        }
    }

    #[test]
    fn random_ids_differ_and_come_back_from_text() {
        let (one, two) = (Uuid::random(), Uuid::random());
        assert_ne!(one, two);
        assert_eq!(one.to_string().parse(), Ok(one));
    }
}
