//! The figures of an engine, compared with what was done, and what it says of a tenant that is ill.
#![cfg(test)]

mod engine_support;

use std::{sync::Arc, time::Duration};

use engine_support::{
    Scene,
    failing_disk::{FailingDisk, Mood},
    name, text, texts_until,
};
use homeroom_engine::{
    Config, Events, Figures, Health, Identity, Part, Session, metrics::EndCause,
};
use homeroom_protocol::{CloseCode, Direction, ErrorCode, Seq};

/// Longer than anything here takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Figures that are told behind what they count are there after a while.
async fn until(scene: &Scene, holds: impl Fn(&Figures) -> bool) -> Figures {
    let began = std::time::Instant::now();
    while began.elapsed() < PATIENCE {
        let figures = scene.engine.metrics();
        if holds(&figures) {
            return figures;
        }
        tokio::task::yield_now().await;
    }
    panic!("never so: {:#?}", scene.engine.metrics());
}

fn requests(figures: &Figures, kind: &str) -> u64 {
    let found = figures.requests.iter().find(|(name, _)| *name == kind);
    found.expect("each kind is there").1
}

fn refusals(figures: &Figures, code: ErrorCode) -> u64 {
    let found = figures.refusals.iter().find(|(it, _)| *it == Some(code));
    found.expect("each code is there").1
}

fn closed(figures: &Figures, cause: EndCause) -> u64 {
    let found = (figures.connections.closed.iter()).find(|(it, _)| *it == cause);
    found.expect("each cause is there").1
}

fn degraded(scene: &Scene) -> Vec<(String, Part, bool)> {
    let health = scene.engine.health().degraded.into_iter();
    health
        .map(|it| (it.tenant.to_string(), it.part, it.keeps_out))
        .collect()
}

#[tokio::test]
async fn what_was_sent_and_heard_is_counted_exactly() {
    const LISTENERS: u64 = 3;
    const MESSAGES: u64 = 20;
    let scene = Scene::on_disk().await;
    let mut people: Vec<(Session, Events)> = Vec::new();
    for n in 0..LISTENERS {
        let (session, events) = scene.connect(&format!("user-{n}")).await;
        session.enter("lobby").await.unwrap();
        people.push((session, events));
    }
    let (ana, _) = &people[0];
    let room = ana.enter("lobby").await.unwrap();
    ana.send(&room, "before").await.unwrap();
    for (session, events) in &mut people {
        texts_until(events, "before").await;
        // The answer comes in a later turn of its shard: what it did before is counted.
        let page = session.history(&room, Direction::After, Seq(0), 1).await;
        assert!(page.unwrap().more);
    }
    // Whoever makes the room is a member by that; each one's own stream begins, and tells of it.
    let settled = 3 * LISTENERS + 1;
    let before = until(&scene, |it| {
        it.log.events_appended == settled && it.hub.fan_out_time.count > 0
    })
    .await;

    let (ana, _) = &people[0];
    for n in 1..MESSAGES {
        ana.send(&room, &n.to_string()).await.unwrap();
    }
    ana.send(&room, "last").await.unwrap();
    for (_, events) in &mut people {
        texts_until(events, "last").await;
    }
    let delivered = before.hub.events_delivered + MESSAGES * LISTENERS;
    let after = until(&scene, |it| it.hub.events_delivered >= delivered).await;
    assert_eq!(after.hub.events_delivered, delivered);
    let appended = after.log.events_appended - before.log.events_appended;
    assert_eq!(appended, MESSAGES);
    assert_eq!(
        requests(&after, "send") - requests(&before, "send"),
        MESSAGES
    );
    assert_eq!(after.log.commits - before.log.commits, MESSAGES);
    assert_eq!(after.log.commit_events.sum, after.log.events_appended);
    assert_eq!(after.log.commit_time.count, after.log.commits);
    let syncs = after.log.sync_time.count - before.log.sync_time.count;
    assert!(syncs >= MESSAGES, "{syncs}: one for each commit at least");
    assert!(after.log.sync_time.sum > before.log.sync_time.sum);
    assert!(after.hub.fan_out_time.count > before.hub.fan_out_time.count);
    assert_eq!(after.rooms, 1);
    assert_eq!(after.connections.sessions_open, LISTENERS);
    assert_eq!((after.tenants.known, after.tenants.awake), (1, 1));
    assert_eq!((after.tenants.wakes, after.tenants.wake_time.count), (1, 1));
    assert_eq!(after.hub.signals_dropped + after.hub.fell_behind, 0);
    assert_eq!(after.log.sync_failures, 0);
    scene.stop().await;
    let ended = scene.engine.metrics();
    assert_eq!(ended.connections.sessions_open, 0);
    let cause = EndCause::Closed(CloseCode::ShuttingDown);
    assert_eq!(closed(&ended, cause), LISTENERS);
    assert_eq!((ended.tenants.awake, ended.tenants.sleeps), (0, 1));
    assert_eq!((ended.rooms, ended.snapshots_written), (0, 1));
    assert_eq!(scene.engine.health(), Health::default());
}

#[tokio::test]
async fn a_refusal_is_counted_under_its_code_and_a_goodbye_under_its_cause() {
    let scene = Scene::in_memory().await;
    let (ana, events) = scene.connect("ana").await;
    assert!(ana.join(&"nowhere".parse().unwrap(), None).await.is_err());
    drop((ana, events));
    let cause = EndCause::Left;
    let figures = until(&scene, |it| closed(it, cause) == 1).await;
    assert_eq!(refusals(&figures, ErrorCode::RoomNotFound), 1);
    assert_eq!(figures.refusals.iter().map(|(_, n)| n).sum::<u64>(), 1);
    assert_eq!(requests(&figures, "join"), 1);
    assert_eq!(figures.connections.sessions_attached, 1);
    until(&scene, |it| it.connections.sessions_open == 0).await;
}

#[tokio::test]
async fn a_tenant_whose_disk_failed_is_named_until_somebody_could_enter_it() {
    let disk = FailingDisk::default();
    let config_disk = disk.clone();
    let scene = Scene::on_disk_with(|config| config.disk = Arc::new(config_disk)).await;
    let (ana, _events) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    assert_eq!(scene.engine.health(), Health::default());

    disk.set(Mood::FsyncFails);
    ana.send(&room, "the secret of the text").await.unwrap_err();
    until(&scene, |it| it.tenants.failures == 1).await;
    let ill = ("school".to_owned(), Part::Log, true);
    assert_eq!(degraded(&scene), std::slice::from_ref(&ill));
    let tenant = scene.tenant().await;
    let refused = tenant.connect(Identity::user("ana").unwrap()).await;
    refused.unwrap_err();
    let figures = scene.engine.metrics();
    assert_eq!(figures.tenants.wake_failures, 1);
    assert!(figures.log.sync_failures >= 2);
    assert_eq!(figures.degraded[0], (Part::Log, 1));
    let health = scene.engine.health();
    let what = &health.degraded[0].what;
    assert!(what.contains("the test's disk fails"), "{what}");
    assert!(!what.contains("secret"), "{what}");
    assert_eq!(degraded(&scene), [ill]);

    disk.set(Mood::Healthy);
    let (ana, _events) = scene.connect("ana").await;
    ana.enter("lobby").await.unwrap();
    assert_eq!(scene.engine.health(), Health::default());
    assert_eq!(scene.engine.metrics().tenants.wakes, 2);
}

#[tokio::test]
async fn a_full_disk_is_said_until_there_is_space_again() {
    let disk = FailingDisk::default();
    let config_disk = disk.clone();
    let scene = Scene::on_disk_with(|config| {
        config.disk = Arc::new(config_disk);
        config.settings.storage_full_retry_after_ms = 1;
    })
    .await;
    let (ana, _events) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    disk.set(Mood::Full);
    // What was set aside is used up first.
    let text = "x".repeat(homeroom_protocol::limit::MESSAGE_TEXT_BYTES_MAX);
    while ana.send(&room, &text).await.is_ok() {}
    let short = ("school".to_owned(), Part::Space, false);
    until(&scene, |it| it.degraded.contains(&(Part::Space, 1))).await;
    assert_eq!(degraded(&scene), [short]);
    let figures = until(&scene, |it| refusals(it, ErrorCode::StorageFull) >= 1).await;
    assert_eq!(figures.tenants.failures, 0);

    disk.set(Mood::Healthy);
    until(&scene, |it| it.degraded.contains(&(Part::Space, 0))).await;
    ana.send(&room, "again").await.unwrap();
    assert_eq!(scene.engine.health(), Health::default());
}

#[tokio::test]
async fn a_damaged_index_is_rebuilt_counted_and_healthy_again() {
    let mut scene = Scene::on_disk_with(|config: &mut Config| {
        config.settings.keys_in_memory_max = 1;
    })
    .await;
    let (ana, _events) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    for n in 0..3 {
        ana.send(&room, &n.to_string()).await.unwrap();
    }
    ana.history(&room, Direction::After, Seq(0), 10)
        .await
        .unwrap();
    scene.stop().await;
    drop(ana);
    let index = scene.folder().join("tenants/school/index");
    for file in std::fs::read_dir(&index).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            std::fs::write(path, b"nothing that was an index").unwrap();
        }
    }
    scene.start().await;
    let (ana, _events) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    let page = ana.history(&room, Direction::After, Seq(0), 10).await;
    let texts: Vec<_> = page.unwrap().events.iter().filter_map(text).collect();
    assert_eq!(texts, ["0", "1", "2"]);
    assert_eq!(scene.engine.metrics().index_rebuilds, 1);
    assert_eq!(scene.engine.health(), Health::default());
}

#[tokio::test]
async fn tenants_in_the_folder_are_known_from_the_start() {
    let mut scene = Scene::on_disk().await;
    scene.tenant().await;
    scene.engine.create_tenant(&name("north")).await.unwrap();
    assert!(scene.engine.create_tenant(&name("north")).await.is_err());
    assert_eq!(scene.engine.metrics().tenants.known, 2);
    scene.restart().await;
    let figures = scene.engine.metrics().tenants;
    assert_eq!((figures.known, figures.awake), (2, 0));
}
