//! Every bound and time of a tenant, with its default and the reason for it.

use std::fmt;

use homeroom_protocol::TenantName;
use serde::{Deserialize, Serialize};

use crate::described;

/// What never changes in a tenant's life.
#[derive(Clone)]
pub struct Seed {
    /// Its name, told in every welcome.
    pub tenant: TenantName,
    /// Secret of this tenant: what is looked up by user and key is looked up by a hash under it, so
    /// that no key of the index holds a user id and nobody can aim for a collision. Must stay the same as long
    /// as the index is kept.
    pub hash_key: [u8; 16],
    /// Bounds and times.
    pub settings: Settings,
}

impl fmt::Debug for Seed {
    /// The hash key is a secret: it never reaches a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seed")
            .field("tenant", &self.tenant)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

described! {
    /// The bounds and times of one tenant. At each `…_max` a request is refused with
    /// [`TooMany`](homeroom_protocol::ErrorCode::TooMany) unless said otherwise; nothing that exists is
    /// taken away when a bound is lowered.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub struct Settings {
        /// Most rooms. 65 536: their heads and ids together stay near 16 MiB of memory.
        pub rooms_max: usize,
        /// Most members of one room. 20 000: a large school; one membership costs about 100 bytes.
        pub members_per_room_max: usize,
        /// Most rooms one user is a member of. 512: bounds what a check for a shared room has to look at.
        pub rooms_per_user_max: usize,
        /// Most rooms one user ever made, also those they left; services are not counted. 1024: a school's
        /// office makes fewer in years, and what one person may fill stays a small part of the rooms there may be.
        pub rooms_made_per_user_max: usize,
        /// Most user streams, one for each person who ever opened theirs or set something of their own.
        /// 262 144: a network of large schools; one costs about 1.8 KiB.
        pub streams_max: usize,
        /// Most people invited to one room, banned from it, and muted in it, each. 4096: above the size of a
        /// school, below what a list of them costs to keep.
        pub held_at_gate_max: usize,
        /// Most users one user has blocked. 1024: their list is one reply.
        pub blocked_per_user_max: usize,
        /// Most threads one user follows. 512: their list, with counts, is one reply.
        pub threads_followed_max: usize,
        /// Most connections at once. 20 000: what a 2-core machine serves. At the limit a new one is closed
        /// with [`Overloaded`](homeroom_protocol::CloseCode::Overloaded).
        pub connections_max: usize,
        /// Most connections of one user. 128: more than any person has, and so few that one cannot use up those of
        /// the tenant. At the limit the oldest is closed with
        /// [`Replaced`](homeroom_protocol::CloseCode::Replaced): the newest is the one that is in use, the
        /// oldest most likely a socket that nobody noticed to be dead.
        pub connections_per_user_max: usize,
        /// The same for one device of a user. 16: as many windows of one browser.
        pub connections_per_device_max: usize,
        /// Most rooms one connection listens to. 512: as many as a user may be a member of.
        pub rooms_per_connection_max: usize,
        /// Most users who have roles besides everyone. 200 000: more than a large organisation has members;
        /// each costs about 150 bytes.
        pub users_with_roles_max: usize,
        /// Most vanished devices whose grace still runs. 20 000: as many as connections. At the limit a
        /// device that vanishes is shown offline at once.
        pub lingering_devices_max: usize,
        /// Most idempotency keys in memory: the newest whole, of the others where they were used, so that
        /// only a retry is looked up. Still older ones are read from the index, and before each write.
        /// 1 048 576: about 10 MiB, and a day of a busy tenant.
        pub keys_in_memory_max: usize,
        /// Most keys kept whole when there are more in memory: at it, of the older half only the places are
        /// kept, of at most 8 192 at once. Counts from 2 to 131 072. 16 384: about 2 MiB, and the retries of a
        /// moment even where 20 000 messages are sent each second.
        pub keys_whole_max: usize,
        /// How long a key is remembered, in ms of log time. 24 h: a phone that was off over night may
        /// still retry.
        pub key_ttl_ms: u64,
        /// How long typing shows without a repeat, in ms. 6 s: two missed repeats of a client that sends
        /// one every 3 s or less.
        pub typing_ttl_ms: u64,
        /// How long a vanished device still counts, in ms. 10 s: a change from one network to another.
        pub presence_grace_ms: u64,
        /// How long signals of a room wait for each other, in ms. 50 ms: twenty pictures of a moving cursor
        /// a second, whoever moves it.
        pub signals_tick_ms: u64,
        /// How long changes of who is in a room wait for each other, in ms. 1 s: a class that comes in costs
        /// one frame a second for each who sees it.
        pub occupancy_tick_ms: u64,
        /// How long those who go are gathered before it is written down when they were seen, in ms. 1 s.
        pub seen_tick_ms: u64,
        /// How often it is written down who is there, in ms: by so much, at most, the time at which somebody was
        /// last seen is too early after a crash. 10 min: a record for every 256 of those who are there, a few
        /// bytes for each. 0: not at all, nor when the tenant ends in order;
        /// only when people go.
        pub seen_round_ms: u64,
        /// What a request costs that is answered from memory, as typing, a signal or a presence; in units of
        /// the rates below. 1: the measure of all others.
        pub light_request_units: u32,
        /// What a write costs. 2: it goes to disk, together with others.
        pub write_request_units: u32,
        /// What a page, a list or a join costs. 5: it is read from disk, or is as long as a hundred messages.
        pub read_request_units: u32,
        /// What a request costs that people make now and then: to make or change a room or a role, to
        /// moderate, to report, to mark all. 10: its effects stay, or many are told of it.
        pub heavy_request_units: u32,
        /// Units that one connection is given each second. 2 000: a thousand messages, far above any
        /// person, and low enough that one script does not fill a core. What is above is refused with
        /// [`TooFast`](homeroom_protocol::ErrorCode::TooFast), as at the bounds below.
        pub connection_units_per_s: u32,
        /// Units that one connection has at most saved up. 100 000: a client that synchronises a large past, or a
        /// script that makes ten thousand rooms once.
        pub connection_units_burst: u32,
        /// Units that all connections of one user are given each second. 4 000: two of them at full speed.
        pub user_units_per_s: u32,
        /// Units that all connections of one user have at most saved up. 200 000: those of two connections.
        pub user_units_burst: u32,
        /// Bytes that the whole tenant stores in its log. 64 GiB: a thousand segments. At it, writes are refused
        /// with [`TooMany`](homeroom_protocol::ErrorCode::TooMany); reads and signals go on.
        pub stored_bytes_max: usize,
        /// Messages, and other writes to rooms, that the whole tenant is given each second. 20 000: a fair
        /// part of what one disk takes, so that others have the rest.
        pub messages_per_s: u32,
        /// Messages that the whole tenant has at most saved up. 200 000: ten seconds of them.
        pub messages_burst: u32,
        /// How often a client must say something, in ms. 25 s: below the idle limits of common proxies.
        pub heartbeat_ms: u64,
        /// Most requests of one connection that wait for a reply, told in the welcome; the host reads no
        /// further meanwhile. 32: enough to pipeline, too few to queue, and so many full history pages that
        /// nobody reads stay below the hub's bound for replies.
        pub requests_in_flight_max: u32,
        /// When to retry what failed for a passing reason, in ms. 1 s.
        pub retry_after_ms: u64,
        /// When to retry what was refused because the disk is full, in ms. 10 s: an operator must act.
        pub storage_full_retry_after_ms: u64,
        /// When to ask again for a past that is damaged, in ms. 60 s: it stays damaged until an operator
        /// restores or repairs the tenant, and each try reads the damaged part of the log.
        pub damaged_retry_after_ms: u64,
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rooms_max: 65_536,
            members_per_room_max: 20_000,
            rooms_per_user_max: 512,
            rooms_made_per_user_max: 1_024,
            streams_max: 262_144,
            held_at_gate_max: 4_096,
            blocked_per_user_max: 1_024,
            threads_followed_max: 512,
            connections_max: 20_000,
            connections_per_user_max: 128,
            connections_per_device_max: 16,
            rooms_per_connection_max: 512,
            users_with_roles_max: 200_000,
            lingering_devices_max: 20_000,
            keys_in_memory_max: 1_048_576,
            keys_whole_max: 16_384,
            key_ttl_ms: 24 * 60 * 60 * 1000,
            typing_ttl_ms: 6_000,
            presence_grace_ms: 10_000,
            signals_tick_ms: 50,
            occupancy_tick_ms: 1_000,
            seen_tick_ms: 1_000,
            seen_round_ms: 600_000,
            light_request_units: 1,
            write_request_units: 2,
            read_request_units: 5,
            heavy_request_units: 10,
            connection_units_per_s: 2_000,
            connection_units_burst: 100_000,
            user_units_per_s: 4_000,
            user_units_burst: 200_000,
            stored_bytes_max: 64 << 30,
            messages_per_s: 20_000,
            messages_burst: 200_000,
            heartbeat_ms: 25_000,
            requests_in_flight_max: 32,
            retry_after_ms: 1_000,
            storage_full_retry_after_ms: 10_000,
            damaged_retry_after_ms: 60_000,
        }
    }
}

impl Settings {
    /// The same without budgets: for programs that ask as fast as they can on purpose, as a load generator
    /// does, or that fill a tenant once.
    #[must_use]
    pub fn without_budgets(self) -> Self {
        Self {
            connection_units_per_s: u32::MAX,
            connection_units_burst: u32::MAX,
            user_units_per_s: u32::MAX,
            user_units_burst: u32::MAX,
            messages_per_s: u32::MAX,
            messages_burst: u32::MAX,
            ..self
        }
    }
}
