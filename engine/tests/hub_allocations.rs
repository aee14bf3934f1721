//! What a room costs in memory operations must not depend on how many listen: pushes are encoded and
//! joined once, and each listener is one write of a shared buffer.

use std::{io, sync::Arc};

use homeroom_engine::hub::{
    Audience, Delivery, Gauge, Generation, OUTBOX_BYTES_MAX, Push, Shard, SignalKind, Sink,
    SocketSink, TenantLife,
};
use homeroom_protocol::{
    CloseCode, ConnectionId, Epoch, EventBody, RoomNumber, Seq, ServerFrame, TimelineEvent,
    Timestamp, UserId,
};

const TENANT: TenantLife = TenantLife(1);
const ROOM: RoomNumber = RoomNumber(1);
const NOW: Timestamp = Timestamp(1);

/// Takes every byte and forgets it.
#[derive(Debug)]
struct Fast;

impl SocketSink for Fast {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn close(&self, _: CloseCode) {}
}

/// Takes nothing.
#[derive(Debug)]
struct Stuck;

impl SocketSink for Stuck {
    fn try_write(&self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn close(&self, _: CloseCode) {}
}

fn shard(listeners: u64, sink: fn() -> Arc<dyn SocketSink>) -> Shard {
    let mut shard = Shard::new(OUTBOX_BYTES_MAX);
    for id in 0..listeners {
        let connection = ConnectionId(id);
        let gauge = Arc::new(Gauge::default());
        shard.attach(TENANT, connection, Sink::Socket(sink()), gauge);
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
    shard
}

/// One turn of 64 messages and a signal.
fn turn(shard: &mut Shard, first: u64) {
    for seq in first..first + 64 {
        let push = Arc::new(Push::new(ServerFrame::Event {
            room: ROOM,
            epoch: Epoch::from_random(u64::MAX),
            event: TimelineEvent {
                seq: Seq(seq),
                time: NOW,
                author: UserId::new("ada").expect("a valid name"),
                body: EventBody::Message("x".repeat(100).into()),
            },
        }));
        let event = Delivery::Event {
            room: ROOM,
            seq: Seq(seq),
            push,
        };
        shard.deliver(TENANT, event);
    }
    let typing = Delivery::Signal {
        audience: Audience::Room(ROOM),
        kind: SignalKind::Typing,
        push: Arc::new(Push::new(ServerFrame::Typing {
            room: ROOM,
            users: Vec::new(),
            count: 0,
            thread: None,
        })),
    };
    shard.deliver(TENANT, typing);
    let mut needs = Vec::new();
    while shard.end_turn(NOW, &mut needs).more {}
    assert!(needs.is_empty());
}

/// Allocations and bytes of the second turn; the first one warms the lists up.
fn cost(mut shard: Shard) -> (u64, u64) {
    turn(&mut shard, 1);
    let cost = allocation_counter::measure(|| turn(&mut shard, 65));
    (cost.count_total, cost.bytes_total)
}

#[test]
fn a_turn_costs_the_same_allocations_for_one_listener_and_for_a_thousand() {
    let one = cost(shard(1, || Arc::new(Fast)));
    let thousand = cost(shard(1000, || Arc::new(Fast)));
    assert_eq!(one, thousand);
    assert!(one.0 > 0, "the counter counts");
}

#[test]
fn queueing_for_a_thousand_stuck_listeners_copies_no_payload() {
    let listeners = 1000;
    let one = cost(shard(1, || Arc::new(Stuck)));
    let many = cost(shard(listeners, || Arc::new(Stuck)));
    // Each grows its own list of pieces a little; 64 messages of 100 bytes would be far more.
    let bytes_each = (many.1 - one.1) / listeners;
    assert!(bytes_each < 64 * 100 / 10, "{bytes_each}");
}

#[test]
fn an_idle_connection_allocates_nothing_of_its_own() {
    let listeners = 1 << 12;
    let mut idle = Shard::new(OUTBOX_BYTES_MAX);
    // Boxes and gauges are the caller's and are made before.
    let sinks: Vec<_> = (0..listeners)
        .map(|_| {
            let sink: Arc<dyn SocketSink> = Arc::new(Fast);
            (Sink::Socket(sink), Arc::new(Gauge::default()))
        })
        .collect();
    let attached = allocation_counter::measure(|| {
        for (id, (sink, gauge)) in (0..).zip(sinks) {
            idle.attach(TENANT, ConnectionId(id), sink, gauge);
        }
    });
    assert!(attached.count_total < 100, "{attached:?}");
    let bytes_each = attached.bytes_current / i64::from(listeners);
    assert!(bytes_each < 400, "{bytes_each}");
}
