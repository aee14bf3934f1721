//! The way of a span: `tracing`, the OpenTelemetry SDK, which samples and names it, the queue.

use std::{sync::Arc, time::Duration};

use homeroom_engine::runtime::journey;
use hyper::Uri;
use opentelemetry::{Context, KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Sampler, SdkTracerProvider, Span, SpanData, SpanProcessor},
};
use tokio::{
    sync::{
        Notify,
        mpsc::{self, Receiver, Sender},
    },
    task::JoinHandle,
    time::timeout,
};
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::Targets, registry::LookupSpan};

use super::{
    FIGURES, SpanFigures, TraceError, TraceSettings,
    shipping::{Poster, Shipping},
};

/// What this program is called among others.
const SERVICE: &str = "homeroom";

/// The traces of this process; see [`prepare`](Self::prepare).
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
    closing: Arc<Notify>,
    end_within: Duration,
    shipping: Option<Shipping<SpanExporter>>,
    shipped: Option<JoinHandle<()>>,
    figures: Arc<SpanFigures>,
}

impl Traces {
    /// Makes ready what the settings want; `None` when they want none. Then the process's subscriber takes
    /// its [`layer`](Self::layer), and the runtime [`start`](Self::start)s it.
    ///
    /// # Errors
    /// [`TraceError`].
    pub fn prepare(settings: &TraceSettings) -> Result<Option<Self>, TraceError> {
        let Some(endpoint) = &settings.endpoint else {
            return Ok(None);
        };
        let ratio = settings.sample_ratio;
        if !(0.0..=1.0).contains(&ratio) {
            return Err(TraceError::Ratio { ratio });
        }
        let export_within = Duration::from_millis(settings.export_within_ms);
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Poster::new(address(endpoint)?, export_within))
            .with_endpoint(endpoint)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(export_within)
            .build()
            .map_err(|cause| TraceError::Exporter {
                cause: cause.to_string(),
            })?;
        let figures = Arc::new(SpanFigures::default());
        let (sender, spans) = mpsc::channel(settings.queue_spans_max.max(1));
        let closing = Arc::new(Notify::new());
        let batch_within = Duration::from_millis(settings.batch_within_ms);
        let resource = Resource::builder_empty()
            .with_service_name(SERVICE)
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let shipping = shipping(spans, exporter, &resource, &closing, batch_within, &figures);
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(
                ratio,
            ))))
            .with_span_processor(Queue {
                sender,
                figures: Arc::clone(&figures),
            })
            .build();
        Ok(Some(Self {
            provider,
            closing,
            // The batch under way, and the last one.
            end_within: export_within * 2,
            shipping: Some(shipping),
            shipped: None,
            figures,
        }))
    }

    /// What takes part in the process's subscriber. It wants the spans of journeys and nothing else: the
    /// others stay switched off.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(SERVICE))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_filter(Targets::new().with_target(journey::TARGET, LevelFilter::TRACE))
    }

    /// Begins to ship; call it in the runtime.
    pub fn start(&mut self) {
        if let Some(shipping) = self.shipping.take() {
            // Whoever was first is shown.
            let _ = FIGURES.set(Arc::clone(&self.figures));
            self.shipped = Some(tokio::spawn(shipping.run()));
        }
    }

    /// Ships what is left, as far as the collector takes it in time. Call it when nothing happens any
    /// more.
    pub async fn shut_down(mut self) {
        self.closing.notify_one();
        let Some(mut shipped) = self.shipped.take() else {
            return;
        };
        if timeout(self.end_within, &mut shipped).await.is_err() {
            shipped.abort();
            tracing::warn!("the last traces were not shipped: the collector took too long");
        }
    }
}

fn shipping<E: opentelemetry_sdk::trace::SpanExporter>(
    spans: Receiver<SpanData>,
    mut exporter: E,
    resource: &Resource,
    closing: &Arc<Notify>,
    batch_within: Duration,
    figures: &Arc<SpanFigures>,
) -> Shipping<E> {
    exporter.set_resource(resource);
    Shipping {
        spans,
        exporter,
        closing: Arc::clone(closing),
        batch_within,
        figures: Arc::clone(figures),
    }
}

/// Host and port of the collector.
fn address(endpoint: &str) -> Result<(String, u16), TraceError> {
    let wrong = |why| TraceError::Endpoint {
        endpoint: endpoint.to_owned(),
        why,
    };
    let uri: Uri = endpoint.parse().map_err(|_| wrong("is no address"))?;
    if uri.scheme_str() != Some("http") {
        let why =
            "is not reached by plain HTTP: name a collector of this network, which may pass on";
        return Err(wrong(why));
    }
    let host = uri.host().ok_or_else(|| wrong("names no host"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Ok((host.to_owned(), uri.port_u16().unwrap_or(80)))
}

/// Where ended spans wait. Nobody waits for a place in it.
#[derive(Debug)]
struct Queue {
    sender: Sender<SpanData>,
    figures: Arc<SpanFigures>,
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.sender.try_send(span).is_err() {
            self.figures.drop_one();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    /// The end is [`Traces::shut_down`], which can wait.
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(endpoint: &str) -> TraceSettings {
        TraceSettings {
            endpoint: Some(endpoint.to_owned()),
            ..TraceSettings::default()
        }
    }

    #[test]
    fn addresses_are_taken_apart_and_what_cannot_be_reached_is_refused() {
        let found = |endpoint| address(endpoint).unwrap();
        assert_eq!(
            found("http://[::1]:4318/v1/traces"),
            ("::1".to_owned(), 4318)
        );
        assert_eq!(found("http://collector/x"), ("collector".to_owned(), 80));
        for wrong in ["https://collector/v1/traces", "127.0.0.1:4318", "", "/v1"] {
            let refused = Traces::prepare(&settings(wrong)).unwrap_err();
            assert!(matches!(refused, TraceError::Endpoint { .. }), "{refused}");
        }
    }

    #[test]
    fn a_ratio_is_a_part_of_one() {
        for ratio in [-0.1, 1.1, f64::NAN] {
            let settings = TraceSettings {
                sample_ratio: ratio,
                ..settings("http://127.0.0.1:1/v1/traces")
            };
            let refused = Traces::prepare(&settings).unwrap_err();
            assert!(matches!(refused, TraceError::Ratio { .. }));
        }
    }

    #[test]
    fn without_an_endpoint_there_are_no_traces() {
        let none = Traces::prepare(&TraceSettings::default());
        assert!(matches!(none, Ok(None)));
    }
}
