//! What a session promises to whoever holds it, however they use it: reading late or never, giving up
//! in the middle of anything, dropping it anywhere.

#![cfg(test)]

mod engine_support;

use std::{
    future::{Future, poll_fn},
    io,
    pin::pin,
    sync::{Arc, Mutex, Weak},
    task::Poll,
    time::Duration,
};

use engine_support::{Scene, event_seq, text, texts_until};
use homeroom_engine::{
    Disconnection, Event, Events, Identity, Session, Tenant, Whom,
    hub::SocketSink,
    session::{RequestError, Room},
};
use homeroom_protocol::{CloseCode, ErrorCode, IdempotencyKey, RoomId, Seq};

/// Long enough for anything that happens at all.
const LONG: Duration = Duration::from_secs(10);

async fn soon<T>(what: &str, wanted: impl Future<Output = T>) -> T {
    let happened = tokio::time::timeout(LONG, wanted).await;
    happened.unwrap_or_else(|_| panic!("{what}"))
}

fn room_id(id: &str) -> RoomId {
    id.parse().unwrap()
}

/// Polls once and gives up, when the runtime lets the task take `steps` more steps: with fewer steps
/// than it needs, it is cut off at the one after.
async fn cut_off<T>(steps: u32, future: impl Future<Output = T>) -> Option<T> {
    const BUDGET: u32 = 128;
    tokio::task::yield_now().await;
    for _ in steps..BUDGET {
        tokio::task::consume_budget().await;
    }
    let mut future = pin!(future);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Ana and ben in one room; everything before is read.
async fn ana_and_ben(scene: &Scene) -> ((Session, Events), (Session, Events), Room) {
    let (ana, mut to_ana) = scene.connect("ana").await;
    let (ben, to_ben) = scene.connect("ben").await;
    let room = ana.enter("a").await.unwrap();
    ben.enter("a").await.unwrap();
    while to_ana.next().await.as_ref().and_then(event_seq) != Some(Seq(2)) {}
    ((ana, to_ana), (ben, to_ben), room)
}

async fn until_waiting(session: &Session, events: usize) {
    let enough = async {
        while session.queue_depth().waiting() < events {
            tokio::task::yield_now().await;
        }
    };
    soon("the events never came", enough).await;
}

#[tokio::test]
async fn a_reader_that_is_cut_off_again_and_again_loses_nothing() {
    const COUNT: u64 = 1500;
    let scene = Scene::in_memory().await;
    let ((_ana, mut to_ana), (ben, to_ben), room) = ana_and_ben(&scene).await;
    drop(to_ben);
    for n in 0..COUNT {
        ben.send(&room, n.to_string()).await.unwrap();
    }
    let mut heard = Vec::new();
    let reading = async {
        while heard.len() < usize::try_from(COUNT).unwrap() {
            for steps in 0..3 {
                if let Some(event) = cut_off(steps, to_ana.next()).await {
                    heard.extend(event.as_ref().and_then(event_seq));
                }
            }
        }
    };
    soon("the reader went deaf", reading).await;
    assert!(heard.windows(2).all(|pair| pair[1] == pair[0].next()));
    assert_eq!(heard.last(), Some(&Seq(COUNT + 2)));
}

#[tokio::test]
async fn who_sends_without_reading_gets_every_answer_and_later_every_event() {
    let scene = Scene::in_memory().await;
    let (ana, mut to_ana) = scene.connect("ana").await;
    let room = ana.enter("a").await.unwrap();
    for n in 0..1100 {
        let sent = soon("no answer", ana.send(&room, n.to_string())).await;
        sent.unwrap();
    }
    let heard = soon("no events", texts_until(&mut to_ana, "1099")).await;
    assert!(heard.into_iter().eq((0..1100).map(|n| n.to_string())));
}

#[tokio::test]
async fn a_session_that_only_asks_needs_no_events() {
    let scene = Scene::in_memory().await;
    let (ana, _) = scene.connect("ana").await;
    let room = ana.enter("a").await.unwrap();
    for n in 0..1100 {
        let sent = soon("no answer", ana.send(&room, n.to_string())).await;
        sent.unwrap();
    }
    assert_eq!(ana.queue_depth().waiting(), 0);
}

#[tokio::test]
async fn events_that_go_while_many_wait_leave_the_session_as_it_was() {
    let scene = Scene::in_memory().await;
    let (ana, to_ana) = scene.connect("ana").await;
    let room = ana.enter("a").await.unwrap();
    for n in 0..1100 {
        ana.send(&room, n.to_string()).await.unwrap();
    }
    drop(to_ana);
    ana.send(&room, "still here").await.unwrap();
    assert_eq!(ana.queue_depth().waiting(), 0);
}

#[tokio::test]
async fn nothing_of_a_room_is_heard_after_leaving_it_and_nothing_twice_after_coming_back() {
    let scene = Scene::in_memory().await;
    let ((ana, _to_ana), (ben, mut to_ben), room) = ana_and_ben(&scene).await;
    let mut start = None;
    for n in 0..10 {
        let sent = ana.send(&room, n.to_string()).await.unwrap();
        start.get_or_insert(sent.position);
    }
    until_waiting(&ben, 10).await;
    // Again without having left: the events after the position come once.
    ben.join(&room_id("a"), start).await.unwrap();
    ana.send(&room, "end").await.unwrap();
    let heard = texts_until(&mut to_ben, "end").await;
    assert_eq!(heard, ["1", "2", "3", "4", "5", "6", "7", "8", "9", "end"]);

    ana.send(&room, "unread").await.unwrap();
    until_waiting(&ben, 1).await;
    ben.leave(&room).await.unwrap();
    ana.send(&room, "unheard").await.unwrap();
    ben.join(&room_id("a"), None).await.unwrap();
    ana.send(&room, "back").await.unwrap();
    let mut told = false;
    loop {
        match to_ben.next().await.unwrap() {
            Event::Removed { room: left, .. } => told = left == room,
            Event::Timeline { event, .. } => match text(&event) {
                Some(text) if text == "back" => break,
                Some(text) => panic!("{text} is of a time before"),
                None => assert!(told, "an event before the removal: {event:?}"),
            },
            _ => {}
        }
    }
    assert!(told);
}

#[tokio::test]
async fn a_revoked_session_hears_nothing_that_still_waited() {
    let scene = Scene::in_memory().await;
    let ((ana, _to_ana), (ben, mut to_ben), room) = ana_and_ben(&scene).await;
    for n in 0..10 {
        ana.send(&room, n.to_string()).await.unwrap();
    }
    until_waiting(&ben, 10).await;
    let whom = Whom::User(ben.user().clone());
    scene.tenant().await.revoke(whom).await.unwrap();
    let gone = async { while ben.send(&room, "?").await != Err(RequestError::Ended) {} };
    soon("the session goes on", gone).await;
    assert!(matches!(to_ben.next().await, Some(Event::Ended { .. })));
    assert_eq!(to_ben.next().await, None);
}

#[tokio::test]
async fn the_depth_of_a_queue_is_what_its_reader_has_not_read() {
    let scene = Scene::in_memory().await;
    let ((ana, _to_ana), (ben, mut to_ben), room) = ana_and_ben(&scene).await;
    while ben.queue_depth().waiting() > 0 {
        to_ben.next().await;
    }
    for n in 0..10 {
        ana.send(&room, n.to_string()).await.unwrap();
    }
    until_waiting(&ben, 10).await;
    assert_eq!(ben.queue_depth().waiting(), 10);
    to_ben.next().await;
    assert_eq!(ben.queue_depth().waiting(), 9);
}

#[tokio::test]
async fn a_retried_creation_is_answered_as_the_first_one_was() {
    let scene = Scene::in_memory().await;
    let (ana, _) = scene.connect("ana").await;
    let key = IdempotencyKey([7; 16]);
    let made = ana.create_with_key(&room_id("a"), None, key).await.unwrap();
    let again = ana.create_with_key(&room_id("a"), None, key).await.unwrap();
    assert_eq!(made, again);
    let other = ana.create(&room_id("a"), None).await.unwrap_err();
    assert!(matches!(other, RequestError::Refused { code, .. } if code == ErrorCode::RoomExists));
}

#[tokio::test]
async fn requests_that_are_given_up_leave_nothing_behind() {
    let scene = Scene::in_memory().await;
    let (ana, _) = scene.connect("ana").await;
    let room = ana.enter("a").await.unwrap();
    for n in 0..500 {
        let given_up = cut_off(n % 8, ana.send(&room, "x")).await;
        assert!(given_up.is_none());
    }
    ana.send(&room, "all before are answered").await.unwrap();
    assert_eq!(ana.queue_depth().unanswered(), 0);
}

#[tokio::test]
async fn a_joining_that_was_asked_for_and_given_up_is_heard_all_the_same() {
    let scene = Scene::in_memory().await;
    let (ana, _to_ana) = scene.connect("ana").await;
    let (ben, mut to_ben) = scene.connect("ben").await;
    let room = ana.enter("a").await.unwrap();
    let given_up = cut_off(100, ben.join(&room.id, None)).await;
    assert!(given_up.is_none());
    let joined = async { while ana.members(&room, None, 10).await.unwrap().0.len() < 2 {} };
    soon("the request was never sent", joined).await;
    ana.send(&room, "hello").await.unwrap();
    soon("not heard", texts_until(&mut to_ben, "hello")).await;
}

/// What waits for the tenant is overtaken by a revocation, also who waits to be let in.
#[tokio::test]
async fn a_revocation_meets_whoever_was_attached_and_was_not_let_in_yet() {
    let scene = Scene::in_memory().await;
    let tenant = scene.tenant().await;
    // It is awake, and has no turn before this test waits.
    let _ben = scene.connect("ben").await;
    let ana = Identity::user("ana").unwrap();
    let closed = Arc::new(Mutex::new(None));
    let sink = Watched(Arc::clone(&closed));
    let connection = tenant.attach(ana.clone(), Arc::new(sink)).await.unwrap();
    tenant.revoke(Whom::User(ana.user.clone())).await.unwrap();
    let revoked = async {
        while closed.lock().unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    };
    soon("she was let in", revoked).await;
    assert_eq!(*closed.lock().unwrap(), Some(CloseCode::Revoked));
    drop(connection);
    let came_later = tenant.connect(ana);
    soon("who came later is revoked", came_later).await.unwrap();
}

/// A socket that takes everything and says how it was closed.
#[derive(Debug)]
struct Watched(Arc<Mutex<Option<CloseCode>>>);

impl SocketSink for Watched {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn close(&self, code: CloseCode) {
        *self.0.lock().unwrap() = Some(code);
    }
}

/// A socket that takes everything, and whose end can be seen.
#[derive(Debug)]
struct Deaf {
    _alive: Arc<()>,
}

impl SocketSink for Deaf {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn close(&self, _: CloseCode) {}
}

fn deaf() -> (Arc<dyn SocketSink>, Weak<()>) {
    let alive = Arc::new(());
    let seen = Arc::downgrade(&alive);
    (Arc::new(Deaf { _alive: alive }), seen)
}

async fn nobody_is_left(scene: &Scene, sinks: &[Weak<()>]) {
    soon("somebody is still there", scene.until_asleep()).await;
    let gone = async {
        while sinks.iter().any(|sink| sink.strong_count() > 0) {
            tokio::task::yield_now().await;
        }
    };
    soon("a sink is still there", gone).await;
}

async fn sleepy_scene() -> (Scene, Tenant, (Session, Events)) {
    let scene = Scene::on_disk_with(|config| config.sleep_after_ms = 0).await;
    let tenant = scene.tenant().await;
    let held = scene.connect("ana").await;
    (scene, tenant, held)
}

#[tokio::test]
async fn a_session_dropped_on_any_thread_has_left() {
    let (scene, _, held) = sleepy_scene().await;
    std::thread::spawn(move || drop(held)).join().unwrap();
    nobody_is_left(&scene, &[]).await;
}

#[tokio::test]
async fn an_attaching_that_is_given_up_leaves_nobody() {
    let (scene, tenant, held) = sleepy_scene().await;
    let mut sinks = Vec::new();
    let mut finished = 0;
    for steps in 0..16 {
        let (sink, seen) = deaf();
        sinks.push(seen);
        let ben = Identity::user("ben").unwrap();
        let attached = cut_off(steps, tenant.attach(ben, sink)).await;
        finished += u32::from(attached.is_some());
    }
    assert!((1..16).contains(&finished), "{finished} were not cut off");
    drop(held);
    nobody_is_left(&scene, &sinks).await;
}

#[tokio::test]
async fn an_end_that_is_given_up_is_an_end() {
    let (scene, tenant, held) = sleepy_scene().await;
    let mut sinks = Vec::new();
    let mut finished = 0;
    for steps in 0..8 {
        for closes in [true, false] {
            let (sink, seen) = deaf();
            sinks.push(seen);
            let ben = Identity::user("ben").unwrap();
            let connection = tenant.attach(ben, sink).await.unwrap();
            let ended = if closes {
                cut_off(steps, connection.close(CloseCode::ShuttingDown, None, "")).await
            } else {
                cut_off(steps, connection.disconnected(Disconnection::Clean)).await
            };
            finished += u32::from(ended.is_some());
        }
    }
    assert!((1..16).contains(&finished), "{finished} were not cut off");
    drop(held);
    nobody_is_left(&scene, &sinks).await;
}

#[derive(Debug)]
struct Recorder {
    written: Arc<Mutex<Vec<u8>>>,
}

impl SocketSink for Recorder {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.written.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn close(&self, code: CloseCode) {
        assert_eq!(code, CloseCode::ShuttingDown);
        self.written.lock().unwrap().extend(b"closed");
    }
}

#[tokio::test]
async fn a_shutdown_returns_when_every_socket_was_told() {
    let scene = Scene::in_memory().await;
    let written = Arc::default();
    let sink = Recorder {
        written: Arc::clone(&written),
    };
    let identity = Identity::user("ana").unwrap();
    let _ana = scene
        .tenant()
        .await
        .attach(identity, Arc::new(sink))
        .await
        .unwrap();
    scene
        .engine
        .shut_down(CloseCode::ShuttingDown, Some(5))
        .await;
    let written = written.lock().unwrap();
    assert!(
        written.ends_with(b"closed"),
        "the bye is out when it returns"
    );
}
