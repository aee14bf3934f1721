//! Requests of every kind, by choices. What they name is drawn from a few names, so that they meet.

use homeroom_protocol::{
    AllowedMentions, Availability, Custom, CustomKind, DeviceState, Direction, Draft, Durability,
    Emoji, IdempotencyKey, Mark, Measure, NotificationLevel, Overwrite, OverwriteTarget,
    Permission, Permissions, PlacedMark, Position, Request, Retention, Role, RoleId, RoomChange,
    RoomId, RoomInfo, RoomKind, RoomNumber, Seq, Status, Stream, Timestamp, UserId,
};

use crate::Choices;

/// Those who are named.
pub const USERS: [&str; 4] = ["ada", "bob", "eve", "service:x"];
/// The rooms that are named.
pub const ROOMS: [&str; 3] = ["math", "physics", "art"];
/// How many kinds of request there are.
pub const KINDS: usize = 36;

/// Its number among all kinds. A new kind does not compile before it has one.
#[must_use]
pub const fn number_of(request: &Request) -> usize {
    match request {
        Request::Create { .. } => 0,
        Request::Join { .. } => 1,
        Request::Leave { .. } => 2,
        Request::Send { .. } => 3,
        Request::History { .. } => 4,
        Request::Typing { .. } => 5,
        Request::Presence { .. } => 6,
        Request::Watch { .. } => 7,
        Request::Members { .. } => 8,
        Request::Edit { .. } => 9,
        Request::Delete { .. } => 10,
        Request::React { .. } => 11,
        Request::Pin { .. } => 12,
        Request::Versions { .. } => 13,
        Request::Mark(_) => 14,
        Request::MarkAll { .. } => 15,
        Request::Readers { .. } => 16,
        Request::Follow { .. } => 17,
        Request::Rooms { .. } => 18,
        Request::ChangeRoom { .. } => 19,
        Request::Moderate { .. } => 20,
        Request::Overwrite { .. } => 21,
        Request::Overwrites { .. } => 22,
        Request::Level { .. } => 23,
        Request::Report { .. } => 24,
        Request::Stream { .. } => 25,
        Request::Me => 26,
        Request::Status(_) => 27,
        Request::Block { .. } => 28,
        Request::SetRole(_) => 29,
        Request::RemoveRole { .. } => 30,
        Request::GiveRoles { .. } => 31,
        Request::Roles => 32,
        Request::Policy { .. } => 33,
        Request::Explain { .. } => 34,
        Request::View { .. } => 35,
    }
}

/// What is there to be named.
#[derive(Debug, Clone, Copy)]
pub struct There {
    /// A place in a room, as it is or as it is not.
    pub position: Position,
    /// Now.
    pub now: Timestamp,
}

/// A request of the kind with this number, below [`KINDS`].
///
/// # Panics
/// With another number.
#[must_use]
#[expect(clippy::too_many_lines, reason = "one table, an arm for each kind")]
pub fn request(choices: &mut Choices<'_>, kind: usize, there: There) -> Request {
    let room = room(choices);
    match kind {
        0 => Request::Create {
            key: key(choices),
            room: room_id(choices),
            info: info(choices),
            members: users(choices),
        },
        1 => Request::Join {
            room: room_id(choices),
            resume: choices.flag().then_some(there.position),
        },
        2 => Request::Leave { room },
        3 => Request::Send {
            key: key(choices),
            room,
            draft: draft(choices),
        },
        4 => Request::History {
            room,
            direction: pick(
                choices,
                &[Direction::Before, Direction::After, Direction::Around],
            ),
            anchor: seq(choices),
            limit: limit(choices),
            thread: thread(choices),
        },
        5 => Request::Typing {
            room,
            active: choices.flag(),
            thread: thread(choices),
        },
        6 => Request::Presence {
            state: pick(choices, &[DeviceState::Active, DeviceState::Idle]),
        },
        7 => Request::Watch {
            users: users(choices),
        },
        8 => Request::Members {
            room,
            after: choices.flag().then(|| user(choices)),
            limit: limit(choices),
        },
        9 => Request::Edit {
            key: key(choices),
            room,
            target: seq(choices),
            draft: draft(choices),
        },
        10 => Request::Delete {
            key: key(choices),
            room,
            target: seq(choices),
        },
        11 => Request::React {
            key: key(choices),
            room,
            target: seq(choices),
            emoji: Emoji::new(pick(choices, &["a", "b", "c"])).expect("a valid emoji"),
            on: choices.flag(),
        },
        12 => Request::Pin {
            key: key(choices),
            room,
            target: seq(choices),
            on: choices.flag(),
        },
        13 => Request::Versions {
            room,
            target: seq(choices),
        },
        14 => Request::Mark(PlacedMark {
            room,
            thread: thread(choices),
            mark: Mark {
                generation: u32::from(choices.byte() % 4),
                seq: seq(choices),
            },
            public: choices.flag(),
        }),
        15 => Request::MarkAll {
            rooms: choices.flag().then(|| vec![room]),
        },
        16 => Request::Readers {
            room,
            seq: seq(choices),
            after: choices.flag().then(|| user(choices)),
            limit: limit(choices),
        },
        17 => Request::Follow {
            room,
            thread: seq(choices),
            on: choices.flag(),
        },
        18 => Request::Rooms {
            after: choices.flag().then_some(room),
            limit: limit(choices),
        },
        19 => Request::ChangeRoom {
            key: key(choices),
            room,
            changes: changes(choices),
        },
        20 => Request::Moderate {
            key: key(choices),
            room,
            user: user(choices),
            measure: measure(choices),
            until: moment(choices, there.now),
            reason: choices.flag().then(|| text(choices)),
        },
        21 => Request::Overwrite {
            key: key(choices),
            room,
            target: if choices.flag() {
                OverwriteTarget::User(user(choices))
            } else {
                OverwriteTarget::Role(role(choices))
            },
            overwrite: Overwrite {
                deny: permissions(choices),
                allow: permissions(choices),
            },
        },
        22 => Request::Overwrites { room },
        _ => of_people(choices, kind, (room, there)),
    }
}

fn of_people(
    choices: &mut Choices<'_>,
    kind: usize,
    (room, there): (RoomNumber, There),
) -> Request {
    match kind {
        23 => Request::Level {
            room,
            level: pick(
                choices,
                &[
                    NotificationLevel::All,
                    NotificationLevel::Mentions,
                    NotificationLevel::Nothing,
                ],
            ),
        },
        24 => Request::Report {
            key: key(choices),
            room,
            target: seq(choices),
            reason: text(choices),
        },
        25 => Request::Stream {
            stream: pick(choices, &[Stream::Personal, Stream::Reports]),
            resume: choices.flag().then_some(there.position),
        },
        26 => Request::Me,
        27 => Request::Status(Status {
            availability: pick(
                choices,
                &[
                    Availability::Automatic,
                    Availability::Away,
                    Availability::Busy,
                    Availability::Invisible,
                ],
            ),
            text: choices.flag().then(|| text(choices)),
            expires: moment(choices, there.now),
        }),
        28 => Request::Block {
            user: user(choices),
            on: choices.flag(),
        },
        29 => Request::SetRole(set_role(choices)),
        30 => Request::RemoveRole {
            role: role(choices),
        },
        31 => Request::GiveRoles {
            user: user(choices),
            roles: roles(choices),
        },
        32 => Request::Roles,
        33 => Request::Policy {
            apart: few(choices, |choices| (role(choices), role(choices))),
        },
        34 => Request::Explain {
            room: choices.flag().then_some(room),
            user: choices.flag().then(|| user(choices)),
            permission: permission(choices),
        },
        35 => Request::View {
            room: choices.flag().then_some(room),
            thread: thread(choices),
        },
        other => panic!("there is no kind {other}"),
    }
}

/// A role with any rank and permissions.
pub fn set_role(choices: &mut Choices<'_>) -> Role {
    Role {
        role: role(choices),
        name: text(choices),
        rank: u32::from(choices.byte() % 4),
        allow: permissions(choices),
        prohibit: if choices.byte().is_multiple_of(8) {
            permissions(choices)
        } else {
            Permissions::NONE
        },
    }
}

/// Up to three roles.
pub fn roles(choices: &mut Choices<'_>) -> Vec<RoleId> {
    few(choices, role)
}

/// One of a few users.
pub fn user(choices: &mut Choices<'_>) -> UserId {
    UserId::new(pick(choices, &USERS)).expect("a valid user id")
}

/// One of a few ids of rooms.
pub fn room_id(choices: &mut Choices<'_>) -> RoomId {
    RoomId::new(pick(choices, &ROOMS)).expect("a valid room id")
}

/// A measure.
pub fn measure(choices: &mut Choices<'_>) -> Measure {
    pick(
        choices,
        &[
            Measure::Invite,
            Measure::Uninvite,
            Measure::Add,
            Measure::Remove,
            Measure::Ban,
            Measure::Unban,
            Measure::Mute,
            Measure::Unmute,
        ],
    )
}

/// A key that is used more than once now and then.
pub fn key(choices: &mut Choices<'_>) -> IdempotencyKey {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&choices.number().to_be_bytes());
    IdempotencyKey(bytes)
}

/// A low seq, as a rule.
pub fn seq(choices: &mut Choices<'_>) -> Seq {
    Seq(choices.number() % (1 << 53))
}

/// What somebody says.
pub fn draft(choices: &mut Choices<'_>) -> Draft {
    let extras = choices.byte();
    let has = |bit: u8| extras & (1 << bit) != 0;
    Draft {
        text: text(choices),
        thread: has(0).then(|| seq(choices)),
        reply_to: has(1).then(|| seq(choices)),
        allowed_mentions: has(2).then(|| AllowedMentions {
            users: choices.flag().then(|| users(choices)),
            roles: choices.flag(),
            room: choices.flag(),
        }),
        custom: has(3).then(|| Custom {
            kind: CustomKind::new("poll").expect("a valid kind"),
            body: choices.bytes().to_vec(),
        }),
        attachments: if has(4) { vec![text(choices)] } else { vec![] },
        quiet: has(5),
    }
}

/// What a room is like.
pub fn info(choices: &mut Choices<'_>) -> RoomInfo {
    let plain = choices.flag();
    if plain {
        return RoomInfo::default();
    }
    RoomInfo {
        title: choices.flag().then(|| text(choices)),
        kind: room_kind(choices),
        topic: choices.flag().then(|| text(choices)),
        metadata: choices.bytes().to_vec(),
        retention: retention(choices),
        durability: pick(choices, &[Durability::Synced, Durability::None]),
        slow_mode_ms: u32::from(choices.byte() % 4) * 1_000,
        archived: choices.byte() == 0,
    }
}

/// Up to three changes of a room.
pub fn changes(choices: &mut Choices<'_>) -> Vec<RoomChange> {
    few(choices, |choices| match choices.below(7) {
        0 => RoomChange::Kind(room_kind(choices)),
        1 => RoomChange::Title(choices.flag().then(|| text(choices))),
        2 => RoomChange::Topic(choices.flag().then(|| text(choices))),
        3 => RoomChange::Metadata(choices.bytes().to_vec()),
        4 => RoomChange::Retention(retention(choices)),
        5 => RoomChange::SlowMode(u32::from(choices.byte()) * 100),
        _ => RoomChange::Archived(choices.flag()),
    })
}

fn room_kind(choices: &mut Choices<'_>) -> RoomKind {
    pick(
        choices,
        &[
            RoomKind::Open,
            RoomKind::Private,
            RoomKind::Direct,
            RoomKind::Announcement,
            RoomKind::Personal,
            RoomKind::Moderation,
        ],
    )
}

fn retention(choices: &mut Choices<'_>) -> Retention {
    match choices.below(3) {
        0 => Retention::All,
        1 => Retention::Days(u32::from(choices.byte() % 4)),
        _ => Retention::Messages(u32::from(choices.byte() % 8)),
    }
}

fn permission(choices: &mut Choices<'_>) -> Permission {
    pick(choices, &Permission::ALL)
}

/// None, one, or all there are.
fn permissions(choices: &mut Choices<'_>) -> Permissions {
    match choices.below(4) {
        0 => Permissions::NONE,
        1 => Permissions::ALL,
        _ => Permissions::of(&[permission(choices)]),
    }
}

fn room(choices: &mut Choices<'_>) -> RoomNumber {
    RoomNumber(u32::from(choices.byte()) % 8)
}

fn role(choices: &mut Choices<'_>) -> RoleId {
    RoleId(u32::from(choices.byte()) % 4)
}

fn thread(choices: &mut Choices<'_>) -> Option<Seq> {
    choices.flag().then(|| seq(choices))
}

fn limit(choices: &mut Choices<'_>) -> u32 {
    u32::from(choices.byte())
}

fn users(choices: &mut Choices<'_>) -> Vec<UserId> {
    few(choices, user)
}

fn moment(choices: &mut Choices<'_>, now: Timestamp) -> Option<Timestamp> {
    let soon = choices.number();
    (soon > 0).then(|| Timestamp(now.0.saturating_add(soon.saturating_mul(1_000)) % (1 << 53)))
}

/// A text of a few words, or past the limit.
pub fn text(choices: &mut Choices<'_>) -> String {
    match choices.byte() {
        255 => "é".repeat(16 * 1024),
        254 => "é".repeat(1024),
        252 | 253 => "<@ada> <@&1> <!room> hi".to_owned(),
        some => "é".repeat(usize::from(some % 4)),
    }
}

fn few<T>(choices: &mut Choices<'_>, mut one: impl FnMut(&mut Choices<'_>) -> T) -> Vec<T> {
    (0..choices.below(4)).map(|_| one(choices)).collect()
}

fn pick<T: Copy>(choices: &mut Choices<'_>, from: &[T]) -> T {
    from[choices.below(from.len())]
}

#[cfg(test)]
mod tests {
    use homeroom_protocol::Epoch;

    use super::*;

    #[test]
    fn each_kind_is_made_under_its_number() {
        let there = There {
            position: Position {
                epoch: Epoch::from_random(7 << 20),
                seq: Seq(1),
            },
            now: Timestamp(0),
        };
        for kind in 0..KINDS {
            let made = request(&mut Choices::new(&[1; 64]), kind, there);
            assert_eq!(number_of(&made), kind);
        }
    }
}
