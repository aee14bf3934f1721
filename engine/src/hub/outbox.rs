//! What a socket has not taken yet.
//!
//! Pieces are shared slices of joined buffers: queueing for a slow reader copies nothing. Each piece
//! begins with a whole frame and says to which room it belongs, so that leaving a room can take all
//! of it back, except the rest of a frame whose beginning is already on its way. A reply that shows a
//! room is not taken back, as every request has one: a refusal takes its place.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use homeroom_protocol::{
    RequestId, RoomNumber, Seq, UserId, decode_server_message, limit::SERVER_MESSAGE_BYTES_MAX,
};

use super::{
    bounds::GATHER_BYTES,
    places::of_room,
    push::{Push, Shown, Thinned, Told},
};
use crate::planted::{Fault, fault};

/// What a piece belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Meant for this connection alone: never dropped.
    Direct,
    /// The same, as the reply to this request, which shows this room: refused when the connection
    /// leaves it.
    Reply(RequestId, RoomNumber),
    /// The same, which shows several rooms: refused when the connection leaves any.
    List(RequestId),
    /// The same, of a reply that lets it in: refused when it leaves, kept in a pause.
    Joined(RequestId, RoomNumber),
    /// The same, of a room: dropped when the connection leaves it.
    Told(Told),
    /// The same, of users that are watched: those who no longer are, are taken out.
    Users,
    /// A room's: dropped when the connection leaves it.
    Room(RoomNumber),
    /// The rest of a half-written frame that has no other lane any more.
    Rest,
}

impl Lane {
    /// That of a direct push.
    pub(super) fn of(push: &Push) -> Self {
        match push.shows() {
            Some(Shown::Room(request, room)) => return Self::Reply(request, room),
            Some(Shown::Several(request)) => return Self::List(request),
            None => {}
        }
        if let Some((request, room)) = push.lets_in() {
            return Self::Joined(request, room);
        }
        if push.tells_of_users() {
            return Self::Users;
        }
        push.tells_of().map_or(Self::Direct, Self::Told)
    }

    const fn is_direct(self) -> bool {
        matches!(
            self,
            Self::Direct
                | Self::Reply(..)
                | Self::List(_)
                | Self::Joined(..)
                | Self::Told(_)
                | Self::Users
        )
    }

    const fn shows(self) -> Option<Shown> {
        match self {
            Self::Reply(request, room) => Some(Shown::Room(request, room)),
            Self::List(request) => Some(Shown::Several(request)),
            Self::Direct
            | Self::Joined(..)
            | Self::Told(_)
            | Self::Users
            | Self::Room(_)
            | Self::Rest => None,
        }
    }
}

#[derive(Debug)]
struct Piece {
    /// Whole frames.
    bytes: Bytes,
    /// How many of them are gone; above zero for the first piece only.
    written: usize,
    lane: Lane,
}

impl Piece {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.written..]
    }
}

/// The queue of one socket: one word while it is empty, as those of almost all are, and the way to a listener
/// leads past it.
#[derive(Debug, Default)]
pub(super) struct Outbox(Option<Box<Queue>>);

/// What a queue consists of that is not empty.
#[derive(Debug, Default)]
struct Queue {
    pieces: VecDeque<Piece>,
    bytes: usize,
    direct_bytes: usize,
}

impl Outbox {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Bytes still to be written.
    pub(super) const fn bytes(&self) -> usize {
        match &self.0 {
            Some(queue) => queue.bytes,
            None => 0,
        }
    }

    /// Those of them that are in the direct lane.
    pub(super) const fn direct_bytes(&self) -> usize {
        match &self.0 {
            Some(queue) => queue.direct_bytes,
            None => 0,
        }
    }

    /// What the queue weighs: its bytes and its own bookkeeping, so that many small frames cannot
    /// weigh more than a few large ones.
    pub(super) fn weight(&self) -> usize {
        let weight = |queue: &Queue| queue.bytes + queue.pieces.len() * size_of::<Piece>();
        self.0.as_deref().map_or(0, weight)
    }

    /// Queues whole frames, of which the first `written` bytes are gone already.
    pub(super) fn push(&mut self, bytes: Bytes, written: usize, lane: Lane) {
        debug_assert!(written == 0 || self.is_empty());
        if fault(Fault::OutboxDropsEvents) && written == 0 && matches!(lane, Lane::Room(_)) {
            return;
        }
        if written < bytes.len() {
            let queue = self.0.get_or_insert_default();
            queue.push(bytes, written, lane);
        }
    }

    /// What to write next: the first piece where it is large or alone, else several copied together.
    /// It always ends with a whole frame.
    pub(super) fn gather<'a>(&'a self, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        (self.0.as_deref()).map_or(&[], |queue| queue.gather(scratch))
    }

    /// The next `taken` bytes are gone.
    pub(super) fn advance(&mut self, taken: usize) {
        self.change(|queue| queue.advance(taken));
    }

    /// Drops what is queued of such rooms, except the rest of a half-written frame. The first event of each
    /// that will not be written.
    pub(super) fn take_back(
        &mut self,
        unwanted: &dyn Fn(RoomNumber) -> bool,
    ) -> BTreeMap<RoomNumber, Seq> {
        (self.change(|queue| queue.take_back(unwanted))).unwrap_or_default()
    }

    /// Puts a refusal in the place of each reply that shows such a room, unless its beginning is already on
    /// its way.
    pub(super) fn refuse_replies(
        &mut self,
        shown: &dyn Fn(RoomNumber) -> bool,
        refusal: fn(RequestId) -> Push,
    ) {
        self.change(|queue| queue.refuse_replies(shown, refusal));
    }

    /// The same for replies that let it into a room that it has left again.
    pub(super) fn refuse_joined(&mut self, left: RoomNumber) {
        self.change(|queue| queue.refuse_joined(left));
    }

    /// Drops what this connection alone was to be told and is void, except the rest of a half-written frame.
    pub(super) fn drop_told(&mut self, is_void: &dyn Fn(Told) -> bool) {
        self.change(|queue| {
            queue.drop_where(|lane| matches!(lane, Lane::Told(told) if is_void(told)));
        });
    }

    /// Takes such users out of what this connection is to be told of watched ones, unless its beginning is
    /// already on its way.
    pub(super) fn hide_users(&mut self, is_hidden: &dyn Fn(&UserId) -> bool) {
        self.change(|queue| queue.hide_users(is_hidden));
    }

    /// Drops everything, except the rest of a half-written frame.
    pub(super) fn keep_half_written(&mut self) {
        self.change(|queue| queue.drop_where(|_| true));
    }

    /// Idle connections are many: they keep no queue.
    fn change<T>(&mut self, change: impl FnOnce(&mut Queue) -> T) -> Option<T> {
        let queue = self.0.as_deref_mut()?;
        let result = change(queue);
        if queue.pieces.is_empty() {
            self.0 = None;
        }
        Some(result)
    }
}

impl Queue {
    fn push(&mut self, bytes: Bytes, written: usize, lane: Lane) {
        self.bytes += bytes.len() - written;
        if lane.is_direct() {
            self.direct_bytes += bytes.len() - written;
        }
        self.pieces.push_back(Piece {
            bytes,
            written,
            lane,
        });
    }

    fn gather<'a>(&'a self, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        let Some(first) = self.pieces.front() else {
            return &[];
        };
        if self.pieces.len() == 1 || first.rest().len() >= GATHER_BYTES {
            return first.rest();
        }
        scratch.clear();
        for piece in &self.pieces {
            let rest = piece.rest();
            if scratch.len() + rest.len() > GATHER_BYTES {
                break;
            }
            scratch.extend_from_slice(rest);
        }
        scratch
    }

    fn advance(&mut self, mut taken: usize) {
        while let Some(piece) = self.pieces.front_mut() {
            let now = taken.min(piece.bytes.len() - piece.written);
            piece.written += now;
            taken -= now;
            self.bytes -= now;
            if piece.lane.is_direct() {
                self.direct_bytes -= now;
            }
            if piece.written < piece.bytes.len() {
                return;
            }
            self.pieces.pop_front();
        }
    }

    fn take_back(&mut self, unwanted: &dyn Fn(RoomNumber) -> bool) -> BTreeMap<RoomNumber, Seq> {
        let mut lost = BTreeMap::new();
        for piece in &self.pieces {
            if let Lane::Room(room) = piece.lane
                && unwanted(room)
                && !lost.contains_key(&room)
                && let Some(seq) =
                    first_event(&piece.bytes[boundary_from(&piece.bytes, piece.written)..])
            {
                lost.insert(room, seq);
            }
        }
        self.drop_where(|lane| matches!(lane, Lane::Room(room) if unwanted(room)));
        lost
    }

    fn refuse_replies(
        &mut self,
        shown: &dyn Fn(RoomNumber) -> bool,
        refusal: fn(RequestId) -> Push,
    ) {
        for piece in &mut self.pieces {
            if piece.written == 0
                && let Some(reply) = piece.lane.shows()
                && let Some(refused) = reply.refused(shown, refusal)
            {
                piece.bytes = refused.wire().clone();
                piece.lane = Lane::Direct;
            }
        }
        self.count();
    }

    fn refuse_joined(&mut self, left: RoomNumber) {
        for piece in &mut self.pieces {
            if let Lane::Joined(request, room) = piece.lane
                && room == left
                && piece.written == 0
            {
                piece.bytes = Push::closed_room(request).wire().clone();
                piece.lane = Lane::Direct;
            }
        }
        self.count();
    }

    fn hide_users(&mut self, is_hidden: &dyn Fn(&UserId) -> bool) {
        self.pieces.retain_mut(|piece| {
            if piece.lane != Lane::Users || piece.written > 0 {
                return true;
            }
            match only_frame(&piece.bytes).map(|push| push.without_users(is_hidden)) {
                Some(Thinned::Less(less)) => {
                    piece.bytes = less.wire().clone();
                    true
                }
                Some(Thinned::Same) => true,
                Some(Thinned::Nothing) | None => false,
            }
        });
        self.count();
    }

    fn drop_where(&mut self, unwanted: impl Fn(Lane) -> bool) {
        if let Some(first) = self.pieces.front_mut()
            && first.written > 0
            && unwanted(first.lane)
        {
            let end = boundary_from(&first.bytes, first.written);
            if end > first.written {
                first.bytes.truncate(end);
                first.lane = Lane::Rest;
            }
        }
        self.pieces
            .retain(|piece| piece.lane == Lane::Rest || !unwanted(piece.lane));
        self.count();
    }

    fn count(&mut self) {
        let length = |piece: &Piece| piece.rest().len();
        self.bytes = self.pieces.iter().map(length).sum();
        self.direct_bytes = (self.pieces.iter())
            .filter(|piece| piece.lane.is_direct())
            .map(length)
            .sum();
    }
}

/// The first frame boundary at or after `at`. The frames are our own: unmasked, and whole.
fn boundary_from(frames: &[u8], at: usize) -> usize {
    let mut boundary = 0;
    while boundary < at {
        let Some(length) = frame_length(&frames[boundary..]) else {
            return frames.len();
        };
        boundary = boundary.saturating_add(length).min(frames.len());
    }
    boundary
}

/// The place of the first event among frames of our own. Signals have none. It is looked up in the frames
/// themselves because it is hardly ever asked for, and queueing must cost nothing.
fn first_event(mut frames: &[u8]) -> Option<Seq> {
    while let Some(length) = frame_length(frames) {
        let (frame, later) = frames.split_at_checked(length)?;
        frames = later;
        let payload = &frame[header_length(frame)?..];
        for said in decode_server_message(payload, SERVER_MESSAGE_BYTES_MAX).ok()? {
            if let Some((_, Some((first, _)))) = of_room(&said.ok()?) {
                return Some(first);
            }
        }
    }
    None
}

/// The one frame in a message of our own.
fn only_frame(message: &[u8]) -> Option<Push> {
    let payload = message.get(header_length(message)?..)?;
    let mut frames = decode_server_message(payload, SERVER_MESSAGE_BYTES_MAX).ok()?;
    Some(Push::new(frames.next()?.ok()?))
}

/// Length of the header of the frame at the start of `bytes` (RFC 6455, 5.2).
fn header_length(bytes: &[u8]) -> Option<usize> {
    match bytes.get(1)? & 0x7f {
        126 => Some(4),
        127 => Some(10),
        _ => Some(2),
    }
}

/// Length of the frame at the start of `bytes`, header included (RFC 6455, 5.2).
fn frame_length(bytes: &[u8]) -> Option<usize> {
    match bytes.get(1)? & 0x7f {
        126 => {
            let length = bytes.get(2..4)?.try_into().ok().map(u16::from_be_bytes)?;
            Some(4 + usize::from(length))
        }
        127 => {
            let length = bytes.get(2..10)?.try_into().ok().map(u64::from_be_bytes)?;
            usize::try_from(length).ok()?.checked_add(10)
        }
        short => Some(2 + usize::from(short)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(fill: u8, length: usize) -> Vec<u8> {
        let mut bytes = match length {
            0..126 => vec![0x82, u8::try_from(length).unwrap()],
            126..=0xffff => {
                let [high, low] = u16::try_from(length).unwrap().to_be_bytes();
                vec![0x82, 126, high, low]
            }
            _ => {
                let mut bytes = vec![0x82, 127];
                bytes.extend((length as u64).to_be_bytes());
                bytes
            }
        };
        bytes.resize(bytes.len() + length, fill);
        bytes
    }

    fn drain(outbox: &mut Outbox) -> Vec<u8> {
        let mut all = Vec::new();
        let mut scratch = Vec::new();
        while !outbox.is_empty() {
            let taken = outbox.gather(&mut scratch).to_vec();
            outbox.advance(taken.len());
            all.extend(taken);
        }
        all
    }

    #[test]
    fn leaving_a_room_keeps_the_half_written_frame_whatever_its_size() {
        for length in [0, 1, 125, 126, 0xffff, 0x1_0000] {
            let (half, whole, other) = (frame(1, length), frame(2, 9), frame(3, 9));
            for written in 1..half.len().min(20) {
                let mut outbox = Outbox::default();
                let joined: Bytes = [half.clone(), whole.clone()].concat().into();
                outbox.push(joined, written, Lane::Room(RoomNumber(1)));
                outbox.push(other.clone().into(), 0, Lane::Room(RoomNumber(2)));
                outbox.push(whole.clone().into(), 0, Lane::Room(RoomNumber(1)));
                outbox.take_back(&|room| room == RoomNumber(1));
                let expected = [&half[written..], &other].concat();
                assert_eq!(outbox.bytes(), expected.len());
                assert_eq!(drain(&mut outbox), expected, "{length} {written}");
            }
        }
    }

    #[test]
    fn a_piece_written_up_to_a_boundary_is_dropped_whole() {
        let mut outbox = Outbox::default();
        let joined: Bytes = [frame(1, 5), frame(2, 5)].concat().into();
        outbox.push(joined, 7, Lane::Room(RoomNumber(1)));
        outbox.take_back(&|room| room == RoomNumber(1));
        assert!(outbox.is_empty());
        assert_eq!(outbox.weight(), 0);
    }

    #[test]
    fn leaving_twice_does_not_take_the_rest_of_the_half_written_frame() {
        let mut outbox = Outbox::default();
        outbox.push(frame(1, 5).into(), 3, Lane::Room(RoomNumber(1)));
        outbox.take_back(&|room| room == RoomNumber(1));
        outbox.take_back(&|room| room == RoomNumber(1));
        outbox.keep_half_written();
        assert_eq!(drain(&mut outbox), vec![1; 4]);
    }

    #[test]
    fn small_pieces_are_written_together_and_large_ones_uncopied() {
        let mut outbox = Outbox::default();
        outbox.push(frame(1, 5).into(), 0, Lane::Direct);
        outbox.push(frame(2, 5).into(), 0, Lane::Rest);
        let large = frame(3, GATHER_BYTES);
        outbox.push(large.clone().into(), 0, Lane::Rest);
        outbox.push(frame(4, 1).into(), 0, Lane::Rest);
        assert_eq!(outbox.direct_bytes(), 7);
        let mut scratch = Vec::new();
        assert_eq!(outbox.gather(&mut scratch).len(), 14, "whole frames only");
        outbox.advance(14);
        assert_eq!(outbox.direct_bytes(), 0);
        let mut unused = Vec::new();
        assert_eq!(outbox.gather(&mut unused), large);
        assert_eq!(unused.capacity(), 0);
    }
}
