//! How to speak with Sockudo, configured by `peers/sockudo.toml`: Pusher's protocol, where a room is a private
//! channel and what clients say to each other are client events.

use std::fmt::Write;

use ring::hmac;

use crate::load::{Dialect, Door, Entered, Outgoing, Seat};

use super::rooms;

/// As in `peers/sockudo.toml`.
const KEY: &str = "homeroom";
const SECRET: &[u8] = b"a secret of no use";

/// A Sockudo server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sockudo;

impl Dialect for Sockudo {
    fn name(&self) -> &str {
        "sockudo"
    }

    fn door(&self) -> Door {
        Door {
            path: format!("/app/{KEY}?protocol=7&client=homeroom&version=0"),
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
        let Some(message) = heard else {
            return Ok(Entered::More);
        };
        let message: serde_json::Value =
            serde_json::from_slice(message).map_err(|error| error.to_string())?;
        match message["event"].as_str() {
            Some("pusher:connection_established") => {
                let data: serde_json::Value = message["data"]
                    .as_str()
                    .and_then(|data| serde_json::from_str(data).ok())
                    .unwrap_or_default();
                let socket = data["socket_id"].as_str();
                let socket = socket.ok_or_else(|| format!("no socket's id: {message}"))?;
                for room in rooms(seat) {
                    say.text(&subscribe(socket, room));
                }
            }
            Some("pusher_internal:subscription_succeeded") => {
                seat.step += 1;
                if rooms(seat).count() == seat.step as usize {
                    return Ok(Entered::Ready);
                }
            }
            Some("pusher:error" | "pusher:subscription_error") => return Err(message.to_string()),
            _ => {}
        }
        Ok(Entered::More)
    }

    fn publish(&self, seat: &Seat, _: u64, text: &str, say: &mut Outgoing) {
        say.text(&format!(
            r#"{{"event":"client-m","channel":"private-{}","data":"{text}"}}"#,
            seat.room
        ));
    }

    fn acknowledged(&self, message: &[u8], _: &mut Outgoing) -> Result<u64, String> {
        if memchr::memmem::find(message, b"pusher:error").is_some() {
            return Err(String::from_utf8_lossy(message).into_owned());
        }
        Ok(0)
    }
}

/// A private channel is for those whom the app's secret vouches for.
fn subscribe(socket: &str, room: u32) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    let tag = hmac::sign(&key, format!("{socket}:private-{room}").as_bytes());
    let mut auth = format!("{KEY}:");
    for byte in tag.as_ref() {
        write!(auth, "{byte:02x}").expect("a string takes everything");
    }
    serde_json::json!({
        "event": "pusher:subscribe",
        "data": {"channel": format!("private-{room}"), "auth": auth},
    })
    .to_string()
}
