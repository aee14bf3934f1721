//! What an event says.

use homeroom_protocol::{EventBody, TimelineEvent, Timestamp, UserId};

use super::{
    choice,
    json::{Field, always, fields, list, number, object, optional, text, unless},
    noun,
};

pub(crate) fn event(event: &TimelineEvent) -> String {
    fields(vec![
        always("seq", number(event.seq.0)),
        always("time", number(event.time.0)),
        always("author", text(event.author.as_str())),
        always("body", body(&event.body)),
    ])
}

/// The name of its kind in `SPEC.md`, then its fields in the order of the wire.
#[expect(clippy::too_many_lines, reason = "one table, an arm for each event")]
pub(crate) fn body(body: &EventBody) -> String {
    match body {
        EventBody::RoomCreated { id, info, members } => {
            let title = always("title", optional(info.title.as_ref(), text));
            let id = optional(id.as_ref(), |id| text(id.as_str()));
            let rest = vec![
                unless("null", "id", id),
                unless("[]", "members", noun::users(members)),
            ];
            object(
                "room_created",
                [vec![title], noun::info_behind_title(info), rest].concat(),
            )
        }
        EventBody::MemberJoined => object("member_joined", vec![]),
        EventBody::MemberLeft => object("member_left", vec![]),
        EventBody::MemberAdded { member } => of("member_added", "member", member),
        EventBody::MemberRemoved { member } => of("member_removed", "member", member),
        EventBody::RoomChanged { changes } => object(
            "room_changed",
            vec![always("changes", noun::changes(changes))],
        ),
        EventBody::MemberInvited { user } => of("member_invited", "user", user),
        EventBody::MemberUninvited { user } => of("member_uninvited", "user", user),
        EventBody::MemberBanned {
            user,
            until,
            reason,
        } => object("member_banned", measure(user, *until, reason.as_ref())),
        EventBody::MemberUnbanned { user } => of("member_unbanned", "user", user),
        EventBody::MemberMuted {
            user,
            until,
            reason,
        } => object("member_muted", measure(user, *until, reason.as_ref())),
        EventBody::MemberUnmuted { user } => of("member_unmuted", "user", user),
        EventBody::OverwriteSet { target, overwrite } => {
            object("overwrite_set", noun::overwrite(target, *overwrite))
        }
        EventBody::Message(message) => object("message", noun::message(message)),
        EventBody::MessageEdited {
            target,
            message,
            version,
        } => {
            let edit = vec![
                always("target", number(target.0)),
                always("version", number(*version)),
            ];
            object("message_edited", [edit, noun::message(message)].concat())
        }
        EventBody::MessageDeleted {
            target,
            by_moderator,
        } => object(
            "message_deleted",
            vec![
                always("target", number(target.0)),
                unless("false", "by_moderator", by_moderator.to_string()),
            ],
        ),
        EventBody::ReactionSet {
            target,
            reaction,
            on,
        } => object(
            "reaction_set",
            vec![
                always("target", number(target.0)),
                always("reaction", noun::reaction(reaction)),
                always("on", on.to_string()),
            ],
        ),
        EventBody::PinSet { target, on } => object(
            "pin_set",
            vec![
                always("target", number(target.0)),
                always("on", on.to_string()),
            ],
        ),
        EventBody::Tombstone {
            thread,
            summary,
            by_moderator,
        } => object(
            "tombstone",
            vec![
                unless("null", "thread", noun::seq(*thread)),
                unless("null", "summary", noun::summary(summary.as_ref())),
                unless("false", "by_moderator", by_moderator.to_string()),
            ],
        ),
        EventBody::Reported(reported) => {
            let report = vec![
                always("room", number(reported.room.0)),
                always("id", text(reported.id.as_str())),
                always("target", number(reported.target.0)),
                always("author", text(reported.author.as_str())),
                always("time", number(reported.time.0)),
                always("reason", text(&reported.reason)),
            ];
            object(
                "reported",
                [report, noun::message(&reported.message)].concat(),
            )
        }
        EventBody::StreamOpened => object("stream_opened", vec![]),
        EventBody::PlaceChanged {
            room,
            id,
            change,
            by,
        } => object(
            "place_changed",
            vec![
                always("room", number(room.0)),
                always("id", text(id.as_str())),
                always("change", choice::place_change(*change)),
                always("by", text(by.as_str())),
            ],
        ),
        EventBody::Marked { marks } => {
            let marks = list(marks, |mark| fields(noun::placed_mark(mark)));
            object("marked", vec![always("marks", marks)])
        }
        EventBody::StatusSet { status } => object("status_set", noun::status(status)),
        EventBody::LevelSet { room, level } => object(
            "level_set",
            vec![
                always("room", number(room.0)),
                always("level", choice::level(*level)),
            ],
        ),
        EventBody::BlockSet { user, on } => object(
            "block_set",
            vec![
                always("user", text(user.as_str())),
                always("on", on.to_string()),
            ],
        ),
        EventBody::RolesGiven { roles } => {
            object("roles_given", vec![always("roles", noun::roles(roles))])
        }
        EventBody::ThreadFollowed { room, thread, on } => object(
            "thread_followed",
            vec![
                always("room", number(room.0)),
                always("thread", number(thread.0)),
                always("on", on.to_string()),
            ],
        ),
        EventBody::Unknown { kind } => object("unknown", vec![always("number", number(*kind))]),
    }
}

fn of(kind: &str, name: &'static str, user: &UserId) -> String {
    object(kind, vec![always(name, text(user.as_str()))])
}

fn measure(user: &UserId, until: Option<Timestamp>, reason: Option<&String>) -> Vec<Field> {
    vec![
        always("user", text(user.as_str())),
        unless("null", "until", noun::time(until)),
        unless("null", "reason", optional(reason, text)),
    ]
}
