//! What a client writes.

use super::writer::Writer;
use crate::{Auth, ClientFrame, Hello, Request, RequestId, UserId, kind};

pub(super) fn encode(frame: &ClientFrame, out: &mut Writer<'_>) {
    match frame {
        ClientFrame::Hello(hello) => encode_hello(hello, out),
        ClientFrame::Ping { nonce } => {
            out.array(2);
            out.unsigned(kind::PING);
            out.unsigned(*nonce);
        }
        ClientFrame::Request { id, request } => encode_request(*id, request, out),
    }
}

fn encode_hello(hello: &Hello, out: &mut Writer<'_>) {
    out.array(6);
    out.unsigned(kind::HELLO);
    out.unsigned(hello.version);
    out.text(hello.tenant.as_str());
    out.array(2);
    match &hello.auth {
        Auth::Guest { name } => {
            out.unsigned(kind::auth::GUEST);
            out.text(name.as_str());
        }
        Auth::Token(token) => {
            out.unsigned(kind::auth::TOKEN);
            out.text(token);
        }
    }
    out.text(hello.device.as_str());
    out.texts(hello.capabilities.iter().map(String::as_str));
}

fn encode_request(id: RequestId, request: &Request, out: &mut Writer<'_>) {
    let mut begin = |count, kind: u64| {
        out.array(count);
        out.unsigned(kind);
        out.unsigned(id.0);
    };
    match request {
        Request::Create { key, room, title } => {
            begin(5, kind::CREATE);
            out.key(key);
            out.text(room.as_str());
            out.optional_text(title.as_deref());
        }
        Request::Join { room, resume } => {
            begin(4, kind::JOIN);
            out.text(room.as_str());
            match resume {
                Some(position) => out.position(*position),
                None => out.nil(),
            }
        }
        Request::Leave { room } => {
            begin(3, kind::LEAVE);
            out.unsigned(room.0);
        }
        Request::Send { key, room, text } => {
            begin(5, kind::SEND);
            out.key(key);
            out.unsigned(room.0);
            out.text(text);
        }
        Request::History {
            room,
            direction,
            anchor,
            limit,
        } => {
            begin(6, kind::HISTORY);
            out.unsigned(room.0);
            out.choice(*direction);
            out.unsigned(anchor.0);
            out.unsigned(*limit);
        }
        Request::Typing { room, active } => {
            begin(4, kind::SET_TYPING);
            out.unsigned(room.0);
            out.boolean(*active);
        }
        Request::Presence { state } => {
            begin(3, kind::SET_PRESENCE);
            out.choice(*state);
        }
        Request::Watch { users } => {
            begin(3, kind::WATCH);
            out.texts(users.iter().map(UserId::as_str));
        }
        Request::Members { room, after, limit } => {
            begin(5, kind::LIST_MEMBERS);
            out.unsigned(room.0);
            out.unsigned(*limit);
            out.optional_text(after.as_ref().map(UserId::as_str));
        }
    }
}
