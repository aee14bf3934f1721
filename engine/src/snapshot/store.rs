//! Reads the newest whole snapshot of a folder and writes the next one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    path::Path,
    sync::Arc,
};

use bytes::Bytes;

use super::{
    FILE_BYTES_MAX, FILES_MAX, Loaded, SECTION_BYTES_MAX, SECTIONS_MAX, SkipCause, Skipped,
    Snapshot, SnapshotError, SnapshotIdentity,
    files::Files,
    manifest::{MANIFEST_BYTES_MAX, Manifest, Place, manifest_name, position_in, sections_name},
};
use crate::{
    domain::SectionId,
    log::{
        LogPosition,
        disk::{Disk, RealDisk},
    },
};

/// Most snapshots looked at in one load. Two are kept; more lie there only if removing them failed.
const TRIES_MAX: usize = 16;

/// The snapshots of one tenant in one folder that holds nothing else. Every call blocks.
///
/// Two are kept, so that one damaged file does not cost the whole replay; files that neither of them
/// names are removed.
pub struct SnapshotStore {
    pub(super) files: Files,
    identity: SnapshotIdentity,
    /// What the next one builds on.
    newest: Option<Manifest>,
    /// The sizes of the files that it names.
    file_bytes: BTreeMap<LogPosition, u64>,
}

/// The files read so far in one load: each is read once, whatever names it.
type Read = BTreeMap<LogPosition, Result<Bytes, SkipCause>>;

impl SnapshotStore {
    /// Opens or creates `folder` and loads the newest whole snapshot at or before `log_end`, the last
    /// durable position of the log.
    ///
    /// # Errors
    /// [`SnapshotError::Failed`] when the folder cannot be listed or created. A snapshot that cannot be
    /// used is no error: it is named in [`Loaded::skipped`].
    pub fn open(
        folder: &Path,
        identity: SnapshotIdentity,
        log_end: LogPosition,
    ) -> Result<(Self, Loaded), SnapshotError> {
        Self::open_on(Arc::new(RealDisk), folder, identity, log_end)
    }

    /// The same on another disk than the machine's.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_on(
        disk: Arc<dyn Disk>,
        folder: &Path,
        identity: SnapshotIdentity,
        log_end: LogPosition,
    ) -> Result<(Self, Loaded), SnapshotError> {
        let files = Files::open(disk, folder)
            .map_err(|error| failed("opening", &folder.display(), &error))?;
        Self::open_files(files, identity, log_end)
    }

    pub(super) fn open_files(
        files: Files,
        identity: SnapshotIdentity,
        log_end: LogPosition,
    ) -> Result<(Self, Loaded), SnapshotError> {
        let mut store = Self {
            files,
            identity,
            newest: None,
            file_bytes: BTreeMap::new(),
        };
        let loaded = store.load(log_end)?;
        let ahead = loaded.skipped.iter();
        let ahead = ahead.filter(|skipped| skipped.cause == SkipCause::Ahead);
        for skipped in ahead {
            store.remove_manifest(skipped.position)?;
        }
        Ok((store, loaded))
    }

    /// Passes over the snapshot that was loaded last, because its sections could not be read, and loads
    /// the next older one.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn load_older(&mut self) -> Result<Loaded, SnapshotError> {
        let older = self
            .newest
            .take()
            .and_then(|newest| newest.position.0.checked_sub(1));
        self.file_bytes.clear();
        let Some(older) = older else {
            return Ok(Loaded::default());
        };
        let mut loaded = self.load(LogPosition(older))?;
        // The rest was told the first time.
        loaded.skipped.retain(|skipped| skipped.position.0 <= older);
        Ok(loaded)
    }

    /// The position of the newest snapshot, which the next one must be after.
    #[must_use]
    pub fn newest(&self) -> Option<LogPosition> {
        self.newest.as_ref().map(|newest| newest.position)
    }

    /// Whether the next [`write`](Self::write) must be given every section: there is no snapshot yet,
    /// less than half of the bytes kept for it are in use, or it lies in too many files.
    #[must_use]
    pub fn needs_all(&self) -> bool {
        let Some(newest) = &self.newest else {
            return true;
        };
        let kept: u64 = self.file_bytes.values().sum();
        newest.live_bytes() * 2 < kept || self.file_bytes.len() >= FILES_MAX
    }

    /// Adds a snapshot at `position`: the newest one with `changed` sections replaced, or removed where
    /// there are no bytes. Of two changes of one section the last counts.
    ///
    /// The sections may have been saved one after another while the tenant went on: `position` is the
    /// first one's, and the last one's must be durable in the log before this is called, or a crash could
    /// leave a snapshot of events that never were.
    ///
    /// # Errors
    /// [`SnapshotError`]; what was there before still is.
    pub fn write(
        &mut self,
        position: LogPosition,
        changed: &[(SectionId, Option<Vec<u8>>)],
    ) -> Result<(), SnapshotError> {
        if let Some(newest) = self.newest()
            && position <= newest
        {
            return Err(SnapshotError::NotNewer { newest });
        }
        let (manifest, blobs) = self.plan(position, changed)?;
        let mut file_bytes = BTreeMap::new();
        for file in files_of(&manifest) {
            let bytes = if file == position {
                blobs.iter().map(|blob| blob.len() as u64).sum()
            } else {
                self.file_bytes.get(&file).copied().unwrap_or(0)
            };
            file_bytes.insert(file, bytes);
        }

        if !blobs.is_empty() {
            self.put(&sections_name(position), &blobs)?;
        }
        let encoded = manifest.encode(self.identity);
        self.put(&manifest_name(position), &[&encoded])?;

        let before = self.newest.replace(manifest);
        self.file_bytes = file_bytes;
        self.remove_unnamed(before.as_ref());
        Ok(())
    }

    fn load(&mut self, newest_allowed: LogPosition) -> Result<Loaded, SnapshotError> {
        let mut positions = self.manifests()?;
        positions.sort_unstable();
        let mut loaded = Loaded::default();
        let mut read = Read::new();
        for &position in positions.iter().rev().take(TRIES_MAX) {
            let tried = self.manifest(position).and_then(|manifest| {
                if position > newest_allowed {
                    return Err(SkipCause::Ahead);
                }
                let sections = self.sections(&manifest, &mut read)?;
                Ok((manifest, sections))
            });
            match tried {
                Ok((manifest, sections)) => {
                    let size = |file: &LogPosition| match read.get(file) {
                        Some(Ok(bytes)) => bytes.len() as u64,
                        Some(Err(_)) | None => 0,
                    };
                    self.file_bytes = files_of(&manifest)
                        .into_iter()
                        .map(|file| (file, size(&file)))
                        .collect();
                    self.newest = Some(manifest);
                    loaded.snapshot = Some(Snapshot { position, sections });
                    break;
                }
                Err(cause) => loaded.skipped.push(Skipped { position, cause }),
            }
        }
        Ok(loaded)
    }

    fn manifest(&self, position: LogPosition) -> Result<Manifest, SkipCause> {
        let name = manifest_name(position);
        let bytes = self
            .files
            .read(&name, MANIFEST_BYTES_MAX)
            .map_err(|error| unreadable(name, &error))?;
        Manifest::decode(&bytes, self.identity, position)
    }

    fn sections(
        &self,
        manifest: &Manifest,
        read: &mut Read,
    ) -> Result<Vec<(SectionId, Bytes)>, SkipCause> {
        let mut sections = Vec::with_capacity(manifest.sections.len());
        for (&id, place) in &manifest.sections {
            let file = read.entry(place.file).or_insert_with(|| {
                let name = sections_name(place.file);
                self.files
                    .read(&name, FILE_BYTES_MAX)
                    .map(Bytes::from)
                    .map_err(|error| unreadable(name, &error))
            });
            let bytes = file.as_ref().map_err(Clone::clone)?;
            let section =
                slice(bytes, place).filter(|section| crc32c::crc32c(section) == place.checksum);
            sections.push((
                id,
                section.ok_or_else(|| SkipCause::Damaged {
                    file: sections_name(place.file),
                    what: "the checksum of a section differs",
                })?,
            ));
        }
        Ok(sections)
    }

    /// What the next manifest says, and the sections that its own file holds.
    fn plan<'a>(
        &self,
        position: LogPosition,
        changed: &'a [(SectionId, Option<Vec<u8>>)],
    ) -> Result<(Manifest, Vec<&'a [u8]>), SnapshotError> {
        let changed: BTreeMap<_, _> = changed.iter().map(|(id, bytes)| (*id, bytes)).collect();
        let mut sections = match &self.newest {
            Some(newest) => newest.sections.clone(),
            None => BTreeMap::new(),
        };
        let mut blobs = Vec::new();
        let mut offset = 0;
        for (id, bytes) in changed {
            let Some(bytes) = bytes else {
                sections.remove(&id);
                continue;
            };
            if bytes.len() > SECTION_BYTES_MAX {
                return Err(SnapshotError::SectionTooLarge {
                    section: id,
                    bytes: bytes.len(),
                });
            }
            let place = Place {
                file: position,
                offset,
                length: bytes.len() as u64,
                checksum: crc32c::crc32c(bytes),
            };
            sections.insert(id, place);
            blobs.push(bytes.as_slice());
            offset += place.length;
        }
        let manifest = Manifest { position, sections };
        if offset > FILE_BYTES_MAX {
            return Err(SnapshotError::TooLarge { bytes: offset });
        }
        if manifest.sections.len() > SECTIONS_MAX {
            return Err(SnapshotError::TooManySections {
                sections: manifest.sections.len(),
            });
        }
        if files_of(&manifest).len() > FILES_MAX {
            return Err(SnapshotError::NeedsAll);
        }
        Ok((manifest, blobs))
    }

    /// Makes a file appear whole or not at all, and last.
    fn put(&mut self, name: &str, parts: &[&[u8]]) -> Result<(), SnapshotError> {
        let aside = format!("{name}{ASIDE}");
        self.files
            .write_synced(&aside, parts)
            .and_then(|()| self.files.rename(&aside, name))
            .and_then(|()| self.files.sync_folder())
            .map_err(|error| failed("writing", &self.path(name), &error))
    }

    fn manifests(&self) -> Result<Vec<LogPosition>, SnapshotError> {
        let names = self
            .files
            .names()
            .map_err(|error| failed("listing", &self.files.folder().display(), &error))?;
        let positions = names.iter().filter_map(|name| position_in(name, MANIFEST));
        Ok(positions.collect())
    }

    fn remove_manifest(&mut self, position: LogPosition) -> Result<(), SnapshotError> {
        let name = manifest_name(position);
        self.files
            .remove(&name)
            .and_then(|()| self.files.sync_folder())
            .map_err(|error| failed("removing", &self.path(&name), &error))
    }

    /// Removes every file of ours that neither the newest snapshot nor the one `before` it names. What
    /// cannot be removed now is removed after the next write.
    fn remove_unnamed(&mut self, before: Option<&Manifest>) {
        let kept: Vec<&Manifest> = self.newest.iter().chain(before).collect();
        let named: BTreeSet<String> = kept
            .iter()
            .flat_map(|manifest| {
                let sections = files_of(manifest).into_iter().map(sections_name);
                sections.chain([manifest_name(manifest.position)])
            })
            .collect();
        let result = self.files.names().and_then(|names| {
            let doomed = names
                .iter()
                .filter(|name| is_ours(name) && !named.contains(*name));
            // Manifests first: what one names must be there as long as it is.
            let (manifests, others): (Vec<_>, Vec<_>) =
                doomed.partition(|name| name.ends_with(MANIFEST));
            for name in manifests {
                self.files.remove(name)?;
            }
            for name in others {
                self.files.remove(name)?;
            }
            Ok(())
        });
        if let Err(error) = result {
            let place = self.files.folder().display();
            tracing::warn!(%place, %error, "an old snapshot could not be removed");
        }
    }

    fn path(&self, name: &str) -> String {
        self.files.folder().join(name).display().to_string()
    }
}

impl fmt::Debug for SnapshotStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotStore")
            .field("folder", &self.files.folder())
            .field("newest", &self.newest())
            .finish_non_exhaustive()
    }
}

const MANIFEST: &str = ".manifest";
const ASIDE: &str = ".aside";

fn is_ours(name: &str) -> bool {
    let name = name.strip_suffix(ASIDE).unwrap_or(name);
    position_in(name, MANIFEST).is_some() || position_in(name, ".sections").is_some()
}

fn files_of(manifest: &Manifest) -> BTreeSet<LogPosition> {
    manifest.sections.values().map(|place| place.file).collect()
}

fn slice(bytes: &Bytes, place: &Place) -> Option<Bytes> {
    let from = usize::try_from(place.offset).ok()?;
    let to = from.checked_add(usize::try_from(place.length).ok()?)?;
    (to <= bytes.len()).then(|| bytes.slice(from..to))
}

fn unreadable(file: String, error: &io::Error) -> SkipCause {
    SkipCause::Unreadable {
        file,
        cause: error.to_string(),
    }
}

fn failed(action: &'static str, place: &dyn fmt::Display, error: &io::Error) -> SnapshotError {
    SnapshotError::Failed {
        action,
        place: place.to_string(),
        cause: error.to_string(),
    }
}
