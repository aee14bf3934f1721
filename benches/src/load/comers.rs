//! What it costs that people come, stay silent, leave, and come back: processor time and memory.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::{
    Entry, Errand, Fleet, Histogram, LARGE_BYTES, Measured, Role, Seat, Seating, Server,
    drive::Moment, fleet::PATIENCE, report::real, text,
};

/// A large message to listeners comes in so many pieces, as a message's text may have 16 KiB.
const PIECES: usize = 4;
/// Most waves: as many moments as are kept.
pub const WAVES_MAX: usize = 5;

/// The memory of the server, in bytes that are in RAM.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Resident {
    /// Before those came of whom is told.
    pub before: f64,
    /// At moments after: when all were in, and after a large message each way; or after each wave.
    pub then: [Option<f64>; WAVES_MAX],
}

impl Resident {
    /// Before, and when all were in.
    fn of(before: f64, then: f64) -> Self {
        let mut resident = Self {
            before,
            ..Self::default()
        };
        resident.then[0] = Some(then);
        resident
    }

    /// What came to it since, at each of the moments.
    pub fn grown(&self) -> impl Iterator<Item = f64> + use<> {
        let before = self.before;
        self.then
            .into_iter()
            .flatten()
            .map(move |then| then - before)
    }
}

/// Those who come to rooms whose speakers are in.
#[derive(Debug)]
pub(super) struct Comers<'a, 'b> {
    fleet: &'b mut Fleet<'a>,
    server: &'b Server,
    seating: Seating,
    entry: Entry,
    /// From when the last came or left until memory is looked at.
    settle: Duration,
}

impl<'a, 'b> Comers<'a, 'b> {
    pub(super) const fn new(
        fleet: &'b mut Fleet<'a>,
        server: &'b Server,
        seating: Seating,
        entry: Entry,
        settle: Duration,
    ) -> Self {
        Self {
            fleet,
            server,
            seating,
            entry,
            settle,
        }
    }

    /// They come for the first time.
    pub(super) fn come(mut self) -> Result<Measured, String> {
        let before = self.settled()?;
        let mut measured = self.measure(self.seats())?;
        measured.resident = Some(Resident::of(before, self.resident()?));
        Ok(measured)
    }

    /// They come for the first time, and are told who is there; later each says and hears something large.
    pub(super) fn stay(mut self) -> Result<Measured, String> {
        let before = self.settled()?;
        let mut measured = self.measure(self.seats())?;
        if let Entry::ThreeRooms { .. } = self.entry {
            let all = self.of_comers();
            self.fleet.send_on(Errand::Watch(self.seating), all)?;
        }
        let mut resident = Resident::of(before, self.settled()?);
        if self.entry != Entry::Bare && self.fleet.dialect().knows(Errand::Large) {
            self.fleet.send_on(Errand::Large, self.of_comers())?;
            say_something_large(self.fleet, &self.seating)?;
            resident.then[1] = Some(self.settled()?);
        }
        measured.resident = Some(resident);
        Ok(measured)
    }

    /// They came before, lost their connections, and come again. That says nothing of memory: what they left is
    /// forgotten while they come.
    pub(super) fn come_back(mut self) -> Result<Measured, String> {
        self.fleet.gather(self.seats())?;
        self.settled()?;
        let seats = self.fleet.part(self.of_comers().start, false);
        self.settled()?;
        self.measure(seats)
    }

    /// They come and leave, so often, each time the same.
    pub(super) fn come_and_go(mut self, waves: usize) -> Result<Measured, String> {
        let mut resident = Resident {
            before: self.settled()?,
            ..Resident::default()
        };
        // Those of the speakers are nobody's question.
        self.fleet.arrivals = Histogram::default();
        let start = self.moment()?;
        let mut coming = Duration::ZERO;
        for then in resident.then.iter_mut().take(waves) {
            let begun = Instant::now();
            self.fleet.gather(self.seats())?;
            coming += begun.elapsed();
            self.fleet.part(self.of_comers().start, true);
            *then = Some(self.settled()?);
        }
        let count = waves as u64 * u64::from(self.seating.listeners);
        let arrivals = std::mem::take(&mut self.fleet.arrivals);
        Ok(Measured {
            wall: coming,
            resident: Some(resident),
            ..self.moment()?.since(&start, count, arrivals)
        })
    }

    /// What it costs that these come in. How fast they come, and what that takes of the generator, ends with the last
    /// of them; what it takes of the server, when that has settled: what it does for them later is done for them too.
    fn measure(&mut self, seats: Vec<Seat>) -> Result<Measured, String> {
        let count = seats.len() as u64;
        self.fleet.arrivals = Histogram::default();
        let start = self.moment()?;
        self.fleet.gather(seats)?;
        let arrivals = std::mem::take(&mut self.fleet.arrivals);
        let measured = self.moment()?.since(&start, count, arrivals);
        self.fleet.listen_for(self.settle)?;
        let settled = self.moment()?.since(&start, count, Histogram::default());
        Ok(Measured {
            server: settled.server,
            ..measured
        })
    }

    fn seats(&self) -> Vec<Seat> {
        self.seating.listeners(Role::Listener, self.entry).collect()
    }

    /// Where their connections are: behind those of the speakers.
    fn of_comers(&self) -> std::ops::Range<usize> {
        self.seating.rooms as usize..self.fleet.lines.len()
    }

    fn settled(&mut self) -> Result<f64, String> {
        self.fleet.listen_for(self.settle)?;
        self.resident()
    }

    fn resident(&self) -> Result<f64, String> {
        let resident = self.server.resident_bytes();
        resident.map(real).map_err(|error| error.to_string())
    }

    fn moment(&self) -> Result<Moment, String> {
        Moment::now(self.fleet, Some(self.server))
    }
}

/// Each speaker publishes some large messages in one go, and all who are in their rooms receive them.
pub(super) fn say_something_large(fleet: &mut Fleet<'_>, seating: &Seating) -> Result<(), String> {
    let dialect = fleet.dialect();
    let piece = text(LARGE_BYTES / PIECES);
    let (mut before, mut expected) = (fleet.received.deliveries, 0);
    for room in 0..seating.rooms {
        let line = &mut fleet.lines[room as usize];
        let seat = line.seat.clone();
        for number in 0..PIECES as u64 {
            dialect.publish(&seat, number, &piece, line.say());
        }
        line.flush()?;
        let asked_at = Instant::now();
        expected += (PIECES * seating.company(room).count()) as u64;
        // One room after the other: not all of it is to be under way at once.
        while fleet.received.deliveries - before < expected {
            fleet.turn(Some(PATIENCE), |_, _, _| Ok(()))?;
            if fleet.is_silent_since(asked_at) {
                let missing = expected - (fleet.received.deliveries - before);
                return Err(format!("{missing} large messages did not come in 20 s"));
            }
        }
        (before, expected) = (fleet.received.deliveries, 0);
    }
    Ok(())
}
