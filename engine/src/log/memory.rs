//! A log that lives in memory: the reference for what every log does, and the log of tests and of
//! simulations.
//!
//! "Durable" here means "until the process ends". Nothing bounds it but memory: who uses it for more
//! than a test trims it.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

use super::{
    AppendError, Appended, Bounds, Commit, DurableListener, Log, LogFailure, LogPosition,
    ReadError, Record, Space, WriterEpoch,
    admission::{Admission, Head},
};

/// A [`Log`] in memory. Its first writer is `WriterEpoch(1)`.
pub struct MemoryLog {
    state: Mutex<State>,
}

struct State {
    first: LogPosition,
    records: VecDeque<Bytes>,
    head: Head,
    closed: bool,
    listeners: Vec<DurableListener>,
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: Mutex::new(State {
                first: LogPosition(1),
                records: VecDeque::new(),
                head: Head {
                    last: LogPosition::START,
                    writer: WriterEpoch(1),
                    newest: None,
                },
                closed: false,
                listeners: Vec::new(),
            }),
        }
    }

    /// Opens the same log anew, as after a restart: the answer is the new writer's epoch, older
    /// writers are fenced off, and earlier subscriptions are forgotten.
    pub fn reopen(&self) -> WriterEpoch {
        let mut state = self.locked();
        state.closed = false;
        state.listeners.clear();
        state.head.writer = WriterEpoch(state.head.writer.0 + 1);
        state.head.writer
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        // Every change below is complete before anything that could panic (a listener) runs.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn refuse_closed(&self, action: &'static str) -> Result<(), LogFailure> {
        if self.closed {
            return Err(LogFailure {
                action,
                place: "memory".into(),
                cause: "the log is closed".into(),
            });
        }
        Ok(())
    }
}

impl Log for MemoryLog {
    fn append(&self, commit: &Commit) -> Result<Appended, AppendError> {
        let mut state = self.locked();
        state.refuse_closed("append")?;
        let newest = match state.head.admit(commit)? {
            Admission::Repeat(newest) => newest,
            Admission::New(newest) => {
                state.records.extend(commit.records.iter().cloned());
                state.head.advance(newest);
                for listener in &state.listeners {
                    listener(newest.last);
                }
                newest
            }
        };
        Ok(Appended {
            first: newest.first,
            last: newest.last,
            space: Space::Reserved,
        })
    }

    fn read(&self, from: LogPosition, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        let state = self.locked();
        let from = from.max(LogPosition(1));
        let Some(skipped) = from.0.checked_sub(state.first.0) else {
            return Err(ReadError::Trimmed { first: state.first });
        };
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        let mut room = bytes_max;
        let mut records = Vec::new();
        for (bytes, position) in state.records.iter().skip(skipped).zip(from.0..) {
            if !records.is_empty() && bytes.len() > room {
                break;
            }
            room = room.saturating_sub(bytes.len());
            records.push(Record {
                position: LogPosition(position),
                bytes: bytes.clone(),
            });
        }
        Ok(records)
    }

    fn bounds(&self) -> Bounds {
        let state = self.locked();
        Bounds {
            first: state.first,
            last: state.head.last,
        }
    }

    fn subscribe(&self, listener: DurableListener) {
        self.locked().listeners.push(listener);
    }

    fn trim(&self, below: LogPosition) -> Result<LogPosition, LogFailure> {
        let mut state = self.locked();
        state.refuse_closed("trim")?;
        let below = below.min(state.head.last.next());
        while state.first < below {
            state.records.pop_front();
            state.first = state.first.next();
        }
        Ok(state.first)
    }

    fn checkpoint(&self) -> Result<Space, LogFailure> {
        self.locked().refuse_closed("checkpoint")?;
        Ok(Space::Reserved)
    }

    fn close(&self) -> Result<(), LogFailure> {
        self.locked().closed = true;
        Ok(())
    }
}

impl fmt::Debug for MemoryLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLog")
            .field("bounds", &self.bounds())
            .finish_non_exhaustive()
    }
}
