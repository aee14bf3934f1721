//! The hub delivers: audiences and write halves, encode once, coalesce, one write per listener.
//!
//! A shard owns the write halves of its connections and is sans-IO: it is driven with
//! [`Delivery`] values in the order the tenant released them, writes through `try_write` sinks that
//! never block, and answers with what it needs next. The runtime has one shard per worker.

use std::{any::Any, collections::BTreeMap, fmt, io, sync::Arc};

use homeroom_protocol::{CloseCode, ConnectionId, Epoch, RoomNumber, Seq, UserId, limit};

mod bounds;
mod connection;
mod content;
mod gauge;
mod joined;
mod outbox;
mod pauses;
mod pipe;
mod places;
mod push;
mod roster;
mod seating;
mod shard;
mod signals;
mod slots;
mod tally;
#[cfg(test)]
mod tests;
mod turn;

pub(crate) use shard::turn_to_return_ms;

pub use bounds::{
    COLLECTED_BYTES_MAX, DIRECT_LANE_BYTES_MAX, HISTORY_IN_FLIGHT_MAX, JOINED_BYTES_MAX,
    JOINED_EVENTS_MAX, LISTENERS_PER_CALL, OUTBOX_AGE_MS, OUTBOX_BYTES_MAX,
    PAGES_PER_CONNECTION_MAX, REPLY_LANE_BYTES, RETURN_SPREAD_MS, SIGNAL_AGE_TICKS,
    SIGNAL_BYTES_MAX, STALL_MS, TAIL_EVENTS_MAX,
};
pub(crate) use content::body_bytes;
pub use gauge::Gauge;
pub use push::Push;
pub use shard::{Shard, Turn};
pub use tally::Tally;

/// One awake life of one tenant: audiences of different lives never meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TenantLife(pub u64);

/// Whom a push is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Audience {
    /// The connections that joined a room.
    Room(RoomNumber),
    /// The connections that watch a user.
    Watchers(UserId),
    /// Those that hear a room and show it, or, with the root of a thread, show that thread beside it:
    /// see [`Delivery::View`].
    Viewers(RoomNumber, Option<Seq>),
}

/// Counts the changes of who may hear a room. What was queued under an older one is not written.
/// One tenant life counts all its rooms together, from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation(pub u64);

impl Generation {
    /// Before all others: who [listens](Delivery::Listen) under it has a place, but hears nothing
    /// before it is [stamped anew](Delivery::Restamp).
    pub const STALE: Self = Self(0);
}

/// What a tenant wants delivered. The order of one tenant's deliveries is kept, with one exception
/// that can only help: within a turn, replies are written before the pushes of rooms.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// To one connection: replies, and pushes meant for it alone. Never dropped.
    Direct {
        /// The receiver.
        connection: ConnectionId,
        /// What.
        push: Arc<Push>,
    },
    /// A durable event of a room, to all its listeners, exactly once and in the order of `seq`. None is needed
    /// while nobody listens: whoever begins to is told where the room stands.
    Event {
        /// The room.
        room: RoomNumber,
        /// Its place in the room's timeline.
        seq: Seq,
        /// What.
        push: Arc<Push>,
    },
    /// Takes places of a room's timeline without an event of its own: a change of membership in a large
    /// room. Its listeners are told by one `passed` frame for all that were passed since the last one,
    /// right before the room's next event, or at the next [tick](Shard::tick).
    Passed {
        /// The room.
        room: RoomNumber,
        /// Its place in the room's timeline.
        seq: Seq,
        /// How many members the room has now.
        members: u32,
    },
    /// To all of an audience that can take it now, after all that is durable. The newest of one audience
    /// and kind wins or takes in the one before. A slow reader misses it and is told how many it missed.
    ///
    /// What is said to [`Audience::Watchers`] is gathered for each watcher: one frame a tick holds the
    /// newest state of each user that changed, the first one after a quiet while goes at once, and a
    /// slow reader is told when it reads on.
    Signal {
        /// The audience.
        audience: Audience,
        /// Signals of the same kind replace each other.
        kind: SignalKind,
        /// What.
        push: Arc<Push>,
    },
    /// A connection hears a room from `next` on. When the room's newest released event is `head` and
    /// `next` is not the one after it, the events between are read from the log first.
    Listen {
        /// The listener.
        connection: ConnectionId,
        /// The room.
        room: RoomNumber,
        /// The room's epoch.
        epoch: Epoch,
        /// The first event this listener is to receive.
        next: Seq,
        /// The newest event before this delivery, released or heard by nobody.
        head: Seq,
        /// The listener's generation: pages read under another one are not written.
        generation: Generation,
    },
    /// From now on nobody hears a room, whatever is collected, queued or being read for them, except the
    /// rest of a half-written frame: who may hear it has changed, and every listener is to be looked at
    /// again. Costs the same for any number of listeners. Those who are not stamped anew hear nothing
    /// for ever; they should be unlistened. Queued replies that show the room are refused, to be asked
    /// again, also where the connection does not hear it.
    Pause {
        /// The room; `None`: all rooms and streams of the tenant, which costs a step for each audience.
        room: Option<RoomNumber>,
        /// Newer than that of any of its listeners.
        generation: Generation,
    },
    /// These may hear a room again: what they missed is read from the log, from where they were. One that
    /// was paused again meanwhile, under a newer generation, stays so. It comes behind the `Listen` of
    /// each, which may have been decided under an older generation, or as [`Generation::STALE`].
    Restamp {
        /// The room.
        room: RoomNumber,
        /// Who, at most [`LISTENERS_PER_CALL`]; those who do not listen are passed over.
        connections: Vec<ConnectionId>,
        /// Their generation from now on: pages read under an older one are not written.
        generation: Generation,
    },
    /// What a connection shows from now on. Before the first of these it shows every room it hears.
    View {
        /// The connection.
        connection: ConnectionId,
        /// The room, heard now or later; `None`: none.
        room: Option<RoomNumber>,
        /// The root of a thread that is shown beside it.
        thread: Option<Seq>,
    },
    /// A connection hears a room no more. Nothing of the room that is still queued for it is written,
    /// except the rest of a half-written frame, and replies that show it are refused, also where the
    /// connection never heard it.
    Unlisten {
        /// The listener.
        connection: ConnectionId,
        /// The room.
        room: RoomNumber,
    },
    /// Replaces the set of users a connection watches.
    Watch {
        /// The watcher.
        connection: ConnectionId,
        /// Whom.
        users: Vec<UserId>,
    },
    /// A connection watches these users no more, and nothing that is queued for it tells of them any more,
    /// except the rest of a half-written frame.
    Unwatch {
        /// The watcher.
        connection: ConnectionId,
        /// Whom.
        users: Vec<UserId>,
    },
    /// A page of the past for a listener that is behind, asked for by [`Need::Page`].
    Page {
        /// The listener.
        connection: ConnectionId,
        /// The room.
        room: RoomNumber,
        /// The generation it was read under.
        generation: Generation,
        /// The events, from the seq that was asked for on, without a gap; may be empty when the
        /// events are not there yet.
        events: Vec<(Seq, Arc<Push>)>,
    },
    /// Ends a connection: what is queued is dropped (except the rest of a half-written frame), a bye
    /// and a close frame are written, the sink is closed.
    Close {
        /// The connection.
        connection: ConnectionId,
        /// Why.
        code: CloseCode,
        /// For the bye; `None` where the code says not to come back.
        reconnect_after_ms: Option<u64>,
        /// Why exactly, at most [`limit::EXPLANATION_BYTES_MAX`](homeroom_protocol::limit) bytes;
        /// `None`: what the code means.
        explanation: Option<Box<str>>,
    },
    /// To a caller in this process that has no connection: the runtime lets it go when all that was
    /// released before it has reached the shards.
    Answer(Arc<dyn Deferred>),
    /// Ends every connection of this tenant life, like `Close`.
    CloseAll {
        /// Why.
        code: CloseCode,
        /// For the bye of the first to come back; the others' are spread behind it by
        /// [`RETURN_SPREAD_MS`]. `None` where the code says not to come back.
        reconnect_after_ms: Option<u64>,
        /// How many shards are told the same: each connection here stands for so many.
        shards: u64,
        /// How many connections are sent away at the same time besides, as when an engine shuts down: the
        /// times are spread for at least so many. 0: only this life's.
        among: u64,
    },
}

/// Something that waits to leave, and knows its way. Who made it may know it again.
pub trait Deferred: Any + fmt::Debug + Send + Sync {
    /// It may leave now. Never blocks.
    fn leave(self: Arc<Self>);

    /// About how many bytes of memory it takes; for bounds, so rather too many.
    fn weight(&self) -> usize;
}

/// Which signals replace each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignalKind {
    /// The list of who types.
    Typing,
    /// The state of a user.
    Presence,
    /// What apps signal to each other: batches are joined, the newest of each sender and name wins.
    Signals,
    /// Who is there: changes are joined.
    Occupancy,
}

impl Delivery {
    /// The one connection it is for; `None`: every shard has to hear it.
    #[must_use]
    pub const fn receiver(&self) -> Option<ConnectionId> {
        match self {
            Self::Direct { connection, .. }
            | Self::Listen { connection, .. }
            | Self::Unlisten { connection, .. }
            | Self::Watch { connection, .. }
            | Self::Unwatch { connection, .. }
            | Self::View { connection, .. }
            | Self::Page { connection, .. }
            | Self::Close { connection, .. } => Some(*connection),
            Self::Event { .. }
            | Self::Passed { .. }
            | Self::Pause { .. }
            | Self::Restamp { .. }
            | Self::Signal { .. }
            | Self::CloseAll { .. }
            | Self::Answer(_) => None,
        }
    }

    /// About how many bytes of memory it takes; for bounds, so rather too many.
    #[must_use]
    pub fn weight(&self) -> usize {
        let content = match self {
            Self::Direct { push, .. } | Self::Event { push, .. } | Self::Signal { push, .. } => {
                push.weight()
            }
            Self::Page { events, .. } => events.iter().map(|(_, push)| push.weight()).sum(),
            Self::Watch { users, .. } | Self::Unwatch { users, .. } => {
                users.len() * (size_of::<UserId>() + limit::USER_ID_BYTES_MAX)
            }
            Self::Answer(answer) => answer.weight(),
            Self::Restamp { connections, .. } => size_of_val(connections.as_slice()),
            Self::Listen { .. }
            | Self::Passed { .. }
            | Self::Pause { .. }
            | Self::View { .. }
            | Self::Unlisten { .. }
            | Self::Close { .. }
            | Self::CloseAll { .. } => 0,
        };
        size_of::<Self>() + content
    }
}

/// What a shard asks of the runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// Read the past of a room for a listener that is behind. Each is answered with one
    /// [`Delivery::Page`], an empty one where nothing could be read: the listener waits for it.
    Page {
        /// Whose room.
        tenant: TenantLife,
        /// The listener.
        connection: ConnectionId,
        /// The room.
        room: RoomNumber,
        /// The generation to answer under.
        generation: Generation,
        /// The first event wanted.
        from: Seq,
    },
    /// The shard ended this connection by its own rules; the tenant must forget it.
    Ended {
        /// Whose.
        tenant: TenantLife,
        /// The connection.
        connection: ConnectionId,
    },
}

/// Where the bytes of a connection go. Never blocks.
#[derive(Debug)]
pub enum Sink {
    /// A socket: takes any part of joined WebSocket frames.
    Socket(Arc<dyn SocketSink>),
    /// An in-process listener: takes typed frames.
    Session(Box<dyn SessionSink>),
}

/// The write half of a socket.
pub trait SocketSink: Send + Sync + fmt::Debug {
    /// Hands bytes to the kernel; how many it took. The bytes always end with a whole frame, so a sink
    /// that took all of them may put a frame of its own (a WebSocket pong) behind them. After
    /// `WouldBlock` (or fewer bytes than given) the sink itself sees to it that the hub is told when
    /// the socket is writable again.
    ///
    /// # Errors
    /// `WouldBlock` when it takes none now; anything else means the socket is gone.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Something will be written soon: a sink may look at what that takes, so that it is near then. Called for
    /// several sinks, one after the other, before the first of them is written to.
    fn bring_near(&self) {}

    /// No more will be written: close after what the kernel already has.
    fn close(&self, code: CloseCode);

    /// The connection's [`Gauge`] shows fewer unanswered requests or fewer bytes than before: a reader
    /// that stopped because of it looks again.
    fn gauge_changed(&self) {}
}

/// The receiving end of an in-process listener.
pub trait SessionSink: Send + fmt::Debug {
    /// Takes a frame, or says why not. Replies are offered even after `Full`: they may need no place in
    /// the queue. After `Full` the sink itself sees to it that the hub is told
    /// when there is room again.
    ///
    /// # Errors
    /// [`SessionRefusal`].
    fn try_push(&mut self, push: &Arc<Push>) -> Result<(), SessionRefusal>;

    /// Takes back what its reader has not read of a room that is left, or, with `None`, all of it.
    fn take_back(&mut self, of: Option<RoomNumber>);

    /// Takes back the events and signals of such rooms that its reader has not read, and says which was the
    /// first event of each: they may be given again, read from the log.
    fn take_back_events(
        &mut self,
        unwanted: &dyn Fn(RoomNumber) -> bool,
    ) -> BTreeMap<RoomNumber, Seq>;

    /// No more will come, and nothing that was not read yet.
    fn close(&mut self, code: CloseCode);
}

/// Why a session took no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionRefusal {
    /// Its queue is full.
    Full,
    /// It was dropped.
    Gone,
}
