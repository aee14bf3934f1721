//! Requests and names in few words, and replies taken apart.

use homeroom_engine::identity::Identity;
use homeroom_protocol::{
    Availability, DeviceId, ErrorCode, IdempotencyKey, Position, Request, RoomId, RoomInfo,
    RoomNumber, Seq, ServerFrame, Status, Timestamp, UserId,
};

pub(crate) fn refusal_of(frame: &ServerFrame) -> Option<ErrorCode> {
    match frame {
        ServerFrame::Error { code, .. } => ErrorCode::from_number(*code),
        _ => None,
    }
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub(crate) fn identity(user_name: &str, device: &str) -> Identity {
    Identity::new(user(user_name), DeviceId::new(device).unwrap())
}

pub(crate) fn key(number: u64) -> IdempotencyKey {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    IdempotencyKey(bytes)
}

pub(crate) fn create(key_number: u64, room: &str) -> Request {
    Request::Create {
        key: key(key_number),
        room: RoomId::new(room).unwrap(),
        info: RoomInfo::default(),
        members: Vec::new(),
    }
}

pub(crate) fn join(room: &str, resume: Option<Position>) -> Request {
    Request::Join {
        room: RoomId::new(room).unwrap(),
        resume,
    }
}

pub(crate) fn send(key_number: u64, room: RoomNumber, text: &str) -> Request {
    Request::Send {
        key: key(key_number),
        room,
        draft: text.into(),
    }
}

pub(crate) fn typing(room: RoomNumber, active: bool) -> Request {
    Request::Typing {
        room,
        active,
        thread: None,
    }
}

pub(crate) fn typing_in(room: RoomNumber, thread: Seq, active: bool) -> Request {
    Request::Typing {
        room,
        active,
        thread: Some(thread),
    }
}

pub(crate) fn status(
    availability: Availability,
    text: Option<&str>,
    expires: Option<Timestamp>,
) -> Request {
    Request::Status(Status {
        availability,
        text: text.map(Into::into),
        expires,
    })
}

pub(crate) fn watch(names: &[&str]) -> Request {
    Request::Watch {
        users: names.iter().map(|name| user(name)).collect(),
    }
}

/// The seqs of the events among frames.
pub(crate) fn seqs(frames: &[ServerFrame]) -> Vec<u64> {
    let seq = |frame: &ServerFrame| match frame {
        ServerFrame::Event { event, .. } => Some(event.seq.0),
        _ => None,
    };
    frames.iter().filter_map(seq).collect()
}

pub(crate) const fn seq(number: u64) -> Seq {
    Seq(number)
}

/// Place and time in the answer to a keyed write.
pub(crate) fn answer(frame: &ServerFrame) -> (Position, Timestamp) {
    match frame {
        ServerFrame::Created { position, time, .. } | ServerFrame::Sent { position, time, .. } => {
            (*position, *time)
        }
        other => panic!("no answer: {other:?}"),
    }
}
