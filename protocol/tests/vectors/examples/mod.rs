//! One real frame of each kind and form: what the files in `vectors/` are written from.

mod event;
mod push;
mod reply;
mod request;

use homeroom_protocol::{
    Auth, ClientFrame, ConnectionId, Custom, CustomKind, DeviceId, Emoji, Epoch, Hello,
    IdempotencyKey, Permission, Permissions, Position, Reaction, RequestId, RoomId, RoomInfo,
    RoomNumber, Seq, ServerFrame, SignalName, TenantName, Timestamp, UserId, Welcome, limit,
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

fn titled() -> RoomInfo {
    RoomInfo {
        title: Some("Class 7b".to_owned()),
        ..RoomInfo::default()
    }
}

fn custom() -> Custom {
    Custom {
        kind: CustomKind::new("poll").unwrap(),
        body: vec![0x81, 0xa1, b'q', 0xc3],
    }
}

fn thumbs_up(users: Vec<UserId>, me: bool) -> Reaction {
    Reaction {
        emoji: Emoji::new("👍").unwrap(),
        count: u32::try_from(users.len()).unwrap(),
        users,
        me,
    }
}

/// What people may do in a room, unless a role says otherwise.
fn usual() -> Permissions {
    Permissions::of(&[
        Permission::View,
        Permission::Join,
        Permission::Send,
        Permission::SendInThreads,
        Permission::React,
        Permission::Attach,
        Permission::Signal,
        Permission::Invite,
    ])
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
            "signal",
            "Where the user points at a board.",
            ClientFrame::Signal {
                room: ROOM,
                name: SignalName::new("cursor").unwrap(),
                body: vec![0x92, 0x10, 0x20],
            },
        ),
        (
            "ping",
            "Asks for a pong.",
            ClientFrame::Ping { nonce: 65_536 },
        ),
    ];
    for (id, (name, about, request)) in (1..).zip(request::requests()) {
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

pub(crate) fn server() -> Vec<Example<ServerFrame>> {
    [
        connection(),
        reply::replies(),
        reply::later_replies(),
        event::events(),
        event::later_events(),
        push::pushes(),
    ]
    .concat()
}
