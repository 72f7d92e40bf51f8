//! A full page cache, as every machine has it that has run for a day.
//!
//! Memory that nobody uses is dear at its first use on virtual machines: the host takes free pages back and
//! gives them again one fault at a time, 1.5 s of CPU for a GB on the machine of the first results, more than all that
//! either broker does with it. So the cache is kept full of a file that nobody needs: a page that a
//! broker wants is then one of that file's, which is given up for it.

use std::fs::{self, File};
use std::io::Write;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{Advice, fadvise};

use super::machine;

/// Written, or asked for, at once. Bytes.
const BLOCK: usize = 4 << 20;

/// The cache is full when no more than so much memory is free; the kernel begins to make room below some 100 MB.
const FREE_MAX: u64 = 200 << 20;

/// The file that fills the page cache; removed when dropped.
pub(super) struct PageCache {
    file: File,
    path: PathBuf,
    size: u64,
}

impl PageCache {
    /// Writes a file of as many bytes as memory could hold, or a half of what the disk has free.
    pub(super) fn fill(folder: &Path) -> Result<PageCache> {
        let disk = rustix::fs::statvfs(folder)?;
        let size = machine::available_memory().min(disk.f_bavail * disk.f_frsize / 2);
        eprintln!("filling the page cache: {} MB", size / 1_000_000);
        let path = folder.join("page-cache");
        let mut file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
        let block = vec![0x5a; BLOCK];
        for _ in 0..size / BLOCK as u64 {
            file.write_all(&block).with_context(|| format!("cannot write {}", path.display()))?;
        }
        file.sync_all()?;
        Ok(PageCache { file, path, size })
    }

    /// Fills what became free since, as by deleted topics.
    pub(super) fn top_up(&self) -> Result<()> {
        let mut position = 0;
        while FREE_MAX < machine::free_memory() && position < self.size {
            fadvise(&self.file, position, NonZeroU64::new(BLOCK as u64), Advice::WillNeed)?;
            position += BLOCK as u64;
        }
        Ok(())
    }
}

impl Drop for PageCache {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.path));
    }
}
