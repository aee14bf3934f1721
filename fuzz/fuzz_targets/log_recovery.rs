//! A log whose files were damaged in any way a list of bytes can say, some of it with checksums made
//! right again. Opening never panics; what opens can be read, written, closed and opened again.
#![no_main]

#[path = "../../engine/tests/support/mod.rs"]
mod support;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use homeroom_engine::log::{
    Commit, CommitId, Log, LogPosition, OpenError, OpenReport, SegmentLog, SegmentOptions,
    TenantId,
    disk::{Disk, OpenMode},
    verify,
};
use homeroom_fuzz::Choices;
use libfuzzer_sys::fuzz_target;

use support::model_disk::ModelDisk;

const TENANT: TenantId = TenantId([7; 16]);
const SALT: [u8; 16] = *b"start-mrseedseed";
const FOLDER: &str = "/tenant/log";
const MARK: &str = "/tenant/mark";
/// Small, so that a few commits fill one.
const SEGMENT_BYTES: u64 = 512;
/// Longest file that damage makes; a mark has 4192 bytes.
const FILE_BYTES_MAX: usize = 8192;

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices::new(bytes);
    let base = &bases()[choices.below(3)];
    let suspect = choices.below(4) == 0;
    let disk = ModelDisk::default();
    let mut files = base.clone();
    while !choices.is_empty() {
        damage(&mut choices, &mut files);
    }
    for (path, content) in &files {
        write(&disk, path, content);
    }
    // It reads what opening reads and more, so it may refuse where opening does not; never the reverse.
    let verified = verify(&disk, Path::new(FOLDER), Path::new(MARK), TENANT);
    let Ok((log, report)) = open(&disk, suspect) else {
        assert!(verified.is_err(), "a log that is whole does not open");
        return;
    };
    use_it(&log, &report);
    let held = log.bounds();
    drop(log);
    let (log, _) = open(&disk, false).expect("what was opened once opens again");
    assert_eq!(log.bounds(), held, "what was shown once stays");
});

/// Everything an owner does with a log. Records under a footer may be damaged: reading says so.
fn use_it(log: &SegmentLog, report: &OpenReport) {
    let bounds = log.bounds();
    if let Ok(records) = log.read(bounds.first, usize::MAX) {
        for (record, position) in records.iter().zip(bounds.first.0..) {
            assert_eq!(record.position.0, position, "positions are dense");
        }
    }
    let commit = Commit {
        id: CommitId([0xcc; 16]),
        expected: bounds.last,
        writer: report.writer,
        records: vec![Bytes::from_static(b"after the damage")],
    };
    let appended = log.append(&commit).expect("an opened log takes a commit");
    assert_eq!(appended.first, bounds.last.next());
    let read = log
        .read(appended.first, usize::MAX)
        .expect("what was appended can be read");
    assert_eq!(read[0].bytes, commit.records[0]);
    assert_eq!(read.len(), 1);
}

type Files = Vec<(PathBuf, Vec<u8>)>;

/// Three logs of some segments: closed in order, crashed, and new.
fn bases() -> &'static [Files; 3] {
    static BASES: OnceLock<[Files; 3]> = OnceLock::new();
    BASES.get_or_init(|| [base(6, true), base(6, false), base(0, false)])
}

fn base(commits: u8, closed: bool) -> Files {
    let disk = ModelDisk::default();
    let (log, report) = open(&disk, false).expect("an empty folder opens");
    let mut last = LogPosition::START;
    for number in 0..commits {
        let records = (0..=number % 3).map(|_| Bytes::from(vec![number; 40]));
        let commit = Commit {
            id: CommitId([number; 16]),
            expected: last,
            writer: report.writer,
            records: records.collect(),
        };
        last = log.append(&commit).expect("a disk in memory takes it").last;
    }
    if closed {
        log.close().expect("a disk in memory takes it");
    }
    let names = disk.list(Path::new(FOLDER)).expect("it is there");
    let segments = names.iter().map(|name| Path::new(FOLDER).join(name));
    let paths = segments.chain([PathBuf::from(MARK)]);
    paths
        .map(|path| (path.clone(), disk.content(&path)))
        .collect()
}

fn open(disk: &ModelDisk, suspect: bool) -> Result<(SegmentLog, OpenReport), OpenError> {
    let options = SegmentOptions {
        segment_bytes: SEGMENT_BYTES,
        suspect,
        ..SegmentOptions::new(TENANT, Arc::new(|| SALT))
    };
    let disk = Arc::new(disk.clone());
    SegmentLog::open(disk, Path::new(FOLDER), Path::new(MARK), options)
}

fn write(disk: &ModelDisk, path: &Path, content: &[u8]) {
    let file = disk.open(path, OpenMode::Create).expect("a disk in memory");
    file.write_at(content, 0).expect("a disk in memory");
}

/// One thing that goes wrong with one file.
fn damage(choices: &mut Choices<'_>, files: &mut Files) {
    let which = choices.below(files.len().max(1));
    let what = choices.below(10);
    if what == 0 {
        let first = choices.number();
        let ending = if choices.flag() { "log" } else { "tmp" };
        let path = Path::new(FOLDER).join(format!("{first:020}.{ending}"));
        files.retain(|(other, _)| *other != path);
        files.push((path, choices.bytes().to_vec()));
        return;
    }
    if files.is_empty() {
        return;
    }
    let other = choices.below(files.len());
    let at = usize::from(u16::from_le_bytes([choices.byte(), choices.byte()]));
    let content = &mut files[which].1;
    match what {
        1 => drop(files.remove(which)),
        2 => {
            let copied = files[which].1.clone();
            files[other].1 = copied;
        }
        3 => content.truncate(at % (content.len() + 1)),
        4 => content.resize((content.len() + at).min(FILE_BYTES_MAX), 0),
        5 => content.extend_from_slice(choices.bytes()),
        6 => {
            let at = at % (content.len() + 1);
            for (place, &byte) in content[at..].iter_mut().zip(choices.bytes()) {
                *place = byte;
            }
        }
        7 => content.clear(),
        _ => make_checksums_right(content),
    }
    for (_, content) in files {
        content.truncate(FILE_BYTES_MAX);
    }
}

/// Makes every checksum in a file fit what it covers, as far as the file has the shape of a mark or a
/// segment: what is behind the checksums must stand firm too.
fn make_checksums_right(content: &mut [u8]) {
    let header_crc =
        |bytes: &[u8]| crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..]);
    if content.starts_with(b"HRHWMARK") {
        for at in [0, 4096] {
            if let Some(slot) = content.get_mut(at..at + 96) {
                let crc = header_crc(slot);
                slot[12..16].copy_from_slice(&crc.to_le_bytes());
            }
        }
        return;
    }
    let Some(header) = content.get_mut(..64) else {
        return;
    };
    let crc = header_crc(header);
    header[12..16].copy_from_slice(&crc.to_le_bytes());
    let salt: [u8; 16] = header[48..64].try_into().expect("sixteen bytes");
    let salted = |bytes: &[u8]| crc32c::crc32c_append(crc32c::crc32c(&salt[8..]), bytes);
    let mut at = 64;
    while let Some(commit) = content.get_mut(at..)
        && commit.len() >= 96
        && commit.starts_with(&salt[..8])
    {
        let body = u32::from_le_bytes(commit[84..88].try_into().expect("four bytes"));
        let Some(commit) = commit.get_mut(..96 + body as usize) else {
            break;
        };
        let crc = salted(&commit[12..]);
        commit[8..12].copy_from_slice(&crc.to_le_bytes());
        at += commit.len();
    }
    let Some(table) = content.get_mut(at..) else {
        return;
    };
    if table.len() >= 80 {
        let (table, trailer) = table.split_at_mut(table.len() - 80);
        let crc = salted(table);
        trailer[12..16].copy_from_slice(&crc.to_le_bytes());
        let crc = salted(&trailer[12..]);
        trailer[8..12].copy_from_slice(&crc.to_le_bytes());
    }
}
