//! One shard and a thousand listeners: what the hub itself costs, for sockets that take everything, for
//! full ones whose messages are queued, and for those that drain. The kernel's share of a real write comes
//! on top.

use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use homeroom_benches::hall::{Fast, Hall, Narrow};

const LISTENERS: u64 = 1000;
/// Messages queued for a full socket: well below what an outbox may hold.
const QUEUED: u64 = 64;

fn fan_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hub/1,000 listeners");
    for messages in [1, 16] {
        // One element is one message at one listener.
        group.throughput(Throughput::Elements(LISTENERS * messages));
        group.bench_function(format!("{messages} a turn"), |bencher| {
            let mut hall = Hall::new(LISTENERS, || Fast);
            bencher.iter(|| {
                let pushes = hall.pushes(messages);
                hall.turn(pushes);
            });
        });
    }
    group.finish();
}

/// Halls whose sockets are full, with nothing queued yet.
fn full() -> (Hall, Vec<Narrow>) {
    let sockets: Vec<_> = (0..LISTENERS).map(|_| Narrow::default()).collect();
    let mut given = sockets.iter().cloned();
    let hall = Hall::new(LISTENERS, || given.next().expect("one for each listener"));
    (hall, sockets)
}

fn outbox(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("outbox/1,000 full sockets");
    group.sample_size(20);
    group.throughput(Throughput::Elements(LISTENERS * QUEUED));
    group.bench_function("64 messages queued, one a turn", |bencher| {
        bencher.iter_batched(
            || full().0,
            |mut hall| {
                for _ in 0..QUEUED {
                    let push = hall.pushes(1);
                    hall.turn(push);
                }
                hall
            },
            BatchSize::LargeInput,
        );
    });
    // A sip ends within a frame, so each begins with the rest of one.
    for (name, sip) in [
        ("drained at once", usize::MAX),
        ("drained by sips of 1,000 bytes", 1000),
    ] {
        group.bench_function(format!("64 messages {name}"), |bencher| {
            bencher.iter_custom(|rounds| (0..rounds).map(|_| drained_by(sip)).sum());
        });
    }
    group.finish();
}

/// How long it takes until nothing is queued any more, when each socket takes so many bytes at a time.
fn drained_by(sip: usize) -> Duration {
    let (mut hall, sockets) = full();
    for _ in 0..QUEUED {
        let push = hall.pushes(1);
        hall.turn(push);
    }
    let mut took = Duration::ZERO;
    while hall.queued_bytes() > 0 {
        sockets.iter().for_each(|socket| socket.make_room(sip));
        let begun = Instant::now();
        hall.drain();
        took += begun.elapsed();
    }
    took
}

criterion_group!(hub, fan_out, outbox);
criterion_main!(hub);
