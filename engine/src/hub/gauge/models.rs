//! A connection's reader, which looks at the gauge, beside the shard, which writes it.

use std::{io, sync::Arc};

use homeroom_protocol::{CloseCode, ConnectionId, ServerFrame, Timestamp};
use loom::{
    sync::{Condvar, mpsc},
    thread,
};

use super::{
    super::{Delivery, Push, Shard, Sink, SocketSink, TenantLife},
    *,
};
use crate::sync::explore;

#[test]
fn what_is_asked_counts_until_it_is_answered_and_no_longer() {
    explore(|| {
        let gauge = Arc::new(Gauge::default());
        let (asked, asks) = mpsc::channel();
        let asking = {
            let gauge = Arc::clone(&gauge);
            thread::spawn(move || {
                // Replies to these may be long.
                for id in [1, 2].map(RequestId) {
                    gauge.add_request(id, &Request::Me);
                    asked.send(id).unwrap();
                }
            })
        };
        for _ in 0..2 {
            let id = asks.recv().unwrap();
            gauge.take_unanswered([id].into_iter());
        }
        asking.join().unwrap();
        assert_eq!(gauge.unanswered(), 0);
        assert_eq!(gauge.pages_unanswered.load(Ordering::Relaxed), 0);
        assert!(gauge.page_requests.lock().unwrap().is_empty());
    });
}

/// A socket that takes all or nothing, and its task, which waits on the condition.
#[derive(Debug, Default)]
struct Socket {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    takes: bool,
    paused: bool,
    changed: bool,
}

impl SocketSink for Socket {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        if self.state.lock().unwrap().takes {
            Ok(bytes.len())
        } else {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }

    fn close(&self, _: CloseCode) {}

    fn gauge_changed(&self) {
        let mut state = self.state.lock().unwrap();
        if state.paused {
            state.changed = true;
            self.changed.notify_one();
        }
    }
}

/// The promise of [`SocketSink::gauge_changed`], of which a reader lives that has stopped for its replies: whoever
/// asked to be woken, looked, and found them full is woken when they are not.
#[test]
fn a_reader_that_stopped_for_its_replies_is_woken_when_they_are_gone() {
    const LIFE: TenantLife = TenantLife(1);
    const ID: ConnectionId = ConnectionId(1);
    const NOW: Timestamp = Timestamp(1);
    explore(|| {
        let (socket, gauge) = (Arc::new(Socket::default()), Arc::new(Gauge::default()));
        let mut shard = Shard::new(1_000);
        let sink = Arc::clone(&socket);
        shard.attach(LIFE, ID, Sink::Socket(sink), Arc::clone(&gauge));
        let reply = ServerFrame::Error {
            id: Some(RequestId(1)),
            code: 1,
            retry_after_ms: None,
            explanation: "x".repeat(REPLY_LANE_BYTES),
        };
        gauge.add_unanswered();
        let push = Arc::new(Push::new(reply));
        shard.deliver(
            LIFE,
            Delivery::Direct {
                connection: ID,
                push,
            },
        );
        while shard.end_turn(NOW, &mut Vec::new()).more {}
        assert!(gauge.replies_are_full());

        let reading = {
            let (socket, gauge) = (Arc::clone(&socket), Arc::clone(&gauge));
            thread::spawn(move || {
                socket.state.lock().unwrap().paused = true;
                while gauge.replies_are_full() {
                    let mut state = socket.state.lock().unwrap();
                    while !state.changed {
                        state = socket.changed.wait(state).unwrap();
                    }
                    state.changed = false;
                }
            })
        };
        socket.state.lock().unwrap().takes = true;
        shard.writable(ID, NOW);
        reading.join().unwrap();
    });
}
