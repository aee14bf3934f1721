//! What is under way in a room: published, and not yet received by all.

use std::{collections::VecDeque, time::Instant};

/// The messages of one room that are under way, in the order in which they were published.
///
/// Servers keep that order towards each listener, so the n-th delivery to a listener is the n-th message, and a
/// message is never received by all before those ahead of it.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// The connection that speaks.
    pub(super) speaker: usize,
    /// The connections that listen.
    pub(super) listeners: u32,
    /// Messages so far.
    pub(super) published: u64,
    complete: u64,
    flights: VecDeque<Flight>,
}

#[derive(Debug)]
struct Flight {
    /// When it was to be published.
    due: Instant,
    remaining: u32,
}

impl Room {
    /// Messages that all have.
    pub(super) const fn complete(&self) -> u64 {
        self.complete
    }

    /// Notes that a message was published that so many are to receive.
    pub(super) fn publish(&mut self, due: Instant, receivers: u32) {
        self.published += 1;
        self.flights.push_back(Flight {
            due,
            remaining: receivers,
        });
    }

    /// Notes that somebody who had received the first `from` messages received `count` more, and calls
    /// `each` with when each of those was due. Returns how many messages are thereby received by all.
    ///
    /// # Errors
    /// When more was received than was published.
    pub(super) fn receive(
        &mut self,
        from: u64,
        count: u64,
        mut each: impl FnMut(Instant),
    ) -> Result<u64, String> {
        for number in from..from + count {
            let place = number.checked_sub(self.complete);
            let flight = place
                .and_then(|place| self.flights.get_mut(usize::try_from(place).ok()?))
                .ok_or("more was delivered than was published")?;
            let remaining = flight.remaining.checked_sub(1);
            flight.remaining = remaining.ok_or("a message was delivered too often")?;
            each(flight.due);
        }
        let before = self.complete;
        while self
            .flights
            .front()
            .is_some_and(|flight| flight.remaining == 0)
        {
            self.flights.pop_front();
            self.complete += 1;
        }
        Ok(self.complete - before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_complete_when_all_have_it() {
        let mut room = Room::default();
        let now = Instant::now();
        for _ in 0..3 {
            room.publish(now, 2);
        }
        assert_eq!(room.receive(0, 3, |_| {}), Ok(0));
        assert_eq!(room.receive(0, 1, |_| {}), Ok(1));
        assert_eq!(room.receive(1, 2, |_| {}), Ok(2));
        assert_eq!(room.published, 3);
    }

    #[test]
    fn what_was_never_published_cannot_be_received() {
        let mut room = Room::default();
        room.publish(Instant::now(), 1);
        assert!(room.receive(0, 2, |_| {}).is_err());
        assert!(room.receive(0, 1, |_| {}).is_err(), "received twice");
    }
}
