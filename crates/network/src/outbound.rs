//! Answers to bytes.
//!
//! Measured on the loopback interface, CPU of sender and receiver together for one answer of a
//! 100-byte head and file ranges:
//!
//! | | head, then `sendfile` | head with `MSG_MORE` | read and sent together | `TCP_CORK` |
//! |---|---|---|---|---|
//! | 1 × 200 B | 54 µs | 37 µs | 36 µs | 39 µs |
//! | 1 × 64 KiB | 74 µs | 67 µs | 71 µs | 70 µs |
//! | 1 × 1 MB | 445 µs | 462 µs | 654 µs | 562 µs |
//! | 10 × 200 B | 307 µs | 212 µs | 194 µs | 110 µs |
//! | 10 × 64 KiB | 587 µs | 571 µs | 722 µs | 541 µs |
//!
//! So a small range is read and joins the bytes around it (one `sendmsg` for all), a large one goes
//! by `sendfile`, its head waits for it, and only several large ones are corked.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use smallvec::SmallVec;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::file::{self, Cached};
use crate::transport::Transport;
use crate::{Answer, FileRange, Piece};

/// Pieces that one system call takes.
const MAX_SLICES: usize = 64;

/// A file range up to this size is read and sent with the bytes around it.
const SMALL_RANGE: usize = 8 * 1024;

/// So much of a file range is looked for in the page cache, and sent, at a time.
const FILE_CHUNK: usize = 1024 * 1024;

/// What is not in the page cache is read in parts of so much, on a thread that may wait for the disk,
/// so that other connections do not.
const DISK_CHUNK: usize = 256 * 1024;

/// The sending end of a connection: answers whose turn it is, and the pieces not sent yet.
#[derive(Default)]
pub(crate) struct Outbound {
    /// None of them is empty.
    pieces: VecDeque<Piece>,
    /// Bytes in `pieces`.
    size: usize,
    /// File ranges in `pieces`.
    files: usize,
    /// The start of the file range in front, on its way from the disk.
    from_disk: Option<JoinHandle<io::Result<Bytes>>>,
    /// The start of the file range in front that is known to be in the page cache. Bytes.
    cached: usize,
    corked: bool,
}

impl Outbound {
    pub(crate) fn push(&mut self, answer: Answer) {
        for piece in answer.pieces {
            let size = piece.size();
            if size == 0 {
                continue;
            }
            self.size += size;
            let piece = match piece {
                Piece::File(range) if range.size <= SMALL_RANGE => match file::read_cached(&range) {
                    // A range beyond the file's end is found out when it is its turn.
                    Cached::Here(bytes) if bytes.len() == size => Piece::Bytes(bytes),
                    Cached::Here(_) | Cached::Elsewhere | Cached::Unknown => Piece::File(range),
                },
                piece => piece,
            };
            self.files += usize::from(matches!(piece, Piece::File(_)));
            self.pieces.push_back(piece);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Bytes not sent yet.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    pub(crate) fn clear(&mut self) {
        *self = Outbound::default();
    }

    /// Sends once; how many bytes. Call it only when not empty.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut Transport,
    ) -> Poll<io::Result<usize>> {
        let cork = 1 < self.files;
        if cork && !self.corked {
            transport.cork(true)?;
            self.corked = true;
        }
        loop {
            ready!(self.poll_from_disk(cx))?;
            let Some(Piece::File(range)) = self.pieces.front() else { break };
            let chunk = FileRange { size: self.cached.min(range.size), ..range.clone() };
            match ready!(transport.poll_send_file(cx, &chunk)) {
                // Only a read tells whether it is the file that failed, and who owns it is to know; what it gives is
                // sent as bytes.
                Err(error) if !file::is_of_peer(&error) => {
                    self.cached = 0;
                    self.from_disk = Some(read_start(range));
                }
                Err(error) => return Poll::Ready(Err(error)),
                Ok(0) => return Poll::Ready(Err(shorter_file())),
                Ok(n) => {
                    self.cached -= n;
                    return Poll::Ready(self.sent(n, transport));
                }
            }
        }
        let n = {
            let bytes = self.pieces.iter().map_while(|piece| match piece {
                Piece::Bytes(bytes) => Some(IoSlice::new(bytes)),
                Piece::File(_) => None,
            });
            let slices: SmallVec<[IoSlice<'_>; MAX_SLICES]> = bytes.take(MAX_SLICES).collect();
            let more = slices.len() < self.pieces.len();
            ready!(transport.poll_send(cx, &slices, more))?
        };
        Poll::Ready(self.sent(n, transport))
    }

    /// The first `n` bytes are sent.
    fn sent(&mut self, n: usize, transport: &mut Transport) -> io::Result<usize> {
        self.advance(n);
        if self.pieces.is_empty() && self.corked {
            transport.cork(false)?;
            self.corked = false;
        }
        Ok(n)
    }

    /// Ready when the start of the file range in front, if it is one, can be sent without a wait for
    /// the disk.
    fn poll_from_disk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(Piece::File(range)) = self.pieces.front_mut() else { return Poll::Ready(Ok(())) };
        if 0 < self.cached {
            return Poll::Ready(Ok(()));
        }
        if self.from_disk.is_none() {
            for size in [range.size.min(FILE_CHUNK), range.size.min(DISK_CHUNK)] {
                if file::is_cached(&FileRange { size, ..range.clone() }) {
                    self.cached = size;
                    return Poll::Ready(Ok(()));
                }
            }
        }
        let reading = self.from_disk.get_or_insert_with(|| read_start(range));
        let read = ready!(Pin::new(reading).poll(cx));
        self.from_disk = None;
        let bytes = read.map_err(io::Error::other)??;
        if bytes.is_empty() {
            return Poll::Ready(Err(shorter_file()));
        }
        range.position += bytes.len() as u64;
        range.size -= bytes.len();
        if range.size == 0 {
            self.pieces.pop_front();
            self.files -= 1;
        }
        self.pieces.push_front(Piece::Bytes(bytes));
        Poll::Ready(Ok(()))
    }

    /// Forgets the first `n` bytes: they are sent.
    fn advance(&mut self, mut n: usize) {
        self.size -= n;
        while let Some(piece) = self.pieces.front_mut() {
            let size = piece.size();
            if size <= n {
                n -= size;
                self.files -= usize::from(matches!(piece, Piece::File(_)));
                self.pieces.pop_front();
            } else {
                match piece {
                    Piece::Bytes(bytes) => bytes.advance(n),
                    Piece::File(range) => {
                        range.position += n as u64;
                        range.size -= n;
                    }
                }
                return;
            }
        }
    }
}

/// Begins to read the start of a file range, on a thread that may wait for the disk.
fn read_start(range: &FileRange) -> JoinHandle<io::Result<Bytes>> {
    let chunk = FileRange { size: range.size.min(DISK_CHUNK), ..range.clone() };
    spawn_blocking(move || file::read(&chunk))
}

fn shorter_file() -> io::Error {
    let what = "a file is shorter than the range of it that was to be sent";
    io::Error::new(io::ErrorKind::UnexpectedEof, what)
}
