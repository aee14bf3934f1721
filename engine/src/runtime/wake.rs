//! Waking a tenant: the newest snapshot, then the log from there on.

use std::sync::Arc;

use homeroom_protocol::TenantName;
use tracing::warn;

use super::{
    core::Core,
    folder::FolderError,
    writer::{Awake, Stores},
};
use crate::{
    domain::{DecodeError, Domain},
    log::{Log, LogFailure, LogPosition, OpenError, ReadError, WriterEpoch},
    snapshot::SnapshotError,
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

/// Brings a domain up to the end of its log. Blocks.
pub(crate) fn wake<D: Domain>(
    seed: &D::Seed,
    stores: Stores<D>,
    writer: WriterEpoch,
) -> Result<Awake<D>, WakeError> {
    let log = &*stores.log;
    let end = log.bounds().last;
    let (mut domain, newest_snapshot) = from_snapshot(seed, &stores, end)?;
    replay(&mut domain, log, newest_snapshot, end)?;
    let space = log.checkpoint()?;
    let core = Core::new(domain, end, writer, space);
    Ok(Awake { core, stores, newest_snapshot })
}

/// A domain from the newest snapshot it can read, or an empty one.
fn from_snapshot<D: Domain>(
    seed: &D::Seed,
    stores: &Stores<D>,
    end: LogPosition,
) -> Result<(D, LogPosition), WakeError> {
    let Some(store) = &stores.snapshots else {
        return Ok((D::new(seed.clone()), LogPosition::START));
    };
    // Each refused snapshot is one fewer to choose from, and a store keeps only a few.
    loop {
        let loaded = store.load(end)?;
        for skipped in loaded.skipped {
            warn!(position = %skipped.position, cause = %skipped.cause, "a snapshot is passed over");
        }
        let Some(snapshot) = loaded.snapshot else {
            return Ok((D::new(seed.clone()), LogPosition::START));
        };
        let mut domain = D::new(seed.clone());
        let load = |(section, bytes): &(_, bytes::Bytes)| domain.load_section(*section, bytes);
        match snapshot.sections.iter().try_for_each(load) {
            Ok(()) => return Ok((domain, snapshot.position)),
            Err(cause) => {
                warn!(position = %snapshot.position, %cause, "a snapshot cannot be read");
                store.refuse(snapshot.position);
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
    while applied < end {
        for record in log.read(applied.next(), REPLAY_BYTES)? {
            let at = record.position;
            let event =
                D::decode(&record.bytes).map_err(|cause| WakeError::Event { at, cause })?;
            domain.apply(at, &event);
            applied = at;
        }
    }
    Ok(())
}
