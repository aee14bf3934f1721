//! The same over every kind of wire.

use homeroom_protocol::{ServerFrame, Timestamp, websocket::pong_message, wire_message};
use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt, Interest},
    runtime::Runtime,
};

use super::*;
use crate::wire::{
    OFFER_BYTES_MAX,
    pairs::{Far, Kind, pair},
};

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Runs a test over every kind of wire.
fn over_all_kinds<F: Future<Output = ()>>(test: impl Fn(Kind) -> F) {
    for kind in Kind::ALL {
        runtime().block_on(async {
            let limit = std::time::Duration::from_secs(20);
            let run = tokio::time::timeout(limit, test(kind)).await;
            assert!(run.is_ok(), "over {kind:?} it hangs");
        });
    }
}

async fn connected(kind: Kind) -> (Arc<Socket>, Box<dyn Far>) {
    let (wire, far) = pair(kind, true).await;
    (Socket::new(wire), far)
}

fn message() -> Vec<u8> {
    let (nonce, time) = (1, Timestamp(2));
    wire_message(&ServerFrame::Pong { nonce, time })
        .bytes
        .into()
}

/// A frame of so many bytes in all.
fn frame(fill: u8, payload: u16) -> Vec<u8> {
    let [high, low] = payload.to_be_bytes();
    let mut bytes = if payload < 126 {
        vec![0x82, low]
    } else {
        vec![0x82, 126, high, low]
    };
    bytes.resize(bytes.len() + usize::from(payload), fill);
    bytes
}

/// The connection's task and the hub in one: writes what is queued whenever there is room, as they do.
struct Near {
    socket: Arc<Socket>,
    sink: Arc<dyn SocketSink>,
    queue: Vec<u8>,
    blocked: bool,
}

impl Near {
    fn new(socket: &Arc<Socket>) -> Self {
        Self {
            socket: Arc::clone(socket),
            sink: socket.sink(),
            queue: Vec::new(),
            blocked: false,
        }
    }

    /// Offers `frames` behind what is queued.
    fn write(&mut self, frames: &[u8]) {
        self.queue.extend_from_slice(frames);
        if !self.blocked {
            self.offer();
        }
    }

    fn offer(&mut self) {
        let taken = match self.sink.try_write(&self.queue) {
            Ok(taken) => taken,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                0
            }
        };
        self.queue.drain(..taken);
        self.blocked = !self.queue.is_empty();
        let wish = self.socket.wish();
        assert!(wish.writable || !self.blocked, "nobody will tell of room");
    }

    /// Until nothing waits for room; never ends by itself when the other side does not read.
    async fn pump(&mut self) {
        loop {
            if !self.socket.wish().writable {
                return;
            }
            self.room().await;
        }
    }

    /// One word of room.
    async fn room(&mut self) {
        let ready = self.socket.wire().ready(Interest::WRITABLE).await.unwrap();
        assert!(ready.is_writable());
        if self.socket.take_room() {
            assert!(self.blocked, "the hub did not wait");
            self.offer();
        }
    }
}

/// After the end, as the farewell does it.
async fn pass_on_all(socket: &Socket) {
    while socket.wire().holds() {
        socket.wire().ready(Interest::WRITABLE).await.unwrap();
        socket.wire().pass_on();
    }
}

async fn read(far: &mut dyn Far, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    far.read_exact(&mut bytes).await.unwrap();
    bytes
}

#[test]
fn a_pong_goes_out_between_the_hubs_frames() {
    over_all_kinds(|kind| async move {
        let (socket, mut far) = connected(kind).await;
        let mut near = Near::new(&socket);
        let pong = pong_message(b"?").unwrap();
        let expected = [message(), pong.to_vec(), message()].concat();
        let writing = async {
            near.write(&message());
            near.pump().await;
            socket.write_control(pong.clone());
            near.write(&message());
            near.pump().await;
        };
        let ((), got) = tokio::join!(writing, read(&mut *far, expected.len()));
        assert_eq!(got, expected, "{kind:?}");
    });
}

#[test]
fn inside_a_frame_the_newest_pong_waits_for_its_end() {
    over_all_kinds(|kind| async move {
        let (socket, mut far) = connected(kind).await;
        let mut near = Near::new(&socket);
        let large = frame(7, 60_000);
        while !near.blocked {
            near.write(&large);
        }
        assert!(socket.wish().writable, "the hub waits for room");
        for payload in [&b"first"[..], b"second"] {
            socket.write_control(pong_message(payload).unwrap());
        }
        let mut got = Vec::new();
        let reading = async {
            while !got.ends_with(b"second") {
                far.read_buf(&mut got).await.unwrap();
            }
        };
        tokio::join!(near.pump(), reading);
        let pong = pong_message(b"second").unwrap();
        let (before, last) = got.split_at(got.len() - pong.len());
        assert_eq!(last, pong, "{kind:?}: the pong of the newest ping");
        assert_eq!(before.len() % large.len(), 0, "{kind:?}: behind the frame");
        assert!(before.chunks(large.len()).all(|whole| whole == large));
        assert!(!socket.wish().writable, "nothing waits any more");
    });
}

#[test]
fn after_the_end_nothing_is_written() {
    over_all_kinds(|kind| async move {
        let (socket, mut far) = connected(kind).await;
        let sink = socket.sink();
        socket.finish(b"bye");
        socket.finish(b"again");
        socket.write_control(pong_message(b"?").unwrap());
        let refused = sink.try_write(&message()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::BrokenPipe);
        assert!(socket.wish().closed);
        socket.changed().await;
        let mut all = Vec::new();
        // Over TLS this is an error unless the end was said.
        let (end, ()) = tokio::join!(far.read_to_end(&mut all), pass_on_all(&socket));
        end.unwrap();
        assert_eq!(all, b"bye", "{kind:?}");
    });
}

/// What a revocation relies on: of what was offered, the part that was not taken stays here.
#[test]
fn an_end_lets_out_what_was_taken_and_not_a_byte_more() {
    over_all_kinds(|kind| async move {
        let (socket, mut far) = connected(kind).await;
        let sink = socket.sink();
        let frames = vec![7; 3 * OFFER_BYTES_MAX];
        let mut taken = 0;
        loop {
            match sink.try_write(&frames) {
                Ok(count) => taken += count,
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    break;
                }
            }
        }
        let sent_before = socket.wire().sent();
        sink.close(CloseCode::Idle);
        socket.write_control(pong_message(b"?").unwrap());
        let mut all = Vec::new();
        let (end, ()) = tokio::join!(far.read_to_end(&mut all), pass_on_all(&socket));
        end.unwrap();
        assert_eq!(all.len(), taken, "{kind:?}");
        let after = socket.wire().sent() - sent_before;
        let record = OFFER_BYTES_MAX + 64;
        let alert = 64;
        if kind.is_tls() {
            assert!(after > 0 && after <= record + alert, "{kind:?}: {after}");
        } else {
            assert_eq!(after, 0, "a bare socket holds nothing");
        }
    });
}

#[derive(Debug, Clone)]
enum Step {
    /// The hub offers frames of these sizes together.
    Frames(Vec<u16>),
    /// The client pinged.
    Pong(u8),
    /// The client reads at most so much.
    Read(usize),
    /// The connection's task looks for room once, if somebody waits for it.
    Room,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![0_u16..300, 10_000_u16..50_000];
    let step = prop_oneof![
        3 => prop::collection::vec(size, 1..4).prop_map(Step::Frames),
        1 => any::<u8>().prop_map(Step::Pong),
        3 => (1_usize..40_000).prop_map(Step::Read),
        2 => Just(Step::Room),
    ];
    prop::collection::vec(step, 1..25)
}

/// Cuts what a client received into frames: opcode and payload.
fn parse(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (start, length) = match bytes[1] {
            126 => (4, usize::from(u16::from_be_bytes([bytes[2], bytes[3]]))),
            short => (2, usize::from(short)),
        };
        frames.push((bytes[0], bytes[start..start + length].to_vec()));
        bytes = &bytes[start + length..];
    }
    frames
}

async fn arrives_in_order(kind: Kind, steps: Vec<Step>) {
    let (socket, mut far) = connected(kind).await;
    let mut near = Near::new(&socket);
    let (mut got, mut sent, mut fill) = (Vec::new(), Vec::new(), 0_u8);
    for step in steps {
        match step {
            Step::Frames(sizes) => {
                let mut joined = Vec::new();
                for size in sizes {
                    fill = fill.wrapping_add(1);
                    joined.extend(frame(fill, size));
                }
                sent.extend_from_slice(&joined);
                near.write(&joined);
            }
            Step::Pong(nonce) => socket.write_control(pong_message(&[nonce]).unwrap()),
            Step::Read(count) => {
                let mut some = vec![0; count];
                let read = std::pin::pin!(far.read(&mut some));
                // Only what is there: a client that waits is the end of the test.
                if let Poll::Ready(read) = futures_poll(read) {
                    got.extend_from_slice(&some[..read.unwrap()]);
                }
            }
            Step::Room => {
                if socket.wish().writable {
                    let ready = std::pin::pin!(near.room());
                    let _ = futures_poll(ready);
                }
            }
        }
        // Lets the kernel's words in.
        tokio::task::yield_now().await;
    }
    let rest = async {
        near.pump().await;
        socket.finish(&[]);
        pass_on_all(&socket).await;
    };
    let (end, ()) = tokio::join!(far.read_to_end(&mut got), rest);
    end.unwrap();
    let (pongs, frames): (Vec<_>, Vec<_>) = parse(&got).into_iter().partition(|it| it.0 == 0x8a);
    assert!(pongs.iter().all(|(_, payload)| payload.len() == 1));
    assert_eq!(frames, parse(&sent), "over {kind:?}");
}

/// One poll.
fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn what_is_sent_arrives_in_order_however_little_is_taken_at_a_time(steps in steps()) {
        for kind in Kind::ALL {
            runtime().block_on(async {
                let limit = std::time::Duration::from_secs(20);
                let run = tokio::time::timeout(limit, arrives_in_order(kind, steps.clone())).await;
                assert!(run.is_ok(), "over {kind:?} it hangs");
            });
        }
    }
}
