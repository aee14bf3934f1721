//! The way to one connection: its sink, and what the sink has not taken yet.
//!
//! A pipe that was refused something is blocked, and is left alone until its sink is said to be
//! writable again.

use std::{
    collections::{BTreeMap, VecDeque},
    io, mem,
    sync::Arc,
};

use homeroom_protocol::{
    CloseCode, RequestId, RoomNumber, Seq, ServerFrame, UserId, websocket::close_message,
};

use super::{
    Push, SessionRefusal, SessionSink, Sink, SocketSink,
    bounds::{DIRECT_LANE_BYTES_MAX, GATHER_BYTES},
    joined::Joined,
    outbox::{Lane, Outbox},
    push::{Thinned, Told},
};

/// The connection cannot go on: its sink failed, or its replies passed their bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// What became of a room's pushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Heard {
    /// Events that were written or queued; the others are left to be read from the log.
    pub(super) events: usize,
    /// Signals that were dropped.
    pub(super) dropped: usize,
}

#[derive(Debug)]
pub(super) enum Pipe {
    Socket(Socket),
    /// Apart: connections are laid out for sockets, see [`Connection`](super::connection::Connection).
    Session(Box<Session>),
}

#[derive(Debug)]
pub(super) struct Socket {
    flow: Flow,
    outbox: Outbox,
}

/// What goes into a sink.
#[derive(Debug)]
struct Flow {
    sink: Arc<dyn SocketSink>,
    blocked: bool,
    /// Bytes the sink took and nobody has counted yet.
    written: u64,
}

#[derive(Debug)]
pub(super) struct Session {
    sink: Box<dyn SessionSink>,
    /// Direct pushes that met a full queue.
    parked: VecDeque<Arc<Push>>,
    parked_bytes: usize,
    blocked: bool,
}

impl Pipe {
    pub(super) fn new(sink: Sink) -> Self {
        match sink {
            Sink::Socket(sink) => Self::Socket(Socket {
                flow: Flow {
                    sink,
                    blocked: false,
                    written: 0,
                },
                outbox: Outbox::default(),
            }),
            Sink::Session(sink) => Self::Session(Box::new(Session {
                sink,
                parked: VecDeque::new(),
                parked_bytes: 0,
                blocked: false,
            })),
        }
    }

    pub(super) const fn is_socket(&self) -> bool {
        matches!(self, Self::Socket(_))
    }

    /// Looks at what a write begins with.
    pub(super) fn bring_near(&self) {
        match self {
            Self::Socket(socket) => socket.flow.sink.bring_near(),
            Self::Session(_) => {}
        }
    }

    /// Whether the sink refused something and has not said since that it takes more.
    pub(super) const fn is_blocked(&self) -> bool {
        match self {
            Self::Socket(socket) => socket.flow.blocked,
            Self::Session(session) => session.blocked,
        }
    }

    /// Whether anything waits to be taken.
    pub(super) fn has_queued(&self) -> bool {
        match self {
            Self::Socket(socket) => !socket.outbox.is_empty(),
            Self::Session(session) => !session.parked.is_empty(),
        }
    }

    /// Bytes queued: all of them, and those of the direct lane.
    pub(super) const fn queued_bytes(&self) -> (usize, usize) {
        match self {
            Self::Socket(socket) => (socket.outbox.bytes(), socket.outbox.direct_bytes()),
            Self::Session(session) => (session.parked_bytes, session.parked_bytes),
        }
    }

    /// Bytes written since this was last asked.
    pub(super) const fn take_written(&mut self) -> u64 {
        match self {
            Self::Socket(socket) => mem::replace(&mut socket.flow.written, 0),
            Self::Session(_) => 0,
        }
    }

    /// How much more of a room's past fits now, in bytes.
    pub(super) fn room_for_events(&self, outbox_bytes_max: usize) -> usize {
        match self {
            Self::Socket(socket) => outbox_bytes_max.saturating_sub(socket.outbox.weight()),
            Self::Session(session) if session.blocked => 0,
            Self::Session(_) => usize::MAX,
        }
    }

    /// Whether so little is queued that pages of the past should be read.
    pub(super) fn has_drained(&self, outbox_bytes_max: usize) -> bool {
        match self {
            Self::Socket(socket) => socket.outbox.weight() <= outbox_bytes_max / 4,
            Self::Session(session) => !session.blocked,
        }
    }

    /// Gives direct pushes, in order, or queues them.
    pub(super) fn send(
        &mut self,
        pushes: &[Arc<Push>],
        scratch: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        match self {
            Self::Socket(socket) => socket.send(pushes, scratch),
            Self::Session(session) => session.send(pushes),
        }
    }

    /// Gives a room's events from number `from` on, if any, and its signals.
    pub(super) fn hear(
        &mut self,
        joined: &Joined,
        from: Option<usize>,
        room: Option<RoomNumber>,
        outbox_bytes_max: usize,
    ) -> Result<Heard, Broken> {
        match self {
            Self::Socket(socket) => socket.hear(joined, from, room, outbox_bytes_max),
            Self::Session(session) => session.hear(joined, from),
        }
    }

    /// Gives direct pushes, and behind them what [`hear`](Self::hear) gives: together where that is possible.
    pub(super) fn send_and_hear(
        &mut self,
        (pushes, scratch): (&[Arc<Push>], &mut Vec<u8>),
        joined: &Joined,
        from: Option<usize>,
        room: Option<RoomNumber>,
        outbox_bytes_max: usize,
    ) -> Result<Heard, Broken> {
        if let Self::Socket(socket) = self
            && let Some(heard) = socket.write_all((pushes, scratch), joined, from, room)?
        {
            return Ok(heard);
        }
        self.send(pushes, scratch)?;
        self.hear(joined, from, room, outbox_bytes_max)
    }

    /// Writes what is queued, as far as the sink takes it; whether it took anything. The pipe is no
    /// longer blocked when all is gone.
    pub(super) fn drain(&mut self, scratch: &mut Vec<u8>) -> Result<bool, Broken> {
        match self {
            Self::Socket(socket) => socket.drain(scratch),
            Self::Session(session) => session.drain(),
        }
    }

    /// Drops what is queued of a room that is left, except the rest of a half-written frame.
    pub(super) fn leave(&mut self, room: RoomNumber) {
        match self {
            Self::Socket(socket) => {
                socket.outbox.take_back(&|other| other == room);
            }
            Self::Session(session) => session.sink.take_back(Some(room)),
        }
    }

    /// Drops the events and signals that are queued of such rooms, except the rest of a half-written frame.
    /// The first event of each that was not heard.
    pub(super) fn take_back(
        &mut self,
        unwanted: &dyn Fn(RoomNumber) -> bool,
    ) -> BTreeMap<RoomNumber, Seq> {
        match self {
            Self::Socket(socket) => socket.outbox.take_back(unwanted),
            Self::Session(session) => session.sink.take_back_events(unwanted),
        }
    }

    /// Puts a refusal in the place of each queued reply that shows such a room.
    pub(super) fn refuse_replies(
        &mut self,
        shown: &dyn Fn(RoomNumber) -> bool,
        refusal: fn(RequestId) -> Push,
    ) {
        match self {
            Self::Socket(socket) => socket.outbox.refuse_replies(shown, refusal),
            Self::Session(session) => session.refuse_replies(shown, refusal),
        }
    }

    /// Puts a refusal in the place of each queued reply that let it into a room that it has left again.
    pub(super) fn refuse_joined(&mut self, left: RoomNumber) {
        match self {
            Self::Socket(socket) => socket.outbox.refuse_joined(left),
            Self::Session(session) => session.refuse(|push| {
                push.lets_in()
                    .filter(|&(_, room)| room == left)
                    .map(|(request, _)| Push::closed_room(request))
            }),
        }
    }

    /// Drops what is queued for this connection alone and is void, except the rest of a half-written frame.
    pub(super) fn drop_told(&mut self, is_void: &dyn Fn(Told) -> bool) {
        match self {
            Self::Socket(socket) => socket.outbox.drop_told(is_void),
            Self::Session(session) => session.drop_told(is_void),
        }
    }

    /// Takes such users out of what is queued for this connection alone, but for a half-written frame.
    pub(super) fn hide_users(&mut self, is_hidden: &dyn Fn(&UserId) -> bool) {
        match self {
            Self::Socket(socket) => socket.outbox.hide_users(is_hidden),
            Self::Session(session) => session.hide_users(is_hidden),
        }
    }

    /// Drops everything queued, except the rest of a half-written frame.
    pub(super) fn keep_half_written(&mut self) {
        match self {
            Self::Socket(socket) => socket.outbox.keep_half_written(),
            Self::Session(session) => {
                session.parked = VecDeque::new();
                session.parked_bytes = 0;
                session.sink.take_back(None);
            }
        }
    }

    /// Replies were counted, or counted bytes are gone.
    pub(super) fn gauge_changed(&mut self) {
        match self {
            Self::Socket(socket) => socket.flow.sink.gauge_changed(),
            Self::Session(_) => {}
        }
    }

    /// Says bye if it fits now, and closes.
    pub(super) fn close_with(&mut self, bye: &Arc<Push>, code: CloseCode) {
        match self {
            Self::Socket(socket) => {
                socket.say_bye(bye, code);
                socket.flow.sink.close(code);
            }
            Self::Session(session) => {
                // A session without room for its bye still learns the code from the close.
                let _ = session.sink.try_push(bye);
                session.sink.close(code);
            }
        }
    }

    /// Closes without a word.
    pub(super) fn close(&mut self, code: CloseCode) {
        match self {
            Self::Socket(socket) => socket.flow.sink.close(code),
            Self::Session(session) => session.sink.close(code),
        }
    }
}

impl Flow {
    /// One write; how many bytes the sink took. Fewer than given means blocked.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        let taken = match self.sink.try_write(bytes) {
            Ok(taken) => taken.min(bytes.len()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => return Err(Broken),
        };
        self.blocked = taken < bytes.len();
        self.written += taken as u64;
        Ok(taken)
    }
}

impl Socket {
    fn send(&mut self, pushes: &[Arc<Push>], scratch: &mut Vec<u8>) -> Result<(), Broken> {
        let mut rest = pushes;
        while !self.flow.blocked
            && let Some(first) = rest.first()
        {
            let (group, bytes) = if first.weight() > GATHER_BYTES {
                (1, &first.wire()[..])
            } else {
                (gather(rest, scratch), &scratch[..])
            };
            let taken = self.flow.write(bytes)?;
            let all = taken == bytes.len();
            let (group, later) = rest.split_at(group);
            if !all {
                self.keep_rest(group, taken);
            }
            rest = later;
        }
        for push in rest {
            self.outbox.push(push.wire().clone(), 0, Lane::of(push));
        }
        within_direct_lane(self.outbox.direct_bytes())
    }

    /// The sink took so many bytes of these pushes: queues the others. How many it took beyond them.
    fn keep_rest(&mut self, pushes: &[Arc<Push>], mut taken: usize) -> usize {
        for push in pushes {
            let written = taken.min(push.wire().len());
            taken -= written;
            if written < push.wire().len() {
                let lane = Lane::of(push);
                self.outbox.push(push.wire().clone(), written, lane);
            }
        }
        taken
    }

    /// One write of pushes and what follows them; `None` where that is not possible, and nothing was done.
    fn write_all(
        &mut self,
        (pushes, scratch): (&[Arc<Push>], &mut Vec<u8>),
        joined: &Joined,
        from: Option<usize>,
        room: Option<RoomNumber>,
    ) -> Result<Option<Heard>, Broken> {
        let events_end = joined.events_end();
        let start = from.map_or(events_end, |from| joined.start_of(from));
        let heard = &joined.bytes()[start..];
        if self.flow.blocked || heard.is_empty() || heard.len() > GATHER_BYTES {
            return Ok(None);
        }
        let is_all = gather(pushes, scratch) == pushes.len();
        if !is_all || scratch.len() + heard.len() > GATHER_BYTES {
            return Ok(None);
        }
        let pushes_bytes = scratch.len();
        scratch.extend_from_slice(heard);
        let taken = self.flow.write(scratch)?;
        let taken = match taken.checked_sub(pushes_bytes) {
            Some(of_heard) => of_heard,
            None => self.keep_rest(pushes, taken),
        };
        within_direct_lane(self.outbox.direct_bytes())?;
        Ok(Some(self.heard(joined, from, (start, taken), room)))
    }

    fn hear(
        &mut self,
        joined: &Joined,
        from: Option<usize>,
        room: Option<RoomNumber>,
        outbox_bytes_max: usize,
    ) -> Result<Heard, Broken> {
        let lane = room.map_or(Lane::Rest, Lane::Room);
        let all = from.map_or(0, |from| joined.events().len() - from);
        let events_end = joined.events_end();
        let start = from.map_or(events_end, |from| joined.start_of(from));
        if self.flow.blocked {
            let events = if self.outbox.weight() < outbox_bytes_max {
                let slice = joined.bytes().slice(start..events_end);
                self.outbox.push(slice, 0, lane);
                all
            } else {
                0
            };
            return Ok(Heard {
                events,
                dropped: joined.signals().len(),
            });
        }
        let bytes = &joined.bytes()[start..];
        if bytes.is_empty() {
            return Ok(Heard::default());
        }
        let taken = self.flow.write(bytes)?;
        Ok(self.heard(joined, from, (start, taken), room))
    }

    /// The sink took so many bytes from `start` on: queues what of the others may wait.
    fn heard(
        &mut self,
        joined: &Joined,
        from: Option<usize>,
        (start, taken): (usize, usize),
        room: Option<RoomNumber>,
    ) -> Heard {
        let events = from.map_or(0, |from| joined.events().len() - from);
        if !self.flow.blocked {
            return Heard { events, dropped: 0 };
        }
        // Signals do not wait, except one whose first byte is gone.
        let end = joined.boundary_from(joined.events_end().max(start + taken));
        let lane = room.map_or(Lane::Rest, Lane::Room);
        self.outbox
            .push(joined.bytes().slice(start..end), taken, lane);
        Heard {
            events,
            dropped: joined.signals_from(end),
        }
    }

    fn drain(&mut self, scratch: &mut Vec<u8>) -> Result<bool, Broken> {
        self.flow.blocked = false;
        let mut progress = false;
        while !self.flow.blocked && !self.outbox.is_empty() {
            let bytes = self.outbox.gather(scratch);
            let taken = self.flow.write(bytes)?;
            progress |= taken > 0;
            self.outbox.advance(taken);
        }
        Ok(progress)
    }

    fn say_bye(&mut self, bye: &Arc<Push>, code: CloseCode) {
        let mut scratch = Vec::new();
        if self.drain(&mut scratch).is_err() || self.flow.blocked {
            return;
        }
        scratch.clear();
        scratch.extend_from_slice(bye.wire());
        let why = match bye.frame() {
            ServerFrame::Bye { explanation, .. } => explanation,
            _ => code.meaning(),
        };
        scratch.extend_from_slice(&close_message(code.number(), why));
        // What does not fit is not said: the close code of the sink says it again.
        let _ = self.flow.write(&scratch);
    }
}

impl Session {
    fn try_push(&mut self, push: &Arc<Push>) -> Result<bool, Broken> {
        match self.sink.try_push(push) {
            Ok(()) => Ok(true),
            Err(SessionRefusal::Full) => {
                self.blocked = true;
                Ok(false)
            }
            Err(SessionRefusal::Gone) => Err(Broken),
        }
    }

    fn send(&mut self, pushes: &[Arc<Push>]) -> Result<(), Broken> {
        for push in pushes {
            // A reply waits for nothing: whoever asked may be the one who has to read the events. The
            // others keep their order.
            let offered = self.parked.is_empty() || push.is_reply();
            if !offered || !self.try_push(push)? {
                self.parked_bytes += push.wire().len();
                self.parked.push_back(Arc::clone(push));
            }
        }
        within_direct_lane(self.parked_bytes)
    }

    fn refuse_replies(
        &mut self,
        shown: &dyn Fn(RoomNumber) -> bool,
        refusal: fn(RequestId) -> Push,
    ) {
        self.refuse(|push| push.shows().and_then(|reply| reply.refused(shown, refusal)));
    }

    /// Puts what is made of a push in its place.
    fn refuse(&mut self, refused: impl Fn(&Push) -> Option<Push>) {
        for push in &mut self.parked {
            if let Some(refusal) = refused(push) {
                self.parked_bytes -= push.wire().len();
                *push = Arc::new(refusal);
                self.parked_bytes += push.wire().len();
            }
        }
    }

    fn drop_told(&mut self, is_void: &dyn Fn(Told) -> bool) {
        self.parked
            .retain(|push| !push.tells_of().is_some_and(is_void));
        self.parked_bytes = self.parked.iter().map(|push| push.wire().len()).sum();
    }

    fn hide_users(&mut self, is_hidden: &dyn Fn(&UserId) -> bool) {
        self.parked
            .retain_mut(|push| match push.without_users(is_hidden) {
                Thinned::Same => true,
                Thinned::Less(less) => {
                    *push = less;
                    true
                }
                Thinned::Nothing => false,
            });
        self.parked_bytes = self.parked.iter().map(|push| push.wire().len()).sum();
    }

    fn hear(&mut self, joined: &Joined, from: Option<usize>) -> Result<Heard, Broken> {
        let mut heard = Heard::default();
        let events = from.map_or(&[][..], |from| &joined.events()[from..]);
        for said in events {
            if self.blocked || !self.try_push(&said.push)? {
                break;
            }
            heard.events += 1;
        }
        for push in joined.signals() {
            if self.blocked || !self.try_push(push)? {
                heard.dropped += 1;
            }
        }
        Ok(heard)
    }

    fn drain(&mut self) -> Result<bool, Broken> {
        self.blocked = false;
        let mut progress = false;
        while let Some(push) = self.parked.front().map(Arc::clone) {
            if !self.try_push(&push)? {
                return Ok(progress);
            }
            progress = true;
            self.parked_bytes -= push.wire().len();
            self.parked.pop_front();
        }
        self.parked = VecDeque::new();
        Ok(progress)
    }
}

/// Puts into `scratch` what is written at once; how many of these that is. The first always is.
fn gather(pushes: &[Arc<Push>], scratch: &mut Vec<u8>) -> usize {
    scratch.clear();
    for (count, push) in pushes.iter().enumerate() {
        let before = scratch.len();
        push.append_wire(scratch);
        if scratch.len() > GATHER_BYTES && count > 0 {
            scratch.truncate(before);
            return count;
        }
    }
    pushes.len()
}

const fn within_direct_lane(bytes: usize) -> Result<(), Broken> {
    if bytes > DIRECT_LANE_BYTES_MAX {
        return Err(Broken);
    }
    Ok(())
}
