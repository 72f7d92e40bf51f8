//! A disk in memory whose power can be cut, so that power cuts are ordinary unit tests.
//!
//! What survives a cut is what POSIX promises, and no more: a file's content and size as of its last sync,
//! with any of the sectors written since, or none; a folder's names as of its last sync, with any prefix of
//! what was done to them since. A file whose name was not synced is gone, even if its content was.
//!
//! All choices come from one seed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

/// What is written as a whole or not at all, in bytes.
const SECTOR: usize = 512;

/// A disk in memory. A clone is the same disk.
#[derive(Clone, Debug)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

/// An open file of a simulated disk.
#[derive(Clone, Debug)]
pub struct SimulatedFile {
    state: Arc<Mutex<State>>,
    node: usize,
    power: u64,
}

/// The lock of a file; dropping it frees it.
#[derive(Debug)]
pub struct SimulatedLock {
    state: Arc<Mutex<State>>,
    node: usize,
}

#[derive(Debug)]
struct State {
    nodes: Vec<Node>,
    random: u64,
    /// Counts the power cuts: a file that was open before one cannot be used behind it.
    power: u64,
    /// Changes that still work before the power goes; `None` for ever.
    fuse: Option<u64>,
    /// Bytes by which files may still grow; `None` without limit.
    room: Option<u64>,
    read_error: Option<io::ErrorKind>,
    write_error: Option<io::ErrorKind>,
    sync_error: Option<io::ErrorKind>,
    locked: BTreeSet<usize>,
    syncs: u64,
}

#[derive(Debug)]
enum Node {
    File(Content),
    Folder(Names),
}

#[derive(Debug, Default)]
struct Content {
    durable: Vec<u8>,
    live: Vec<u8>,
    /// Up to this size it has its room already.
    reserved: usize,
    /// Written since the last sync.
    unsynced: Vec<Range<usize>>,
}

impl Content {
    /// The room that it takes.
    fn taken(&self) -> usize {
        self.live.len().max(self.reserved)
    }
}

#[derive(Debug, Default)]
struct Names {
    durable: BTreeMap<String, usize>,
    live: BTreeMap<String, usize>,
    /// Done since the last sync, in order.
    unsynced: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Add(String, usize),
    Remove(String),
    Rename(String, String, usize),
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Change::Add(name, node) => {
                names.insert(name.clone(), *node);
            }
            Change::Remove(name) => {
                names.remove(name);
            }
            Change::Rename(from, to, node) => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
        }
    }
}

impl Names {
    fn sync(&mut self) {
        self.durable = self.live.clone();
        self.unsynced.clear();
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.live);
        self.unsynced.push(change);
    }
}

impl SimulatedDisk {
    /// An empty disk; all that it does by chance follows from the seed.
    pub fn new(seed: u64) -> SimulatedDisk {
        let state = State {
            nodes: vec![Node::Folder(Names::default())],
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            power: 0,
            fuse: None,
            room: None,
            read_error: None,
            write_error: None,
            sync_error: None,
            locked: BTreeSet::new(),
            syncs: 0,
        };
        SimulatedDisk { state: Arc::new(Mutex::new(state)) }
    }

    /// Cuts the power and turns it on again: what was not synced is lost, torn or there, by chance.
    pub fn power_cut(&self) {
        let mut state = self.lock_state();
        state.power += 1;
        state.fuse = None;
        state.locked.clear();
        for index in 0..state.nodes.len() {
            let mut random = state.random;
            match state.nodes.get_mut(index) {
                Some(Node::File(content)) => content.lose(&mut random),
                Some(Node::Folder(names)) => {
                    let survive = below(&mut random, names.unsynced.len() + 1);
                    for change in names.unsynced.drain(..).take(survive) {
                        change.apply(&mut names.durable);
                    }
                    names.live = names.durable.clone();
                }
                None => {}
            }
            state.random = random;
        }
    }

    /// Ends the process that has files open here, as `kill -9` does: what it wrote stays, synced or not. `false`,
    /// and nothing is done, where the power is gone.
    pub fn kill_process(&self) -> bool {
        let mut state = self.lock_state();
        if state.fuse == Some(0) {
            return false;
        }
        state.power += 1;
        state.locked.clear();
        true
    }

    /// Lets the power go after so many more changes; each call behind that fails until [`SimulatedDisk::power_cut`].
    pub fn cut_power_after(&self, changes: u64) {
        self.lock_state().fuse = Some(changes);
    }

    /// Limits by how many bytes files may still grow; `None` takes the limit away.
    pub fn set_room(&self, room: Option<u64>) {
        self.lock_state().room = room;
    }

    /// The bytes of all files, and those by which they may still grow.
    pub(super) fn space(&self) -> crate::summary::Space {
        let state = self.lock_state();
        let used: usize = state
            .nodes
            .iter()
            .map(|node| match node {
                Node::File(content) => content.live.len(),
                Node::Folder(_) => 0,
            })
            .sum();
        let usable_bytes = state.room.unwrap_or(u64::MAX / 2);
        crate::summary::Space { total_bytes: usable_bytes.saturating_add(used as u64), usable_bytes }
    }

    /// Makes all reads of files fail in this way; `None` mends them.
    pub fn fail_reads(&self, error: Option<io::ErrorKind>) {
        self.lock_state().read_error = error;
    }

    /// Makes all writes fail in this way; `None` mends them.
    pub fn fail_writes(&self, error: Option<io::ErrorKind>) {
        self.lock_state().write_error = error;
    }

    /// Makes all syncs fail in this way; `None` mends them.
    pub fn fail_syncs(&self, error: Option<io::ErrorKind>) {
        self.lock_state().sync_error = error;
    }

    /// How many files and folders were synced so far.
    pub fn syncs(&self) -> u64 {
        self.lock_state().syncs
    }

    /// Flips the lowest bit of a byte, synced or not, as a failing medium does.
    pub fn flip_bit(&self, path: &Path, position: usize) -> io::Result<()> {
        let mut state = self.lock_state();
        let node = state.find(path)?;
        let content = state.content(node)?;
        for bytes in [&mut content.live, &mut content.durable] {
            if let Some(byte) = bytes.get_mut(position) {
                *byte ^= 1;
            }
        }
        Ok(())
    }

    pub(super) fn create_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock_state();
        state.add(path, Node::Folder(Names::default()))?;
        Ok(())
    }

    pub(super) fn create_folders(&self, path: &Path) -> io::Result<()> {
        let mut so_far = std::path::PathBuf::new();
        for component in path.components() {
            so_far.push(component);
            if !self.exists(&so_far)? {
                self.create_folder(&so_far)?;
            }
        }
        Ok(())
    }

    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<super::Entry>> {
        let mut state = self.lock_state();
        state.check_power(None)?;
        let folder = state.find(path)?;
        let names = state.names(folder)?.live.clone();
        let is_folder = |node: usize| matches!(state.nodes.get(node), Some(Node::Folder(_)));
        Ok(names.into_iter().map(|(name, node)| super::Entry { name, is_folder: is_folder(node) }).collect())
    }

    pub(super) fn exists(&self, path: &Path) -> io::Result<bool> {
        let state = self.lock_state();
        state.check_power(None)?;
        match state.find(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) fn open(&self, path: &Path) -> io::Result<SimulatedFile> {
        let mut state = self.lock_state();
        state.check_power(None)?;
        let node = state.find(path)?;
        state.content(node)?;
        Ok(SimulatedFile { state: Arc::clone(&self.state), node, power: state.power })
    }

    pub(super) fn create(&self, path: &Path) -> io::Result<SimulatedFile> {
        let mut state = self.lock_state();
        let node = match state.find(path) {
            Ok(node) => {
                state.spend()?;
                let content = state.content(node)?;
                content.unsynced.clear();
                content.live.clear();
                node
            }
            Err(_) => state.add(path, Node::File(Content::default()))?,
        };
        Ok(SimulatedFile { state: Arc::clone(&self.state), node, power: state.power })
    }

    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock_state();
        state.spend()?;
        let node = state.find(from)?;
        let (from_folder, from_name) = state.parent(from)?;
        let (to_folder, to_name) = state.parent(to)?;
        if from_folder != to_folder {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        state.names(from_folder)?.change(Change::Rename(from_name, to_name, node));
        Ok(())
    }

    pub(super) fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock_state();
        state.spend()?;
        let node = state.find(path)?;
        let size = state.content(node)?.taken() as u64;
        let (folder, name) = state.parent(path)?;
        state.names(folder)?.change(Change::Remove(name));
        state.room = state.room.map(|room| room + size);
        Ok(())
    }

    pub(super) fn remove_folder(&self, path: &Path) -> io::Result<()> {
        for entry in self.list(path)? {
            let inner = path.join(entry.name);
            if entry.is_folder { self.remove_folder(&inner)? } else { self.remove_file(&inner)? }
        }
        let mut state = self.lock_state();
        state.spend()?;
        let (folder, name) = state.parent(path)?;
        state.names(folder)?.change(Change::Remove(name));
        Ok(())
    }

    pub(super) fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock_state();
        state.spend_sync()?;
        let folder = state.find(path)?;
        state.names(folder)?.sync();
        Ok(())
    }

    /// Syncs every file and folder; the power may go between any two.
    pub(super) fn sync_file_system(&self) -> io::Result<()> {
        let mut state = self.lock_state();
        let count = state.nodes.len();
        let mut random = state.random;
        let first = below(&mut random, count);
        state.random = random;
        for index in (first..count).chain(0..first) {
            let is_clean = match state.nodes.get(index) {
                Some(Node::File(content)) => {
                    content.unsynced.is_empty() && content.live.len() == content.durable.len()
                }
                Some(Node::Folder(names)) => names.unsynced.is_empty(),
                None => true,
            };
            if is_clean {
                continue;
            }
            state.spend_sync()?;
            match state.nodes.get_mut(index) {
                Some(Node::File(content)) => content.sync(),
                Some(Node::Folder(names)) => names.sync(),
                None => {}
            }
        }
        state.check_power(None)
    }

    pub(super) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut state = self.lock_state();
        state.check_power(None)?;
        let node = state.find(path)?;
        state.check_readable()?;
        Ok(state.content(node)?.live.clone())
    }

    pub(super) fn lock(&self, path: &Path) -> io::Result<Option<SimulatedLock>> {
        if !self.exists(path)? {
            self.create(path)?;
        }
        let mut state = self.lock_state();
        let node = state.find(path)?;
        let free = state.locked.insert(node);
        Ok(free.then(|| SimulatedLock { state: Arc::clone(&self.state), node }))
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl SimulatedFile {
    pub(super) fn write_at(&self, slices: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        let mut state = lock(&self.state);
        state.check_power(Some(self.power))?;
        state.spend()?;
        if let Some(error) = state.write_error {
            return Err(error.into());
        }
        let position = to_usize(position)?;
        let wanted: usize = slices.iter().map(|slice| slice.len()).sum();
        let content = state.content(self.node)?;
        let (size, taken) = (content.live.len(), content.taken());
        let mut allowed = wanted;
        if let Some(room) = state.room {
            let growth = (position + wanted).saturating_sub(taken);
            let missing = growth.saturating_sub(to_usize(room)?);
            allowed = wanted.saturating_sub(missing);
            if allowed == 0 && wanted > 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            state.room = Some(room - (growth - missing) as u64);
        }
        let content = state.content(self.node)?;
        let end = position + allowed;
        if content.live.len() < end {
            content.live.resize(end, 0);
        }
        content.unsynced.push(size.min(position)..end);
        let bytes = slices.iter().flat_map(|slice| slice.iter());
        for (to, from) in content.live.iter_mut().skip(position).zip(bytes.take(allowed)) {
            *to = *from;
        }
        Ok(allowed)
    }

    pub(super) fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut state = lock(&self.state);
        state.check_power(Some(self.power))?;
        state.check_readable()?;
        let live = &state.content(self.node)?.live;
        let bytes = live.get(to_usize(position)?..).unwrap_or_default();
        let count = bytes.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), bytes.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.check_power(Some(self.power))?;
        state.spend_sync()?;
        state.content(self.node)?.sync();
        Ok(())
    }

    pub(super) fn set_size(&self, size: u64) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.check_power(Some(self.power))?;
        state.spend()?;
        let size = to_usize(size)?;
        let content = state.content(self.node)?;
        let (before, taken) = (content.live.len(), content.taken());
        content.live.resize(size, 0);
        content.reserved = 0;
        if before < size {
            content.unsynced.push(before..size);
        }
        state.room = state.room.map(|room| room + taken.saturating_sub(size) as u64);
        Ok(())
    }

    pub(super) fn reserve(&self, size: u64) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.check_power(Some(self.power))?;
        state.spend()?;
        let size = to_usize(size)?;
        let content = state.content(self.node)?;
        let growth = size.saturating_sub(content.taken()) as u64;
        if state.room.is_some_and(|room| room < growth) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.room = state.room.map(|room| room - growth);
        let content = state.content(self.node)?;
        content.reserved = content.reserved.max(size);
        Ok(())
    }

    pub(super) fn size(&self) -> io::Result<u64> {
        let mut state = lock(&self.state);
        state.check_power(Some(self.power))?;
        Ok(state.content(self.node)?.live.len() as u64)
    }
}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        lock(&self.state).locked.remove(&self.node);
    }
}

impl Content {
    fn sync(&mut self) {
        self.durable.resize(self.live.len(), 0);
        for range in self.unsynced.drain(..) {
            let range = range.start..range.end.min(self.live.len());
            if let (Some(to), Some(from)) = (self.durable.get_mut(range.clone()), self.live.get(range)) {
                to.copy_from_slice(from);
            }
        }
    }

    /// Makes the content what a power cut leaves of it.
    fn lose(&mut self, random: &mut u64) {
        if self.unsynced.is_empty() && self.live.len() == self.durable.len() {
            return;
        }
        match below(random, 4) {
            0 => {}
            1 => self.durable = self.live.clone(),
            _ => {
                let (least, most) =
                    (self.live.len().min(self.durable.len()), self.live.len().max(self.durable.len()));
                let size = match below(random, 3) {
                    0 => self.live.len(),
                    1 => self.durable.len(),
                    _ => least + below(random, most - least + 1),
                };
                self.durable.resize(size, 0);
                for range in &self.unsynced {
                    let mut start = range.start;
                    while start < range.end {
                        let end = ((start / SECTOR + 1) * SECTOR).min(range.end);
                        if below(random, 2) == 0 {
                            let end = end.min(size).min(self.live.len());
                            if let (Some(to), Some(from)) =
                                (self.durable.get_mut(start..end), self.live.get(start..end))
                            {
                                to.copy_from_slice(from);
                            }
                        }
                        start = ((start / SECTOR) + 1) * SECTOR;
                    }
                }
            }
        }
        self.unsynced.clear();
        self.live = self.durable.clone();
    }
}

impl State {
    /// Refuses what happens without power, or with a file from before a cut.
    fn check_power(&self, power: Option<u64>) -> io::Result<()> {
        if self.fuse == Some(0) || power.is_some_and(|power| power != self.power) {
            return Err(io::Error::other("the power was cut"));
        }
        Ok(())
    }

    fn check_readable(&self) -> io::Result<()> {
        self.read_error.map_or(Ok(()), |error| Err(error.into()))
    }

    /// One change is done, if there is power for it.
    fn spend(&mut self) -> io::Result<()> {
        self.check_power(None)?;
        self.fuse = self.fuse.map(|changes| changes - 1);
        Ok(())
    }

    fn spend_sync(&mut self) -> io::Result<()> {
        self.spend()?;
        self.syncs += 1;
        match self.sync_error {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        let mut node = 0;
        for name in names_of(path)? {
            let Some(Node::Folder(names)) = self.nodes.get(node) else {
                return Err(io::ErrorKind::NotADirectory.into());
            };
            node = *names.live.get(name).ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(node)
    }

    fn parent(&self, path: &Path) -> io::Result<(usize, String)> {
        let name = path.file_name().and_then(|name| name.to_str()).ok_or(io::ErrorKind::InvalidFilename)?;
        let folder = self.find(path.parent().ok_or(io::ErrorKind::InvalidFilename)?)?;
        Ok((folder, name.to_owned()))
    }

    fn add(&mut self, path: &Path, node: Node) -> io::Result<usize> {
        self.spend()?;
        if self.find(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let (folder, name) = self.parent(path)?;
        let id = self.nodes.len();
        self.nodes.push(node);
        self.names(folder)?.change(Change::Add(name, id));
        Ok(id)
    }

    fn content(&mut self, node: usize) -> io::Result<&mut Content> {
        match self.nodes.get_mut(node) {
            Some(Node::File(content)) => Ok(content),
            _ => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn names(&mut self, node: usize) -> io::Result<&mut Names> {
        match self.nodes.get_mut(node) {
            Some(Node::Folder(names)) => Ok(names),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }
}

fn names_of(path: &Path) -> io::Result<Vec<&str>> {
    let names = path.components().filter_map(|component| match component {
        std::path::Component::Normal(name) => Some(name.to_str().ok_or(io::ErrorKind::InvalidFilename)),
        _ => None,
    });
    Ok(names.collect::<Result<_, _>>()?)
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("nothing panics while it holds the simulated disk")
}

fn to_usize(position: u64) -> io::Result<usize> {
    usize::try_from(position).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

/// The next number of a xorshift generator, below `bound`.
fn below(random: &mut u64, bound: usize) -> usize {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    ((*random >> 16) % bound.max(1) as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Disk, File};

    fn write(file: &File, bytes: &[u8], position: u64) {
        file.write_all_at(&mut [IoSlice::new(bytes)], position).unwrap();
    }

    #[test]
    fn what_was_synced_survives_and_what_was_not_may_be_torn() {
        let mut outcomes = BTreeSet::new();
        for seed in 0..200 {
            let simulated = SimulatedDisk::new(seed);
            let disk = Disk::Simulated(simulated.clone());
            let file = disk.create(Path::new("/file")).unwrap();
            write(&file, &[1; 1000], 0);
            file.sync().unwrap();
            disk.sync_folder(Path::new("/")).unwrap();
            write(&file, &[2; 1000], 1000);
            simulated.power_cut();
            assert!(file.size().is_err());
            let content = disk.read(Path::new("/file")).unwrap().unwrap();
            assert_eq!(content[..1000], [1; 1000]);
            outcomes.insert((content.len(), content[1000..].iter().filter(|byte| **byte == 2).count()));
        }
        assert!(outcomes.contains(&(1000, 0)));
        assert!(outcomes.contains(&(2000, 1000)));
        assert!(outcomes.iter().any(|(size, written)| size - 1000 != *written));
    }

    #[test]
    fn a_name_survives_only_if_its_folder_was_synced_or_by_chance() {
        let mut there = BTreeSet::new();
        for seed in 0..50 {
            let simulated = SimulatedDisk::new(seed);
            let disk = Disk::Simulated(simulated.clone());
            disk.create_folder(Path::new("/folder")).unwrap();
            disk.sync_folder(Path::new("/")).unwrap();
            disk.create(Path::new("/folder/a")).unwrap().sync().unwrap();
            disk.rename(Path::new("/folder/a"), Path::new("/folder/b")).unwrap();
            simulated.power_cut();
            let names = disk.list(Path::new("/folder")).unwrap();
            there.insert(names.into_iter().map(|entry| entry.name).collect::<Vec<_>>());
        }
        let expected = [vec![], vec!["a".to_owned()], vec!["b".to_owned()]];
        assert_eq!(there, BTreeSet::from(expected));
    }

    #[test]
    fn a_full_disk_takes_what_fits() {
        let simulated = SimulatedDisk::new(1);
        let disk = Disk::Simulated(simulated.clone());
        let file = disk.create(Path::new("/file")).unwrap();
        simulated.set_room(Some(10));
        let error = file.write_all_at(&mut [IoSlice::new(&[1; 20])], 0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(file.size().unwrap(), 10);
        file.set_size(0).unwrap();
        write(&file, &[1; 10], 0);
    }

    #[test]
    fn room_that_is_reserved_is_there_for_what_is_written() {
        let simulated = SimulatedDisk::new(1);
        let file = simulated.create(Path::new("/a")).unwrap();
        let write = |bytes: usize, position| file.write_at(&[IoSlice::new(&vec![1; bytes])], position);
        simulated.set_room(Some(10));
        file.reserve(8).unwrap();
        assert_eq!(file.size().unwrap(), 0);
        assert!(file.reserve(11).is_err());
        simulated.set_room(Some(0));
        assert_eq!(write(8, 0).unwrap(), 8);
        assert!(write(1, 8).is_err());
        file.set_size(5).unwrap();
        assert_eq!(write(9, 5).unwrap(), 3);
    }
}
