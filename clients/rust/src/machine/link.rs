//! One connection: what the server said about it at the welcome, and when each side was last heard.

use homeroom_protocol::{Welcome, limit};

use crate::moment::Moment;

/// A server that names a shorter heartbeat would have its clients do nothing else.
const HEARTBEAT_MS_MIN: u64 = 100;
/// A server that names none at all still must not keep a dead connection for ever: one hour.
const HEARTBEAT_MS_MAX: u64 = 3_600_000;

/// How long the answer to a ping may take, as `SPEC.md` advises.
const PONG_MS_MAX: u64 = 10_000;

#[derive(Debug)]
pub(super) struct Link {
    /// The end of what is waited for: the socket, the welcome, the reconnect.
    pub(super) until: Moment,
    pub(super) hello_written: bool,
    pub(super) requests_max: usize,
    pub(super) message_bytes_max: usize,
    welcomed_at: Option<Moment>,
    heartbeat_ms: u64,
    heard_at: Moment,
    said_at: Moment,
    /// When a ping went out, if nothing was heard since.
    pinged_at: Option<Moment>,
    ping_wanted: bool,
    next_nonce: u64,
}

impl Link {
    pub(super) const fn new(now: Moment, timeout_ms: u64) -> Self {
        Self {
            until: now.plus_ms(timeout_ms),
            hello_written: false,
            requests_max: 1,
            message_bytes_max: limit::CLIENT_MESSAGE_BYTES_MAX,
            welcomed_at: None,
            heartbeat_ms: HEARTBEAT_MS_MAX,
            heard_at: now,
            said_at: now,
            pinged_at: None,
            ping_wanted: false,
            next_nonce: 1,
        }
    }

    pub(super) fn welcomed(&mut self, now: Moment, welcome: &Welcome) {
        self.welcomed_at = Some(now);
        self.heartbeat_ms = welcome
            .heartbeat_ms
            .clamp(HEARTBEAT_MS_MIN, HEARTBEAT_MS_MAX);
        self.requests_max = (welcome.requests_in_flight_max as usize).max(1);
        self.message_bytes_max = usize::try_from(welcome.message_bytes_max).unwrap_or(usize::MAX);
    }

    /// For how long the server had welcomed this client.
    pub(super) fn lived_ms(&self, now: Moment) -> u64 {
        self.welcomed_at.map_or(0, |since| now.since_ms(since))
    }

    pub(super) const fn heard(&mut self, now: Moment) {
        self.heard_at = now;
        self.pinged_at = None;
    }

    pub(super) const fn said(&mut self, now: Moment) {
        self.said_at = now;
    }

    /// Wants a ping when it is time for one: because this side was silent for most of a heartbeat (the
    /// rest is for the way), or because the other was silent for a whole one.
    pub(super) fn beat(&mut self, now: Moment) {
        let listens_in_vain =
            self.pinged_at.is_none() && now >= self.heard_at.plus_ms(self.heartbeat_ms);
        if now >= self.say_by() || listens_in_vain {
            self.ping_wanted = true;
        }
    }

    /// The number of the ping to write, if one is wanted.
    pub(super) const fn take_ping(&mut self, now: Moment) -> Option<u64> {
        if !self.ping_wanted {
            return None;
        }
        self.ping_wanted = false;
        self.pinged_at = Some(now);
        self.next_nonce += 1;
        Some(self.next_nonce - 1)
    }

    /// For how long nothing was heard, once that is too long.
    pub(super) fn silent_ms(&self, now: Moment) -> Option<u64> {
        (now >= self.dead_at()).then(|| now.since_ms(self.heard_at))
    }

    /// When to look again. `listening` is false while nothing is read from the socket. A ping that
    /// waits for the socket to take it needs no second look.
    pub(super) fn next_heartbeat(&self, listening: bool) -> Option<Moment> {
        let say_by = (!self.ping_wanted).then(|| self.say_by());
        let listen_by = match (self.pinged_at.is_some() || self.ping_wanted, listening) {
            (_, false) => None,
            (true, true) => Some(self.dead_at()),
            (false, true) => Some(self.heard_at.plus_ms(self.heartbeat_ms)),
        };
        say_by.into_iter().chain(listen_by).min()
    }

    const fn say_by(&self) -> Moment {
        self.said_at
            .plus_ms(self.heartbeat_ms - self.heartbeat_ms / 4)
    }

    /// Two heartbeats after the last sign of life, or earlier when a ping stays unanswered.
    fn dead_at(&self) -> Moment {
        let silent = self.heard_at.plus_ms(self.heartbeat_ms.saturating_mul(2));
        match self.pinged_at {
            Some(pinged) => silent.min(pinged.plus_ms(PONG_MS_MAX)),
            None => silent,
        }
    }
}
