//! Real disks that are full, or fail, below a real broker: a small file system that clients fill, kill -9 in that
//! state, and a disk of two that turns read-only. What was acked is there ever after, and nothing needs a restart
//! to go on but the failed disk. Where this process may not mount, the step says so; the simulated disk's tests
//! (`crates/storage`, `crates/partition`) have the same cases.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::dump::output;
use super::ottla::Ottla;
use crate::tools::Tools;

/// The journal and what is kept back take most of it: some 6 MB are left for records.
const SMALL: &str = "24m";
/// Of the disk that fails, in bytes: more than ext4 and a few records need.
const FAILING: u64 = 64 << 20;

/// A file system that a test has mounted. Unmounted when dropped.
struct Mount {
    folder: PathBuf,
}

impl Mount {
    /// Mounts at `folder`, which is created; fails where this process may not.
    fn new(folder: &Path, arguments: &[&str]) -> Result<Mount> {
        fs::create_dir_all(folder)?;
        output(Command::new("mount").args(arguments).arg(folder))?;
        Ok(Mount { folder: folder.to_path_buf() })
    }

    /// An ext4 in a file, which turns read-only when it meets an error.
    fn failing(folder: &Path, image: &Path) -> Result<Mount> {
        let image = image.display().to_string();
        Mount::new(folder, &["-o", "loop,errors=remount-ro", &image])
    }

    /// As if the disk had answered with an error: from now on every write fails.
    fn fail(&self) -> Result<()> {
        let mut findmnt = Command::new("findmnt");
        let device =
            output(findmnt.args(["--noheadings", "--output", "SOURCE", "--target"]).arg(&self.folder))?;
        let name = device.trim().rsplit('/').next().unwrap_or_default().to_owned();
        let trigger = format!("/sys/fs/ext4/{name}/trigger_fs_error");
        fs::write(&trigger, "a test").with_context(|| trigger)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily, should somebody still look on.
        Command::new("umount").arg("--lazy").arg(&self.folder).stderr(Stdio::null()).status().ok();
    }
}

/// What was seen.
pub fn run(tools: &Tools, ottla: &Path, folder: &Path) -> Result<String> {
    let full =
        match Mount::new(&folder.join("small"), &["-t", "tmpfs", "-o", &format!("size={SMALL}"), "tmpfs"]) {
            Ok(mount) => full(tools, ottla, folder, &mount)?,
            Err(error) => format!("skipped: no file system can be mounted here ({error:#})\n"),
        };
    let image = folder.join("image");
    File::create(&image)?.set_len(FAILING)?;
    let made = output(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image));
    let mount = made.and_then(|_| Mount::failing(&folder.join("failing"), &image));
    let failing = match mount {
        Ok(mount) => failing(tools, ottla, folder, &image, mount)?,
        Err(error) => format!("skipped: no ext4 on a loop device can be mounted here ({error:#})\n"),
    };
    Ok(full + &failing)
}

/// Runs `compat/disks/disks.py`; what it saw.
fn client(tools: &Tools, ottla: &Ottla, acks: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("python3");
    command
        .arg("-B")
        .arg(tools.compat("disks/disks.py"))
        .arg(ottla.port.to_string())
        .arg(acks)
        .args(arguments);
    output(&mut command)
}

/// One directory on a small file system.
fn full(tools: &Tools, binary: &Path, folder: &Path, mount: &Mount) -> Result<String> {
    let data = mount.folder.join("data").display().to_string();
    let acks = folder.join("acks-full");
    let log_dirs = format!("log.dirs={data}");
    let settings = [
        log_dirs.as_str(),
        "log.segment.delete.delay.ms=0",
        "log.initial.task.delay.ms=100",
        "log.retention.check.interval.ms=100",
        "offsets.topic.num.partitions=1",
    ];
    let mut ottla = Ottla::start(binary, &folder.join("full"), &settings)?;
    let mut told = client(tools, &ottla, &acks, &["full", &data])?;
    ottla.kill()?;
    ottla.start_again()?;
    told += &client(tools, &ottla, &acks, &["after-kill", &data])?;

    let filler = mount.folder.join("filler");
    fill(&filler)?;
    told += &client(tools, &ottla, &acks, &["last-byte"])?;
    fs::remove_file(&filler)?;
    told += &client(tools, &ottla, &acks, &["room", "first"])?;
    fill(&filler)?;
    told += &client(tools, &ottla, &acks, &["last-byte"])?;
    ottla.kill()?;
    fs::remove_file(&filler)?;
    ottla.start_again()?;
    told += &client(tools, &ottla, &acks, &["room", "second"])?;

    // Stopped in order, and the disk filled to the last byte meanwhile.
    for what in ["records", "retention", "topic"] {
        client(tools, &ottla, &acks, &["refill", &data])?;
        ottla.stop()?;
        fill(&filler)?;
        ottla.start_again()?;
        told += &client(tools, &ottla, &acks, &["start-full", what])?;
        fs::remove_file(&filler)?;
        told += &client(tools, &ottla, &acks, &["room", what])?;
    }
    ottla.stop()?;
    output(Command::new(binary).args(["log", "check", &data])).context("ottla log check")?;
    no_panic(&ottla)?;
    Ok(told)
}

/// Takes all the room there is.
fn fill(path: &Path) -> Result<()> {
    let mut file = File::create(path)?;
    for size in [1 << 16, 1 << 12, 1] {
        let bytes = vec![7; size];
        while file.write_all(&bytes).is_ok() {}
    }
    Ok(())
}

/// Two directories, one of them on a disk that fails.
fn failing(tools: &Tools, binary: &Path, folder: &Path, image: &Path, mount: Mount) -> Result<String> {
    let (first, second) = (folder.join("sound"), mount.folder.clone());
    fs::create_dir_all(&first)?;
    let data = format!("{},{}", first.canonicalize()?.display(), second.join("data").display());
    let acks = folder.join("acks-failing");
    let mut ottla = Ottla::start(binary, &folder.join("two"), &[&format!("log.dirs={data}")])?;
    client(tools, &ottla, &acks, &["spread", &data])?;
    mount.fail()?;
    let mut told = client(tools, &ottla, &acks, &["failed", &data])?;
    ottla.kill()?;
    drop(mount);
    // It mends what the abrupt end has left; 1 says that it did.
    let status = Command::new("e2fsck").args(["-p", "-f"]).arg(image).stdout(Stdio::null()).status()?;
    ensure!(status.code().is_some_and(|code| code < 2), "e2fsck ended with {status}");
    let _mount = Mount::failing(&second, image)?;
    ottla.start_again()?;
    told += &client(tools, &ottla, &acks, &["mended"])?;
    ottla.stop()?;
    no_panic(&ottla)?;
    Ok(told)
}

fn no_panic(ottla: &Ottla) -> Result<()> {
    let panics: Vec<String> =
        ottla.complaints().into_iter().filter(|line| line.contains("panicked")).collect();
    ensure!(panics.is_empty(), "{}", panics.join("\n"));
    Ok(())
}
