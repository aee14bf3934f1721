//! A damaged tenant goes on with what an operator chose to keep of it.
//!
//! Everything up to a position is copied into a fresh log, as another life; what stood behind it is read as
//! far as it can be, only to say what is lost. The old files stay aside until an operator removes them.
//!
//! The high-water mark is not asked: a log that ends before its mark (`Behind`), that lost its mark
//! (`MarkMissing`, `MarkDamaged`) or all of its files (`Emptied`) is repaired by naming the last position
//! that is there (0 for none). The repaired log gets a mark of its own.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    path::PathBuf,
    sync::Arc,
};

use homeroom_protocol::{CloseCode, EventBody, RoomId, RoomNumber, TenantName, Timestamp};

use super::{
    UpkeepError, WORK_RETRY_MS, Watch,
    job::{Job, STEP_BYTES},
    restarted,
};
use crate::{
    domain::Domain,
    engine::{Engine, TenantError},
    log::{LogCopy, LogPosition, Record, Salvage, Salvaged, Unreadable},
    runtime::aside::InPlaceOf,
    tenant::{Entry, Event, Tenant},
};

/// Rooms named one by one among what is lost; further ones are counted.
pub const LOST_ROOMS_MAX: usize = 1000;
/// Unreadable places named one by one; further ones are counted.
pub const UNREADABLE_MAX: usize = 100;

/// A tenant that was repaired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// Everything up to here was kept.
    pub kept: LogPosition,
    /// What was not.
    pub lost: Lost,
    /// Where the old files are.
    pub aside: Option<PathBuf>,
}

/// What a repair drops, as far as it can be known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lost {
    /// Events that can still be read, by room.
    pub rooms: Vec<LostRoom>,
    /// Events of further rooms.
    pub more_events: u64,
    /// Records that can be read, and are none of this release.
    pub unknown_records: u64,
    /// Bytes that hold nothing that can be read.
    pub unreadable: Vec<Unreadable>,
    /// How many further such places there are.
    pub more_unreadable: u64,
}

/// What is lost of one room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostRoom {
    /// Its number.
    pub number: RoomNumber,
    /// The app's id for it, if the event that made it can be read.
    pub id: Option<RoomId>,
    /// How many events.
    pub events: u64,
    /// The time of the first of them.
    pub first: Timestamp,
    /// The time of the last of them.
    pub last: Timestamp,
}

impl Lost {
    /// How many events that can still be read are lost.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.rooms.iter().map(|room| room.events).sum::<u64>() + self.more_events
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rooms = self.rooms.len();
        let places = self.unreadable.len() as u64 + self.more_unreadable;
        write!(
            f,
            "{} readable events of {rooms} rooms, {} unknown records, {places} unreadable places",
            self.events(),
            self.unknown_records
        )
    }
}

impl Engine {
    /// Keeps of a tenant everything up to a position and drops the rest. The tenant may be damaged or
    /// not; its connections are ended and can come back when it is done. Every room has a new epoch
    /// afterwards. Without a position, or with one that cannot be reached, it changes nothing and says
    /// which one can be.
    ///
    /// # Errors
    /// [`UpkeepError`]; [`UpkeepError::DropAfter`] names the last position that can be kept.
    pub async fn repair_tenant(
        &self,
        name: &TenantName,
        drop_after: Option<LogPosition>,
        watch: Watch,
    ) -> Result<Repaired, UpkeepError> {
        let (engine, name) = (self.clone(), name.clone());
        Self::to_the_end(async move {
            // Nobody is sent away for what cannot be done.
            let (last_good, lost) = engine.examine_tenant(&name, Arc::clone(&watch)).await?;
            let Some(position) = drop_after.filter(|position| *position <= last_good) else {
                let lost = Box::new(lost);
                return Err(UpkeepError::DropAfter {
                    name,
                    last_good,
                    lost,
                });
            };
            // Closed to all while it is copied, but nobody has to wait for that.
            let (at_work, mut hold) = engine.take_in_hand(&name).await?;
            let life = hold.put_to_bed().await;
            drop(hold);
            let code = CloseCode::TenantUnavailable;
            engine.say_bye(life, code, Some(WORK_RETRY_MS)).await;
            let repaired = engine.repair(&name, position, &watch).await;
            if repaired.is_err() {
                let (host, name) = (Arc::clone(&engine.shared.host), name.clone());
                engine
                    .blocking(move || host.folder().map(|folder| folder.drop_copy(&name)))
                    .await;
            }
            drop(at_work);
            repaired
        })
        .await
    }

    /// The last position up to which everything of a tenant can be read, and what stands behind it and
    /// would be lost by a repair. Reads beside whatever the tenant is doing: of one that is awake, the
    /// newest events may be missing.
    ///
    /// # Errors
    /// [`UpkeepError`].
    pub async fn examine_tenant(
        &self,
        name: &TenantName,
        watch: Watch,
    ) -> Result<(LogPosition, Lost), UpkeepError> {
        let mut examined = self.sort(name, Sorting::new(None, None), &watch).await?;
        Ok((examined.good, examined.lost()))
    }

    async fn sort(
        &self,
        name: &TenantName,
        mut sorting: Sorting,
        watch: &Watch,
    ) -> Result<Sorting, UpkeepError> {
        let (host, wanted) = (Arc::clone(&self.shared.host), name.clone());
        let salvage = self.blocking(move || host.salvage(&wanted)).await?;
        sorting.salvage = Some(salvage.ok_or(UpkeepError::InMemory)?);
        self.work(sorting, name, watch).await
    }

    async fn repair(
        &self,
        name: &TenantName,
        position: LogPosition,
        watch: &Watch,
    ) -> Result<Repaired, UpkeepError> {
        let (host, wanted) = (Arc::clone(&self.shared.host), name.clone());
        let begin = move || -> Result<_, UpkeepError> {
            let folder = host.folder().ok_or(UpkeepError::InMemory)?;
            let record = host.record(&wanted)?;
            let place = folder.begin_copy(&wanted)?;
            let options = host.log_options(record.id);
            let copy = LogCopy::create(host.disk(), &place.log, &place.mark, options)?;
            Ok((record, copy))
        };
        let (record, copy) = self.blocking(begin).await?;
        let sorting = Sorting::new(Some(copy), Some(position));
        let mut sorted = self.sort(name, sorting, watch).await?;
        if sorted.good < position {
            return Err(UpkeepError::DropAfter {
                name: name.clone(),
                last_good: sorted.good,
                lost: Box::new(sorted.lost()),
            });
        }
        let copy = sorted.copy.take().expect("it was given one");
        let last = Some(restarted().into());
        self.seal_copy(copy, last, name, watch).await?;
        let hold = self.shared.tenants.hold(name).await;
        let hold = hold.ok_or(TenantError::ShutDown)?;
        let (host, wanted) = (Arc::clone(&self.shared.host), name.clone());
        let publish = move || {
            let folder = host.folder().ok_or(UpkeepError::InMemory)?;
            let published = folder.publish(&wanted, &record, InPlaceOf::Itself);
            host.replaced(&wanted);
            published.map_err(UpkeepError::from)
        };
        let aside = self.blocking(publish).await;
        drop(hold);
        Ok(Repaired {
            kept: position,
            lost: sorted.lost(),
            aside: aside?,
        })
    }
}

/// Everything a log still holds, sorted into what is kept and what is lost.
#[derive(Debug)]
struct Sorting {
    salvage: Option<Salvage>,
    copy: Option<LogCopy>,
    drop_after: Option<LogPosition>,
    /// Up to here every record was found, and is of this release.
    good: LogPosition,
    ids: HashMap<RoomNumber, RoomId>,
    rooms: BTreeMap<RoomNumber, LostRoom>,
    lost: Lost,
    records: u64,
}

impl Sorting {
    fn new(copy: Option<LogCopy>, drop_after: Option<LogPosition>) -> Self {
        Self {
            salvage: None,
            copy,
            drop_after,
            good: LogPosition::START,
            ids: HashMap::new(),
            rooms: BTreeMap::new(),
            lost: Lost::default(),
            records: 0,
        }
    }

    fn take(&mut self, record: &Record) -> Result<(), UpkeepError> {
        self.records += 1;
        let entry = Tenant::decode(&record.bytes).ok();
        if let Some(Entry::Event(event)) = &entry
            && let EventBody::RoomCreated { id: Some(id), .. } = &event.body
        {
            self.ids.entry(event.room).or_insert_with(|| id.clone());
        }
        let follows = record.position == self.good.next() && entry.is_some();
        if follows {
            self.good = record.position;
        }
        // Without a choice, all that follows without a gap can be kept.
        if follows && self.drop_after.is_none_or(|last| record.position <= last) {
            if let Some(copy) = &mut self.copy {
                copy.add(record)?;
            }
            return Ok(());
        }
        match entry {
            Some(Entry::Event(event)) => self.lose(&event),
            Some(Entry::Restarted(_) | Entry::Tenant(_)) => {}
            None => self.lost.unknown_records += 1,
        }
        Ok(())
    }

    fn lose(&mut self, event: &Event) {
        if self.rooms.len() >= LOST_ROOMS_MAX && !self.rooms.contains_key(&event.room) {
            self.lost.more_events += 1;
            return;
        }
        let room = self.rooms.entry(event.room).or_insert_with(|| LostRoom {
            number: event.room,
            id: None,
            events: 0,
            first: event.time,
            last: event.time,
        });
        room.events += 1;
        room.first = room.first.min(event.time);
        room.last = room.last.max(event.time);
    }

    fn pass_over(&mut self, unreadable: Unreadable) {
        if self.lost.unreadable.len() < UNREADABLE_MAX {
            self.lost.unreadable.push(unreadable);
        } else {
            self.lost.more_unreadable += 1;
        }
    }

    fn lost(&mut self) -> Lost {
        let mut lost = std::mem::take(&mut self.lost);
        let rooms = std::mem::take(&mut self.rooms).into_values();
        lost.rooms = rooms
            .map(|room| LostRoom {
                id: self.ids.get(&room.number).cloned(),
                ..room
            })
            .collect();
        lost
    }
}

impl Job for Sorting {
    fn step(&mut self) -> Result<bool, UpkeepError> {
        let Some(salvage) = &mut self.salvage else {
            return Ok(false);
        };
        let Some(Salvaged {
            records,
            unreadable,
        }) = salvage.read_on(STEP_BYTES)
        else {
            return Ok(false);
        };
        records.iter().try_for_each(|record| self.take(record))?;
        for place in unreadable {
            self.pass_over(place);
        }
        Ok(true)
    }

    fn progress(&self) -> (u64, u64) {
        // How many there are shows at the end.
        (self.records, 0)
    }
}
