//! All file work goes through [`Disk`]: the real one, or a simulated one that loses on a power cut what was
//! not synced.
//!
//! Positions and sizes are in bytes. No method retries a failed write or sync, and none hides one.

mod simulated;

use crate::error::{Context, StorageError};
use crate::summary::Space;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

pub use simulated::{SimulatedDisk, SimulatedFile, SimulatedLock};

/// So many zeros are written at once.
const ZEROS: usize = 1 << 20;

/// Where files are.
#[derive(Clone, Debug)]
pub enum Disk {
    /// The operating system's file systems.
    Real,
    /// A disk in memory whose power can be cut.
    Simulated(SimulatedDisk),
}

/// An open file. A clone is the same open file.
#[derive(Clone, Debug)]
pub enum File {
    /// A file of the operating system.
    Real(Arc<std::fs::File>),
    /// A file of a simulated disk.
    Simulated(SimulatedFile),
}

/// A file of fixed size that is only overwritten, each write durable when it returns.
#[derive(Clone, Debug)]
pub struct DurableFile {
    file: File,
    /// Whether a write must be followed by a sync.
    needs_sync: bool,
}

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The name within its folder. Names that are not UTF-8 are nobody's of ours and not listed.
    pub name: String,
    /// Whether it is a folder.
    pub is_folder: bool,
}

/// Keeps other processes out of a log directory for as long as it lives.
#[derive(Debug)]
pub enum Lock {
    /// A lock of the operating system, which ends with the process.
    Real(std::fs::File),
    /// A lock on a simulated disk.
    Simulated(SimulatedLock),
}

impl Disk {
    /// Creates a folder whose parent exists.
    pub fn create_folder(&self, path: &Path) -> io::Result<()> {
        match self {
            Disk::Real => std::fs::create_dir(path),
            Disk::Simulated(disk) => disk.create_folder(path),
        }
    }

    /// Creates a folder and its parents, where they do not exist.
    pub fn create_folders(&self, path: &Path) -> io::Result<()> {
        match self {
            Disk::Real => std::fs::create_dir_all(path),
            Disk::Simulated(disk) => disk.create_folders(path),
        }
    }

    /// The names in a folder, in no order.
    pub fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        match self {
            Disk::Real => {
                let mut entries = Vec::new();
                for entry in std::fs::read_dir(path)? {
                    let entry = entry?;
                    if let Ok(name) = entry.file_name().into_string() {
                        entries.push(Entry { name, is_folder: entry.file_type()?.is_dir() });
                    }
                }
                Ok(entries)
            }
            Disk::Simulated(disk) => disk.list(path),
        }
    }

    /// Whether there is a file or folder of this name.
    pub fn exists(&self, path: &Path) -> io::Result<bool> {
        match self {
            Disk::Real => path.try_exists(),
            Disk::Simulated(disk) => disk.exists(path),
        }
    }

    /// Opens a file that exists, for reading and writing.
    pub fn open(&self, path: &Path) -> io::Result<File> {
        match self {
            Disk::Real => {
                let file = std::fs::OpenOptions::new().read(true).write(true).open(path)?;
                Ok(File::Real(Arc::new(file)))
            }
            Disk::Simulated(disk) => disk.open(path).map(File::Simulated),
        }
    }

    /// Opens a file that exists, only to read it: it may be one that nobody may write.
    pub(crate) fn open_to_read(&self, path: &Path) -> io::Result<File> {
        match self {
            Disk::Real => Ok(File::Real(Arc::new(std::fs::File::open(path)?))),
            Disk::Simulated(disk) => disk.open(path).map(File::Simulated),
        }
    }

    /// Creates a file, empty even if there was one, and opens it for reading and writing.
    pub fn create(&self, path: &Path) -> io::Result<File> {
        match self {
            Disk::Real => {
                let mut options = std::fs::OpenOptions::new();
                let file = options.read(true).write(true).create(true).truncate(true).open(path)?;
                Ok(File::Real(Arc::new(file)))
            }
            Disk::Simulated(disk) => disk.create(path).map(File::Simulated),
        }
    }

    /// Opens a file, which is created if it does not exist.
    pub(crate) fn open_or_create(&self, path: &Path) -> io::Result<File> {
        match self.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.create(path),
            result => result,
        }
    }

    /// Creates a file of `size` zeros for durable writes. They bypass the operating system's memory where the
    /// file system can do that: then positions, sizes and addresses of what is written are multiples of 4096.
    pub(crate) fn create_durable(&self, path: &Path, size: u64) -> io::Result<DurableFile> {
        let file = self.create(path)?;
        // Written, not only reserved: the first write to a reserved block changes the file's map.
        let zeros = vec![0; ZEROS];
        let mut position = 0;
        while position < size {
            let count = zeros.len().min(usize::try_from(size - position).unwrap_or(ZEROS));
            let part = zeros.get(..count).unwrap_or_default();
            file.write_all_at(&mut [IoSlice::new(part)], position)?;
            position += count as u64;
        }
        file.sync()?;
        match self {
            Disk::Real => {
                forget_content(&file)?;
                let (file, is_synchronous) = open_synchronous(path)?;
                Ok(DurableFile { file: File::Real(Arc::new(file)), needs_sync: !is_synchronous })
            }
            Disk::Simulated(_) => Ok(DurableFile { file, needs_sync: true }),
        }
    }

    /// Gives a file or folder another name, replacing a file of that name.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self {
            Disk::Real => std::fs::rename(from, to),
            Disk::Simulated(disk) => disk.rename(from, to),
        }
    }

    /// Removes a file. It is no error if there is none.
    pub fn remove_file(&self, path: &Path) -> io::Result<()> {
        let result = match self {
            Disk::Real => std::fs::remove_file(path),
            Disk::Simulated(disk) => disk.remove_file(path),
        };
        match result {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Removes a folder with all that is in it. It is no error if there is none.
    pub(crate) fn remove_folder(&self, path: &Path) -> io::Result<()> {
        let result = match self {
            Disk::Real => std::fs::remove_dir_all(path),
            Disk::Simulated(disk) => disk.remove_folder(path),
        };
        match result {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Makes the names in a folder durable, but not the content of its files.
    pub fn sync_folder(&self, path: &Path) -> io::Result<()> {
        match self {
            Disk::Real => std::fs::File::open(path)?.sync_all(),
            Disk::Simulated(disk) => disk.sync_folder(path),
        }
    }

    /// The size of a file, in bytes.
    pub(crate) fn size(&self, path: &Path) -> io::Result<u64> {
        match self {
            Disk::Real => Ok(std::fs::metadata(path)?.len()),
            Disk::Simulated(disk) => disk.open(path)?.size(),
        }
    }

    /// How large the file system is in which `path` lies.
    pub(crate) fn space(&self, path: &Path) -> io::Result<Space> {
        match self {
            Disk::Real => {
                let found = rustix::fs::statvfs(path)?;
                Ok(Space {
                    total_bytes: found.f_blocks.saturating_mul(found.f_frsize),
                    usable_bytes: found.f_bavail.saturating_mul(found.f_frsize),
                })
            }
            Disk::Simulated(disk) => Ok(disk.space()),
        }
    }

    /// The whole content of a file, `None` if there is none.
    pub fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        let result = match self {
            Disk::Real => std::fs::read(path),
            Disk::Simulated(disk) => disk.read(path),
        };
        match result {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces a file's content so that after a power cut either the old or the new is there, and the new
    /// once this returns: a file beside it, synced, renamed, and the folder synced.
    pub fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), StorageError> {
        self.replace_unsynced(path, bytes)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        self.sync_folder(folder).at("sync folder", folder)
    }

    /// As [`Disk::replace`], leaving to the caller to sync the folder.
    pub(crate) fn replace_unsynced(&self, path: &Path, bytes: &[u8]) -> Result<(), StorageError> {
        self.write_beside(path, bytes, true)?;
        self.rename_beside(path)
    }

    /// The first half of [`Disk::replace_unsynced`]: the new content, synced or not, in a file beside it.
    pub(crate) fn write_beside(
        &self,
        path: &Path,
        bytes: &[u8],
        is_synced: bool,
    ) -> Result<(), StorageError> {
        let beside = beside(path);
        let write = || {
            let file = self.create(&beside).at("create", &beside)?;
            file.write_all_at(&mut [IoSlice::new(bytes)], 0).at("write", &beside)?;
            if is_synced { file.sync().at("sync", &beside) } else { Ok(()) }
        };
        // On a full disk, what was written of it would take the room that others wait for.
        write().inspect_err(|_| self.remove_beside(path))
    }

    /// Removes what was written beside a file, if that can be done.
    pub(crate) fn remove_beside(&self, path: &Path) {
        let _ = self.remove_file(&beside(path));
    }

    /// The second half, once what was written beside it is synced.
    pub(crate) fn rename_beside(&self, path: &Path) -> Result<(), StorageError> {
        let beside = beside(path);
        self.rename(&beside, path).at("rename", &beside)
    }

    /// Whether there is [`Disk::sync_file_system`].
    pub(crate) fn syncs_file_systems(&self) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            Disk::Real => tells_of_failed_writes(),
            #[cfg(not(target_os = "linux"))]
            Disk::Real => false,
            Disk::Simulated(_) => true,
        }
    }

    /// Makes all of the file system durable in which `path` is: one wait where many files would be many. `false`
    /// where that cannot be had, or would not tell of a failed write (Linux before 5.8).
    pub(crate) fn sync_file_system(&self, path: &Path) -> io::Result<bool> {
        match self {
            #[cfg(target_os = "linux")]
            Disk::Real => {
                if !self.syncs_file_systems() {
                    return Ok(false);
                }
                rustix::fs::syncfs(std::fs::File::open(path)?)?;
                Ok(true)
            }
            #[cfg(not(target_os = "linux"))]
            Disk::Real => Ok(false),
            Disk::Simulated(disk) => disk.sync_file_system().map(|()| true),
        }
    }

    /// Takes the lock of a file, which is created; `None` if another process holds it.
    pub(crate) fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        match self {
            Disk::Real => {
                let mut options = std::fs::OpenOptions::new();
                let file = options.read(true).write(true).create(true).truncate(false).open(path)?;
                match file.try_lock() {
                    Ok(()) => {}
                    Err(std::fs::TryLockError::WouldBlock) => return Ok(None),
                    Err(std::fs::TryLockError::Error(error)) => return Err(error),
                }
                // The lock above also excludes others within this process; this one is the one Kafka takes.
                match rustix::fs::fcntl_lock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
                    Ok(()) => Ok(Some(Lock::Real(file))),
                    Err(rustix::io::Errno::ACCESS | rustix::io::Errno::AGAIN) => Ok(None),
                    Err(error) => Err(error.into()),
                }
            }
            Disk::Simulated(disk) => Ok(disk.lock(path)?.map(Lock::Simulated)),
        }
    }
}

/// Lets the operating system's memory forget a file that was synced.
fn forget_content(file: &File) -> io::Result<()> {
    match file {
        #[cfg(target_os = "linux")]
        File::Real(file) => Ok(rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed)?),
        _ => Ok(()),
    }
}

/// Opens a file whose writes are durable when they return, past the operating system's memory if the file
/// system can do that. Says whether they are.
#[cfg(target_os = "linux")]
fn open_synchronous(path: &Path) -> io::Result<(std::fs::File, bool)> {
    use std::os::unix::fs::OpenOptionsExt;
    let open = |flags: rustix::fs::OFlags| {
        let flags = i32::try_from(flags.bits()).unwrap_or(0);
        std::fs::OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)
    };
    let synchronous = rustix::fs::OFlags::DSYNC;
    let file = match open(synchronous | rustix::fs::OFlags::DIRECT) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => open(synchronous)?,
        result => result?,
    };
    Ok((file, true))
}

#[cfg(not(target_os = "linux"))]
fn open_synchronous(path: &Path) -> io::Result<(std::fs::File, bool)> {
    Ok((std::fs::OpenOptions::new().read(true).write(true).open(path)?, false))
}

impl DurableFile {
    /// Overwrites what is at `position`; durable when it returns.
    pub(crate) fn write_durably_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.file.write_all_at(&mut [IoSlice::new(bytes)], position)?;
        if self.needs_sync { self.file.sync() } else { Ok(()) }
    }
}

/// Where the new content of a file is until it is renamed.
fn beside(path: &Path) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}

/// Whether a sync of the whole file system fails when a write before it has failed.
#[cfg(target_os = "linux")]
fn tells_of_failed_writes() -> bool {
    static TELLS: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *TELLS.get_or_init(|| {
        let system = rustix::system::uname();
        let release = system.release().to_string_lossy().into_owned();
        let mut numbers = release.split('.').map(|it| it.parse::<u32>().unwrap_or(0));
        (numbers.next(), numbers.next()) >= (Some(5), Some(8))
    })
}

impl File {
    /// Writes all the slices, one behind the other, from `position` on: one system call if the disk takes
    /// them all. After an error some of it may have been written.
    pub fn write_all_at(&self, mut slices: &mut [IoSlice<'_>], mut position: u64) -> io::Result<()> {
        // Empty slices in front would look like a write that makes no progress.
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            // Linux takes so many slices at once (IOV_MAX).
            let part = slices.get(..1024).unwrap_or(slices);
            let written = match self {
                File::Real(file) => {
                    rustix::io::pwritev(file.as_ref(), part, position).map_err(io::Error::from)
                }
                File::Simulated(file) => file.write_at(part, position),
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    IoSlice::advance_slices(&mut slices, written);
                    position += written as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads from `position` on until the buffer is full or the file ends; returns how much was read.
    pub fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            let rest = &mut buffer[filled..];
            let read = match self {
                File::Real(file) => file.read_at(rest, position + filled as u64),
                File::Simulated(file) => file.read_at(rest, position + filled as u64),
            };
            match read {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// Makes content and size durable (`fdatasync`); the file's name is made so by its folder.
    pub fn sync(&self) -> io::Result<()> {
        match self {
            File::Real(file) => file.sync_data(),
            File::Simulated(file) => file.sync(),
        }
    }

    /// Takes room on the disk for the file up to `size`, in bytes, so that writing there needs none. The file's
    /// own size does not change, and what is behind it is given back by [`File::set_size`], of the same size
    /// too.
    ///
    /// # Errors
    /// There is no room, or the file system cannot reserve any ([`io::ErrorKind::Unsupported`]).
    pub(crate) fn reserve(&self, size: u64) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            File::Real(file) => {
                use rustix::fs::{FallocateFlags, fallocate};
                use rustix::io::Errno;
                loop {
                    match fallocate(file.as_ref(), FallocateFlags::KEEP_SIZE, 0, size) {
                        Err(Errno::INTR) => {}
                        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Err(io::ErrorKind::Unsupported.into()),
                        result => return result.map_err(io::Error::from),
                    }
                }
            }
            #[cfg(not(target_os = "linux"))]
            File::Real(_) => Err(io::ErrorKind::Unsupported.into()),
            File::Simulated(file) => file.reserve(size),
        }
    }

    /// Cuts the file, or lengthens it with zeros.
    pub(crate) fn set_size(&self, size: u64) -> io::Result<()> {
        match self {
            File::Real(file) => file.set_len(size),
            File::Simulated(file) => file.set_size(size),
        }
    }

    /// The file's size.
    pub fn size(&self) -> io::Result<u64> {
        match self {
            File::Real(file) => Ok(file.metadata()?.len()),
            File::Simulated(file) => file.size(),
        }
    }

    /// When its content last changed, in ms since 1970; a simulated disk has no clock.
    pub(crate) fn modified_ms(&self) -> io::Result<Option<i64>> {
        match self {
            File::Real(file) => {
                let since = file.metadata()?.modified()?.duration_since(std::time::UNIX_EPOCH);
                Ok(Some(since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))))
            }
            File::Simulated(_) => Ok(None),
        }
    }

    /// Lets it look as if its content had last changed then, in ms since 1970.
    pub(crate) fn set_modified_ms(&self, modified_ms: i64) -> io::Result<()> {
        match self {
            File::Real(file) => {
                let since = std::time::Duration::from_millis(modified_ms.max(0).unsigned_abs());
                file.set_modified(std::time::UNIX_EPOCH + since)
            }
            File::Simulated(_) => Ok(()),
        }
    }
}
