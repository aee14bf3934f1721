//! Waking a tenant: the newest snapshot, then the log from there on.

use std::sync::Arc;

use homeroom_protocol::TenantName;
use tracing::warn;

pub use super::writer::{Awake, Stores};
use super::{core::Core, folder::FolderError};
use crate::{
    domain::{DecodeError, Domain},
    log::{Log, LogFailure, LogPosition, OpenError, ReadError, WriterEpoch},
    planted::{Fault, fault},
    snapshot::{Loaded, SnapshotError, SnapshotStore},
};

/// Bytes of records replayed at once.
const REPLAY_BYTES: usize = 1024 * 1024;

/// Why a tenant cannot wake. Other tenants go on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WakeError {
    /// Its record in the data folder.
    #[error(transparent)]
    Folder(#[from] Arc<FolderError>),
    /// There is no such tenant.
    #[error("there is no tenant {0}")]
    NotFound(TenantName),
    /// An operator suspended it.
    #[error("tenant {0} is suspended; `homeroom tenant resume {0}` lets people in again")]
    Suspended(TenantName),
    /// It is being restored or repaired.
    #[error("tenant {0} is being worked on; try again when that is done")]
    Busy(TenantName),
    /// Its log is damaged, or the storage fails.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// Its log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The storage fails.
    #[error(transparent)]
    Storage(#[from] LogFailure),
    /// Its snapshots cannot be looked for.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// A stored event is of a later release, or none.
    #[error("the event at position {at} cannot be read: {cause}")]
    Event {
        /// Where.
        at: LogPosition,
        /// Why.
        cause: DecodeError,
    },
}

/// A snapshot store as it was opened, with what it found.
pub type Opened = (SnapshotStore, Loaded);

/// Brings a domain up to the end of its log. Blocks.
///
/// # Errors
/// [`WakeError`].
pub fn wake<D: Domain>(
    seed: &D::Seed,
    stores: Stores<D>,
    opened: Option<Opened>,
    writer: WriterEpoch,
) -> Result<Awake<D>, WakeError> {
    let end = stores.log.bounds().last;
    let (mut domain, newest_snapshot, snapshots) = match opened {
        None => (D::new(seed.clone()), LogPosition::START, None),
        Some((mut store, loaded)) => {
            let (domain, position) = from_snapshot(seed, &mut store, loaded)?;
            (domain, position, Some(store))
        }
    };
    replay(&mut domain, &*stores.log, newest_snapshot, end)?;
    let space = stores.log.checkpoint()?;
    let core = Core::new(domain, end, writer, space);
    Ok(Awake {
        core,
        stores,
        snapshots,
        newest_snapshot,
    })
}

/// A domain from the newest snapshot it can read, or an empty one.
fn from_snapshot<D: Domain>(
    seed: &D::Seed,
    store: &mut SnapshotStore,
    mut loaded: Loaded,
) -> Result<(D, LogPosition), WakeError> {
    // A store keeps only a few snapshots, and each refused one is one fewer to choose from.
    loop {
        for skipped in &loaded.skipped {
            warn!(position = %skipped.position, cause = %skipped.cause, "a snapshot is passed over");
        }
        let mut domain = D::new(seed.clone());
        let Some(snapshot) = loaded.snapshot else {
            return Ok((domain, LogPosition::START));
        };
        let mut sections = snapshot.sections.iter();
        let read = sections.try_for_each(|(section, bytes)| domain.load_section(*section, bytes));
        match read.and_then(|()| domain.loaded()) {
            Ok(()) => return Ok((domain, snapshot.position)),
            Err(cause) => {
                warn!(position = %snapshot.position, %cause, "a snapshot cannot be read");
                loaded = store.load_older()?;
            }
        }
    }
}

fn replay<D: Domain>(
    domain: &mut D,
    log: &dyn Log,
    from: LogPosition,
    end: LogPosition,
) -> Result<(), WakeError> {
    let mut applied = from;
    let end = if fault(Fault::ReplayStopsEarly) {
        LogPosition(end.0.saturating_sub(1))
    } else {
        end
    };
    while applied < end {
        let records = log.read(applied.next(), REPLAY_BYTES)?;
        if records.is_empty() {
            let place = "the log, which ends before the position it names".to_owned();
            let at = applied.next();
            return Err(ReadError::Corrupt { at, place }.into());
        }
        for record in records {
            let at = record.position;
            let event = D::decode(&record.bytes).map_err(|cause| WakeError::Event { at, cause })?;
            domain.apply(at, &event);
            applied = at;
        }
    }
    Ok(())
}
