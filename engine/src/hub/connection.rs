//! One connection as its shard sees it. Tens of thousands are idle at any moment: nothing is
//! allocated before it is needed, and what is no longer needed is given back.

use std::{collections::BTreeMap, mem, sync::Arc};

use homeroom_protocol::{
    CloseCode, ConnectionId, RequestId, RoomNumber, Seq, ServerFrame, Timestamp, UserId,
};

use super::{
    Audience, Gauge, Push, Sink, TenantLife,
    bounds::{OUTBOX_AGE_MS, STALL_MS},
    joined::Joined,
    pipe::{Broken, Heard, Pipe},
    push::{Thinned, Told},
    tally::Tally,
};

/// Where a connection sits in an audience. Whoever is in three rooms and watches some others has a dozen of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seat {
    /// The roster's slot.
    pub(super) roster: u32,
    /// The place in its list of listeners, and in the highest bit whether something changed.
    place: u32,
}

impl Seat {
    const CHANGED: u32 = 1 << 31;

    /// At this place in the list of listeners of the roster in this slot.
    pub(super) fn new(roster: u32, index: usize) -> Self {
        let mut seat = Self { roster, place: 0 };
        seat.move_to(index);
        seat
    }

    /// The place in its list of listeners.
    pub(super) const fn index(self) -> usize {
        (self.place & !Self::CHANGED) as usize
    }

    /// It is at another place in the same list.
    pub(super) fn move_to(&mut self, index: usize) {
        let index = u32::try_from(index)
            .ok()
            .filter(|at| at & Self::CHANGED == 0);
        let index = index.expect("memory ends before 2^31 listeners do");
        self.place = self.place & Self::CHANGED | index;
    }

    /// Of a watcher: the user changed, and this connection has not heard how. Of a viewer: something was
    /// signalled while it was not to hear the room.
    pub(super) const fn has_changed(self) -> bool {
        self.place & Self::CHANGED != 0
    }

    pub(super) const fn set_changed(&mut self, changed: bool) {
        self.place = if changed {
            self.place | Self::CHANGED
        } else {
            self.place & !Self::CHANGED
        };
    }
}

/// Which of a connection's lists a seat is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Row {
    Rooms,
    Watches,
    Views,
}

impl Row {
    /// That of a seat in this audience.
    pub(super) const fn of(audience: &Audience) -> Self {
        match audience {
            Audience::Room(_) => Self::Rooms,
            Audience::Watchers(_) => Self::Watches,
            Audience::Viewers(..) => Self::Views,
        }
    }
}

/// What a connection shows of what it hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Showing {
    /// Every room; it never said.
    All,
    /// Nothing.
    Nothing,
    /// One room, and perhaps a thread beside it.
    One(RoomNumber, Option<Seq>),
}

impl Showing {
    /// Whether a room is shown, and a thread beside it.
    pub(super) fn of(self, room: RoomNumber) -> Option<Option<Seq>> {
        match self {
            Self::All => Some(None),
            Self::One(shown, thread) if shown == room => Some(thread),
            Self::Nothing | Self::One(..) => None,
        }
    }
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

/// What a write touches comes first and lies in one line of the processor's cache: with thousands of listeners
/// each line beside it is a trip to memory for each of them, which costs as much as all instructions do.
#[derive(Debug)]
#[repr(C, align(128))]
pub(super) struct Connection {
    pub(super) pipe: Pipe,
    /// Its events left memory because it took them too slowly: none is queued before it takes a byte.
    aged: bool,
    /// Something may be in `direct`, which lies elsewhere.
    collected: bool,
    /// Told to close: nothing more is queued for it.
    pub(super) closing: bool,
    /// In the shard's list of connections that want a page.
    pub(super) listed_for_pages: bool,
    /// In the shard's list of connections that may be stalled.
    pub(super) listed_as_stalled: bool,
    /// In the shard's lists of connections that are to be told of watched users.
    pub(super) listed_for_changes: bool,
    /// Pages asked for and not yet answered.
    pub(super) pages: u8,
    /// Listeners of this connection whose events must be read from the log.
    behind: u32,
    pub(super) id: ConnectionId,
    /// This turn's replies and direct pushes.
    direct: Vec<Arc<Push>>,
    gauge: Arc<Gauge>,
    pub(super) tenant: TenantLife,
    /// How many of the shard's pauses have taken back what was queued here.
    pub(super) pauses: u64,
    /// Signals dropped and not yet told.
    dropped: u64,
    pub(super) rooms: Vec<Seat>,
    pub(super) watches: Vec<Seat>,
    /// As a viewer: only of rooms that it hears.
    pub(super) views: Vec<Seat>,
    pub(super) showing: Showing,
    /// The tick in which it was last told of watched users.
    pub(super) told_in: u64,
    /// When the sink last took something, or had nothing to take.
    progress: Timestamp,
    /// Since when its queue has not been empty, or when its events last left memory.
    queued_since: Timestamp,
    /// Where the search for the next such listener begins, so that each gets its turn.
    pub(super) page_turn: u32,
}

/// Pushes of a turn that a connection's list has room for from its first.
const DIRECT_USUAL: usize = 8;

/// Ten thousand idle connections are ten thousand of these.
const _: () = assert!(size_of::<Option<Connection>>() <= 256);

impl Connection {
    pub(super) fn new(tenant: TenantLife, id: ConnectionId, sink: Sink, gauge: Arc<Gauge>) -> Self {
        Self {
            id,
            tenant,
            pipe: Pipe::new(sink),
            gauge,
            collected: false,
            direct: Vec::new(),
            rooms: Vec::new(),
            watches: Vec::new(),
            views: Vec::new(),
            showing: Showing::All,
            pauses: 0,
            told_in: 0,
            listed_for_changes: false,
            dropped: 0,
            progress: Timestamp(0),
            queued_since: Timestamp(0),
            aged: false,
            behind: 0,
            page_turn: 0,
            pages: 0,
            listed_for_pages: false,
            listed_as_stalled: false,
            closing: false,
        }
    }

    /// Its seats of one kind.
    pub(super) const fn seats_mut(&mut self, row: Row) -> &mut Vec<Seat> {
        match row {
            Row::Rooms => &mut self.rooms,
            Row::Watches => &mut self.watches,
            Row::Views => &mut self.views,
        }
    }

    pub(super) const fn is_unseated(&self) -> bool {
        self.rooms.is_empty() && self.watches.is_empty() && self.views.is_empty()
    }

    /// Collects a direct push; whether it is the first of its turn.
    pub(super) fn collect(&mut self, push: Arc<Push>) -> bool {
        self.collected = true;
        if self.direct.capacity() == 0 {
            // Who asks much has several answers in a turn, and the list is given back with it.
            self.direct.reserve(DIRECT_USUAL);
        }
        self.direct.push(push);
        self.direct.len() == 1
    }

    /// Writes or queues what was collected.
    pub(super) fn send_collected(
        &mut self,
        scratch: &mut Vec<u8>,
        note: &mut Note<'_>,
    ) -> Result<(), Broken> {
        let pushes = self.take_collected();
        note.tally.direct += pushes.len() as u64;
        let sent = self.watched(note, |pipe| pipe.send(&pushes, scratch));
        self.count_answers(&pushes);
        sent
    }

    fn take_collected(&mut self) -> Vec<Arc<Push>> {
        self.collected = false;
        mem::take(&mut self.direct)
    }

    /// These were written or queued.
    fn count_answers(&mut self, pushes: &[Arc<Push>]) {
        let mut answered = pushes.iter().filter_map(|push| push.answered()).peekable();
        if answered.peek().is_some() {
            self.gauge.take_unanswered(answered);
            self.pipe.gauge_changed();
        }
    }

    /// Whether it may have replies or direct pushes that are not written yet.
    pub(super) const fn has_collected(&self) -> bool {
        self.collected
    }

    /// Writes or queues what was collected, and behind it a room's pushes; how many events were taken.
    pub(super) fn send_and_hear(
        &mut self,
        scratch: &mut Vec<u8>,
        (joined, from, room): (&Joined, Option<usize>, RoomNumber),
        outbox_bytes_max: usize,
        note: &mut Note<'_>,
    ) -> Result<usize, Broken> {
        let space = if self.aged { 0 } else { outbox_bytes_max };
        let pushes = self.take_collected();
        note.tally.direct += pushes.len() as u64;
        let heard = self.watched(note, |pipe| {
            pipe.send_and_hear((&pushes, scratch), joined, from, Some(room), space)
        });
        self.count_answers(&pushes);
        Ok(self.count_heard(joined, heard?, note))
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
        let space = if self.aged { 0 } else { outbox_bytes_max };
        let heard = self.watched(note, |pipe| pipe.hear(joined, from, room, space))?;
        Ok(self.count_heard(joined, heard, note))
    }

    fn count_heard(&mut self, joined: &Joined, heard: Heard, note: &mut Note<'_>) -> usize {
        note.tally.events += heard.events as u64;
        note.tally.signals += (joined.signals().len() - heard.dropped) as u64;
        self.drop_signals(heard.dropped as u64, note);
        heard.events
    }

    /// Gives the newest of watched users; whether it was taken. Else nothing is lost: they will be told
    /// with what is newest then.
    pub(super) fn hear_changes(
        &mut self,
        joined: &Joined,
        note: &mut Note<'_>,
    ) -> Result<bool, Broken> {
        let heard = self.watched(note, |pipe| pipe.hear(joined, None, None, 0))?;
        note.tally.signals += (joined.signals().len() - heard.dropped) as u64;
        Ok(heard.dropped == 0)
    }

    /// Signals that it will not hear, and is told of when it takes something.
    pub(super) fn drop_signals(&mut self, signals: u64, note: &mut Note<'_>) {
        if signals > 0 {
            self.count_dropped(signals, note.tally);
            self.dropped += signals;
        }
    }

    /// Signals that it did not hear and is told of.
    pub(super) fn count_dropped(&self, signals: u64, tally: &mut Tally) {
        tally.signals_dropped += signals;
        self.gauge.add_dropped(signals);
    }

    /// Says how many signals were dropped, unless it is blocked.
    pub(super) fn tell_dropped(
        &mut self,
        scratch: &mut Vec<u8>,
        note: &mut Note<'_>,
    ) -> Result<(), Broken> {
        if self.dropped > 0 && !self.pipe.is_blocked() {
            let signals = mem::take(&mut self.dropped);
            let push = Arc::new(Push::new(ServerFrame::Dropped { signals }));
            note.tally.direct += 1;
            self.watched(note, |pipe| pipe.send(&[push], scratch))?;
        }
        Ok(())
    }

    /// The sink takes more: writes what is queued, then how many signals were dropped meanwhile.
    pub(super) fn drain(
        &mut self,
        scratch: &mut Vec<u8>,
        note: &mut Note<'_>,
    ) -> Result<(), Broken> {
        let progress = self.watched(note, |pipe| pipe.drain(scratch))?;
        if progress {
            self.progress = note.now;
            self.pipe.gauge_changed();
        }
        if progress || !self.pipe.is_blocked() {
            self.aged = false;
        }
        self.tell_dropped(scratch, note)
    }

    /// Drops what is queued of a room it hears no more, and refuses the replies that show it.
    pub(super) fn leave(&mut self, room: RoomNumber) {
        self.pipe.leave(room);
        self.refuse_replies(&|other| other == room, Push::closed_room);
        self.show_queued();
        self.pipe.gauge_changed();
    }

    /// Drops what is queued of rooms that were paused, and refuses the replies that show them. The first
    /// event of each that it did not hear.
    pub(super) fn pause(
        &mut self,
        is_paused: &dyn Fn(RoomNumber) -> bool,
    ) -> BTreeMap<RoomNumber, Seq> {
        let lost = self.pipe.take_back(is_paused);
        self.refuse_replies(is_paused, Push::paused_room);
        self.drop_told(&|told| told.is_void_in_pause(is_paused));
        self.show_queued();
        self.pipe.gauge_changed();
        lost
    }

    /// Takes such users out of what it is yet to be told of watched ones.
    pub(super) fn hide_users(&mut self, is_hidden: &dyn Fn(&UserId) -> bool) {
        self.pipe.hide_users(is_hidden);
        self.direct
            .retain_mut(|push| match push.without_users(is_hidden) {
                Thinned::Same => true,
                Thinned::Less(less) => {
                    *push = less;
                    true
                }
                Thinned::Nothing => false,
            });
        self.show_queued();
    }

    /// After it left a room for good, unlike one that it begins to hear anew: takes back that it was let in,
    /// and that the stream starts anew.
    pub(super) fn shut_out(&mut self, room: RoomNumber) {
        self.refuse_joined(room);
        self.drop_told(&|told| told.is_of(&|other| other == room));
        self.show_queued();
    }

    /// Puts a refusal in the place of each reply that let it into a room that it has left again.
    fn refuse_joined(&mut self, left: RoomNumber) {
        self.pipe.refuse_joined(left);
        for push in &mut self.direct {
            if let Some((request, room)) = push.lets_in()
                && room == left
            {
                *push = Arc::new(Push::closed_room(request));
            }
        }
    }

    /// Drops what it alone was to be told and is void.
    fn drop_told(&mut self, is_void: &dyn Fn(Told) -> bool) {
        self.pipe.drop_told(is_void);
        self.direct
            .retain(|push| !push.tells_of().is_some_and(is_void));
    }

    /// Drops all events that are queued, if something has been for so long that they shall leave memory.
    /// The first event of each room that it did not hear.
    pub(super) fn forget_old(&mut self, now: Timestamp) -> BTreeMap<RoomNumber, Seq> {
        if self.aged || !self.pipe.is_blocked() || now.since_ms(self.queued_since) < OUTBOX_AGE_MS {
            return BTreeMap::new();
        }
        self.queued_since = now;
        let lost = self.pipe.take_back(&|_| true);
        self.aged = !lost.is_empty();
        self.show_queued();
        lost
    }

    /// Whether its events left memory and it has taken nothing since.
    pub(super) const fn is_aged(&self) -> bool {
        self.aged
    }

    /// Puts a refusal in the place of each reply that shows such a room.
    fn refuse_replies(
        &mut self,
        shown: &dyn Fn(RoomNumber) -> bool,
        refusal: fn(RequestId) -> Push,
    ) {
        self.pipe.refuse_replies(shown, refusal);
        for push in &mut self.direct {
            if let Some(reply) = push.shows()
                && let Some(refused) = reply.refused(shown, refusal)
            {
                *push = Arc::new(refused);
            }
        }
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
            self.queued_since = note.now;
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
