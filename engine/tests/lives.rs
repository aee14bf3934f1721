//! One tenant, one writer: whoever gives up, comes twice or comes too early never meets another life of
//! it, and nobody waits behind a slow disk who need not.
#![cfg(test)]

mod engine_support;

use std::{fs, io::Write, path::Path, sync::Arc};

use engine_support::{Scene, gated_disk::GatedDisk, name, text};
use homeroom_engine::{Config, Engine, Event, FolderError, Identity, tenant::Whom};
use homeroom_protocol::{CloseCode, Direction, Seq};

/// Lets everything else have many turns: enough for a mistake to show, and no time to lean on.
async fn many_turns() {
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

async fn kept(folder: &Path) -> Vec<String> {
    let engine = Engine::open(Config::in_folder(folder)).await.unwrap();
    let tenant = engine.tenant(&name("school")).await.unwrap();
    let (reader, _events) = tenant
        .connect(Identity::user("reader").unwrap())
        .await
        .unwrap();
    let room = reader.enter("lobby").await.unwrap();
    let page = reader
        .history(&room, Direction::After, Seq(0), 100)
        .await
        .unwrap();
    page.events.iter().filter_map(text).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gives_up_while_a_tenant_wakes_leaves_no_second_life_behind() {
    let scene = Scene::on_disk().await;
    let (ana, _events) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    ana.send(&room, "first").await.unwrap();
    // As a crash leaves it: unsealed, with a torn write at its end.
    let crashed = tempfile::tempdir().unwrap();
    copy_folder(scene.folder(), crashed.path());
    for segment in fs::read_dir(crashed.path().join("tenants/school/log")).unwrap() {
        let mut options = fs::OpenOptions::new();
        let mut file = options.append(true).open(segment.unwrap().path()).unwrap();
        file.write_all(&[7; 50]).unwrap();
    }
    let disk = GatedDisk::default();
    let config = Config {
        disk: Arc::new(disk.clone()),
        ..Config::in_folder(crashed.path())
    };
    let engine = Engine::open(config).await.unwrap();
    let tenant = engine.tenant(&name("school")).await.unwrap();

    disk.set_size.shut();
    tokio::select! {
        _ = tenant.connect(Identity::user("ben").unwrap()) => panic!("the torn end is being cut"),
        () = disk.set_size.until_somebody_waits() => {}
    }
    let connecting = tenant.clone();
    let ana = Identity::user("ana").unwrap();
    let connecting = tokio::spawn(async move { connecting.connect(ana).await });
    many_turns().await;
    assert!(!connecting.is_finished(), "the tenant is still waking");
    disk.set_size.open();
    let (ana, _events) = connecting.await.unwrap().unwrap();
    let room = ana.enter("lobby").await.unwrap();
    ana.send(&room, "acknowledged").await.unwrap();

    let killed = tempfile::tempdir().unwrap();
    copy_folder(crashed.path(), killed.path());
    assert_eq!(kept(killed.path()).await, ["first", "acknowledged"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_shutdown_waits_for_the_first_and_the_folder_stays_locked() {
    let disk = GatedDisk::default();
    let config_disk = disk.clone();
    let scene = Scene::on_disk_with(|config| config.disk = Arc::new(config_disk)).await;
    let (ana, _events) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    disk.sync.shut();
    let sender = ana.clone();
    let sending = tokio::spawn(async move { sender.send(&room, "last").await });
    disk.sync.until_somebody_waits().await;
    let shut_down = || {
        let engine = scene.engine.clone();
        tokio::spawn(async move { engine.shut_down(CloseCode::ShuttingDown, None).await })
    };
    let (first, second) = (shut_down(), shut_down());
    many_turns().await;
    assert!(
        !first.is_finished() && !second.is_finished(),
        "a write is still under way"
    );
    let early = Engine::open(Config::in_folder(scene.folder())).await;
    assert!(matches!(early, Err(FolderError::Locked { .. })));
    disk.sync.open();
    first.await.unwrap();
    second.await.unwrap();
    sending.await.unwrap().expect("what was taken is answered");
    assert_eq!(kept(scene.folder()).await, ["last"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_does_not_wait_for_a_slow_disk() {
    let disk = GatedDisk::default();
    let config_disk = disk.clone();
    let scene = Scene::on_disk_with(|config| config.disk = Arc::new(config_disk)).await;
    let (ana, _events) = scene.connect("ana").await;
    let (eve, mut to_eve) = scene.connect("eve").await;
    let room = ana.enter("lobby").await.unwrap();
    eve.enter("lobby").await.unwrap();
    disk.sync.shut();
    // More than the writer takes while nothing becomes durable.
    for n in 0..60 {
        let (ana, room) = (ana.clone(), room.clone());
        tokio::spawn(async move { ana.send(&room, format!("{n} {}", "x".repeat(16_000))).await });
    }
    disk.sync.until_somebody_waits().await;
    many_turns().await;
    let whom = Whom::User(eve.user().clone());
    scene.tenant().await.revoke(whom).await.unwrap();
    loop {
        if let Event::Ended { code, .. } = to_eve.next().await.expect("the end is told") {
            assert_eq!(code, CloseCode::Revoked);
            break;
        }
    }
    disk.sync.open();
}
