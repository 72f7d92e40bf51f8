//! The codecs of a batch's records, and their levels.

mod decoder;
mod lz4;
mod lz4_high;
mod snappy;

pub(crate) use decoder::{Window, with_decoder};

use crate::error::BatchError;
use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::io::{self, Write};
use zstd::zstd_safe::{self, CCtx, CParameter};

/// Kafka's default zstd level.
const ZSTD_LEVEL_DEFAULT: i32 = 3;
/// A zstd context that has grown beyond this is not kept for the next batch.
const ZSTD_CONTEXT_KEPT_MAX: usize = 16 << 20;

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
    /// which 9, the default, is the fast one, as in Kafka; zstd -131072 to 22; none and snappy have no levels.
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
/// None that lack of memory does not cause: the codecs take any input.
pub(crate) fn compress(codec: Codec, input: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    match codec.compression {
        Compression::None => {
            out.extend_from_slice(input);
            Ok(())
        }
        Compression::Gzip => {
            let level = match codec.level {
                None | Some(-1) => flate2::Compression::default(),
                Some(level) => flate2::Compression::new(level.unsigned_abs()),
            };
            let mut encoder = flate2::write::GzEncoder::new(out, level);
            encoder.write_all(input)?;
            encoder.finish()?;
            Ok(())
        }
        Compression::Snappy => snappy::compress(input, out),
        Compression::Lz4 => match codec.level {
            None | Some(lz4_high::LEVEL_FAST) => lz4::compress(input, out),
            Some(level) => lz4_high::compress(level, input, out),
        },
        Compression::Zstd => compress_zstd(codec.level.unwrap_or(ZSTD_LEVEL_DEFAULT), input, out),
    }
}

thread_local! {
    /// Creating a context costs more than compressing a small batch.
    static ZSTD_ENCODER: RefCell<Option<CCtx<'static>>> = const { RefCell::new(None) };
}

fn compress_zstd(level: i32, input: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let failed = |code| io::Error::other(zstd_safe::get_error_name(code));
    ZSTD_ENCODER.with_borrow_mut(|kept| {
        let context = match kept {
            Some(context) => context,
            None => kept.insert(CCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?),
        };
        context.set_parameter(CParameter::CompressionLevel(level)).map_err(failed)?;
        let start = out.len();
        out.resize(start + zstd_safe::compress_bound(input.len()), 0);
        let room = out.get_mut(start..).unwrap_or_default();
        let size = context.compress2(room, input).map_err(failed)?;
        out.truncate(start + size);
        if context.sizeof() > ZSTD_CONTEXT_KEPT_MAX {
            *kept = None;
        }
        Ok(())
    })
}

/// The decompressed `input`, of at most `size_max` bytes; `input` itself where nothing is compressed.
pub(crate) fn decompress(
    compression: Compression,
    input: &[u8],
    size_max: usize,
) -> Result<Cow<'_, [u8]>, BatchError> {
    if compression == Compression::None {
        if input.len() > size_max {
            return Err(BatchError::DecompressedTooLarge { max: size_max });
        }
        return Ok(Cow::Borrowed(input));
    }
    let mut window = Window::default();
    with_decoder(compression, input, size_max, |decoder| {
        while decoder.fill(&mut window)? {}
        Ok(())
    })?;
    Ok(Cow::Owned(window.into_bytes()))
}

#[cfg(test)]
mod tests;
