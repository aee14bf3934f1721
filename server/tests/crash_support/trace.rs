//! What a host did to its disk, deed by deed, as the shim wrote it down.

use std::path::PathBuf;

/// Bytes of a record before what follows it.
const HEAD_BYTES: usize = 24;
const CREATED: u8 = 1;
const TRUNCATED: u8 = 2;
const FOLDER: u8 = 4;
const FAILED: u8 = 8;

/// A record, and where in the trace it ends.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) end: u64,
    pub(crate) deed: Deed,
}

/// What was done. Files are named by their descriptors, offsets and lengths are bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Opened {
        fd: i32,
        path: PathBuf,
        created: bool,
        truncated: bool,
        folder: bool,
    },
    Closed {
        fd: i32,
    },
    Copied {
        fd: i32,
        to: i32,
    },
    Written {
        fd: i32,
        offset: u64,
        bytes: Vec<u8>,
    },
    Sized {
        fd: i32,
        bytes: u64,
    },
    SyncBegan {
        fd: i32,
        token: u64,
    },
    SyncEnded {
        token: u64,
        failed: bool,
    },
    Renamed {
        from: PathBuf,
        to: PathBuf,
    },
    Removed {
        path: PathBuf,
    },
    FolderMade {
        path: PathBuf,
    },
}

/// Reads a whole trace.
pub(crate) fn read(trace: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    let mut at = 0;
    while at < trace.len() {
        let bytes = usize::try_from(u32::from_le_bytes(array(trace, at))).unwrap();
        let record = &trace[at..at + bytes];
        at += bytes;
        records.push(Record {
            end: at as u64,
            deed: deed(record),
        });
    }
    records
}

fn deed(record: &[u8]) -> Deed {
    let (head, more) = record.split_at(HEAD_BYTES);
    let (kind, flags) = (head[4], head[5]);
    let fd = i32::from_le_bytes(array(head, 8));
    let value = u64::from_le_bytes(array(head, 16));
    let path = |bytes: &[u8]| PathBuf::from(std::str::from_utf8(bytes).unwrap());
    match kind {
        1 => Deed::Opened {
            fd,
            path: path(more),
            created: flags & CREATED != 0,
            truncated: flags & TRUNCATED != 0,
            folder: flags & FOLDER != 0,
        },
        2 => Deed::Closed { fd },
        3 => Deed::Copied {
            fd,
            to: i32::try_from(value).unwrap(),
        },
        4 => Deed::Written {
            fd,
            offset: value,
            bytes: more.to_vec(),
        },
        5 => Deed::Sized { fd, bytes: value },
        6 => Deed::SyncBegan { fd, token: value },
        7 => Deed::SyncEnded {
            token: value,
            failed: flags & FAILED != 0,
        },
        8 => {
            let between = more.iter().position(|byte| *byte == b'\n').unwrap();
            Deed::Renamed {
                from: path(&more[..between]),
                to: path(&more[between + 1..]),
            }
        }
        9 => Deed::Removed { path: path(more) },
        10 => Deed::FolderMade { path: path(more) },
        other => panic!("the shim writes no record of kind {other}"),
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().unwrap()
}
