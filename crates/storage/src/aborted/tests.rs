use super::*;
use crate::disk::{Disk, SimulatedDisk};
use std::path::Path;

fn folder() -> Arc<Folder> {
    let disk = Disk::Simulated(SimulatedDisk::new(1));
    disk.create_folders(Path::new("/log")).unwrap();
    let files = crate::open_files::OpenFiles::of_process();
    Arc::new(Folder { disk, path: Path::new("/log").to_owned(), files })
}

/// In the words `producer:first-last`, each stable right behind its marker, or `producer:first-last~stable`.
fn entries(text: &str) -> Vec<AbortedTransaction> {
    let number = |text: &str| text.parse::<i64>().unwrap();
    let words = text.split_whitespace().map(|word| {
        let (id, range) = word.split_once(':').unwrap();
        let (first, last) = range.split_once('-').unwrap();
        let (last, stable) = match last.split_once('~') {
            Some((last, stable)) => (number(last), number(stable)),
            None => (number(last), number(last) + 1),
        };
        AbortedTransaction {
            producer_id: ProducerId(number(id)),
            first_offset: Offset(number(first)),
            last_offset: Offset(last),
            last_stable_offset: Offset(stable),
        }
    });
    words.collect()
}

fn collected(index: &AbortedIndex, file: &IndexFile<'_>, from: i64, end: i64) -> (Vec<i64>, bool) {
    let mut found = Vec::new();
    let is_complete = index.collect(file, Offset(from), Offset(end), &mut found).unwrap();
    (found.iter().map(|entry| entry.last_offset.0).collect(), is_complete)
}

#[test]
fn entries_are_those_of_apache_kafka() {
    let mut bytes = Vec::new();
    entries("258:3-5~4")[0].encode(&mut bytes);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "000000000000000001020000000000000003000000000000000500000000000000".to_owned() + "04");
    assert_eq!(decode_all(&bytes), Some(entries("258:3-5~4")));
}

#[test]
fn a_damaged_file_is_found_out() {
    let bytes = encode_all(&entries("1:0-2 2:1-4"));
    assert!(decode_all(&bytes[..67]).is_none(), "cut off");
    let twice = [bytes.clone(), bytes.clone()].concat();
    assert!(decode_all(&twice).is_none(), "markers that fall back");
    let mut version = bytes.clone();
    version[35] = 1;
    assert!(decode_all(&version).is_none(), "another version");
    assert!(decode_all(&[0; 34]).is_none(), "a hole");
}

#[test]
fn what_overlaps_a_read_is_found_and_the_search_ends_where_nothing_more_can() {
    let folder = folder();
    let file = IndexFile { folder: &folder, base: Offset(0), mark: "" };
    let index = AbortedIndex::existing();
    assert_eq!(index.load(&file, || panic!("nothing to rebuild")).unwrap(), 0);
    assert!(!folder.disk.exists(&file.path()).unwrap(), "no file without aborted transactions");
    index.append(&file, &entries("1:0-5~2 2:2-9 3:10-12")).unwrap();
    index.append(&file, &entries("1:20-30")).unwrap();
    assert_eq!(collected(&index, &file, 0, 2), (vec![5], true));
    assert_eq!(collected(&index, &file, 0, 10), (vec![5, 9], true));
    assert_eq!(collected(&index, &file, 6, 21), (vec![9, 12, 30], true));
    assert_eq!(collected(&index, &file, 12, 15), (vec![12], true));
    assert_eq!(collected(&index, &file, 13, 15), (vec![], true));
    assert_eq!(collected(&index, &file, 31, 40), (vec![], false));
    let many: Vec<AbortedTransaction> =
        (4..300).flat_map(|n| entries(&format!("9:{}-{}", n * 10, n * 10 + 9))).collect();
    index.append(&file, &many).unwrap();
    let (found, _) = collected(&index, &file, 1005, 2500);
    assert_eq!((found.first(), found.last(), found.len()), (Some(&1009), Some(&2499), 150));
}

#[test]
fn a_truncation_leaves_what_ends_before_it() {
    let folder = folder();
    let file = IndexFile { folder: &folder, base: Offset(0), mark: "" };
    let index = AbortedIndex::existing();
    index.append(&file, &entries("1:0-5 2:6-9 3:10-12")).unwrap();
    index.truncate(&file, Offset(12), &[]).unwrap();
    assert_eq!(decode_all(&file.read().unwrap().unwrap()), Some(entries("1:0-5 2:6-9")));
    index.truncate(&file, Offset(6), &entries("4:7-8")).unwrap();
    assert_eq!(decode_all(&file.read().unwrap().unwrap()), Some(entries("1:0-5 4:7-8")));
    index.truncate(&file, Offset(5), &[]).unwrap();
    assert_eq!(file.read().unwrap(), None);
}

#[test]
fn a_damaged_file_is_made_anew() {
    let folder = folder();
    let file = IndexFile { folder: &folder, base: Offset(0), mark: "" };
    let disk_file = folder.disk.create(&file.path()).unwrap();
    disk_file.write_all_at(&mut [IoSlice::new(&[7; 50])], 0).unwrap();
    let index = AbortedIndex::existing();
    assert_eq!(index.load(&file, || Ok(entries("1:0-5 2:6-9"))).unwrap(), 2);
    assert_eq!(decode_all(&file.read().unwrap().unwrap()), Some(entries("1:0-5 2:6-9")));
}
