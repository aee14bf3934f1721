//! Keys of which memory knows only where in the log they were used: enough to say that a key is new, and
//! to find what it was used for, in a seventh of the memory that the whole takes.
//!
//! They come in runs of one size, oldest first, each sorted, so that one is found by halving, and behind a
//! sieve, as most keys are in none; several runs together stand behind another. A run keeps 32 bits of a key's
//! hash: a match may be another key's, and whoever reads the event sees that it is.
//!
//! A run never changes, so in snapshots each is a section of its own, written once. The newest may have
//! been made while a snapshot was: what is not set apart yet is saved with the rest of the keys.

use std::collections::{BTreeSet, VecDeque};

use homeroom_protocol::Timestamp;

use super::{hashing::Lookup, keys::LastUse, sieve::Sieve};
use crate::log::LogPosition;

/// Most keys in a run. Few enough to be taken out of memory's map and sorted within two milliseconds, and
/// enough that a million of them are looked through in some microseconds.
pub(crate) const RUN_KEYS: usize = 8_192;

/// Runs behind one sieve: of a million keys a new one costs a look at eight, and now and then at sixteen more. The
/// keys of a run that was dropped stay in the sieve until its last one is.
const RUNS_PER_SIEVE: usize = 16;

const ENTRY_BYTES: usize = 8;

/// The runs. Bounded by whoever adds to them.
#[derive(Debug, Default)]
pub(crate) struct OldKeys {
    /// Oldest first.
    runs: VecDeque<Run>,
    /// Sieves before them, in their order.
    groups: VecDeque<Group>,
    /// So many of the oldest have sections of their own.
    apart: usize,
    /// Sections that are of no use any more. Never more than were set apart.
    gone: Vec<LogPosition>,
    /// Runs whose sections are still to be loaded; meanwhile nothing is in them.
    awaited: BTreeSet<LogPosition>,
}

/// Keys that were used one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    /// Positions are counted from here.
    pub(crate) first: LogPosition,
    /// The newest of them.
    pub(crate) newest: LastUse,
    /// The beginning of each key's hash, and its position less the first; sorted.
    entries: Vec<(u32, u32)>,
    /// What nearly all keys that are not here fall through.
    sieve: Sieve,
}

/// Runs that follow each other, and the sieve before them.
#[derive(Debug)]
struct Group {
    /// So many are left of
    runs: usize,
    /// so many that there were.
    taken: usize,
    sieve: Sieve,
}

impl Group {
    /// One for runs as large as the first.
    fn beginning_with(run: &Run) -> Self {
        let keys = match run.entries.len() {
            // It is still to be loaded.
            0 => RUN_KEYS,
            keys => keys,
        };
        Self {
            runs: 0,
            taken: 0,
            sieve: Sieve::for_keys(keys * RUNS_PER_SIEVE),
        }
    }

    fn take(&mut self, run: &Run) {
        self.runs += 1;
        self.taken += 1;
        self.add(run);
    }

    fn add(&mut self, run: &Run) {
        for (print, _) in &run.entries {
            self.sieve.add(*print);
        }
    }
}

impl Run {
    /// A run of these keys, in the order of their positions; `None` when they lie too far apart.
    pub(crate) fn of(keys: &[(LogPosition, Lookup)], newest: LastUse) -> Option<Self> {
        let first = keys.first()?.0;
        let entry = |(at, lookup): &(LogPosition, Lookup)| {
            let behind = u32::try_from(at.0.checked_sub(first.0)?).ok()?;
            Some((print(lookup), behind))
        };
        let mut entries = keys.iter().map(entry).collect::<Option<Vec<_>>>()?;
        entries.sort_unstable();
        Some(Self {
            first,
            newest,
            sieve: sieve_of(&entries),
            entries,
        })
    }

    /// Its entries as they are saved.
    pub(crate) fn save(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.entries.len() * ENTRY_BYTES);
        for (print, behind) in &self.entries {
            bytes.extend_from_slice(&print.to_be_bytes());
            bytes.extend_from_slice(&behind.to_be_bytes());
        }
        bytes
    }

    /// A run whose section is still to be loaded.
    pub(crate) fn named(first: LogPosition, newest: LastUse) -> Self {
        Self {
            first,
            newest,
            entries: Vec::new(),
            sieve: Sieve::for_keys(0),
        }
    }

    /// A run as it was saved; `None` when these are not its bytes.
    pub(crate) fn restore(first: LogPosition, newest: LastUse, bytes: &[u8]) -> Option<Self> {
        let whole = bytes.len().is_multiple_of(ENTRY_BYTES) && first <= newest.at;
        let span = newest.at.0.checked_sub(first.0)?;
        let entry = |bytes: &[u8]| {
            let (print, behind) = bytes.split_first_chunk()?;
            let behind = u32::from_be_bytes(behind.try_into().ok()?);
            (u64::from(behind) <= span).then_some((u32::from_be_bytes(*print), behind))
        };
        let entries = bytes.chunks_exact(ENTRY_BYTES).map(entry);
        let entries = entries.collect::<Option<Vec<_>>>()?;
        (whole && entries.is_sorted()).then(|| Self {
            first,
            newest,
            sieve: sieve_of(&entries),
            entries,
        })
    }

    fn places(&self, print: u32) -> impl Iterator<Item = LogPosition> + '_ {
        let begin = self.entries.partition_point(|entry| entry.0 < print);
        let same = self.entries[begin..].iter();
        same.take_while(move |entry| entry.0 == print)
            .map(|entry| LogPosition(self.first.0 + u64::from(entry.1)))
    }
}

impl OldKeys {
    /// The runs as they were saved: first those whose sections are still to be loaded, then the others.
    pub(crate) fn restore(named: Vec<Run>, whole: Vec<Run>) -> Self {
        let mut restored = Self {
            apart: named.len(),
            awaited: named.iter().map(|run| run.newest.at).collect(),
            ..Self::default()
        };
        for run in named.into_iter().chain(whole) {
            restored.push(run);
        }
        restored
    }

    /// Takes in a section. One that nobody waits for was left behind, and goes with the next snapshot;
    /// false when it is not what was named.
    pub(crate) fn load(&mut self, run: Run) -> bool {
        let at = run.newest.at;
        if !self.awaited.remove(&at) {
            self.gone.push(at);
            return true;
        }
        let mut runs = self.runs.iter();
        let named = runs.position(|it| (it.first, it.newest) == (run.first, run.newest));
        let Some(place) = named else {
            return false;
        };
        let mut behind = 0;
        let group = self.groups.iter_mut().find(|group| {
            behind += group.runs;
            place < behind
        });
        group.expect("each run is in a group").add(&run);
        self.runs[place] = run;
        true
    }

    /// Whether every section that was named is here.
    pub(crate) fn is_whole(&self) -> bool {
        self.awaited.is_empty()
    }

    /// From now on all runs have sections of their own: those to be written or removed, each named by the
    /// position of its newest key.
    pub(crate) fn set_apart(&mut self) -> Vec<LogPosition> {
        let mut changed = std::mem::take(&mut self.gone);
        changed.extend(self.together().map(|run| run.newest.at));
        self.apart = self.runs.len();
        changed
    }

    /// The runs that have sections of their own, oldest first.
    pub(crate) fn apart(&self) -> impl ExactSizeIterator<Item = &Run> {
        self.runs.range(..self.apart)
    }

    /// The newer ones, which have none yet.
    pub(crate) fn together(&self) -> impl ExactSizeIterator<Item = &Run> {
        self.runs.range(self.apart..)
    }

    /// Adds a run that is newer than all others.
    pub(crate) fn push(&mut self, run: Run) {
        if (self.groups.back()).is_none_or(|group| group.taken == RUNS_PER_SIEVE) {
            self.groups.push_back(Group::beginning_with(&run));
        }
        if let Some(newest) = self.groups.back_mut() {
            newest.take(&run);
        }
        self.runs.push_back(run);
    }

    /// Where a key may have been used that still counts at a time, oldest first.
    pub(crate) fn find(&self, lookup: &Lookup, time: Timestamp, ttl_ms: u64) -> Vec<LogPosition> {
        let print = print(lookup);
        let mut places = Vec::new();
        let mut end = 0;
        for group in &self.groups {
            let begin = end;
            end += group.runs;
            if !group.sieve.holds(print) {
                continue;
            }
            let runs = self.runs.range(begin..end);
            let holding = runs.filter(|run| run.sieve.holds(print));
            let counting = holding.filter(|run| counts(run, time, ttl_ms));
            places.extend(counting.flat_map(|run| run.places(print)));
        }
        places
    }

    /// Drops the runs of which nothing counts any more.
    pub(crate) fn expire(&mut self, time: Timestamp, ttl_ms: u64) {
        while self
            .runs
            .front()
            .is_some_and(|run| !counts(run, time, ttl_ms))
        {
            self.drop_oldest();
        }
    }

    /// Drops the oldest run; its newest key.
    pub(crate) fn drop_oldest(&mut self) -> Option<LastUse> {
        let newest = self.runs.pop_front()?.newest;
        if let Some(oldest) = self.groups.front_mut() {
            oldest.runs -= 1;
            if oldest.runs == 0 {
                self.groups.pop_front();
            }
        }
        if let Some(apart) = self.apart.checked_sub(1) {
            self.apart = apart;
            self.awaited.remove(&newest.at);
            self.gone.push(newest.at);
        }
        Some(newest)
    }

    pub(crate) fn runs(&self) -> impl ExactSizeIterator<Item = &Run> {
        self.runs.iter()
    }
}

fn sieve_of(entries: &[(u32, u32)]) -> Sieve {
    let mut sieve = Sieve::for_keys(entries.len());
    entries.iter().for_each(|(print, _)| sieve.add(*print));
    sieve
}

const fn counts(run: &Run, time: Timestamp, ttl_ms: u64) -> bool {
    time.0 < run.newest.time.plus_ms(ttl_ms).0
}

fn print(lookup: &Lookup) -> u32 {
    let beginning = lookup.0.first_chunk().expect("a hash has 16 bytes");
    u32::from_be_bytes(*beginning)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(print: u32, rest: u8) -> Lookup {
        let mut bytes = [rest; 16];
        bytes[..4].copy_from_slice(&print.to_be_bytes());
        Lookup(bytes)
    }

    fn run(keys: &[(u64, u32)], time: u64) -> Run {
        let keys: Vec<_> = (keys.iter())
            .map(|&(at, print)| (LogPosition(at), lookup(print, 0)))
            .collect();
        let newest = LastUse {
            at: keys.last().unwrap().0,
            time: Timestamp(time),
        };
        Run::of(&keys, newest).unwrap()
    }

    #[test]
    fn a_key_is_found_wherever_it_may_have_been_used_as_long_as_that_counts() {
        let mut old = OldKeys::default();
        old.push(run(&[(10, 7), (20, 3), (30, 7)], 100));
        old.push(run(&[(40, 9), (50, 7)], 200));
        let found = |print, time| {
            let places = old.find(&lookup(print, 1), Timestamp(time), 50);
            places.iter().map(|at| at.0).collect::<Vec<_>>()
        };
        let mut sevens = found(7, 149);
        sevens.sort_unstable();
        assert_eq!(sevens, [10, 30, 50]);
        assert_eq!(found(7, 150), [50]);
        assert_eq!((found(9, 249), found(9, 250)), (vec![40], Vec::new()));
        assert!(found(8, 0).is_empty());
        old.expire(Timestamp(150), 50);
        assert_eq!(old.runs().len(), 1);
        assert_eq!(old.drop_oldest().unwrap().at, LogPosition(50));
    }

    #[test]
    fn a_run_comes_back_as_it_was_saved_and_nothing_else_is_one() {
        let run = run(&[(10, 7), (20, 3), (30, 7)], 100);
        let bytes = run.save();
        let again = |bytes: &[u8]| Run::restore(run.first, run.newest, bytes);
        assert_eq!(again(&bytes), Some(run.clone()));
        assert_eq!(again(&bytes[1..]), None);
        let swapped = [&bytes[8..], &bytes[..8]].concat();
        assert_eq!(again(&swapped), None);
        let beyond = [&[9; 4][..], &21_u32.to_be_bytes()].concat();
        assert_eq!(again(&beyond), None);
    }

    #[test]
    fn a_section_left_behind_holds_nothing_up_and_goes_with_the_next_snapshot() {
        let (named, left_behind) = (run(&[(10, 7), (20, 3)], 100), run(&[(5, 7)], 50));
        let names = vec![Run::named(named.first, named.newest)];
        let mut old = OldKeys::restore(names.clone(), Vec::new());
        assert!(old.load(left_behind) && !old.is_whole());
        assert!(old.load(named.clone()) && old.is_whole());
        assert_eq!(old.runs().collect::<Vec<_>>(), [&named]);
        assert_eq!(old.set_apart(), [LogPosition(5)]);
        assert_eq!(old.set_apart(), []);
        // Another of the same newest key is not what was named.
        let mut old = OldKeys::restore(names, Vec::new());
        assert!(!old.load(run(&[(11, 7), (20, 3)], 100)));
    }

    #[test]
    fn every_key_is_found_in_every_run_that_is_left() {
        let runs = 3 * RUNS_PER_SIEVE as u64 + 5;
        let print = |n: u64| u32::try_from(n).unwrap().wrapping_mul(0x9e37_79b9);
        let made = |number: u64| {
            let keys: Vec<_> = (10 * number..10 * number + 10)
                .map(|n| (n, print(n)))
                .collect();
            run(&keys, number)
        };
        let mut old = OldKeys::default();
        (0..runs).for_each(|number| old.push(made(number)));
        let check = |old: &OldKeys, dropped: u64, upto: u64| {
            for n in 0..10 * upto {
                let found = old.find(&lookup(print(n), 0), Timestamp(0), 1_000);
                let expected = (n >= 10 * dropped).then_some(LogPosition(n));
                assert_eq!(found, Vec::from_iter(expected), "{n}");
            }
        };
        check(&old, 0, runs);
        // As it comes back from a snapshot, when some were dropped before others are loaded.
        let whole = runs - 3;
        let named = (0..whole)
            .map(made)
            .map(|run| Run::named(run.first, run.newest));
        let mut again = OldKeys::restore(named.collect(), (whole..runs).map(made).collect());
        for dropped in 0..20 {
            assert_eq!(old.drop_oldest(), again.drop_oldest());
            if dropped % 7 == 0 {
                check(&old, dropped + 1, runs);
            }
        }
        (20..whole).for_each(|number| assert!(again.load(made(number))));
        assert!(again.is_whole());
        check(&again, 20, runs);
        // A group that has lost runs takes no others in their place.
        (runs..runs + 2 * RUNS_PER_SIEVE as u64).for_each(|number| again.push(made(number)));
        check(&again, 20, runs + 2 * RUNS_PER_SIEVE as u64);
        while again.drop_oldest().is_some() {}
        assert!(again.groups.is_empty());
    }

    #[test]
    fn keys_too_far_apart_make_no_run() {
        let far = LogPosition(1 << 33);
        let keys = [(LogPosition(1), lookup(1, 0)), (far, lookup(2, 0))];
        let newest = LastUse {
            at: far,
            time: Timestamp(0),
        };
        assert_eq!(Run::of(&keys, newest), None);
    }
}
