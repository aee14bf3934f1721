//! However many tenants there are, only so many indexes are open, and nobody waits for another's.
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod index_support;

use std::{
    sync::{Arc, Mutex, atomic::Ordering::Relaxed, mpsc},
    thread,
};

use homeroom_engine::{
    index::{
        Found, Index, IndexCache, IndexError, IndexPlace, Indexer, MemoryIndex, Order, Row,
        SledPlace,
    },
    log::LogPosition,
};
use homeroom_protocol::Timestamp;
use index_support::{
    Ask, FakeLog, IDENTITY, Pad, Script, ScriptedPlace, assert_as_fresh, push_notes,
};

fn log_of(count: u64) -> FakeLog {
    let log = FakeLog::default();
    push_notes(&log, 0, count);
    log
}

fn scripted(cache: &Arc<IndexCache>) -> (Indexer<Pad>, Arc<Script>) {
    let script = Arc::new(Script::default());
    let place = Box::new(ScriptedPlace(script.clone()));
    (Indexer::new((), place, Some(cache.clone())), script)
}

fn use_it(indexer: &Indexer<Pad>, log: &FakeLog) {
    indexer.answer(log, log.end(), &Ask::Latest(1)).unwrap();
}

#[test]
fn the_least_recently_used_one_is_closed_and_opens_again_when_needed() {
    let cache = IndexCache::new(2);
    let log = log_of(10);
    let [(a, a_script), (b, b_script), (c, c_script)] = [0; 3].map(|_| scripted(&cache));
    assert_eq!(cache.open_count(), 0);
    for indexer in [&a, &b, &a, &c] {
        use_it(indexer, &log);
        assert!(cache.open_count() <= 2);
    }
    let closes = [&a_script, &b_script, &c_script].map(|script| script.closes.load(Relaxed));
    assert_eq!(closes, [0, 1, 0], "b was used least recently");
    use_it(&b, &log);
    let closes = [&a_script, &b_script, &c_script].map(|script| script.closes.load(Relaxed));
    assert_eq!(closes, [1, 1, 0]);
    assert_as_fresh(&b, &log);
    assert_eq!(b_script.opens.load(Relaxed), 2);
    assert_eq!(b_script.asides.load(Relaxed), 0);
}

#[test]
fn closed_and_dropped_indexes_are_not_counted() {
    let cache = IndexCache::new(8);
    let log = log_of(10);
    let (a, _) = scripted(&cache);
    let (b, b_script) = scripted(&cache);
    use_it(&a, &log);
    use_it(&b, &log);
    assert_eq!(cache.open_count(), 2);
    a.close();
    assert_eq!(cache.open_count(), 1);
    drop(b);
    assert_eq!(cache.open_count(), 0);
    assert_eq!(b_script.closes.load(Relaxed), 1);
}

/// Tells when it is being asked, and waits for leave to answer.
#[derive(Debug)]
struct Slow {
    index: MemoryIndex,
    asked: mpsc::Sender<()>,
    leave: Mutex<mpsc::Receiver<()>>,
}

impl Index for Slow {
    fn applied(&self) -> LogPosition {
        self.index.applied()
    }
    fn write(&self, rows: &[Row], applied: LogPosition, now: Timestamp) -> Result<(), IndexError> {
        self.index.write(rows, applied, now)
    }
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        self.asked.send(()).unwrap();
        self.leave.lock().unwrap().recv().unwrap();
        self.index.get(key)
    }
    fn range(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        rows_max: usize,
    ) -> Result<Vec<Found>, IndexError> {
        self.index.range(from, to, order, rows_max)
    }
    fn close(&self) {
        self.index.close();
    }
}

#[derive(Debug)]
struct SlowPlace(Mutex<Option<Slow>>);

impl IndexPlace for SlowPlace {
    fn name(&self) -> String {
        "script".to_owned()
    }

    fn open(&self) -> Result<Box<dyn Index>, IndexError> {
        Ok(Box::new(
            self.0.lock().unwrap().take().expect("it is opened once"),
        ))
    }
    fn set_aside(&self) -> Result<(), IndexError> {
        Ok(())
    }
}

#[test]
fn one_in_use_is_neither_closed_nor_waited_for() {
    let cache = IndexCache::new(1);
    let log = log_of(10);
    let (asked, is_asked) = mpsc::channel();
    let (give_leave, leave) = mpsc::channel();
    let slow = Slow {
        index: MemoryIndex::new(),
        asked,
        leave: Mutex::new(leave),
    };
    let place = Box::new(SlowPlace(Mutex::new(Some(slow))));
    let busy = Indexer::<Pad>::new((), place, Some(cache.clone()));
    let (other, other_script) = scripted(&cache);
    thread::scope(|scope| {
        let answer = scope.spawn(|| busy.answer(&log, log.end(), &Ask::Latest(1)));
        is_asked.recv().unwrap();
        use_it(&other, &log);
        // Looked at before leave is given, judged after: a failing test must end too.
        let closed = other_script.closes.load(Relaxed);
        give_leave.send(()).unwrap();
        assert_eq!(closed, 1, "the busy one cannot be closed");
        assert_eq!(answer.join().unwrap().unwrap().len(), 1);
    });
    assert_eq!(cache.open_count(), 1);
}

#[test]
fn many_threads_over_few_open_indexes_neither_deadlock_nor_answer_wrongly() {
    let cache = IndexCache::new(2);
    let folder = tempfile::tempdir().unwrap();
    let log = log_of(30);
    let indexers: Vec<_> = (0..6)
        .map(|n| {
            let place = SledPlace::new(&folder.path().join(format!("tenant-{n}")), IDENTITY);
            Indexer::<Pad>::new((), Box::new(place), Some(cache.clone()))
        })
        .collect();
    thread::scope(|scope| {
        for thread in 0..4 {
            let (indexers, log) = (&indexers, &log);
            scope.spawn(move || {
                for n in 0..20 {
                    let at = (n * (thread + 1) + thread) % indexers.len();
                    let answer = indexers[at].answer(log, log.end(), &Ask::Event(5));
                    assert_eq!(answer.unwrap()[0].1, b"4");
                }
            });
        }
    });
    assert!(cache.open_count() <= 2);
    for indexer in &indexers {
        assert_as_fresh(indexer, &log);
    }
    let aside = (0..6).filter(|n| {
        folder
            .path()
            .join(format!("tenant-{n}/index.damaged-1"))
            .exists()
    });
    assert_eq!(aside.count(), 0, "closing and opening again is no damage");
}
