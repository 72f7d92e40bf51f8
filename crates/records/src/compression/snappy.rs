//! Snappy in the framing of the xerial library, as Kafka's Java client writes it; or one raw block, as
//! franz-go and librdkafka do. Readers tell them apart by the magic, as Kafka does.
//!
//! ```text
//! 82 "SNAPPY" 00 │ version i32 │ compatible version i32 │ { size i32 │ raw block }*
//! ```

use super::decoder::{Step, Window};
use std::cell::RefCell;
use std::io;

const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// Magic, version and compatible version.
const FRAME_HEADER_SIZE: usize = 16;
const VERSION: i32 = 1;
/// Uncompressed bytes per block, as the xerial library has it.
const BLOCK_SIZE: usize = 32 * 1024;
/// More than any block can expand: a copy of 64 bytes takes two at least.
const EXPANSION_MAX: usize = 64;

thread_local! {
    static ENCODER: RefCell<snap::raw::Encoder> = RefCell::new(snap::raw::Encoder::new());
}

/// Appends the framed blocks of `input` to `out`.
pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&VERSION.to_be_bytes());
    ENCODER.with_borrow_mut(|encoder| {
        for block in input.chunks(BLOCK_SIZE) {
            let size_at = out.len();
            let block_at = size_at + 4;
            out.resize(block_at + snap::raw::max_compress_len(block.len()), 0);
            let (front, room) = out.split_at_mut(block_at);
            let size = encoder.compress(block, room)?;
            front[size_at..].copy_from_slice(&(size as u32).to_be_bytes());
            out.truncate(block_at + size);
        }
        Ok(())
    })
}

/// The blocks of a compressed batch.
pub(super) struct Blocks<'a> {
    rest: &'a [u8],
    is_framed: bool,
}

impl<'a> Blocks<'a> {
    pub fn new(input: &'a [u8]) -> Blocks<'a> {
        // The framing's version is not looked at: there was only ever one.
        let framed = input.strip_prefix(&MAGIC).and_then(|rest| rest.get(FRAME_HEADER_SIZE - MAGIC.len()..));
        Blocks { rest: framed.unwrap_or(input), is_framed: framed.is_some() }
    }

    /// Puts the next block into the window, if it is of at most `size_max` bytes.
    pub fn next_block(
        &mut self,
        decoder: &mut snap::raw::Decoder,
        window: &mut Window,
        size_max: usize,
    ) -> Result<Step, String> {
        loop {
            if self.rest.is_empty() {
                return Ok(Step::End);
            }
            let block = if self.is_framed { self.take_framed()? } else { std::mem::take(&mut self.rest) };
            let size = snap::raw::decompress_len(block).map_err(|error| error.to_string())?;
            if size > block.len().saturating_mul(EXPANSION_MAX) {
                return Err("a block claims to be larger than it can be".to_owned());
            }
            if size > size_max {
                return Ok(Step::TooLarge);
            }
            let size = decoder.decompress(block, window.room(size)).map_err(|error| error.to_string())?;
            if size > 0 {
                return Ok(Step::Data(size));
            }
        }
    }

    fn take_framed(&mut self) -> Result<&'a [u8], String> {
        let cut_off = "the stream is cut off";
        // Streams may be concatenated: where the size of a block should be, a new header begins.
        if self.rest.starts_with(&MAGIC) {
            self.rest = self.rest.get(FRAME_HEADER_SIZE..).ok_or(cut_off)?;
        }
        let (size, behind) = self.rest.split_first_chunk::<4>().ok_or(cut_off)?;
        let (block, behind) = behind.split_at_checked(u32::from_be_bytes(*size) as usize).ok_or(cut_off)?;
        self.rest = behind;
        Ok(block)
    }
}
