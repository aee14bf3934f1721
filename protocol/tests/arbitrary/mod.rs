//! Any frame at all, within the limits of the wire.

use homeroom_protocol::{
    Auth, ClientFrame, ConnectionId, DeviceId, DeviceState, Direction, Epoch, EventBody, Hello,
    IdempotencyKey, Position, Presence, RemovedReason, Request, RequestId, ResetReason, RoomId,
    RoomNumber, Seq, ServerFrame, TenantName, TimelineEvent, Timestamp, UserId, Welcome, limit,
};
use proptest::{collection::vec, option, prelude::*};

fn integer() -> impl Strategy<Value = u64> {
    prop_oneof![0..300_u64, 0..=limit::INTEGER_MAX, Just(limit::INTEGER_MAX)]
}

fn text() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..60).prop_map(String::from_iter)
}

fn user() -> impl Strategy<Value = UserId> {
    vec(
        any::<char>().prop_filter("no control", |c| !c.is_control()),
        1..16,
    )
    .prop_map(|name| UserId::new(String::from_iter(name)).unwrap())
}

fn room_id() -> impl Strategy<Value = RoomId> {
    user().prop_map(|id| RoomId::new(id.as_str()).unwrap())
}

fn device() -> impl Strategy<Value = DeviceId> {
    user().prop_map(|id| DeviceId::new(id.as_str()).unwrap())
}

fn tenant() -> impl Strategy<Value = TenantName> {
    vec(prop::sample::select(b"abz019".to_vec()), 1..63)
        .prop_map(|name| TenantName::new(String::from_utf8(name).unwrap()).unwrap())
}

fn id() -> impl Strategy<Value = RequestId> {
    integer().prop_map(RequestId)
}

fn room() -> impl Strategy<Value = RoomNumber> {
    any::<u32>().prop_map(RoomNumber)
}

fn time() -> impl Strategy<Value = Timestamp> {
    integer().prop_map(Timestamp)
}

fn epoch() -> impl Strategy<Value = Epoch> {
    integer().prop_map(|number| Epoch::new(number.max(1)).unwrap())
}

fn position() -> impl Strategy<Value = Position> {
    (epoch(), integer()).prop_map(|(epoch, seq)| Position {
        epoch,
        seq: Seq(seq),
    })
}

fn key() -> impl Strategy<Value = IdempotencyKey> {
    any::<[u8; 16]>().prop_map(IdempotencyKey)
}

fn capabilities() -> impl Strategy<Value = Vec<String>> {
    vec("[a-z]{0,32}", 0..=limit::CAPABILITIES_MAX)
}

fn hello() -> impl Strategy<Value = Hello> {
    let auth = prop_oneof![
        user().prop_map(|name| Auth::Guest { name }),
        text().prop_map(Auth::Token),
    ];
    (any::<u32>(), capabilities(), tenant(), auth, device()).prop_map(
        |(version, capabilities, tenant, auth, device)| Hello {
            version,
            capabilities,
            tenant,
            auth,
            device,
        },
    )
}

fn request() -> impl Strategy<Value = Request> {
    let direction = prop::sample::select(vec![Direction::Before, Direction::After]);
    let state = prop::sample::select(vec![DeviceState::Active, DeviceState::Idle]);
    prop_oneof![
        (key(), room_id(), option::of(text())).prop_map(|(key, room, title)| Request::Create {
            key,
            room,
            title
        }),
        (room_id(), option::of(position()))
            .prop_map(|(room, resume)| Request::Join { room, resume }),
        room().prop_map(|room| Request::Leave { room }),
        (key(), room(), text()).prop_map(|(key, room, text)| Request::Send { key, room, text }),
        (room(), direction, integer(), 1..=100_u32).prop_map(|(room, direction, anchor, limit)| {
            Request::History {
                room,
                direction,
                anchor: Seq(anchor),
                limit,
            }
        }),
        (room(), any::<bool>()).prop_map(|(room, active)| Request::Typing { room, active }),
        state.prop_map(|state| Request::Presence { state }),
        vec(user(), 0..20).prop_map(|users| Request::Watch { users }),
        (room(), option::of(user()), 1..=256_u32)
            .prop_map(|(room, after, limit)| Request::Members { room, after, limit }),
    ]
}

/// Any frame of a client.
pub(crate) fn client_frame() -> impl Strategy<Value = ClientFrame> {
    prop_oneof![
        1 => hello().prop_map(ClientFrame::Hello),
        1 => integer().prop_map(|nonce| ClientFrame::Ping { nonce }),
        8 => (id(), request()).prop_map(|(id, request)| ClientFrame::Request { id, request }),
    ]
}

fn event() -> impl Strategy<Value = TimelineEvent> {
    let body = prop_oneof![
        option::of(text()).prop_map(|title| EventBody::RoomCreated { title }),
        Just(EventBody::MemberJoined),
        Just(EventBody::MemberLeft),
        user().prop_map(|member| EventBody::MemberAdded { member }),
        user().prop_map(|member| EventBody::MemberRemoved { member }),
        text().prop_map(|text| EventBody::Message { text }),
        (1000..=u32::MAX).prop_map(|kind| EventBody::Unknown { kind }),
    ];
    (integer(), time(), user(), body).prop_map(|(seq, time, author, body)| TimelineEvent {
        seq: Seq(seq),
        time,
        author,
        body,
    })
}

fn presences() -> impl Strategy<Value = Vec<(UserId, Presence)>> {
    let presence = prop::sample::select(vec![Presence::Offline, Presence::Active, Presence::Idle]);
    vec((user(), presence), 0..20)
}

fn welcome() -> impl Strategy<Value = Welcome> {
    let counts = (integer(), integer(), any::<u32>(), any::<u32>());
    (
        (capabilities(), tenant(), user()),
        (integer(), time(), option::of(time())),
        counts,
    )
        .prop_map(
            |((capabilities, tenant, user), (connection, time, expires), counts)| Welcome {
                version: counts.3,
                capabilities,
                tenant,
                user,
                connection: ConnectionId(connection),
                time,
                heartbeat_ms: counts.0,
                message_bytes_max: counts.1,
                requests_in_flight_max: counts.2,
                expires,
            },
        )
}

fn reset_reason() -> impl Strategy<Value = ResetReason> {
    prop::sample::select(vec![
        ResetReason::EpochChanged,
        ResetReason::Trimmed,
        ResetReason::Ahead,
        ResetReason::Unreadable,
    ])
}

fn connection_frame() -> impl Strategy<Value = ServerFrame> {
    prop_oneof![
        welcome().prop_map(ServerFrame::Welcome),
        (integer(), time()).prop_map(|(nonce, time)| ServerFrame::Pong { nonce, time }),
        (any::<u16>(), option::of(integer()), text()).prop_map(
            |(code, reconnect_after_ms, explanation)| ServerFrame::Bye {
                code,
                reconnect_after_ms,
                explanation,
            }
        ),
    ]
}

fn reply() -> impl Strategy<Value = ServerFrame> {
    prop_oneof![
        id().prop_map(|id| ServerFrame::Done { id }),
        (
            option::of(id()),
            any::<u16>(),
            option::of(integer()),
            text()
        )
            .prop_map(|(id, code, retry_after_ms, explanation)| {
                ServerFrame::Error {
                    id,
                    code,
                    retry_after_ms,
                    explanation,
                }
            }),
        (id(), room(), position(), time()).prop_map(|(id, room, position, time)| {
            ServerFrame::Created {
                id,
                room,
                position,
                time,
            }
        }),
        (
            id(),
            room(),
            position(),
            integer(),
            option::of(reset_reason()),
            any::<u32>()
        )
            .prop_map(|(id, room, position, head, reset, members)| {
                ServerFrame::Joined {
                    id,
                    room,
                    position,
                    head: Seq(head),
                    reset,
                    members,
                }
            }),
        (id(), position(), time()).prop_map(|(id, position, time)| ServerFrame::Sent {
            id,
            position,
            time
        }),
        (id(), room(), epoch(), vec(event(), 0..6), any::<bool>()).prop_map(
            |(id, room, epoch, events, more)| ServerFrame::Page {
                id,
                room,
                epoch,
                events,
                more,
            }
        ),
        (id(), presences()).prop_map(|(id, users)| ServerFrame::Watching { id, users }),
        (id(), room(), vec(user(), 0..20), any::<bool>()).prop_map(|(id, room, users, more)| {
            ServerFrame::Members {
                id,
                room,
                users,
                more,
            }
        }),
    ]
}

fn push() -> impl Strategy<Value = ServerFrame> {
    prop_oneof![
        (room(), epoch(), event()).prop_map(|(room, epoch, event)| ServerFrame::Event {
            room,
            epoch,
            event
        }),
        (room(), vec(user(), 0..8), any::<u32>())
            .prop_map(|(room, users, count)| ServerFrame::Typing { room, users, count }),
        presences().prop_map(|users| ServerFrame::Presence { users }),
        (room(), position(), reset_reason()).prop_map(|(room, position, reason)| {
            ServerFrame::Reset {
                room,
                position,
                reason,
            }
        }),
        room().prop_map(|room| ServerFrame::Removed {
            room,
            reason: RemovedReason::Left,
        }),
        integer().prop_map(|signals| ServerFrame::Dropped { signals }),
    ]
}

/// Any frame of a server.
pub(crate) fn server_frame() -> impl Strategy<Value = ServerFrame> {
    prop_oneof![1 => connection_frame(), 3 => reply(), 2 => push()]
}
