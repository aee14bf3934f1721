//! Certificates from files, their renewal, and what a session weighs.

use std::os::unix::fs::PermissionsExt;

use homeroom_engine::Engine;
use rustls::{
    HandshakeKind,
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::{
    papers::{Papers, client, connect, issue},
    *,
};
use crate::{
    Service, Terms,
    wire::{Wire, pairs::sockets},
};

fn refused(papers: &Papers) -> TlsError {
    Tls::load(&papers.settings()).unwrap_err()
}

#[test]
fn without_files_there_is_no_tls_and_with_one_of_two_there_is_an_error() {
    assert!(Tls::load(&TlsSettings::default()).unwrap().is_none());
    let both = Papers::new().settings();
    let certificate_alone = TlsSettings {
        key: None,
        ..both.clone()
    };
    let key_alone = TlsSettings {
        certificate: None,
        ..both
    };
    for (settings, unnamed) in [(certificate_alone, "key"), (key_alone, "certificate")] {
        match Tls::load(&settings).unwrap_err() {
            TlsError::Unnamed { missing } => assert_eq!(missing, unnamed),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn what_is_wrong_with_the_files_is_said_with_their_names() {
    let papers = Papers::new();
    let (chain, key) = (
        papers.folder().join("chain.pem"),
        papers.folder().join("key.pem"),
    );

    papers.put("key.pem", &issue().signing_key.serialize_pem());
    assert!(matches!(refused(&papers), TlsError::Mismatch { .. }));
    papers.put("key.pem", &papers.issued.cert.pem());
    assert!(matches!(refused(&papers), TlsError::NoKey { path } if path == key));
    papers.put(
        "key.pem",
        "-----BEGIN PRIVATE KEY-----\n*\n-----END PRIVATE KEY-----\n",
    );
    assert!(matches!(refused(&papers), TlsError::Malformed { path, .. } if path == key));
    papers.put(
        "key.pem",
        "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
    );
    assert!(matches!(refused(&papers), TlsError::Unusable { .. }));

    papers.write(&papers.issued);
    papers.put("chain.pem", "");
    assert!(matches!(refused(&papers), TlsError::NoCertificate { path } if path == chain));
    papers.put("chain.pem", &"x".repeat(1024 * 1024 + 1));
    assert!(matches!(refused(&papers), TlsError::Unreadable { path, .. } if path == chain));
    fs_remove(&chain);
    let error = refused(&papers);
    assert!(error.to_string().contains("chain.pem"), "{error}");
    assert!(matches!(error, TlsError::Unreadable { path, .. } if path == chain));
}

fn fs_remove(path: &Path) {
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_key_that_every_user_can_read_is_noticed() {
    let papers = Papers::new();
    let key = papers.folder().join("key.pem");
    let mut seen = Vec::new();
    for mode in [0o600, 0o640, 0o644] {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        seen.push(certificate::is_public(&key));
    }
    assert_eq!(seen, [false, false, true]);
}

/// The certificate a new connection is shown; `None` when it does not trust it.
async fn shown(tls: &Tls, papers: &Papers) -> Option<Vec<u8>> {
    let (near, far) = sockets(false).await;
    let trusting = client(papers.issued.cert.der(), &[&TLS13]);
    let (near, far) = tokio::join!(tls.accept(near), connect(far, trusting));
    let far = far.ok()?;
    near.unwrap();
    Some(far.get_ref().1.peer_certificates().unwrap()[0].to_vec())
}

#[tokio::test]
async fn a_renewed_pair_is_taken_over_when_two_looks_agree() {
    let old = Papers::new();
    let renewed = Papers::new();
    let tls = old.load();
    assert!(matches!(tls.look(), Reloaded::Unchanged));
    let (near, far) = sockets(false).await;
    let trusting = client(old.issued.cert.der(), &[&TLS13]);
    let (near, far) = tokio::join!(tls.accept(near), connect(far, trusting));
    let (mut near, mut far) = (near.unwrap(), far.unwrap());

    // Half of it: the certificate is there, its key not yet.
    old.put("chain.pem", &renewed.issued.cert.pem());
    assert!(matches!(tls.look(), Reloaded::Unsettled));
    old.write(&renewed.issued);
    assert!(matches!(tls.look(), Reloaded::Unsettled));
    assert!(shown(&tls, &old).await.is_some(), "still the old one");
    assert!(matches!(tls.look(), Reloaded::Replaced));
    assert!(matches!(tls.look(), Reloaded::Unchanged));
    assert!(shown(&tls, &old).await.is_none());
    let now = shown(&tls, &renewed).await.unwrap();
    assert_eq!(now, renewed.issued.cert.der().to_vec());

    // Who was connected goes on.
    near.write_all(b"still here").await.unwrap();
    near.flush().await.unwrap();
    let mut heard = [0; 10];
    far.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"still here");
}

#[tokio::test]
async fn a_broken_pair_is_refused_once_and_the_old_one_stays() {
    let papers = Papers::new();
    let tls = papers.load();
    papers.put("key.pem", "no key at all");
    assert!(matches!(tls.look(), Reloaded::Unsettled));
    assert!(matches!(tls.look(), Reloaded::Kept(TlsError::NoKey { .. })));
    assert!(matches!(tls.look(), Reloaded::Unchanged), "said once");
    fs_remove(&papers.folder().join("chain.pem"));
    assert!(matches!(tls.look(), Reloaded::Unsettled));
    assert!(matches!(
        tls.look(),
        Reloaded::Kept(TlsError::Unreadable { .. })
    ));
    assert!(shown(&tls, &papers).await.is_some(), "it goes on");
    papers.write(&papers.issued);
    assert!(matches!(tls.look(), Reloaded::Unsettled));
    assert!(matches!(tls.look(), Reloaded::Replaced), "and recovers");
}

#[tokio::test(start_paused = true)]
async fn a_host_looks_by_itself_until_it_is_dropped() {
    let papers = Papers::new();
    let settings = TlsSettings {
        reload_every_ms: 1_000,
        ..papers.settings()
    };
    let tls = Tls::load(&settings).unwrap().unwrap();
    let before = tls.current();
    tls.keep_looking();
    papers.write(&issue());
    while Arc::ptr_eq(&before, &tls.current()) {
        sleep(Duration::from_millis(100)).await;
    }
    let alive = Arc::downgrade(&tls.0);
    drop(tls);
    while alive.strong_count() > 0 {
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_client_that_comes_back_resumes() {
    let papers = Papers::new();
    let tls = papers.load();
    for version in [&TLS12, &TLS13] {
        let returning = client(papers.issued.cert.der(), &[version]);
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let (near, far) = sockets(false).await;
            let (near, far) = tokio::join!(tls.accept(near), connect(far, Arc::clone(&returning)));
            let (mut near, mut far) = (near.unwrap(), far.unwrap());
            // A ticket of 1.3 comes with what comes first.
            near.write_all(b"!").await.unwrap();
            near.flush().await.unwrap();
            assert_eq!(far.read_u8().await.unwrap(), b'!');
            kinds.push(far.get_ref().1.handshake_kind());
        }
        let expected = [HandshakeKind::Full, HandshakeKind::Resumed].map(Some);
        assert_eq!(kinds, expected, "{version:?}");
    }
}

#[tokio::test]
async fn keys_are_changed_while_both_sides_write() {
    let (near, far) = sockets(true).await;
    let (near, mut far) = Papers::new().secure(near, far, &[&TLS13]).await;
    let wire = Wire::tls(near);
    for round in 0..3_u8 {
        far.get_mut().1.refresh_traffic_keys().unwrap();
        far.write_all(&[round; 100]).await.unwrap();
        far.flush().await.unwrap();
        let mut got = Vec::new();
        while got.len() < 100 {
            wire.ready(Interest::READABLE).await.unwrap();
            let mut some = [0; 64];
            if let Ok(count) = wire.try_read(&mut some) {
                got.extend_from_slice(&some[..count]);
            }
        }
        assert_eq!(got, [round; 100]);
        wire.ready(Interest::WRITABLE).await.unwrap();
        assert_eq!(wire.try_write(&[round; 50]).unwrap(), 50);
        let mut back = [9; 50];
        far.read_exact(&mut back).await.unwrap();
        assert_eq!(back, [round; 50]);
    }
}

/// What `an_idle_connection_is_small` is for a bare socket, TLS has on top of that.
#[test]
fn an_idle_session_is_small() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let papers = Papers::new();
    let tls = papers.load();
    let mut weights = Vec::new();
    let mut held = Vec::new();
    for _ in 0..4 {
        let weight = allocation_counter::measure(|| {
            held.push(runtime.block_on(async {
                let (near, far) = sockets(false).await;
                let trusting = client(papers.issued.cert.der(), &[&TLS13]);
                let (near, far) = tokio::join!(tls.accept(near), connect(far, trusting));
                let (wire, mut far) = (Wire::tls(near.unwrap()), far.unwrap());
                // Both ways, and more than a record.
                far.write_all(&[1; 40_000]).await.unwrap();
                far.flush().await.unwrap();
                let mut left = 40_000;
                while left > 0 {
                    wire.ready(Interest::READABLE).await.unwrap();
                    left -= wire.try_read(&mut [0; 16 * 1024]).unwrap_or(0);
                }
                let mut written = 0;
                while written < 40_000 {
                    wire.ready(Interest::WRITABLE).await.unwrap();
                    written += wire.try_write(&[2; 40_000][written..]).unwrap_or(0);
                }
                let mut heard = vec![0; 40_000];
                far.read_exact(&mut heard).await.unwrap();
                // The task finds nothing more to read, and waits.
                while wire.try_read(&mut [0; 1]).is_ok() {}
                wire
            }));
        });
        weights.push(weight.bytes_current);
    }
    let heaviest = weights[1..].iter().max().unwrap();
    assert!(*heaviest <= 8 * 1024, "{weights:?} bytes");
}

/// A connection that is served, from its first byte on; its other end.
async fn served(service: &Arc<Service>) -> (JoinHandle<()>, TcpStream) {
    let (near, far) = sockets(false).await;
    (tokio::spawn(Arc::clone(service).serve(near)), far)
}

#[tokio::test(start_paused = true)]
async fn the_handshake_and_the_head_behind_it_share_one_time() {
    let papers = Papers::new();
    let terms = Terms {
        tls: Some(papers.load()),
        ..Terms::default()
    };
    let within = terms.handshake_within;
    let service = Service::new(Engine::in_memory().await.unwrap(), terms);
    for begun in ["", "GET /health/live HTTP/1.1\r\n"] {
        let came = Instant::now();
        let (serving, far) = served(&service).await;
        sleep(within * 2 / 3).await;
        let mut far = connect(far, client(papers.issued.cert.der(), &[&TLS13]))
            .await
            .unwrap();
        far.write_all(begun.as_bytes()).await.unwrap();
        far.flush().await.unwrap();
        serving.await.unwrap();
        let took = came.elapsed();
        assert!(took >= within, "{took:?}");
        assert!(took < within + Duration::from_secs(1), "{took:?}");
    }
    // Who has asked once has the whole time for its next head.
    let (serving, far) = served(&service).await;
    sleep(within * 2 / 3).await;
    let mut far = connect(far, client(papers.issued.cert.der(), &[&TLS13]))
        .await
        .unwrap();
    far.write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    far.read_u8().await.unwrap();
    let asked = Instant::now();
    serving.await.unwrap();
    assert!(asked.elapsed() >= within, "{:?}", asked.elapsed());
}
