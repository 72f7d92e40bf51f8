//! The file that the proof against Kafka's classes goes through: one message after the other as
//! `u16` name size, name, `i16` key (-1: none), `i16` version, `u32` size, bytes.

use bytes::{Buf, BufMut, Bytes};

/// A message of the stream.
pub struct Item {
    pub name: String,
    pub key: i16,
    pub version: i16,
    pub bytes: Bytes,
}

/// Reads a whole stream; a damaged one gives an error that tells where.
pub fn read(mut stream: Bytes) -> Result<Vec<Item>, String> {
    let whole = stream.len();
    let mut items = Vec::new();
    while stream.has_remaining() {
        let at = whole - stream.len();
        let item = item(&mut stream).ok_or_else(|| format!("the stream is damaged at byte {at}"))?;
        items.push(item);
    }
    Ok(items)
}

fn item(stream: &mut Bytes) -> Option<Item> {
    let size = usize::from(stream.try_get_u16().ok()?);
    let name = String::from_utf8(take(stream, size)?.to_vec()).ok()?;
    let key = stream.try_get_i16().ok()?;
    let version = stream.try_get_i16().ok()?;
    let size = usize::try_from(stream.try_get_u32().ok()?).ok()?;
    Some(Item { name, key, version, bytes: take(stream, size)? })
}

fn take(stream: &mut Bytes, size: usize) -> Option<Bytes> {
    (size <= stream.len()).then(|| stream.split_to(size))
}

/// Appends a message.
#[allow(dead_code, reason = "the tests read only")]
pub fn write(out: &mut Vec<u8>, name: &str, key: i16, version: i16, bytes: &[u8]) {
    out.put_u16(u16::try_from(name.len()).expect("names are short"));
    out.put_slice(name.as_bytes());
    out.put_i16(key);
    out.put_i16(version);
    out.put_u32(u32::try_from(bytes.len()).expect("messages are small"));
    out.put_slice(bytes);
}
