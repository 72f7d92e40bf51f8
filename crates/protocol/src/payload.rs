//! [`Payload`]: record batches inside a message, here or sent by someone else.

use bytes::Bytes;

/// The record batches a message carries.
///
/// A broker's answer to Fetch carries bytes that lie in a file. They need not pass through the
/// encoder: [`Payload::Elsewhere`] makes it leave a gap, which the network fills from the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// The batches themselves; when decoded, a slice of the frame.
    Bytes(Bytes),
    /// `size` bytes that are sent from elsewhere. Never decoded, only encoded.
    Elsewhere {
        /// How many bytes will be sent.
        size: usize,
        /// Says which bytes, to whoever sends them; comes back in the [`Gap`].
        ticket: usize,
    },
}

/// A place in an encoded frame where bytes from elsewhere go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Before which byte of the encoded buffer they go (the gap itself takes no room there).
    pub position: usize,
    /// How many bytes go there.
    pub size: usize,
    /// The ticket of the [`Payload::Elsewhere`].
    pub ticket: usize,
}

impl Payload {
    /// How many bytes of batches there are.
    pub fn size(&self) -> usize {
        match self {
            Payload::Bytes(bytes) => bytes.len(),
            Payload::Elsewhere { size, .. } => *size,
        }
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.size() == 0
    }

    /// The bytes, when they are here; `None` for [`Payload::Elsewhere`].
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            Payload::Bytes(bytes) => Some(bytes),
            Payload::Elsewhere { .. } => None,
        }
    }
}

impl Default for Payload {
    fn default() -> Payload {
        Payload::Bytes(Bytes::new())
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Payload {
        Payload::Bytes(bytes)
    }
}
