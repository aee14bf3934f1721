//! What the benches share: the one message they all send, the [`host`] and the [`line`](mod@line) to it of those that
//! use sockets, and the [`machine`] they ran on.
//!
//! Every figure is about the same traffic, so that they can be added up: a message of
//! [`TEXT_BYTES`] bytes of text, as one client's send, one record of the log, one push to a room.

pub mod driven;
pub mod hall;
pub mod host;
pub mod judged;
pub mod line;
pub mod load;
pub mod machine;
pub mod neighbours;
pub mod outage;
pub mod peers;
pub mod raw;
pub mod scale;
pub mod school;
pub mod secure;
pub mod serve;
pub mod soak;

use homeroom_protocol::{
    Epoch, EventBody, IdempotencyKey, Request, RoomNumber, Seq, ServerFrame, TimelineEvent,
    Timestamp, UserId,
};

/// Text of every message, in bytes: a sentence or two.
pub const TEXT_BYTES: usize = 128;

/// When everything in the benches happens.
pub const NOW: Timestamp = Timestamp(1_750_000_000_000);

/// The room everything happens in.
pub const ROOM: RoomNumber = RoomNumber(1);

/// The text of a message.
#[must_use]
pub fn text() -> String {
    "0123456789abcdef".repeat(TEXT_BYTES / 16)
}

/// A client's send; a different number makes a different idempotency key.
#[must_use]
pub fn send(number: u64) -> Request {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&number.to_be_bytes());
    Request::Send {
        key: IdempotencyKey(key),
        room: ROOM,
        draft: text().into(),
    }
}

/// What a room's listeners are told of a message.
///
/// # Panics
/// Never: the author's name is valid.
#[must_use]
pub fn event_push(seq: Seq) -> ServerFrame {
    ServerFrame::Event {
        room: ROOM,
        epoch: Epoch::from_random(u64::MAX),
        event: TimelineEvent {
            seq,
            time: NOW,
            author: UserId::new("ana").expect("a valid user id"),
            body: EventBody::Message(text().into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_the_length_it_claims() {
        assert_eq!(text().len(), TEXT_BYTES);
    }
}
