//! The log directories of this node (`log.dirs`): which of them work, what lies in which, and where a new
//! partition goes.
//!
//! A directory that fails is given up alone: its partitions cannot be used, those of the others go on. The
//! node as a whole has failed when no directory is left, or the one with the metadata log is not.

use arc_swap::ArcSwap;
use ottla_ids::{TopicPartition, Uuid};
use ottla_storage::{LogDirectory, StorageError};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The folder of the metadata log. It lies in one directory only, and in no other.
const METADATA_LOG: &str = "__cluster_metadata";

/// For so many partitions that do not exist yet a directory is remembered; what is asked for beyond is not.
const PREFERRED_MAX: usize = 10_000;

/// One entry of `log.dirs`.
#[derive(Debug)]
struct Member {
    path: PathBuf,
    /// `None`: it could not be opened when the node started.
    directory: Option<Arc<LogDirectory>>,
    /// Why it could not.
    reason: Option<Arc<str>>,
}

/// How one entry of `log.dirs` does.
#[derive(Clone, Debug)]
pub struct DirectoryState {
    /// Its path, as configured.
    pub path: PathBuf,
    /// The directory when it works, or why it does not.
    pub directory: Result<Arc<LogDirectory>, Arc<str>>,
    /// It gets no new partitions.
    pub cordoned: bool,
}

/// The log directories of this node, in the order of `log.dirs`.
#[derive(Debug)]
pub struct Directories {
    members: Vec<Member>,
    /// Where the metadata log lies; one of the members, unless `metadata.log.dir` names another folder.
    metadata: Arc<LogDirectory>,
    homes: Mutex<Homes>,
    /// Where partitions are to go that do not exist yet (AlterReplicaLogDirs); at most [`PREFERRED_MAX`].
    preferred: Mutex<BTreeMap<TopicPartition, usize>>,
    /// Which members get no new partitions (`cordoned.log.dirs`, KIP-1066).
    cordoned: ArcSwap<BTreeSet<usize>>,
}

/// In which member the folder of each partition lies: the place in `members`.
#[derive(Debug, Default)]
struct Homes {
    /// As many entries as there are partitions on this node.
    of: BTreeMap<TopicPartition, usize>,
    /// How many there are in each member: a new partition goes where the fewest are, of thousands.
    counts: Vec<usize>,
}

impl Homes {
    /// The partition lies in this member from now on; the one it lay in before, if any.
    fn insert(&mut self, partition: TopicPartition, member: usize) -> Option<usize> {
        let before = self.of.insert(partition, member);
        if self.counts.len() <= member {
            self.counts.resize(member + 1, 0);
        }
        self.counts.get_mut(member).into_iter().for_each(|count| *count += 1);
        self.uncount(before);
        before
    }

    fn remove(&mut self, partition: &TopicPartition) {
        let before = self.of.remove(partition);
        self.uncount(before);
    }

    fn uncount(&mut self, member: Option<usize>) {
        let count = member.and_then(|member| self.counts.get_mut(member));
        count.into_iter().for_each(|count| *count -= 1);
    }

    fn count(&self, member: usize) -> usize {
        self.counts.get(member).copied().unwrap_or(0)
    }
}

impl Directories {
    /// The directories of a node, each opened or failed, and the one with the metadata log.
    ///
    /// # Errors
    /// [`StorageError::TwoFolders`] where a partition has a folder in two of them,
    /// [`StorageError::UnexpectedMetadataLog`] where the metadata log is in another than it should, and where a
    /// directory cannot be listed.
    pub fn new(
        members: Vec<(PathBuf, Result<Arc<LogDirectory>, String>)>,
        metadata: Arc<LogDirectory>,
    ) -> Result<Directories, StorageError> {
        let members: Vec<Member> = members
            .into_iter()
            .map(|(path, directory)| match directory {
                Ok(directory) => Member { path, directory: Some(directory), reason: None },
                Err(reason) => Member { path, directory: None, reason: Some(reason.into()) },
            })
            .collect();
        let mut homes = Homes::default();
        for (index, member) in members.iter().enumerate() {
            let Some(directory) = &member.directory else { continue };
            for partition in directory.partitions()? {
                if *partition.topic == *METADATA_LOG {
                    if Arc::ptr_eq(directory, &metadata) {
                        continue;
                    }
                    return Err(StorageError::UnexpectedMetadataLog {
                        path: directory.path().join(partition.to_string()),
                        metadata_dir: metadata.path().to_owned(),
                    });
                }
                let Some(before) = homes.insert(partition.clone(), index) else { continue };
                let folder = partition.to_string();
                let first = members.get(before).map(|member| member.path.join(&folder)).unwrap_or_default();
                return Err(StorageError::TwoFolders { partition, first, second: member.path.join(folder) });
            }
        }
        let (homes, preferred, cordoned) = (Mutex::new(homes), Mutex::default(), ArcSwap::default());
        Ok(Directories { members, metadata, homes, preferred, cordoned })
    }

    /// One directory, with the metadata log in it.
    ///
    /// # Errors
    /// Where the directory cannot be listed.
    pub fn one(directory: Arc<LogDirectory>) -> Result<Directories, StorageError> {
        let member = (directory.path().to_owned(), Ok(Arc::clone(&directory)));
        Directories::new(vec![member], directory)
    }

    /// All of them, in the order of `log.dirs`, and how they do.
    pub fn states(&self) -> Vec<DirectoryState> {
        let cordoned = self.cordoned.load();
        let state = |(index, member): (usize, &Member)| DirectoryState {
            path: member.path.clone(),
            directory: member.online().map(Arc::clone),
            cordoned: cordoned.contains(&index),
        };
        self.members.iter().enumerate().map(state).collect()
    }

    /// From now on the directories of these entries of `log.dirs`, and no others, get no new partitions.
    pub fn cordon(&self, entries: &[String]) {
        self.cordoned.store(Arc::new(self.named(entries)));
    }

    /// The ids of the directories that work among these entries of `log.dirs`.
    pub fn ids_of(&self, entries: &[String]) -> Vec<Uuid> {
        self.ids(&self.named(entries))
    }

    /// The ids of the directories that work and get no new partitions.
    pub fn cordoned(&self) -> Vec<Uuid> {
        self.ids(&self.cordoned.load())
    }

    /// The members of these entries of `log.dirs`.
    fn named(&self, entries: &[String]) -> BTreeSet<usize> {
        let is_named = |member: &Member| entries.iter().any(|entry| *member.path == *Path::new(entry));
        let members = self.members.iter().enumerate().filter(|(_, member)| is_named(member));
        members.map(|(index, _)| index).collect()
    }

    fn ids(&self, members: &BTreeSet<usize>) -> Vec<Uuid> {
        let online = members.iter().filter_map(|index| self.members.get(*index)?.online().ok());
        online.map(|directory| directory.id()).collect()
    }

    /// Whether the directory gets no new partitions.
    pub(crate) fn is_cordoned(&self, directory: &Arc<LogDirectory>) -> bool {
        self.index_of(directory).is_some_and(|index| self.cordoned.load().contains(&index))
    }

    /// Those that work.
    pub fn online(&self) -> Vec<Arc<LogDirectory>> {
        self.members.iter().filter_map(|member| member.online().ok()).map(Arc::clone).collect()
    }

    /// Those that were opened, and the metadata log's: what is to be synced and closed.
    pub(crate) fn opened(&self) -> Vec<Arc<LogDirectory>> {
        let mut opened: Vec<_> = self.members.iter().filter_map(|member| member.directory.clone()).collect();
        if !opened.iter().any(|directory| Arc::ptr_eq(directory, &self.metadata)) {
            opened.push(Arc::clone(&self.metadata));
        }
        opened
    }

    /// The directory with this id, if it works.
    pub fn by_id(&self, id: Uuid) -> Option<Arc<LogDirectory>> {
        self.online().into_iter().find(|directory| directory.id() == id)
    }

    /// The directory in which the folder of `partition` lies; `None` where it has none.
    pub fn home(&self, partition: &TopicPartition) -> Option<Arc<LogDirectory>> {
        let index = *self.homes().of.get(partition)?;
        self.members.get(index)?.directory.clone()
    }

    /// The directory for a partition that has no folder yet: the one that the metadata names, or the one
    /// with the fewest partitions among those that are not cordoned (Kafka's `LogManager.nextLogDirs`). It counts as
    /// the partition's home from now on. Where all are cordoned, who gave this node the partition wanted it here.
    ///
    /// # Errors
    /// [`StorageError::Offline`] where the metadata names a directory that is not among those that work while
    /// some are offline: its folder is probably there, and an empty one would hide it.
    pub(crate) fn place(
        &self,
        partition: &TopicPartition,
        assigned: Option<Uuid>,
    ) -> Result<Arc<LogDirectory>, StorageError> {
        let mut homes = self.homes();
        let preferred = self.preferred.lock().unwrap_or_else(PoisonError::into_inner).remove(partition);
        let preferred =
            preferred.filter(|index| self.members.get(*index).is_some_and(|member| member.online().is_ok()));
        let named = preferred.or_else(|| {
            assigned.and_then(|id| {
                let has_id = |member: &Member| member.online().is_ok_and(|directory| directory.id() == id);
                self.members.iter().position(has_id)
            })
        });
        if named.is_none() && assigned.is_some() {
            self.check_all_online()?;
        }
        let index = named.or_else(|| {
            let online = self.members.iter().enumerate().filter(|(_, member)| member.online().is_ok());
            let cordoned = self.cordoned.load();
            let rank = |index: &usize| (cordoned.contains(index), homes.count(*index));
            online.map(|(index, _)| index).min_by_key(rank)
        });
        let Some((index, directory)) = index.and_then(|index| {
            let directory = self.members.get(index)?.directory.clone()?;
            Some((index, directory))
        }) else {
            self.check_all_online()?;
            return Err(StorageError::Offline { path: PathBuf::new(), reason: "there is none".into() });
        };
        homes.insert(partition.clone(), index);
        Ok(directory)
    }

    /// A partition that does not exist yet is to be placed in `directory`.
    pub(crate) fn prefer(&self, partition: &TopicPartition, directory: &Arc<LogDirectory>) {
        let Some(index) = self.index_of(directory) else { return };
        let mut preferred = self.preferred.lock().unwrap_or_else(PoisonError::into_inner);
        if preferred.len() < PREFERRED_MAX || preferred.contains_key(partition) {
            preferred.insert(partition.clone(), index);
        }
    }

    /// The partition's folder lies in `directory` now.
    pub(crate) fn set_home(&self, partition: &TopicPartition, directory: &Arc<LogDirectory>) {
        if let Some(index) = self.index_of(directory) {
            self.homes().insert(partition.clone(), index);
        }
    }

    fn index_of(&self, directory: &Arc<LogDirectory>) -> Option<usize> {
        let is_it = |member: &Member| member.directory.as_ref().is_some_and(|it| Arc::ptr_eq(it, directory));
        self.members.iter().position(is_it)
    }

    /// The partition's folder is gone.
    pub(crate) fn forget(&self, partition: &TopicPartition) {
        self.homes().remove(partition);
    }

    /// The first failure among the directories, if there is one.
    fn check_all_online(&self) -> Result<(), StorageError> {
        for member in &self.members {
            if let Err(reason) = member.online() {
                return Err(StorageError::Offline { path: member.path.clone(), reason });
            }
        }
        Ok(())
    }

    /// Why the node cannot go on: its metadata directory failed, or all of its directories did (Kafka halts
    /// then, too).
    pub fn failure(&self) -> Option<String> {
        if let Some(reason) = self.metadata.offline_reason() {
            let path = self.metadata.path().display();
            return Some(format!("the metadata log directory {path} is offline: {reason}"));
        }
        let reasons: Vec<String> = self
            .members
            .iter()
            .map_while(|member| member.online().err().map(|reason| member.describe(&reason)))
            .collect();
        (reasons.len() == self.members.len())
            .then(|| format!("all log directories are offline: {}", reasons.join("; ")))
    }

    /// The directory with this id is not among those that work, and some are offline: it may be one of these.
    pub(crate) fn missing(&self, id: Uuid) -> Option<StorageError> {
        if self.by_id(id).is_some() { None } else { self.check_all_online().err() }
    }

    /// Directories that failed since the node started.
    pub(crate) fn failed(&self) -> Vec<Arc<LogDirectory>> {
        let opened = self.members.iter().filter_map(|member| member.directory.clone());
        opened.filter(|directory| directory.offline_reason().is_some()).collect()
    }

    /// Whether a directory of this path is configured: absolute paths are compared, as Kafka does.
    ///
    /// `None`: it is not; otherwise the directory, or why it does not work.
    pub fn by_path(&self, path: &Path) -> Option<Result<Arc<LogDirectory>, Arc<str>>> {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let wanted = absolute(path);
        let member = self.members.iter().find(|member| absolute(&member.path) == wanted)?;
        Some(member.online().map(Arc::clone))
    }

    fn homes(&self) -> MutexGuard<'_, Homes> {
        // Nothing that runs under this lock panics half-way through a change.
        self.homes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    fn online(&self) -> Result<&Arc<LogDirectory>, Arc<str>> {
        let Some(directory) = &self.directory else {
            return Err(self.reason.clone().unwrap_or_else(|| "it could not be opened".into()));
        };
        match directory.offline_reason() {
            None => Ok(directory),
            Some(reason) => Err(reason),
        }
    }

    fn describe(&self, reason: &str) -> String {
        format!("{} ({reason})", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_ids::{NodeId, TopicId};
    use ottla_storage::{DirectoryOptions, Disk, LogConfig, SimulatedDisk};
    use std::io;

    fn partition(index: i32) -> TopicPartition {
        TopicPartition::new("t", index)
    }

    fn open(disk: &SimulatedDisk, path: &str) -> Arc<LogDirectory> {
        let options = DirectoryOptions { cluster_id: Some("c".to_owned()), node_id: NodeId(1) };
        LogDirectory::open(Disk::Simulated(disk.clone()), Path::new(path), &options).unwrap()
    }

    /// Three directories on three disks; the metadata log is in the first.
    fn three() -> (Vec<SimulatedDisk>, Directories) {
        let disks: Vec<SimulatedDisk> = (0..3).map(SimulatedDisk::new).collect();
        let opened: Vec<_> = disks.iter().zip(["/a", "/b", "/c"]).map(|(it, path)| open(it, path)).collect();
        let members = opened.iter().map(|it| (it.path().to_owned(), Ok(Arc::clone(it)))).collect();
        let directories = Directories::new(members, Arc::clone(&opened[0])).unwrap();
        (disks, directories)
    }

    fn place(directories: &Directories, index: i32, assigned: Option<Uuid>) -> String {
        match directories.place(&partition(index), assigned) {
            Ok(directory) => directory.path().display().to_string(),
            Err(error) => error.to_string(),
        }
    }

    /// Makes a directory fail, as a write does that the disk refuses.
    fn fail(disk: &SimulatedDisk, directory: &LogDirectory) {
        disk.fail_writes(Some(io::ErrorKind::Other));
        let mark = (TopicPartition::new("t", 99), ottla_ids::Offset(7));
        directory.write_high_watermarks([mark]).unwrap_err();
    }

    #[test]
    fn a_new_partition_goes_where_the_fewest_are() {
        let (_, directories) = three();
        let placed: Vec<String> = (0..5).map(|index| place(&directories, index, None)).collect();
        assert_eq!(placed, ["/a", "/b", "/c", "/a", "/b"]);
        directories.forget(&partition(0));
        directories.forget(&partition(3));
        assert_eq!(place(&directories, 5, None), "/a");
        assert_eq!(directories.home(&partition(4)).unwrap().path(), Path::new("/b"));
        assert!(directories.home(&partition(0)).is_none());
        // One that moves counts where it lies then.
        let third = directories.by_path(Path::new("/c")).unwrap().unwrap();
        directories.set_home(&partition(4), &third);
        assert_eq!([6, 7].map(|index| place(&directories, index, None)), ["/a", "/b"]);
    }

    #[test]
    fn the_directory_that_the_metadata_names_is_taken() {
        let (_, directories) = three();
        let id = directories.states()[2].directory.as_ref().unwrap().id();
        assert_eq!(place(&directories, 0, Some(id)), "/c");
        assert_eq!(place(&directories, 1, Some(id)), "/c");
        // One that is not configured any more, while all that are work.
        assert_eq!(place(&directories, 2, Some(Uuid::from_u128(77))), "/a");
    }

    #[test]
    fn a_wish_for_a_directory_that_fails_meanwhile_is_forgotten_and_so_are_too_many_wishes() {
        let (disks, directories) = three();
        let second = directories.by_path(Path::new("/b")).unwrap().unwrap();
        for index in 0..=PREFERRED_MAX as i32 {
            directories.prefer(&partition(index), &second);
        }
        assert_eq!(place(&directories, PREFERRED_MAX as i32, None), "/a", "it was one too many");
        assert_eq!(place(&directories, 1, None), "/b");
        fail(&disks[1], &second);
        assert_ne!(place(&directories, 2, None), "/b");
    }

    #[test]
    fn a_cordoned_directory_gets_nothing_new() {
        let (disks, directories) = three();
        let ids = [0, 1, 2].map(|index| directories.states()[index].directory.as_ref().unwrap().id());
        assert_eq!(place(&directories, 0, None), "/a");
        directories.cordon(&["/b".to_owned(), "/x".to_owned()]);
        let placed: Vec<String> = (1..5).map(|index| place(&directories, index, None)).collect();
        assert_eq!(placed, ["/c", "/a", "/c", "/a"]);
        // Who named it before goes on.
        assert_eq!(place(&directories, 5, Some(ids[1])), "/b");
        assert_eq!(directories.cordoned(), [ids[1]]);
        assert_eq!(
            directories.ids_of(&["/c/".to_owned(), "/x".to_owned(), "/a".to_owned()]),
            [ids[0], ids[2]]
        );
        let told: Vec<bool> = directories.states().iter().map(|state| state.cordoned).collect();
        assert_eq!(told, [false, true, false]);

        // All are cordoned: what comes nevertheless was wanted here.
        directories.cordon(&["/a", "/b", "/c"].map(str::to_owned));
        assert_eq!(place(&directories, 6, None), "/b");
        fail(&disks[2], &directories.by_path(Path::new("/c")).unwrap().unwrap());
        assert_eq!(directories.cordoned(), ids[..2]);

        directories.cordon(&[]);
        assert_eq!(directories.cordoned(), []);
    }

    #[test]
    fn a_failed_directory_gets_nothing_and_hides_nothing() {
        let (disks, directories) = three();
        let third = directories.by_path(Path::new("/c")).unwrap().unwrap();
        fail(&disks[2], &third);
        assert_eq!(directories.online().len(), 2);
        assert!(directories.by_id(third.id()).is_none());
        assert!(directories.missing(third.id()).is_some());
        assert_eq!(directories.failure(), None);
        let placed: Vec<String> = (0..3).map(|index| place(&directories, index, None)).collect();
        assert_eq!(placed, ["/a", "/b", "/a"]);
        let refused = place(&directories, 3, Some(third.id()));
        assert!(refused.starts_with("log directory /c is offline"), "{refused}");
        assert!(directories.home(&partition(3)).is_none());
    }

    #[test]
    fn the_node_fails_with_its_metadata_directory_or_with_all_directories() {
        let (disks, directories) = three();
        fail(&disks[0], &directories.by_path(Path::new("/a")).unwrap().unwrap());
        assert!(directories.failure().unwrap().contains("/a is offline"));

        let (disks, members) = three();
        let metadata = open(&SimulatedDisk::new(9), "/m");
        let members =
            members.states().into_iter().map(|it| (it.path, it.directory.map_err(|it| it.to_string())));
        let directories = Directories::new(members.collect(), metadata).unwrap();
        for (disk, state) in disks.iter().zip(directories.states()) {
            assert_eq!(directories.failure(), None);
            fail(disk, &state.directory.unwrap());
        }
        assert!(directories.failure().unwrap().starts_with("all log directories are offline"));
    }

    #[test]
    fn a_partition_in_two_directories_is_refused() {
        let disk = SimulatedDisk::new(1);
        let [first, second] = ["/a", "/b"].map(|path| open(&disk, path));
        for directory in [&first, &second] {
            let topic = TopicId::from_u128(5);
            directory.open_log(&partition(0), topic, LogConfig::default(), 1).unwrap();
        }
        let members = [&first, &second].map(|it| (it.path().to_owned(), Ok(Arc::clone(it))));
        let error = Directories::new(members.into(), first).unwrap_err();
        assert!(error.to_string().starts_with("partition t-0 is found in both /a/t-0 and /b/t-0"), "{error}");
    }

    #[test]
    fn a_metadata_log_where_it_should_not_be_is_refused() {
        let disk = SimulatedDisk::new(1);
        let [first, second] = ["/a", "/b"].map(|path| open(&disk, path));
        let metadata = TopicPartition::new(METADATA_LOG, 0);
        second.open_log(&metadata, TopicId::METADATA_TOPIC, LogConfig::default(), 1).unwrap();
        let members = [&first, &second].map(|it| (it.path().to_owned(), Ok(Arc::clone(it))));
        let error = Directories::new(members.into(), first).unwrap_err();
        assert!(error.to_string().starts_with("found unexpected metadata location"), "{error}");
    }

    #[test]
    fn a_directory_that_could_not_be_opened_is_named_with_the_reason() {
        let (_, directories) = three();
        let mut members: Vec<_> = directories
            .states()
            .into_iter()
            .map(|it| (it.path, it.directory.map_err(|it| it.to_string())))
            .collect();
        let metadata = members[0].1.clone().unwrap();
        members[1].1 = Err("no such device".to_owned());
        let directories = Directories::new(members, metadata).unwrap();
        let state = &directories.states()[1];
        assert_eq!(&**state.directory.as_ref().unwrap_err(), "no such device");
        assert!(directories.by_path(Path::new("/b")).unwrap().is_err());
        assert!(directories.by_path(Path::new("/x")).is_none());
        let refused = place(&directories, 0, Some(Uuid::from_u128(77)));
        assert!(refused.contains("/b is offline"), "{refused}");
    }
}
