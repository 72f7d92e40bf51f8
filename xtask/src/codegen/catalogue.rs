//! The table of all messages, for tests, fuzzers and the proof against Kafka's own classes.

use std::fmt::Write as _;

use super::{BANNER, Source};

pub fn file(sources: &[Source]) -> String {
    let mut out = String::from(BANNER);
    out.push_str(
        "//! A table of all messages, for what treats them all alike: tests, fuzzers, proofs.

        use std::ops::RangeInclusive;

        use bytes::Bytes;

        use crate::message::{Message, decode_exact, encode};

        /// A message, and what can be done with it without knowing its type.
        #[derive(Clone, Debug)]
        pub struct Entry {
            /// Kafka's name.
            pub name: &'static str,
            /// Where it belongs: `messages`, `records/group` and so on.
            pub folder: &'static str,
            /// The API key, or the number of the record's kind.
            pub key: Option<i16>,
            /// The versions that exist.
            pub versions: RangeInclusive<i16>,
            /// Decodes and encodes again; an error tells which of the two failed and why.
            pub round_trip: fn(Bytes, i16) -> Result<Bytes, RoundTripError>,
        }

        /// Why bytes did not come back.
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        pub enum RoundTripError {
            /// They are no such message.
            #[error(\"cannot be decoded\")]
            Decode(#[from] crate::DecodeError),
            /// The message was decoded, and could not be encoded.
            #[error(\"cannot be encoded\")]
            Encode(#[from] crate::EncodeError),
        }

        fn round_trip<M: Message>(bytes: Bytes, version: i16) -> Result<Bytes, RoundTripError> {
            let message: M = decode_exact(bytes, version)?;
            Ok(encode(&message, version)?)
        }

        const fn entry<M: Message>(folder: &'static str) -> Entry {
            Entry { name: M::NAME, folder, key: M::API_KEY, versions: M::VERSIONS, round_trip: round_trip::<M> }
        }

        /// All messages: requests, responses, headers, records' keys and values, data.
        pub static ALL: &[Entry] = &[\n",
    );
    for source in sources {
        for message in &source.messages {
            let place = match source.folder.as_str() {
                "" => "crate::header".to_owned(),
                folder => format!("crate::{}::{}", folder.replace('/', "::"), source.module),
            };
            let _ = writeln!(out, "entry::<{place}::{}>({:?}),", message.name, source.folder);
        }
    }
    out.push_str("];\n");
    out
}
