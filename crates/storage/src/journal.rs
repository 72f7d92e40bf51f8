//! The journal of a log directory: small appends of many logs become durable by one write.
//!
//! Every append is in its segment already, in the operating system's memory; the journal only makes a copy of
//! what is not durable there yet. It is a few files of fixed size in a folder of their own, written in turns:
//!
//! ```text
//! journal/0  | round 1 | round 2 | round 3 | … full: its logs are synced in the background, then it is free
//! journal/1  | round 9 | round 10 |          is being filled
//! ```
//!
//! After a crash the bytes are written to where they belong in the segments ([`replay`]). That may be done
//! twice, and also to a segment that has them. What changes a log other than by appending first has it synced
//! and *forgotten*: an entry that makes void what earlier rounds say of it.
//!
//! Where no file is free, the round goes the ordinary way, by syncing the segments: so the journal is bounded,
//! and appends slow down to what the disk can take. The folder is made when it first pays, and removed at a
//! stop in order: then the directory is Apache Kafka's alone.

mod costs;
mod replay;
mod round;

use crate::directory::{DELETE, random_hex};
use crate::disk::{Disk, DurableFile};
use crate::error::{Context, StorageError};
use crate::log::Log;
use crate::sync::Mutex;
pub(crate) use costs::{Costs, Need};
pub(crate) use replay::{Preview, Replayed, preview, replay};
pub(crate) use round::{BLOCK, Key, Place, ROUND_SIZE_MAX, RoundBuffer};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Condvar;
use std::time::Instant;

/// The journal's folder in its log directory. Apache Kafka does not start on a directory with a folder of this
/// name, and must not: what was acked may be in it.
pub const JOURNAL: &str = "journal";
/// At a failure to make a file, so many rounds go by before it is tried again.
const ROUNDS_BETWEEN_TRIES: u32 = 1000;
/// How often each way is tried out when the journal is made.
const PROBES: usize = 9;

/// How large the journal is, and when it is used. Nothing that a user sets: the default suits all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalOptions {
    /// Bytes of a file.
    pub file_size: u64,
    /// Files at most.
    pub files_max: usize,
    /// How it is chosen what goes into it.
    pub choice: JournalChoice,
}

impl Default for JournalOptions {
    fn default() -> JournalOptions {
        JournalOptions { file_size: 16 << 20, files_max: 4, choice: JournalChoice::ByCost }
    }
}

/// How it is chosen which logs the journal makes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalChoice {
    /// By what the disk takes for each way, as measured.
    ByCost,
    /// By chance, from this seed: for tests.
    AtRandom(u64),
    /// Whenever it can take them: for tests and measurements.
    Always,
    /// Never.
    Never,
}

#[derive(Debug)]
pub(crate) struct Journal {
    disk: Disk,
    folder: PathBuf,
    options: JournalOptions,
    state: Mutex<State>,
    /// There is something to do for who serves [`crate::CommitQueue::wait_and_write_back`].
    work: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Whether another file should be made.
    is_wanted: bool,
    /// Rounds to go by before another file is wanted again.
    pause: u32,
    /// Files made so far.
    made: usize,
    free: Vec<Slot>,
    filling: Option<Filling>,
    /// Oldest first.
    full: VecDeque<Filling>,
    /// The number of the last round; the first is 1.
    sequence: u64,
    /// The greatest floor that was written.
    floor: u64,
    /// Costs as measured when the journal was made, until somebody takes them.
    measured: Option<Costs>,
    is_shut_down: bool,
}

#[derive(Debug)]
struct Slot {
    file: DurableFile,
    path: PathBuf,
}

/// A file with rounds.
#[derive(Debug)]
struct Filling {
    slot: Slot,
    /// Where the next round goes.
    position: u64,
    /// The number of its first round.
    first: u64,
    /// The logs that its rounds speak of.
    logs: Vec<Arc<Log>>,
}

impl Journal {
    pub fn new(disk: Disk, directory: &Path, options: JournalOptions) -> Journal {
        let folder = directory.join(JOURNAL);
        Journal { disk, folder, options, state: Mutex::default(), work: Condvar::new() }
    }

    pub fn options(&self) -> JournalOptions {
        self.options
    }

    /// Whether there is a file to write to. Asks for one if there is none.
    pub fn is_ready(&self) -> bool {
        let mut state = self.state.lock();
        let is_ready = state.filling.is_some() || !state.free.is_empty();
        if !is_ready {
            self.want_file(&mut state);
        }
        is_ready
    }

    fn want_file(&self, state: &mut State) {
        state.pause = state.pause.saturating_sub(1);
        if !state.is_wanted && state.pause == 0 && state.made < self.options.files_max {
            state.is_wanted = true;
            self.work.notify_one();
        }
    }

    /// What was measured when the journal was made, once.
    pub fn take_measured(&self) -> Option<Costs> {
        self.state.lock().measured.take()
    }

    /// Makes a round durable that holds bytes of these logs. `false` if there is no room: then nothing
    /// happened. Only one thread may be here at a time.
    pub fn write(&self, round: &mut RoundBuffer, logs: &[&Arc<Log>]) -> Result<bool, StorageError> {
        let size = round.padded_size() as u64;
        // One block of each file is kept for the round that ends it.
        let has_room = |filling: &Filling| filling.position + size + BLOCK as u64 <= self.options.file_size;
        if self.options.file_size < size + BLOCK as u64 {
            return Ok(false);
        }
        let is_full = self.state.lock().filling.as_ref().map(|filling| !has_room(filling));
        if is_full == Some(true) {
            // What is overwritten next must not be needed by what a torn write would leave as the last round.
            self.put(&mut RoundBuffer::small(), &[])?;
            let mut state = self.state.lock();
            let full = state.filling.take();
            state.full.extend(full);
            self.work.notify_one();
        }
        if is_full != Some(false) {
            let mut state = self.state.lock();
            let Some(slot) = state.free.pop() else {
                self.want_file(&mut state);
                return Ok(false);
            };
            let first = state.sequence + 1;
            state.filling = Some(Filling { slot, position: 0, first, logs: Vec::new() });
        }
        self.put(round, logs)?;
        Ok(true)
    }

    /// Writes a round to the file that is being filled, which has room for it.
    fn put(&self, round: &mut RoundBuffer, logs: &[&Arc<Log>]) -> Result<(), StorageError> {
        let (file, path, position, sequence, floor) = {
            let mut state = self.state.lock();
            state.sequence += 1;
            let sequence = state.sequence;
            let oldest = state.full.front().map(|it| it.first);
            let Some(filling) = &mut state.filling else { return Ok(()) };
            for log in logs {
                if log.note_journaled(sequence, filling.first) {
                    filling.logs.push(Arc::clone(log));
                }
            }
            let position = filling.position;
            filling.position += round.padded_size() as u64;
            let floor = oldest.unwrap_or(filling.first);
            (filling.slot.file.clone(), filling.slot.path.clone(), position, sequence, floor)
        };
        file.write_durably_at(round.finish(sequence, floor), position).at("write", &path)?;
        let mut state = self.state.lock();
        state.floor = state.floor.max(floor);
        // The next file is made before it is needed.
        if state.free.is_empty() && position > self.options.file_size / 2 {
            self.want_file(&mut state);
        }
        Ok(())
    }

    /// Whether a replay could write to this log.
    pub fn may_replay(&self, log: &Log) -> bool {
        let last = log.journaled();
        last != 0 && self.state.lock().floor <= last
    }

    /// Blocks until there is something to do in the background, or the journal is shut down.
    pub fn wait_for_work(&self) {
        let mut state = self.state.lock();
        while !state.is_wanted && state.full.is_empty() && !state.is_shut_down {
            state = self.work.wait(state).expect("nothing panics while it holds the journal");
        }
    }

    pub fn shut_down(&self) {
        self.state.lock().is_shut_down = true;
        self.work.notify_all();
    }

    pub fn is_shut_down(&self) -> bool {
        self.state.lock().is_shut_down
    }

    /// Makes a file if one is wanted. A full disk only means that there is none.
    pub fn make_wanted(&self) -> Result<(), StorageError> {
        let number = {
            let state = self.state.lock();
            if !state.is_wanted || state.is_shut_down {
                return Ok(());
            }
            state.made
        };
        let made = self.make_file(number);
        let mut state = self.state.lock();
        state.is_wanted = false;
        match made {
            Ok((slot, measured)) => {
                state.made += 1;
                state.free.push(slot);
                state.measured = measured.or(state.measured);
                Ok(())
            }
            Err(error) if error.is_disk_full() => {
                tracing::warn!("no journal, every file is synced instead: {error}");
                state.pause = ROUNDS_BETWEEN_TRIES;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn make_file(&self, number: usize) -> Result<(Slot, Option<Costs>), StorageError> {
        let is_first = number == 0;
        if is_first {
            self.disk.create_folders(&self.folder).at("create", &self.folder)?;
            let directory = self.folder.parent().unwrap_or(Path::new("."));
            self.disk.sync_folder(directory).at("sync folder", directory)?;
        }
        let path = self.folder.join(number.to_string());
        let start = Instant::now();
        let created = self.disk.create_durable(&path, self.options.file_size).at("create", &path);
        let took_ns = start.elapsed().as_nanos() as f64;
        let file = match created {
            Ok(file) => file,
            Err(error) => {
                self.disk.remove_file(&path).at("remove", &path)?;
                return Err(error);
            }
        };
        self.disk.sync_folder(&self.folder).at("sync folder", &self.folder)?;
        let measured = match self.disk {
            Disk::Real if is_first => {
                Some(self.measure(&file, &path, took_ns / self.options.file_size as f64)?)
            }
            _ => None,
        };
        Ok((Slot { file, path }, measured))
    }

    /// Tries both ways of making a little durable.
    fn measure(&self, file: &DurableFile, path: &Path, byte_ns: f64) -> Result<Costs, StorageError> {
        let memory = RoundBuffer::small();
        let block = memory.zeros();
        let probe_path = self.folder.join("probe");
        let probe = self.disk.create(&probe_path).at("create", &probe_path)?;
        let (mut journal, mut sync) = (Vec::new(), Vec::new());
        for index in 0..PROBES {
            let start = Instant::now();
            file.write_durably_at(block, 0).at("write", path)?;
            journal.push(start.elapsed().as_nanos());
            let start = Instant::now();
            let mut slices = [std::io::IoSlice::new(block)];
            probe.write_all_at(&mut slices, (index * block.len()) as u64).at("write", &probe_path)?;
            probe.sync().at("sync", &probe_path)?;
            sync.push(start.elapsed().as_nanos());
        }
        self.disk.remove_file(&probe_path).at("remove", &probe_path)?;
        let median = |mut samples: Vec<u128>| {
            samples.sort();
            samples.get(samples.len() / 2).copied().unwrap_or(0) as f64
        };
        Ok(Costs::measured(median(journal), median(sync), byte_ns))
    }

    /// The logs of the oldest full file, whose segments are to be synced before [`Journal::free_oldest`].
    pub fn oldest_full(&self) -> Option<Vec<Arc<Log>>> {
        self.state.lock().full.front().map(|full| full.logs.clone())
    }

    /// The oldest full file is needed no more.
    pub fn free_oldest(&self) {
        let mut state = self.state.lock();
        if let Some(full) = state.full.pop_front() {
            // Behind those that are free already: what was free first is overwritten first.
            state.free.insert(0, full.slot);
        }
    }

    /// Removes the journal, durably. All logs have been synced, and nobody writes any more.
    pub fn remove(&self) -> Result<(), StorageError> {
        let made = {
            let mut state = self.state.lock();
            let made = state.made;
            *state = State { is_shut_down: state.is_shut_down, ..State::default() };
            made
        };
        if made > 0 { remove_folder(&self.disk, &self.folder) } else { Ok(()) }
    }
}

/// Removes the journal's folder, durably and at once or not at all: under a name by which both Ottla and Apache
/// Kafka know a folder to be deleted, if a power cut leaves it.
fn remove_folder(disk: &Disk, folder: &Path) -> Result<(), StorageError> {
    let directory = folder.parent().unwrap_or(Path::new("."));
    let aside = directory.join(format!("{JOURNAL}-0.{}{DELETE}", random_hex()));
    disk.rename(folder, &aside).at("rename", folder)?;
    disk.sync_folder(directory).at("sync folder", directory)?;
    disk.remove_folder(&aside).at("remove", &aside)
}

#[cfg(test)]
mod tests;
