//! Runs in which something is lost or comes twice: they fail.

use std::cell::Cell;

use super::*;

/// Another dialect, but that the first message of each seat is published so often, or the first that anybody is told
/// is noted so often.
struct Faulty<'a> {
    dialect: &'a dyn Dialect,
    publishes: usize,
    hears: Cell<usize>,
}

impl<'a> Faulty<'a> {
    const fn publishing(dialect: &'a dyn Dialect, times: usize) -> Self {
        Self {
            dialect,
            publishes: times,
            hears: Cell::new(1),
        }
    }

    const fn hearing(dialect: &'a dyn Dialect, times: usize) -> Self {
        Self {
            dialect,
            publishes: 1,
            hears: Cell::new(times),
        }
    }
}

impl Dialect for Faulty<'_> {
    fn name(&self) -> &str {
        self.dialect.name()
    }

    fn door(&self) -> Door {
        self.dialect.door()
    }

    fn enter(
        &self,
        seat: &mut Seat,
        heard: Option<&[u8]>,
        say: &mut Outgoing,
    ) -> Result<Entered, String> {
        self.dialect.enter(seat, heard, say)
    }

    fn publish(&self, seat: &Seat, number: u64, text: &str, say: &mut Outgoing) {
        let times = if number == 0 { self.publishes } else { 1 };
        for _ in 0..times {
            self.dialect.publish(seat, number, text, say);
        }
    }

    fn acknowledged(&self, message: &[u8], say: &mut Outgoing) -> Result<u64, String> {
        self.dialect.acknowledged(message, say)
    }

    fn knows(&self, errand: Errand) -> bool {
        self.dialect.knows(errand)
    }

    fn run_errand(
        &self,
        errand: Errand,
        seat: &mut Seat,
        heard: Option<&[u8]>,
        say: &mut Outgoing,
    ) -> Result<Entered, String> {
        self.dialect.run_errand(errand, seat, heard, say)
    }

    fn act(
        &self,
        seat: &Seat,
        act: Act,
        id: u64,
        text: &str,
        say: &mut Outgoing,
    ) -> Result<(), String> {
        self.dialect.act(seat, act, id, text, say)
    }

    fn note(&self, message: &[u8], seat: &mut Seat, notes: &mut Vec<Note>) -> Result<(), String> {
        let mut heard = Vec::new();
        self.dialect.note(message, seat, &mut heard)?;
        for note in heard {
            let times = match note {
                Note::Heard => self.hears.replace(1),
                Note::Answered(_) | Note::Made { .. } | Note::Told | Note::Presence(_) => 1,
            };
            notes.extend(std::iter::repeat_n(note, times));
        }
        Ok(())
    }
}

/// Longer than a busy machine stalls, shorter than anybody wants to wait for a test.
const PATIENCE: Duration = Duration::from_secs(2);

/// A window of a twentieth of a second.
fn run_for_a_moment(dialect: &dyn Dialect, mode: Mode, until: Until) -> Result<Measured, String> {
    let mut fleet = Fleet::new(dialect, baseline(mode)).unwrap();
    fleet.patience = PATIENCE;
    let seating = Seating::new(1, LISTENERS, Entry::Room, false);
    fleet.gather(seating.speakers())?;
    fleet.gather(seating.listeners(Role::Listener, Entry::Room))?;
    let window = Window::Time {
        warm_up: Duration::ZERO,
        measured: Duration::from_millis(50),
    };
    Driver::new(&mut fleet, None, until, 128).run(Pace::PerSecond(1000.0), window)
}

#[test]
fn a_message_lost_in_a_timed_window_fails_the_run() {
    let forgetful = Faulty::publishing(&raw::Raw, 0);
    let failure = run_for_a_moment(&forgetful, Mode::Plain, Until::Delivered).unwrap_err();
    assert!(failure.contains("with 1 of"), "{failure}");
}

#[test]
fn a_message_too_many_in_a_timed_window_fails_the_run() {
    let stammering = Faulty::publishing(&raw::Raw, 2);
    let failure = run_for_a_moment(&stammering, Mode::Plain, Until::Delivered).unwrap_err();
    assert!(failure.contains("more was delivered"), "{failure}");
}

#[test]
fn an_acknowledgement_lost_in_a_timed_window_fails_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let forgetful = Faulty::publishing(&raw::Raw, 0);
    let mode = Mode::Durable(folder.path().join("journal"));
    let failure = run_for_a_moment(&forgetful, mode, Until::Acknowledged).unwrap_err();
    assert!(failure.contains("with 1 of"), "{failure}");
}

#[test]
fn a_message_that_somebody_is_not_told_or_told_twice_fails_a_day() {
    let failed = |times| {
        let dialect = Faulty::hearing(&Homeroom, times);
        let window = Window::Time {
            warm_up: Duration::ZERO,
            measured: Duration::from_millis(100),
        };
        live(&dialect, window, PATIENCE).unwrap_err()
    };
    let lost = failed(0);
    assert!(lost.contains("1 events untold"), "{lost}");
    let doubled = failed(2);
    assert!(doubled.contains("events were told"), "{doubled}");
}
