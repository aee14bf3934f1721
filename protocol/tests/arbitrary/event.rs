//! Any event.

use homeroom_protocol::{EventBody, PlaceChange, Reported, TimelineEvent};
use proptest::{collection::vec, option, prelude::*};

use super::{
    content::{
        changes, info, level, message, overwrite, placed_mark, reaction, status, summary, target,
    },
    value::{integer, roles, room, room_id, seq, text, time, user, users},
};

pub(crate) fn event() -> BoxedStrategy<TimelineEvent> {
    (integer(), time(), user(), event_body())
        .prop_map(|(seq, time, author, body)| TimelineEvent {
            seq: homeroom_protocol::Seq(seq),
            time,
            author,
            body,
        })
        .boxed()
}

/// Any body of an event.
pub(crate) fn event_body() -> BoxedStrategy<EventBody> {
    prop_oneof![of_room(), of_message(), of_person()].boxed()
}

fn of_room() -> BoxedStrategy<EventBody> {
    let until = || (user(), option::of(time()), option::of(text()));
    prop_oneof![
        (option::of(room_id()), info(), users())
            .prop_map(|(id, info, members)| EventBody::RoomCreated { id, info, members }),
        Just(EventBody::MemberJoined),
        Just(EventBody::MemberLeft),
        user().prop_map(|member| EventBody::MemberAdded { member }),
        user().prop_map(|member| EventBody::MemberRemoved { member }),
        changes().prop_map(|changes| EventBody::RoomChanged { changes }),
        user().prop_map(|user| EventBody::MemberInvited { user }),
        user().prop_map(|user| EventBody::MemberUninvited { user }),
        until().prop_map(|(user, until, reason)| EventBody::MemberBanned {
            user,
            until,
            reason
        }),
        user().prop_map(|user| EventBody::MemberUnbanned { user }),
        until().prop_map(|(user, until, reason)| EventBody::MemberMuted {
            user,
            until,
            reason
        }),
        user().prop_map(|user| EventBody::MemberUnmuted { user }),
        (target(), overwrite())
            .prop_map(|(target, overwrite)| EventBody::OverwriteSet { target, overwrite }),
        (1000..=u32::MAX).prop_map(|kind| EventBody::Unknown { kind }),
    ]
    .boxed()
}

fn of_message() -> BoxedStrategy<EventBody> {
    let reported = (
        (room(), room_id(), seq()),
        (user(), time(), message(), text()),
    );
    prop_oneof![
        message().prop_map(EventBody::Message),
        (seq(), message(), any::<u32>()).prop_map(|(target, message, version)| {
            EventBody::MessageEdited {
                target,
                message,
                version,
            }
        }),
        (seq(), any::<bool>()).prop_map(|(target, by_moderator)| EventBody::MessageDeleted {
            target,
            by_moderator,
        }),
        (seq(), reaction(), any::<bool>()).prop_map(|(target, reaction, on)| {
            EventBody::ReactionSet {
                target,
                reaction,
                on,
            }
        }),
        (seq(), any::<bool>()).prop_map(|(target, on)| EventBody::PinSet { target, on }),
        (option::of(seq()), option::of(summary()), any::<bool>()).prop_map(
            |(thread, summary, by_moderator)| EventBody::Tombstone {
                thread,
                summary,
                by_moderator,
            }
        ),
        reported.prop_map(|((room, id, target), (author, time, message, reason))| {
            EventBody::Reported(Box::new(Reported {
                room,
                id,
                target,
                author,
                time,
                message,
                reason,
            }))
        }),
    ]
    .boxed()
}

fn of_person() -> BoxedStrategy<EventBody> {
    let change = prop::sample::select(vec![
        PlaceChange::Joined,
        PlaceChange::Left,
        PlaceChange::Added,
        PlaceChange::Removed,
        PlaceChange::Invited,
        PlaceChange::Uninvited,
        PlaceChange::Banned,
        PlaceChange::Unbanned,
    ]);
    prop_oneof![
        Just(EventBody::StreamOpened),
        (room(), room_id(), change, user()).prop_map(|(room, id, change, by)| {
            EventBody::PlaceChanged {
                room,
                id,
                change,
                by,
            }
        }),
        vec(placed_mark(), 0..20).prop_map(|marks| EventBody::Marked { marks }),
        status().prop_map(|status| EventBody::StatusSet { status }),
        (room(), level()).prop_map(|(room, level)| EventBody::LevelSet { room, level }),
        (user(), any::<bool>()).prop_map(|(user, on)| EventBody::BlockSet { user, on }),
        roles().prop_map(|roles| EventBody::RolesGiven { roles }),
        (room(), seq(), any::<bool>()).prop_map(|(room, thread, on)| EventBody::ThreadFollowed {
            room,
            thread,
            on
        }),
    ]
    .boxed()
}
