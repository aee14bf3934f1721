//! Reading, over every kind of wire; writing is tested with the socket.

use std::{io, time::Duration};

use proptest::prelude::*;
use tokio::{
    io::{AsyncWriteExt, Interest},
    runtime::Runtime,
    time::timeout,
};

use super::{
    Wire,
    pairs::{Kind, pair, sockets},
    try_read,
};

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Reads to the end, as a connection's task does, `count` bytes at a time.
async fn read_to_end(wire: &Wire, count: usize) -> Vec<u8> {
    let mut all = Vec::new();
    let mut some = vec![0; count];
    loop {
        let wanted = if wire.holds() {
            Interest::READABLE | Interest::WRITABLE
        } else {
            Interest::READABLE
        };
        let ready = wire.ready(wanted).await.unwrap();
        if ready.is_writable() {
            wire.pass_on();
        }
        if !ready.is_readable() {
            continue;
        }
        match wire.try_read(&mut some) {
            Ok(0) => return all,
            Ok(read) => all.extend_from_slice(&some[..read]),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn what_the_peer_writes_is_read_in_order_to_its_end(
        pieces in prop::collection::vec(1_usize..30_000, 0..8),
        count in 1_usize..20_000,
    ) {
        for kind in Kind::ALL {
            let run = async {
                let (wire, mut far) = pair(kind, true).await;
                let mut sent = Vec::new();
                for (fill, piece) in pieces.iter().enumerate() {
                    sent.resize(sent.len() + piece, u8::try_from(fill).unwrap());
                }
                let writing = async {
                    let mut rest = &sent[..];
                    for piece in &pieces {
                        let (now, later) = rest.split_at(*piece);
                        far.write_all(now).await.unwrap();
                        far.flush().await.unwrap();
                        rest = later;
                    }
                    far.shutdown().await.unwrap();
                };
                let ((), got) = tokio::join!(writing, read_to_end(&wire, count));
                assert_eq!(got.len(), sent.len(), "over {kind:?}");
                assert!(got == sent, "over {kind:?}");
            };
            runtime().block_on(async {
                let in_time = timeout(Duration::from_secs(20), run).await;
                assert!(in_time.is_ok(), "over {kind:?} it hangs");
            });
        }
    }
}

/// A hub shard polls many streams in one turn of tokio's: none of them may look full for that.
#[test]
fn a_stream_is_polled_outside_of_the_budget_of_the_task_that_writes() {
    runtime().block_on(async {
        let (near, _far) = sockets(false).await;
        let wire = Wire::other(near);
        let in_a_task = tokio::spawn(async move {
            for written in 0..1_000 {
                assert_eq!(wire.try_write(b"x").unwrap(), 1, "after {written}");
            }
        });
        in_a_task.await.unwrap();
    });
}

/// A peer that is gone must not make a task that only waits for room spin.
#[test]
fn a_broken_stream_holds_nothing() {
    for kind in Kind::ALL {
        runtime().block_on(async {
            let (wire, far) = pair(kind, true).await;
            while wire.try_write(&[7; 50_000]).is_ok() {}
            drop(far);
            let gone = async {
                loop {
                    wire.ready(Interest::WRITABLE).await.unwrap();
                    if wire
                        .try_write(b"x")
                        .is_err_and(|it| it.kind() != io::ErrorKind::WouldBlock)
                    {
                        return;
                    }
                }
            };
            timeout(Duration::from_secs(20), gone).await.unwrap();
            assert!(!wire.holds(), "{kind:?}");
            wire.end();
            assert!(wire.pass_on() && !wire.holds(), "{kind:?}");
        });
    }
}

/// Without that a second system call would ask for every message whether there is more.
#[tokio::test]
async fn after_a_short_read_nothing_is_tried_before_more_comes() {
    let (near, mut far) = sockets(false).await;
    let mut into = [0; 64];
    for said in [&b"one"[..], b"another"] {
        far.write_all(said).await.unwrap();
        near.readable().await.unwrap();
        assert_eq!(try_read(&near, &mut into).unwrap(), said.len());
        let again = near.try_io(Interest::READABLE, || Ok(()));
        if cfg!(target_os = "linux") {
            assert_eq!(again.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        }
    }
    // The end comes behind a short read as well.
    far.write_all(b"last").await.unwrap();
    drop(far);
    near.readable().await.unwrap();
    assert_eq!(try_read(&near, &mut into).unwrap(), 4);
    near.readable().await.unwrap();
    assert_eq!(try_read(&near, &mut into).unwrap(), 0);
}
