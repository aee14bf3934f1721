//! What the host itself counts: who knocks, and what is asked over HTTP.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use hyper::StatusCode;

use super::text::Exposition;
use crate::{
    admission::{Admission, Refused},
    http::PATH,
};

/// Where a request goes, as a label: few, whatever paths are asked for.
const ROUTES: [(&str, &str); 5] = [
    (PATH, "connect"),
    ("/health/live", "health_live"),
    ("/health/ready", "health_ready"),
    ("/metrics", "metrics"),
    ("/v1/tenants/", "api"),
];
/// Everything else: the page and its files, and what is not there.
const OTHER: &str = "other";

/// Classes of status codes, by their first digit.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Counted while it happens, for all doors of one service.
#[derive(Debug, Default)]
pub(crate) struct HostFigures {
    accepted: AtomicU64,
    accept_errors: AtomicU64,
    handshakes: AtomicU64,
    requests: [[AtomicU64; CLASSES.len()]; ROUTES.len() + 1],
    door: OnceLock<Admission>,
}

impl HostFigures {
    /// A connection was accepted.
    pub(crate) fn accepted(&self) {
        self.accepted.fetch_add(1, Relaxed);
    }

    /// The system gave none, though somebody may have come.
    pub(crate) fn accept_failed(&self) {
        self.accept_errors.fetch_add(1, Relaxed);
    }

    /// Who is asked before a connection is let in.
    pub(crate) fn watch(&self, door: Admission) {
        // A service has one door; should it get a second, the first is shown.
        let _ = self.door.set(door);
    }

    /// A request was answered; 101 means that it became a WebSocket.
    pub(crate) fn answered(&self, path: &str, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        self.requests[route_of(path)][class].fetch_add(1, Relaxed);
        if status == StatusCode::SWITCHING_PROTOCOLS {
            self.handshakes.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn write(&self, page: &mut Exposition) {
        page.counter(
            "homeroom_connections_accepted_total",
            "TCP connections that were accepted.",
            self.accepted.load(Relaxed),
        );
        page.counter(
            "homeroom_accept_errors_total",
            "Times the system could give no connection, for want of file descriptors above all.",
            self.accept_errors.load(Relaxed),
        );
        if let Some(door) = self.door.get() {
            let causes = [
                (Refused::Full, "full"),
                (Refused::Crowded, "crowded"),
                (Refused::MemoryShort, "memory_short"),
            ];
            let count = |cause| door.refusals().count(cause);
            page.counters(
                "homeroom_connections_refused_total",
                "TCP connections that found no seat, by cause.",
                "cause",
                causes.map(|(cause, label)| (label, count(cause))),
            );
        }
        page.counter(
            "homeroom_handshakes_total",
            "Connections that became WebSockets.",
            self.handshakes.load(Relaxed),
        );
        let name = "homeroom_http_requests_total";
        let help = "HTTP requests that were answered, by route and class of status.";
        page.head(name, "counter", help);
        let routes = ROUTES.iter().map(|(_, label)| *label).chain([OTHER]);
        for (route, counts) in routes.zip(&self.requests) {
            for (class, count) in CLASSES.into_iter().zip(counts) {
                let count = count.load(Relaxed);
                if count > 0 {
                    page.sample(name, &[("route", route), ("status", class)], count);
                }
            }
        }
    }
}

fn route_of(path: &str) -> usize {
    let known = ROUTES
        .iter()
        .position(|(route, _)| path == *route || (route.ends_with('/') && path.starts_with(route)));
    known.unwrap_or(ROUTES.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_route_and_class_and_unknown_paths_make_no_labels() {
        let figures = HostFigures::default();
        figures.answered(PATH, StatusCode::SWITCHING_PROTOCOLS);
        figures.answered(PATH, StatusCode::BAD_REQUEST);
        figures.answered("/v1/tenants/north/rooms", StatusCode::OK);
        for n in 0..100 {
            figures.answered(&format!("/{n}"), StatusCode::NOT_FOUND);
        }
        let mut page = Exposition::default();
        figures.write(&mut page);
        let text = page.into_text();
        let lines: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("homeroom_http") || line.contains("handshakes_total "))
            .collect();
        assert_eq!(
            lines,
            [
                "# HELP homeroom_handshakes_total Connections that became WebSockets.",
                "# TYPE homeroom_handshakes_total counter",
                "homeroom_handshakes_total 1",
                "homeroom_http_requests_total{route=\"connect\",status=\"1xx\"} 1",
                "homeroom_http_requests_total{route=\"connect\",status=\"4xx\"} 1",
                "homeroom_http_requests_total{route=\"api\",status=\"2xx\"} 1",
                "homeroom_http_requests_total{route=\"other\",status=\"4xx\"} 100",
            ][..]
        );
    }
}
