//! The rooms of the clients, what they say there, and the audit: in the end every room is read from its beginning,
//! and each message must be there once.

use std::{collections::BTreeMap, net::SocketAddr};

use homeroom_client::{EventBody, IdempotencyKey, RoomId};
use homeroom_protocol::{Direction, Request, RoomInfo, Seq, ServerFrame, limit::PAGE_EVENTS_MAX};

use crate::{
    host::{Failure, tenant},
    line::Line,
};

/// The tenant of them all.
pub const TENANT: &str = "school";
/// Clients in one room.
pub const CLASS: u64 = 20;

/// Makes so many rooms.
///
/// # Errors
/// The host's.
pub async fn make_rooms(address: SocketAddr, rooms: u64) -> Result<(), Failure> {
    let mut maker = None;
    for number in 0..rooms {
        // A user may be in so many rooms only.
        if number % 400 == 0 {
            let name = format!("maker-{number}");
            maker = Some(Line::enter(address, &tenant(TENANT), &name).await?);
        }
        let create = Request::Create {
            key: key(u64::MAX, u32::try_from(number)?),
            room: room_id(number)?,
            info: RoomInfo::default(),
            members: Vec::new(),
        };
        let maker = maker.as_mut().ok_or("no maker")?;
        maker.ask(number, create).await?;
    }
    Ok(())
}

/// Reads every room; how many messages of so many clients are missing, and how many are there more than once.
///
/// # Errors
/// The host's.
pub async fn audit(address: SocketAddr, clients: u64) -> Result<(usize, usize), Failure> {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    let mut reader = Line::enter(address, &tenant(TENANT), "auditor").await?;
    for number in 0..clients.div_ceil(CLASS) {
        if number % 400 == 0 {
            let name = format!("auditor-{number}");
            reader = Line::enter(address, &tenant(TENANT), &name).await?;
        }
        let join = Request::Join {
            room: room_id(number)?,
            resume: None,
        };
        let ServerFrame::Joined { room, head, .. } = reader.ask(1, join).await? else {
            return Err("no room".into());
        };
        let mut anchor = Seq(0);
        while anchor < head {
            let history = Request::History {
                room,
                direction: Direction::After,
                anchor,
                limit: u32::try_from(PAGE_EVENTS_MAX)?,
                thread: None,
            };
            let ServerFrame::Page { events, .. } = reader.ask(2, history).await? else {
                return Err("no page".into());
            };
            anchor = events.last().ok_or("an empty page")?.seq;
            for event in events {
                if let EventBody::Message(message) = event.body {
                    *found.entry(message.text).or_default() += 1;
                }
            }
        }
    }
    let said = |number: u64| [0, 1, 10, 11, 9].map(|round| text(number, round));
    let all = (0..clients).flat_map(said);
    let missing = all.filter(|text| !found.contains_key(text)).count();
    let doubled = found.values().filter(|&&count| count > 1).count();
    Ok((missing, doubled))
}

pub(super) fn room_id(number: u64) -> Result<RoomId, Failure> {
    Ok(format!("class-{number}").parse()?)
}

pub(super) fn text(number: u64, round: u32) -> String {
    format!("{number} says {round}")
}

pub(super) fn key(number: u64, round: u32) -> IdempotencyKey {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&number.to_be_bytes());
    key[8..12].copy_from_slice(&round.to_be_bytes());
    IdempotencyKey(key)
}
