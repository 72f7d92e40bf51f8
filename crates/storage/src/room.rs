//! The room that clients leave on a disk: it becomes full for them a little before it is.
//!
//! What is left then is for what makes room again, and must be written first: the metadata of a deletion, the
//! start of a log whose oldest records go, checkpoints, committed offsets. Without it, nothing could be deleted on
//! a full disk.

use crate::disk::Disk;
use crate::error::StorageError;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

/// So many bytes of a file system are left to the node's own writes; of a smaller one than
/// [`RESERVE_PART`] times as much, one part in so many.
pub const RESERVE_BYTES_MAX: u64 = 16 << 20;
/// See [`RESERVE_BYTES_MAX`].
pub const RESERVE_PART: u64 = 16;
/// The most that clients may write before the file system is asked again how much is left. Others write to it,
/// too: other log directories, other programs.
const STEP_BYTES_MAX: u64 = 4 << 20;

/// How much clients may write to one log directory before its file system is looked at again.
#[derive(Debug, Default)]
pub(crate) struct Room {
    allowance: AtomicI64,
}

impl Room {
    /// Takes `size` bytes of the room for clients.
    ///
    /// # Errors
    /// [`StorageError::DiskFull`]; a later try may succeed.
    pub fn take(&self, size: usize, disk: &Disk, path: &Path) -> Result<(), StorageError> {
        let wanted = i64::try_from(size).unwrap_or(i64::MAX);
        if self.allowance.fetch_sub(wanted, Ordering::Relaxed) >= wanted {
            return Ok(());
        }
        let allowed = match disk.space(path) {
            Ok(space) => {
                let reserve = RESERVE_BYTES_MAX.min(space.total_bytes / RESERVE_PART);
                let free = space.usable_bytes.saturating_sub(reserve);
                if free < size as u64 {
                    self.allowance.store(0, Ordering::Relaxed);
                    return Err(StorageError::DiskFull { path: path.to_owned() });
                }
                // The nearer to the reserve, the closer it is watched.
                (free / 4).min(STEP_BYTES_MAX)
            }
            // The write itself will tell.
            Err(_) => STEP_BYTES_MAX,
        };
        let left = allowed.saturating_sub(size as u64);
        self.allowance.store(i64::try_from(left).unwrap_or(i64::MAX), Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::SimulatedDisk;

    /// Takes 1 KiB at a time until it is refused; how many bytes were taken.
    fn fill(room: &Room, simulated: &SimulatedDisk, left: u64) -> u64 {
        let disk = Disk::Simulated(simulated.clone());
        let mut taken = 0;
        loop {
            simulated.set_room(Some(left - taken));
            if room.take(1024, &disk, Path::new("/")).is_err() {
                return taken;
            }
            taken += 1024;
        }
    }

    #[test]
    fn clients_leave_a_reserve() {
        let room = Room::default();
        let disk = SimulatedDisk::new(1);
        let left = (64 << 20) - fill(&room, &disk, 64 << 20);
        // The simulated file system shrinks with what is left, so the sixteenth does.
        assert!((1 << 10..=4 << 20).contains(&left), "{left}");
        let left = (300 << 20) - fill(&room, &disk, 300 << 20);
        assert!(left <= RESERVE_BYTES_MAX, "{left}");
    }

    #[test]
    fn there_is_room_again_when_something_was_deleted() {
        let room = Room::default();
        let simulated = SimulatedDisk::new(1);
        let disk = Disk::Simulated(simulated.clone());
        simulated.set_room(Some(100));
        for _ in 0..3 {
            let refused = room.take(1024, &disk, Path::new("/")).unwrap_err();
            assert!(refused.is_disk_full());
        }
        simulated.set_room(Some(1 << 20));
        room.take(1024, &disk, Path::new("/")).unwrap();
    }
}
