//! What goes to the server: pulled, one message at a time, whenever the socket can take one. Requests
//! that wait meanwhile share the next message.

use homeroom_protocol::{ClientFrame, Hello, Request, encode_client_frame, limit};

use super::{Machine, State};
use crate::{
    command::{RequestError, address},
    moment::Moment,
    requests::{CONNECTION, Pending},
};

/// Highest version of the protocol this client speaks.
pub(super) const VERSION: u32 = 1;

impl<T> Machine<T> {
    /// Replaces `message` by the next WebSocket message to write; `false` when there is none.
    pub fn transmit(&mut self, now: Moment, message: &mut Vec<u8>) -> bool {
        message.clear();
        match self.state {
            State::Welcoming if !self.link.hello_written => {
                self.link.hello_written = true;
                let hello = Hello {
                    version: VERSION,
                    capabilities: Vec::new(),
                    tenant: self.settings.tenant.clone(),
                    auth: self.settings.auth.clone(),
                    device: self.settings.device.clone(),
                };
                encode_client_frame(&ClientFrame::Hello(hello), message);
            }
            State::Live => {
                let mut frames = 0;
                if let Some(nonce) = self.link.take_ping(now) {
                    encode_client_frame(&ClientFrame::Ping { nonce }, message);
                    frames = 1;
                }
                self.write_signals(&mut frames, message);
                self.write_requests(frames, message);
            }
            State::Connecting
            | State::Welcoming
            | State::Waiting
            | State::Unauthenticated
            | State::Stopped => {}
        }
        if message.is_empty() {
            return false;
        }
        self.link.said(now);
        true
    }

    /// Signals of rooms that are joined on this connection: they are small, and a message holds them all.
    fn write_signals(&mut self, frames: &mut usize, message: &mut Vec<u8>) {
        for (slot, name, body) in std::mem::take(&mut self.signals) {
            let number = self.rooms.get(slot).and_then(|room| room.number);
            let written = message.len();
            if let Some(room) = number {
                encode_client_frame(&ClientFrame::Signal { room, name, body }, message);
                *frames += 1;
            }
            if message.len() > self.link.message_bytes_max {
                message.truncate(written);
                return;
            }
        }
    }

    fn may_request(&self) -> bool {
        self.requests.has_ready() && self.requests.in_flight() < self.link.requests_max
    }

    fn write_requests(&mut self, mut frames: usize, message: &mut Vec<u8>) {
        while frames < limit::FRAMES_PER_MESSAGE_MAX && self.may_request() {
            let Some(mut pending) = self.requests.take() else {
                return;
            };
            self.address(&mut pending);
            let written = message.len();
            self.encode(&mut pending, message);
            let request_bytes = message.len() - written;
            if message.len() <= self.link.message_bytes_max {
                self.counters.resent += u64::from(pending.attempts > 0);
                self.requests.fly(pending);
                frames += 1;
                continue;
            }
            message.truncate(written);
            if request_bytes <= self.link.message_bytes_max {
                // For the next message.
                self.requests.insert(pending);
                return;
            }
            if let Some(asker) = pending.asker {
                let error = RequestError::TooLong {
                    field: "request",
                    actual: request_bytes,
                    max: self.link.message_bytes_max,
                };
                self.outcomes.push_back((asker, Err(error)));
            }
        }
    }

    /// Names the room by its number on this connection. A request that lost its room keeps the number
    /// it went out with before.
    fn address(&self, pending: &mut Pending<T>) {
        if pending.lane != CONNECTION
            && let Some(room) = self.rooms.get(pending.lane - 1)
            && let Some(number) = room.number
        {
            address(&mut pending.request, number);
        }
    }

    /// Encodes without copying the request: it is lent to a frame and taken back.
    fn encode(&self, pending: &mut Pending<T>, message: &mut Vec<u8>) {
        let lent = Request::Watch { users: Vec::new() };
        let frame = ClientFrame::Request {
            id: self.requests.next_id(),
            request: std::mem::replace(&mut pending.request, lent),
        };
        encode_client_frame(&frame, message);
        if let ClientFrame::Request { request, .. } = frame {
            pending.request = request;
        }
    }
}
