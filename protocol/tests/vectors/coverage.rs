//! Which form a frame has. A new variant does not compile until it is named here, and a name without
//! an example fails the test.

use homeroom_protocol::{
    Auth, ClientFrame, DeviceState, Direction, EventBody, Presence, Request, ResetReason,
    ServerFrame,
};

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
    Request::History { direction: Direction::Before, .. } => "history before",
    Request::History { direction: Direction::After, .. } => "history after",
    Request::Typing { .. } => "set typing",
    Request::Presence { state: DeviceState::Active } => "set active",
    Request::Presence { state: DeviceState::Idle } => "set idle",
    Request::Watch { .. } => "watch",
    Request::Members { .. } => "list members",
});

forms!(auth, AUTHS, Auth, {
    Auth::Guest { .. } => "guest",
    Auth::Token(_) => "token",
});

forms!(client_frame, CLIENT_FRAMES, ClientFrame, {
    ClientFrame::Hello(_) => "hello",
    ClientFrame::Ping { .. } => "ping",
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
    ServerFrame::Event { .. } => "event",
    ServerFrame::Typing { .. } => "typing",
    ServerFrame::Presence { .. } => "presence",
    ServerFrame::Reset { .. } => "reset",
    ServerFrame::Removed { .. } => "removed",
    ServerFrame::Dropped { .. } => "dropped",
    ServerFrame::Bye { .. } => "bye",
});

forms!(body, BODIES, EventBody, {
    EventBody::RoomCreated { .. } => "room created",
    EventBody::MemberJoined => "member joined",
    EventBody::MemberLeft => "member left",
    EventBody::MemberAdded { .. } => "member added",
    EventBody::MemberRemoved { .. } => "member removed",
    EventBody::Message { .. } => "message",
    EventBody::Unknown { .. } => "unknown",
});

forms!(presence, PRESENCES, Presence, {
    Presence::Offline => "offline",
    Presence::Active => "active",
    Presence::Idle => "idle",
});

forms!(reset_reason, RESET_REASONS, ResetReason, {
    ResetReason::EpochChanged => "reset: epoch changed",
    ResetReason::Trimmed => "reset: trimmed",
    ResetReason::Ahead => "reset: ahead",
    ResetReason::Unreadable => "reset: unreadable",
});

pub(crate) const CLIENT: &[&[&str]] = &[CLIENT_FRAMES, REQUESTS, AUTHS];
pub(crate) const SERVER: &[&[&str]] = &[SERVER_FRAMES, BODIES, PRESENCES, RESET_REASONS];

/// Every form that a client's frame has.
pub(crate) fn client(frame: &ClientFrame) -> Vec<&'static str> {
    let inner = match frame {
        ClientFrame::Hello(hello) => Some(auth(&hello.auth)),
        ClientFrame::Ping { .. } => None,
        ClientFrame::Request { request, .. } => Some(self::request(request)),
    };
    inner.into_iter().chain([client_frame(frame)]).collect()
}

/// Every form that a server's frame has.
pub(crate) fn server(frame: &ServerFrame) -> Vec<&'static str> {
    let mut forms = vec![server_frame(frame)];
    if let ServerFrame::Event { event, .. } = frame {
        forms.push(body(&event.body));
    }
    if let ServerFrame::Presence { users } = frame {
        forms.extend(users.iter().map(|(_, state)| presence(state)));
    }
    if let ServerFrame::Joined {
        reset: Some(reason),
        ..
    } = frame
    {
        forms.push(reset_reason(reason));
    }
    forms
}
