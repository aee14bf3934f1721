//! Any frame of a client.

use homeroom_protocol::{
    Auth, ClientFrame, DeviceState, Direction, Hello, Measure, Permission, Request, Stream,
};
use proptest::{collection::vec, option, prelude::*};

use super::{
    content::{changes, draft, info, level, overwrite, placed_mark, role, status, target},
    value::{
        bytes, capabilities, device, emoji, id, integer, key, position, role_id, roles, room,
        room_id, seq, signal_name, tenant, text, time, user, users,
    },
};

fn hello() -> BoxedStrategy<Hello> {
    let auth = prop_oneof![
        user().prop_map(|name| Auth::Guest { name }),
        text().prop_map(Auth::Token),
    ];
    (any::<u32>(), capabilities(), tenant(), auth, device())
        .prop_map(|(version, capabilities, tenant, auth, device)| Hello {
            version,
            capabilities,
            tenant,
            auth,
            device,
        })
        .boxed()
}

/// What there was from the first day.
fn first_request() -> BoxedStrategy<Request> {
    let direction =
        prop::sample::select(vec![Direction::Before, Direction::After, Direction::Around]);
    let state = prop::sample::select(vec![DeviceState::Active, DeviceState::Idle]);
    prop_oneof![
        (key(), room_id(), info(), users()).prop_map(|(key, room, info, members)| {
            Request::Create {
                key,
                room,
                info,
                members,
            }
        }),
        (room_id(), option::of(position()))
            .prop_map(|(room, resume)| Request::Join { room, resume }),
        room().prop_map(|room| Request::Leave { room }),
        (key(), room(), draft()).prop_map(|(key, room, draft)| Request::Send { key, room, draft }),
        (room(), direction, seq(), 1..=100_u32, option::of(seq())).prop_map(
            |(room, direction, anchor, limit, thread)| Request::History {
                room,
                direction,
                anchor,
                limit,
                thread,
            }
        ),
        (room(), any::<bool>(), option::of(seq())).prop_map(|(room, active, thread)| {
            Request::Typing {
                room,
                active,
                thread,
            }
        }),
        state.prop_map(|state| Request::Presence { state }),
        vec(user(), 0..20).prop_map(|users| Request::Watch { users }),
        (room(), option::of(user()), 1..=256_u32)
            .prop_map(|(room, after, limit)| Request::Members { room, after, limit }),
    ]
    .boxed()
}

fn request_about_messages() -> BoxedStrategy<Request> {
    let place = || (key(), room(), seq());
    prop_oneof![
        (place(), draft()).prop_map(|((key, room, target), draft)| Request::Edit {
            key,
            room,
            target,
            draft,
        }),
        place().prop_map(|(key, room, target)| Request::Delete { key, room, target }),
        (place(), emoji(), any::<bool>()).prop_map(|((key, room, target), emoji, on)| {
            Request::React {
                key,
                room,
                target,
                emoji,
                on,
            }
        }),
        (place(), any::<bool>()).prop_map(|((key, room, target), on)| Request::Pin {
            key,
            room,
            target,
            on,
        }),
        (room(), seq()).prop_map(|(room, target)| Request::Versions { room, target }),
        placed_mark().prop_map(Request::Mark),
        option::of(vec(room(), 0..9)).prop_map(|rooms| Request::MarkAll { rooms }),
        (room(), seq(), option::of(user()), 1..=256_u32).prop_map(|(room, seq, after, limit)| {
            Request::Readers {
                room,
                seq,
                after,
                limit,
            }
        }),
        (room(), seq(), any::<bool>()).prop_map(|(room, thread, on)| Request::Follow {
            room,
            thread,
            on
        }),
        (place(), reason()).prop_map(|((key, room, target), reason)| Request::Report {
            key,
            room,
            target,
            reason,
        }),
    ]
    .boxed()
}

fn reason() -> impl Strategy<Value = String> {
    text()
}

fn request_about_rooms() -> BoxedStrategy<Request> {
    let measure = prop::sample::select(vec![
        Measure::Invite,
        Measure::Uninvite,
        Measure::Add,
        Measure::Remove,
        Measure::Ban,
        Measure::Unban,
        Measure::Mute,
        Measure::Unmute,
    ]);
    let stream = prop::sample::select(vec![Stream::Personal, Stream::Reports]);
    let moderate = (
        (key(), room(), user()),
        measure,
        option::of(time()),
        option::of(reason()),
    );
    prop_oneof![
        (option::of(room()), 1..=512_u32)
            .prop_map(|(after, limit)| Request::Rooms { after, limit }),
        (key(), room(), changes()).prop_map(|(key, room, changes)| Request::ChangeRoom {
            key,
            room,
            changes
        }),
        moderate.prop_map(
            |((key, room, user), measure, until, reason)| Request::Moderate {
                key,
                room,
                user,
                measure,
                until,
                reason,
            }
        ),
        (key(), room(), target(), overwrite()).prop_map(|(key, room, target, overwrite)| {
            Request::Overwrite {
                key,
                room,
                target,
                overwrite,
            }
        }),
        room().prop_map(|room| Request::Overwrites { room }),
        (room(), level()).prop_map(|(room, level)| Request::Level { room, level }),
        (stream, option::of(position()))
            .prop_map(|(stream, resume)| Request::Stream { stream, resume }),
        (option::of(room()), option::of(seq()))
            .prop_map(|(room, thread)| Request::View { room, thread }),
    ]
    .boxed()
}

fn request_about_people() -> BoxedStrategy<Request> {
    let permission = prop::sample::select(Permission::ALL.to_vec());
    prop_oneof![
        Just(Request::Me),
        status().prop_map(Request::Status),
        (user(), any::<bool>()).prop_map(|(user, on)| Request::Block { user, on }),
        role().prop_map(Request::SetRole),
        role_id().prop_map(|role| Request::RemoveRole { role }),
        (user(), roles()).prop_map(|(user, roles)| Request::GiveRoles { user, roles }),
        Just(Request::Roles),
        vec((role_id(), role_id()), 0..9).prop_map(|apart| Request::Policy { apart }),
        (option::of(room()), option::of(user()), permission).prop_map(
            |(room, user, permission)| Request::Explain {
                room,
                user,
                permission,
            }
        ),
    ]
    .boxed()
}

/// Any frame of a client.
pub(crate) fn client_frame() -> BoxedStrategy<ClientFrame> {
    let request = prop_oneof![
        first_request(),
        request_about_messages(),
        request_about_rooms(),
        request_about_people(),
    ];
    prop_oneof![
        1 => hello().prop_map(ClientFrame::Hello),
        1 => integer().prop_map(|nonce| ClientFrame::Ping { nonce }),
        1 => (room(), signal_name(), bytes())
            .prop_map(|(room, name, body)| ClientFrame::Signal { room, name, body }),
        12 => (id(), request).prop_map(|(id, request)| ClientFrame::Request { id, request }),
    ]
    .boxed()
}
