//! The files that stay open between two uses: opened when they are first used, closed when too many others are.
//!
//! A bounded number of segments' records are held, by second chance: a hand goes round those that are held, and
//! closes the first that was not used since it last came by. A use only sets a mark in the file's own place, so
//! readers and writers of different segments share no lock. Who has got a file, as a fetch that is being sent from
//! it, keeps it open until done, whether it is still held or not.

use crate::disk::File;
use crate::sync::{Guard, Mutex};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};

/// Segments share the bound in so many parts, each with a hand of its own.
const PARTS: usize = 16;
/// So many of the files that the process may have open are held for segments: the rest are for connections
/// (`max.connections`), for files that are open for a moment, and for those that are being sent.
const SHARE: (usize, usize) = (1, 2);
/// At least so many files are held, however few the process may have.
const HELD_MIN: usize = 64;
/// At most so many files are held: more than a node with ten thousand busy partitions uses at once.
pub const OPEN_SEGMENTS_MAX: usize = 65_536;

/// Lets the process have as many files open as the system allows at all (`ulimit -Hn`); returns how many.
/// To be called before a log directory is opened, whose share it is measured by.
pub fn raise_open_files_limit() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let limit = if raised.is_ok() { maximum } else { current };
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// The files that are held, of one process or, in tests, of less.
#[derive(Debug)]
pub(crate) struct OpenFiles {
    parts: Vec<Mutex<Part>>,
    /// Bound of each part.
    part_max: usize,
    next_part: AtomicUsize,
}

#[derive(Debug, Default)]
struct Part {
    places: Vec<Weak<HeldFile>>,
    hand: usize,
}

/// A file that is held, or not.
#[derive(Debug)]
pub(crate) struct HeldFile {
    file: Mutex<Option<File>>,
    /// Used since the hand last came by.
    is_used: AtomicBool,
    /// Whether it has a place; only looked at and changed by who holds the lock of its part.
    has_place: AtomicBool,
    /// The part in which it has its place, plus one; 0 before it was first opened.
    part: AtomicUsize,
}

impl OpenFiles {
    /// Those of this process, bounded by what it may have open when this is first called.
    pub fn of_process() -> Arc<OpenFiles> {
        static OF_PROCESS: OnceLock<Arc<OpenFiles>> = OnceLock::new();
        let open = || {
            let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
            let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
            OpenFiles::new((limit / SHARE.1 * SHARE.0).clamp(HELD_MIN, OPEN_SEGMENTS_MAX))
        };
        Arc::clone(OF_PROCESS.get_or_init(|| Arc::new(open())))
    }

    /// At most `held_max` files are held, and at least one for each of [`PARTS`].
    pub fn new(held_max: usize) -> OpenFiles {
        OpenFiles {
            parts: (0..PARTS).map(|_| Mutex::default()).collect(),
            part_max: (held_max / PARTS).max(1),
            next_part: AtomicUsize::new(0),
        }
    }

    /// How many files are held.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        let held = |place: &Weak<HeldFile>| place.upgrade().is_some_and(|it| it.file.lock().is_some());
        self.parts.iter().map(|part| part.lock().places.iter().filter(|place| held(place)).count()).sum()
    }

    /// How many may be held.
    #[cfg(test)]
    pub fn held_max(&self) -> usize {
        self.part_max * PARTS
    }

    fn part_of(&self, held: &HeldFile) -> Guard<'_, Part> {
        let mut part = held.part.load(Ordering::Relaxed);
        if part == 0 {
            let next = self.next_part.fetch_add(1, Ordering::Relaxed) % self.parts.len() + 1;
            let chosen = held.part.compare_exchange(0, next, Ordering::Relaxed, Ordering::Relaxed);
            part = chosen.map_or_else(|earlier| earlier, |_| next);
        }
        self.parts.get(part - 1).expect("a file's part is one of these").lock()
    }

    /// Gives a file that was just opened a place, if need be that of another, which is returned to be closed.
    fn hold(&self, held: &Arc<HeldFile>) -> Option<File> {
        let mut part = self.part_of(held);
        if held.has_place.load(Ordering::Relaxed) {
            return None;
        }
        if part.places.len() < self.part_max {
            part.places.push(Arc::downgrade(held));
            held.has_place.store(true, Ordering::Relaxed);
            return None;
        }
        // Twice round: the first time may only take the marks away.
        for _ in 0..2 * part.places.len() {
            let hand = part.hand;
            part.hand = (hand + 1) % part.places.len();
            let Some(place) = part.places.get_mut(hand) else { break };
            let closed = match place.upgrade() {
                None => None,
                Some(other) => match other.leave() {
                    Left::Stays => continue,
                    Left::Gone(file) => file,
                },
            };
            *place = Arc::downgrade(held);
            held.has_place.store(true, Ordering::Relaxed);
            return closed;
        }
        // All others are in use at this moment: this one is not held.
        held.file.lock().take()
    }
}

/// What became of a file that is to give its place away.
enum Left {
    Stays,
    Gone(Option<File>),
}

impl HeldFile {
    /// A file that is not open.
    pub fn closed() -> Arc<HeldFile> {
        Arc::new(HeldFile {
            file: Mutex::new(None),
            is_used: AtomicBool::new(false),
            has_place: AtomicBool::new(false),
            part: AtomicUsize::new(0),
        })
    }

    /// The file, opened if need be.
    pub fn get(
        self: &Arc<HeldFile>,
        files: &OpenFiles,
        open: impl FnOnce() -> io::Result<File>,
    ) -> io::Result<File> {
        let mut file = self.file.lock();
        if let Some(file) = &*file {
            self.is_used.store(true, Ordering::Relaxed);
            return Ok(file.clone());
        }
        let opened = open()?;
        *file = Some(opened.clone());
        drop(file);
        drop(files.hold(self));
        Ok(opened)
    }

    /// Holds the file from now on, which was opened by other means.
    pub fn set(self: &Arc<HeldFile>, files: &OpenFiles, file: File) {
        *self.file.lock() = Some(file);
        drop(files.hold(self));
    }

    /// Closes the file until it is used again.
    pub fn close(&self) {
        let file = self.file.lock().take();
        drop(file);
    }

    /// Gives the place away, unless the file was used since it was last asked for, or is in use.
    fn leave(&self) -> Left {
        let Some(mut file) = self.file.try_lock() else { return Left::Stays };
        if file.is_some() && self.is_used.swap(false, Ordering::Relaxed) {
            return Left::Stays;
        }
        self.has_place.store(false, Ordering::Relaxed);
        Left::Gone(file.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Disk, SimulatedDisk};
    use std::path::Path;

    fn file() -> io::Result<File> {
        Disk::Simulated(SimulatedDisk::new(1)).create(Path::new("/file"))
    }

    #[test]
    fn the_file_that_was_not_used_gives_way() {
        let files = OpenFiles::new(2 * PARTS);
        let all: Vec<_> = (0..3 * PARTS).map(|_| HeldFile::closed()).collect();
        let is_held = |place: usize| all[place].file.lock().is_some();
        for held in &all[..2 * PARTS] {
            held.get(&files, file).unwrap();
        }
        assert_eq!(files.count(), 2 * PARTS);
        // One of each two is used again, and stays.
        for held in &all[..PARTS] {
            held.get(&files, || panic!("it is open")).unwrap();
        }
        for held in &all[2 * PARTS..] {
            held.get(&files, file).unwrap();
        }
        assert_eq!(files.count(), files.held_max());
        assert!((0..PARTS).all(is_held));
        assert!(!(PARTS..2 * PARTS).any(is_held));
    }

    #[test]
    fn what_is_closed_or_gone_makes_room() {
        let files = OpenFiles::new(PARTS);
        for _ in 0..3 {
            let some: Vec<_> = (0..PARTS).map(|_| HeldFile::closed()).collect();
            some.iter().for_each(|held| drop(held.get(&files, file).unwrap()));
            some[0].close();
            some[0].get(&files, file).unwrap();
            assert_eq!(files.count(), PARTS);
        }
        assert_eq!(files.count(), 0);
    }

    #[test]
    fn the_bound_of_the_process_leaves_room_for_connections() {
        let limit = raise_open_files_limit();
        let held_max = OpenFiles::of_process().held_max();
        assert!(held_max <= (limit / 2).max(HELD_MIN), "{held_max} of {limit}");
    }
}
