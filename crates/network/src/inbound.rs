//! Bytes to frames.
//!
//! ```text
//!  socket ──read──> read-ahead (one per thread, 32 KiB) ──copy──> small frames, each in its own buffer
//!     └────read straight into its own buffer, of exactly its size ──> the rest of a large frame
//! ```
//! So several small frames cost one system call, a large frame is not copied, and a connection
//! that is between two frames holds no buffer at all.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::{io, mem};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use crate::Limits;
use crate::budget::{Budget, Charge, Waiting};

/// Bytes read before it is known what they are. No more than a small frame has, so that nothing is
/// behind a large frame that was begun in the same read.
const READ_AHEAD: usize = Limits::SMALL_FRAME;

/// The rest of a large frame is read into its own buffer as long as it is at least so long; the
/// last bit comes through the read-ahead, together with the frames behind it.
const DIRECT: usize = 8 * 1024;

/// What a frame that waits for its call counts beyond its bytes, so that empty ones count too.
const FRAME_OVERHEAD: usize = 64;

thread_local! {
    /// Used within one poll only: what it held is in frames when the poll returns.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_AHEAD].into_boxed_slice());
}

/// The receiving end of a connection.
pub(crate) struct Inbound {
    /// Whole frames, oldest first. At most the frames of one read-ahead, or one large frame more.
    frames: VecDeque<Bytes>,
    /// Bytes in `frames`, each with [`FRAME_OVERHEAD`].
    frames_size: usize,
    partial: Partial,
    max_request_size: usize,
}

/// The frame that is arriving.
enum Partial {
    /// Of its length prefix the first `len` bytes are here; none of it between two frames.
    Prefix { bytes: [u8; 4], len: usize },
    /// A small frame: `buffer` has the capacity of all of it.
    Small { size: usize, buffer: BytesMut },
    /// A large frame of which less than [`Limits::LARGE_FRAME_PROOF`] bytes came.
    Announced { size: usize, buffer: BytesMut },
    /// A large frame that waits for its part of the budget; nothing is read meanwhile.
    Waiting { buffer: BytesMut, size: usize, waiting: Waiting },
    /// A large frame: `buffer` has the capacity of all of it.
    Large { size: usize, buffer: BytesMut, charge: Charge },
}

impl Partial {
    const NONE: Partial = Partial::Prefix { bytes: [0; 4], len: 0 };
}

/// What a read brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// So many bytes, whether or not they complete a frame.
    Bytes(usize),
    /// The peer sends no more.
    End,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum InboundError {
    #[error("a frame of {size} bytes, more than socket.request.max.bytes={max} or negative")]
    FrameSize { size: i32, max: usize },
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The bytes of a large frame, and with them their part of the budget.
struct Charged {
    bytes: BytesMut,
    _charge: Charge,
}

impl AsRef<[u8]> for Charged {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Inbound {
    pub(crate) fn new(max_request_size: usize) -> Inbound {
        Inbound { frames: VecDeque::new(), frames_size: 0, partial: Partial::NONE, max_request_size }
    }

    /// The next whole frame.
    pub(crate) fn next_frame(&mut self) -> Option<Bytes> {
        let frame = self.frames.pop_front()?;
        self.frames_size -= frame.len() + FRAME_OVERHEAD;
        if self.frames.is_empty() && self.frames.capacity() > 64 {
            self.frames = VecDeque::new();
        }
        Some(frame)
    }

    /// Whether whole frames wait for their call.
    pub(crate) fn has_frames(&self) -> bool {
        !self.frames.is_empty()
    }

    /// Whether more may be received now: whole frames that wait for their call are bounded.
    pub(crate) fn wants_bytes(&self) -> bool {
        self.frames_size < READ_AHEAD && !self.waits_for_budget()
    }

    pub(crate) fn waits_for_budget(&self) -> bool {
        matches!(self.partial, Partial::Waiting { .. })
    }

    /// Whether a part of a frame is here.
    pub(crate) fn is_mid_frame(&self) -> bool {
        !matches!(self.partial, Partial::Prefix { len: 0, .. })
    }

    /// Whether a part of a frame is here that counts against the budget.
    pub(crate) fn is_mid_charged_frame(&self) -> bool {
        matches!(self.partial, Partial::Large { .. })
    }

    /// Ready when no frame waits for the budget (any more).
    pub(crate) fn poll_budget(&mut self, cx: &mut Context<'_>, budget: &Budget) -> Poll<()> {
        let Partial::Waiting { waiting, .. } = &mut self.partial else { return Poll::Ready(()) };
        let charge = ready!(budget.poll(cx, waiting));
        let Partial::Waiting { buffer, size, .. } = mem::replace(&mut self.partial, Partial::NONE) else {
            unreachable!("seen above");
        };
        self.begin_large(size, charge, &buffer, &[]);
        Poll::Ready(())
    }

    /// One read of the socket. Call it only while [`Inbound::wants_bytes`].
    pub(crate) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut (impl AsyncRead + Unpin),
        budget: &Budget,
    ) -> Poll<Result<Received, InboundError>> {
        let direct = match &mut self.partial {
            Partial::Large { size, buffer, .. } if DIRECT <= *size - buffer.len() => {
                let missing = *size - buffer.len();
                Some((buffer, missing))
            }
            _ => None,
        };
        if let Some((buffer, missing)) = direct {
            let mut rest = buffer.limit(missing);
            let n = ready!(pin!(transport.read_buf(&mut rest)).poll(cx))?;
            self.complete_large();
            return Poll::Ready(Ok(if n == 0 { Received::End } else { Received::Bytes(n) }));
        }
        SCRATCH.with_borrow_mut(|scratch| {
            // A large frame that may have to wait for the budget must end what was read, so that
            // nothing is left over meanwhile.
            let max = match &self.partial {
                Partial::Announced { size, buffer } => READ_AHEAD.min(*size - buffer.len()),
                _ => READ_AHEAD,
            };
            let mut read = ReadBuf::new(scratch.split_at_mut(max).0);
            ready!(Pin::new(transport).poll_read(cx, &mut read))?;
            let bytes = read.filled();
            if bytes.is_empty() {
                return Poll::Ready(Ok(Received::End));
            }
            self.feed(bytes, budget)?;
            Poll::Ready(Ok(Received::Bytes(bytes.len())))
        })
    }

    /// Cuts what was read into frames.
    fn feed(&mut self, mut bytes: &[u8], budget: &Budget) -> Result<(), InboundError> {
        while !bytes.is_empty() {
            match &mut self.partial {
                Partial::Prefix { bytes: prefix, len } => {
                    let (now, rest) = bytes.split_at(bytes.len().min(4 - *len));
                    for byte in now {
                        if let Some(place) = prefix.get_mut(*len) {
                            *place = *byte;
                            *len += 1;
                        }
                    }
                    bytes = rest;
                    if *len < 4 {
                        return Ok(());
                    }
                    let announced = i32::from_be_bytes(*prefix);
                    let size = match usize::try_from(announced) {
                        Ok(size) if size <= self.max_request_size => size,
                        _ => {
                            return Err(InboundError::FrameSize {
                                size: announced,
                                max: self.max_request_size,
                            });
                        }
                    };
                    if size <= bytes.len() {
                        // The usual case: all of a small frame is here.
                        let (frame, rest) = bytes.split_at(size);
                        bytes = rest;
                        self.partial = Partial::NONE;
                        self.push(Bytes::copy_from_slice(frame));
                    } else if size <= Limits::SMALL_FRAME {
                        self.partial = Partial::Small { size, buffer: BytesMut::with_capacity(size) };
                    } else {
                        self.partial = Partial::Announced { size, buffer: BytesMut::new() };
                    }
                }
                Partial::Small { size, buffer } => {
                    let (now, rest) = bytes.split_at(bytes.len().min(*size - buffer.len()));
                    buffer.put_slice(now);
                    bytes = rest;
                    if buffer.len() == *size {
                        let frame = mem::take(buffer).freeze();
                        self.partial = Partial::NONE;
                        self.push(frame);
                    }
                }
                Partial::Announced { size, buffer } => {
                    let size = *size;
                    assert!(buffer.len() + bytes.len() <= size, "a read ends within a large frame");
                    if buffer.len() + bytes.len() < Limits::LARGE_FRAME_PROOF {
                        buffer.reserve(Limits::LARGE_FRAME_PROOF);
                        buffer.put_slice(bytes);
                        return Ok(());
                    }
                    let mut before = mem::take(buffer);
                    match budget.take(size) {
                        Ok(charge) => self.begin_large(size, charge, &before, bytes),
                        Err(waiting) => {
                            before.put_slice(bytes);
                            self.partial = Partial::Waiting { buffer: before, size, waiting };
                        }
                    }
                    return Ok(());
                }
                Partial::Large { size, buffer, .. } => {
                    let (now, rest) = bytes.split_at(bytes.len().min(*size - buffer.len()));
                    buffer.put_slice(now);
                    bytes = rest;
                    self.complete_large();
                }
                Partial::Waiting { .. } => unreachable!("nothing is read while a frame waits"),
            }
        }
        Ok(())
    }

    /// Gives a large frame, of which two parts are here, its buffer.
    fn begin_large(&mut self, size: usize, charge: Charge, before: &[u8], now: &[u8]) {
        let mut buffer = BytesMut::with_capacity(size);
        buffer.put_slice(before);
        buffer.put_slice(now);
        self.partial = Partial::Large { size, buffer, charge };
        self.complete_large();
    }

    /// Moves a large frame that is all here to the whole ones.
    fn complete_large(&mut self) {
        let Partial::Large { size, buffer, .. } = &self.partial else { return };
        if buffer.len() < *size {
            return;
        }
        if let Partial::Large { buffer, charge, .. } = mem::replace(&mut self.partial, Partial::NONE) {
            self.push(Bytes::from_owner(Charged { bytes: buffer, _charge: charge }));
        }
    }

    fn push(&mut self, frame: Bytes) {
        self.frames_size += frame.len() + FRAME_OVERHEAD;
        self.frames.push_back(frame);
    }
}
