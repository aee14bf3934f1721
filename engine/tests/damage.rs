//! What people in a tenant notice when its files were damaged: of what can be rebuilt, nothing; of the
//! log, an error that says where and what to do, while other tenants go on.
#![cfg(test)]

mod engine_support;

use std::{
    fs,
    path::{Path, PathBuf},
};

use engine_support::{Scene, name, text};
use homeroom_engine::{Identity, Session, session::Room, session::Sent};
use homeroom_protocol::{Direction, IdempotencyKey, Seq};

const KEY: IdempotencyKey = IdempotencyKey([9; 16]);

/// Files under a folder, deepest last.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 0xff;
        fs::write(path, bytes).unwrap();
    }
}

async fn kept(session: &Session, room: &Room) -> Vec<String> {
    let page = session
        .history(room, Direction::After, Seq(0), 100)
        .await
        .unwrap();
    page.events.iter().filter_map(text).collect()
}

/// A tenant with a history, an index that was used and a snapshot, asleep.
async fn lived() -> (Scene, Vec<String>, Sent) {
    let scene = Scene::on_disk_with(|config| config.settings.keys_in_memory_max = 2).await;
    let (ana, _events) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    let first = ana.send_with_key(&room, "first", KEY).await.unwrap();
    for n in 0..30 {
        ana.send(&room, format!("{n}")).await.unwrap();
    }
    // So old a key is only in the index.
    assert_eq!(ana.send_with_key(&room, "first", KEY).await.unwrap(), first);
    let texts = kept(&ana, &room).await;
    scene.stop().await;
    (scene, texts, first)
}

async fn lives_on(scene: &mut Scene, texts: &[String], first: Sent) {
    scene.start().await;
    let (ana, _events) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    assert_eq!(ana.send_with_key(&room, "first", KEY).await.unwrap(), first);
    assert_eq!(kept(&ana, &room).await, texts);
    scene.stop().await;
}

#[tokio::test]
async fn a_damaged_index_is_set_aside_and_nobody_notices() {
    let (mut scene, texts, first) = lived().await;
    let home = scene.folder().join("tenants/school");
    for file in files(&home.join("index")) {
        flip(&file, 40);
    }
    lives_on(&mut scene, &texts, first).await;
    fs::remove_dir_all(home.join("index")).unwrap();
    lives_on(&mut scene, &texts, first).await;
    for file in files(&home.join("index")) {
        let length = fs::metadata(&file).unwrap().len();
        fs::OpenOptions::new()
            .write(true)
            .open(file)
            .unwrap()
            .set_len(length / 2)
            .unwrap();
    }
    lives_on(&mut scene, &texts, first).await;
}

#[tokio::test]
async fn damaged_snapshots_are_passed_over_and_nobody_notices() {
    let (mut scene, texts, first) = lived().await;
    let snapshots = scene.folder().join("tenants/school/snapshot");
    assert!(!files(&snapshots).is_empty());
    for file in files(&snapshots) {
        flip(&file, 20);
    }
    lives_on(&mut scene, &texts, first).await;
    fs::remove_dir_all(&snapshots).unwrap();
    lives_on(&mut scene, &texts, first).await;
}

#[tokio::test]
async fn a_damaged_log_names_the_file_the_position_and_the_way_out() {
    let (mut scene, ..) = lived().await;
    let log = scene.folder().join("tenants/school/log");
    let segment = files(&log).pop().expect("there is one");
    flip(
        &segment,
        usize::try_from(fs::metadata(&segment).unwrap().len() / 2).unwrap(),
    );
    // Without its snapshot the tenant reads all of the log when it wakes.
    fs::remove_dir_all(scene.folder().join("tenants/school/snapshot")).unwrap();
    scene.start().await;
    let woken = scene
        .tenant()
        .await
        .connect(Identity::user("ana").unwrap())
        .await;
    let checked = scene.engine.check_tenant(&name("school")).await;
    let messages = [
        woken.unwrap_err().to_string(),
        checked.unwrap_err().to_string(),
    ];
    for message in &messages {
        assert!(message.contains(&log.display().to_string()), "{message}");
        assert!(message.contains("at position"), "{message}");
    }
    assert!(messages[1].contains("restore"), "{}", messages[1]);
    let other = scene.engine.tenant(&name("other")).await.unwrap();
    let (ben, _events) = other.connect(Identity::user("ben").unwrap()).await.unwrap();
    let room = ben.enter("lobby").await.unwrap();
    ben.send(&room, "all is well here").await.unwrap();
}
