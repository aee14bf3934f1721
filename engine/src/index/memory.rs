//! An index that lives in memory: for engines without a folder, and the model that other indexes are
//! tested against.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{
    Found, Index, IndexError, IndexFault, LogPosition, NEVER, Order, Row, Timestamp, domain_range,
    expired_per_write_max, is_domain_key, refusal,
};

/// A sorted map. Closing it empties it.
#[derive(Debug, Default)]
pub struct MemoryIndex {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<Vec<u8>, Kept>,
    /// Every row that expires, soonest first.
    due: BTreeSet<(Timestamp, Vec<u8>)>,
    applied: LogPosition,
    clock: Timestamp,
    closed: bool,
}

#[derive(Debug)]
struct Kept {
    value: Vec<u8>,
    expires: Timestamp,
}

impl MemoryIndex {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Rows held, expired ones that were not dropped yet included.
    #[must_use]
    pub fn rows_held(&self) -> usize {
        self.lock().rows.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Result<MutexGuard<'_, State>, IndexError> {
        let state = self.lock();
        if state.closed {
            return Err(error("it is closed".to_owned(), IndexFault::Unavailable));
        }
        Ok(state)
    }
}

impl Index for MemoryIndex {
    fn applied(&self) -> LogPosition {
        self.lock().applied
    }

    fn write(&self, rows: &[Row], applied: LogPosition, now: Timestamp) -> Result<(), IndexError> {
        let mut state = self.open()?;
        if let Some(cause) = refusal(rows, applied, state.applied) {
            return Err(error(cause, IndexFault::Refused));
        }
        state.clock = state.clock.max(now);
        state.applied = applied;
        state.drop_expired(expired_per_write_max(rows.len()));
        for row in rows {
            state.put(row);
        }
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        let state = self.open()?;
        let kept = state.rows.get(key).filter(|_| is_domain_key(key));
        Ok(kept
            .filter(|kept| kept.expires >= state.clock)
            .map(|kept| kept.value.clone()))
    }

    fn range(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        rows_max: usize,
    ) -> Result<Vec<Found>, IndexError> {
        let state = self.open()?;
        let Some((from, to)) = domain_range(from, to) else {
            return Ok(Vec::new());
        };
        let seen = state
            .rows
            .range(from.to_vec()..to.to_vec())
            .filter(|(_, kept)| kept.expires >= state.clock)
            .map(|(key, kept)| (key.clone(), kept.value.clone()));
        Ok(match order {
            Order::Ascending => seen.take(rows_max).collect(),
            Order::Descending => seen.rev().take(rows_max).collect(),
        })
    }

    fn close(&self) {
        *self.lock() = State {
            closed: true,
            ..State::default()
        };
    }
}

impl State {
    fn put(&mut self, row: &Row) {
        let expires = row.expires.unwrap_or(NEVER);
        let kept = Kept {
            value: row.value.clone(),
            expires,
        };
        if let Some(before) = self.rows.insert(row.key.clone(), kept) {
            self.due.remove(&(before.expires, row.key.clone()));
        }
        if expires != NEVER {
            self.due.insert((expires, row.key.clone()));
        }
    }

    fn drop_expired(&mut self, rows_max: usize) {
        for _ in 0..rows_max {
            let expired = self.due.first().is_some_and(|(at, _)| *at < self.clock);
            let Some((_, key)) = expired.then(|| self.due.pop_first()).flatten() else {
                return;
            };
            self.rows.remove(&key);
        }
    }
}

fn error(cause: String, fault: IndexFault) -> IndexError {
    IndexError {
        place: "memory".to_owned(),
        cause,
        fault,
    }
}
