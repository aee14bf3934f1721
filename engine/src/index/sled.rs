//! The index on disk: one sled database per tenant. The only file that names sled.
//!
//! sled is good at looking things up and bad at being believed: its flush is no barrier against a
//! power cut, and damaged files make it panic, fail, fall back to an earlier state or open empty.
//! None of that matters for an index that says whose it is and how far it has come, in the same atomic
//! batch as its rows: what is older is caught up from the log, anything else is rebuilt.
//!
//! A batch takes a lock that sled shares between all databases of a process, so batches must stay
//! small (a few hundred rows), or one tenant's rebuild would make the others wait.

use std::{
    fmt,
    io::ErrorKind,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use super::{
    Found, Index, IndexError, IndexFault, IndexIdentity, LogPosition, NEVER, Order, Row, Timestamp,
    blocks::{self, Changed},
    domain_range, expired_per_write_max,
    guard::caught,
    is_domain_key,
    layout::{self, Progress},
    refusal,
};

/// Enough for the inner pages of a large index and the leaves in use. sled's own default is 1 GB per
/// database, and up to 64 are open at a time.
const CACHE_BYTES: u64 = 4 * 1024 * 1024;

/// The tries at a lock that a database closed a moment ago may still hold, and the pause between them.
const LOCK_TRIES: usize = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A sled database with the rows of one tenant. The first failure of any call is final: every later
/// one is refused with the same error.
pub struct SledIndex {
    place: String,
    state: Mutex<State>,
}

enum State {
    Open(Store),
    Closed,
    Failed(IndexError),
}

struct Store {
    db: sled::Db,
    progress: Progress,
}

/// What went wrong inside one call, before it is known where.
struct Failure {
    cause: String,
    fault: IndexFault,
}

impl SledIndex {
    /// Opens or creates the database in `folder`. Blocks; reads more the larger the index is.
    ///
    /// # Errors
    /// [`IndexFault::Damaged`] when it cannot be read, is of another identity or has no valid progress;
    /// [`IndexFault::Unavailable`] when the machine is short of something.
    pub fn open(folder: &Path, identity: IndexIdentity) -> Result<Self, IndexError> {
        let place = folder.display().to_string();
        let store = caught(&place, || {
            open_store(folder, identity).map_err(|failure| failure.at(&place))
        })?;
        Ok(Self {
            place,
            state: Mutex::new(State::Open(store)),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call<T>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T, Failure>,
    ) -> Result<T, IndexError> {
        let mut state = self.lock();
        let store = match &mut *state {
            State::Open(store) => store,
            State::Closed => {
                return Err(Failure::new("it is closed", IndexFault::Unavailable).at(&self.place));
            }
            State::Failed(error) => return Err(error.clone()),
        };
        let result = caught(&self.place, || {
            work(store).map_err(|failure| failure.at(&self.place))
        });
        if let Err(error) = &result
            && error.fault != IndexFault::Refused
        {
            abandon(
                mem::replace(&mut *state, State::Failed(error.clone())),
                error.fault,
            );
        }
        result
    }
}

impl Index for SledIndex {
    fn applied(&self) -> LogPosition {
        match &*self.lock() {
            State::Open(store) => store.progress.applied,
            State::Closed | State::Failed(_) => LogPosition::START,
        }
    }

    fn write(&self, rows: &[Row], applied: LogPosition, now: Timestamp) -> Result<(), IndexError> {
        self.call(|store| store.write(rows, applied, now))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        self.call(|store| store.get(key))
    }

    fn range(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        rows_max: usize,
    ) -> Result<Vec<Found>, IndexError> {
        self.call(|store| store.range(from, to, order, rows_max))
    }

    fn close(&self) {
        let flushed = self.call(|store| Ok(store.db.flush().map(|_bytes| ())?));
        if let Err(error) = flushed {
            tracing::debug!(%error, "an index was closed after it had failed");
        }
        let mut state = self.lock();
        if let State::Open(store) = mem::replace(&mut *state, State::Closed) {
            release(store);
        }
    }
}

impl Drop for SledIndex {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for SledIndex {
    /// Not derived: sled would print every row.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledIndex")
            .field("place", &self.place)
            .field("applied", &self.applied())
            .finish()
    }
}

impl Store {
    fn write(&mut self, rows: &[Row], applied: LogPosition, now: Timestamp) -> Result<(), Failure> {
        if let Some(cause) = refusal(rows, applied, self.progress.applied) {
            return Err(Failure::new(cause, IndexFault::Refused));
        }
        let progress = Progress {
            applied,
            clock: self.progress.clock.max(now),
        };
        // Of several changes of one key in a batch the last one counts, so removals come first.
        let mut batch = sled::Batch::default();
        self.drop_expired(
            &mut batch,
            progress.clock,
            expired_per_write_max(rows.len()),
        )?;
        let mut changed = Changed::default();
        for row in rows {
            if blocks::is_adjacent(&row.key) {
                changed.add(row);
                continue;
            }
            let expires = row.expires.unwrap_or(NEVER);
            batch.insert(&*row.key, layout::stored(expires, &row.value));
            if expires != NEVER {
                batch.insert(layout::expiry_key(expires, &row.key), &[]);
            }
        }
        for (key, block) in changed.merged(|key| self.block(key))? {
            batch.insert(key, layout::stored(NEVER, &block));
        }
        batch.insert(layout::PROGRESS, &progress.encode());
        self.db.apply_batch(batch)?;
        self.progress = progress;
        Ok(())
    }

    fn drop_expired(
        &self,
        batch: &mut sled::Batch,
        clock: Timestamp,
        rows_max: usize,
    ) -> Result<(), Failure> {
        let due = self.db.range(layout::expired(clock));
        for entry in due.take(rows_max) {
            let (expiry, _) = entry?;
            let (expires, key) = layout::expiry(&expiry)
                .ok_or_else(|| Failure::damaged("an expiry row is too short"))?;
            // A row that was written again expires later, or never: then only the old note goes.
            let row = self.db.get(key)?;
            if row.is_some_and(|row| layout::row(&row).is_some_and(|(at, _)| at == expires)) {
                batch.remove(key);
            }
            batch.remove(expiry.clone());
        }
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        if !is_domain_key(key) {
            return Ok(None);
        }
        if blocks::is_adjacent(key) {
            let block = self.block(&blocks::block_of(key))?;
            return Ok(blocks::value_of(key, &block).map(<[u8]>::to_vec));
        }
        match self.db.get(key)? {
            Some(row) => self.seen(&row),
            None => Ok(None),
        }
    }

    /// What a block holds; nothing when there is none.
    fn block(&self, key: &[u8]) -> Result<Vec<u8>, Failure> {
        match self.db.get(key)? {
            Some(block) => Ok(self.seen(&block)?.unwrap_or_default()),
            None => Ok(Vec::new()),
        }
    }

    fn range(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        rows_max: usize,
    ) -> Result<Vec<Found>, Failure> {
        let Some((from, to)) = domain_range(from, to) else {
            return Ok(Vec::new());
        };
        let first = if blocks::is_adjacent(from) {
            blocks::block_of(from)
        } else {
            from.to_vec()
        };
        let mut rows = self.db.range(&first[..]..to);
        let mut found = Vec::new();
        while found.len() < rows_max {
            let next = match order {
                Order::Ascending => rows.next(),
                Order::Descending => rows.next_back(),
            };
            let Some(entry) = next else { break };
            let (key, row) = entry?;
            let Some(value) = self.seen(&row)? else {
                continue;
            };
            if !blocks::is_adjacent(&key) {
                found.push((key.to_vec(), value));
                continue;
            }
            let block = blocks::rows(&key, &value);
            let mut block = block.ok_or_else(|| Failure::damaged("a block of rows is torn"))?;
            block.retain(|(key, _)| from <= &key[..] && &key[..] < to);
            if order == Order::Descending {
                block.reverse();
            }
            block.truncate(rows_max - found.len());
            found.append(&mut block);
        }
        Ok(found)
    }

    /// The value of a stored row, unless it has expired.
    fn seen(&self, row: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let (expires, value) =
            layout::row(row).ok_or_else(|| Failure::damaged("a row is too short"))?;
        Ok((expires >= self.progress.clock).then(|| value.to_vec()))
    }
}

impl Failure {
    fn new(cause: impl Into<String>, fault: IndexFault) -> Self {
        Self {
            cause: cause.into(),
            fault,
        }
    }

    fn damaged(cause: &str) -> Self {
        Self::new(cause, IndexFault::Damaged)
    }

    fn at(self, place: &str) -> IndexError {
        IndexError {
            place: place.to_owned(),
            cause: self.cause,
            fault: self.fault,
        }
    }
}

impl From<sled::Error> for Failure {
    fn from(error: sled::Error) -> Self {
        Self::new(error.to_string(), fault(&error))
    }
}

/// Whether the machine is to blame, so that throwing the content away would not help.
fn fault(error: &sled::Error) -> IndexFault {
    const NO_MORE_FILES: [i32; 2] = [23, 24]; // ENFILE, EMFILE
    let sled::Error::Io(error) = error else {
        return IndexFault::Damaged;
    };
    let short = matches!(
        error.kind(),
        ErrorKind::StorageFull
            | ErrorKind::QuotaExceeded
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::PermissionDenied
            | ErrorKind::OutOfMemory
    );
    let no_files = error
        .raw_os_error()
        .is_some_and(|code| NO_MORE_FILES.contains(&code));
    if short || no_files || is_locked(error) {
        IndexFault::Unavailable
    } else {
        IndexFault::Damaged
    }
}

fn is_locked(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::Other && error.to_string().contains("could not acquire lock")
}

fn open_store(folder: &Path, identity: IndexIdentity) -> Result<Store, Failure> {
    let db = open_database(folder)?;
    let identity = layout::identity(identity);
    if db.is_empty() {
        let progress = Progress {
            applied: LogPosition::START,
            clock: Timestamp(0),
        };
        let mut batch = sled::Batch::default();
        batch.insert(layout::IDENTITY, identity);
        batch.insert(layout::PROGRESS, &progress.encode());
        db.apply_batch(batch)?;
        return Ok(Store { db, progress });
    }
    if db.get(layout::IDENTITY)?.as_deref() != Some(&*identity) {
        return Err(Failure::damaged(
            "it belongs to another tenant, log or layout",
        ));
    }
    let progress = db
        .get(layout::PROGRESS)?
        .and_then(|bytes| Progress::decode(&bytes))
        .ok_or_else(|| Failure::damaged("it does not say how far it has come"))?;
    Ok(Store { db, progress })
}

fn open_database(folder: &Path) -> Result<sled::Db, Failure> {
    // Without a flush timer an open database has no thread of its own.
    let config = sled::Config::new()
        .path(folder)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(None);
    let mut tries = 1;
    loop {
        match config.open() {
            // sled lets go of its lock when its last background job ends, a moment after the close.
            Err(sled::Error::Io(error)) if is_locked(&error) && tries < LOCK_TRIES => {
                tries += 1;
                thread::sleep(LOCK_PAUSE);
            }
            opened => return Ok(opened?),
        }
    }
}

/// Lets go of a store that failed.
fn abandon(state: State, fault: IndexFault) {
    let State::Open(store) = state else { return };
    match fault {
        // The system refused, sled knows, and dropping it writes nothing more.
        IndexFault::Unavailable | IndexFault::Refused => release(store),
        // Dropped, sled would write into files it has misread and wait for writes of its own that a
        // panic may have left unfinished for ever. It leaks instead, once per damaged folder.
        IndexFault::Damaged => mem::forget(store),
    }
}

fn release(store: Store) {
    // Its files are caught up or rebuilt when they are opened again, whatever it says here.
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(store)));
    if dropped.is_err() {
        tracing::debug!("sled panicked while it was closed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{LogEpoch, TenantId};

    const IDENTITY: IndexIdentity = IndexIdentity {
        tenant: TenantId([7; 16]),
        epoch: LogEpoch(99),
        rows_version: 1,
    };

    fn rows_stored(index: &SledIndex) -> usize {
        index.call(|store| Ok(store.db.len())).unwrap()
    }

    #[test]
    fn expired_rows_and_the_notes_about_them_do_not_pile_up() {
        let folder = tempfile::tempdir().unwrap();
        let index = SledIndex::open(folder.path(), IDENTITY).unwrap();
        for at in 1..=20_u64 {
            let rows: Vec<_> = (0..300_u64)
                .map(|n| Row {
                    // Every third key is written again each time, with a later expiry.
                    key: vec![
                        1,
                        n.to_be_bytes()[7],
                        if n % 3 == 0 { 0 } else { at.to_be_bytes()[7] },
                    ],
                    value: Vec::new(),
                    expires: Some(Timestamp(at)),
                })
                .collect();
            index.write(&rows, LogPosition(at), Timestamp(at)).unwrap();
            assert!(rows_stored(&index) <= 2 + 4 * 300);
        }
        for at in 21..=23 {
            index.write(&[], LogPosition(at), Timestamp(at)).unwrap();
        }
        assert_eq!(rows_stored(&index), 2, "identity and progress");
    }

    #[test]
    fn neighbours_share_a_stored_row_however_they_were_cut_into_writes() {
        let folder = tempfile::tempdir().unwrap();
        let index = SledIndex::open(folder.path(), IDENTITY).unwrap();
        for at in 0..640_u64 {
            let row = Row {
                key: [b"R", &at.to_be_bytes()[..]].concat(),
                value: at.to_be_bytes().to_vec(),
                expires: None,
            };
            let applied = LogPosition(at + 1);
            index.write(&[row], applied, Timestamp(at)).unwrap();
        }
        let blocks = 640 / usize::from(blocks::BLOCK_ROWS);
        assert_eq!(rows_stored(&index), 2 + blocks);
    }

    #[test]
    fn a_database_of_someone_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let stranger = sled::open(folder.path()).unwrap();
        stranger.insert(b"k", b"v").unwrap();
        drop(stranger);
        let error = SledIndex::open(folder.path(), IDENTITY).unwrap_err();
        assert_eq!(error.fault, IndexFault::Damaged);
    }

    #[test]
    fn progress_that_was_tampered_with_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let index = SledIndex::open(folder.path(), IDENTITY).unwrap();
        let mut progress = Progress {
            applied: LogPosition(5),
            clock: Timestamp(6),
        }
        .encode();
        assert!(Progress::decode(&progress).is_some());
        progress[7] ^= 1;
        index
            .call(|store| Ok(store.db.insert(layout::PROGRESS, &progress).map(|_| ())?))
            .unwrap();
        drop(index);
        let error = SledIndex::open(folder.path(), IDENTITY).unwrap_err();
        assert_eq!(error.fault, IndexFault::Damaged);
    }

    #[test]
    fn after_a_panic_every_call_is_refused_and_nothing_escapes() {
        let folder = tempfile::tempdir().unwrap();
        let index = SledIndex::open(folder.path(), IDENTITY).unwrap();
        let error = index.call(|_| -> Result<(), Failure> { panic!("as sled does") });
        assert!(error.unwrap_err().cause.contains("as sled does"));
        assert_eq!(index.get(b"k").unwrap_err().fault, IndexFault::Damaged);
        assert!(index.write(&[], LogPosition(1), Timestamp(0)).is_err());
        index.close();
    }

    #[test]
    fn a_machine_short_of_something_is_not_damage() {
        let io = |kind: ErrorKind| fault(&sled::Error::Io(kind.into()));
        assert_eq!(io(ErrorKind::StorageFull), IndexFault::Unavailable);
        assert_eq!(io(ErrorKind::UnexpectedEof), IndexFault::Damaged);
        let files = std::io::Error::from_raw_os_error(24);
        assert_eq!(fault(&sled::Error::Io(files)), IndexFault::Unavailable);
        let bug = sled::Error::ReportableBug(String::new());
        assert_eq!(fault(&bug), IndexFault::Damaged);
    }
}
