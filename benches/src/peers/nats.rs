//! How to speak with a NATS server over its WebSocket, configured by `peers/nats.conf`: a room is a subject, what
//! is said there is published to it.

use crate::load::{Dialect, Entered, Outgoing, Role, Seat};

use super::rooms;

/// A NATS server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nats;

impl Dialect for Nats {
    fn name(&self) -> &str {
        "nats-server"
    }

    /// NATS sends lines, and several of them may share a message.
    fn enter(
        &self,
        seat: &mut Seat,
        heard: Option<&[u8]>,
        say: &mut Outgoing,
    ) -> Result<Entered, String> {
        for line in heard.unwrap_or_default().split(|&byte| byte == b'\n') {
            if line.starts_with(b"-ERR") {
                return Err(String::from_utf8_lossy(line).trim_end().to_owned());
            }
            if line.starts_with(b"PONG") {
                return Ok(Entered::Ready);
            }
            if line.starts_with(b"INFO ") && seat.step == 0 {
                seat.step = 1;
                say.binary(hello(seat).as_bytes());
            }
        }
        Ok(Entered::More)
    }

    fn publish(&self, seat: &Seat, _: u64, text: &str, say: &mut Outgoing) {
        let line = format!("PUB room.{} {}\r\n{text}\r\n", seat.room, text.len());
        say.binary(line.as_bytes());
    }

    fn acknowledged(&self, message: &[u8], say: &mut Outgoing) -> Result<u64, String> {
        for line in message.split(|&byte| byte == b'\n') {
            if line.starts_with(b"-ERR") {
                return Err(String::from_utf8_lossy(line).trim_end().to_owned());
            }
            if line.starts_with(b"PING") {
                say.binary(b"PONG\r\n");
            }
        }
        Ok(0)
    }
}

/// Says who it is, subscribes, and asks for a `PONG`, which comes when all that is done. A speaker has no need to
/// subscribe: NATS knows no members.
fn hello(seat: &Seat) -> String {
    let mut hello = r#"CONNECT {"verbose":false,"pedantic":false,"echo":false,"lang":"rust","version":"0","protocol":1}"#.to_owned();
    hello.push_str("\r\n");
    if seat.role == Role::Listener {
        for (number, room) in rooms(seat).enumerate() {
            hello.push_str(&format!("SUB room.{room} {number}\r\n"));
        }
    }
    hello.push_str("PING\r\n");
    hello
}
