//! Data folders of earlier releases are opened, and all that is in them is there.
//!
//! `fixtures/data-RELEASE/` is a data folder as that release left it behind, without what is made anew by
//! itself (`lock`, `index/`); `fixtures/data-RELEASE.jsonl` is what that release exported of its tenant
//! `school`, and `fixtures/data-RELEASE.college.jsonl` the same of `college`, where [`everything`] happened
//! that could. Neither is ever edited. Each release that stores anything in another way adds its own: extend
//! [`make`] by what is new, let it write into a folder of your choice, and add that to [`RELEASES`]:
//!
//! ```text
//! HOMEROOM_FIXTURE=engine/tests/fixtures/data-0.3 cargo test -p homeroom-engine --test releases
//! ```
#![cfg(test)]

mod engine_support;
#[path = "releases/everything.rs"]
mod everything;

use std::{
    fs,
    path::{Path, PathBuf},
};

use engine_support::{name, text};
use everything::COLLEGE;
use homeroom_engine::{
    Config, Engine, Identity, ServiceName, Session,
    log::LogPosition,
    session::{RequestError, Room},
    upkeep::unwatched,
};
use homeroom_protocol::{CloseCode, Direction, ErrorCode, IdempotencyKey, ResetReason, Seq};
use tokio::sync::mpsc;

/// What was kept, oldest first.
const RELEASES: [&str; 2] = ["0.1", "0.2"];
/// Before there was more than messages and members.
const FIRST: &str = "0.1";
/// Nothing kept may reserve space for what never came.
const FIXTURE_BYTES_MAX: u64 = 64 * 1024;
/// A century, in ms: keys of the past are still known.
const KEY_TTL_MS: u64 = 100 * 365 * 24 * 60 * 60 * 1000;

const fn key(n: u8) -> IdempotencyKey {
    IdempotencyKey([n; 16])
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

async fn open(folder: &Path) -> Engine {
    let mut config = Config::in_folder(folder);
    // Several of them.
    config.segment_bytes = 800;
    config.settings.key_ttl_ms = KEY_TTL_MS;
    // Who goes is gone at once, and that is written down.
    config.settings.presence_grace_ms = 0;
    config.settings.seen_tick_ms = 0;
    Engine::open(config).await.unwrap()
}

async fn close(engine: Engine) {
    engine.shut_down(CloseCode::ShuttingDown, None).await;
}

async fn connect(engine: &Engine, user: &str) -> Session {
    let school = engine.tenant(&name("school")).await.unwrap();
    let connected = school.connect(Identity::user(user).unwrap()).await;
    connected.unwrap().0
}

/// Makes a folder that holds each kind of record there is, some in a snapshot and all in the log.
async fn make(folder: &Path) {
    let engine = open(folder).await;
    let ana = connect(&engine, "ana").await;
    let id = "class-7b".parse().unwrap();
    let room = ana.create_with_key(&id, Some("Class 7b"), key(1)).await;
    let room = room.unwrap();
    ana.join(&id, None).await.unwrap();
    for n in 0..10 {
        let sent = ana.send_with_key(&room, format!("message {n}"), key(10 + n));
        sent.await.unwrap();
    }
    let ben = connect(&engine, "ben").await;
    let there = ben.enter("class-7b").await.unwrap();
    ben.send_with_key(&there, "I was here", key(30))
        .await
        .unwrap();
    ben.leave(&there).await.unwrap();
    ben.enter("of-ben").await.unwrap();
    let school = engine.tenant(&name("school")).await.unwrap();
    let timetable = school.backend(ServiceName::new("timetable").unwrap());
    for user in ["cleo", "dan"] {
        let user = user.parse().unwrap();
        timetable.add_member(&id, &user).await.unwrap();
    }
    timetable
        .remove_member(&id, &"dan".parse().unwrap())
        .await
        .unwrap();
    let published = timetable.publish(key(40), &id, "The lesson begins");
    published.await.unwrap();
    let school = name("school");
    let (end, _) = (engine.examine_tenant(&school, unwatched()).await).unwrap();
    let repaired = engine.repair_tenant(&school, Some(end), unwatched());
    let aside = repaired.await.unwrap().aside.unwrap();
    let ana = connect(&engine, "ana").await;
    ana.send_with_key(&room, "another life", key(50))
        .await
        .unwrap();
    everything::make(&engine).await;
    engine.create_tenant(&name("north")).await.unwrap();
    engine.suspend_tenant(&name("north")).await.unwrap();
    close(engine).await;
    // What the repair kept is another fixture's.
    fs::remove_dir_all(aside).unwrap();
    fs::remove_file(folder.join("marks/school.BROKEN-1")).unwrap();
    for tenant in ["school", COLLEGE] {
        let index = folder.join(format!("tenants/{tenant}/index"));
        if index.exists() {
            fs::remove_dir_all(index).unwrap();
        }
    }
    fs::remove_file(folder.join("lock")).unwrap();
}

async fn all_messages(session: &Session, room: &Room) -> Vec<String> {
    let page = session.history(room, Direction::After, Seq(0), 100).await;
    page.unwrap().events.iter().filter_map(text).collect()
}

/// That everything [`make`] made is in a folder, and counts.
async fn is_all_there(folder: &Path, release: Option<&str>) {
    let engine = open(folder).await;
    let school = name("school");
    engine.check_tenant(&school).await.unwrap();
    let listed = engine.tenants().await.unwrap();
    let listed: Vec<_> = (listed.iter())
        .map(|it| (it.name.as_str(), it.suspended))
        .collect();
    let (school_and_north, college) = match release {
        Some(FIRST) => (&listed[..], false),
        Some(_) | None => (&listed[1..], true),
    };
    assert_eq!(school_and_north, [("north", true), ("school", false)]);
    if college {
        assert_eq!(listed[0], (COLLEGE, false));
        everything::is_all_there(&engine).await;
    }

    let ana = connect(&engine, "ana").await;
    let id = "class-7b".parse().unwrap();
    let joined = ana.join(&id, None).await.unwrap();
    let room = joined.room;
    let mut said: Vec<_> = (0..10).map(|n| format!("message {n}")).collect();
    said.extend(["I was here", "The lesson begins", "another life"].map(str::to_owned));
    assert_eq!(all_messages(&ana, &room).await, said);
    let (members, _) = ana.members(&room, None, 100).await.unwrap();
    let members: Vec<_> = members.iter().map(|user| user.as_str()).collect();
    assert_eq!(members, ["ana", "cleo"]);

    // Every key still stands for what it was used for, and for nothing else.
    let made = ana.create_with_key(&id, Some("Class 7b"), key(1)).await;
    assert_eq!(made.unwrap().number, room.number);
    for n in 0..10 {
        let again = ana.send_with_key(&room, format!("message {n}"), key(10 + n));
        assert_eq!(again.await.unwrap().position.epoch, joined.position.epoch);
    }
    let other = ana.send_with_key(&room, "another message", key(10)).await;
    let RequestError::Refused { code, .. } = other.unwrap_err() else {
        panic!("not refused");
    };
    assert_eq!(code, ErrorCode::KeyConflict);
    let tenant = engine.tenant(&school).await.unwrap();
    let timetable = tenant.backend(ServiceName::new("timetable").unwrap());
    let again = timetable.publish(key(40), &id, "The lesson begins").await;
    assert!(again.unwrap().already);
    assert_eq!(timetable.room(&id).await.unwrap().members, 2);
    assert_eq!(
        all_messages(&ana, &room).await,
        said,
        "nothing was said twice"
    );

    // And it goes on.
    let sent = ana.send(&room, "of this release").await.unwrap();
    assert_eq!(sent.position.epoch, joined.position.epoch);
    let resumed = ana.join(&id, Some(joined.position)).await.unwrap();
    assert_eq!(resumed.reset, None);
    close(engine).await;
}

/// The lines between the first, which names the release that exports, and the last.
async fn export(folder: &Path, tenant: &str) -> String {
    let engine = open(folder).await;
    let (lines, mut taken) = mpsc::channel(1);
    let take = async {
        let mut text = Vec::new();
        while let Some(piece) = taken.recv().await {
            text.extend(piece);
        }
        String::from_utf8(text).unwrap()
    };
    let tenant = name(tenant);
    let exporting = engine.export_tenant(&tenant, lines, unwatched());
    let (exported, text) = tokio::join!(exporting, take);
    let exported = exported.unwrap();
    assert!(exported.position > LogPosition(0));
    close(engine).await;
    let mut lines: Vec<_> = text.lines().collect();
    lines.pop();
    lines.remove(0);
    lines.join("\n") + "\n"
}

/// Copies a folder and returns how many bytes its files hold.
fn copy_folder(from: &Path, to: &Path) -> u64 {
    fs::create_dir_all(to).unwrap();
    let entries = fs::read_dir(from).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let target = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                copy_folder(&entry.path(), &target)
            } else {
                fs::copy(entry.path(), target).unwrap()
            }
        })
        .sum()
}

#[tokio::test]
async fn what_each_release_left_behind_is_opened_and_all_of_it_is_there() {
    for release in RELEASES {
        let kept = fixtures().join(format!("data-{release}"));
        let exported = fixtures().join(format!("data-{release}.jsonl"));
        let exported = fs::read_to_string(exported).unwrap();
        for with_snapshot in [true, false] {
            let root = tempfile::tempdir().unwrap();
            let bytes = copy_folder(&kept, root.path());
            assert!(bytes < FIXTURE_BYTES_MAX, "{release}: {bytes}");
            if !with_snapshot {
                for tenant in fs::read_dir(root.path().join("tenants")).unwrap() {
                    let snapshot = tenant.unwrap().path().join("snapshot");
                    if snapshot.exists() {
                        fs::remove_dir_all(snapshot).unwrap();
                    }
                }
            }
            assert_eq!(export(root.path(), "school").await, exported, "{release}");
            if release != FIRST {
                let of_college = export(root.path(), COLLEGE).await;
                let kept = fixtures().join(format!("data-{release}.college.jsonl"));
                assert_eq!(of_college, fs::read_to_string(kept).unwrap(), "{release}");
            }
            is_all_there(root.path(), Some(release)).await;
        }
    }
}

#[tokio::test]
async fn the_next_folder_to_be_kept_is_made_like_this() {
    let root = tempfile::tempdir().unwrap();
    let wanted = std::env::var_os("HOMEROOM_FIXTURE").map(PathBuf::from);
    // Tests run in the folder of their package.
    let wanted = wanted.map(|it| Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(it));
    let folder = wanted.clone().unwrap_or(root.path().join("data"));
    assert!(!folder.exists(), "what was kept is never written over");
    make(&folder).await;
    let copy = root.path().join("copy");
    copy_folder(&folder, &copy);
    if let Some(wanted) = wanted {
        for (tenant, ending) in [("school", ".jsonl"), (COLLEGE, ".college.jsonl")] {
            let mut beside = wanted.clone().into_os_string();
            beside.push(ending);
            fs::write(beside, export(&copy, tenant).await).unwrap();
        }
    }
    everything::tells_everything(&export(&copy, COLLEGE).await);
    is_all_there(&copy, None).await;
}

#[tokio::test]
async fn positions_from_before_the_repair_in_it_are_told_apart() {
    let root = tempfile::tempdir().unwrap();
    copy_folder(&fixtures().join("data-0.1"), root.path());
    let exported = export(root.path(), "school").await;
    let first: serde_json::Value = serde_json::from_str(exported.lines().next().unwrap()).unwrap();
    let epoch = u64::from_str_radix(first["epoch"].as_str().unwrap(), 16).unwrap();
    let engine = open(root.path()).await;
    let ana = connect(&engine, "ana").await;
    let before = homeroom_protocol::Position {
        epoch: homeroom_protocol::Epoch::new(epoch).unwrap(),
        seq: Seq(5),
    };
    let joined = ana.join(&"class-7b".parse().unwrap(), Some(before)).await;
    assert_eq!(joined.unwrap().reset, Some(ResetReason::EpochChanged));
    close(engine).await;
}
