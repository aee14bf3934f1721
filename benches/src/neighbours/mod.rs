//! What one tenant's flood costs another: the same paced messages of one tenant, timed while the other does
//! nothing, and while a few of its connections send as fast as they are allowed to, before a small and a
//! large audience.
//!
//! The paced messages leave at even times, whatever became of those before them, and are timed from when
//! they were to leave: a message that waits in a queue behind a slow one is as late as it is.
//!
//! The host, the flood and the clock are three processes; on a machine of two cores they get in each other's
//! way as well, which no fairness of the host can help.

mod calm;
mod flood;
mod rise;

use homeroom_protocol::{IdempotencyKey, Request, RoomInfo, RoomNumber, ServerFrame};

use crate::{host::Failure, line::Line};

pub use self::{
    calm::{PACE, Times, measure},
    flood::flood,
    rise::rises,
};

/// The tenant that is flooded.
pub const FLOODED: &str = "flooded";
/// Its neighbour.
pub const CALM: &str = "calm";

async fn make_room(line: &mut Line) -> Result<(), Failure> {
    let create = Request::Create {
        key: key(u64::MAX, 0),
        room: "lobby".parse()?,
        info: RoomInfo::default(),
        members: Vec::new(),
    };
    line.ask(1, create).await?;
    Ok(())
}

async fn join(line: &mut Line) -> Result<RoomNumber, Failure> {
    let join = Request::Join {
        room: "lobby".parse()?,
        resume: None,
    };
    match line.ask(2, join).await? {
        ServerFrame::Joined { room, .. } => Ok(room),
        other => Err(format!("not joined: {other:?}").into()),
    }
}

fn key(who: u64, number: u64) -> IdempotencyKey {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&who.to_be_bytes());
    key[8..].copy_from_slice(&number.to_be_bytes());
    IdempotencyKey(key)
}
