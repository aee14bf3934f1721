//! A tenant as lines of JSON, for other programs: a header, its events in the order of its log, a footer
//! with their count, so that a file that was cut short shows.
//!
//! | line | fields |
//! |---|---|
//! | first | `homeroom_export` (the version of this format, 1), `release`, `tenant`, `position`: the export ends there |
//! | event | `position`, `room` (`null` for streams), `seq`, `epoch`, `time_ms`, `author`, `kind`, and what the kind has: `title`, `text`, `member` … |
//! | change of the tenant | `position`, `time_ms`, `author` or `null`, `kind`, and what the kind has |
//! | restart | `position`, `time_ms`, `kind`: every room has another epoch from here on |
//! | last | `end`: true, `events`: the number of lines between first and last |
//!
//! The epoch is the one under which the event was written: 14 hex digits, as in the back-end API. It is a
//! name, and as a JSON number many a reader would round it.

mod body;

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use homeroom_protocol::{EventBody, RoomId, RoomNumber, TenantName, UserId};
use serde::Serialize;
use tokio::sync::mpsc;

use self::body::Fields;
use super::{
    Progress, UpkeepError, Watch,
    job::{Job, STEP_BYTES},
    source::Source,
};
use crate::{
    domain::Domain,
    engine::Engine,
    log::{LogPosition, Record},
    tenant::{Entry, Event, Tenant},
};

/// Version of the lines.
const FORMAT: u32 = 1;

/// An export that was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// It holds everything up to here.
    pub position: LogPosition,
    /// Number of lines between the first and the last.
    pub events: u64,
}

impl Engine {
    /// Writes a tenant as lines of JSON into `lines`: whole lines, several to a piece, in pieces of some
    /// hundred KiB. Goes no faster than they are taken out.
    ///
    /// # Errors
    /// [`UpkeepError`]; there is no footer then.
    pub async fn export_tenant(
        &self,
        name: &TenantName,
        lines: mpsc::Sender<Bytes>,
        watch: Watch,
    ) -> Result<Exported, UpkeepError> {
        self.check_open()?;
        let (_, source) = self.source(name).await?;
        let position = source.end();
        let give = async |piece: Vec<u8>| {
            let given = lines.send(piece.into()).await;
            given.map_err(|_| UpkeepError::GivenUp)
        };
        give(line(&Header {
            homeroom_export: FORMAT,
            release: env!("CARGO_PKG_VERSION"),
            tenant: name.as_str(),
            position: position.0,
        }))
        .await?;
        let mut writing = Writing {
            source: Arc::new(source),
            ids: HashMap::new(),
            written: 0,
            piece: Vec::new(),
        };
        while writing.written < position.0 {
            self.check_open()?;
            let result;
            (writing, result) = self
                .blocking(move || {
                    let result = writing.step();
                    (writing, result)
                })
                .await;
            result?;
            give(std::mem::take(&mut writing.piece)).await?;
            let (done, total) = writing.progress();
            let tenant = name.clone();
            watch(Progress {
                tenant,
                done,
                total,
            });
        }
        let events = writing.written;
        give(line(&Footer { end: true, events })).await?;
        Ok(Exported { position, events })
    }
}

/// Lines in the making.
struct Writing {
    source: Arc<Source>,
    ids: HashMap<RoomNumber, RoomId>,
    written: u64,
    piece: Vec<u8>,
}

impl Writing {
    fn write(&mut self, record: &Record) -> Result<(), UpkeepError> {
        let at = record.position;
        let entry = Tenant::decode(&record.bytes);
        let line = match entry.map_err(|cause| UpkeepError::Event { at, cause })? {
            Entry::Event(event) => self.event(at, &event),
            Entry::Tenant(event) => {
                let (kind, what) = body::of_change(&event.change);
                line(&Change {
                    position: at.0,
                    time_ms: event.time.0,
                    author: event.author.as_ref().map(UserId::as_str),
                    kind,
                    what,
                })
            }
            Entry::Restarted(restarted) => line(&Restart {
                position: at.0,
                time_ms: restarted.time.0,
                kind: "restarted",
            }),
        };
        self.piece.extend(line);
        self.written += 1;
        Ok(())
    }

    fn event(&mut self, at: LogPosition, event: &Event) -> Vec<u8> {
        if let EventBody::RoomCreated { id: Some(id), .. } = &event.body {
            self.ids.insert(event.room, id.clone());
        }
        let (kind, what) = body::of(&event.body);
        line(&Line {
            position: at.0,
            room: self.ids.get(&event.room).map(RoomId::as_str),
            seq: event.position.seq.0,
            epoch: format!("{:014x}", event.position.epoch.get()),
            time_ms: event.time.0,
            author: event.author.as_str(),
            kind,
            what,
        })
    }
}

impl Job for Writing {
    fn step(&mut self) -> Result<bool, UpkeepError> {
        let next = LogPosition(self.written).next();
        let records = self.source.read(next, STEP_BYTES)?;
        records.iter().try_for_each(|record| self.write(record))?;
        Ok(self.written < self.source.end().0)
    }

    fn progress(&self) -> (u64, u64) {
        (self.written, self.source.end().0)
    }
}

#[derive(Serialize)]
struct Header<'a> {
    homeroom_export: u32,
    release: &'a str,
    tenant: &'a str,
    position: u64,
}

#[derive(Serialize)]
struct Line<'a> {
    position: u64,
    room: Option<&'a str>,
    seq: u64,
    epoch: String,
    time_ms: u64,
    author: &'a str,
    kind: &'a str,
    #[serde(flatten)]
    what: Fields,
}

/// A record that is in no room.
#[derive(Serialize)]
struct Change<'a> {
    position: u64,
    time_ms: u64,
    author: Option<&'a str>,
    kind: &'a str,
    #[serde(flatten)]
    what: Fields,
}

#[derive(Serialize)]
struct Restart<'a> {
    position: u64,
    time_ms: u64,
    kind: &'a str,
}

#[derive(Serialize)]
struct Footer {
    end: bool,
    events: u64,
}

fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("plain fields always serialise");
    line.push(b'\n');
    line
}
