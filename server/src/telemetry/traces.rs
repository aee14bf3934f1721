//! Traces: for each request that is followed one tree of spans, given to an OpenTelemetry collector.
//!
//! Which spans there are, and what they mean, is the engine's to say: see
//! [`journey`](homeroom_engine::runtime::journey). Here they are sampled, at the root and so whole traces
//! at a time, and shipped by OTLP over plain HTTP, in protobuf: to a collector on this machine or in this
//! network, which passes them on however far they have to go.
//!
//! Shipping never makes the host wait. Spans that ended go into a queue of fixed length; what does not
//! fit, because the collector is slow or gone, is dropped and counted.
//!
//! All of it is in builds with the feature `otlp` alone; others refuse a config that names a collector.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use homeroom_engine::described;
use serde::{Deserialize, Serialize};

#[cfg(not(feature = "otlp"))]
mod absent;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(feature = "otlp")]
mod shipping;

#[cfg(not(feature = "otlp"))]
pub use self::absent::Traces;
#[cfg(feature = "otlp")]
pub use self::otlp::Traces;

described! {
    /// Where traces go, and how many.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub struct TraceSettings {
        /// The collector's address for traces, like `http://127.0.0.1:4318/v1/traces`. Default none, and no
        /// traces: nobody is told anything unless an operator says so.
        pub endpoint: Option<String>,
        /// Which part of all requests is followed, 0 to 1. Default 0.01: of a thousand requests a second ten
        /// are looked at, which shows what is usual and costs nothing one could measure.
        pub sample_ratio: f64,
        /// Spans that may wait to be shipped; more are dropped and counted. Default 4,096: some seconds of a
        /// busy host, in about 2 MB.
        pub queue_spans_max: usize,
        /// How long the first of a batch may wait for company, in ms. Default 1 s: traces are read by people.
        pub batch_within_ms: u64,
        /// How long the collector may take over a batch, in ms, before it is given up. Default 3 s, so that a
        /// collector that hangs does not hold up the end of the host.
        pub export_within_ms: u64,
    }
}

impl Default for TraceSettings {
    fn default() -> Self {
        Self {
            endpoint: None,
            sample_ratio: 0.01,
            queue_spans_max: 4096,
            batch_within_ms: 1_000,
            export_within_ms: 3_000,
        }
    }
}

/// Why there can be no traces as they are wanted.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// This program was built without them.
    #[error(
        "this build gives no traces: build it with the feature otlp, or name no trace.endpoint"
    )]
    NotBuilt,
    /// The address is none that can be reached.
    #[error(
        "trace.endpoint {endpoint:?} {why}; it is written like http://127.0.0.1:4318/v1/traces"
    )]
    Endpoint {
        /// The address.
        endpoint: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The part of the requests is not between none and all.
    #[error("trace.sample_ratio {ratio} is not within 0 and 1")]
    Ratio {
        /// What it is.
        ratio: f64,
    },
    /// The exporter does not take it.
    #[error("traces cannot be given: {cause}")]
    Exporter {
        /// Its words.
        cause: String,
    },
}

/// What became of spans that were followed.
#[derive(Debug, Default)]
pub(crate) struct SpanFigures {
    exported: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

impl SpanFigures {
    /// Each outcome and how many spans had it.
    pub(crate) fn read(&self) -> [(&'static str, u64); 3] {
        [
            ("exported", self.exported.load(Relaxed)),
            ("failed", self.failed.load(Relaxed)),
            ("dropped", self.dropped.load(Relaxed)),
        ]
    }
}

/// There is one subscriber in a process, so there is one place where its spans go.
static FIGURES: OnceLock<Arc<SpanFigures>> = OnceLock::new();

/// What became of this process's spans; `None` when it gives none.
pub(crate) fn figures() -> Option<&'static SpanFigures> {
    FIGURES.get().map(AsRef::as_ref)
}
