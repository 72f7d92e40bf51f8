//! The codecs of a batch's records, and their levels.

use crate::error::BatchError;
use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read, Write};

/// How a batch's records are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// A gzip stream.
    Gzip,
    /// Snappy blocks in the framing of the xerial library, or one raw block.
    Snappy,
    /// An LZ4 frame of independent blocks.
    Lz4,
    /// A zstd frame (KIP-110).
    Zstd,
}

impl Compression {
    /// All of them, by id.
    pub const ALL: [Compression; 5] =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

    /// The codec that a batch's attributes name in their lowest three bits.
    ///
    /// # Errors
    /// [`BatchError::UnknownCompression`] for the ids 5 to 7.
    pub fn from_attributes(attributes: i16) -> Result<Compression, BatchError> {
        let id = (attributes & 0b111) as u8;
        Compression::ALL.get(usize::from(id)).copied().ok_or(BatchError::UnknownCompression { id })
    }

    /// The number in a batch's attributes.
    pub fn id(self) -> u8 {
        self as u8
    }

    /// Kafka's name of it: `none`, `gzip`, `snappy`, `lz4`, `zstd`.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }

    /// The codec of this name; `None` for names that no codec has.
    pub fn from_name(name: &str) -> Option<Compression> {
        Compression::ALL.into_iter().find(|compression| compression.name() == name)
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A codec with its level: how to compress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Codec {
    compression: Compression,
    level: Option<i32>,
}

/// The level is none of the codec's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{level} is no {compression} compression level")]
pub struct InvalidLevel {
    /// The codec.
    pub compression: Compression,
    /// The level that it lacks.
    pub level: i32,
}

impl From<Compression> for Codec {
    /// With Kafka's default level.
    fn from(compression: Compression) -> Codec {
        Codec { compression, level: None }
    }
}

impl Codec {
    /// The codec at a level, in Kafka's ranges (KIP-390): gzip -1 (its default) or 1 to 9; lz4 1 to 17, of
    /// which all compress alike here, as fast as can be; zstd -131072 to 22; none and snappy have no levels.
    ///
    /// # Errors
    /// [`InvalidLevel`] outside of the range.
    pub fn with_level(compression: Compression, level: i32) -> Result<Codec, InvalidLevel> {
        let known = match compression {
            Compression::None | Compression::Snappy => false,
            Compression::Gzip => level == -1 || (1..=9).contains(&level),
            Compression::Lz4 => (1..=17).contains(&level),
            Compression::Zstd => (-131_072..=22).contains(&level),
        };
        if !known {
            return Err(InvalidLevel { compression, level });
        }
        Ok(Codec { compression, level: Some(level) })
    }

    /// The codec without its level.
    pub fn compression(self) -> Compression {
        self.compression
    }
}

/// Appends `input`, compressed, to `out`.
///
/// # Errors
/// None that memory does not cause: the codecs take any input.
pub(crate) fn compress(codec: Codec, input: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    match codec.compression {
        Compression::None => out.extend_from_slice(input),
        Compression::Gzip => {
            let level = match codec.level {
                None | Some(-1) => flate2::Compression::default(),
                Some(level) => flate2::Compression::new(level.unsigned_abs()),
            };
            let mut encoder = flate2::write::GzEncoder::new(out, level);
            encoder.write_all(input)?;
            encoder.finish()?;
        }
        Compression::Snappy => snappy::compress(input, out)?,
        Compression::Lz4 => {
            let info = lz4_flex::frame::FrameInfo::new()
                .block_mode(lz4_flex::frame::BlockMode::Independent)
                .block_size(lz4_flex::frame::BlockSize::Max64KB);
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, out);
            encoder.write_all(input)?;
            encoder.finish().map_err(io::Error::other)?;
        }
        Compression::Zstd => {
            let mut encoder = zstd::stream::write::Encoder::new(out, codec.level.unwrap_or(3))?;
            encoder.write_all(input)?;
            encoder.finish()?;
        }
    }
    Ok(())
}

/// The decompressed `input`, of at most `size_max` bytes; `input` itself where nothing is compressed.
pub(crate) fn decompress(
    compression: Compression,
    input: &[u8],
    size_max: usize,
) -> Result<Cow<'_, [u8]>, BatchError> {
    let failed = |error: io::Error| BatchError::Decompression { compression, reason: error.to_string() };
    let too_large = BatchError::DecompressedTooLarge { max: size_max };
    if compression == Compression::None {
        return if input.len() <= size_max { Ok(Cow::Borrowed(input)) } else { Err(too_large) };
    }
    let mut out = Vec::new();
    let limit = u64::try_from(size_max).unwrap_or(u64::MAX).saturating_add(1);
    match compression {
        Compression::None => {}
        Compression::Gzip => {
            flate2::bufread::MultiGzDecoder::new(input).take(limit).read_to_end(&mut out).map_err(failed)?;
        }
        Compression::Snappy => {
            if !snappy::decompress(input, size_max, &mut out).map_err(failed)? {
                return Err(too_large);
            }
        }
        Compression::Lz4 => {
            lz4_flex::frame::FrameDecoder::new(input).take(limit).read_to_end(&mut out).map_err(failed)?;
        }
        Compression::Zstd => {
            let decoder = zstd::stream::read::Decoder::with_buffer(input).map_err(failed)?;
            decoder.take(limit).read_to_end(&mut out).map_err(failed)?;
        }
    }
    if out.len() > size_max {
        return Err(too_large);
    }
    Ok(Cow::Owned(out))
}

mod snappy {
    //! Snappy in the framing of the xerial library, as Kafka's Java client writes it; or one raw block.

    use std::io;

    const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
    /// Magic, version and compatible version.
    const FRAME_HEADER_SIZE: usize = 16;
    /// Uncompressed bytes per block, as the xerial library has it.
    const BLOCK_SIZE: usize = 32 * 1024;
    /// More than any snappy block can expand: a copy of 64 bytes takes at least two.
    const EXPANSION_MAX: usize = 64;

    pub fn compress(input: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let mut encoder = snap::raw::Encoder::new();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&1i32.to_be_bytes());
        out.extend_from_slice(&1i32.to_be_bytes());
        let mut block = vec![0; snap::raw::max_compress_len(BLOCK_SIZE.min(input.len()))];
        for chunk in input.chunks(BLOCK_SIZE) {
            let size = encoder.compress(chunk, &mut block)?;
            out.extend_from_slice(&(size as u32).to_be_bytes());
            out.extend_from_slice(&block[..size]);
        }
        Ok(())
    }

    /// Appends the decompressed `input` to `out`; `false` where that is more than `size_max` bytes.
    pub fn decompress(input: &[u8], size_max: usize, out: &mut Vec<u8>) -> io::Result<bool> {
        if !input.starts_with(&MAGIC) {
            return block(input, size_max, out);
        }
        let mut rest = input.get(FRAME_HEADER_SIZE..).ok_or(io::ErrorKind::UnexpectedEof)?;
        while !rest.is_empty() {
            let (size, behind) = rest.split_first_chunk::<4>().ok_or(io::ErrorKind::UnexpectedEof)?;
            let size = u32::from_be_bytes(*size) as usize;
            let (compressed, behind) = behind.split_at_checked(size).ok_or(io::ErrorKind::UnexpectedEof)?;
            if !block(compressed, size_max, out)? {
                return Ok(false);
            }
            rest = behind;
        }
        Ok(true)
    }

    fn block(input: &[u8], size_max: usize, out: &mut Vec<u8>) -> io::Result<bool> {
        let size = snap::raw::decompress_len(input)?;
        if size > input.len().saturating_mul(EXPANSION_MAX) {
            return Err(io::Error::other("a block claims to be larger than it can be"));
        }
        let start = out.len();
        if size > size_max.saturating_sub(start) {
            return Ok(false);
        }
        out.resize(start + size, 0);
        let written =
            snap::raw::Decoder::new().decompress(input, out.get_mut(start..).unwrap_or_default())?;
        out.truncate(start + written);
        Ok(true)
    }
}
