//! A room full of listeners at one shard of the hub, without a kernel: their sockets are made up, and take
//! everything, nothing, or a sip at a time.

use std::{
    hint::black_box,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use homeroom_engine::hub::{
    Delivery, Gauge, Generation, OUTBOX_BYTES_MAX, Push, Shard, Sink, SocketSink, TenantLife,
};
use homeroom_protocol::{CloseCode, ConnectionId, Epoch, Seq};

use crate::{NOW, ROOM, event_push};

const TENANT: TenantLife = TenantLife(1);

/// Takes every byte and forgets it.
#[derive(Debug, Clone, Copy)]
pub struct Fast;

impl SocketSink for Fast {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(black_box(bytes).len())
    }

    fn close(&self, _: CloseCode) {}
}

/// A socket with room for some bytes, which whoever reads it makes.
#[derive(Debug, Clone, Default)]
pub struct Narrow {
    room: Arc<AtomicUsize>,
}

impl Narrow {
    /// Its reader takes bytes: there is room for so many again.
    pub fn make_room(&self, bytes: usize) {
        self.room.store(bytes, Ordering::Relaxed);
    }
}

impl SocketSink for Narrow {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.room.load(Ordering::Relaxed);
        let taken = room.min(black_box(bytes).len());
        self.room.store(room - taken, Ordering::Relaxed);
        if taken == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(taken)
    }

    fn close(&self, _: CloseCode) {}
}

/// One shard, one room.
#[derive(Debug)]
pub struct Hall {
    shard: Shard,
    listeners: u64,
    last: Seq,
}

impl Hall {
    /// So many who listen, each behind a socket made by `sink`.
    pub fn new<S: SocketSink + 'static>(listeners: u64, mut sink: impl FnMut() -> S) -> Self {
        let mut shard = Shard::new(OUTBOX_BYTES_MAX);
        for id in 0..listeners {
            let connection = ConnectionId(id);
            let sink = Sink::Socket(Arc::new(sink()));
            shard.attach(TENANT, connection, sink, Arc::new(Gauge::default()));
            let listen = Delivery::Listen {
                connection,
                room: ROOM,
                epoch: Epoch::from_random(u64::MAX),
                next: Seq(1),
                head: Seq(0),
                generation: Generation(1),
            };
            shard.deliver(TENANT, listen);
        }
        Self {
            shard,
            listeners,
            last: Seq(0),
        }
    }

    /// So many pushes, made and not yet encoded.
    pub fn pushes(&mut self, messages: u64) -> Vec<(Seq, Arc<Push>)> {
        let push = |_| {
            self.last = self.last.next();
            (self.last, Arc::new(Push::new(event_push(self.last))))
        };
        (0..messages).map(push).collect()
    }

    /// One turn that carries these to everyone.
    ///
    /// # Panics
    /// When somebody falls behind.
    pub fn turn(&mut self, pushes: Vec<(Seq, Arc<Push>)>) {
        for (seq, push) in pushes {
            let event = Delivery::Event {
                room: ROOM,
                seq,
                push,
            };
            self.shard.deliver(TENANT, event);
        }
        let mut needs = Vec::new();
        while self.shard.end_turn(NOW, &mut needs).more {}
        assert!(needs.is_empty(), "nobody falls behind");
    }

    /// Every socket is said to be writable; what is queued goes as far as it is taken.
    pub fn drain(&mut self) {
        for id in 0..self.listeners {
            self.shard.writable(ConnectionId(id), NOW);
        }
        let mut needs = Vec::new();
        while self.shard.end_turn(NOW, &mut needs).more {}
    }

    /// Bytes queued for all of them.
    pub fn queued_bytes(&mut self) -> usize {
        self.shard.tick(NOW, &mut Vec::new());
        self.shard.outbox_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_narrow_socket_did_not_take_waits_for_it() {
        let socket = Narrow::default();
        let mut hall = Hall::new(1, || socket.clone());
        let pushes = hall.pushes(4);
        let bytes: usize = pushes.iter().map(|(_, push)| push.wire().len()).sum();
        socket.make_room(100);
        hall.turn(pushes);
        assert_eq!(hall.queued_bytes(), bytes - 100);
        socket.make_room(bytes);
        hall.drain();
        assert_eq!(hall.queued_bytes(), 0);
    }
}
