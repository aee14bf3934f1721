//! What people in a room notice when the disk under it fails or fills up.
#![cfg(test)]

mod engine_support;

use std::sync::Arc;

use engine_support::{
    Scene,
    failing_disk::{FailingDisk, Mood},
    name, text, texts_until,
};
use homeroom_engine::{Event, Identity, Session, session::RequestError, session::Room};
use homeroom_protocol::{CloseCode, Direction, ErrorCode, IdempotencyKey, Seq};

async fn scene() -> (Scene, FailingDisk) {
    let disk = FailingDisk::default();
    let config_disk = disk.clone();
    let scene = Scene::on_disk_with(|config| config.disk = Arc::new(config_disk)).await;
    (scene, disk)
}

async fn kept(session: &Session, room: &Room) -> Vec<String> {
    let page = session
        .history(room, Direction::After, Seq(0), 100)
        .await
        .unwrap();
    page.events.iter().filter_map(text).collect()
}

#[tokio::test]
async fn a_failed_fsync_acknowledges_nothing_and_the_tenant_comes_back_with_all_it_promised() {
    let (scene, disk) = scene().await;
    let (ana, mut to_ana) = scene.connect("ana").await;
    let (_ben, mut to_ben) = scene.connect("ben").await;
    let room = ana.enter("lobby").await.unwrap();
    ana.send(&room, "kept").await.unwrap();
    let key = IdempotencyKey([1; 16]);

    disk.set(Mood::FsyncFails);
    let lost = ana.send_with_key(&room, "unknown", key).await;
    assert_eq!(
        lost.unwrap_err(),
        RequestError::Ended,
        "neither yes nor no: it is not known"
    );
    for events in [&mut to_ana, &mut to_ben] {
        loop {
            match events.next().await.expect("the end is told") {
                Event::Ended { code, .. } => {
                    assert_eq!(code, CloseCode::TenantRestarted);
                    break;
                }
                Event::Timeline { event, .. } => {
                    assert_ne!(
                        text(&event).as_deref(),
                        Some("unknown"),
                        "shown, but not kept"
                    );
                }
                other => panic!("{other:?}"),
            }
        }
    }
    let refused = scene
        .tenant()
        .await
        .connect(Identity::user("ana").unwrap())
        .await;
    assert!(refused.is_err(), "while the disk fails, nothing is guessed");

    disk.set(Mood::Healthy);
    let (ana, _events) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    ana.send_with_key(&room, "unknown", key).await.unwrap();
    assert_eq!(
        kept(&ana, &room).await,
        ["kept", "unknown"],
        "the retry made it one"
    );
}

#[tokio::test]
async fn a_full_disk_refuses_writes_with_retry_later_while_reads_and_signals_go_on() {
    let (scene, disk) = scene().await;
    let (ana, mut to_ana) = scene.connect("ana").await;
    let (ben, _to_ben) = scene.connect("ben").await;
    let room = ana.enter("lobby").await.unwrap();
    ben.enter("lobby").await.unwrap();

    disk.set(Mood::Full);
    let mut written = Vec::new();
    let refused = loop {
        let large = format!("{} {}", written.len(), "x".repeat(16_000));
        match ana.send(&room, large.clone()).await {
            Ok(_) => written.push(large),
            Err(refused) => break refused,
        }
        assert!(written.len() < 1000, "the reserve ends some time");
    };
    assert!(!written.is_empty(), "what was set aside before is used");
    let RequestError::Refused {
        code,
        retry_after_ms,
        ..
    } = refused
    else {
        panic!("the session goes on: {refused:?}");
    };
    assert_eq!(code, ErrorCode::StorageFull);
    assert!(retry_after_ms.is_some());

    assert_eq!(
        kept(&ana, &room).await.first(),
        written.first(),
        "reads go on"
    );
    ben.typing(&room, true).await.unwrap();
    let mut heard = Vec::new();
    loop {
        match to_ana.next().await.unwrap() {
            Event::Typing { users, .. } => {
                assert_eq!(users, [ben.user().clone()], "signals go on");
                break;
            }
            Event::Timeline { event, .. } => heard.extend(text(&event)),
            Event::Occupancy { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    disk.set(Mood::Healthy);
    // The space is looked for once a second; a client retries as it was told.
    while ana.send(&room, "again").await.is_err() {
        tokio::task::yield_now().await;
    }
    heard.extend(texts_until(&mut to_ana, "again").await);
    written.push("again".into());
    assert_eq!(heard, written, "every acknowledged message, once, in order");
}

#[tokio::test]
async fn a_failing_tenant_does_not_touch_another() {
    let (scene, disk) = scene().await;
    let (ana, _events) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    let other = scene.engine.tenant(&name("other")).await.unwrap();
    let (ben, mut to_ben) = other.connect(Identity::user("ben").unwrap()).await.unwrap();
    let there = ben.enter("lobby").await.unwrap();
    disk.set(Mood::FsyncFails);
    ana.send(&room, "lost").await.unwrap_err();
    ben.send(&there, "fine").await.unwrap();
    assert_eq!(texts_until(&mut to_ben, "fine").await, ["fine"]);
}
