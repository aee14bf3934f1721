//! Day and night at each school: they take turns at sleeping, so that as many are up at any time.

use std::time::Duration;

use tokio::sync::watch;

use super::Hour;

/// One night in so many; the others are days.
const PHASES: usize = 4;

/// The clocks of all schools.
#[derive(Debug)]
pub struct Days {
    clocks: Vec<watch::Sender<Hour>>,
    phase: Duration,
    pace: Option<Duration>,
}

impl Days {
    /// It is day everywhere, and nobody does anything yet. A night lasts as long as `phase`.
    #[must_use]
    pub fn new(schools: usize, phase: Duration) -> Self {
        let dawn = Hour {
            day: true,
            pace: None,
            over: false,
        };
        Self {
            clocks: (0..schools).map(|_| watch::channel(dawn).0).collect(),
            phase,
            pace: None,
        }
    }

    /// The clock of a school.
    #[must_use]
    pub fn clock(&self, school: usize) -> watch::Receiver<Hour> {
        self.clocks[school].subscribe()
    }

    /// How long people wait between two deeds from now on.
    pub const fn set_pace(&mut self, pace: Duration) {
        self.pace = Some(pace);
    }

    /// So much time has gone by.
    pub fn turn(&self, since: Duration) {
        let turns = since.as_secs_f64() / self.phase.as_secs_f64();
        for (school, clock) in self.clocks.iter().enumerate() {
            let hour = Hour {
                day: !is_night(turns, school),
                pace: self.pace,
                over: false,
            };
            clock.send_if_modified(|now| std::mem::replace(now, hour) != hour);
        }
    }

    /// It is day everywhere and nobody does anything any more, and then all go home for good.
    pub fn end(&self, over: bool) {
        for clock in &self.clocks {
            clock.send_replace(Hour {
                day: true,
                pace: None,
                over,
            });
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a soak has few turns, none below 0"
)]
fn is_night(turns: f64, school: usize) -> bool {
    (turns as usize + school) % PHASES == PHASES - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fourth_of_the_schools_sleeps_at_any_time_and_each_in_its_turn() {
        let mut days = Days::new(8, Duration::from_secs(10));
        days.set_pace(Duration::from_secs(1));
        let clocks: Vec<_> = (0..8).map(|school| days.clock(school)).collect();
        let mut nights = vec![0; 8];
        for turn in 0..8 {
            days.turn(Duration::from_secs(10 * turn + 5));
            for (clock, nights) in clocks.iter().zip(&mut nights) {
                *nights += usize::from(!clock.borrow().day);
            }
            let asleep = clocks.iter().filter(|clock| !clock.borrow().day).count();
            assert_eq!(asleep, 2);
        }
        assert_eq!(nights, [2; 8]);
    }
}
