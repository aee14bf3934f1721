//! Which form a frame has. A new variant does not compile until it is named here, and a name without
//! an example fails the test. Choices are found in what an example says, by the names of all of them.

use homeroom_protocol::{
    Auth, ClientFrame, EventBody, OverwriteTarget, Request, Retention, RoomChange, ServerFrame,
};

use super::describe::choice;

/// The name of a variant, and the list of all names.
macro_rules! forms {
    ($name:ident, $all:ident, $type:ty, { $($pattern:pat => $form:literal),+ $(,)? }) => {
        fn $name(value: &$type) -> &'static str {
            match value {
                $($pattern => $form),+
            }
        }

        const $all: &[&str] = &[$($form),+];
    };
}

forms!(request, REQUESTS, Request, {
    Request::Create { .. } => "create",
    Request::Join { .. } => "join",
    Request::Leave { .. } => "leave",
    Request::Send { .. } => "send",
    Request::History { .. } => "history",
    Request::Typing { .. } => "set typing",
    Request::Presence { .. } => "set presence",
    Request::Watch { .. } => "watch",
    Request::Members { .. } => "list members",
    Request::Edit { .. } => "edit",
    Request::Delete { .. } => "delete",
    Request::React { .. } => "react",
    Request::Pin { .. } => "pin",
    Request::Versions { .. } => "versions",
    Request::Mark(_) => "mark",
    Request::MarkAll { rooms: None } => "mark all",
    Request::MarkAll { rooms: Some(_) } => "mark all of some",
    Request::Readers { .. } => "list readers",
    Request::Follow { .. } => "follow",
    Request::Rooms { .. } => "list rooms",
    Request::ChangeRoom { .. } => "change room",
    Request::Moderate { .. } => "moderate",
    Request::Overwrite { .. } => "set overwrite",
    Request::Overwrites { .. } => "list overwrites",
    Request::Level { .. } => "set level",
    Request::Report { .. } => "report",
    Request::Stream { .. } => "open stream",
    Request::Me => "get me",
    Request::Status(_) => "set status",
    Request::Block { .. } => "block",
    Request::SetRole(_) => "set role",
    Request::RemoveRole { .. } => "remove role",
    Request::GiveRoles { .. } => "give roles",
    Request::Roles => "list roles",
    Request::Policy { .. } => "set policy",
    Request::Explain { .. } => "explain",
    Request::View { .. } => "view",
});

forms!(auth, AUTHS, Auth, {
    Auth::Guest { .. } => "guest",
    Auth::Token(_) => "token",
});

forms!(client_frame, CLIENT_FRAMES, ClientFrame, {
    ClientFrame::Hello(_) => "hello",
    ClientFrame::Ping { .. } => "ping",
    ClientFrame::Signal { .. } => "signal",
    ClientFrame::Request { .. } => "request",
});

forms!(server_frame, SERVER_FRAMES, ServerFrame, {
    ServerFrame::Welcome(_) => "welcome",
    ServerFrame::Pong { .. } => "pong",
    ServerFrame::Done { .. } => "done",
    ServerFrame::Error { .. } => "error",
    ServerFrame::Created { .. } => "created",
    ServerFrame::Joined { .. } => "joined",
    ServerFrame::Sent { .. } => "sent",
    ServerFrame::Page { .. } => "page",
    ServerFrame::Watching { .. } => "watching",
    ServerFrame::Members { .. } => "members",
    ServerFrame::Marked { .. } => "marked",
    ServerFrame::Readers { .. } => "readers",
    ServerFrame::Rooms { .. } => "rooms",
    ServerFrame::Overwrites { .. } => "overwrites",
    ServerFrame::Me { .. } => "me",
    ServerFrame::Roles { .. } => "roles",
    ServerFrame::Explained { .. } => "explained",
    ServerFrame::Event { .. } => "event",
    ServerFrame::Typing { .. } => "typing",
    ServerFrame::Presence { .. } => "presence",
    ServerFrame::Reset { .. } => "reset",
    ServerFrame::Removed { .. } => "removed",
    ServerFrame::Dropped { .. } => "dropped",
    ServerFrame::Passed { .. } => "passed",
    ServerFrame::Signals { .. } => "signals",
    ServerFrame::Occupancy { change: Some(_), .. } => "occupancy",
    ServerFrame::Occupancy { change: None, .. } => "occupancy of many",
    ServerFrame::Bye { .. } => "bye",
});

forms!(body, BODIES, EventBody, {
    EventBody::RoomCreated { .. } => "room created",
    EventBody::MemberJoined => "member joined",
    EventBody::MemberLeft => "member left",
    EventBody::MemberAdded { .. } => "member added",
    EventBody::MemberRemoved { .. } => "member removed",
    EventBody::RoomChanged { .. } => "room changed",
    EventBody::MemberInvited { .. } => "member invited",
    EventBody::MemberUninvited { .. } => "member uninvited",
    EventBody::MemberBanned { .. } => "member banned",
    EventBody::MemberUnbanned { .. } => "member unbanned",
    EventBody::MemberMuted { .. } => "member muted",
    EventBody::MemberUnmuted { .. } => "member unmuted",
    EventBody::OverwriteSet { .. } => "overwrite set",
    EventBody::Message(_) => "message",
    EventBody::MessageEdited { .. } => "message edited",
    EventBody::MessageDeleted { .. } => "message deleted",
    EventBody::ReactionSet { .. } => "reaction set",
    EventBody::PinSet { .. } => "pin set",
    EventBody::Tombstone { .. } => "tombstone",
    EventBody::Reported(_) => "reported",
    EventBody::StreamOpened => "stream opened",
    EventBody::PlaceChanged { .. } => "place changed",
    EventBody::Marked { .. } => "marked in rooms",
    EventBody::StatusSet { .. } => "status set",
    EventBody::LevelSet { .. } => "level set",
    EventBody::BlockSet { .. } => "block set",
    EventBody::RolesGiven { .. } => "roles given",
    EventBody::ThreadFollowed { .. } => "thread followed",
    EventBody::Unknown { .. } => "unknown",
});

forms!(retention, RETENTIONS, Retention, {
    Retention::All => "keep all",
    Retention::Days(_) => "keep days",
    Retention::Messages(_) => "keep messages",
});

forms!(change, CHANGES, RoomChange, {
    RoomChange::Kind(_) => "change kind",
    RoomChange::Title(_) => "change title",
    RoomChange::Topic(_) => "change topic",
    RoomChange::Metadata(_) => "change metadata",
    RoomChange::Retention(_) => "change retention",
    RoomChange::SlowMode(_) => "change slow mode",
    RoomChange::Archived(_) => "change archived",
});

forms!(target, TARGETS, OverwriteTarget, {
    OverwriteTarget::Role(_) => "for a role",
    OverwriteTarget::User(_) => "for a user",
});

pub(crate) const CLIENT: &[&[&str]] =
    &[CLIENT_FRAMES, REQUESTS, AUTHS, CHANGES, RETENTIONS, TARGETS];
pub(crate) const SERVER: &[&[&str]] = &[SERVER_FRAMES, BODIES, CHANGES, RETENTIONS, TARGETS];

/// The fields of a client's frames that hold a choice, and the names of all its values.
pub(crate) const CLIENT_CHOICES: &[(&str, &[&str])] = &[
    ("direction", choice::DIRECTIONS),
    ("state", choice::DEVICE_STATES),
    ("measure", choice::MEASURES),
    ("level", choice::LEVELS),
    ("stream", choice::STREAMS),
];
/// The same for a server's frames.
pub(crate) const SERVER_CHOICES: &[(&str, &[&str])] = &[
    ("presence", choice::PRESENCES),
    ("standing", choice::STANDINGS),
    ("cause", choice::CAUSES),
    ("change", choice::PLACE_CHANGES),
    ("level", choice::LEVELS),
];
/// Those of replies and pushes that have names in common.
pub(crate) const RESETS: (&str, &[&str]) = ("reset", choice::RESET_REASONS);
/// Those of the push that ends a room for a connection.
pub(crate) const REMOVALS: (&str, &[&str]) = ("reason", choice::REMOVED_REASONS);

/// Every form that a client's frame has.
pub(crate) fn client(frame: &ClientFrame) -> Vec<&'static str> {
    let mut forms = vec![client_frame(frame)];
    match frame {
        ClientFrame::Hello(hello) => forms.push(auth(&hello.auth)),
        ClientFrame::Ping { .. } | ClientFrame::Signal { .. } => {}
        ClientFrame::Request { request, .. } => forms.push(self::request(request)),
    }
    if let ClientFrame::Request { request, .. } = frame {
        if let Request::Create { info, .. } = request {
            forms.push(retention(&info.retention));
        }
        if let Request::ChangeRoom { changes, .. } = request {
            forms.extend(forms_of(changes));
        }
        if let Request::Overwrite { target, .. } = request {
            forms.push(self::target(target));
        }
    }
    forms
}

fn forms_of(changes: &[RoomChange]) -> impl Iterator<Item = &'static str> {
    changes.iter().flat_map(|change| {
        let kept = match change {
            RoomChange::Retention(kept) => Some(retention(kept)),
            RoomChange::Kind(_)
            | RoomChange::Title(_)
            | RoomChange::Topic(_)
            | RoomChange::Metadata(_)
            | RoomChange::SlowMode(_)
            | RoomChange::Archived(_) => None,
        };
        [self::change(change)].into_iter().chain(kept)
    })
}

/// Every form that a server's frame has.
pub(crate) fn server(frame: &ServerFrame) -> Vec<&'static str> {
    let mut forms = vec![server_frame(frame)];
    if let ServerFrame::Event { event, .. } = frame {
        forms.push(body(&event.body));
        match &event.body {
            EventBody::RoomCreated { info, .. } => forms.push(retention(&info.retention)),
            EventBody::RoomChanged { changes } => forms.extend(forms_of(changes)),
            EventBody::OverwriteSet { target, .. } => forms.push(self::target(target)),
            _ => {}
        }
    }
    forms
}
