//! What a tenant says, in the words of the hub.

use std::sync::Arc;

use homeroom_protocol::{
    CloseCode, ConnectionId, Epoch, RequestId, RoomNumber, ServerFrame, TimelineEvent, UserId,
    UserPresence,
};

use super::{event::Event, refusal::Refusal};
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

pub(super) fn typing(room: RoomNumber, (users, count): (Vec<UserId>, u32)) -> Delivery {
    Delivery::Signal {
        audience: Audience::Room(room),
        kind: SignalKind::Typing,
        push: Arc::new(Push::new(ServerFrame::Typing {
            room,
            users,
            count,
            thread: None,
        })),
    }
}

pub(super) fn presence_push(user: UserPresence) -> Arc<Push> {
    let users = vec![user];
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
