//! Decompressing a batch piece by piece, so that memory follows what really arrives and not what a
//! frame claims.

use super::{Compression, ZSTD_CONTEXT_KEPT_MAX, lz4, snappy};
use crate::error::BatchError;
use std::cell::RefCell;
use std::io::Read;
use zstd::zstd_safe::{self, DCtx, DParameter, InBuffer, OutBuffer, ResetDirective};

/// Largest zstd window, as a power of two, as Kafka's own reader has it: 128 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// How much the streaming codecs put into the window at a time.
const PIECE_SIZE: usize = 64 * 1024;

/// Decompressed bytes that were not consumed yet: a queue in one slice.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// Everything below `end` is data; what is above was zeroed once and is room.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Window {
    /// The bytes that are there.
    pub fn data(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Drops the first `size` bytes.
    pub fn consume(&mut self, size: usize) {
        self.start = self.start.saturating_add(size).min(self.end);
    }

    /// Forgets all data, and the room too if it is larger than `room_max` bytes.
    pub fn clear(&mut self, room_max: usize) {
        self.start = 0;
        self.end = 0;
        if self.bytes.len() > room_max {
            self.bytes = Vec::new();
        }
    }

    /// Room for `size` bytes behind the data; what is written there counts once [`Window::commit`] says so.
    pub(super) fn room(&mut self, size: usize) -> &mut [u8] {
        if self.bytes.len() - self.end < size {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            let needed = self.end + size;
            if self.bytes.len() < needed {
                self.bytes.resize(needed.max(self.bytes.len() * 2), 0);
            }
        }
        self.bytes.get_mut(self.end..self.end + size).unwrap_or_default()
    }

    /// Makes the first `size` bytes of the room data.
    pub(super) fn commit(&mut self, size: usize) {
        self.end = (self.end + size).min(self.bytes.len());
    }

    /// The data as a buffer of its own.
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.truncate(self.end);
        self.bytes.drain(..self.start);
        self.bytes.shrink_to_fit();
        self.bytes
    }
}

/// Decompresses one batch.
pub(crate) struct Decoder<'a, 'c> {
    stream: Stream<'a, 'c>,
    compression: Compression,
    /// How much may still come out.
    remaining: usize,
    size_max: usize,
}

enum Stream<'a, 'c> {
    Plain(&'a [u8]),
    Gzip(Box<flate2::bufread::MultiGzDecoder<&'a [u8]>>),
    Snappy(snappy::Blocks<'a>, &'c mut snap::raw::Decoder),
    Lz4(lz4::Frame<'a>),
    Zstd { context: &'c mut DCtx<'static>, input: InBuffer<'a>, within_frame: bool },
}

/// What a step of a codec comes to.
pub(super) enum Step {
    /// So many bytes are in the window now.
    Data(usize),
    /// That was all.
    End,
    /// There is more than there may be.
    TooLarge,
}

impl Decoder<'_, '_> {
    /// Appends more data to the window; `false` at the end.
    ///
    /// # Errors
    /// [`BatchError::Decompression`] and [`BatchError::DecompressedTooLarge`].
    pub fn fill(&mut self, window: &mut Window) -> Result<bool, BatchError> {
        let remaining = self.remaining;
        // One byte more than may come tells the end from too much.
        let piece = PIECE_SIZE.min(remaining.saturating_add(1));
        let step = match &mut self.stream {
            Stream::Plain(rest) => {
                let (now, later) = rest.split_at(piece.min(rest.len()));
                *rest = later;
                window.room(now.len()).copy_from_slice(now);
                Ok(if now.is_empty() { Step::End } else { Step::Data(now.len()) })
            }
            Stream::Gzip(decoder) => match decoder.read(window.room(piece)) {
                Ok(0) => Ok(Step::End),
                Ok(size) => Ok(Step::Data(size)),
                Err(error) => Err(error.to_string()),
            },
            Stream::Snappy(blocks, decoder) => blocks.next_block(decoder, window, remaining),
            Stream::Lz4(frame) => frame.next_block(window),
            Stream::Zstd { context, input, within_frame } => loop {
                if input.pos() >= input.src.len() && !*within_frame {
                    break Ok(Step::End);
                }
                let before = input.pos();
                let mut output = OutBuffer::around(window.room(piece));
                match context.decompress_stream(&mut output, input) {
                    Ok(hint) => *within_frame = hint != 0,
                    Err(code) => break Err(zstd_safe::get_error_name(code).to_owned()),
                }
                let size = output.pos();
                if size > 0 {
                    break Ok(Step::Data(size));
                }
                if input.pos() == before && *within_frame {
                    break Err("the frame is cut off".to_owned());
                }
            },
        };
        let too_large = BatchError::DecompressedTooLarge { max: self.size_max };
        match step {
            Err(reason) => Err(BatchError::Decompression { compression: self.compression, reason }),
            Ok(Step::TooLarge) => Err(too_large),
            Ok(Step::End) => Ok(false),
            Ok(Step::Data(size)) => {
                self.remaining = remaining.checked_sub(size).ok_or(too_large)?;
                window.commit(size);
                Ok(true)
            }
        }
    }
}

#[derive(Default)]
struct Contexts {
    snappy: snap::raw::Decoder,
    zstd: Option<DCtx<'static>>,
}

thread_local! {
    /// Creating a context costs more than decompressing a small batch.
    static CONTEXTS: RefCell<Contexts> = RefCell::default();
}

/// Runs `body` with a decoder of `input` that lets out at most `size_max` bytes.
///
/// # Errors
/// Those of `body`, and [`BatchError::Decompression`] where `input` does not even begin as its codec does.
pub(crate) fn with_decoder<R>(
    compression: Compression,
    input: &[u8],
    size_max: usize,
    body: impl FnOnce(&mut Decoder<'_, '_>) -> Result<R, BatchError>,
) -> Result<R, BatchError> {
    let failed = |reason: String| BatchError::Decompression { compression, reason };
    // Taken, not borrowed: `body` may decompress another batch.
    let mut contexts = CONTEXTS.take();
    let stream = match compression {
        Compression::None => Stream::Plain(input),
        Compression::Gzip => Stream::Gzip(Box::new(flate2::bufread::MultiGzDecoder::new(input))),
        Compression::Snappy => Stream::Snappy(snappy::Blocks::new(input), &mut contexts.snappy),
        Compression::Lz4 => Stream::Lz4(lz4::Frame::new(input).map_err(|reason| failed(reason.to_owned()))?),
        Compression::Zstd => {
            let context = match &mut contexts.zstd {
                Some(context) => context,
                none => none.insert(new_zstd_context().map_err(failed)?),
            };
            context
                .reset(ResetDirective::SessionOnly)
                .map_err(|code| failed(zstd_safe::get_error_name(code).to_owned()))?;
            Stream::Zstd { context, input: InBuffer::around(input), within_frame: false }
        }
    };
    let result = body(&mut Decoder { stream, compression, remaining: size_max, size_max });
    if contexts.zstd.as_ref().is_some_and(|context| context.sizeof() > ZSTD_CONTEXT_KEPT_MAX) {
        contexts.zstd = None;
    }
    CONTEXTS.set(contexts);
    result
}

fn new_zstd_context() -> Result<DCtx<'static>, String> {
    let mut context = DCtx::try_create().ok_or("out of memory")?;
    context
        .set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))
        .map_err(|code| zstd_safe::get_error_name(code).to_owned())?;
    Ok(context)
}
