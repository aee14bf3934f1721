//! What is said in rooms, and what becomes of it.

use homeroom_protocol::{Draft, EventBody, Message, RoomNumber, limit::MESSAGE_TEXT_BYTES_MAX};

use super::{Ground, Keyed, Verdict, check_field};
use crate::tenant::refusal::Refusal;

/// Sends a message.
pub(in crate::tenant) fn send(
    ground: Ground<'_>,
    keyed: Keyed,
    room: RoomNumber,
    draft: Draft,
) -> Result<Verdict, Refusal> {
    ground.may_write()?;
    check_field("text", draft.text.len(), MESSAGE_TEXT_BYTES_MAX)?;
    // Before membership: a retry is answered even after its author has left.
    if let Some(record) = keyed.already()? {
        return Ok(Verdict::Already(record));
    }
    let room = ground.joined(room)?;
    if room.is_stream() {
        return Err(Refusal::NotHere);
    }
    ground.can_store()?;
    let body = EventBody::Message(Message::from(draft.text));
    Ok(Verdict::Happened(ground.event(
        room,
        body,
        Some(keyed.by()),
    )))
}
