//! A connection as a host sees it: requests go in here, frames come out of its sink.

use std::sync::{Arc, OnceLock};

use homeroom_protocol::{
    CloseCode, ConnectionId, Request, RequestId, RoomNumber, ServerFrame, SignalName, Timestamp,
    limit,
};
use tokio::sync::{
    Semaphore,
    mpsc::{self, error::TrySendError},
};
use tracing::Span;

use crate::{
    hub::{Delivery, Gauge, Push, TenantLife},
    metrics::Metrics,
    runtime::{
        journey,
        shards::{ShardInput, Shards, TenantInbox},
        writer::Command,
    },
    tenant::{Disconnection, Input, Tenant},
};

/// Frames of one connection's own (pongs, refusals of what was no frame) that wait for its shard; then
/// whoever pushes them waits. Requests have a limit of their own, pings do not.
const FRAMES_WAITING_MAX: usize = 8;

/// One attached socket or session. A socket's that is dropped without a word has vanished; a session's
/// has left.
#[derive(Debug)]
pub struct Connection {
    id: ConnectionId,
    life: TenantLife,
    tenant: TenantInbox,
    shards: Shards,
    gauge: Arc<Gauge>,
    /// Made for the first of them: most connections have none.
    frames: OnceLock<Arc<Semaphore>>,
    when_dropped: Disconnection,
    /// The hub has been told to close it.
    closing: bool,
    ended: bool,
}

/// The tenant this connection was attached to has ended this life: reconnect and resume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tenant was restarted; reconnect and resume")]
pub struct Gone;

/// A place in the tenant's queue.
#[derive(Debug)]
pub(crate) struct RequestTurn<'a> {
    place: mpsc::Permit<'a, Command<Tenant>>,
    metrics: &'a Metrics,
    connection: ConnectionId,
    gauge: &'a Gauge,
    journey: Span,
}

impl RequestTurn<'_> {
    /// Asks, at once.
    pub(crate) fn ask(self, id: RequestId, request: Request) {
        self.gauge.add_request(id, &request);
        self.metrics.requested(&request);
        let input = Input::Request {
            connection: self.connection,
            id,
            request,
        };
        self.place.send(if self.journey.is_disabled() {
            Command::Input(input)
        } else {
            Command::Followed(Box::new((input, self.journey)))
        });
    }
}

impl Connection {
    pub(crate) fn new(
        id: ConnectionId,
        life: TenantLife,
        tenant: TenantInbox,
        shards: Shards,
        gauge: Arc<Gauge>,
        when_dropped: Disconnection,
    ) -> Self {
        Self {
            id,
            life,
            tenant,
            shards,
            gauge,
            frames: OnceLock::new(),
            when_dropped,
            closing: false,
            ended: false,
        }
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> ConnectionId {
        self.id
    }

    /// What waits for it: bytes in its outbox, replies not yet taken, signals dropped.
    #[must_use]
    pub const fn gauge(&self) -> &Arc<Gauge> {
        &self.gauge
    }

    /// Asks the tenant; exactly one reply comes through the sink. Waits while the tenant's queue is
    /// full: that is the back-pressure. The limit of requests in flight is the caller's to keep, by
    /// [`Gauge::unanswered`].
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn request(&self, id: RequestId, request: Request) -> Result<(), Gone> {
        self.turn(&request).await?.ask(id, request);
        Ok(())
    }

    /// The same without waiting; whether there was room in the tenant's queue. If not, nothing was asked, and
    /// [`request`](Self::request) waits for it.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn request_at_once(&self, id: RequestId, request: Request) -> Result<bool, Gone> {
        let place = match self.tenant.try_reserve() {
            Ok(place) => place,
            Err(TrySendError::Full(())) => return Ok(false),
            Err(TrySendError::Closed(())) => return Err(Gone),
        };
        let journey = journey::request(self.id, &request);
        self.turn_at(place, journey).ask(id, request);
        Ok(true)
    }

    /// Signals to whoever shows a room now. Not answered; what is wrong with it comes through the sink, as
    /// an error without an id. Waits like [`request`](Self::request).
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn signal(
        &self,
        room: RoomNumber,
        name: SignalName,
        body: Vec<u8>,
    ) -> Result<(), Gone> {
        self.tell(Input::Signal {
            connection: self.id,
            room,
            name,
            body,
        })
        .await
    }

    /// Waits for a place in the tenant's queue. Until it is used, nothing was asked.
    pub(crate) async fn turn(&self, request: &Request) -> Result<RequestTurn<'_>, Gone> {
        let journey = journey::request(self.id, request);
        let place = self.tenant.reserve().await.map_err(|_| Gone)?;
        Ok(self.turn_at(place, journey))
    }

    fn turn_at<'a>(
        &'a self,
        place: mpsc::Permit<'a, Command<Tenant>>,
        journey: Span,
    ) -> RequestTurn<'a> {
        RequestTurn {
            place,
            metrics: self.shards.metrics(),
            connection: self.id,
            gauge: &self.gauge,
            journey,
        }
    }

    /// Moves the end of the session; `None`: it does not end by itself.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn renew(&self, expires: Option<Timestamp>) -> Result<(), Gone> {
        self.tell(Input::Renew {
            connection: self.id,
            expires,
        })
        .await
    }

    /// Sends a frame to this connection alone: a pong, an error for a frame that was none.
    pub async fn push(&self, frame: ServerFrame) {
        let push = Arc::new(Push::new(frame));
        if push.is_reply() {
            // It will be counted as an answer.
            self.gauge.add_unanswered();
        }
        self.deliver(Delivery::Direct {
            connection: self.id,
            push,
        })
        .await;
    }

    /// The socket has room again.
    pub async fn writable(&self) {
        self.shards
            .tell(
                self.id,
                ShardInput::Writable {
                    life: self.life,
                    connection: self.id,
                },
            )
            .await;
    }

    /// Ends it from this side: a bye, a close frame, the sink's close. `reconnect_after_ms` is for the
    /// bye; `None` where the code says not to come back. `explanation` is for the developer, and cut
    /// after [`limit::EXPLANATION_BYTES_MAX`] bytes.
    pub async fn close(
        mut self,
        code: CloseCode,
        reconnect_after_ms: Option<u64>,
        explanation: &str,
    ) {
        self.when_dropped = Disconnection::Vanished;
        self.deliver(Delivery::Close {
            connection: self.id,
            code,
            reconnect_after_ms,
            explanation: Some(bounded(explanation).into()),
        })
        .await;
        self.closing = true;
        self.leave(Disconnection::Vanished).await;
        self.ended = true;
    }

    /// The socket is gone.
    pub async fn disconnected(mut self, how: Disconnection) {
        self.when_dropped = how;
        self.shards
            .tell(
                self.id,
                ShardInput::Detach {
                    life: self.life,
                    connection: self.id,
                    how,
                },
            )
            .await;
        self.leave(how).await;
        self.ended = true;
    }

    async fn leave(&self, how: Disconnection) {
        // A tenant that is gone has forgotten it already.
        let _ = self
            .tell(Input::Disconnect {
                connection: self.id,
                how,
            })
            .await;
    }

    async fn deliver(&self, delivery: Delivery) {
        let frames = || Arc::new(Semaphore::new(FRAMES_WAITING_MAX));
        let frames = Arc::clone(self.frames.get_or_init(frames));
        let share = frames.acquire_owned().await;
        let input = ShardInput::Deliver {
            life: self.life,
            delivery,
            share: share.expect("the semaphore is never closed"),
        };
        self.shards.tell(self.id, input).await;
    }

    async fn tell(&self, input: Input) -> Result<(), Gone> {
        self.tenant
            .send(Command::Input(input))
            .await
            .map_err(|_| Gone)
    }
}

fn bounded(explanation: &str) -> &str {
    let end = (0..=limit::EXPLANATION_BYTES_MAX.min(explanation.len()))
        .rfind(|&end| explanation.is_char_boundary(end))
        .expect("every text has a boundary at 0");
    &explanation[..end]
}

impl Drop for Connection {
    /// Whoever dropped it could not wait, or was cut off while it did; a task of its own waits.
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let (id, life) = (self.id, self.life);
        let (how, closing) = (self.when_dropped, self.closing);
        let (tenant, shards) = (self.tenant.clone(), self.shards.clone());
        // Wherever it is dropped: its goodbye is said where the shards run.
        let runtime = self.shards.runtime().clone();
        runtime.spawn(async move {
            if !closing {
                let detach = ShardInput::Detach {
                    life,
                    connection: id,
                    how,
                };
                shards.tell(id, detach).await;
            }
            let left = Input::Disconnect {
                connection: id,
                how,
            };
            let _ = tenant.send(Command::Input(left)).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_is_cut_between_characters_at_its_limit() {
        assert_eq!(bounded("too long"), "too long");
        let fits = "x".repeat(limit::EXPLANATION_BYTES_MAX);
        assert_eq!(bounded(&fits), fits);
        let over = format!("{}é", "x".repeat(limit::EXPLANATION_BYTES_MAX - 1));
        assert_eq!(bounded(&over).len(), limit::EXPLANATION_BYTES_MAX - 1);
    }
}
