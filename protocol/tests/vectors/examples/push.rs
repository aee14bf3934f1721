//! What a server says unasked.

use homeroom_protocol::{
    OccupancyChange, Presence, RemovedReason, ResetReason, Seq, ServerFrame, Signal, SignalName,
    UserId, UserPresence,
};

use super::{Example, ROOM, epoch, position, time, user};

pub(super) fn presences() -> Vec<UserPresence> {
    vec![
        presence("ben", Presence::Active),
        presence("cleo", Presence::Idle),
        presence("zoë", Presence::Offline),
    ]
}

fn presence(name: &str, presence: Presence) -> UserPresence {
    UserPresence {
        user: user(name),
        presence,
        last_seen: None,
        status: None,
    }
}

#[expect(
    clippy::too_many_lines,
    reason = "a list of examples, one after another"
)]
pub(super) fn pushes() -> Vec<Example<ServerFrame>> {
    let typing = |users, count| ServerFrame::Typing {
        room: ROOM,
        users,
        count,
        thread: None,
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
        (
            "typing_in_thread",
            "One types in a thread.",
            ServerFrame::Typing {
                room: ROOM,
                users: vec![user("ben")],
                count: 1,
                thread: Some(Seq(42)),
            },
        ),
        (
            "presence_status",
            "Two watched users changed.",
            ServerFrame::Presence {
                users: vec![
                    presence("ben", Presence::Away),
                    UserPresence {
                        last_seen: Some(time(0)),
                        status: Some("on holiday".to_owned()),
                        ..presence("zoë", Presence::Offline)
                    },
                    presence("cleo", Presence::Busy),
                ],
            },
        ),
        (
            "removed_banned",
            "The user was banned.",
            removed(RemovedReason::Banned),
        ),
        (
            "removed_hidden",
            "The user may see the room no more.",
            removed(RemovedReason::Hidden),
        ),
        (
            "passed",
            "Five changes of membership in a large room: the next event has seq 51.",
            ServerFrame::Passed {
                room: ROOM,
                epoch: epoch(),
                from: Seq(46),
                to: Seq(50),
                members: 5_000,
            },
        ),
        (
            "signals",
            "What two users signalled.",
            ServerFrame::Signals {
                room: ROOM,
                signals: vec![signal("ada", vec![0x92, 0x10, 0x20]), signal("ben", vec![])],
            },
        ),
        (
            "occupancy",
            "Everybody who is there.",
            occupancy(2, Some((true, vec![user("ada"), user("ben")], vec![]))),
        ),
        (
            "occupancy_change",
            "One came, one went.",
            occupancy(2, Some((false, vec![user("cleo")], vec![user("ben")]))),
        ),
        (
            "occupancy_large",
            "Too many to name them.",
            occupancy(5_000, None),
        ),
    ]
}

const fn removed(reason: RemovedReason) -> ServerFrame {
    ServerFrame::Removed { room: ROOM, reason }
}

fn signal(name: &str, body: Vec<u8>) -> Signal {
    Signal {
        user: user(name),
        name: SignalName::new("cursor").unwrap(),
        body,
    }
}

fn occupancy(count: u32, change: Option<(bool, Vec<UserId>, Vec<UserId>)>) -> ServerFrame {
    ServerFrame::Occupancy {
        room: ROOM,
        count,
        change: change.map(|(all, came, went)| OccupancyChange { all, came, went }),
    }
}
