//! One connection: the bytes between a client and the host, and what the host's end was seen to say.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use homeroom_engine::hub::{Gauge, TenantLife};
use homeroom_protocol::{
    ConnectionId, Epoch, RequestId, RoomNumber, Seq, ServerFrame, Timestamp, UserId,
};

use crate::{
    broken::{Broken, Checked, ensure},
    ledger::Ledger,
    wire::{Said, Wire},
};

/// A connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) tenant: usize,
    pub(crate) user: UserId,
    pub(crate) wire: Wire,
    pub(crate) gauge: Arc<Gauge>,
    /// Messages on their way to the host.
    pub(crate) up: VecDeque<Vec<u8>>,
    /// To the client nothing comes through.
    pub(crate) stalled: bool,
    /// The client has let go of it.
    pub(crate) cut: bool,
    /// When the host notices that, and whether it was a goodbye.
    pub(crate) notices: Option<(Timestamp, bool)>,
    /// The life it was attached to.
    pub(crate) life: Option<TenantLife>,
    /// The host has let go of it.
    pub(crate) gone: bool,
    /// From this byte on nothing may be said but the goodbye.
    pub(crate) revoked: Option<u64>,
    barred: BTreeMap<RoomNumber, Bar>,
    places: BTreeMap<RoomNumber, (Epoch, Seq)>,
    asked: BTreeSet<RequestId>,
}

/// A room must not be heard from this byte on.
#[derive(Debug, Clone, Copy)]
struct Bar {
    from: u64,
    /// Its user may see it again.
    lifted: bool,
    /// The connection was told that it hears the room no more.
    told: bool,
}

impl Link {
    pub(crate) fn new(tenant: usize, user: UserId, socket_bytes: usize) -> Self {
        Self {
            tenant,
            user,
            wire: Wire::new(socket_bytes),
            gauge: Arc::default(),
            up: VecDeque::new(),
            stalled: false,
            cut: false,
            notices: None,
            life: None,
            gone: false,
            revoked: None,
            barred: BTreeMap::new(),
            places: BTreeMap::new(),
            asked: BTreeSet::new(),
        }
    }

    /// A request was passed on.
    pub(crate) fn ask(&mut self, id: RequestId) {
        self.asked.insert(id);
    }

    /// Its user may see a room no more.
    pub(crate) fn bar(&mut self, room: RoomNumber) {
        let from = self.wire.taken();
        let bar = Bar {
            from,
            lifted: false,
            told: false,
        };
        self.barred.insert(room, bar);
    }

    /// Its user may see a room again: this connection does when it joins it, or goes on where it was not even told.
    pub(crate) fn lift(&mut self, room: RoomNumber) {
        if let Some(bar) = self.barred.get_mut(&room) {
            bar.lifted = true;
        }
    }

    /// Looks at a frame that was handed to the kernel.
    pub(crate) fn check(&mut self, id: ConnectionId, said: &Said, ledger: &Ledger) -> Checked {
        let (Said { at, frame }, user) = (said, self.user.clone());
        if let ServerFrame::Bye { .. } = frame {
            return Ok(());
        }
        ensure!(
            self.revoked.is_none_or(|from| *at < from),
            "nothing after revocation",
            "{user} on {id:?}: {frame:?}"
        );
        if let Some(request) = reply_to(frame) {
            ensure!(
                self.asked.remove(&request),
                "one reply to each request",
                "{user} on {id:?}: {frame:?}"
            );
        }
        self.check_bar(*at, frame)?;
        self.check_place(frame)?;
        check_durable(frame, ledger)
            .map_err(|seen| Broken::new("what is told is durable", format!("{user}: {seen}")))
    }

    fn check_bar(&mut self, at: u64, frame: &ServerFrame) -> Checked {
        if let ServerFrame::Removed { room, .. } = frame
            && let Some(bar) = self.barred.get_mut(room)
        {
            bar.told = true;
        }
        let Some((room, reply)) = shows(frame) else {
            return Ok(());
        };
        let Some(bar) = self.barred.get(&room).copied() else {
            return Ok(());
        };
        if let ServerFrame::Joined { .. } = frame {
            if bar.lifted {
                self.barred.remove(&room);
            }
            return Ok(());
        }
        // Where it begins anew says nothing of what happened.
        let harmless = matches!(frame, ServerFrame::Reset { .. });
        ensure!(
            at < bar.from || harmless || bar.lifted && (reply || !bar.told),
            "nothing of a room after it was taken",
            "{}: {frame:?}",
            self.user
        );
        Ok(())
    }

    /// The events of a room come one after the other, behind its joined.
    fn check_place(&mut self, frame: &ServerFrame) -> Checked {
        let (room, first, last) = match frame {
            ServerFrame::Joined { room, position, .. }
            | ServerFrame::Reset { room, position, .. } => {
                self.places.insert(*room, (position.epoch, position.seq));
                return Ok(());
            }
            ServerFrame::Removed { room, .. } => {
                self.places.remove(room);
                return Ok(());
            }
            ServerFrame::Event { room, epoch, event } => {
                (room, (*epoch, event.seq), (*epoch, event.seq))
            }
            ServerFrame::Passed {
                room,
                epoch,
                from,
                to,
                ..
            } => (room, (*epoch, *from), (*epoch, *to)),
            _ => return Ok(()),
        };
        let before = self.places.insert(*room, last);
        ensure!(
            before.is_some_and(|(epoch, seq)| (epoch, seq.next()) == first),
            "one order, no gap, no repeat",
            "{}: {frame:?} behind {before:?}",
            self.user
        );
        Ok(())
    }
}

/// The room a frame tells of, and whether it is a reply.
fn shows(frame: &ServerFrame) -> Option<(RoomNumber, bool)> {
    match frame {
        ServerFrame::Event { room, .. }
        | ServerFrame::Passed { room, .. }
        | ServerFrame::Typing { room, .. }
        | ServerFrame::Signals { room, .. }
        | ServerFrame::Occupancy { room, .. }
        | ServerFrame::Reset { room, .. } => Some((*room, false)),
        ServerFrame::Joined { room, .. }
        | ServerFrame::Page { room, .. }
        | ServerFrame::Members { room, .. }
        | ServerFrame::Readers { room, .. }
        | ServerFrame::Overwrites { room, .. } => Some((*room, true)),
        _ => None,
    }
}

/// Whatever names a place names one that is on disk.
fn check_durable(frame: &ServerFrame, ledger: &Ledger) -> Result<(), String> {
    let holds = |room: RoomNumber, epoch: Epoch, seq: Seq| {
        let room = ledger.rooms.get(&room);
        room.is_some_and(|room| !room.keeps || room.epoch == epoch && seq <= room.head)
    };
    let holds = match frame {
        ServerFrame::Event { room, epoch, event } => holds(*room, *epoch, event.seq),
        ServerFrame::Joined {
            room,
            position,
            head,
            ..
        } => holds(*room, position.epoch, *head),
        ServerFrame::Created { room, position, .. } => holds(*room, position.epoch, position.seq),
        ServerFrame::Reset { room, position, .. } => holds(*room, position.epoch, position.seq),
        ServerFrame::Page {
            room,
            epoch,
            events,
            ..
        } => events
            .last()
            .is_none_or(|event| holds(*room, *epoch, event.seq)),
        // Of a room that keeps nothing the epoch is in no log.
        ServerFrame::Sent { position, .. } => {
            let room = ledger.by_epoch(position.epoch);
            room.is_none_or(|(_, room)| !room.keeps || position.seq <= room.head)
        }
        _ => true,
    };
    if holds {
        Ok(())
    } else {
        Err(format!("{frame:?}"))
    }
}

fn reply_to(frame: &ServerFrame) -> Option<RequestId> {
    homeroom_engine::hub::Push::new(frame.clone()).answered()
}
