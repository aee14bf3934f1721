//! What several frames have: messages, rooms, people.

use homeroom_protocol::{
    Custom, Draft, Mark, Mentions, Message, MessageState, Overwrite, OverwriteTarget, PlacedMark,
    Position, Reaction, Retention, Role, RoleId, RoomChange, RoomEntry, RoomInfo, Seq, Status,
    ThreadSummary, Timestamp, UserId, UserPresence,
};

use super::{
    choice,
    json::{Field, always, fields, hex, list, number, optional, text, unless},
};

pub(crate) fn position(position: &Position) -> String {
    fields(vec![
        always("epoch", number(position.epoch.get())),
        always("seq", number(position.seq.0)),
    ])
}

pub(crate) fn users(users: &[UserId]) -> String {
    list(users, |user| text(user.as_str()))
}

pub(crate) fn roles(roles: &[RoleId]) -> String {
    list(roles, |role| number(role.0))
}

pub(crate) fn user(user: Option<&UserId>) -> String {
    optional(user, |user| text(user.as_str()))
}

pub(crate) fn seq(seq: Option<Seq>) -> String {
    optional(seq.as_ref(), |seq| number(seq.0))
}

pub(crate) fn time(time: Option<Timestamp>) -> String {
    optional(time.as_ref(), |time| number(time.0))
}

pub(crate) fn draft(draft: &Draft) -> Vec<Field> {
    let allowed = optional(draft.allowed_mentions.as_ref(), |allowed| {
        fields(vec![
            unless(
                "null",
                "users",
                optional(allowed.users.as_ref(), |named| users(named)),
            ),
            unless("false", "roles", allowed.roles.to_string()),
            unless("false", "room", allowed.room.to_string()),
        ])
    });
    vec![
        always("text", text(&draft.text)),
        unless("null", "thread", seq(draft.thread)),
        unless("null", "reply_to", seq(draft.reply_to)),
        unless("null", "allowed_mentions", allowed),
        unless("null", "custom", custom(draft.custom.as_ref())),
        unless("[]", "attachments", list(&draft.attachments, text)),
        unless("false", "quiet", draft.quiet.to_string()),
    ]
}

pub(crate) fn message(message: &Message) -> Vec<Field> {
    let mentioned = Some(&message.mentions).filter(|mentions| !mentions.is_empty());
    vec![
        always("text", text(&message.text)),
        unless("null", "thread", seq(message.thread)),
        unless("null", "reply_to", seq(message.reply_to)),
        unless("null", "mentions", optional(mentioned, mentions)),
        unless("null", "custom", custom(message.custom.as_ref())),
        unless("[]", "attachments", list(&message.attachments, text)),
        unless("false", "quiet", message.quiet.to_string()),
        unless("null", "state", optional(message.state.as_deref(), state)),
    ]
}

fn custom(part: Option<&Custom>) -> String {
    optional(part, |part| {
        fields(vec![
            always("kind", text(part.kind.as_str())),
            always("body", hex(&part.body)),
        ])
    })
}

fn mentions(mentions: &Mentions) -> String {
    fields(vec![
        unless("[]", "users", users(&mentions.users)),
        unless("[]", "roles", roles(&mentions.roles)),
        unless("false", "room", mentions.room.to_string()),
    ])
}

fn state(state: &MessageState) -> String {
    fields(vec![
        unless("0", "version", number(state.version)),
        unless("null", "edited", time(state.edited)),
        unless("[]", "reactions", list(&state.reactions, reaction)),
        unless("null", "thread", summary(state.thread.as_ref())),
        unless("false", "pinned", state.pinned.to_string()),
    ])
}

pub(crate) fn reaction(reaction: &Reaction) -> String {
    fields(vec![
        always("emoji", text(reaction.emoji.as_str())),
        always("count", number(reaction.count)),
        always("users", users(&reaction.users)),
        unless("false", "me", reaction.me.to_string()),
    ])
}

pub(crate) fn summary(thread: Option<&ThreadSummary>) -> String {
    optional(thread, |thread| {
        fields(vec![
            always("replies", number(thread.replies)),
            always("newest", number(thread.newest.0)),
        ])
    })
}

pub(crate) fn info(info: &RoomInfo) -> Vec<Field> {
    let title = unless("null", "title", optional(info.title.as_ref(), text));
    [vec![title], info_behind_title(info)].concat()
}

pub(crate) fn info_behind_title(info: &RoomInfo) -> Vec<Field> {
    let kept = Some(&info.retention).filter(|&&kept| kept != Retention::All);
    vec![
        unless("\"open\"", "room_kind", choice::room_kind(info.kind)),
        unless("null", "topic", optional(info.topic.as_ref(), text)),
        unless("\"\"", "metadata", hex(&info.metadata)),
        unless("null", "retention", optional(kept, retention)),
        unless(
            "\"synced\"",
            "durability",
            choice::durability(info.durability),
        ),
        unless("0", "slow_mode_ms", number(info.slow_mode_ms)),
        unless("false", "archived", info.archived.to_string()),
    ]
}

fn retention(retention: &Retention) -> String {
    match retention {
        Retention::All => text("all"),
        Retention::Days(days) => fields(vec![always("days", number(*days))]),
        Retention::Messages(count) => fields(vec![always("messages", number(*count))]),
    }
}

pub(crate) fn changes(changes: &[RoomChange]) -> String {
    list(changes, |change| {
        let (name, value) = match change {
            RoomChange::Kind(kind) => ("room_kind", choice::room_kind(*kind)),
            RoomChange::Title(title) => ("title", optional(title.as_ref(), text)),
            RoomChange::Topic(topic) => ("topic", optional(topic.as_ref(), text)),
            RoomChange::Metadata(metadata) => ("metadata", hex(metadata)),
            RoomChange::Retention(kept) => ("retention", retention(kept)),
            RoomChange::SlowMode(ms) => ("slow_mode_ms", number(*ms)),
            RoomChange::Archived(archived) => ("archived", archived.to_string()),
        };
        fields(vec![always(name, value)])
    })
}

pub(crate) fn placed_mark(placed: &PlacedMark) -> Vec<Field> {
    let place = vec![
        always("room", number(placed.room.0)),
        always("thread", seq(placed.thread)),
    ];
    let public = unless("false", "public", placed.public.to_string());
    [place, mark(placed.mark), vec![public]].concat()
}

pub(crate) fn mark(mark: Mark) -> Vec<Field> {
    vec![
        always("generation", number(mark.generation)),
        always("seq", number(mark.seq.0)),
    ]
}

pub(crate) fn entry(entry: &RoomEntry) -> String {
    let head = vec![
        always("room", number(entry.room.0)),
        always("id", text(entry.id.as_str())),
        always("standing", choice::standing(entry.standing)),
        always("info", fields(info(&entry.info))),
        always("head", position(&entry.head)),
        always("time", number(entry.time.0)),
        always("members", number(entry.members)),
        always("permissions", number(entry.permissions.0)),
    ];
    let counts = vec![
        always("unread", number(entry.unread)),
        always("mentions", number(entry.mentions)),
        unless("\"all\"", "level", choice::level(entry.level)),
    ];
    fields([head, mark(entry.mark), counts].concat())
}

pub(crate) fn presences(users: &[UserPresence]) -> String {
    list(users, |user| {
        fields(vec![
            always("user", text(user.user.as_str())),
            always("presence", choice::presence(user.presence)),
            unless("null", "last_seen", time(user.last_seen)),
            unless("null", "status", optional(user.status.as_ref(), text)),
        ])
    })
}

pub(crate) fn status(status: &Status) -> Vec<Field> {
    vec![
        unless(
            "\"automatic\"",
            "availability",
            choice::availability(status.availability),
        ),
        unless("null", "text", optional(status.text.as_ref(), text)),
        unless("null", "expires", time(status.expires)),
    ]
}

pub(crate) fn role(role: &Role) -> Vec<Field> {
    vec![
        always("role", number(role.role.0)),
        always("name", text(&role.name)),
        always("rank", number(role.rank)),
        always("allow", number(role.allow.0)),
        unless("0", "prohibit", number(role.prohibit.0)),
    ]
}

pub(crate) fn overwrite(target: &OverwriteTarget, overwrite: Overwrite) -> Vec<Field> {
    let target = match target {
        OverwriteTarget::Role(role) => fields(vec![always("role", number(role.0))]),
        OverwriteTarget::User(user) => fields(vec![always("user", text(user.as_str()))]),
    };
    vec![
        always("target", target),
        always("deny", number(overwrite.deny.0)),
        always("allow", number(overwrite.allow.0)),
    ]
}
