//! One real frame of each kind and form: what the files in `vectors/` are written from.

use homeroom_protocol::{
    Auth, ClientFrame, ConnectionId, DeviceId, DeviceState, Direction, Epoch, EventBody, Hello,
    IdempotencyKey, Position, Presence, RemovedReason, Request, RequestId, ResetReason, RoomId,
    RoomNumber, Seq, ServerFrame, TenantName, TimelineEvent, Timestamp, UserId, Welcome, limit,
};

/// A file name without its ending, what the frame means, the frame.
pub(crate) type Example<F> = (&'static str, &'static str, F);

const NOON: u64 = 1_767_268_800_000;
const ROOM: RoomNumber = RoomNumber(7);
const KEY: IdempotencyKey = IdempotencyKey([
    0x01, 0x9b, 0x76, 0xda, 0xa8, 0x00, 0x70, 0x00, 0x80, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
]);

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn room_id() -> RoomId {
    RoomId::new("class-7b").unwrap()
}

fn epoch() -> Epoch {
    Epoch::new(4_503_599_627_370_497).unwrap()
}

const fn time(after_noon_ms: u64) -> Timestamp {
    Timestamp(NOON + after_noon_ms)
}

fn position(seq: u64) -> Position {
    Position {
        epoch: epoch(),
        seq: Seq(seq),
    }
}

fn hello(auth: Auth, capabilities: Vec<String>) -> ClientFrame {
    ClientFrame::Hello(Hello {
        version: 1,
        capabilities,
        tenant: TenantName::new("school").unwrap(),
        auth,
        device: DeviceId::new("laptop").unwrap(),
    })
}

#[expect(
    clippy::too_many_lines,
    reason = "a list of examples, one after another"
)]
fn requests() -> Vec<Example<Request>> {
    vec![
        (
            "create",
            "Makes a room with a title.",
            Request::Create {
                key: KEY,
                room: room_id(),
                title: Some("Class 7b".to_owned()),
            },
        ),
        (
            "create_untitled",
            "Makes a room without a title.",
            Request::Create {
                key: KEY,
                room: room_id(),
                title: None,
            },
        ),
        (
            "join",
            "Joins a room for the first time.",
            Request::Join {
                room: room_id(),
                resume: None,
            },
        ),
        (
            "join_resume",
            "Joins again, after seq 41.",
            Request::Join {
                room: room_id(),
                resume: Some(position(41)),
            },
        ),
        (
            "leave",
            "Ends the membership.",
            Request::Leave { room: ROOM },
        ),
        (
            "send",
            "Sends a message; its text has characters of 1 to 4 bytes.",
            Request::Send {
                key: KEY,
                room: ROOM,
                text: "Hi, Zoë 👋 €".to_owned(),
            },
        ),
        (
            "history_before",
            "Reads the newest 50 events.",
            Request::History {
                room: ROOM,
                direction: Direction::Before,
                anchor: Seq(limit::INTEGER_MAX),
                limit: 50,
            },
        ),
        (
            "history_after",
            "Reads the oldest 100 events.",
            Request::History {
                room: ROOM,
                direction: Direction::After,
                anchor: Seq(0),
                limit: 100,
            },
        ),
        (
            "set_typing",
            "The user types.",
            Request::Typing {
                room: ROOM,
                active: true,
            },
        ),
        (
            "set_typing_stopped",
            "The user stopped.",
            Request::Typing {
                room: ROOM,
                active: false,
            },
        ),
        (
            "set_presence_active",
            "The user is there.",
            Request::Presence {
                state: DeviceState::Active,
            },
        ),
        (
            "set_presence_idle",
            "The user is elsewhere.",
            Request::Presence {
                state: DeviceState::Idle,
            },
        ),
        (
            "watch",
            "Watches two users and no others.",
            Request::Watch {
                users: vec![user("ben"), user("zoë")],
            },
        ),
        (
            "watch_nobody",
            "Stops watching.",
            Request::Watch { users: vec![] },
        ),
        (
            "list_members",
            "Reads the first page of members.",
            Request::Members {
                room: ROOM,
                after: None,
                limit: 256,
            },
        ),
        (
            "list_members_after",
            "Reads the next page.",
            Request::Members {
                room: ROOM,
                after: Some(user("ben")),
                limit: 256,
            },
        ),
    ]
}

pub(crate) fn client() -> Vec<Example<ClientFrame>> {
    let guest = Auth::Guest { name: user("ada") };
    let token = Auth::Token("opaque-to-homeroom".to_owned());
    let capabilities = vec!["threads".to_owned(), "reactions".to_owned()];
    let mut examples = vec![
        (
            "hello_guest",
            "A guest enters the tenant.",
            hello(guest, vec![]),
        ),
        (
            "hello_token",
            "A user with a token enters the tenant.",
            hello(token, capabilities),
        ),
        (
            "ping",
            "Asks for a pong.",
            ClientFrame::Ping { nonce: 65_536 },
        ),
    ];
    for (id, (name, about, request)) in (1..).zip(requests()) {
        let id = RequestId(id);
        examples.push((name, about, ClientFrame::Request { id, request }));
    }
    examples
}

fn welcome(capabilities: Vec<String>, expires: Option<Timestamp>) -> ServerFrame {
    ServerFrame::Welcome(Welcome {
        version: 1,
        capabilities,
        tenant: TenantName::new("school").unwrap(),
        user: user("ada"),
        connection: ConnectionId(12),
        time: time(0),
        heartbeat_ms: 30_000,
        message_bytes_max: limit::CLIENT_MESSAGE_BYTES_MAX as u64,
        requests_in_flight_max: 64,
        expires,
    })
}

fn connection() -> Vec<Example<ServerFrame>> {
    let threads = vec!["threads".to_owned()];
    vec![
        (
            "welcome",
            "Lets a guest in; the session does not expire.",
            welcome(vec![], None),
        ),
        (
            "welcome_expires",
            "Lets a user in for an hour; both sides know one optional part.",
            welcome(threads, Some(time(3_600_000))),
        ),
        (
            "pong",
            "Answers a ping.",
            ServerFrame::Pong {
                nonce: 65_536,
                time: time(5),
            },
        ),
        (
            "bye_reconnect",
            "The server goes away: reconnect in 1.5 s.",
            ServerFrame::Bye {
                code: 4000,
                reconnect_after_ms: Some(1_500),
                explanation: "the server is restarting".to_owned(),
            },
        ),
        (
            "bye_stop",
            "The client broke the protocol: do not reconnect.",
            ServerFrame::Bye {
                code: 4200,
                reconnect_after_ms: None,
                explanation: "text messages are not part of this protocol".to_owned(),
            },
        ),
    ]
}

fn joined(seq: u64, reset: Option<ResetReason>) -> ServerFrame {
    ServerFrame::Joined {
        id: RequestId(3),
        room: ROOM,
        position: position(seq),
        head: Seq(44),
        reset,
        members: 28,
    }
}

fn page(events: Vec<TimelineEvent>, more: bool) -> ServerFrame {
    ServerFrame::Page {
        id: RequestId(7),
        room: ROOM,
        epoch: epoch(),
        events,
        more,
    }
}

#[expect(
    clippy::too_many_lines,
    reason = "a list of examples, one after another"
)]
fn replies() -> Vec<Example<ServerFrame>> {
    let error = |id: Option<u64>, code, retry_after_ms, explanation: &str| ServerFrame::Error {
        id: id.map(RequestId),
        code,
        retry_after_ms,
        explanation: explanation.to_owned(),
    };
    let created = ServerFrame::Created {
        id: RequestId(1),
        room: ROOM,
        position: position(1),
        time: time(10),
    };
    let sent = ServerFrame::Sent {
        id: RequestId(6),
        position: position(42),
        time: time(20),
    };
    let events = vec![
        event(
            1,
            "ada",
            EventBody::RoomCreated {
                title: Some("Class 7b".to_owned()),
            },
        ),
        event(2, "ben", EventBody::MemberJoined),
        event(
            3,
            "ben",
            EventBody::Message {
                text: "hello".to_owned(),
            },
        ),
    ];
    let members = |users, more| ServerFrame::Members {
        id: RequestId(15),
        room: ROOM,
        users,
        more,
    };
    vec![
        (
            "done",
            "The request was done.",
            ServerFrame::Done { id: RequestId(5) },
        ),
        (
            "error_fix",
            "There is no such room.",
            error(Some(3), 1100, None, "no room class-7c"),
        ),
        (
            "error_retry",
            "Try again in 2 s.",
            error(Some(6), 2000, Some(2_000), ""),
        ),
        (
            "error_no_id",
            "A frame without a readable id.",
            error(None, 1000, None, "no kind"),
        ),
        ("created", "The room was made.", created),
        (
            "joined",
            "A first join: the next push has seq 45.",
            joined(44, None),
        ),
        (
            "joined_resumed",
            "A resume: seq 42, 43 and 44 follow as pushes.",
            joined(41, None),
        ),
        (
            "joined_reset_epoch_changed",
            "The room has a new life: drop what you have.",
            joined(44, Some(ResetReason::EpochChanged)),
        ),
        (
            "joined_reset_trimmed",
            "The position is older than what is kept.",
            joined(44, Some(ResetReason::Trimmed)),
        ),
        (
            "joined_reset_ahead",
            "The position was never given out.",
            joined(44, Some(ResetReason::Ahead)),
        ),
        (
            "joined_reset_unreadable",
            "What lies between could not be read.",
            joined(44, Some(ResetReason::Unreadable)),
        ),
        ("sent", "The message is on disk as seq 42.", sent),
        ("page", "Three events, and more.", page(events, true)),
        ("page_empty", "Nothing there.", page(vec![], false)),
        (
            "watching",
            "Who is there now.",
            ServerFrame::Watching {
                id: RequestId(13),
                users: presences(),
            },
        ),
        (
            "members",
            "A page of two members.",
            members(vec![user("ada"), user("ben")], true),
        ),
        ("members_empty", "No more members.", members(vec![], false)),
    ]
}

fn presences() -> Vec<(UserId, Presence)> {
    vec![
        (user("ben"), Presence::Active),
        (user("cleo"), Presence::Idle),
        (user("zoë"), Presence::Offline),
    ]
}

fn event(seq: u64, author: &str, body: EventBody) -> TimelineEvent {
    TimelineEvent {
        seq: Seq(seq),
        time: time(seq),
        author: user(author),
        body,
    }
}

fn event_push(seq: u64, author: &str, body: EventBody) -> ServerFrame {
    ServerFrame::Event {
        room: ROOM,
        epoch: epoch(),
        event: event(seq, author, body),
    }
}

fn events() -> Vec<Example<ServerFrame>> {
    let titled = EventBody::RoomCreated {
        title: Some("Class 7b".to_owned()),
    };
    let untitled = EventBody::RoomCreated { title: None };
    let message = EventBody::Message {
        text: "Hi, Zoë 👋 €".to_owned(),
    };
    let added = EventBody::MemberAdded {
        member: user("ben"),
    };
    let removed = EventBody::MemberRemoved {
        member: user("ben"),
    };
    let unknown = EventBody::Unknown { kind: 4_000 };
    vec![
        (
            "event_room_created",
            "The room was made.",
            event_push(1, "ada", titled),
        ),
        (
            "event_room_created_untitled",
            "The room was made without a title.",
            event_push(1, "ada", untitled),
        ),
        (
            "event_member_joined",
            "Ben became a member.",
            event_push(2, "ben", EventBody::MemberJoined),
        ),
        (
            "event_member_left",
            "Ben is no longer a member.",
            event_push(43, "ben", EventBody::MemberLeft),
        ),
        (
            "event_member_added",
            "A service made Ben a member.",
            event_push(3, "service:timetable", added),
        ),
        (
            "event_member_removed",
            "Ada ended Ben's membership.",
            event_push(45, "ada", removed),
        ),
        (
            "event_message",
            "Ada said something.",
            event_push(42, "ada", message),
        ),
        (
            "event_unknown",
            "An event of a later version.",
            event_push(44, "ada", unknown),
        ),
    ]
}

fn pushes() -> Vec<Example<ServerFrame>> {
    let typing = |users, count| ServerFrame::Typing {
        room: ROOM,
        users,
        count,
    };
    vec![
        (
            "typing",
            "Two type.",
            typing(vec![user("ada"), user("ben")], 2),
        ),
        ("typing_nobody", "Nobody types any more.", typing(vec![], 0)),
        (
            "presence",
            "Three watched users changed.",
            ServerFrame::Presence { users: presences() },
        ),
        (
            "reset",
            "The stream of the room starts anew after seq 44.",
            ServerFrame::Reset {
                room: ROOM,
                position: position(44),
                reason: ResetReason::Unreadable,
            },
        ),
        (
            "removed",
            "The user left on another device.",
            ServerFrame::Removed {
                room: ROOM,
                reason: RemovedReason::Left,
            },
        ),
        (
            "removed_by_another",
            "Somebody else ended the user's membership.",
            ServerFrame::Removed {
                room: ROOM,
                reason: RemovedReason::Removed,
            },
        ),
        (
            "dropped",
            "Three hundred signals were dropped.",
            ServerFrame::Dropped { signals: 300 },
        ),
    ]
}

pub(crate) fn server() -> Vec<Example<ServerFrame>> {
    [connection(), replies(), events(), pushes()].concat()
}
