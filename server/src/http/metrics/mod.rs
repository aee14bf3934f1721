//! `/metrics`: all that the host and its engine count, for Prometheus and what reads the same.
//!
//! Names follow <https://prometheus.io/docs/practices/naming/>: `homeroom_` in front, seconds and bytes,
//! `_total` behind what only grows. No label's values depend on what somebody asks or writes: which
//! tenant, user or room is in none of them.

mod engine;
mod host;
mod process;
mod text;

use hyper::{Response, StatusCode};

use self::text::Exposition;
use super::{Body, reply};
use crate::{service::Service, telemetry::traces};

pub(crate) use self::host::HostFigures;

/// One page of everything as it is now.
pub(super) async fn answer(service: &Service) -> Response<Body> {
    // Where a kernel has to count open files one by one, with many of them that takes a while.
    let process = tokio::task::spawn_blocking(|| {
        let mut page = Exposition::default();
        process::write(&mut page);
        page.into_text()
    });
    let mut page = Exposition::default();
    page.head(
        "homeroom_build_info",
        "gauge",
        "Which build this is; always 1.",
    );
    page.sample(
        "homeroom_build_info",
        &[("version", env!("CARGO_PKG_VERSION"))],
        1,
    );
    engine::write(&mut page, &service.engine().metrics());
    service.figures().write(&mut page);
    if let Some(spans) = traces::figures() {
        page.counters(
            "homeroom_trace_spans_total",
            "Spans of requests that are traced, by what became of them on their way to the collector.",
            "outcome",
            spans.read(),
        );
    }
    let mut text = page.into_text();
    // Without them the rest is as good.
    text += &process.await.unwrap_or_default();
    reply::of_type(StatusCode::OK, text::CONTENT_TYPE, text)
}
