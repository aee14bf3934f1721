//! `backup.json`: what a backup holds. It is written last, so a folder without it is no backup.

use std::{
    fs::File,
    io::{ErrorKind, Read as _},
    path::Path,
};

use homeroom_protocol::TenantName;
use serde::{Deserialize, Serialize};

use super::{UpkeepError, io_error};
use crate::{
    log::{LogPosition, Tally},
    runtime::folder::MANIFEST,
};

/// Version of a backup's layout.
const FORMAT: u32 = 1;
/// Longest manifest, in bytes: that of as many tenants as a data folder may hold.
const MANIFEST_BYTES_MAX: u64 = 64 * 1024 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    format: u32,
    /// The release that made it.
    release: String,
    /// When it was begun and finished, in ms since 1970.
    pub(super) begun_ms: u64,
    pub(super) finished_ms: u64,
    pub(super) tenants: Vec<Held>,
    /// Tenants that could not be backed up.
    pub(super) left_out: Vec<NotHeld>,
}

/// A tenant in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    #[serde(with = "text")]
    pub(super) name: TenantName,
    /// The last position.
    pub(super) position: u64,
    pub(super) records: u64,
    pub(super) bytes: u64,
    /// As in [`Tally`].
    pub(super) checksum: u32,
}

/// A tenant that is not in a backup, though it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NotHeld {
    #[serde(with = "text")]
    pub(super) name: TenantName,
    pub(super) why: String,
}

impl Manifest {
    pub(super) fn new(begun_ms: u64) -> Self {
        Self {
            format: FORMAT,
            release: env!("CARGO_PKG_VERSION").to_owned(),
            begun_ms,
            finished_ms: begun_ms,
            tenants: Vec::new(),
            left_out: Vec::new(),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("plain fields always serialise");
        bytes.push(b'\n');
        bytes
    }

    /// Reads what a folder says of itself.
    pub(super) fn read(folder: &Path) -> Result<Self, UpkeepError> {
        let place = folder.join(MANIFEST);
        let refused = |why: String| UpkeepError::NotABackup {
            place: folder.display().to_string(),
            why,
        };
        let file = File::open(&place).map_err(|error| match error.kind() {
            ErrorKind::NotFound => refused(format!(
                "it has no {MANIFEST}, which a backup gets when it is finished"
            )),
            _ => io_error("open", &place)(error),
        })?;
        let mut bytes = Vec::new();
        let mut bounded = file.take(MANIFEST_BYTES_MAX);
        bounded
            .read_to_end(&mut bytes)
            .map_err(io_error("read", &place))?;
        // Only the format is certain to be there in a later one.
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let damaged = |error: serde_json::Error| refused(format!("{MANIFEST}: {error}"));
        let Format { format } = serde_json::from_slice(&bytes).map_err(damaged)?;
        if format != FORMAT {
            return Err(refused(format!(
                "its format is {format}, this release reads {FORMAT}"
            )));
        }
        serde_json::from_slice(&bytes).map_err(damaged)
    }
}

impl Held {
    pub(super) const fn new(name: TenantName, end: LogPosition, tally: Tally) -> Self {
        Self {
            name,
            position: end.0,
            records: tally.records,
            bytes: tally.bytes,
            checksum: tally.checksum,
        }
    }

    pub(super) const fn tally(&self) -> Tally {
        Tally {
            records: self.records,
            bytes: self.bytes,
            checksum: self.checksum,
        }
    }
}

/// A name as its text.
mod text {
    use homeroom_protocol::TenantName;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(name: &TenantName, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(name.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<TenantName, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
