//! How to speak with `peers/node/uwebsockets.js`: rooms by number, texts as they are.

use crate::load::{Dialect, Entered, Outgoing, Seat};

use super::rooms;

/// uWebSockets, as Bun carries it.
#[derive(Debug, Clone, Copy)]
pub(super) struct UWebSockets;

impl Dialect for UWebSockets {
    fn name(&self) -> &str {
        "uWebSockets"
    }

    fn enter(
        &self,
        seat: &mut Seat,
        heard: Option<&[u8]>,
        say: &mut Outgoing,
    ) -> Result<Entered, String> {
        let join: Vec<u8> = rooms(seat).flat_map(u32::to_be_bytes).collect();
        match heard {
            None => {
                say.binary(&join);
                Ok(Entered::More)
            }
            Some(answer) if answer == join => Ok(Entered::Ready),
            // Someone else's message overtook the answer.
            Some(_) => Ok(Entered::More),
        }
    }

    fn publish(&self, _: &Seat, _: u64, text: &str, say: &mut Outgoing) {
        say.binary(text.as_bytes());
    }
}
