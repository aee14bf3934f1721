//! What the baseline sends: frames as long as Homeroom's own, made by Homeroom's own encoder.

use homeroom_protocol::{
    Epoch, EventBody, Position, RequestId, RoomNumber, Seq, ServerFrame, TimelineEvent, Timestamp,
    UserId, wire_message,
};

/// Somewhere in the middle of a run: as long as most seqs of one are.
const SEQ: Seq = Seq(10_000);
const NOW: Timestamp = Timestamp(1_750_000_000_000);
const EPOCH: u64 = u64::MAX;

/// A push of a message with a text of some length, but for the text.
#[derive(Debug, Default)]
pub(super) struct Push {
    text_bytes: usize,
    head: Vec<u8>,
}

impl Push {
    /// Adds the frame with this text.
    pub(super) fn write(&mut self, text: &[u8], out: &mut Vec<u8>) {
        if self.head.is_empty() || text.len() != self.text_bytes {
            let frame = event(&"x".repeat(text.len()));
            self.text_bytes = text.len();
            self.head = wire_message(&frame).bytes.to_vec();
            self.head.truncate(self.head.len() - text.len());
        }
        out.extend(&self.head);
        out.extend(text);
    }
}

/// The answer to a publish.
pub(super) fn acknowledgement() -> Vec<u8> {
    let position = Position {
        epoch: Epoch::from_random(EPOCH),
        seq: SEQ,
    };
    let sent = ServerFrame::Sent {
        id: RequestId(1_000),
        position,
        time: NOW,
    };
    wire_message(&sent).bytes.to_vec()
}

fn event(text: &str) -> ServerFrame {
    ServerFrame::Event {
        room: RoomNumber(1),
        epoch: Epoch::from_random(EPOCH),
        event: TimelineEvent {
            seq: SEQ,
            time: NOW,
            author: UserId::new("u0").expect("a valid user id"),
            body: EventBody::Message(text.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_is_what_homeroom_would_send() {
        let mut push = Push::default();
        for text in ["x", "some text", "other text"] {
            let mut out = Vec::new();
            push.write(text.as_bytes(), &mut out);
            assert_eq!(out, wire_message(&event(text)).bytes);
        }
    }
}
