//! Every message and record of Kafka, its keys, versions and error codes.
//!
//! The messages are generated: `schema/` says in a notation of our own which fields each of them has
//! in which version, `cargo xtask codegen` turns that into the committed Rust of [`messages`],
//! [`records`], [`data`], [`header`], [`ApiKey`] and [`ErrorCode`]. One struct serves all versions of
//! a message; only here does anybody need to know how versions differ in bytes.
//!
//! This crate knows no socket, no file and no meaning: a record batch is a [`Payload`] to it, and it
//! never looks inside. Start reading at [`Message`], then at any file under `messages`.
//!
//! ```
//! use ottla_protocol::messages::api_versions::ApiVersionsRequest;
//! use ottla_protocol::{decode_exact, encode};
//!
//! let request = ApiVersionsRequest { client_software_name: "probe".into(), ..Default::default() };
//! let bytes = encode(&request, 3)?;
//! assert_eq!(decode_exact::<ApiVersionsRequest>(bytes, 3)?, request);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod message;
mod reader;
mod sink;
mod text;

mod frame;
mod payload;

mod api_key;
mod error_code;
pub mod header;

#[cfg(any(test, feature = "catalogue"))]
pub mod catalogue;
pub mod data;
pub mod json;
pub mod messages;
pub mod records;

#[cfg(test)]
mod tests;

pub use api_key::ApiKey;
pub use error_code::ErrorCode;
pub use frame::{
    EncodedFrame, HeaderError, decode_request_header, decode_response_header, encode_request_frame,
    encode_response_frame,
};
pub use header::{RequestHeader, ResponseHeader};
pub use message::{Message, Request, Structure, decode_exact, decode_from, encode};
pub use ottla_ids::Uuid;
pub use payload::{Gap, Payload};
pub use reader::{DecodeError, RawTaggedField, Reader, TEXT_SIZE_MAX};
pub use sink::{EncodeError, Sink, Sizer, Writer};
pub use text::Text;
