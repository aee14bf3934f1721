//! What people in a tenant notice when its files were damaged: of what can be rebuilt, nothing; of the
//! log, an error that says where and what to do, while other tenants go on.
#![cfg(test)]

mod engine_support;

use std::{
    fs,
    path::{Path, PathBuf},
};

use engine_support::{Scene, name, text};
use homeroom_engine::{
    Degraded, Identity, Part, Session,
    session::{RequestError, Room, Sent},
    tenant::Settings,
    upkeep::unwatched,
};
use homeroom_protocol::{Direction, ErrorCode, IdempotencyKey, Seq};
use tempfile::TempDir;

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

/// A tenant that slept with a snapshot of its whole log, and was then damaged in its sealed past; the
/// damaged segment, its bytes before, and a folder with a backup from before.
async fn with_a_damaged_past() -> (Scene, PathBuf, Vec<u8>, TempDir) {
    let mut scene = Scene::on_disk_with(|config| {
        config.settings.keys_in_memory_max = 2;
        config.segment_bytes = 64 * 1024;
    })
    .await;
    let (ana, _events) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    ana.send_with_key(&room, "first", KEY).await.unwrap();
    for n in 0..80 {
        let long = format!("{n} {}", "and so on ".repeat(400));
        ana.send(&room, long).await.unwrap();
    }
    kept(&ana, &room).await;
    let backup = tempfile::tempdir().unwrap();
    let to = backup.path().join("whole");
    let whole = scene.engine.back_up(&to, None, unwatched()).await;
    whole.unwrap();
    scene.stop().await;
    let home = scene.folder().join("tenants/school");
    let mut segments = files(&home.join("log"));
    segments.retain(|file| fs::metadata(file).unwrap().len() > 32 * 1024);
    segments.sort_unstable();
    assert!(segments.len() > 3, "{segments:?}");
    let bytes = fs::read(&segments[0]).unwrap();
    flip(&segments[0], bytes.len() / 2);
    scene.start().await;
    (scene, segments.swap_remove(0), bytes, backup)
}

async fn oldest(session: &Session, room: &Room) -> Result<usize, RequestError> {
    let page = session.history(room, Direction::After, Seq(0), 100).await?;
    Ok(page.events.len())
}

fn assert_come_back_late(refused: &RequestError) {
    let RequestError::Refused {
        code,
        retry_after_ms,
        explanation,
    } = refused
    else {
        panic!("{refused}");
    };
    assert_eq!(*code, ErrorCode::StorageFailed);
    assert_eq!(
        *retry_after_ms,
        Some(Settings::default().damaged_retry_after_ms)
    );
    assert!(explanation.contains("operator"), "{explanation}");
}

/// The one thing that is degraded: the log of `school`, which keeps nobody out.
fn past_of_school(scene: &Scene, segment: &Path) -> Degraded {
    let health = scene.engine.health();
    assert_eq!(health.degraded.len(), 1, "{health:?}");
    let it = health.degraded[0].clone();
    assert_eq!(
        (it.tenant.as_str(), it.part, it.keeps_out),
        ("school", Part::Log, false)
    );
    for words in [
        &*segment.display().to_string(),
        "at position",
        "homeroom check",
        "restore",
        "repair",
    ] {
        assert!(it.what.contains(words), "{}", it.what);
    }
    it
}

#[tokio::test]
async fn a_damaged_past_is_told_to_the_operator_while_everything_else_goes_on() {
    let (mut scene, segment, bytes, backup) = with_a_damaged_past().await;
    let (ana, _events) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    assert!(
        scene.engine.health().degraded.is_empty(),
        "nobody looked yet"
    );
    assert_come_back_late(&oldest(&ana, &room).await.unwrap_err());
    let told = past_of_school(&scene, &segment);
    assert_come_back_late(&oldest(&ana, &room).await.unwrap_err());
    assert_eq!(past_of_school(&scene, &segment), told, "told once");

    // What is not damaged is read and written, and does not hide what is.
    let sent = ana.send(&room, "newest").await.unwrap();
    let head = Seq(sent.position.seq.0 + 1);
    let page = ana.history(&room, Direction::Before, head, 3).await;
    assert_eq!(page.unwrap().events.len(), 3);
    let other = scene.engine.tenant(&name("other")).await.unwrap();
    let (ben, _events) = other.connect(Identity::user("ben").unwrap()).await.unwrap();
    let theirs = ben.enter("lobby").await.unwrap();
    ben.send(&theirs, "all is well here").await.unwrap();
    kept(&ben, &theirs).await;
    assert_eq!(past_of_school(&scene, &segment), told);

    // Bytes that came back are found by whoever reads there next.
    let damaged = fs::read(&segment).unwrap();
    fs::write(&segment, &bytes).unwrap();
    assert!(oldest(&ana, &room).await.unwrap() > 10);
    assert!(scene.engine.health().degraded.is_empty());

    // Met again by another life of the host, it ends when the tenant is restored.
    fs::write(&segment, &damaged).unwrap();
    scene.restart().await;
    let (ana, _events) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    assert_come_back_late(&oldest(&ana, &room).await.unwrap_err());
    past_of_school(&scene, &segment);
    scene.engine.delete_tenant(&name("school")).await.unwrap();
    assert!(scene.engine.health().degraded.is_empty());
    let whole = backup.path().join("whole");
    let restored = scene.engine.restore(&whole, None, None, unwatched()).await;
    restored.unwrap();
    let (ana, _events) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    assert!(oldest(&ana, &room).await.unwrap() > 10);
    assert!(scene.engine.health().degraded.is_empty());
    scene.stop().await;
}

#[tokio::test]
async fn an_index_that_cannot_be_rebuilt_from_a_damaged_log_blames_the_log() {
    let (mut scene, segment, bytes, _backup) = with_a_damaged_past().await;
    scene.stop().await;
    fs::remove_dir_all(scene.folder().join("tenants/school/index")).unwrap();
    scene.start().await;
    let (ana, _events) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    let again = ana.send_with_key(&room, "first", KEY).await;
    assert_come_back_late(&again.unwrap_err());
    past_of_school(&scene, &segment);
    fs::write(&segment, &bytes).unwrap();
    ana.send_with_key(&room, "first", KEY).await.unwrap();
    assert!(scene.engine.health().degraded.is_empty());
}
