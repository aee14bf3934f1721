//! The engine's figures under the names they have in Prometheus.

use homeroom_engine::{
    Figures,
    metrics::{Connections, EndCause, HubFigures, LogFigures, Tenants},
};
use homeroom_protocol::{Advice, ErrorCode};

use super::text::Exposition;

pub(super) fn write(page: &mut Exposition, figures: &Figures) {
    write_connections(page, &figures.connections);
    write_requests(page, figures);
    write_hub(page, &figures.hub);
    write_log(page, &figures.log);
    write_tenants(page, &figures.tenants);
    page.gauges(
        "homeroom_tenants_degraded",
        "Tenants of which this part does not work as it should; /health/ready names them.",
        "part",
        (figures.degraded.iter()).map(|(part, count)| (part.name(), *count)),
    );
    page.gauge(
        "homeroom_rooms",
        "Rooms of the tenants that are awake.",
        figures.rooms,
    );
    page.counters(
        "homeroom_snapshots_total",
        "Snapshots of tenants, by what became of them.",
        "outcome",
        [
            ("written", figures.snapshots_written),
            ("failed", figures.snapshots_failed),
        ],
    );
    page.counter(
        "homeroom_index_rebuilds_total",
        "Indexes that were found damaged and begun anew.",
        figures.index_rebuilds,
    );
}

fn write_connections(page: &mut Exposition, connections: &Connections) {
    page.gauges(
        "homeroom_connections",
        "Connections that were let in and have not ended.",
        "kind",
        [
            ("socket", connections.sockets_open),
            ("session", connections.sessions_open),
        ],
    );
    page.counters(
        "homeroom_connections_attached_total",
        "Connections that were let in.",
        "kind",
        [
            ("socket", connections.sockets_attached),
            ("session", connections.sessions_attached),
        ],
    );
    page.counters(
        "homeroom_connections_closed_total",
        "Connections that ended, by cause: a close code, or how the client went.",
        "cause",
        (connections.closed.iter()).map(|(cause, count)| (cause_label(*cause), *count)),
    );
}

fn write_requests(page: &mut Exposition, figures: &Figures) {
    page.counters(
        "homeroom_requests_total",
        "Requests of clients that reached their tenant, by kind.",
        "kind",
        figures.requests.iter().copied(),
    );
    let name = "homeroom_refusals_total";
    let help = "Requests that were refused, by code, and by what the client is to do about it.";
    page.head(name, "counter", help);
    for (code, count) in &figures.refusals {
        let label = code.map_or_else(|| "other".to_owned(), |code| snake(&format!("{code:?}")));
        let class = match ErrorCode::advice(code.map_or(0, ErrorCode::number)) {
            Advice::Fix => "fix",
            Advice::Retry => "retry",
            Advice::Reauthenticate => "reauthenticate",
            Advice::Stop => "stop",
        };
        page.sample(name, &[("class", class), ("code", &label)], count);
    }
}

fn write_hub(page: &mut Exposition, hub: &HubFigures) {
    page.counters(
        "homeroom_deliveries_total",
        "What was written to or queued for connections: each frame once for each of its listeners.",
        "kind",
        [
            ("event", hub.events_delivered),
            ("signal", hub.signals_delivered),
            ("direct", hub.direct_delivered),
        ],
    );
    page.durations(
        "homeroom_fan_out_duration_seconds",
        "From handing a release of a tenant to a shard of the hub until it was written to all who take it.",
        &hub.fan_out_time,
    );
    page.counter(
        "homeroom_written_bytes_total",
        "Bytes that sockets took.",
        hub.bytes_written,
    );
    page.gauge(
        "homeroom_outbox_bytes",
        "Bytes queued for connections that take none now, at most a second ago.",
        hub.outbox_bytes,
    );
    page.gauge(
        "homeroom_connections_queued",
        "Connections that had something queued, at most a second ago.",
        hub.connections_queued,
    );
    page.counter(
        "homeroom_signals_dropped_total",
        "Signals that were dropped because a listener could not take them.",
        hub.signals_dropped,
    );
    page.counter(
        "homeroom_listeners_fell_behind_total",
        "Times a listener could take no more, so that its events were left to the log.",
        hub.fell_behind,
    );
    page.counter(
        "homeroom_catch_up_reads_total",
        "Pages of the log that were read for listeners that are behind.",
        hub.pages_asked,
    );
    page.counter(
        "homeroom_slow_readers_cut_total",
        "Connections that were cut because they took no byte for too long or let replies pile up.",
        hub.slow_readers_cut,
    );
}

fn write_log(page: &mut Exposition, log: &LogFigures) {
    page.counter(
        "homeroom_events_appended_total",
        "Events that became durable.",
        log.events_appended,
    );
    page.counter(
        "homeroom_commits_total",
        "Commits that became durable.",
        log.commits,
    );
    page.histogram(
        "homeroom_commit_events",
        "Events in one commit.",
        &log.commit_events,
    );
    page.durations(
        "homeroom_commit_duration_seconds",
        "From handing a commit over until it was durable, as its tenant sees it, with all waits.",
        &log.commit_time,
    );
    page.durations(
        "homeroom_fsync_duration_seconds",
        "How long each sync of a log's file or folder took.",
        &log.sync_time,
    );
    page.counter(
        "homeroom_fsync_failures_total",
        "Syncs that failed.",
        log.sync_failures,
    );
}

fn write_tenants(page: &mut Exposition, tenants: &Tenants) {
    page.gauge("homeroom_tenants", "Tenants in the folder.", tenants.known);
    page.gauge(
        "homeroom_tenants_awake",
        "Tenants that are awake.",
        tenants.awake,
    );
    page.counter(
        "homeroom_tenant_wakes_total",
        "Times a tenant woke.",
        tenants.wakes,
    );
    page.counter(
        "homeroom_tenant_sleeps_total",
        "Times a tenant went to sleep, or was closed, in order.",
        tenants.sleeps,
    );
    page.counter(
        "homeroom_tenant_failures_total",
        "Times a tenant's storage failed under it.",
        tenants.failures,
    );
    page.counter(
        "homeroom_tenant_wake_failures_total",
        "Times a tenant could not wake.",
        tenants.wake_failures,
    );
    page.durations(
        "homeroom_tenant_wake_duration_seconds",
        "How long wakes took.",
        &tenants.wake_time,
    );
}

fn cause_label(cause: EndCause) -> String {
    match cause {
        EndCause::Closed(code) => snake(&format!("{code:?}")),
        EndCause::Left => "left".to_owned(),
        EndCause::Vanished => "vanished".to_owned(),
        EndCause::Broken => "broken".to_owned(),
    }
}

/// The name of a code as labels are written: `RoomNotFound` becomes `room_not_found`.
fn snake(name: &str) -> String {
    let mut label = String::with_capacity(name.len() + 4);
    for (at, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && at > 0 {
            label.push('_');
        }
        label.push(letter.to_ascii_lowercase());
    }
    label
}

#[cfg(test)]
mod tests {
    use homeroom_protocol::CloseCode;

    use super::*;

    #[test]
    fn codes_are_labelled_by_their_names() {
        assert_eq!(
            cause_label(EndCause::Closed(CloseCode::TooSlow)),
            "too_slow"
        );
        assert_eq!(snake("RoomNotFound"), "room_not_found");
        assert_eq!(snake("Malformed"), "malformed");
    }
}
