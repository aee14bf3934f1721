//! Any frame of a server.

use homeroom_protocol::{
    Cause, ConnectionId, FollowedThread, Me, OccupancyChange, Presence, Reason, RemovedReason,
    ResetReason, RoomEntry, Seq, ServerFrame, Signal, Standing, UserPresence, Welcome,
};
use proptest::{collection::vec, option, prelude::*};

use super::{
    content::{count, info, level, mark, overwrite, role, status, target},
    event::event,
    value::{
        bytes, capabilities, epoch, id, integer, permissions, position, role_id, roles, room,
        room_id, seq, signal_name, tenant, text, time, user, users,
    },
};

fn presences() -> BoxedStrategy<Vec<UserPresence>> {
    let presence = prop::sample::select(vec![
        Presence::Offline,
        Presence::Active,
        Presence::Idle,
        Presence::Away,
        Presence::Busy,
    ]);
    let one = (user(), presence, option::of(time()), option::of(text())).prop_map(
        |(user, presence, last_seen, status)| UserPresence {
            user,
            presence,
            last_seen,
            status,
        },
    );
    vec(one, 0..20).boxed()
}

fn welcome() -> BoxedStrategy<Welcome> {
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
        .boxed()
}

fn reset_reason() -> impl Strategy<Value = ResetReason> {
    prop::sample::select(vec![
        ResetReason::EpochChanged,
        ResetReason::Trimmed,
        ResetReason::Ahead,
        ResetReason::Unreadable,
        ResetReason::NotKept,
    ])
}

fn connection_frame() -> BoxedStrategy<ServerFrame> {
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
    .boxed()
}

fn reply() -> BoxedStrategy<ServerFrame> {
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
            (any::<u32>(), info(), permissions()),
        )
            .prop_map(
                |(id, room, position, head, reset, (members, info, permissions))| {
                    ServerFrame::Joined {
                        id,
                        room,
                        position,
                        head: Seq(head),
                        reset,
                        members,
                        info,
                        permissions,
                    }
                }
            ),
        (id(), position(), time()).prop_map(|(id, position, time)| ServerFrame::Sent {
            id,
            position,
            time
        }),
        (
            (id(), room(), epoch()),
            vec(event(), 0..6),
            any::<bool>(),
            any::<bool>()
        )
            .prop_map(
                |((id, room, epoch), events, more, more_above)| ServerFrame::Page {
                    id,
                    room,
                    epoch,
                    events,
                    more,
                    more_above,
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
    .boxed()
}

fn push() -> BoxedStrategy<ServerFrame> {
    prop_oneof![
        (room(), epoch(), event()).prop_map(|(room, epoch, event)| ServerFrame::Event {
            room,
            epoch,
            event
        }),
        (room(), vec(user(), 0..8), any::<u32>(), option::of(seq())).prop_map(
            |(room, users, count, thread)| ServerFrame::Typing {
                room,
                users,
                count,
                thread,
            }
        ),
        presences().prop_map(|users| ServerFrame::Presence { users }),
        (room(), position(), reset_reason()).prop_map(|(room, position, reason)| {
            ServerFrame::Reset {
                room,
                position,
                reason,
            }
        }),
        (room(), removed_reason()).prop_map(|(room, reason)| ServerFrame::Removed { room, reason }),
        integer().prop_map(|signals| ServerFrame::Dropped { signals }),
        (room(), epoch(), seq(), seq(), count()).prop_map(|(room, epoch, from, to, members)| {
            ServerFrame::Passed {
                room,
                epoch,
                from,
                to,
                members,
            }
        }),
        (room(), vec(signal(), 0..9))
            .prop_map(|(room, signals)| ServerFrame::Signals { room, signals }),
        (room(), count(), option::of(occupancy_change())).prop_map(|(room, count, change)| {
            ServerFrame::Occupancy {
                room,
                count,
                change,
            }
        }),
    ]
    .boxed()
}

fn removed_reason() -> impl Strategy<Value = RemovedReason> {
    prop::sample::select(vec![
        RemovedReason::Left,
        RemovedReason::Removed,
        RemovedReason::Banned,
        RemovedReason::Hidden,
    ])
}

fn signal() -> impl Strategy<Value = Signal> {
    (user(), signal_name(), bytes()).prop_map(|(user, name, body)| Signal { user, name, body })
}

fn occupancy_change() -> impl Strategy<Value = OccupancyChange> {
    (any::<bool>(), users(), users()).prop_map(|(all, came, went)| OccupancyChange {
        all,
        came,
        went,
    })
}

fn later_reply() -> BoxedStrategy<ServerFrame> {
    let overwrites = vec((target(), overwrite()), 0..5);
    prop_oneof![
        (id(), mark()).prop_map(|(id, mark)| ServerFrame::Marked { id, mark }),
        (id(), room(), users(), any::<bool>(), option::of(user())).prop_map(
            |(id, room, users, more, after)| ServerFrame::Readers {
                id,
                room,
                users,
                more,
                after,
            }
        ),
        (id(), vec(entry(), 0..5), any::<bool>())
            .prop_map(|(id, rooms, more)| ServerFrame::Rooms { id, rooms, more }),
        (id(), room(), overwrites).prop_map(|(id, room, overwrites)| ServerFrame::Overwrites {
            id,
            room,
            overwrites,
        }),
        (id(), me()).prop_map(|(id, me)| ServerFrame::Me {
            id,
            me: Box::new(me),
        }),
        (id(), vec(role(), 0..5)).prop_map(|(id, roles)| ServerFrame::Roles { id, roles }),
        (id(), any::<bool>(), vec(reason(), 0..5)).prop_map(|(id, allowed, reasons)| {
            ServerFrame::Explained {
                id,
                allowed,
                reasons,
            }
        }),
    ]
    .boxed()
}

fn entry() -> BoxedStrategy<RoomEntry> {
    let standing = prop::sample::select(vec![Standing::Member, Standing::Invited]);
    (
        (room(), room_id(), standing, info()),
        (position(), time(), count(), permissions()),
        (mark(), count(), count(), level()),
    )
        .prop_map(
            |(
                (room, id, standing, info),
                (head, time, members, permissions),
                (mark, unread, mentions, level),
            )| RoomEntry {
                room,
                id,
                standing,
                info,
                head,
                time,
                members,
                permissions,
                mark,
                unread,
                mentions,
                level,
            },
        )
        .boxed()
}

fn me() -> BoxedStrategy<Me> {
    let thread =
        (room(), seq(), mark(), count()).prop_map(|(room, thread, mark, unread)| FollowedThread {
            room,
            thread,
            mark,
            unread,
        });
    (
        (status(), roles(), permissions(), users()),
        vec(thread, 0..4),
        option::of(position()),
    )
        .prop_map(
            |((status, roles, permissions, blocked), threads, stream)| Me {
                status,
                roles,
                permissions,
                blocked,
                threads,
                stream,
            },
        )
        .boxed()
}

fn reason() -> impl Strategy<Value = Reason> {
    let cause = prop::sample::select(vec![
        Cause::Nothing,
        Cause::Role,
        Cause::EveryoneHere,
        Cause::RoleHere,
        Cause::UserHere,
        Cause::Prohibited,
        Cause::NoView,
        Cause::NotMember,
        Cause::Banned,
        Cause::Muted,
        Cause::Archived,
        Cause::Kind,
        Cause::Apart,
    ]);
    (cause, option::of(role_id()), any::<bool>()).prop_map(|(cause, role, allows)| Reason {
        cause,
        role,
        allows,
    })
}

/// Any frame of a server.
pub(crate) fn server_frame() -> BoxedStrategy<ServerFrame> {
    prop_oneof![1 => connection_frame(), 3 => reply(), 2 => later_reply(), 4 => push()].boxed()
}
