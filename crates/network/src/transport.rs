//! Where a connection's bytes are read and written: the one place that will know TLS.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWriteExt, Interest, ReadBuf};
use tokio::net::TcpStream;

use crate::FileRange;

/// A connection's bytes, after whatever the listener's security protocol does to them.
pub(crate) enum Transport {
    /// As they are.
    Plaintext(TcpStream),
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Plaintext(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl Transport {
    /// Sends some of `slices`; how many bytes. With `more` the last, not full packet is held back
    /// for what follows at once.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        more: bool,
    ) -> Poll<io::Result<usize>> {
        match self {
            Transport::Plaintext(stream) => loop {
                ready!(stream.poll_write_ready(cx))?;
                match stream.try_io(Interest::WRITABLE, || plain::send(stream, slices, more)) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    sent => return Poll::Ready(sent),
                }
            },
        }
    }

    /// Sends some of a file range; how many bytes. 0 means that the file ends before the range does.
    pub(crate) fn poll_send_file(
        &mut self,
        cx: &mut Context<'_>,
        range: &FileRange,
    ) -> Poll<io::Result<usize>> {
        match self {
            Transport::Plaintext(stream) => loop {
                ready!(stream.poll_write_ready(cx))?;
                match stream.try_io(Interest::WRITABLE, || plain::send_file(stream, range)) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    sent => return Poll::Ready(sent),
                }
            },
        }
    }

    /// Holds back packets that are not full (`true`), or sends what was held back.
    pub(crate) fn cork(&self, on: bool) -> io::Result<()> {
        match self {
            Transport::Plaintext(stream) => plain::cork(stream, on),
        }
    }

    /// Says that nothing more is sent.
    pub(crate) async fn shutdown(&mut self) {
        match self {
            // An error says that the peer is gone, which is what we want.
            Transport::Plaintext(stream) => drop(stream.shutdown().await),
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod plain {
    use std::io::{self, IoSlice};

    use rustix::net::{SendAncillaryBuffer, SendFlags};
    use tokio::net::TcpStream;

    use crate::FileRange;

    pub(super) fn send(stream: &TcpStream, slices: &[IoSlice<'_>], more: bool) -> io::Result<usize> {
        let flags = if more { SendFlags::NOSIGNAL | SendFlags::MORE } else { SendFlags::NOSIGNAL };
        Ok(rustix::net::sendmsg(stream, slices, &mut SendAncillaryBuffer::default(), flags)?)
    }

    pub(super) fn cork(stream: &TcpStream, on: bool) -> io::Result<()> {
        Ok(rustix::net::sockopt::set_tcp_cork(stream, on)?)
    }

    pub(super) fn send_file(stream: &TcpStream, range: &FileRange) -> io::Result<usize> {
        let mut position = range.position;
        Ok(rustix::fs::sendfile(stream, &range.file, Some(&mut position), range.size)?)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod plain {
    use std::io::{self, IoSlice};
    use std::os::unix::fs::FileExt;

    use tokio::net::TcpStream;

    use crate::FileRange;

    /// Bytes of a file read and sent at once where the system has no `sendfile` of Linux's kind.
    const CHUNK: usize = 64 * 1024;

    pub(super) fn send(stream: &TcpStream, slices: &[IoSlice<'_>], _more: bool) -> io::Result<usize> {
        Ok(rustix::io::writev(stream, slices)?)
    }

    pub(super) fn cork(_stream: &TcpStream, _on: bool) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn send_file(stream: &TcpStream, range: &FileRange) -> io::Result<usize> {
        let mut chunk = vec![0; range.size.min(CHUNK)];
        let n = range.file.read_at(&mut chunk, range.position)?;
        if n == 0 {
            return Ok(0);
        }
        Ok(rustix::io::write(stream, chunk.get(..n).unwrap_or_default())?)
    }
}
