//! An engine with one room, one who speaks, and as many made-up sockets that listen as one likes.
//!
//! A shard serves its listeners from the last that came to the first. So the first of each shard hears a
//! message when all others have: those look into what they are given, and say which event it was.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use homeroom_engine::{
    Connection, Engine, Identity, Session, Tenant, hub::SocketSink, session::Room,
};
use homeroom_protocol::{
    CloseCode, Durability, IdempotencyKey, Request, RequestId, RoomInfo, Seq, ServerFrame,
    decode_server_message, limit,
};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    hall::Fast,
    host::Failure,
    school::{join, room},
    text,
};

const ROOM: &str = "auditorium";

/// Those who speak and those who listen.
#[derive(Debug)]
pub struct Auditorium {
    engine: Engine,
    speaker: Session,
    room: Room,
    /// Everybody else; they leave when they are dropped.
    _listeners: Vec<Connection>,
    /// The newest event that all listeners of a shard have been given, for each shard.
    heard: Vec<watch::Receiver<Seq>>,
}

/// How messages follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// The next one when everyone has heard the last: nothing can be joined.
    OneByOne,
    /// So many on their way to the log at once.
    InFlight(usize),
}

/// Takes everything, and says which event was the last in it.
#[derive(Debug)]
struct Last(watch::Sender<Seq>);

impl SocketSink for Last {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        for seq in events(bytes) {
            self.0.send_replace(seq);
        }
        Ok(bytes.len())
    }

    fn close(&self, _: CloseCode) {}
}

/// The events in joined WebSocket messages.
fn events(mut bytes: &[u8]) -> Vec<Seq> {
    let mut seqs = Vec::new();
    while let [_, length, rest @ ..] = bytes {
        // RFC 6455, section 5.2: a server's frames are not masked.
        let (header, length) = match (length, rest) {
            (126, [high, low, ..]) => (2, usize::from(u16::from_be_bytes([*high, *low]))),
            (127, [long @ .., _]) if long.len() > 8 => {
                let long = u64::from_be_bytes(rest[..8].try_into().expect("eight bytes"));
                (8, usize::try_from(long).expect("it is in memory"))
            }
            (short, _) => (0, usize::from(*short)),
        };
        let (message, behind) = rest[header..].split_at(length);
        bytes = behind;
        let frames = decode_server_message(message, limit::SERVER_MESSAGE_BYTES_MAX);
        for frame in frames.into_iter().flatten() {
            if let Ok(ServerFrame::Event { event, .. }) = frame {
                seqs.push(event.seq);
            }
        }
    }
    seqs
}

impl Auditorium {
    /// Fills a room of a new tenant. Every shard has at least one listener.
    ///
    /// # Errors
    /// The engine's.
    pub async fn open(
        engine: Engine,
        shards: usize,
        listeners: usize,
        durability: Durability,
    ) -> Result<Self, Failure> {
        let tenant = engine.tenant(&"auditorium".parse()?).await?;
        let mut all = Vec::with_capacity(listeners);
        let mut heard = Vec::with_capacity(shards);
        for number in 0..shards {
            let (last, hears) = watch::channel(Seq(0));
            heard.push(hears);
            let listener = attach(&tenant, number, Arc::new(Last(last))).await?;
            if number == 0 {
                let info = RoomInfo {
                    durability,
                    ..RoomInfo::default()
                };
                let create = Request::Create {
                    key: IdempotencyKey([1; 16]),
                    room: room(ROOM),
                    info,
                    members: Vec::new(),
                };
                listener.request(RequestId(1), create).await?;
            }
            listener.request(RequestId(2), join(ROOM)).await?;
            all.push(listener);
        }
        for number in shards..listeners {
            let listener = attach(&tenant, number, Arc::new(Fast)).await?;
            listener.request(RequestId(2), join(ROOM)).await?;
            all.push(listener);
        }
        let (speaker, _) = tenant.connect(Identity::user("speaker")?).await?;
        let room = speaker.join(&room(ROOM), None).await?.room;
        let auditorium = Self {
            engine,
            speaker,
            room,
            _listeners: all,
            heard,
        };
        // Lists and caches have their sizes, and everyone is in.
        auditorium.speak(64, Pace::OneByOne).await?;
        Ok(auditorium)
    }

    /// Says so many messages, and returns when everyone has heard the last.
    ///
    /// # Errors
    /// The engine's.
    pub async fn speak(&self, messages: u64, pace: Pace) -> Result<(), Failure> {
        let mut last = Seq(0);
        match pace {
            Pace::OneByOne => {
                for _ in 0..messages {
                    let sent = self.speaker.send(&self.room, text()).await?;
                    self.all_heard(sent.position.seq).await?;
                }
            }
            Pace::InFlight(depth) => {
                let left = Arc::new(AtomicU64::new(messages));
                let mut voices = JoinSet::new();
                for _ in 0..depth {
                    voices.spawn(say(
                        self.speaker.clone(),
                        self.room.clone(),
                        Arc::clone(&left),
                    ));
                }
                while let Some(said) = voices.join_next().await {
                    last = last.max(said??);
                }
                self.all_heard(last).await?;
            }
        }
        Ok(())
    }

    async fn all_heard(&self, last: Seq) -> Result<(), Failure> {
        for heard in &self.heard {
            heard.clone().wait_for(|&seq| seq >= last).await?;
        }
        Ok(())
    }

    /// Everybody leaves.
    pub async fn close(self) {
        self.engine.shut_down(CloseCode::ShuttingDown, None).await;
    }
}

async fn attach(
    tenant: &Tenant,
    number: usize,
    sink: Arc<dyn SocketSink>,
) -> Result<Connection, Failure> {
    let identity = Identity::user(&format!("listener-{number}"))?;
    Ok(tenant.attach(identity, sink).await?)
}

/// Sends one message after the other while any are left; the last that was sent.
async fn say(speaker: Session, room: Room, left: Arc<AtomicU64>) -> Result<Seq, Failure> {
    let mut last = Seq(0);
    let take = |left: u64| left.checked_sub(1);
    while (left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)).is_ok() {
        last = speaker.send(&room, text()).await?.position.seq;
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event_push, scale::config};
    use homeroom_protocol::wire_message;

    #[test]
    fn the_events_in_joined_messages_are_found() {
        let mut bytes = Vec::new();
        for seq in [7, 300] {
            bytes.extend_from_slice(&wire_message(&event_push(Seq(seq))).bytes);
        }
        assert_eq!(events(&bytes), [Seq(7), Seq(300)]);
    }

    #[tokio::test]
    async fn everyone_hears_what_is_said_at_any_pace() {
        let config = homeroom_engine::Config {
            shards: 2,
            ..config()
        };
        for durability in [Durability::Synced, Durability::None] {
            let engine = Engine::open(config.clone()).await.unwrap();
            let auditorium = Auditorium::open(engine, 2, 10, durability).await.unwrap();
            let before = *auditorium.heard[1].borrow();
            auditorium.speak(5, Pace::OneByOne).await.unwrap();
            auditorium.speak(20, Pace::InFlight(4)).await.unwrap();
            let after = *auditorium.heard[1].borrow();
            assert_eq!(after.0, before.0 + 25);
            auditorium.close().await;
        }
    }
}
