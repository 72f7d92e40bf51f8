//! File ranges, with and without a wait for the disk.

use std::io;
use std::os::unix::fs::FileExt;

use bytes::Bytes;

use crate::FileRange;

/// What the page cache has of a range.
pub(crate) enum Cached {
    /// All of it; fewer bytes where the file ends.
    Here(Bytes),
    /// Not all of it.
    Elsewhere,
    /// The operating system or the file system does not tell.
    Unknown,
}

/// Reads a range as far as that needs no wait for the disk.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn read_cached(range: &FileRange) -> Cached {
    use std::io::IoSliceMut;

    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    let mut buffer = vec![0; range.size];
    let slices = &mut [IoSliceMut::new(&mut buffer)];
    match preadv2(&range.file, slices, range.position, ReadWriteFlags::NOWAIT) {
        // Fewer bytes may also mean that only these are cached; the caller sees it by their number.
        Ok(n) => {
            buffer.truncate(n);
            Cached::Here(buffer.into())
        }
        Err(Errno::AGAIN) => Cached::Elsewhere,
        Err(_) => Cached::Unknown,
    }
}

/// Reads a range as far as that needs no wait for the disk.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn read_cached(_range: &FileRange) -> Cached {
    Cached::Unknown
}

/// Whether a range, not empty, can be sent without a wait for the disk, judged by its last byte: the
/// disk is read in order, and what was read or written last is what is there. Where nobody can tell
/// it is taken to be so.
pub(crate) fn is_cached(range: &FileRange) -> bool {
    let last = FileRange { position: range.position + (range.size as u64 - 1), size: 1, ..range.clone() };
    !matches!(read_cached(&last), Cached::Elsewhere)
}

/// Reads a range, waiting for the disk; fewer bytes where the file ends. Who is to know of a failure is told.
pub(crate) fn read(range: &FileRange) -> io::Result<Bytes> {
    read_all(range).inspect_err(|error| {
        if let Some(on_failure) = &range.on_failure {
            on_failure.tell(copy_of(error));
        }
    })
}

/// Errors cannot be cloned; the system's number says all of one that came from it.
fn copy_of(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// Whether an error of `sendfile` is the connection's. Any other may be the file's.
pub(crate) fn is_of_peer(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::BrokenPipe
            | Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::NotConnected
            | Kind::TimedOut
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::NetworkDown
    )
}

fn read_all(range: &FileRange) -> io::Result<Bytes> {
    let mut buffer = vec![0; range.size];
    let mut len = 0;
    while let Some(rest) = buffer.get_mut(len..).filter(|rest| !rest.is_empty()) {
        match range.file.read_at(rest, range.position + len as u64) {
            Ok(0) => break,
            Ok(n) => len += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    buffer.truncate(len);
    Ok(buffer.into())
}
