//! What a service is given and what it gives back.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::{SmallVec, smallvec};

use crate::Connection;

/// What handles the frames of all connections.
pub trait Service: Send + Sync + 'static {
    /// Handles one frame, given without its length prefix.
    ///
    /// In order per connection: the next frame's call starts when this future is done. The future
    /// is polled at least once, and dropped unfinished when the peer goes away; what must happen
    /// all the same is done in the first poll or in a task of its own. A panic in it closes this
    /// connection and nothing else.
    ///
    /// A slice of `frame` keeps the whole frame in memory, and a large frame counts against
    /// [`Limits::max_request_bytes_in_flight`](crate::Limits::max_request_bytes_in_flight) until its
    /// last slice is dropped: copy what is kept for long.
    fn call(&self, connection: &Arc<Connection>, frame: Bytes) -> impl Future<Output = Outcome> + Send;
}

/// What became of one frame.
pub enum Outcome {
    /// The answer, to be sent when all earlier ones are.
    Answer(Answer),
    /// The answer comes later (it waits to be durable, say); the connection goes on with its next
    /// frame meanwhile. The future is first polled when all earlier answers are on their way.
    Later(Pin<Box<dyn Future<Output = Answer> + Send>>),
    /// No answer is sent: the frame asked for none (a produce request with `acks=0`).
    Nothing,
    /// Earlier answers are sent, then the connection is closed.
    Close,
}

/// One answer as it goes over the wire. The pieces together are one frame *with* its 4-byte length
/// prefix; they are sent one after the other.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The parts of the frame, in order.
    pub pieces: SmallVec<[Piece; 2]>,
}

impl Answer {
    /// Bytes on the wire, the length prefix included.
    pub fn size(&self) -> usize {
        self.pieces.iter().map(Piece::size).sum()
    }
}

impl From<Bytes> for Answer {
    fn from(bytes: Bytes) -> Answer {
        Answer { pieces: smallvec![Piece::Bytes(bytes)] }
    }
}

impl FromIterator<Piece> for Answer {
    fn from_iter<I: IntoIterator<Item = Piece>>(pieces: I) -> Answer {
        Answer { pieces: pieces.into_iter().collect() }
    }
}

/// A part of an answer.
#[derive(Debug, Clone)]
pub enum Piece {
    /// Bytes in memory.
    Bytes(Bytes),
    /// Bytes of a file, sent from the page cache.
    File(FileRange),
}

impl Piece {
    /// Bytes on the wire.
    pub fn size(&self) -> usize {
        match self {
            Piece::Bytes(bytes) => bytes.len(),
            Piece::File(range) => range.size,
        }
    }
}

/// `size` bytes of `file` from `position` on. The file must hold them until they are sent: when it
/// turns out shorter, the connection is closed, since the length was promised already.
#[derive(Debug, Clone)]
pub struct FileRange {
    /// Open for reading; its own cursor is not used.
    pub file: Arc<File>,
    /// Bytes from the start of the file.
    pub position: u64,
    /// Bytes to send.
    pub size: usize,
    /// Who is told when the file cannot be read; the connection is closed then, since the length was promised.
    pub on_failure: Option<OnFailure>,
}

/// What is done when a file range cannot be read. It is called on a thread that may block.
#[derive(Clone)]
pub struct OnFailure(Arc<dyn Fn(io::Error) + Send + Sync>);

impl OnFailure {
    /// `tell` is given the error of the read.
    pub fn new(tell: impl Fn(io::Error) + Send + Sync + 'static) -> OnFailure {
        OnFailure(Arc::new(tell))
    }

    pub(crate) fn tell(&self, error: io::Error) {
        (self.0)(error);
    }
}

impl fmt::Debug for OnFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnFailure")
    }
}
