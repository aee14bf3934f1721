//! One message to a thousand listeners of one shard, whose sockets take everything: what the hub
//! itself costs. The kernel's share of a real write comes on top.

use std::{io, sync::Arc};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use homeroom_benches::{NOW, ROOM, event_push};
use homeroom_engine::hub::{
    Delivery, Gauge, Generation, OUTBOX_BYTES_MAX, Push, Shard, Sink, SocketSink, TenantLife,
};
use homeroom_protocol::{CloseCode, ConnectionId, Epoch, Seq};

const TENANT: TenantLife = TenantLife(1);
const LISTENERS: u64 = 1000;

/// Takes every byte and forgets it.
#[derive(Debug)]
struct Fast;

impl SocketSink for Fast {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(std::hint::black_box(bytes).len())
    }

    fn close(&self, _: CloseCode) {}
}

fn shard() -> Shard {
    let mut shard = Shard::new(OUTBOX_BYTES_MAX);
    for id in 0..LISTENERS {
        let connection = ConnectionId(id);
        let sink = Sink::Socket(Arc::new(Fast));
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
    shard
}

/// One turn that carries this many messages to everyone.
fn turn(shard: &mut Shard, last: &mut Seq, messages: u64) {
    for _ in 0..messages {
        *last = last.next();
        let push = Arc::new(Push::new(event_push(*last)));
        let event = Delivery::Event {
            room: ROOM,
            seq: *last,
            push,
        };
        shard.deliver(TENANT, event);
    }
    let mut needs = Vec::new();
    while shard.end_turn(NOW, &mut needs).more {}
    assert!(needs.is_empty(), "nobody falls behind");
}

fn fan_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hub/1,000 listeners");
    for messages in [1, 16] {
        // One element is one message at one listener.
        group.throughput(Throughput::Elements(LISTENERS * messages));
        group.bench_function(format!("{messages} a turn"), |bencher| {
            let mut shard = shard();
            let mut last = Seq(0);
            bencher.iter(|| turn(&mut shard, &mut last, messages));
        });
    }
    group.finish();
}

criterion_group!(hub, fan_out);
criterion_main!(hub);
