//! A socket's three parties, each on a thread of its own: the hub, which writes; the connection's task, which waits
//! and answers pings; and the far end, which takes a byte now and then. The wire is that of a foreign stream, whose
//! flags and wakers are a part of what is looked at.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use loom::{future::block_on, sync::mpsc, thread};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

use super::*;
use crate::sync::explore;

/// What the far end has of a stream.
#[derive(Default)]
struct Far {
    /// Bytes that are taken at once.
    room: usize,
    heard: Vec<u8>,
    ended: bool,
    /// Whoever found no room.
    waiting: Option<Waker>,
}

/// The stream itself: it flushes at once what it took, and nothing is ever said on it.
struct Near(Arc<Mutex<Far>>);

impl AsyncWrite for Near {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut far = self.0.lock().unwrap();
        if far.room == 0 {
            far.waiting = Some(context.waker().clone());
            return Poll::Pending;
        }
        let taken = far.room.min(bytes.len());
        far.room -= taken;
        far.heard.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().unwrap().ended = true;
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Near {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

fn socket(room: usize) -> (Arc<Socket>, Arc<Mutex<Far>>) {
    let far = Arc::new(Mutex::new(Far {
        room,
        ..Far::default()
    }));
    (Socket::new(Wire::other(Near(Arc::clone(&far)))), far)
}

/// The far end takes so much more.
fn make_room(far: &Mutex<Far>, bytes: usize) {
    let waiting = {
        let mut far = far.lock().unwrap();
        far.room += bytes;
        far.waiting.take()
    };
    if let Some(waiting) = waiting {
        waiting.wake();
    }
}

/// The connection's task, as `Client::wait` has it: tells the hub of room until that has closed the socket.
fn wait(socket: &Socket, tell: &mpsc::Sender<()>) {
    block_on(async {
        loop {
            let wish = socket.wish();
            if wish.closed {
                return;
            }
            let ready = poll_fn(|context| {
                if wish.writable
                    && socket
                        .wire()
                        .poll_ready(Interest::WRITABLE, context)
                        .is_ready()
                {
                    return Poll::Ready(true);
                }
                socket.poll_changed(context).map(|()| false)
            });
            if ready.await && socket.take_room() {
                tell.send(()).unwrap();
            }
        }
    });
}

/// The hub writes a frame, and what was not taken whenever it is told of room; then it closes.
fn write(socket: &Arc<Socket>, mut frame: &[u8], room: &mpsc::Receiver<()>) {
    let sink = socket.sink();
    loop {
        match sink.try_write(frame) {
            Ok(taken) => frame = &frame[taken..],
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
        if frame.is_empty() {
            sink.close(CloseCode::Idle);
            return;
        }
        room.recv().unwrap();
    }
}

#[test]
fn a_hub_that_found_no_room_is_told_of_it_and_its_frame_arrives_whole() {
    explore(2, || {
        let (socket, far) = socket(1);
        let (tell, room) = mpsc::channel();
        let hub = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || write(&socket, b"abc", &room))
        };
        let task = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || wait(&socket, &tell))
        };
        make_room(&far, 1);
        make_room(&far, 1);
        hub.join().unwrap();
        task.join().unwrap();
        let far = far.lock().unwrap();
        assert_eq!(far.heard, b"abc");
        assert!(far.ended, "its end was said");
    });
}

#[test]
fn a_pong_comes_between_two_frames_or_not_at_all_and_holds_nobody_up() {
    explore(2, || {
        let (socket, far) = socket(1);
        let (tell, room) = mpsc::channel();
        let hub = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || write(&socket, b"ab", &room))
        };
        let task = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || {
                socket.write_control(Bytes::from_static(b"PQ"));
                wait(&socket, &tell);
            })
        };
        make_room(&far, 3);
        hub.join().unwrap();
        task.join().unwrap();
        let heard = far.lock().unwrap().heard.clone();
        // Once the hub has closed, what is owed is not.
        let may_be: [&[u8]; 3] = [b"PQab", b"abPQ", b"ab"];
        assert!(may_be.contains(&&heard[..]), "{heard:?}");
    });
}

#[test]
fn a_task_that_waits_for_the_welcome_is_woken_by_it() {
    explore(3, || {
        let (socket, _far) = socket(usize::MAX);
        let hub = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || assert_eq!(socket.sink().try_write(b"welcome").unwrap(), 7))
        };
        // As `Client::listen_or_pause` does it.
        block_on(async {
            while !socket.has_begun() {
                socket.set_paused(true);
                if !socket.has_begun() {
                    socket.changed().await;
                }
            }
        });
        hub.join().unwrap();
    });
}

/// Of this a reader lives that stopped for its replies: the gauge is another's, here a number.
#[test]
fn a_task_that_is_paused_is_woken_by_every_change_of_the_gauge() {
    explore(3, || {
        let (socket, _far) = socket(usize::MAX);
        let gauge = Arc::new(loom::sync::atomic::AtomicUsize::new(2));
        let hub = {
            let (socket, gauge) = (Arc::clone(&socket), Arc::clone(&gauge));
            thread::spawn(move || {
                let sink = socket.sink();
                for left in [1, 0] {
                    gauge.store(left, std::sync::atomic::Ordering::Relaxed);
                    sink.gauge_changed();
                }
            })
        };
        block_on(async {
            socket.set_paused(true);
            while gauge.load(std::sync::atomic::Ordering::Relaxed) > 0 {
                socket.changed().await;
            }
        });
        hub.join().unwrap();
    });
}
