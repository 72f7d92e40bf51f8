//! LZ4 frames, read by the rules of Kafka's reader: blocks are independent, checksums of the header and
//! of blocks must be right, the checksum of the content is not looked at. What we let in, Java consumers
//! can read.
//!
//! ```text
//! 04 22 4d 18 │ flags u8 │ block descriptor u8 │ [content size u64] │ checksum u8
//! { size u32, top bit: stored as is │ block │ [checksum u32] }* │ 00 00 00 00 │ [checksum u32]
//! ```
//! Numbers are little-endian.

use super::decoder::{Step, Window};
use std::io::{self, Write};
use twox_hash::XxHash32;

const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// The top bit of a block's size: it is stored as it is.
const STORED: u32 = 1 << 31;
/// More than any block can expand: each byte of a match's length stands for at most 255.
const EXPANSION_MAX: usize = 255;
const CUT_OFF: &str = "the frame is cut off";

/// Appends `input` as a frame of independent blocks of 64 KiB to `out`.
pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let info = lz4_flex::frame::FrameInfo::new()
        .block_mode(lz4_flex::frame::BlockMode::Independent)
        .block_size(lz4_flex::frame::BlockSize::Max64KB);
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, out);
    encoder.write_all(input)?;
    encoder.finish().map_err(io::Error::other)?;
    Ok(())
}

/// The blocks of a compressed batch.
pub(super) struct Frame<'a> {
    rest: &'a [u8],
    block_size_max: usize,
    has_block_checksums: bool,
    is_finished: bool,
}

impl<'a> Frame<'a> {
    pub fn new(input: &'a [u8]) -> Result<Frame<'a>, &'static str> {
        let frame = input.strip_prefix(&MAGIC).ok_or("it is no lz4 frame")?;
        let &[flags, descriptor] = frame.first_chunk().ok_or(CUT_OFF)?;
        if flags >> 6 != 1 {
            return Err("the version of the frame is not 1");
        }
        if flags & 0b0010_0000 == 0 {
            return Err("blocks that depend on one another are not supported");
        }
        if flags & 0b0000_0011 != 0 || descriptor & 0b1000_1111 != 0 {
            return Err("reserved bits of the frame are set");
        }
        let block_size_max = match descriptor >> 4 {
            size @ 4..=7 => 1usize << (8 + 2 * size),
            _ => return Err("the frame's block size is none of lz4's"),
        };
        let has_content_size = flags & 0b0000_1000 != 0;
        let (header, behind) =
            frame.split_at_checked(if has_content_size { 10 } else { 2 }).ok_or(CUT_OFF)?;
        let (&checksum, rest) = behind.split_first().ok_or(CUT_OFF)?;
        if checksum != (XxHash32::oneshot(0, header) >> 8) as u8 {
            return Err("the checksum of the frame's header is wrong");
        }
        let has_block_checksums = flags & 0b0001_0000 != 0;
        Ok(Frame { rest, block_size_max, has_block_checksums, is_finished: false })
    }

    /// Puts the next block into the window.
    pub fn next_block(&mut self, window: &mut Window) -> Result<Step, String> {
        while !self.is_finished {
            let size = u32::from_le_bytes(self.take().ok_or(CUT_OFF)?);
            if size == 0 {
                self.is_finished = true;
                break;
            }
            let is_stored = size & STORED != 0;
            let size = (size & !STORED) as usize;
            if size > self.block_size_max {
                return Err("a block is larger than its frame allows".to_owned());
            }
            let (block, behind) = self.rest.split_at_checked(size).ok_or(CUT_OFF)?;
            self.rest = behind;
            if self.has_block_checksums {
                let checksum = u32::from_le_bytes(self.take().ok_or(CUT_OFF)?);
                if checksum != XxHash32::oneshot(0, block) {
                    return Err("the checksum of a block is wrong".to_owned());
                }
            }
            let size = if is_stored {
                window.room(size).copy_from_slice(block);
                size
            } else {
                let room = self.block_size_max.min(size.saturating_mul(EXPANSION_MAX));
                lz4_flex::block::decompress_into(block, window.room(room))
                    .map_err(|error| error.to_string())?
            };
            if size > 0 {
                return Ok(Step::Data(size));
            }
        }
        Ok(Step::End)
    }

    fn take<const SIZE: usize>(&mut self) -> Option<[u8; SIZE]> {
        let (front, behind) = self.rest.split_first_chunk::<SIZE>()?;
        self.rest = behind;
        Some(*front)
    }
}
