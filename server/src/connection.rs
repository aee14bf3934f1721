//! One task per connection: it reads and asks; the hub writes.
//!
//! While nothing happens it owns a socket, an empty reader and a timer. Bytes are read into a
//! borrowed buffer, cut into messages and frames, and each frame is passed on before the next is
//! looked at: what a tenant has no room for stays in the client's socket. A client that does not read
//! its replies is not read either.

use std::{
    future::{Future, poll_fn},
    io,
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use homeroom_engine::Connection;
use homeroom_protocol::{
    ClientFrame, CloseCode, ErrorCode, FrameError, Hello, ServerFrame, decode_client_message,
    websocket::pong_message,
};
use tokio::{
    io::{Interest, Ready},
    sync::watch,
    time::{Instant, Sleep, sleep_until},
};
use tracing::{Span, debug, field::display};

use crate::{
    embedding::Proven,
    farewell::{Bye, End},
    roll::Enrolled,
    scratch::Scratch,
    service::{Service, now},
    socket::Socket,
    websocket::{Bounds, Item, Reader, Violation},
    wire::Wire,
};

/// While not listening, how often to look whether that is still right; the hub says so anyway.
const RECHECK: Duration = Duration::from_secs(5);
/// Between the decision to leave and the bye: replies under way to disk are still given.
const GRACE: Duration = Duration::from_millis(100);

/// A client on the other side of a WebSocket.
#[derive(Debug)]
pub(crate) struct Client {
    service: Enrolled,
    /// Who it is, where somebody else's server has proven that.
    proven: Option<Box<Proven>>,
    leaving: watch::Receiver<Option<Instant>>,
    socket: Arc<Socket>,
    reader: Reader,
    /// Read behind its handshake and not taken in. Boxed, as hardly anybody says so much at once.
    early: Option<Box<Early>>,
    /// `None` until its hello is accepted.
    attached: Option<Connection>,
    /// While greeting: when it came. Then: when it last said something, or could not because it was
    /// not listened to.
    heard: Instant,
    /// Not listened to: its welcome has not gone out, too many of its requests or replies wait, or the
    /// host is leaving.
    paused: bool,
    /// Its welcome is known to have gone out: that need not be asked again for each request.
    welcomed: bool,
}

/// What was read before anybody was there to take it in.
#[derive(Debug)]
struct Early(Vec<u8>);

/// What [`Client::wait`] waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// Something to read, while it is listened to.
    Bytes,
    /// To be listening again.
    Turn,
}

/// What a client that is waited for is woken by.
#[derive(Debug)]
enum Happened {
    /// Its socket is worth a try, or broken.
    Ready(io::Result<Ready>),
    /// What to wait for has changed, or the host leaves.
    Change,
    Due,
}

impl Client {
    pub(crate) fn new(service: Arc<Service>, wire: Wire) -> Self {
        let socket = Socket::new(wire);
        Self {
            leaving: service.leaving(),
            service: Enrolled::new(service, &socket),
            proven: None,
            socket,
            reader: Reader::new(&Bounds::GREETING),
            early: None,
            attached: None,
            heard: Instant::now(),
            paused: false,
            welcomed: false,
        }
    }

    /// One of whom it is known who it is, and where it belongs.
    pub(crate) fn proven(mut self, proven: Proven) -> Self {
        self.proven = Some(Box::new(proven));
        self
    }

    /// The same, of whom this was read behind its handshake.
    pub(crate) fn having_said(mut self, early: Vec<u8>) -> Self {
        self.early = (!early.is_empty()).then(|| Box::new(Early(early)));
        self
    }

    /// Serves it until it is gone.
    pub(crate) async fn converse(&mut self) -> End {
        if let Some(mut early) = self.early.take() {
            let taken = Box::pin(self.take(&mut early.0)).await;
            if let Err(end) = taken {
                return end;
            }
        }
        let mut timer = std::pin::pin!(sleep_until(self.due()));
        loop {
            if let Err(end) = self.wait(timer.as_mut(), Wanted::Bytes).await {
                return end;
            }
            let mut scratch = Scratch::take();
            match self.socket.wire().try_read(&mut scratch) {
                Ok(0) => return End::Lost,
                Ok(count) => {
                    if self.attached.is_some() {
                        self.heard = Instant::now();
                    }
                    let mut input = &mut scratch[..count];
                    let taken = match self.take_at_once(&mut input) {
                        Ok(None) => Ok(()),
                        // Boxed for what it takes to ask a tenant: an idle connection holds none of it.
                        Ok(Some(item)) => Box::pin(self.take_from(item, input)).await,
                        Err(end) => Err(end),
                    };
                    if let Err(end) = taken {
                        return end;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return End::Lost,
            }
        }
    }

    /// Says the last words.
    pub(crate) async fn end(self, end: End) {
        let hang_up_within = self.service.terms().hang_up_within;
        end.carry_out(self.attached, self.socket, hang_up_within)
            .await;
    }

    /// Waits, and meanwhile tells the hub of room in the socket.
    async fn wait(&mut self, mut timer: Pin<&mut Sleep>, wanted: Wanted) -> Result<(), End> {
        loop {
            self.listen_or_pause();
            let reading = match (wanted, self.paused) {
                (Wanted::Turn, false) => return Ok(()),
                (Wanted::Bytes, false) => true,
                (Wanted::Turn | Wanted::Bytes, true) => false,
            };
            let wish = self.socket.wish();
            if wish.closed {
                return Err(End::Closed);
            }
            let interest = match (reading, wish.writable) {
                (true, false) => Some(Interest::READABLE),
                (true, true) => Some(Interest::READABLE | Interest::WRITABLE),
                (false, true) => Some(Interest::WRITABLE),
                (false, false) => None,
            };
            let due = self.due();
            if timer.deadline() > due {
                timer.as_mut().reset(due);
            }
            match happens(&self.socket, timer.as_mut(), interest).await {
                Happened::Ready(ready) => {
                    let ready = ready.map_err(|_| End::Lost)?;
                    if wish.writable
                        && ready.is_writable()
                        && self.socket.take_room()
                        && let Some(connection) = &self.attached
                    {
                        // Boxed: rare, and larger than all that an idle connection waits with.
                        Box::pin(connection.writable()).await;
                    }
                    if reading && ready.is_readable() {
                        // There may be always something to read, and never a hello.
                        if self.attached.is_none() && self.due() <= Instant::now() {
                            return Err(self.overdue());
                        }
                        return Ok(());
                    }
                }
                Happened::Due => {
                    if self.due() <= Instant::now() {
                        return Err(self.overdue());
                    }
                    timer.as_mut().reset(self.due());
                }
                Happened::Change => {}
            }
        }
    }

    /// Decides whether to read on.
    fn listen_or_pause(&mut self) {
        self.welcomed = self.attached.is_some() && !self.awaits_welcome();
        if self.must_pause() {
            self.set_paused(true);
        }
        // Now that every change wakes the task, look again: none was missed.
        if self.paused && !self.must_pause() {
            self.set_paused(false);
        }
    }

    fn set_paused(&mut self, paused: bool) {
        if paused != self.paused {
            self.paused = paused;
            self.heard = Instant::now();
            self.socket.set_paused(paused);
        }
    }

    fn must_pause(&self) -> bool {
        let in_flight_max = self.service.requests_in_flight_max();
        let gauge = self.attached.as_ref().map(Connection::gauge);
        gauge.is_some_and(|it| it.replies_are_full() || it.unanswered() >= in_flight_max)
            || self.awaits_welcome()
            || self.leaving.borrow().is_some()
    }

    /// What came behind the hello is answered behind the welcome: pongs do not pass through the tenant,
    /// so nothing else would hold them back.
    fn awaits_welcome(&self) -> bool {
        self.attached.is_some() && !self.welcomed && !self.socket.has_begun()
    }

    /// Waits until it is listened to again, in the middle of what was read.
    async fn wait_for_turn(&mut self) -> Result<(), End> {
        let timer = std::pin::pin!(sleep_until(self.due()));
        self.wait(timer, Wanted::Turn).await
    }

    /// When to look at it again even if nothing happens.
    fn due(&self) -> Instant {
        if let Some(since) = *self.leaving.borrow() {
            since + GRACE
        } else if self.attached.is_none() {
            self.heard + self.service.terms().hello_within
        } else if self.paused {
            Instant::now() + RECHECK
        } else {
            self.heard + self.service.silence_max()
        }
    }

    fn overdue(&self) -> End {
        End::Refused(if self.leaving.borrow().is_some() {
            self.service.leave_taking()
        } else if self.attached.is_none() {
            Bye::new(CloseCode::HelloTimeout)
        } else {
            Bye::new(CloseCode::Idle).back_after_ms(0)
        })
    }

    /// Works through what was read.
    async fn take(&mut self, mut input: &mut [u8]) -> Result<(), End> {
        match self.reader.next(&mut input)? {
            Some(item) => self.take_from(item, input).await,
            None => Ok(()),
        }
    }

    /// The same, from an item on.
    async fn take_from(&mut self, first: Item<'_>, mut input: &mut [u8]) -> Result<(), End> {
        let mut next = Some(first);
        while let Some(item) = next {
            match item {
                Item::Message(message) => self.take_message(&message).await?,
                Item::Ping(payload) => {
                    let pong = pong_message(&payload).expect("the reader refuses longer ones");
                    self.socket.write_control(pong);
                }
                Item::Pong => {}
                Item::Text(_) => return Err(Violation::Text.into()),
                Item::Close { code } => return Err(End::Left { code }),
            }
            next = self.reader.next(&mut input)?;
        }
        Ok(())
    }

    /// Works through the beginning of what was read that is as most of it is: requests that nothing has to be
    /// waited for. The first item that is not.
    fn take_at_once<'a>(&mut self, input: &mut &'a mut [u8]) -> Result<Option<Item<'a>>, End> {
        while let Some(item) = self.reader.next(input)? {
            let asked = match &item {
                Item::Message(message) => self.ask_at_once(message)?,
                Item::Text(_) | Item::Ping(_) | Item::Pong | Item::Close { .. } => false,
            };
            if !asked {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }

    /// Asks what a message asks, if that is one request that does not have to wait; else does nothing.
    fn ask_at_once(&self, message: &[u8]) -> Result<bool, End> {
        let Some(connection) = self.attached.as_ref().filter(|_| !self.must_pause()) else {
            return Ok(false);
        };
        let mut frames = decode_client_message(message, self.reader.bounds().message_bytes_max)?;
        let (1, Some(Ok(ClientFrame::Request { id, request }))) = (frames.len(), frames.next())
        else {
            return Ok(false);
        };
        let asked = connection.request_at_once(id, request);
        Ok(asked.map_err(|_gone| self.service.restarted_tenant())?)
    }

    async fn take_message(&mut self, message: &[u8]) -> Result<(), End> {
        let frames = decode_client_message(message, self.reader.bounds().message_bytes_max)?;
        if self.attached.is_none() && frames.len() > 1 {
            let alone = "the hello must be alone in its message";
            return Err(Bye::new(CloseCode::Protocol).because(alone).into());
        }
        for frame in frames {
            if self.attached.is_some() && self.must_pause() {
                Box::pin(self.wait_for_turn()).await?;
            }
            match (&self.attached, frame) {
                (None, Ok(ClientFrame::Hello(hello))) => Box::pin(self.greet(hello)).await?,
                (
                    None,
                    Ok(
                        ClientFrame::Ping { .. }
                        | ClientFrame::Signal { .. }
                        | ClientFrame::Request { .. },
                    ),
                ) => {
                    return Err(Bye::new(CloseCode::Protocol)
                        .because("the first frame must be a hello")
                        .into());
                }
                (None, Err(error)) => {
                    return Err(Bye::new(CloseCode::Protocol).because(error).into());
                }
                (Some(connection), Ok(frame)) => pass_on(&self.service, connection, frame).await?,
                (Some(connection), Err(error)) => connection.push(refusal(&error)).await,
            }
        }
        Ok(())
    }

    /// Lets it in, or says why not.
    async fn greet(&mut self, hello: Hello) -> Result<(), End> {
        let proven = self.proven.take();
        let holds = proven.as_ref().map(|proven| proven.holds());
        let connection = match proven {
            Some(proven) => {
                proven
                    .admit(&self.service, &hello, self.socket.sink())
                    .await?
            }
            None => self.service.admit(&hello, self.socket.sink()).await?,
        };
        let span = Span::current();
        span.record("tenant", display(&hello.tenant));
        span.record("connection", connection.id().0);
        debug!("let in");
        self.attached = Some(connection);
        self.heard = Instant::now();
        // Asked only now: from here on a revocation finds it.
        if holds.is_some_and(|holds| !holds()) {
            return Err(Bye::new(CloseCode::Revoked).into());
        }
        self.reader.set_bounds(&Bounds::ATTACHED);
        Ok(())
    }
}

/// Waits for whatever comes first. This is what an idle connection is made of, so its socket keeps the task's waker,
/// also for the hub and for a host that leaves, and only the timer has a place here.
fn happens(
    socket: &Socket,
    mut timer: Pin<&mut Sleep>,
    interest: Option<Interest>,
) -> impl Future<Output = Happened> {
    poll_fn(move |context| {
        if let Some(interest) = interest
            && let Poll::Ready(ready) = socket.wire().poll_ready(interest, context)
        {
            return Poll::Ready(Happened::Ready(ready));
        }
        if socket.poll_changed(context).is_ready() {
            return Poll::Ready(Happened::Change);
        }
        timer.as_mut().poll(context).map(|()| Happened::Due)
    })
}

async fn pass_on(
    service: &Service,
    connection: &Connection,
    frame: ClientFrame,
) -> Result<(), End> {
    match frame {
        ClientFrame::Request { id, request } => {
            let taken = connection.request(id, request).await;
            taken.map_err(|_gone| service.restarted_tenant())?;
        }
        ClientFrame::Signal { room, name, body } => {
            let taken = connection.signal(room, name, body).await;
            taken.map_err(|_gone| service.restarted_tenant())?;
        }
        ClientFrame::Ping { nonce } => {
            let time = now();
            connection.push(ServerFrame::Pong { nonce, time }).await;
        }
        ClientFrame::Hello(_) => {
            let code = ErrorCode::UnexpectedFrame;
            connection.push(error_frame(code, code.meaning())).await;
        }
    }
    Ok(())
}

fn refusal(error: &FrameError) -> ServerFrame {
    ServerFrame::Error {
        id: error.id,
        code: error.error_code().number(),
        retry_after_ms: None,
        explanation: error.to_string(),
    }
}

fn error_frame(code: ErrorCode, explanation: &str) -> ServerFrame {
    ServerFrame::Error {
        id: None,
        code: code.number(),
        retry_after_ms: None,
        explanation: explanation.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use homeroom_engine::Engine;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::{Terms, admission::Admission, http::Door};

    /// Ten thousand idle connections are ten thousand of these.
    #[tokio::test]
    async fn an_idle_connection_is_small() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap());
        let engine = Engine::in_memory().await.unwrap();
        let service = Service::new(engine, Terms::default());
        let seat = Admission::counting(1).ask(listener.local_addr().unwrap().ip());
        let (stream, seat) = (stream.await.unwrap(), seat.unwrap());
        let task = Arc::clone(&service).serve_at(Door::Both, stream, None, seat);
        let bytes = size_of_val(&task);
        // The runtime adds about a hundred, and rounds up to whole 128.
        assert!(bytes <= 408, "{bytes} bytes");
        let bytes = size_of::<Client>();
        assert!(bytes <= 248, "{bytes} bytes");
    }
}
