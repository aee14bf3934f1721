//! Every number a connection can hit in the hub, in one place, with what happens there.

use homeroom_protocol::limit;

/// Listeners served by one call of [`Shard::end_turn`](super::Shard::end_turn); then it says `more`,
/// so that the worker can look after others in between.
pub const LISTENERS_PER_CALL: usize = 128;

/// A room with at most so many listeners is written before the replies of its turn, so that whoever has both gets
/// them in one write. What replies wait for is so bounded by few writes for each message of the turn.
pub(super) const SMALL_ROOM_LISTENERS: usize = 32;

/// Bytes a shard has collected for its next turn (by [`Push::weight`](super::Push::weight)) from which
/// on it [takes no more](super::Shard::is_full) until that turn begins. As much is being written at
/// the same time: a shard holds at most twice this, twice what its driver hands it in one go, and
/// what is queued for its connections. It is small because whoever leaves, or is revoked, while a shard
/// cannot keep up waits for that turn: a turn of so many bytes is a few joined buffers.
pub const COLLECTED_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of one room's pushes that are joined into one buffer; what is beyond goes into the next one.
/// A single larger push is a buffer of its own.
pub const JOINED_BYTES_MAX: usize = 256 * 1024;

/// Events joined at once where only in-process listeners hear, and no byte is encoded.
pub const JOINED_EVENTS_MAX: usize = 1024;

/// What a connection's outbox may hold, in bytes, unless the embedder says otherwise. At the bound
/// its rooms' events leave memory and are read from the log again when it has caught up.
pub const OUTBOX_BYTES_MAX: usize = 256 * 1024;

/// How long an outbox may hold events while it is never empty: then those leave memory, however few they
/// are, and are read from the log again when the connection takes bytes.
pub const OUTBOX_AGE_MS: u64 = 10 * 1000;

/// What all signals to viewers that wait for their turn may weigh, by [`Push::weight`](super::Push::weight); what is
/// beyond, and replaces nothing, is dropped and counted.
pub const SIGNAL_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Ticks that a signal waits for its turn, behind all that is durable; then it is dropped and counted.
pub const SIGNAL_AGE_TICKS: u64 = 3;

/// How long a client is told to wait before it asks again for what showed a room that was being looked at.
pub(super) const PAUSED_RETRY_MS: u64 = 100;

/// Reply bytes in an outbox from which on its connection's reader should stop reading.
pub const REPLY_LANE_BYTES: usize = 64 * 1024;

/// Requests of one connection for a page of history or a long list (its rooms, whom it watches, all about its user)
/// that may be unanswered; at so many its reader should stop reading too, because nobody knows the bytes of
/// an answer before it is there. A client that asks for one page after the other never gets there.
pub const HISTORY_IN_FLIGHT_MAX: usize = 2;

/// Reply bytes in an outbox at which its connection is closed. A reader that heeds
/// [`Gauge::replies_are_full`](super::Gauge::replies_are_full) and the default limit of requests in
/// flight never gets there: at most it has just under [`REPLY_LANE_BYTES`] when it reads on,
/// [`HISTORY_IN_FLIGHT_MAX`] pages come in, and lists of users or roles for the other requests. A client that
/// reads nothing and only asks for history so costs about 600 KiB.
pub const DIRECT_LANE_BYTES_MAX: usize = 2 * 1024 * 1024;

const _: () = {
    let list = limit::ROLES_MAX * (limit::ROLE_NAME_BYTES_MAX + 48);
    let pages = HISTORY_IN_FLIGHT_MAX * limit::SERVER_MESSAGE_BYTES_MAX;
    assert!(REPLY_LANE_BYTES + pages + 32 * list <= DIRECT_LANE_BYTES_MAX);
    assert!(limit::MEMBERS_PAGE_MAX * (limit::USER_ID_BYTES_MAX + 16) <= list);
    let watched = limit::USER_ID_BYTES_MAX + limit::STATUS_BYTES_MAX + 32;
    assert!(limit::WATCHED_USERS_MAX * watched <= limit::SERVER_MESSAGE_BYTES_MAX);
};

/// Pages of the past that one connection may be waiting for at once; its other rooms wait their turn.
pub const PAGES_PER_CONNECTION_MAX: u8 = 4;

/// Newest events of a room kept while a page of its past is being read, so that a listener whose page
/// was overtaken still catches up in one step.
pub const TAIL_EVENTS_MAX: usize = 256;

/// A connection that has something queued and took no byte for this long is closed, resumable.
pub const STALL_MS: u64 = 5 * 60 * 1000;

/// When all connections of a tenant are closed at once, the time over which they come back grows by this
/// much with each of them: what comes back is greeted and replayed, and some hundreds a second is what a
/// small machine does beside its work.
pub const RETURN_SPREAD_MS: u64 = 4;

/// Small queued pieces are copied together up to this many bytes, to save system calls.
pub(super) const GATHER_BYTES: usize = 64 * 1024;
