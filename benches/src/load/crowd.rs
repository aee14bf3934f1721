//! People who do what people do: they type, write, look back, react, read, and come and go before their screens.
//!
//! Everything leaves on a schedule that waits for nobody, as in [`Pace::PerSecond`](super::Pace), and latencies count
//! from when something was due. Everything that comes is looked at, so a crowd costs the generator more than
//! listeners do.
//!
//! When the time is over they stop, and what they asked must still be answered, and each message and reaction told to
//! all of its room, once: what was lost or doubled fails the run.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{
    Entry, Errand, Fleet, Histogram, Measured, Role, Seating, Server, Window, drive::Moment,
    fleet::PATIENCE, report::real, text,
};

/// From when all are in until anything is measured: what a server does for those who came is over by then.
const SETTLE: Duration = Duration::from_secs(3);
/// How long a presence storm takes to break out.
const WITHIN: Duration = Duration::from_secs(1);
/// While all is waited for that is under way: until it is looked at again; and when all is there, for what comes once
/// too often.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Most requests that wait for an answer: a server that far behind has failed.
const UNANSWERED_MAX: usize = 65_536;

/// What somebody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Types.
    Type,
    /// Turns to their screen, or away from it.
    Turn {
        /// To it.
        active: bool,
    },
    /// Sends a message.
    Say,
    /// Looks at the 50 messages before the newest they know.
    LookBack,
    /// Reacts to the newest message they know.
    React,
    /// Has read up to it.
    Read,
}

/// What a message of the server means to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// This request is answered.
    Answered(u64),
    /// So is this one, and it made what its room has at this place.
    Made {
        /// The request.
        id: u64,
        /// The place.
        seq: u64,
    },
    /// Something that somebody made was told.
    Heard,
    /// Something else was told.
    Told,
    /// The presence of the user of this seat was told.
    Presence(u32),
}

/// How often somebody does what in an hour of life.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Habits {
    /// Says that they type.
    pub types: f64,
    /// Turns to their screen or away.
    pub turns: f64,
    /// Sends a message.
    pub says: f64,
    /// Looks at a page of history.
    pub looks_back: f64,
    /// Reacts.
    pub reacts: f64,
    /// Moves their mark.
    pub reads: f64,
}

impl Habits {
    /// How often they do anything.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.shares().iter().map(|(share, _)| share).sum()
    }

    /// Whether there is something to do and nothing absurd.
    #[must_use]
    pub fn are_plausible(&self) -> bool {
        let bounds = 0.0..=100_000.0;
        self.total() > 0.0
            && self
                .shares()
                .iter()
                .all(|(share, _)| bounds.contains(share))
    }

    const fn shares(&self) -> [(f64, Act); 6] {
        [
            (self.types, Act::Type),
            (self.turns, Act::Turn { active: false }),
            (self.says, Act::Say),
            (self.looks_back, Act::LookBack),
            (self.reacts, Act::React),
            (self.reads, Act::Read),
        ]
    }

    /// What is done at a place among all that is done, from 0 to 1.
    fn at(&self, place: f64) -> Act {
        let mut rest = place * self.total();
        for (share, act) in self.shares() {
            if rest < share {
                return act;
            }
            rest -= share;
        }
        Act::Read
    }
}

/// Everybody, in.
#[derive(Debug)]
pub(super) struct Crowd<'a, 'b> {
    fleet: &'b mut Fleet<'a>,
    server: Option<&'b Server>,
    seating: Seating,
    text: String,
    /// What was asked and is not answered, and when it was due.
    unanswered: HashMap<u64, Instant>,
    asked: u64,
    told: u64,
    /// The places of all that was made in each room, as those who made it were answered. Some make what is there.
    made: Vec<HashSet<u64>>,
    /// How much of it each listener was told.
    heard: Vec<u64>,
    /// When the newest turn of each user was due, and whether it was to their screen.
    turns: Vec<(Instant, bool)>,
    /// From when on what is due counts in the latencies; `None` while it warms up.
    counts_from: Option<Instant>,
    /// From when something was due until it was answered; in a storm, until somebody was told.
    latency: Histogram,
    dice: Dice,
}

impl<'a, 'b> Crowd<'a, 'b> {
    /// Lets the listeners in, of a fleet whose listeners listen [closely](Fleet::closely) and whose speakers are in.
    /// All are told who is there.
    ///
    /// # Errors
    /// What the server refused or does not know, for people.
    pub(super) fn gather(
        fleet: &'b mut Fleet<'a>,
        server: Option<&'b Server>,
        seating: Seating,
        text_bytes: usize,
    ) -> Result<Self, String> {
        let watch = Errand::Watch(seating);
        if !fleet.dialect().knows(watch) {
            return Err("knows neither presence nor typing".to_owned());
        }
        fleet.gather(seating.listeners(Role::Listener, Entry::Room))?;
        fleet.send_on(watch, seating.rooms as usize..fleet.lines.len())?;
        if server.is_some() {
            fleet.listen_for(SETTLE)?;
        }
        for line in &mut fleet.lines {
            line.notes.clear();
        }
        Ok(Self {
            fleet,
            server,
            seating,
            text: text(text_bytes),
            unanswered: HashMap::new(),
            asked: 0,
            told: 0,
            made: vec![HashSet::new(); seating.rooms as usize],
            heard: vec![0; seating.listeners as usize],
            turns: vec![(Instant::now(), true); seating.listeners as usize],
            counts_from: None,
            latency: Histogram::default(),
            dice: Dice(1),
        })
    }

    /// Everybody turns away from their screen or back to it within a second, so often; each time it is waited until
    /// all who watch them were told. What counts is how often somebody was told of somebody.
    pub(super) fn storm(mut self, rounds: u32) -> Result<Measured, String> {
        let start = self.moment()?;
        let each: u64 = (0..self.seating.rooms)
            .map(|room| (self.seating.company(room).count() as u64).pow(2))
            .sum();
        for round in 1..=u64::from(rounds) {
            let begun = Instant::now();
            let every = WITHIN / self.seating.listeners;
            let mut next = 0;
            while self.told < round * each || !self.unanswered.is_empty() {
                while next < self.seating.listeners && begun + every * next <= Instant::now() {
                    self.act(next, Act::Turn { active: false }, begun + every * next)?;
                    next += 1;
                }
                let has_more = next < self.seating.listeners;
                let wait = if has_more { Duration::ZERO } else { PATIENCE };
                self.listen(wait, true)?;
                if !has_more && self.fleet.is_silent_since(begun) {
                    let missing = round * each - self.told;
                    return Err(format!(
                        "{missing} were not told of somebody's presence in 20 s"
                    ));
                }
            }
        }
        let count = self.told;
        let latency = std::mem::take(&mut self.latency);
        Ok(self.moment()?.since(&start, count, latency))
    }

    /// Everybody does as they are used to, so many times as fast as in life; then it is waited until all is answered
    /// and told. What counts is what anybody is told.
    pub(super) fn live(
        mut self,
        habits: Habits,
        speed: f64,
        window: Window,
    ) -> Result<Measured, String> {
        let measured = self.measure(habits, speed, window)?;
        self.drain()?;
        Ok(Measured {
            latency: self.latency,
            ..measured
        })
    }

    /// What the window holds, but for the latencies.
    fn measure(&mut self, habits: Habits, speed: f64, window: Window) -> Result<Measured, String> {
        let users = f64::from(self.seating.listeners);
        let every = Duration::from_secs_f64(3600.0 / (habits.total() * speed * users));
        let begun = Instant::now();
        let (warm_up, until, most) = match window {
            Window::Time { warm_up, measured } => (warm_up, Some(warm_up + measured), u64::MAX),
            Window::Messages(count) => (Duration::ZERO, None, count),
        };
        let (mut start, mut told_before) = (None, 0);
        let mut due = begun;
        loop {
            let now = Instant::now();
            if start.is_none() && now >= begun + warm_up {
                self.counts_from = Some(begun + warm_up);
                told_before = self.told;
                start = Some(self.moment()?);
            }
            let is_over = match until {
                Some(until) => now >= begun + until,
                None => self.asked >= most && self.unanswered.is_empty(),
            };
            if let (true, Some(start)) = (is_over, &start) {
                let count = self.told - told_before;
                let mut measured = self.moment()?.since(start, count, Histogram::default());
                measured.lived_s = Some(users * speed * measured.wall.as_secs_f64());
                return Ok(measured);
            }
            while due <= now && self.asked < most {
                let user = self.dice.below(self.seating.listeners);
                let act = habits.at(self.dice.share());
                self.act(user, act, due)?;
                due += every;
            }
            if self.unanswered.len() > UNANSWERED_MAX {
                return Err(format!("{UNANSWERED_MAX} requests wait for an answer"));
            }
            if let Some(oldest) = self.oldest_unanswered(now) {
                return Err(format!("a request was not answered in {oldest:?}"));
            }
            let rest = due.saturating_duration_since(Instant::now());
            let whole_ms = u64::try_from(rest.as_millis()).unwrap_or(0).min(1000);
            self.listen(Duration::from_millis(whole_ms), false)?;
        }
    }

    /// Waits until all is answered and told, and a moment longer for what should not come.
    fn drain(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        while !self.unanswered.is_empty() || self.untold()? > 0 {
            self.listen(LOOK_AGAIN, false)?;
            if self.fleet.is_silent_since(begun) {
                let (unanswered, patience) = (self.unanswered.len(), self.fleet.patience);
                let untold = self.untold()?;
                return Err(format!(
                    "nothing more came for {patience:?}, with {unanswered} requests unanswered, {untold} events untold"
                ));
            }
        }
        let until = Instant::now() + LOOK_AGAIN;
        loop {
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return self.untold().map(|_| ());
            }
            self.listen(rest, false)?;
        }
    }

    /// How much is still to be told to somebody, as far as those who made it were answered.
    ///
    /// # Errors
    /// When all were answered and somebody was told more than was made.
    fn untold(&self) -> Result<u64, String> {
        let mut untold = 0;
        for (listener, &heard) in self.heard.iter().enumerate() {
            let room = listener % self.seating.rooms as usize;
            let made = self.made[room].len() as u64;
            if heard > made && self.unanswered.is_empty() {
                return Err(format!(
                    "{heard} events were told in room {room}, of {made}"
                ));
            }
            untold += made.saturating_sub(heard);
        }
        Ok(untold)
    }

    /// How long the request waits that was due first, if that is too long. Looked at now and then.
    fn oldest_unanswered(&self, now: Instant) -> Option<Duration> {
        if !self.asked.is_multiple_of(1024) {
            return None;
        }
        let oldest = self.unanswered.values().min()?;
        Some(now.saturating_duration_since(*oldest)).filter(|waited| *waited > PATIENCE)
    }

    fn act(&mut self, user: u32, act: Act, due: Instant) -> Result<(), String> {
        let turn = &mut self.turns[user as usize];
        let act = match act {
            Act::Turn { .. } => {
                *turn = (due, !turn.1);
                Act::Turn { active: turn.1 }
            }
            Act::Type | Act::Say | Act::LookBack | Act::React | Act::Read => act,
        };
        self.asked += 1;
        self.unanswered.insert(self.asked, due);
        let dialect = self.fleet.dialect();
        let line = &mut self.fleet.lines[(self.seating.rooms + user) as usize];
        let seat = line.seat.clone();
        dialect.act(&seat, act, self.asked, &self.text, line.say())?;
        line.flush()
    }

    fn listen(&mut self, wait: Duration, is_storm: bool) -> Result<(), String> {
        let Self {
            fleet,
            seating,
            unanswered,
            told,
            made,
            heard,
            turns,
            counts_from,
            latency,
            ..
        } = self;
        fleet.turn(Some(wait), |_, line, _| {
            let now = Instant::now();
            for note in line.notes.drain(..) {
                match note {
                    Note::Answered(id) | Note::Made { id, .. } => {
                        let due = unanswered.remove(&id).ok_or("answered what nobody asked")?;
                        if counts_from.is_some_and(|from| due >= from) {
                            latency.record(now - due);
                        }
                        if let Note::Made { seq, .. } = note {
                            made[line.seat.room as usize].insert(seq);
                        }
                    }
                    Note::Heard => {
                        let listener = line.seat.number.checked_sub(seating.rooms);
                        let heard = listener.and_then(|number| heard.get_mut(number as usize));
                        *heard.ok_or("a speaker listens")? += 1;
                        *told += u64::from(!is_storm);
                    }
                    Note::Told => *told += u64::from(!is_storm),
                    Note::Presence(seat) => {
                        *told += 1;
                        let user = seat.checked_sub(seating.rooms);
                        let turn = user.and_then(|user| turns.get(user as usize));
                        if let (true, Some((due, _))) = (is_storm, turn) {
                            latency.record(now.saturating_duration_since(*due));
                        }
                    }
                }
            }
            Ok(())
        })
    }

    fn moment(&self) -> Result<Moment, String> {
        Moment::now(self.fleet, self.server)
    }
}

/// The same throws in every run (G. Steele et al., Fast Splittable Pseudorandom Number Generators, 2014).
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    const fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below another one.
    fn below(&mut self, end: u32) -> u32 {
        u32::try_from(((self.throw() >> 32) * u64::from(end)) >> 32).expect("below a u32")
    }

    /// From 0 to 1.
    fn share(&mut self) -> f64 {
        real(self.throw() >> 11) / real(1 << 53)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HABITS: Habits = Habits {
        types: 1.0,
        turns: 2.0,
        says: 3.0,
        looks_back: 0.0,
        reacts: 4.0,
        reads: 0.0,
    };

    #[test]
    fn everything_is_done_in_its_share() {
        let mut dice = Dice(7);
        let mut counts = [0_u32; 6];
        for _ in 0..100_000 {
            let act = HABITS.at(dice.share());
            let acts = HABITS.shares().map(|(_, act)| act);
            counts[acts.iter().position(|other| *other == act).unwrap()] += 1;
        }
        for (count, (share, act)) in counts.into_iter().zip(HABITS.shares()) {
            let expected = share * 10_000.0;
            assert!(
                (f64::from(count) - expected).abs() <= 500.0,
                "{act:?}: {count}"
            );
        }
    }

    #[test]
    fn habits_are_bounded() {
        assert!(HABITS.are_plausible());
        let wrong = |types| Habits { types, ..HABITS };
        assert!(!wrong(-1.0).are_plausible() && !wrong(f64::NAN).are_plausible());
        assert!(!wrong(100_001.0).are_plausible());
    }

    #[test]
    fn dice_stay_below_their_end() {
        let mut dice = Dice(3);
        let thrown: Vec<_> = (0..1000).map(|_| dice.below(3)).collect();
        assert!((0..3).all(|face| thrown.contains(&face)) && thrown.iter().all(|face| *face < 3));
    }
}
