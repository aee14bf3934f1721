//! What a shard did, counted where it happens in plain numbers: its driver takes the tally once per
//! turn and adds it to the figures of the engine, so that a listener costs no shared counter.

use homeroom_protocol::{CloseCode, ErrorCode};

/// What happened since the tally was last taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Sockets that were attached.
    pub sockets_attached: u64,
    /// Sockets that ended, for whatever cause.
    pub sockets_ended: u64,
    /// In-process sessions that were attached.
    pub sessions_attached: u64,
    /// In-process sessions that ended, for whatever cause.
    pub sessions_ended: u64,
    /// Connections that were told to close, and those the shard cut, by [`CloseCode`] in the order of
    /// [`CloseCode::ALL`].
    pub closed: [u64; CloseCode::ALL.len()],
    /// Connections whose sink failed while the shard wrote.
    pub broken: u64,
    /// Events given to listeners, written or queued: each event once for each of them.
    pub events: u64,
    /// Signals given to listeners, each once for each of them.
    pub signals: u64,
    /// Replies and pushes meant for one connection alone.
    pub direct: u64,
    /// Bytes that sockets took.
    pub bytes_written: u64,
    /// Signals that were dropped because a listener could not take them.
    pub signals_dropped: u64,
    /// How often a listener could not take an event, which was left to the log.
    pub fell_behind: u64,
    /// Pages of the log that were asked for, for listeners that are behind.
    pub pages_asked: u64,
    /// Connections that were cut because they took no byte for too long, or let their replies pile up.
    pub slow_readers_cut: u64,
    /// Refusals that were given, by [`ErrorCode`] in the order of [`ErrorCode::ALL`]; the last are those
    /// of a number that is none of them.
    pub refusals: [u64; ErrorCode::ALL.len() + 1],
}

impl Tally {
    pub(super) const fn attached(&mut self, is_socket: bool) {
        if is_socket {
            self.sockets_attached += 1;
        } else {
            self.sessions_attached += 1;
        }
    }

    pub(super) const fn ended(&mut self, is_socket: bool) {
        if is_socket {
            self.sockets_ended += 1;
        } else {
            self.sessions_ended += 1;
        }
    }

    pub(super) fn closed(&mut self, code: CloseCode) {
        let at = CloseCode::ALL.iter().position(|other| *other == code);
        self.closed[at.expect("all codes are there")] += 1;
    }

    pub(super) fn refused(&mut self, code: u16) {
        let known = ErrorCode::from_number(code);
        let at = known.and_then(|code| ErrorCode::ALL.iter().position(|other| *other == code));
        self.refusals[at.unwrap_or(ErrorCode::ALL.len())] += 1;
    }
}
