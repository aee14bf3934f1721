//! Spans on their way to the collector: gathered into batches, each one POST.
//!
//! The SDK's own batch processor is not used: it has a thread of its own, no place to wait at the end
//! from async code, and tells nobody how many spans it dropped.

use std::{future::Future, io, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, Response, Uri,
    client::conn::http1,
    header::{HOST, HeaderValue},
};
use hyper_util::rt::TokioIo;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::{
    net::TcpStream,
    sync::{Notify, mpsc::Receiver},
    time::{sleep, timeout},
};

use super::SpanFigures;

/// Spans of one request: some hundred KB.
const BATCH_MAX: usize = 512;
/// Most of a collector's answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

impl SpanFigures {
    pub(super) fn drop_one(&self) {
        self.dropped.fetch_add(1, super::Relaxed);
    }

    fn shipped(&self, spans: usize, is_ok: bool) {
        let counter = if is_ok { &self.exported } else { &self.failed };
        counter.fetch_add(spans as u64, super::Relaxed);
    }
}

/// The end of the queue.
#[derive(Debug)]
pub(super) struct Shipping<E> {
    pub(super) spans: Receiver<SpanData>,
    pub(super) exporter: E,
    pub(super) closing: Arc<Notify>,
    pub(super) batch_within: Duration,
    pub(super) figures: Arc<SpanFigures>,
}

impl<E: SpanExporter> Shipping<E> {
    /// Ships until it is told to close and all is gone.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::new();
        let mut is_failing = false;
        loop {
            self.gather(&mut batch).await;
            let spans = batch.len();
            if spans == 0 {
                return;
            }
            let sent = self.exporter.export(std::mem::take(&mut batch)).await;
            self.figures.shipped(spans, sent.is_ok());
            match &sent {
                Err(error) if !is_failing => {
                    tracing::warn!(%error, "traces cannot be shipped; they are dropped until they can");
                }
                Ok(()) if is_failing => tracing::info!("traces are shipped again"),
                Ok(()) | Err(_) => {}
            }
            is_failing = sent.is_err();
        }
    }

    /// The next batch; an empty one is the end.
    async fn gather(&mut self, batch: &mut Vec<SpanData>) {
        let mut company = std::pin::pin!(sleep(Duration::MAX));
        while batch.len() < BATCH_MAX {
            let room = BATCH_MAX - batch.len();
            let is_first = batch.is_empty();
            tokio::select! {
                count = self.spans.recv_many(batch, room) => {
                    if count == 0 {
                        return;
                    }
                    if is_first {
                        company.set(sleep(self.batch_within));
                    }
                }
                // From here on there comes what is there, then nothing.
                () = self.closing.notified() => self.spans.close(),
                () = &mut company, if !is_first => return,
            }
        }
    }
}

/// Posts by plain HTTP, a connection for each: one a second is nothing to keep one for.
#[derive(Debug)]
pub(super) struct Poster {
    address: (String, u16),
    within: Duration,
}

impl Poster {
    pub(super) const fn new(address: (String, u16), within: Duration) -> Self {
        Self { address, within }
    }

    async fn post(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (host, port) = &self.address;
        let stream = TcpStream::connect((host.as_str(), *port)).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the sender.
        tokio::spawn(connection);
        let answer = sender.send_request(in_origin_form(request)?).await?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

/// As a server itself is asked (RFC 9112, 3.2.1): the path alone, the host in its header.
fn in_origin_form(request: Request<Bytes>) -> Result<Request<Full<Bytes>>, HttpError> {
    let (mut head, body) = request.into_parts();
    if let Some(authority) = head.uri.authority() {
        let host = HeaderValue::from_str(authority.as_str())?;
        head.headers.insert(HOST, host);
    }
    let path = head.uri.path_and_query().cloned();
    head.uri = path.map_or_else(Uri::default, Uri::from);
    Ok(Request::from_parts(head, Full::new(body)))
}

impl HttpClient for Poster {
    fn send_bytes<'life, 'answer>(
        &'life self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'answer>>
    where
        'life: 'answer,
        Self: 'answer,
    {
        Box::pin(async move {
            let posted = timeout(self.within, self.post(request)).await;
            posted.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
        })
    }
}
