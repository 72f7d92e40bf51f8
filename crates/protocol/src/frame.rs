//! Frames: a length, a header, a message. Here they are put together and taken apart.

use bytes::Bytes;

use crate::api_key::ApiKey;
use crate::header::{RequestHeader, ResponseHeader};
use crate::message::{Message, Request, Structure, checked_write};
use crate::payload::Gap;
use crate::reader::{DecodeError, Reader};
use crate::sink::{EncodeError, Sink, Sizer, Writer};
use crate::text::Text;

/// A frame ready to be sent: `bytes`, with what is sent from elsewhere inserted at the gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedFrame {
    /// The four bytes of length, which count the gaps too; header; message.
    pub bytes: Bytes,
    /// Where bytes from elsewhere go, in rising position.
    pub gaps: Vec<Gap>,
}

/// Why a request's header cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The key names no API; so the header's version is not known either.
    #[error("API key {0} is not known")]
    UnknownApiKey(i16),
    /// The bytes are no header.
    #[error("not a request header")]
    Decode(#[from] DecodeError),
}

/// Reads a request's header, in the version that its API and version ask for; the reader is left at
/// the start of the request. `frame` has no length prefix.
///
/// The API's version is not checked here: an ApiVersions request in a version that is not known has
/// a header that can be read, and must be answered (KIP-511).
pub fn decode_request_header(frame: Bytes) -> Result<(ApiKey, RequestHeader, Reader), HeaderError> {
    let mut start = Reader::new(frame.clone());
    let number = start.i16()?;
    let version = start.i16()?;
    let api_key = ApiKey::from_i16(number).ok_or(HeaderError::UnknownApiKey(number))?;
    let mut reader = Reader::new(frame);
    let header = RequestHeader::decode(&mut reader, api_key.request_header_version(version))?;
    Ok((api_key, header, reader))
}

/// Reads a response's header; the reader is left at the start of the response. `frame` has no length
/// prefix, and answers a request of `api_key` in `version`.
pub fn decode_response_header(
    frame: Bytes,
    api_key: ApiKey,
    version: i16,
) -> Result<(ResponseHeader, Reader), DecodeError> {
    let mut reader = Reader::new(frame);
    let header = ResponseHeader::decode(&mut reader, api_key.response_header_version(version))?;
    Ok((header, reader))
}

/// The frame of a response, length included.
pub fn encode_response_frame<M: Message>(
    correlation_id: i32,
    api_key: ApiKey,
    version: i16,
    response: &M,
) -> Result<EncodedFrame, EncodeError> {
    let header = ResponseHeader { correlation_id, ..ResponseHeader::default() };
    encode_frame(&header, api_key.response_header_version(version), response, version)
}

/// The frame of a request, length included.
pub fn encode_request_frame<R: Request>(
    correlation_id: i32,
    client_id: Option<Text>,
    version: i16,
    request: &R,
) -> Result<EncodedFrame, EncodeError> {
    let header = RequestHeader {
        request_api_key: R::KEY as i16,
        request_api_version: version,
        correlation_id,
        client_id,
        ..RequestHeader::default()
    };
    encode_frame(&header, R::KEY.request_header_version(version), request, version)
}

fn encode_frame<H: Message, M: Message>(
    header: &H,
    header_version: i16,
    message: &M,
    version: i16,
) -> Result<EncodedFrame, EncodeError> {
    let mut sizer = Sizer::new();
    header.write(&mut sizer, header_version)?;
    checked_write(message, &mut sizer, version)?;
    let size = sizer.size();
    let length = i32::try_from(size).map_err(|_| EncodeError::TooLarge { size })?;
    let mut writer = Writer::with_capacity(4 + sizer.buffer_size());
    writer.put_i32(length);
    header.write(&mut writer, header_version)?;
    message.write(&mut writer, version)?;
    let (bytes, gaps) = writer.finish();
    assert_eq!(bytes.len(), 4 + sizer.buffer_size(), "a frame is as long as it was counted");
    Ok(EncodedFrame { bytes, gaps })
}
