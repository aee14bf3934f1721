//! Counting, without slowing down what is counted: one set of numbers per engine, no global state.
//!
//! Counters are relaxed atomics: each is true by itself, and none guards memory. The hub counts in a
//! [`Tally`] of its own, added here once per turn. An embedder reads all of it as
//! [`Figures`]; what turns them into a format is not here. What is broken, and for whom, is in
//! [`Health`].

mod disk;
mod figures;
mod health;
mod histogram;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use homeroom_protocol::{CloseCode, ErrorCode, Request, TenantName, Timestamp};

use self::{health::HealthBook, histogram::Histogram};
use crate::{hub::Tally, log::LogPosition};

pub(crate) use self::disk::MeasuredDisk;
pub use self::{
    figures::{Connections, EndCause, Figures, HubFigures, LogFigures, Tenants},
    health::{DEGRADED_SHOWN_MAX, Degraded, Health, Part, WHAT_BYTES_MAX},
    histogram::{DURATION_BOUNDS_NS, Distribution, RECORDS_BOUNDS},
};

/// The kinds of requests, in the order in which they are counted.
const REQUEST_KINDS: [&str; 37] = [
    "create",
    "join",
    "leave",
    "send",
    "history",
    "typing",
    "presence",
    "watch",
    "members",
    "edit",
    "delete",
    "react",
    "pin",
    "versions",
    "mark",
    "mark_all",
    "readers",
    "follow",
    "rooms",
    "change_room",
    "moderate",
    "overwrite",
    "overwrites",
    "level",
    "report",
    "stream",
    "me",
    "status",
    "block",
    "set_role",
    "remove_role",
    "give_roles",
    "roles",
    "policy",
    "explain",
    "view",
    BACKEND,
];
/// Whatever an app's back end asks.
const BACKEND: &str = "backend";

/// The name of a request's kind, and its place among them.
pub(crate) const fn kind_of(request: &Request) -> (usize, &'static str) {
    let at = match request {
        Request::Create { .. } => 0,
        Request::Join { .. } => 1,
        Request::Leave { .. } => 2,
        Request::Send { .. } => 3,
        Request::History { .. } => 4,
        Request::Typing { .. } => 5,
        Request::Presence { .. } => 6,
        Request::Watch { .. } => 7,
        Request::Members { .. } => 8,
        Request::Edit { .. } => 9,
        Request::Delete { .. } => 10,
        Request::React { .. } => 11,
        Request::Pin { .. } => 12,
        Request::Versions { .. } => 13,
        Request::Mark(_) => 14,
        Request::MarkAll { .. } => 15,
        Request::Readers { .. } => 16,
        Request::Follow { .. } => 17,
        Request::Rooms { .. } => 18,
        Request::ChangeRoom { .. } => 19,
        Request::Moderate { .. } => 20,
        Request::Overwrite { .. } => 21,
        Request::Overwrites { .. } => 22,
        Request::Level { .. } => 23,
        Request::Report { .. } => 24,
        Request::Stream { .. } => 25,
        Request::Me => 26,
        Request::Status(_) => 27,
        Request::Block { .. } => 28,
        Request::SetRole(_) => 29,
        Request::RemoveRole { .. } => 30,
        Request::GiveRoles { .. } => 31,
        Request::Roles => 32,
        Request::Policy { .. } => 33,
        Request::Explain { .. } => 34,
        Request::View { .. } => 35,
    };
    (at, REQUEST_KINDS[at])
}

/// The numbers of one engine.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) health: HealthBook,
    attached: [AtomicU64; 2],
    ended: [AtomicU64; 2],
    closed: [AtomicU64; CloseCode::ALL.len()],
    left: AtomicU64,
    vanished: AtomicU64,
    broken: AtomicU64,

    tenants_known: AtomicU64,
    tenants_awake: AtomicU64,
    wakes: AtomicU64,
    sleeps: AtomicU64,
    failures: AtomicU64,
    wake_failures: AtomicU64,
    wake_time: Histogram,
    rooms: AtomicU64,

    commit_events: Histogram,
    commit_time: Histogram,
    sync_time: Histogram,
    sync_failures: AtomicU64,

    events: AtomicU64,
    signals: AtomicU64,
    direct: AtomicU64,
    bytes_written: AtomicU64,
    outbox_bytes: AtomicU64,
    connections_queued: AtomicU64,
    signals_dropped: AtomicU64,
    fell_behind: AtomicU64,
    pages_asked: AtomicU64,
    slow_readers_cut: AtomicU64,
    fan_out_time: Histogram,

    requests: [AtomicU64; REQUEST_KINDS.len()],
    refusals: [AtomicU64; ErrorCode::ALL.len() + 1],
    snapshots_written: AtomicU64,
    snapshots_failed: AtomicU64,
    index_rebuilds: AtomicU64,
}

const fn zeros<const N: usize>() -> [AtomicU64; N] {
    [const { AtomicU64::new(0) }; N]
}

impl Metrics {
    /// All zero; `now` is asked when something is found degraded.
    pub(crate) fn new(now: fn() -> Timestamp) -> Arc<Self> {
        Arc::new(Self {
            health: HealthBook::new(now),
            attached: zeros(),
            ended: zeros(),
            closed: zeros(),
            left: AtomicU64::new(0),
            vanished: AtomicU64::new(0),
            broken: AtomicU64::new(0),
            tenants_known: AtomicU64::new(0),
            tenants_awake: AtomicU64::new(0),
            wakes: AtomicU64::new(0),
            sleeps: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            wake_failures: AtomicU64::new(0),
            wake_time: Histogram::of_durations(),
            rooms: AtomicU64::new(0),
            commit_events: Histogram::of_records(),
            commit_time: Histogram::of_durations(),
            sync_time: Histogram::of_durations(),
            sync_failures: AtomicU64::new(0),
            events: AtomicU64::new(0),
            signals: AtomicU64::new(0),
            direct: AtomicU64::new(0),
            bytes_written: AtomicU64::new(0),
            outbox_bytes: AtomicU64::new(0),
            connections_queued: AtomicU64::new(0),
            signals_dropped: AtomicU64::new(0),
            fell_behind: AtomicU64::new(0),
            pages_asked: AtomicU64::new(0),
            slow_readers_cut: AtomicU64::new(0),
            fan_out_time: Histogram::of_durations(),
            requests: zeros(),
            refusals: zeros(),
            snapshots_written: AtomicU64::new(0),
            snapshots_failed: AtomicU64::new(0),
            index_rebuilds: AtomicU64::new(0),
        })
    }

    /// What a shard did in one turn. Most of a tally is zero, and costs nothing here.
    pub(crate) fn take_in(&self, tally: &Tally) {
        add(&self.attached[0], tally.sockets_attached);
        add(&self.attached[1], tally.sessions_attached);
        add(&self.ended[0], tally.sockets_ended);
        add(&self.ended[1], tally.sessions_ended);
        add_each(&self.closed, &tally.closed);
        add(&self.broken, tally.broken);
        add(&self.events, tally.events);
        add(&self.signals, tally.signals);
        add(&self.direct, tally.direct);
        add(&self.bytes_written, tally.bytes_written);
        add(&self.signals_dropped, tally.signals_dropped);
        add(&self.fell_behind, tally.fell_behind);
        add(&self.pages_asked, tally.pages_asked);
        add(&self.slow_readers_cut, tally.slow_readers_cut);
        add_each(&self.refusals, &tally.refusals);
    }

    /// A connection said goodbye, or vanished.
    pub(crate) fn gone(&self, said_goodbye: bool) {
        add(
            if said_goodbye {
                &self.left
            } else {
                &self.vanished
            },
            1,
        );
    }

    /// What one shard has queued now, and had when it last said so: bytes, connections.
    pub(crate) fn queued(&self, before: (u64, u64), now: (u64, u64)) {
        change(&self.outbox_bytes, before.0, now.0);
        change(&self.connections_queued, before.1, now.1);
    }

    /// One release was written by one shard.
    pub(crate) fn fanned_out(&self, after: Duration) {
        self.fan_out_time.observe_duration(after);
    }

    pub(crate) fn requested(&self, request: &Request) {
        add(&self.requests[kind_of(request).0], 1);
    }

    pub(crate) fn requested_by_backend(&self) {
        add(&self.requests[REQUEST_KINDS.len() - 1], 1);
    }

    /// So many tenants are there, where there were `before`.
    pub(crate) fn tenants_known(&self, before: u64, now: u64) {
        change(&self.tenants_known, before, now);
    }

    pub(crate) fn woke(&self, after: Duration) {
        add(&self.wakes, 1);
        add(&self.tenants_awake, 1);
        self.wake_time.observe_duration(after);
    }

    pub(crate) fn did_not_wake(&self) {
        add(&self.wake_failures, 1);
    }

    /// A life ended, in order or by a failure.
    pub(crate) fn slept(&self, in_order: bool) {
        add(
            if in_order {
                &self.sleeps
            } else {
                &self.failures
            },
            1,
        );
        self.tenants_awake.fetch_sub(1, Relaxed);
    }

    /// So many rooms are in a tenant, where there were `before`.
    pub(crate) fn rooms(&self, before: u64, now: u64) {
        change(&self.rooms, before, now);
    }

    pub(crate) fn committed(&self, events: u64, after: Duration) {
        self.commit_events.observe(events);
        self.commit_time.observe_duration(after);
    }

    pub(crate) fn synced(&self, after: Duration, is_ok: bool) {
        self.sync_time.observe_duration(after);
        add(&self.sync_failures, u64::from(!is_ok));
    }

    /// Reads all of it.
    pub(crate) fn read(&self) -> Figures {
        // What ended is read before what began, so that never more ended.
        let ended = [read(&self.ended[0]), read(&self.ended[1])];
        let attached = [read(&self.attached[0]), read(&self.attached[1])];
        let commit_events = self.commit_events.read();
        let codes = CloseCode::ALL.iter().copied().map(EndCause::Closed);
        let mut closed: Vec<_> = codes.zip(self.closed.iter().map(read)).collect();
        closed.push((EndCause::Left, read(&self.left)));
        closed.push((EndCause::Vanished, read(&self.vanished)));
        closed.push((EndCause::Broken, read(&self.broken)));
        let codes = ErrorCode::ALL.iter().copied().map(Some).chain([None]);
        Figures {
            connections: Connections {
                sockets_open: attached[0].saturating_sub(ended[0]),
                sessions_open: attached[1].saturating_sub(ended[1]),
                sockets_attached: attached[0],
                sessions_attached: attached[1],
                closed,
            },
            tenants: Tenants {
                known: read(&self.tenants_known),
                awake: read(&self.tenants_awake),
                wakes: read(&self.wakes),
                sleeps: read(&self.sleeps),
                failures: read(&self.failures),
                wake_failures: read(&self.wake_failures),
                wake_time: self.wake_time.read(),
            },
            rooms: read(&self.rooms),
            log: LogFigures {
                commits: commit_events.count,
                events_appended: commit_events.sum,
                commit_events,
                commit_time: self.commit_time.read(),
                sync_time: self.sync_time.read(),
                sync_failures: read(&self.sync_failures),
            },
            hub: HubFigures {
                events_delivered: read(&self.events),
                signals_delivered: read(&self.signals),
                direct_delivered: read(&self.direct),
                bytes_written: read(&self.bytes_written),
                outbox_bytes: read(&self.outbox_bytes),
                connections_queued: read(&self.connections_queued),
                signals_dropped: read(&self.signals_dropped),
                fell_behind: read(&self.fell_behind),
                pages_asked: read(&self.pages_asked),
                slow_readers_cut: read(&self.slow_readers_cut),
                fan_out_time: self.fan_out_time.read(),
            },
            requests: (REQUEST_KINDS.into_iter())
                .zip(self.requests.iter().map(read))
                .collect(),
            refusals: codes.zip(self.refusals.iter().map(read)).collect(),
            snapshots_written: read(&self.snapshots_written),
            snapshots_failed: read(&self.snapshots_failed),
            index_rebuilds: read(&self.index_rebuilds),
            degraded: Part::ALL.into_iter().zip(self.health.counts()).collect(),
        }
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Relaxed)
}

fn add(counter: &AtomicU64, count: u64) {
    if count > 0 {
        counter.fetch_add(count, Relaxed);
    }
}

fn add_each(counters: &[AtomicU64], counts: &[u64]) {
    for (counter, &count) in counters.iter().zip(counts) {
        add(counter, count);
    }
}

/// One part of a sum goes from `before` to `now`; the sum wraps around on the way, and back.
fn change(sum: &AtomicU64, before: u64, now: u64) {
    if now != before {
        sum.fetch_add(now.wrapping_sub(before), Relaxed);
    }
}

/// Where one tenant's parts say what they do and what they cannot do. Clones share the figures.
#[derive(Debug, Clone)]
pub struct Watch {
    metrics: Arc<Metrics>,
    tenant: TenantName,
}

impl Watch {
    pub(crate) const fn new(metrics: Arc<Metrics>, tenant: TenantName) -> Self {
        Self { metrics, tenant }
    }

    pub(crate) const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    pub(crate) fn fails(&self, part: Part, what: &str) {
        self.metrics.health.fails(&self.tenant, part, false, what);
    }

    /// The tenant is closed until this part works again.
    pub(crate) fn keeps_out(&self, part: Part, what: &str) {
        self.metrics.health.fails(&self.tenant, part, true, what);
    }

    pub(crate) fn works(&self, part: Part) {
        self.metrics.health.works(&self.tenant, part);
    }

    /// The tenant could be entered.
    pub(crate) fn entered(&self) {
        self.metrics.health.entered(&self.tenant);
    }

    /// Old history cannot be read at a place, until `at` is read again if that is given; whether that
    /// was not known.
    pub(crate) fn history_fails(&self, place: &str, at: Option<LogPosition>, what: &str) -> bool {
        let health = &self.metrics.health;
        health.history_fails(&self.tenant, place, at, what)
    }

    /// History was read from one position to another; whether there still is some that cannot be.
    pub(crate) fn history_reads(&self, first: LogPosition, last: LogPosition) -> bool {
        let health = &self.metrics.health;
        health.history_reads(&self.tenant, first..=last)
    }

    pub(crate) fn history_is_damaged(&self) -> bool {
        self.metrics.health.history_is_damaged(&self.tenant)
    }

    pub(crate) fn is_failing(&self, part: Part) -> bool {
        self.metrics.health.is_failing(&self.tenant, part)
    }

    pub(crate) fn rebuilds_index(&self) {
        add(&self.metrics.index_rebuilds, 1);
    }

    pub(crate) fn snapshot_written(&self, is_ok: bool) {
        let metrics = &self.metrics;
        let counter = if is_ok {
            &metrics.snapshots_written
        } else {
            &metrics.snapshots_failed
        };
        add(counter, 1);
    }
}
