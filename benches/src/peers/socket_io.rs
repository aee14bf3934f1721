//! How to speak Socket.IO (its protocol's fifth revision, over Engine.IO's fourth), with `peers/node/socketio.mjs`
//! and with `peers/socketioxide`, which answer alike.

use crate::load::{Dialect, Door, Entered, Outgoing, Seat};

use super::rooms;

/// A server of Socket.IO.
#[derive(Debug, Clone, Copy)]
pub(super) struct SocketIo {
    /// What it is called.
    pub(super) name: &'static str,
}

/// Packets as they begin: Engine.IO's type, then Socket.IO's.
const OPEN: &[u8] = b"0";
const PING: &[u8] = b"2";
const CONNECTED: &[u8] = b"40";
const EVENT: &[u8] = b"42";
const ANSWER: &[u8] = b"43";
const REFUSED: &[u8] = b"44";

impl Dialect for SocketIo {
    fn name(&self) -> &str {
        self.name
    }

    fn door(&self) -> Door {
        Door {
            path: "/socket.io/?EIO=4&transport=websocket".to_owned(),
            subprotocol: None,
        }
    }

    /// The seat's step counts the rooms it is in.
    fn enter(
        &self,
        seat: &mut Seat,
        heard: Option<&[u8]>,
        say: &mut Outgoing,
    ) -> Result<Entered, String> {
        let Some(packet) = heard else {
            return Ok(Entered::More);
        };
        if packet.starts_with(REFUSED) {
            return Err(String::from_utf8_lossy(packet).into_owned());
        }
        if packet.starts_with(CONNECTED) {
            for (number, room) in rooms(seat).enumerate() {
                say.text(&format!(r#"42{number}["join","{room}"]"#));
            }
        } else if packet.starts_with(ANSWER) {
            seat.step += 1;
            if rooms(seat).count() == seat.step as usize {
                return Ok(Entered::Ready);
            }
        } else if packet.starts_with(OPEN) {
            say.text("40");
        } else if packet == PING {
            say.text("3");
        } else if !packet.starts_with(EVENT) {
            let packet = String::from_utf8_lossy(packet);
            return Err(format!("an unexpected packet: {packet}"));
        }
        Ok(Entered::More)
    }

    fn publish(&self, seat: &Seat, _: u64, text: &str, say: &mut Outgoing) {
        say.text(&format!(r#"42["say","{}","{text}"]"#, seat.room));
    }
}
