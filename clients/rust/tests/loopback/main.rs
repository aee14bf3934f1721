//! The client over real sockets, against a host that does what each scene needs. What the client
//! decides is tested without sockets, beside its machine; here it is about bytes that flow and stop.

#![expect(clippy::unwrap_used, reason = "a scene that cannot go on has failed")]

mod host;

use homeroom_client::{
    Auth, Client, Event, Events, IdempotencyKey, Limits, Lost, Options, RequestError, RoomId,
    StopReason,
};
use homeroom_protocol::{
    Permissions, Position, Request, RequestId, RoomInfo, RoomNumber, ServerFrame,
};
use host::{Host, Link, Said, position};

fn start(host: &Host, limits: Limits) -> (Client, Events) {
    Client::connect(Options {
        url: host.url(),
        tenant: "school".parse().unwrap(),
        auth: Auth::Guest {
            name: "ana".parse().unwrap(),
        },
        device: "laptop".parse().unwrap(),
        limits,
    })
    .unwrap()
}

/// No scene waits for a person's patience.
fn quick() -> Limits {
    Limits {
        backoff_base_ms: 5,
        backoff_max_ms: 5,
        ..Limits::default()
    }
}

fn lobby() -> RoomId {
    "lobby".parse().unwrap()
}

/// Lets a task ask something while the scene plays the host.
fn send(client: &Client, text: &'static str) -> tokio::task::JoinHandle<SendOutcome> {
    let client = client.clone();
    tokio::spawn(async move {
        let sent = client.send(&lobby(), text).await;
        sent.map(|sent| sent.position)
    })
}

type SendOutcome = Result<Position, RequestError>;

fn join(client: &Client) -> tokio::task::JoinHandle<u64> {
    let client = client.clone();
    tokio::spawn(async move { client.join(&lobby(), None).await.unwrap().position.seq.0 })
}

/// Takes the next request, which must be a send: its id, key and text.
async fn take_send(link: &mut Link) -> (RequestId, IdempotencyKey, String) {
    match link.request().await {
        (id, Request::Send { key, draft, .. }) => (id, key, draft.text),
        (_, other) => panic!("no send: {other:?}"),
    }
}

/// Takes the join that must come next, and answers it.
async fn take_join(link: &mut Link, resume: Option<Position>, at: Position) {
    let (id, request) = link.request().await;
    let room = lobby();
    assert_eq!(request, Request::Join { room, resume });
    link.say(&[ServerFrame::Joined {
        id,
        room: RoomNumber(7),
        position: at,
        head: at.seq,
        reset: None,
        members: 1,
        info: RoomInfo::default(),
        permissions: Permissions::NONE,
    }])
    .await;
}

async fn next_seq(events: &mut Events) -> u64 {
    loop {
        if let Event::Timeline { position, .. } = events.next().await.unwrap() {
            return position.seq.0;
        }
    }
}

#[tokio::test]
async fn a_whole_session_ends_with_a_close_frame() {
    let host = Host::start().await;
    let (client, mut events) = start(&host, quick());
    let mut link = host.accept().await;
    link.welcome().await;
    let joining = join(&client);
    take_join(&mut link, None, position(10)).await;
    assert_eq!(joining.await.unwrap(), 10);
    let sending = send(&client, "hello");
    let (id, _, text) = take_send(&mut link).await;
    assert_eq!(text, "hello");
    link.say(&[host::sent(id, 11), host::event(11)]).await;
    assert_eq!(sending.await.unwrap(), Ok(position(11)));
    assert_eq!(next_seq(&mut events).await, 11);
    assert_eq!(client.position(&lobby()).await, Some(position(11)));

    let closing = tokio::spawn({
        let client = client.clone();
        async move { client.close().await }
    });
    assert_eq!(link.hear().await, Said::Close(1000));
    drop(link);
    closing.await.unwrap();
    let why = StopReason::Closed;
    assert_eq!(events.next().await, Some(Event::Stopped { why }));
    assert_eq!(events.next().await, None);
    let ended = RequestError::Stopped(StopReason::Closed);
    assert_eq!(client.send(&lobby(), "late").await, Err(ended));
}

#[tokio::test]
async fn a_send_survives_a_lost_socket_with_its_key() {
    let host = Host::start().await;
    let (client, mut events) = start(&host, quick());
    let mut link = host.accept().await;
    link.welcome().await;
    let joining = join(&client);
    take_join(&mut link, None, position(0)).await;
    joining.await.unwrap();
    let sending = send(&client, "hello");
    let (_, key, _) = take_send(&mut link).await;
    drop(link);

    let mut link = host.accept().await;
    link.welcome().await;
    // It was stored after all, and others spoke too.
    take_join(&mut link, Some(position(0)), position(0)).await;
    link.say(&[host::event(1), host::event(2)]).await;
    let (id, again, text) = take_send(&mut link).await;
    assert_eq!((again, text.as_str()), (key, "hello"));
    link.say(&[host::sent(id, 1)]).await;
    assert_eq!(sending.await.unwrap(), Ok(position(1)));
    assert_eq!(next_seq(&mut events).await, 1);
    assert_eq!(next_seq(&mut events).await, 2);
}

#[tokio::test]
async fn an_app_that_does_not_read_stops_the_host_and_loses_nothing() {
    const EVENTS: u64 = 20_000;
    let host = Host::start().await;
    let limits = Limits {
        events_max: 16,
        ..quick()
    };
    let (client, mut events) = start(&host, limits);
    let mut link = host.accept().await;
    link.welcome().await;
    let joining = join(&client);
    take_join(&mut link, None, position(0)).await;
    joining.await.unwrap();
    // Far more than the buffers of the kernel take: the host cannot be done before the app reads.
    let flooding = tokio::spawn(async move {
        for seq in 1..=EVENTS {
            link.say(&[host::long_event(seq)]).await;
        }
        link
    });
    // Asking goes on meanwhile, only answers wait: the client's task is not stuck in anything.
    for _ in 0..200 {
        assert!(client.position(&lobby()).await.unwrap().seq.0 <= 32);
    }
    assert!(!flooding.is_finished());
    for seq in 1..=EVENTS {
        assert_eq!(next_seq(&mut events).await, seq);
    }
    let mut link = flooding.await.unwrap();
    let sending = send(&client, "still here");
    let (id, _, _) = take_send(&mut link).await;
    link.say(&[host::sent(id, EVENTS + 1)]).await;
    sending.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_client_whose_events_nobody_wants_goes_on() {
    let host = Host::start().await;
    let limits = Limits {
        events_max: 4,
        ..quick()
    };
    let (client, events) = start(&host, limits);
    drop(events);
    let mut link = host.accept().await;
    link.welcome().await;
    let joining = join(&client);
    take_join(&mut link, None, position(0)).await;
    joining.await.unwrap();
    for seq in 1..=100 {
        link.say(&[host::event(seq)]).await;
    }
    let sending = send(&client, "hello");
    let (id, _, _) = take_send(&mut link).await;
    link.say(&[host::sent(id, 101)]).await;
    assert_eq!(sending.await.unwrap(), Ok(position(101)));
}

#[tokio::test]
async fn dropping_the_handles_and_the_events_ends_it() {
    for client_first in [true, false] {
        let host = Host::start().await;
        let (client, events) = start(&host, quick());
        let mut link = host.accept().await;
        link.welcome().await;
        if client_first {
            drop(client);
            drop(events);
        } else {
            drop(events);
            drop(client);
        }
        assert_eq!(link.hear().await, Said::Close(1000));
    }
}

#[tokio::test]
async fn messages_in_pieces_and_pings_between_them_are_understood() {
    let host = Host::start().await;
    let (client, mut events) = start(&host, quick());
    let mut link = host.accept().await;
    link.welcome().await;
    let joining = join(&client);
    take_join(&mut link, None, position(0)).await;
    joining.await.unwrap();
    link.say_in_pieces(&host::event(1), b"are you there").await;
    assert_eq!(link.hear().await, Said::Pong(b"are you there".to_vec()));
    assert_eq!(next_seq(&mut events).await, 1);
}

#[tokio::test]
async fn a_close_code_reaches_the_app_and_is_obeyed() {
    let host = Host::start().await;
    let (_client, mut events) = start(&host, quick());
    let mut link = host.accept().await;
    link.welcome().await;
    link.close(4202, "go away").await;
    assert!(matches!(events.next().await, Some(Event::Connected { .. })));
    let why = Lost::Closed {
        code: 4202,
        explanation: "go away".into(),
    };
    let retry_in_ms = None;
    let lost = Event::Disconnected { why, retry_in_ms };
    assert_eq!(events.next().await, Some(lost));
    let why = StopReason::Refused {
        code: 4202,
        explanation: "go away".into(),
    };
    assert_eq!(events.next().await, Some(Event::Stopped { why }));
}

#[tokio::test]
async fn an_address_without_a_homeroom_server_is_given_up_and_a_busy_one_is_not() {
    let host = Host::start().await;
    let (_client, mut events) = start(&host, quick());
    host.answer("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")
        .await;
    let lost = events.next().await;
    assert!(
        matches!(
            lost,
            Some(Event::Disconnected {
                retry_in_ms: Some(_),
                ..
            })
        ),
        "{lost:?}"
    );
    host.answer("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert!(matches!(
        events.next().await,
        Some(Event::Disconnected {
            retry_in_ms: None,
            ..
        })
    ));
    assert!(matches!(
        events.next().await,
        Some(Event::Stopped {
            why: StopReason::NoServer { .. }
        })
    ));
}

#[tokio::test]
async fn many_requests_at_once_all_get_their_own_answer() {
    let host = Host::start().await;
    let (client, _events) = start(&host, quick());
    let mut link = host.accept().await;
    link.welcome().await;
    let joining = join(&client);
    take_join(&mut link, None, position(0)).await;
    joining.await.unwrap();
    let answering = tokio::spawn(async move {
        for _ in 0..500 {
            let (id, _, text) = take_send(&mut link).await;
            link.say(&[host::sent(id, text.parse().unwrap())]).await;
        }
        link
    });
    let sends: Vec<_> = (0..500_u64)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move {
                let sent = client.send(&lobby(), &number.to_string()).await.unwrap();
                assert_eq!(sent.position.seq.0, number);
            })
        })
        .collect();
    for send in sends {
        send.await.unwrap();
    }
    drop(answering.await.unwrap());
}
