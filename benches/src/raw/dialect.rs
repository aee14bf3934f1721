//! How to speak with the baseline: a letter, and what it is about.

use crate::load::{Dialect, Entered, Entry, Errand, LARGE_BYTES, Outgoing, Role, Seat};

/// Client: takes the seat of a speaker or a listener in the room whose number follows (`u32`, big endian).
pub(super) const SPEAK: u8 = b'S';
pub(super) const LISTEN: u8 = b'L';
/// Client: the text that follows is for the room.
pub(super) const PUBLISH: u8 = b'P';
/// Client: what follows means nothing.
pub(super) const PAD: u8 = b'X';
/// Server: the seat is taken; or that was read.
pub(super) const READY: u8 = b'R';

/// The baseline's dialect.
#[derive(Debug, Clone, Copy, Default)]
pub struct Raw;

impl Dialect for Raw {
    fn name(&self) -> &str {
        "raw"
    }

    fn enter(
        &self,
        seat: &mut Seat,
        heard: Option<&[u8]>,
        say: &mut Outgoing,
    ) -> Result<Entered, String> {
        match heard {
            None => {
                let letter = match seat.role {
                    Role::Speaker => SPEAK,
                    Role::Listener => LISTEN,
                };
                for step in 0..rooms_of(seat).0 {
                    let [a, b, c, d] = ((seat.room + step) % rooms_of(seat).1).to_be_bytes();
                    say.binary(&[letter, a, b, c, d]);
                }
                Ok(Entered::More)
            }
            Some([READY]) => {
                seat.step += 1;
                Ok(match seat.step == rooms_of(seat).0 {
                    true => Entered::Ready,
                    false => Entered::More,
                })
            }
            Some(other) => Err(format!("{other:?}")),
        }
    }

    fn knows(&self, errand: Errand) -> bool {
        errand == Errand::Large
    }

    fn run_errand(
        &self,
        _errand: Errand,
        _seat: &mut Seat,
        heard: Option<&[u8]>,
        say: &mut Outgoing,
    ) -> Result<Entered, String> {
        match heard {
            None => {
                say.binary(&[PAD; LARGE_BYTES]);
                Ok(Entered::More)
            }
            Some([READY]) => Ok(Entered::Ready),
            Some(other) => Err(format!("{other:?}")),
        }
    }

    fn publish(&self, _seat: &Seat, _number: u64, text: &str, say: &mut Outgoing) {
        let mut message = Vec::with_capacity(1 + text.len());
        message.push(PUBLISH);
        message.extend(text.as_bytes());
        say.binary(&message);
    }

    fn acknowledged(&self, _message: &[u8], _say: &mut Outgoing) -> Result<u64, String> {
        Ok(1)
    }
}

/// How many rooms somebody is in, their own and those after it, and of how many.
fn rooms_of(seat: &Seat) -> (u32, u32) {
    match seat.entry {
        Entry::Bare | Entry::Room => (1, u32::MAX),
        Entry::ThreeRooms { rooms } => (rooms.clamp(1, 3), rooms.max(1)),
    }
}
