//! What does not work just now, tenant by tenant and part by part, in words for an operator.
//!
//! Whoever meets a failure writes it down here, whoever finds that the part works again crosses it
//! out. The words are those of our own typed errors: files, positions and the system's own words,
//! never what somebody wrote.

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    sync::{Mutex, MutexGuard, PoisonError},
};

use homeroom_protocol::{TenantName, Timestamp};

use crate::log::LogPosition;

/// Most entries of one [`Health`]; how many more there are is told.
pub const DEGRADED_SHOWN_MAX: usize = 256;
/// Longest description of one of them, in bytes; the rest is cut off.
pub const WHAT_BYTES_MAX: usize = 512;
/// Most damaged places of one tenant's history that are told apart. Damage comes in few files; a disk
/// that fails everywhere needs no longer list.
const PLACES_MAX: usize = 16;

/// What does not work at one moment: see [`Engine::health`](crate::Engine::health).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Each part of a tenant that is degraded, by the tenant's name; at most [`DEGRADED_SHOWN_MAX`].
    pub degraded: Vec<Degraded>,
    /// How many more there are.
    pub left_off: usize,
}

/// One part of one tenant that does not work as it should. Other tenants, and its other parts, do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Degraded {
    /// Whose.
    pub tenant: TenantName,
    /// Which.
    pub part: Part,
    /// When it was first met, by this process.
    pub since: Timestamp,
    /// What was met last, and what to do where somebody must; at most [`WHAT_BYTES_MAX`] bytes.
    pub what: String,
    /// Nobody can enter the tenant while this lasts.
    pub keeps_out: bool,
}

/// The parts of a tenant that can fail by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// What was acknowledged cannot be read, or nothing more can be written: the tenant is closed until
    /// its log opens again, which every client that comes tries anew. Where it keeps nobody out, old
    /// history is damaged: everything else works, and it stays so until the tenant is restored, repaired
    /// or deleted, or the damaged place was read again without an error.
    Log,
    /// The disk is full: reading and signals go on, writing is answered with "retry later". Only said of
    /// a tenant that is awake.
    Space,
    /// Old history, and keys older than those in memory, cannot be looked up. It is rebuilt by itself
    /// where that is possible.
    Index,
    /// The newest snapshot was not written, or none can be read: nothing is lost, the next wake takes
    /// longer.
    Snapshot,
}

impl Part {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Log, Self::Space, Self::Index, Self::Snapshot];

    /// Its name, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Space => "space",
            Self::Index => "index",
            Self::Snapshot => "snapshot",
        }
    }
}

/// Where it is written down. At most one entry for each part of each tenant of the folder.
#[derive(Debug)]
pub(crate) struct HealthBook {
    now: fn() -> Timestamp,
    entries: Mutex<BTreeMap<(TenantName, Part), Entry>>,
}

#[derive(Debug)]
struct Entry {
    since: Timestamp,
    what: String,
    keeps_out: bool,
    /// Where old history cannot be read; at most [`PLACES_MAX`].
    places: Vec<Place>,
}

/// A file, mostly, in which history cannot be read.
#[derive(Debug)]
struct Place {
    name: String,
    /// The first position that was asked for and not there; `None` where reading it again tells
    /// nothing.
    at: Option<LogPosition>,
    what: String,
}

impl Entry {
    /// Nobody is kept out, and only old history is damaged, if anything: says so.
    fn says_what_history_lacks(&mut self) {
        self.keeps_out = false;
        self.what.clear();
        if let [first, others @ ..] = &self.places[..] {
            let more = match others.len() {
                0 => String::new(),
                count => format!("; and {count} more such places"),
            };
            let what = format!(
                "old history cannot be read: {}{more}; {HISTORY_ADVICE}",
                first.what
            );
            self.what.push_str(bounded(&what));
        }
    }
}

/// What an operator can do about history that cannot be read.
const HISTORY_ADVICE: &str = "`homeroom check` shows the damage; restore a backup, or repair";

impl HealthBook {
    pub(crate) const fn new(now: fn() -> Timestamp) -> Self {
        Self {
            now,
            entries: Mutex::new(BTreeMap::new()),
        }
    }

    /// A part fails. The first time counts as the beginning, the last words are kept.
    pub(crate) fn fails(&self, tenant: &TenantName, part: Part, keeps_out: bool, what: &str) {
        let now = (self.now)();
        let mut entries = self.entries();
        let entry = entries
            .entry((tenant.clone(), part))
            .or_insert_with(|| Entry {
                since: now,
                what: String::new(),
                keeps_out,
                places: Vec::new(),
            });
        entry.keeps_out = keeps_out;
        entry.what.clear();
        entry.what.push_str(bounded(what));
    }

    /// A part works again, or is not in use any more.
    pub(crate) fn works(&self, tenant: &TenantName, part: Part) {
        self.entries().remove(&(tenant.clone(), part));
    }

    /// The tenant could be entered.
    pub(crate) fn entered(&self, tenant: &TenantName) {
        let mut entries = self.entries();
        for part in Part::ALL {
            let key = (tenant.clone(), part);
            if let Some(entry) = entries.get_mut(&key).filter(|entry| entry.keeps_out) {
                entry.says_what_history_lacks();
                if entry.places.is_empty() {
                    entries.remove(&key);
                }
            }
        }
    }

    /// Old history cannot be read at a place; whether that was not known. Nobody is kept out by it.
    pub(crate) fn history_fails(
        &self,
        tenant: &TenantName,
        place: &str,
        at: Option<LogPosition>,
        what: &str,
    ) -> bool {
        let now = (self.now)();
        let mut entries = self.entries();
        let entry = entries
            .entry((tenant.clone(), Part::Log))
            .or_insert_with(|| Entry {
                since: now,
                what: String::new(),
                keeps_out: false,
                places: Vec::new(),
            });
        let is_known = entry.places.iter().any(|known| known.name == place);
        if is_known || entry.places.len() >= PLACES_MAX {
            return false;
        }
        entry.places.push(Place {
            name: place.to_owned(),
            at,
            what: what.to_owned(),
        });
        if !entry.keeps_out {
            entry.says_what_history_lacks();
        }
        true
    }

    /// History was read at these positions: damage that was there is none any more. Whether there
    /// still is some elsewhere.
    pub(crate) fn history_reads(
        &self,
        tenant: &TenantName,
        positions: RangeInclusive<LogPosition>,
    ) -> bool {
        let mut entries = self.entries();
        let key = (tenant.clone(), Part::Log);
        let Some(entry) = entries.get_mut(&key) else {
            return false;
        };
        let before = entry.places.len();
        entry
            .places
            .retain(|place| place.at.is_none_or(|at| !positions.contains(&at)));
        let is_left = !entry.places.is_empty();
        if entry.places.len() < before && !entry.keeps_out {
            entry.says_what_history_lacks();
            if !is_left {
                entries.remove(&key);
            }
        }
        is_left
    }

    pub(crate) fn history_is_damaged(&self, tenant: &TenantName) -> bool {
        let entries = self.entries();
        let entry = entries.get(&(tenant.clone(), Part::Log));
        entry.is_some_and(|entry| !entry.places.is_empty())
    }

    /// The tenant is gone, or its files are others now.
    pub(crate) fn forget(&self, tenant: &TenantName) {
        for part in Part::ALL {
            self.works(tenant, part);
        }
    }

    pub(crate) fn is_failing(&self, tenant: &TenantName, part: Part) -> bool {
        self.entries().contains_key(&(tenant.clone(), part))
    }

    pub(crate) fn health(&self) -> Health {
        let entries = self.entries();
        let shown = entries.iter().take(DEGRADED_SHOWN_MAX);
        let degraded: Vec<_> = shown
            .map(|((tenant, part), entry)| Degraded {
                tenant: tenant.clone(),
                part: *part,
                since: entry.since,
                what: entry.what.clone(),
                keeps_out: entry.keeps_out,
            })
            .collect();
        Health {
            left_off: entries.len() - degraded.len(),
            degraded,
        }
    }

    /// How many tenants have this part degraded, in the order of [`Part::ALL`].
    pub(crate) fn counts(&self) -> [u64; Part::ALL.len()] {
        let mut counts = [0; Part::ALL.len()];
        for (_, part) in self.entries().keys() {
            counts[*part as usize] += 1;
        }
        counts
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<(TenantName, Part), Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bounded(what: &str) -> &str {
    let end = (0..=WHAT_BYTES_MAX.min(what.len()))
        .rfind(|&end| what.is_char_boundary(end))
        .expect("every text has a boundary at 0");
    &what[..end]
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn book() -> HealthBook {
        fn ticking() -> Timestamp {
            static NOW: AtomicU64 = AtomicU64::new(1);
            Timestamp(NOW.fetch_add(1, Ordering::Relaxed))
        }
        HealthBook::new(ticking)
    }

    fn name(text: &str) -> TenantName {
        text.parse().unwrap()
    }

    #[test]
    fn an_entry_keeps_its_beginning_and_its_last_words_until_the_part_works() {
        let book = book();
        let north = name("north");
        book.fails(&north, Part::Index, false, "cannot be opened");
        let since = book.health().degraded[0].since;
        book.fails(&north, Part::Index, false, "cannot be read");
        let health = book.health();
        assert_eq!(health.degraded.len(), 1);
        assert_eq!(health.degraded[0].since, since);
        assert_eq!(health.degraded[0].what, "cannot be read");
        assert!(book.is_failing(&north, Part::Index));
        book.works(&name("south"), Part::Index);
        book.works(&north, Part::Space);
        assert_eq!(book.health(), health);
        book.works(&north, Part::Index);
        assert_eq!(book.health(), Health::default());
    }

    #[test]
    fn entering_crosses_out_what_kept_people_out_and_nothing_else() {
        let book = book();
        let north = name("north");
        book.fails(&north, Part::Log, true, "is damaged");
        book.fails(&north, Part::Snapshot, false, "was not written");
        book.fails(&name("south"), Part::Log, true, "is damaged");
        book.entered(&north);
        let left = book.health().degraded;
        let left: Vec<_> = left
            .iter()
            .map(|it| (it.tenant.as_str(), it.part))
            .collect();
        assert_eq!(left, [("north", Part::Snapshot), ("south", Part::Log)]);
        assert_eq!(book.counts(), [1, 0, 0, 1]);
        book.forget(&north);
        assert_eq!(book.counts(), [1, 0, 0, 0]);
    }

    #[test]
    fn damaged_history_keeps_nobody_out_and_stays_until_its_places_are_read_again() {
        let book = book();
        let north = name("north");
        let damaged = |place: &str, at| {
            book.history_fails(
                &north,
                place,
                Some(LogPosition(at)),
                &format!("{place} is damaged"),
            )
        };
        let reads =
            |first, last| book.history_reads(&north, LogPosition(first)..=LogPosition(last));
        assert!(damaged("one", 5));
        assert!(!damaged("one", 6), "the same place");
        assert!(damaged("two", 50));
        let entry = book.health().degraded.remove(0);
        assert_eq!((entry.part, entry.keeps_out), (Part::Log, false));
        assert!(
            entry.what.contains("one is damaged; and 1 more"),
            "{}",
            entry.what
        );
        assert!(entry.what.contains("homeroom check"), "{}", entry.what);
        // What keeps people out is said first, and crossed out alone.
        book.fails(&north, Part::Log, true, "fails");
        assert!(!damaged("one", 5));
        assert_eq!(book.health().degraded[0].what, "fails");
        book.entered(&north);
        assert_eq!(book.health().degraded, [entry]);
        assert!(reads(6, 49));
        assert!(reads(1, 5));
        assert!(book.health().degraded[0].what.contains("two is damaged;"));
        assert!(book.history_is_damaged(&north));
        assert!(!reads(50, 50));
        assert_eq!(book.health(), Health::default());
        assert!(damaged("one", 5), "after it was read, it is news again");
        assert!(book.history_fails(&north, "a record", None, "is no event"));
        assert!(
            reads(1, u64::MAX),
            "what is read as well as before stays useless"
        );
        book.forget(&north);
        assert!(!book.history_is_damaged(&north));
    }

    #[test]
    fn a_tenants_damaged_places_are_bounded() {
        let book = book();
        let north = name("north");
        let damaged =
            |n: u64| book.history_fails(&north, &n.to_string(), Some(LogPosition(n)), "damaged");
        assert!((0..PLACES_MAX as u64).all(damaged));
        assert!(!damaged(PLACES_MAX as u64));
        let what = book.health().degraded.remove(0).what;
        assert!(what.contains(&format!("{} more", PLACES_MAX - 1)), "{what}");
    }

    #[test]
    fn the_list_and_its_words_are_bounded_and_what_is_left_off_is_counted() {
        let book = book();
        for n in 0..DEGRADED_SHOWN_MAX + 3 {
            book.fails(&name(&format!("t{n}")), Part::Space, false, "full");
        }
        book.fails(&name("a"), Part::Log, true, &"é".repeat(WHAT_BYTES_MAX));
        let health = book.health();
        assert_eq!(health.degraded.len(), DEGRADED_SHOWN_MAX);
        assert_eq!(health.left_off, 4);
        assert_eq!(health.degraded[0].what.len(), WHAT_BYTES_MAX);
    }

    #[test]
    fn parts_stand_in_their_own_order() {
        for (at, part) in Part::ALL.into_iter().enumerate() {
            assert_eq!(part as usize, at);
        }
    }
}
