//! The recovery points of a directory that has lost the file of them.
//!
//! Without recovery points a recovery would take any damage for the torn end of a log, and cut off all that was
//! ever acked behind it. So each log that has segments is given the base of its last one: older segments are
//! taken for whole, and damage in them is told, never cut.

use crate::checkpoint::{Offsets, RECOVERY_POINTS, offsets_text, write_offsets};
use crate::directory::parse_partition;
use crate::disk::Disk;
use crate::error::{Context, StorageError};
use crate::inspect::{FileKind, FileMark, FileName};
use ottla_ids::Offset;
use std::path::Path;

/// Recovery points in place of those that were lost, durable when it returns. A directory without logs gets an
/// empty file, so that a later start knows that it never had more; its name is durable when that of the first log
/// is, since both are in the same folder.
pub(crate) fn recovery_points(disk: &Disk, path: &Path) -> Result<Offsets, StorageError> {
    let mut points = Offsets::new();
    let mut has_logs = false;
    for entry in disk.list(path).at("list", path)?.iter().filter(|entry| entry.is_folder) {
        let Some(partition) = parse_partition(&entry.name) else { continue };
        let folder = path.join(&entry.name);
        let names = disk.list(&folder).at("list", &folder)?;
        let segments = names.iter().filter_map(|entry| {
            let name = FileName::parse(&entry.name);
            let is_segment = name.kind == FileKind::Records && name.mark == FileMark::Live;
            name.base.filter(|_| is_segment)
        });
        let last = segments.max();
        has_logs |= last.is_some();
        points.extend(last.filter(|base| Offset::ZERO < *base).map(|base| (partition, base)));
    }
    if !points.is_empty() {
        tracing::error!(
            "{} is lost: {} logs are recovered from their last segment on, what is before it is taken for whole; \
             `ottla log check` verifies that",
            path.join(RECOVERY_POINTS).display(),
            points.len()
        );
    }
    let file = path.join(RECOVERY_POINTS);
    if has_logs {
        write_offsets(disk, &file, &points)?;
    } else {
        disk.replace_unsynced(&file, offsets_text(&points).as_bytes())?;
    }
    Ok(points)
}
