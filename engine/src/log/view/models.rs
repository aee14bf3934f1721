//! Reads of sealed segments beside each other, and beside a trim.

use loom::thread;

use super::*;
use crate::{
    log::{
        LogEpoch, TenantId, commit::Salt, disk::Reserve, opened::OpenSegments, segment::Trailer,
    },
    sync::explore,
};

/// One that nobody reads in earnest.
#[derive(Debug)]
struct File;

impl DiskFile for File {
    fn size(&self) -> io::Result<u64> {
        Ok(0)
    }

    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        Ok(0)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn set_size(&self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn reserve(&self, _: u64, _: u64) -> io::Result<Reserve> {
        Ok(Reserve::Done)
    }
}

/// A log of two sealed segments, one record in each.
fn view(among: &Arc<OpenSegments>) -> Arc<Mutex<View>> {
    let sealed = [1, 2].map(|position| {
        let position = LogPosition(position);
        Arc::new(Sealed {
            header: SegmentHeader {
                tenant: TenantId([0; 16]),
                epoch: LogEpoch(1),
                first: position,
                salt: Salt([0; 16]),
            },
            trailer: Trailer {
                commits_end: 0,
                entries: 0,
                table_crc: 0,
                last: position,
                newest: None,
            },
            table: std::sync::OnceLock::new(),
        })
    });
    Arc::new(Mutex::new(View {
        bounds: Bounds {
            first: LogPosition(1),
            last: LogPosition(2),
        },
        sealed: sealed.into(),
        tail: None,
        opened: Opened::among(among),
        failure: None,
    }))
}

fn read(view: &Mutex<View>, first: u64) {
    open(view, LogPosition(first), || Ok(Arc::new(File))).unwrap();
}

#[test]
fn a_segment_that_is_trimmed_while_it_is_opened_is_not_held() {
    explore(|| {
        let among = OpenSegments::new(2);
        let view = view(&among);
        let reading = {
            let view = Arc::clone(&view);
            thread::spawn(move || read(&view, 1))
        };
        locked(&view).drop_oldest().unwrap();
        reading.join().unwrap();
        assert_eq!(among.open_count(), 0, "its space is not kept");
        read(&view, 2);
        assert_eq!(among.open_count(), 1);
    });
}

#[test]
fn logs_that_are_read_at_once_hold_no_more_segments_than_they_may_and_none_behind_their_end() {
    explore(|| {
        let among = OpenSegments::new(1);
        let readers = [1, 2].map(|_| {
            let (among, view) = (Arc::clone(&among), view(&among));
            thread::spawn(move || {
                for segment in [1, 2] {
                    read(&view, segment);
                    assert!(among.open_count() <= 1);
                }
            })
        });
        for reader in readers {
            reader.join().unwrap();
        }
        assert_eq!(among.open_count(), 0);
    });
}
