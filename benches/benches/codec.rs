//! The wire: a client's send as it comes in, and a message as it goes out to a room.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use homeroom_benches::{event_push, send};
use homeroom_protocol::{
    ClientFrame, RequestId, Seq, decode_client_message, encode_client_frame, encode_server_frame,
    limit,
    scan::{Sender, scan},
    wire_message,
};

fn client_send(criterion: &mut Criterion) {
    let frame = ClientFrame::Request {
        id: RequestId(7),
        request: send(1),
    };
    let mut message = Vec::new();
    encode_client_frame(&frame, &mut message);
    let mut group = criterion.benchmark_group("codec/send");
    group.throughput(Throughput::Bytes(message.len() as u64));
    group.bench_function("scan", |bencher| {
        bencher.iter(|| {
            scan(
                black_box(&message),
                limit::CLIENT_MESSAGE_BYTES_MAX,
                Sender::Client,
            )
        });
    });
    group.bench_function("scan and decode", |bencher| {
        bencher.iter(|| {
            let frames =
                decode_client_message(black_box(&message), limit::CLIENT_MESSAGE_BYTES_MAX)
                    .expect("it was just encoded");
            for frame in frames {
                black_box(frame.expect("it was just encoded"));
            }
        });
    });
    group.bench_function("encode", |bencher| {
        let mut out = Vec::with_capacity(message.len());
        bencher.iter(|| {
            out.clear();
            encode_client_frame(black_box(&frame), &mut out);
            black_box(out.len())
        });
    });
    group.finish();
}

fn room_push(criterion: &mut Criterion) {
    let frame = event_push(Seq(12_345));
    let mut message = Vec::new();
    encode_server_frame(&frame, &mut message);
    let mut group = criterion.benchmark_group("codec/event push");
    group.throughput(Throughput::Bytes(message.len() as u64));
    group.bench_function("encode", |bencher| {
        let mut out = Vec::with_capacity(message.len());
        bencher.iter(|| {
            out.clear();
            encode_server_frame(black_box(&frame), &mut out);
            black_box(out.len())
        });
    });
    group.bench_function("encode as a shared WebSocket message", |bencher| {
        bencher.iter(|| wire_message(black_box(&frame)));
    });
    group.finish();
}

criterion_group!(codec, client_send, room_push);
criterion_main!(codec);
