//! One connection as its shard sees it. Tens of thousands are idle at any moment: nothing is
//! allocated before it is needed, and what is no longer needed is given back.

use std::{mem, sync::Arc};

use homeroom_protocol::{CloseCode, ConnectionId, RoomNumber, ServerFrame, Timestamp};

use super::{
    Gauge, Push, Sink, TenantLife,
    bounds::STALL_MS,
    joined::Joined,
    pipe::{Broken, Pipe},
    tally::Tally,
};

/// Where a connection sits in an audience.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seat {
    /// The roster's slot.
    pub(super) roster: u32,
    /// The place in its list of listeners.
    pub(super) index: u32,
}

/// What becomes of what was already said to a connection that is told to close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parting {
    /// The server goes, not the client's rights: replies that were collected, and what is queued, are
    /// written before the bye as far as the sink takes them.
    Graceful,
    /// Dropped: the client must not hear it any more, or would not.
    AtOnce,
}

impl Parting {
    /// How a close with this code parts.
    pub(super) const fn of(code: CloseCode) -> Self {
        match code {
            CloseCode::ShuttingDown | CloseCode::TenantRestarted => Self::Graceful,
            CloseCode::Idle
            | CloseCode::TenantUnavailable
            | CloseCode::TooSlow
            | CloseCode::Overloaded
            | CloseCode::HelloTimeout
            | CloseCode::Unauthenticated
            | CloseCode::SessionExpired
            | CloseCode::Protocol
            | CloseCode::MessageTooBig
            | CloseCode::Revoked
            | CloseCode::TenantNotFound
            | CloseCode::UnsupportedVersion
            | CloseCode::Replaced => Self::AtOnce,
        }
    }
}

/// What every use of a connection is told, and tells.
#[derive(Debug)]
pub(super) struct Note<'a> {
    pub(super) now: Timestamp,
    pub(super) tally: &'a mut Tally,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) tenant: TenantLife,
    pub(super) pipe: Pipe,
    gauge: Arc<Gauge>,
    /// This turn's replies and direct pushes.
    direct: Vec<Arc<Push>>,
    pub(super) rooms: Vec<Seat>,
    pub(super) watches: Vec<Seat>,
    /// Signals dropped and not yet told.
    dropped: u64,
    /// When the sink last took something, or had nothing to take.
    progress: Timestamp,
    /// Listeners of this connection whose events must be read from the log.
    behind: u32,
    /// Where the search for the next such listener begins, so that each gets its turn.
    pub(super) page_turn: u32,
    /// Pages asked for and not yet answered.
    pub(super) pages: u8,
    /// In the shard's list of connections that want a page.
    pub(super) listed_for_pages: bool,
    /// In the shard's list of connections that may be stalled.
    pub(super) listed_as_stalled: bool,
    /// Told to close: nothing more is queued for it.
    pub(super) closing: bool,
}

impl Connection {
    pub(super) fn new(tenant: TenantLife, id: ConnectionId, sink: Sink, gauge: Arc<Gauge>) -> Self {
        Self {
            id,
            tenant,
            pipe: Pipe::new(sink),
            gauge,
            direct: Vec::new(),
            rooms: Vec::new(),
            watches: Vec::new(),
            dropped: 0,
            progress: Timestamp(0),
            behind: 0,
            page_turn: 0,
            pages: 0,
            listed_for_pages: false,
            listed_as_stalled: false,
            closing: false,
        }
    }

    /// Collects a direct push; whether it is the first of its turn.
    pub(super) fn collect(&mut self, push: Arc<Push>) -> bool {
        self.direct.push(push);
        self.direct.len() == 1
    }

    /// Writes or queues what was collected.
    pub(super) fn send_collected(
        &mut self,
        scratch: &mut Vec<u8>,
        note: &mut Note<'_>,
    ) -> Result<(), Broken> {
        let pushes = mem::take(&mut self.direct);
        note.tally.direct += pushes.len() as u64;
        let sent = self.watched(note, |pipe| pipe.send(&pushes, scratch));
        let mut answered = pushes.iter().filter_map(|push| push.answered()).peekable();
        if answered.peek().is_some() {
            self.gauge.take_unanswered(answered);
            self.pipe.gauge_changed();
        }
        sent
    }

    /// Writes or queues a room's pushes; how many events were taken.
    pub(super) fn hear(
        &mut self,
        joined: &Joined,
        from: Option<usize>,
        room: Option<RoomNumber>,
        outbox_bytes_max: usize,
        note: &mut Note<'_>,
    ) -> Result<usize, Broken> {
        let heard = self.watched(note, |pipe| pipe.hear(joined, from, room, outbox_bytes_max))?;
        note.tally.events += heard.events as u64;
        note.tally.signals += (joined.signals().len() - heard.dropped) as u64;
        if heard.dropped > 0 {
            note.tally.signals_dropped += heard.dropped as u64;
            self.dropped += heard.dropped as u64;
            self.gauge.add_dropped(heard.dropped as u64);
        }
        Ok(heard.events)
    }

    /// The sink takes more: writes what is queued, then how many signals were dropped meanwhile.
    pub(super) fn drain(
        &mut self,
        scratch: &mut Vec<u8>,
        note: &mut Note<'_>,
    ) -> Result<(), Broken> {
        if self.watched(note, |pipe| pipe.drain(scratch))? {
            self.progress = note.now;
            self.pipe.gauge_changed();
        }
        if self.dropped > 0 && !self.pipe.is_blocked() {
            let signals = mem::take(&mut self.dropped);
            let push = Arc::new(Push::new(ServerFrame::Dropped { signals }));
            note.tally.direct += 1;
            self.watched(note, |pipe| pipe.send(&[push], scratch))?;
        }
        Ok(())
    }

    /// Drops what is queued of a room it hears no more, and refuses the replies that show it.
    pub(super) fn leave(&mut self, room: RoomNumber) {
        self.pipe.leave(room);
        self.show_queued();
        self.pipe.gauge_changed();
    }

    /// Nothing more will be queued. Unless it may hear what was said already, all that is queued is
    /// dropped except the rest of a half-written frame.
    pub(super) fn prepare_close(&mut self, parting: Parting) {
        self.closing = true;
        match parting {
            Parting::Graceful => {}
            Parting::AtOnce => {
                self.direct = Vec::new();
                self.pipe.keep_half_written();
                self.show_queued();
            }
        }
    }

    /// Whether something has been queued for too long without a byte taken.
    pub(super) fn is_stalled(&self, now: Timestamp) -> bool {
        self.pipe.has_queued() && now.since_ms(self.progress) >= STALL_MS
    }

    pub(super) const fn is_behind(&self) -> bool {
        self.behind > 0
    }

    /// One more listener of this connection is behind.
    pub(super) fn fall_behind(&mut self) {
        self.behind += 1;
        self.gauge.set_behind(true);
    }

    /// One listener fewer is behind.
    pub(super) fn catch_up(&mut self) {
        self.behind -= 1;
        self.gauge.set_behind(self.behind > 0);
    }

    /// Keeps gauge, stall clock and tally true around a use of the pipe.
    fn watched<T>(
        &mut self,
        note: &mut Note<'_>,
        act: impl FnOnce(&mut Pipe) -> Result<T, Broken>,
    ) -> Result<T, Broken> {
        let queued_before = self.pipe.has_queued();
        let result = act(&mut self.pipe);
        note.tally.bytes_written += self.pipe.take_written();
        let queued = self.pipe.has_queued();
        if !queued_before && queued {
            self.progress = note.now;
        }
        if queued_before || queued {
            self.show_queued();
        }
        result
    }

    fn show_queued(&self) {
        let (all, direct) = self.pipe.queued_bytes();
        self.gauge.set_queued(all, direct);
    }
}
