//! What a tenant says, in the words of the hub.

use std::sync::Arc;

use homeroom_protocol::{
    CloseCode, ConnectionId, Epoch, RequestId, RoomNumber, ServerFrame, Signal, TimelineEvent,
    UserId, UserPresence,
};

use super::{
    presence::{occupancy::Told, typing::Place},
    records::event::Event,
    refusal::Refusal,
};
use crate::hub::{Audience, Delivery, Push, SignalKind};

pub(super) fn direct(connection: ConnectionId, frame: ServerFrame) -> Delivery {
    Delivery::Direct {
        connection,
        push: Arc::new(Push::new(frame)),
    }
}

pub(super) fn refused(connection: ConnectionId, id: RequestId, refusal: Refusal) -> Delivery {
    direct(
        connection,
        ServerFrame::Error {
            id: Some(id),
            code: refusal.code().number(),
            retry_after_ms: refusal.retry_after_ms(),
            explanation: refusal.explanation(),
        },
    )
}

pub(super) fn event(event: &Event) -> Delivery {
    Delivery::Event {
        room: event.room,
        seq: event.position.seq,
        push: event_push(event.room, event.position.epoch, event.to_timeline()),
    }
}

pub(super) fn event_push(room: RoomNumber, epoch: Epoch, event: TimelineEvent) -> Arc<Push> {
    Arc::new(Push::new(ServerFrame::Event { room, epoch, event }))
}

/// What is wrong with something that is not answered.
pub(super) fn objected(connection: ConnectionId, refusal: Refusal) -> Delivery {
    direct(
        connection,
        ServerFrame::Error {
            id: None,
            code: refusal.code().number(),
            retry_after_ms: refusal.retry_after_ms(),
            explanation: refusal.explanation(),
        },
    )
}

pub(super) fn typing_frame(
    (room, thread): Place,
    (users, count): (Vec<UserId>, u32),
) -> ServerFrame {
    ServerFrame::Typing {
        room,
        users,
        count,
        thread,
    }
}

pub(super) fn typing(place: Place, list: (Vec<UserId>, u32)) -> Delivery {
    viewers(place, SignalKind::Typing, typing_frame(place, list))
}

pub(super) fn signals(room: RoomNumber, signals: Vec<Signal>) -> Delivery {
    let frame = ServerFrame::Signals { room, signals };
    viewers((room, None), SignalKind::Signals, frame)
}

pub(super) fn occupancy(room: RoomNumber, (count, change): Told) -> Delivery {
    let frame = ServerFrame::Occupancy {
        room,
        count,
        change,
    };
    viewers((room, None), SignalKind::Occupancy, frame)
}

fn viewers((room, thread): Place, kind: SignalKind, frame: ServerFrame) -> Delivery {
    Delivery::Signal {
        audience: Audience::Viewers(room, thread),
        kind,
        push: Arc::new(Push::new(frame)),
    }
}

pub(super) fn presence_push(presence: UserPresence) -> Arc<Push> {
    let users = vec![presence];
    Arc::new(Push::new(ServerFrame::Presence { users }))
}

pub(super) fn presence(user: &UserId, push: Arc<Push>) -> Delivery {
    Delivery::Signal {
        audience: Audience::Watchers(user.clone()),
        kind: SignalKind::Presence,
        push,
    }
}

pub(super) const fn close(
    connection: ConnectionId,
    code: CloseCode,
    reconnect_after_ms: Option<u64>,
) -> Delivery {
    Delivery::Close {
        connection,
        code,
        reconnect_after_ms,
        explanation: None,
    }
}
