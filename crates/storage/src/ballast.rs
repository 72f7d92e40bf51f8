//! Room that is kept for the node's own writes on a disk that others have filled to the last byte: a file of zeros in
//! the log directory, which is given up when such a write finds no room.
//!
//! What makes room must be written first: the metadata of a deletion, where a log starts, what producers did in the
//! segments that go, and, where the node was stopped meanwhile, its registration. The room that clients leave
//! ([`crate::RESERVE_BYTES_MAX`]) is not enough where another program writes to the disk.

use crate::disk::Disk;
use crate::error::{Context, StorageError};
use std::io::IoSlice;
use std::path::{Path, PathBuf};

/// The name of the file. Apache Kafka leaves files that it does not know alone.
pub const BALLAST: &str = ".ballast";
/// So large it is: some two hundred times what is to be written to delete a topic. On a file system smaller than
/// [`BALLAST_PART`] times as much, one part in so many.
pub const BALLAST_BYTES_MAX: u64 = 1 << 20;
/// See [`BALLAST_BYTES_MAX`].
pub const BALLAST_PART: u64 = 64;

fn place(directory: &Path) -> PathBuf {
    directory.join(BALLAST)
}

/// Makes the file where it is missing and, once it is there, as much again is free.
pub(crate) fn keep(disk: &Disk, directory: &Path) -> Result<(), StorageError> {
    let path = place(directory);
    let space = disk.space(directory).at("look at", directory)?;
    let size = BALLAST_BYTES_MAX.min(space.total_bytes / BALLAST_PART);
    let there =
        if disk.exists(&path).at("look at", &path)? { disk.size(&path).at("look at", &path)? } else { 0 };
    if size <= there || space.usable_bytes < 2 * size {
        return Ok(());
    }
    let write = || {
        let file = disk.create(&path).at("create", &path)?;
        let zeros = vec![0; usize::try_from(size).unwrap_or(0)];
        file.write_all_at(&mut [IoSlice::new(&zeros)], 0).at("write", &path)?;
        // Room that a file system has only promised might not be there when it is wanted.
        file.sync().at("sync", &path)
    };
    write().inspect_err(|_| {
        let _ = disk.remove_file(&path);
    })
}

/// Removes the file; whether it was there.
pub(crate) fn give_up(disk: &Disk, directory: &Path) -> bool {
    let path = place(directory);
    let is_given_up = disk.exists(&path).unwrap_or(false) && disk.remove_file(&path).is_ok();
    if is_given_up {
        // Some file systems have the room only once the removal is durable.
        let _ = disk.sync_folder(directory);
        tracing::warn!(
            "{} is full: the room that was kept in {BALLAST} is used for what must be written to delete something",
            directory.display()
        );
    }
    is_given_up
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::SimulatedDisk;

    #[test]
    fn it_is_kept_while_there_is_room_and_given_up_once() {
        let simulated = SimulatedDisk::new(1);
        let disk = Disk::Simulated(simulated.clone());
        let directory = Path::new("/data");
        disk.create_folders(directory).unwrap();
        simulated.set_room(Some(1000));
        keep(&disk, directory).unwrap();
        assert_eq!(disk.size(&place(directory)).unwrap(), 1000 / BALLAST_PART, "a part of a small one");
        simulated.set_room(Some(1 << 30));
        keep(&disk, directory).unwrap();
        assert_eq!(disk.size(&place(directory)).unwrap(), BALLAST_BYTES_MAX);
        simulated.set_room(Some(0));
        assert!(give_up(&disk, directory));
        assert!(!give_up(&disk, directory));
        assert_eq!(disk.space(directory).unwrap().usable_bytes, BALLAST_BYTES_MAX);
        keep(&disk, directory).unwrap();
        assert!(disk.exists(&place(directory)).unwrap(), "as large as the smaller file system allows");
    }
}
