//! Values of the nouns that several frames have: messages, rooms, roles, statuses.

use homeroom_protocol::{
    AllowedMentions, Availability, Custom, CustomKind, Draft, Durability, Mark, Mentions, Message,
    MessageState, NotificationLevel, Overwrite, OverwriteTarget, PlacedMark, Reaction, Retention,
    Role, RoomChange, RoomInfo, RoomKind, Status, ThreadSummary,
};
use proptest::{collection::vec, option, prelude::*};

use super::value::{
    bytes, emoji, integer, permissions, role_id, roles, room, seq, text, time, user, users,
};

fn custom() -> BoxedStrategy<Custom> {
    let kind = "[a-z.]{1,64}".prop_map(|kind| CustomKind::new(kind).unwrap());
    (kind, bytes())
        .prop_map(|(kind, body)| Custom { kind, body })
        .boxed()
}

fn attachments() -> impl Strategy<Value = Vec<String>> {
    vec("[a-z/]{0,20}", 0..3)
}

pub(crate) fn draft() -> BoxedStrategy<Draft> {
    let allowed_mentions = (option::of(users()), any::<bool>(), any::<bool>())
        .prop_map(|(users, roles, room)| AllowedMentions { users, roles, room });
    (
        text(),
        option::of(seq()),
        option::of(seq()),
        option::of(allowed_mentions),
        option::of(custom()),
        attachments(),
        any::<bool>(),
    )
        .prop_map(
            |(text, thread, reply_to, allowed_mentions, custom, attachments, quiet)| Draft {
                text,
                thread,
                reply_to,
                allowed_mentions,
                custom,
                attachments,
                quiet,
            },
        )
        .boxed()
}

pub(crate) fn message() -> BoxedStrategy<Message> {
    let mentions = (users(), roles(), any::<bool>()).prop_map(|(users, roles, room)| Mentions {
        users,
        roles,
        room,
    });
    (
        (text(), option::of(seq()), option::of(seq()), mentions),
        option::of(custom()),
        attachments(),
        any::<bool>(),
        option::of(state().prop_map(Box::new)),
    )
        .prop_map(
            |((text, thread, reply_to, mentions), custom, attachments, quiet, state)| Message {
                text,
                thread,
                reply_to,
                mentions,
                custom,
                attachments,
                quiet,
                state,
            },
        )
        .boxed()
}

fn state() -> BoxedStrategy<MessageState> {
    (
        prop_oneof![Just(0), any::<u32>()],
        option::of(time()),
        vec(reaction(), 0..3),
        option::of(summary()),
        any::<bool>(),
    )
        .prop_map(
            |(version, edited, reactions, thread, pinned)| MessageState {
                version,
                edited,
                reactions,
                thread,
                pinned,
            },
        )
        .boxed()
}

pub(crate) fn reaction() -> BoxedStrategy<Reaction> {
    (emoji(), any::<u32>(), users(), any::<bool>())
        .prop_map(|(emoji, count, users, me)| Reaction {
            emoji,
            count,
            users,
            me,
        })
        .boxed()
}

pub(crate) fn summary() -> impl Strategy<Value = ThreadSummary> {
    (any::<u32>(), seq()).prop_map(|(replies, newest)| ThreadSummary { replies, newest })
}

fn kind() -> impl Strategy<Value = RoomKind> {
    prop::sample::select(vec![
        RoomKind::Open,
        RoomKind::Private,
        RoomKind::Direct,
        RoomKind::Announcement,
        RoomKind::Personal,
        RoomKind::Moderation,
    ])
}

fn retention() -> impl Strategy<Value = Retention> {
    prop_oneof![
        Just(Retention::All),
        (1..=36_500_u32).prop_map(Retention::Days),
        (1..=10_000_000_u32).prop_map(Retention::Messages),
    ]
}

fn slow_mode_ms() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), 0..=86_400_000_u32]
}

pub(crate) fn info() -> BoxedStrategy<RoomInfo> {
    let durability = prop::sample::select(vec![Durability::Synced, Durability::None]);
    let full = (
        kind(),
        option::of(text()),
        option::of(text()),
        bytes(),
        retention(),
        durability,
        slow_mode_ms(),
        any::<bool>(),
    )
        .prop_map(
            |(kind, title, topic, metadata, retention, durability, slow_mode_ms, archived)| {
                RoomInfo {
                    kind,
                    title,
                    topic,
                    metadata,
                    retention,
                    durability,
                    slow_mode_ms,
                    archived,
                }
            },
        );
    prop_oneof![Just(RoomInfo::default()), full].boxed()
}

pub(crate) fn changes() -> BoxedStrategy<Vec<RoomChange>> {
    let change = prop_oneof![
        kind().prop_map(RoomChange::Kind),
        option::of(text()).prop_map(RoomChange::Title),
        option::of(text()).prop_map(RoomChange::Topic),
        bytes().prop_map(RoomChange::Metadata),
        retention().prop_map(RoomChange::Retention),
        slow_mode_ms().prop_map(RoomChange::SlowMode),
        any::<bool>().prop_map(RoomChange::Archived),
    ];
    vec(change, 0..=8).boxed()
}

pub(crate) fn mark() -> impl Strategy<Value = Mark> {
    (any::<u32>(), seq()).prop_map(|(generation, seq)| Mark { generation, seq })
}

pub(crate) fn placed_mark() -> BoxedStrategy<PlacedMark> {
    (room(), option::of(seq()), mark(), any::<bool>())
        .prop_map(|(room, thread, mark, public)| PlacedMark {
            room,
            thread,
            mark,
            public,
        })
        .boxed()
}

pub(crate) fn level() -> impl Strategy<Value = NotificationLevel> {
    prop::sample::select(vec![
        NotificationLevel::All,
        NotificationLevel::Mentions,
        NotificationLevel::Nothing,
    ])
}

pub(crate) fn status() -> BoxedStrategy<Status> {
    let availability = prop::sample::select(vec![
        Availability::Automatic,
        Availability::Away,
        Availability::Busy,
        Availability::Invisible,
    ]);
    (
        availability,
        option::of(text().prop_map(short)),
        option::of(time()),
    )
        .prop_map(|(availability, text, expires)| Status {
            availability,
            text,
            expires,
        })
        .boxed()
}

/// At most 120 bytes.
fn short(text: String) -> String {
    text.chars().take(30).collect()
}

pub(crate) fn role() -> BoxedStrategy<Role> {
    let name = text().prop_map(|name| name.chars().take(16).collect());
    let prohibit = prop_oneof![Just(homeroom_protocol::Permissions::NONE), permissions()];
    (role_id(), name, any::<u32>(), permissions(), prohibit)
        .prop_map(|(role, name, rank, allow, prohibit)| Role {
            role,
            name,
            rank,
            allow,
            prohibit,
        })
        .boxed()
}

pub(crate) fn target() -> impl Strategy<Value = OverwriteTarget> {
    prop_oneof![
        role_id().prop_map(OverwriteTarget::Role),
        user().prop_map(OverwriteTarget::User),
    ]
}

pub(crate) fn overwrite() -> impl Strategy<Value = Overwrite> {
    (permissions(), permissions()).prop_map(|(deny, allow)| Overwrite { deny, allow })
}

/// A count of 32 bits that is often 0.
pub(crate) fn count() -> impl Strategy<Value = u32> {
    integer().prop_map(|number| u32::try_from(number).unwrap_or(0))
}
