//! A log, a domain and an index that fails on demand, small enough to see through.
#![allow(
    clippy::allow_attributes,
    reason = "an expectation fails in the test file that uses all"
)]
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use homeroom_engine::{
    domain::{DecodeError, Domain, History, HistoryError, Lane, Late, Moment, Outcome, SectionId},
    index::{
        Found, Index, IndexError, IndexFault, IndexIdentity, IndexPlace, Indexer, MemoryIndex,
        MemoryPlace, Order, Row,
    },
    log::{
        AppendError, Appended, Bounds, Commit, DurableListener, Log, LogEpoch, LogFailure,
        LogPosition, ReadError, Record, Space, TenantId,
    },
};
use homeroom_protocol::Timestamp;

pub const IDENTITY: IndexIdentity = IndexIdentity {
    tenant: TenantId([7; 16]),
    epoch: LogEpoch(99),
    rows_version: 1,
};

/// A log in memory; the test appends to it directly.
#[derive(Debug, Default)]
pub struct FakeLog {
    records: Mutex<BTreeMap<u64, Bytes>>,
    corrupt: Mutex<Option<LogPosition>>,
    pub reads: AtomicUsize,
    pub records_read: AtomicUsize,
}

impl FakeLog {
    pub fn push(&self, note: &Note) -> LogPosition {
        self.push_bytes(&Pad::encode(note))
    }

    pub fn push_bytes(&self, bytes: &[u8]) -> LogPosition {
        let mut records = self.records.lock().unwrap();
        let at = records.last_key_value().map_or(0, |(at, _)| *at) + 1;
        records.insert(at, Bytes::copy_from_slice(bytes));
        LogPosition(at)
    }

    pub fn end(&self) -> LogPosition {
        self.bounds().last
    }

    pub fn cut_to(&self, last: LogPosition) {
        self.records.lock().unwrap().retain(|at, _| *at <= last.0);
    }

    pub fn corrupt_at(&self, at: Option<LogPosition>) {
        *self.corrupt.lock().unwrap() = at;
    }

    pub fn reads(&self) -> usize {
        self.reads.load(Relaxed)
    }

    /// Reads, and the records they brought.
    pub fn read_so_far(&self) -> (usize, usize) {
        (self.reads(), self.records_read.load(Relaxed))
    }
}

impl Log for FakeLog {
    fn append(&self, _: &Commit) -> Result<Appended, AppendError> {
        Err(AppendError::Empty)
    }

    fn read(&self, from: LogPosition, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        self.reads.fetch_add(1, Relaxed);
        let first = self.bounds().first;
        if from < first {
            return Err(ReadError::Trimmed { first });
        }
        let corrupt = *self.corrupt.lock().unwrap();
        let mut read = Vec::new();
        let mut bytes_read = 0;
        for (at, bytes) in self.records.lock().unwrap().range(from.0..) {
            bytes_read += bytes.len();
            let is_full = bytes_read > bytes_max && !read.is_empty();
            if corrupt == Some(LogPosition(*at)) || is_full {
                break;
            }
            read.push(Record {
                position: LogPosition(*at),
                bytes: bytes.clone(),
            });
        }
        self.records_read.fetch_add(read.len(), Relaxed);
        match corrupt {
            Some(at) if read.is_empty() && at >= from => Err(ReadError::Corrupt {
                at,
                place: "fake".to_owned(),
            }),
            _ => Ok(read),
        }
    }

    fn bounds(&self) -> Bounds {
        let records = self.records.lock().unwrap();
        Bounds {
            first: LogPosition(records.first_key_value().map_or(1, |(at, _)| *at)),
            last: LogPosition(records.last_key_value().map_or(0, |(at, _)| *at)),
        }
    }

    fn subscribe(&self, _: DurableListener) {}

    fn trim(&self, below: LogPosition) -> Result<LogPosition, LogFailure> {
        self.records.lock().unwrap().retain(|at, _| *at >= below.0);
        Ok(below)
    }

    fn checkpoint(&self) -> Result<Space, LogFailure> {
        Ok(Space::Reserved)
    }

    fn close(&self) -> Result<(), LogFailure> {
        Ok(())
    }
}

/// The text of notes that have no late rows, and so may have any time.
pub const OF_ANOTHER_CLOCK: &[u8] = b"of another clock";

/// A fact: a topic was written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub topic: u8,
    pub time: u64,
    pub text: Vec<u8>,
}

/// Finds the notes of a topic, and the latest, which is forgotten 20 ms later.
#[derive(Debug)]
pub struct Pad;

#[derive(Debug, Clone)]
pub enum Ask {
    /// All notes of a topic, newest first, with their texts.
    Topic(u8),
    /// Where the latest note of a topic is, if it is not forgotten.
    Latest(u8),
    /// As `Latest`, but an unreadable history is taken for an empty one.
    Careless(u8),
    /// The event at a position.
    Event(u64),
    /// The events at these positions, said beforehand, the newest first.
    Events(Vec<u64>),
    /// The same, the oldest first.
    EventsUp(Vec<u64>),
    /// Where a topic has late rows, which are wanted so far, of notes since a time.
    Late(u8, u64, u64),
    /// The same, as far as they happen to be there.
    LateSoFar(u8),
    /// How many rows are seen that are the index's own.
    Reserved,
}

pub type Answer = Vec<(u64, Vec<u8>)>;

impl Domain for Pad {
    type Seed = ();
    type Input = ();
    type Event = Note;
    type Effect = ();
    type Question = Ask;
    type Fact = Answer;

    const ROWS_VERSION: u32 = 1;

    fn new((): ()) -> Self {
        Self
    }
    fn lane((): &()) -> Option<Lane> {
        None
    }
    fn needs(&self, (): &()) -> Option<Ask> {
        None
    }
    fn handle(
        &mut self,
        _: Moment,
        (): (),
        _: Option<Result<Answer, HistoryError>>,
        _: &mut Outcome<Self>,
    ) {
    }
    fn tick(&mut self, _: Moment, _: &mut Outcome<Self>) {}
    fn next_deadline(&self) -> Option<Timestamp> {
        None
    }
    fn is_idle(&self) -> bool {
        true
    }
    fn apply(&mut self, _: LogPosition, _: &Note) {}

    fn encode(note: &Note) -> Bytes {
        let mut bytes = vec![note.topic];
        bytes.extend(note.time.to_be_bytes());
        bytes.extend(&note.text);
        bytes.into()
    }

    fn decode(bytes: &[u8]) -> Result<Note, DecodeError> {
        let malformed = DecodeError::Malformed { what: "note" };
        let (topic, rest) = bytes.split_first().ok_or(malformed.clone())?;
        let (time, text) = rest.split_first_chunk().ok_or(malformed)?;
        Ok(Note {
            topic: *topic,
            time: u64::from_be_bytes(*time),
            text: text.to_vec(),
        })
    }

    fn index((): &(), at: LogPosition, note: &Note, rows: &mut Vec<Row>) {
        let mut key = vec![1, note.topic];
        key.extend(at.0.to_be_bytes());
        rows.push(Row {
            key,
            value: at.0.to_be_bytes().to_vec(),
            expires: None,
        });
        rows.push(Row {
            key: vec![2, note.topic],
            value: at.0.to_be_bytes().to_vec(),
            expires: Some(Timestamp(note.time).plus_ms(20)),
        });
        let key = match &note.text[..] {
            b"too large to index" => Some(vec![3; 4096]),
            b"reserved" => Some(vec![0xfe, 0]),
            _ => None,
        };
        if let Some(key) = key {
            rows.push(Row {
                key,
                value: Vec::new(),
                expires: None,
            });
        }
    }

    fn index_late((): &(), at: LogPosition, note: &Note, rows: &mut Vec<Row>) {
        if note.text == OF_ANOTHER_CLOCK {
            return;
        }
        rows.push(Row {
            key: [&[4, note.topic], &at.0.to_be_bytes()[..]].concat(),
            value: Vec::new(),
            expires: None,
        });
    }

    fn late(ask: &Ask) -> Option<Late> {
        let Ask::Late(_, upto, since) = *ask else {
            return None;
        };
        let (upto, since) = (LogPosition(upto), Timestamp(since));
        Some(Late { upto, since })
    }

    fn time(note: &Note) -> Timestamp {
        Timestamp(note.time)
    }

    fn answer((): &(), ask: &Ask, history: &dyn History) -> Result<Answer, HistoryError> {
        let position = |value: &[u8]| u64::from_be_bytes(value.try_into().unwrap_or_default());
        let text = |at: u64| {
            let note = Self::decode(&history.event(LogPosition(at))?);
            Ok((at, note.map_err(|_| HistoryError::Unreadable)?.text))
        };
        match ask {
            Ask::Topic(topic) => history
                .range(
                    &[1, *topic],
                    &[1, *topic + 1],
                    Order::Descending,
                    usize::MAX,
                )?
                .iter()
                .map(|(_, value)| text(position(value)))
                .collect(),
            Ask::Latest(topic) => {
                let found = history.get(&[2, *topic])?;
                found.iter().map(|value| text(position(value))).collect()
            }
            Ask::Careless(topic) => {
                Ok(Self::answer(&(), &Ask::Latest(*topic), history).unwrap_or_default())
            }
            Ask::Event(at) => Ok(vec![text(*at)?]),
            Ask::Events(at) => {
                let wanted: Vec<_> = at.iter().copied().map(LogPosition).collect();
                history.will_read(&wanted);
                at.iter().rev().map(|at| text(*at)).collect()
            }
            Ask::EventsUp(at) => {
                let wanted: Vec<_> = at.iter().copied().map(LogPosition).collect();
                history.will_read(&wanted);
                at.iter().map(|at| text(*at)).collect()
            }
            Ask::Reserved => {
                let found = history.range(&[0xfe], &[0xff], Order::Ascending, 9)?.len();
                let found = found + usize::from(history.get(&[0xfe, b'l'])?.is_some());
                Ok(vec![(found as u64, Vec::new())])
            }
            Ask::Late(topic, ..) | Ask::LateSoFar(topic) => {
                let (from, to) = (&[4, *topic], &[4, *topic + 1]);
                let found = history.range(from, to, Order::Ascending, usize::MAX)?;
                let at = |key: &[u8]| position(&key[2..]);
                Ok(found.iter().map(|(key, _)| (at(key), Vec::new())).collect())
            }
        }
    }

    fn sections(&self) -> Vec<SectionId> {
        Vec::new()
    }
    fn take_dirty_sections(&mut self) -> Vec<SectionId> {
        Vec::new()
    }
    fn save_section(&self, _: SectionId) -> Option<Vec<u8>> {
        None
    }
    fn load_section(&mut self, _: SectionId, _: &[u8]) -> Result<(), DecodeError> {
        Ok(())
    }
}

/// Pushes `count` notes of four topics, a quarter of a millisecond apart, the first at `from_ms`.
pub fn push_notes(log: &FakeLog, from_ms: u64, count: u64) {
    for n in 0..count {
        log.push(&Note {
            topic: u8::try_from(n * 7 % 11 % 4).unwrap(),
            time: from_ms + n / 4,
            text: n.to_string().into_bytes(),
        });
    }
}

/// What an index built from nothing answers.
pub fn fresh(log: &FakeLog, ask: &Ask) -> Result<Answer, HistoryError> {
    Indexer::<Pad>::new((), Box::new(MemoryPlace), None).answer(log, log.end(), ask)
}

/// Every question about every topic is answered as by an index built from nothing.
pub fn assert_as_fresh(indexer: &Indexer<Pad>, log: &FakeLog) {
    let model = Indexer::<Pad>::new((), Box::new(MemoryPlace), None);
    for topic in 0..4 {
        for ask in [Ask::Topic(topic), Ask::Latest(topic)] {
            let expected = model.answer(log, log.end(), &ask);
            assert_eq!(indexer.answer(log, log.end(), &ask), expected, "{ask:?}");
        }
    }
}

/// When an index in memory fails, how, and what happened to it. Shared by all that one place opens.
#[derive(Debug, Default)]
pub struct Script {
    /// The next calls that fail, by name; each fails once.
    pub fail: Mutex<Vec<(&'static str, Failing)>>,
    pub opens: AtomicUsize,
    pub asides: AtomicUsize,
    pub closes: AtomicUsize,
    /// Most rows in one write.
    pub rows_max: AtomicUsize,
    /// What is written stays, as on a disk, until it is set aside.
    kept: Mutex<Vec<(Vec<Row>, LogPosition, Timestamp)>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failing {
    Panics,
    Says(IndexFault),
}

impl Script {
    pub fn fail(&self, call: &'static str, how: Failing) {
        self.fail.lock().unwrap().push((call, how));
    }

    fn step(&self, call: &'static str) -> Result<(), IndexError> {
        let failing = {
            let mut fail = self.fail.lock().unwrap();
            let at = fail.iter().position(|(name, _)| *name == call);
            at.map(|at| fail.remove(at).1)
        };
        match failing {
            Some(Failing::Panics) => panic!("as scripted, in {call}"),
            Some(Failing::Says(fault)) => Err(IndexError {
                place: "script".to_owned(),
                cause: call.to_owned(),
                fault,
            }),
            None => Ok(()),
        }
    }
}

#[derive(Debug, Clone)]
pub struct ScriptedPlace(pub Arc<Script>);

impl IndexPlace for ScriptedPlace {
    fn name(&self) -> String {
        "script".to_owned()
    }

    fn open(&self) -> Result<Box<dyn Index>, IndexError> {
        self.0.opens.fetch_add(1, Relaxed);
        self.0.step("open")?;
        let index = MemoryIndex::new();
        for (rows, applied, now) in &*self.0.kept.lock().unwrap() {
            index.write(rows, *applied, *now)?;
        }
        Ok(Box::new(Scripted(self.0.clone(), index)))
    }

    fn set_aside(&self) -> Result<(), IndexError> {
        self.0.asides.fetch_add(1, Relaxed);
        self.0.step("set_aside")?;
        self.0.kept.lock().unwrap().clear();
        Ok(())
    }
}

#[derive(Debug)]
struct Scripted(Arc<Script>, MemoryIndex);

impl Index for Scripted {
    fn applied(&self) -> LogPosition {
        self.0.step("applied").unwrap();
        self.1.applied()
    }

    fn write(&self, rows: &[Row], applied: LogPosition, now: Timestamp) -> Result<(), IndexError> {
        self.0.step("write")?;
        self.0.rows_max.fetch_max(rows.len(), Relaxed);
        self.1.write(rows, applied, now)?;
        self.0
            .kept
            .lock()
            .unwrap()
            .push((rows.to_vec(), applied, now));
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        self.0.step("get")?;
        self.1.get(key)
    }

    fn range(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        rows_max: usize,
    ) -> Result<Vec<Found>, IndexError> {
        self.0.step("range")?;
        self.1.range(from, to, order, rows_max)
    }

    fn close(&self) {
        self.0.closes.fetch_add(1, Relaxed);
        self.0.step("close").unwrap();
    }
}
