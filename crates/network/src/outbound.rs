//! Answers to bytes.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use smallvec::SmallVec;

use crate::transport::Transport;
use crate::{Answer, Piece};

/// Pieces that one system call takes.
const MAX_SLICES: usize = 64;

/// The sending end of a connection: answers whose turn it is, and the pieces not sent yet.
#[derive(Default)]
pub(crate) struct Outbound {
    /// None of them is empty.
    pieces: VecDeque<Piece>,
    /// Bytes in `pieces`.
    size: usize,
}

impl Outbound {
    pub(crate) fn push(&mut self, answer: Answer) {
        for piece in answer.pieces {
            let size = piece.size();
            if 0 < size {
                self.size += size;
                self.pieces.push_back(piece);
            }
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
        let n = match self.pieces.front() {
            Some(Piece::File(range)) => {
                let n = ready!(transport.poll_send_file(cx, range))?;
                if n == 0 {
                    let error = "a file is shorter than the range of it that was to be sent";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, error)));
                }
                n
            }
            _ => {
                let slices: SmallVec<[IoSlice<'_>; MAX_SLICES]> = self
                    .pieces
                    .iter()
                    .map_while(bytes_of)
                    .take(MAX_SLICES)
                    .map(|it| IoSlice::new(it))
                    .collect();
                let more = slices.len() < self.pieces.len();
                ready!(transport.poll_send(cx, &slices, more))?
            }
        };
        self.advance(n);
        Poll::Ready(Ok(n))
    }

    /// Forgets the first `n` bytes: they are sent.
    fn advance(&mut self, mut n: usize) {
        self.size -= n;
        while let Some(piece) = self.pieces.front_mut() {
            let size = piece.size();
            if size <= n {
                n -= size;
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

fn bytes_of(piece: &Piece) -> Option<&Bytes> {
    match piece {
        Piece::Bytes(bytes) => Some(bytes),
        Piece::File(_) => None,
    }
}
