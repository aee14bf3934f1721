//! What an engine has done and is doing, in plain numbers.

use homeroom_protocol::{CloseCode, ErrorCode};

use super::{Part, histogram::Distribution};

/// All figures of one engine at one moment; see [`Engine::metrics`](crate::Engine::metrics).
///
/// Totals begin with the engine and only grow. Each number is true by itself; numbers that belong
/// together may lie an instant apart. Nothing is said per tenant: a folder may hold a hundred thousand of
/// them, more than any time series store wants as a label; [`Engine::health`](crate::Engine::health) names
/// those that need somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Figures {
    /// Who is and was connected.
    pub connections: Connections,
    /// The tenants and their lives.
    pub tenants: Tenants,
    /// Rooms of the tenants that are awake.
    pub rooms: u64,
    /// What was made durable.
    pub log: LogFigures,
    /// What was delivered.
    pub hub: HubFigures,
    /// Requests that were passed on to tenants, by kind; each kind is there, and `backend` for all that
    /// an app's back end asks.
    pub requests: Vec<(&'static str, u64)>,
    /// Refusals that were given, by code; `None` stands for the numbers of other programs. Each code is
    /// there.
    pub refusals: Vec<(Option<ErrorCode>, u64)>,
    /// Snapshots that were written whole.
    pub snapshots_written: u64,
    /// Snapshots that were not; the older one stays.
    pub snapshots_failed: u64,
    /// Indexes that were found damaged, set aside and begun anew.
    pub index_rebuilds: u64,
    /// Tenants with each part degraded, as [`Engine::health`](crate::Engine::health) says; under
    /// [`Part::Space`] those that are short of disk space.
    pub degraded: Vec<(Part, u64)>,
}

/// Figures of connections.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connections {
    /// Sockets attached now.
    pub sockets_open: u64,
    /// In-process sessions attached now.
    pub sessions_open: u64,
    /// Sockets that were ever attached.
    pub sockets_attached: u64,
    /// In-process sessions that were ever attached.
    pub sessions_attached: u64,
    /// Connections that ended, by cause; each cause is there.
    pub closed: Vec<(EndCause, u64)>,
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndCause {
    /// It was closed from this side.
    Closed(CloseCode),
    /// Its client said goodbye, or its session was dropped.
    Left,
    /// Its socket ended or fell silent.
    Vanished,
    /// Its sink failed while it was written to.
    Broken,
}

/// Figures of tenants.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tenants {
    /// Tenants in the folder.
    pub known: u64,
    /// Those that are awake now.
    pub awake: u64,
    /// How often one woke.
    pub wakes: u64,
    /// How often one fell asleep or was closed, with all it knew on disk.
    pub sleeps: u64,
    /// How often a life ended because its storage failed; its state was dropped, its log is replayed.
    pub failures: u64,
    /// How often one could not wake.
    pub wake_failures: u64,
    /// How long successful wakes took, in nanoseconds, with the wait for a place among storage calls.
    pub wake_time: Distribution,
}

/// Figures of logs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogFigures {
    /// Commits that became durable.
    pub commits: u64,
    /// Events in them.
    pub events_appended: u64,
    /// Events per commit.
    pub commit_events: Distribution,
    /// From handing a commit over until it was durable, as its tenant sees it, in nanoseconds: the wait
    /// for a place among storage calls, the write, the sync, and retries.
    pub commit_time: Distribution,
    /// How long each sync of a file of a log, of a mark or of a folder took, in nanoseconds.
    pub sync_time: Distribution,
    /// Syncs that failed.
    pub sync_failures: u64,
}

/// Figures of the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubFigures {
    /// Events given to listeners, written or queued: one event to ten listeners counts ten.
    pub events_delivered: u64,
    /// Signals given to listeners, counted the same way.
    pub signals_delivered: u64,
    /// Replies and what else was meant for one connection alone.
    pub direct_delivered: u64,
    /// Bytes that sockets took.
    pub bytes_written: u64,
    /// Bytes queued for connections that take none now; looked at once a second.
    pub outbox_bytes: u64,
    /// Connections that have something queued; looked at once a second.
    pub connections_queued: u64,
    /// Signals that were dropped because a listener could not take them.
    pub signals_dropped: u64,
    /// How often a listener could take no more, so that its events were left to the log.
    pub fell_behind: u64,
    /// Pages of the log that were read for listeners that are behind.
    pub pages_asked: u64,
    /// Connections that were cut because they took no byte for too long, or let their replies pile up.
    pub slow_readers_cut: u64,
    /// From handing over what a tenant released until the turn of the shard that wrote it had ended, in
    /// nanoseconds: once for each release and shard. In a shard that is overloaded only the first
    /// hundreds of a turn are measured.
    pub fan_out_time: Distribution,
}
