//! A log and a domain small enough to see through: ten lines each.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(
    clippy::allow_attributes,
    reason = "an expectation would fail where all is used"
)]

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use homeroom_engine::{
    domain::{DecodeError, Domain, History, HistoryError, Lane, Moment, Outcome, SectionId},
    index::{IndexIdentity, Order, Row},
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
}

impl FakeLog {
    pub fn push(&self, note: &Note) -> LogPosition {
        let mut records = self.records.lock().unwrap();
        let at = records.last_key_value().map_or(0, |(at, _)| *at) + 1;
        records.insert(at, Pad::encode(note));
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
        self.reads.load(Ordering::Relaxed)
    }
}

impl Log for FakeLog {
    fn append(&self, _: &Commit) -> Result<Appended, AppendError> {
        Err(AppendError::Empty)
    }

    fn read(&self, from: LogPosition, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let first = self.bounds().first;
        if from < first {
            return Err(ReadError::Trimmed { first });
        }
        let corrupt = *self.corrupt.lock().unwrap();
        let mut read = Vec::new();
        let mut bytes_read = 0;
        for (at, bytes) in self.records.lock().unwrap().range(from.0..) {
            bytes_read += bytes.len();
            if corrupt == Some(LogPosition(*at)) || bytes_read > bytes_max {
                break;
            }
            read.push(Record {
                position: LogPosition(*at),
                bytes: bytes.clone(),
            });
        }
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
    /// The event at a position.
    Event(u64),
}

pub type Answer = Vec<(u64, Vec<u8>)>;

impl Domain for Pad {
    type Seed = ();
    type Input = ();
    type Event = Note;
    type Effect = ();
    type Question = Ask;
    type Fact = Answer;

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
        if note.text == b"too large to index" {
            rows.push(Row {
                key: vec![3; 4096],
                value: Vec::new(),
                expires: None,
            });
        }
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
            Ask::Event(at) => Ok(vec![text(*at)?]),
        }
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
