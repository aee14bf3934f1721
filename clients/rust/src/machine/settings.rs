//! What a client is told once, at its start.

use homeroom_protocol::{Auth, DeviceId, TenantName};

/// Who the client is, and what it holds at most.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The tenant to enter.
    pub tenant: TenantName,
    /// Who it is.
    pub auth: Auth,
    /// Which installation it is; the same across reconnects.
    pub device: DeviceId,
    /// Random bits: spreads the waits of many clients.
    pub seed: u64,
    /// Bounds and waits.
    pub limits: Limits,
}

/// Bounds and waits.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Most unanswered commands. One more is answered with [`RequestError::QueueFull`](crate::RequestError::QueueFull). 1024.
    pub requests_max: usize,
    /// Once this many events wait to be read, no more is read from the socket. 1024. The events of
    /// one message, at most 256, may come on top.
    pub events_max: usize,
    /// Most joined rooms. One more is answered with [`RequestError::TooManyRooms`](crate::RequestError::TooManyRooms). 1024.
    pub rooms_max: usize,
    /// How long to wait for a socket, and then for the welcome. 10 s.
    pub connect_timeout_ms: u64,
    /// The longest first wait before a reconnect; each next may be twice as long. 1 s.
    pub backoff_base_ms: u64,
    /// The longest wait before a reconnect, unless a bye says otherwise. 30 s.
    pub backoff_max_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_max: 1024,
            events_max: 1024,
            rooms_max: 1024,
            connect_timeout_ms: 10_000,
            backoff_base_ms: 1_000,
            backoff_max_ms: 30_000,
        }
    }
}
