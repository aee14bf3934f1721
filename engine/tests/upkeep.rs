//! Tenants as wholes: backed up while they are written to, restored as another life, repaired, exported,
//! suspended and deleted, with nobody ever seeing half of it.
#![cfg(test)]

mod engine_support;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use engine_support::{Scene, name, text};
use homeroom_engine::{
    Config, Engine, Event, Events, Identity, Session, TenantError, UpkeepError,
    log::LogPosition,
    session::{Room, Sent},
    upkeep::{self, Exported, Progress, unwatched},
};
use homeroom_protocol::{CloseCode, Direction, IdempotencyKey, Position, ResetReason, Seq};
use tokio::sync::mpsc;

const fn key(n: u8) -> IdempotencyKey {
    IdempotencyKey([n; 16])
}

async fn enter(engine: &Engine, tenant: &str, user: &str) -> (Session, Events, Room) {
    let tenant = engine.tenant(&name(tenant)).await.unwrap();
    let identity = Identity::user(user).unwrap();
    let (session, events) = tenant.connect(identity).await.unwrap();
    let room = session.enter("lobby").await.unwrap();
    (session, events, room)
}

async fn texts(session: &Session, room: &Room) -> Vec<String> {
    let mut found = Vec::new();
    let mut after = Seq(0);
    loop {
        let page = session.history(room, Direction::After, after, 100).await;
        let page = page.unwrap();
        for event in &page.events {
            assert_eq!(event.seq, after.next(), "no gap");
            after = event.seq;
        }
        found.extend(page.events.iter().filter_map(text));
        if !page.more {
            return found;
        }
    }
}

async fn ended(mut events: Events) -> (CloseCode, Option<u64>) {
    loop {
        match events.next().await {
            Some(Event::Ended {
                code,
                reconnect_after_ms,
            }) => return (code, reconnect_after_ms),
            Some(_) => {}
            None => panic!("ended without a word"),
        }
    }
}

/// Why nobody gets in.
async fn refused(engine: &Engine, tenant: &str) -> String {
    let found = engine.find_tenant(&name(tenant)).await;
    let tenant = match found {
        Ok(Some(tenant)) => tenant,
        Ok(None) => return "there is none".to_owned(),
        Err(error) => return error.to_string(),
    };
    let connected = tenant.connect(Identity::user("eve").unwrap()).await;
    connected.expect_err("nobody gets in").to_string()
}

/// `school` with some messages, closed in order.
async fn school(config: impl FnOnce(&mut Config)) -> (Scene, Vec<Sent>) {
    let scene = Scene::on_disk_with(config).await;
    let (ana, _events, room) = enter(&scene.engine, "school", "ana").await;
    let mut sent = Vec::new();
    for n in 0..40 {
        sent.push(
            ana.send_with_key(&room, format!("{n}"), key(n))
                .await
                .unwrap(),
        );
    }
    (scene, sent)
}

fn all_texts() -> Vec<String> {
    (0..40).map(|n| n.to_string()).collect()
}

/// Events of the commit that makes the room: it, its maker's stream, and their place in it.
const MADE: usize = 3;

/// What clients of before meet in a tenant that goes on as another life.
async fn is_another_life(engine: &Engine, tenant: &str, old: &[Sent], kept: usize) {
    let (ana, _events, room) = enter(engine, tenant, "ana").await;
    assert_eq!(texts(&ana, &room).await, all_texts()[..kept]);
    let epoch = {
        let head = ana.join(&room.id, None).await.unwrap().position;
        assert_ne!(head.epoch, old[0].position.epoch);
        head.epoch
    };
    for before in [
        old[0].position,
        old[kept - 1].position,
        old[old.len() - 1].position,
    ] {
        let joined = ana.join(&room.id, Some(before)).await.unwrap();
        assert_eq!(joined.reset, Some(ResetReason::EpochChanged));
    }
    for n in [0, kept - 1] {
        let number = u8::try_from(n).unwrap();
        let again = ana.send_with_key(&room, format!("{n}"), key(number)).await;
        let (seq, time) = (old[n].position.seq, old[n].time);
        let position = Position { epoch, seq };
        assert_eq!(
            again.unwrap(),
            Sent { position, time },
            "a retry is one write"
        );
    }
    assert_eq!(texts(&ana, &room).await, all_texts()[..kept]);
}

#[tokio::test]
async fn a_backup_is_restored_as_another_life_beside_a_running_host_and_into_a_fresh_folder() {
    let (scene, sent) = school(|config| config.segment_bytes = 1500).await;
    let outside = tempfile::tempdir().unwrap();
    let to = outside.path().join("deep/monday");
    let steps = Arc::new(AtomicU64::new(0));
    let watch: upkeep::Watch = {
        let steps = Arc::clone(&steps);
        Arc::new(move |progress: Progress| {
            assert!(progress.done <= progress.total && progress.tenant == name("school"));
            steps.fetch_add(1, Ordering::SeqCst);
        })
    };
    let report = scene.engine.back_up(&to, None, watch).await.unwrap();
    assert_eq!((report.tenants.len(), report.left_out.len()), (1, 0));
    assert_eq!(report.tenants[0].position, LogPosition(43));
    assert!(steps.load(Ordering::SeqCst) > 0, "told of progress");
    // It went on meanwhile, and is not touched by a restore.
    let (ana, _events, room) = enter(&scene.engine, "school", "ana").await;
    ana.send(&room, "later").await.unwrap();
    let taken = scene.engine.restore(&to, None, None, unwatched()).await;
    assert!(taken.unwrap_err().to_string().contains("exists already"));
    assert_eq!(texts(&ana, &room).await.last().unwrap(), "later");
    let (school, copy) = (name("school"), name("copy"));
    let restored = scene
        .engine
        .restore(&to, Some(&school), Some(&copy), unwatched());
    assert_eq!(restored.await.unwrap()[0].records, 43);
    is_another_life(&scene.engine, "copy", &sent, 40).await;
    let fresh = Scene::on_disk().await;
    let restored = fresh.engine.restore(&to, None, None, unwatched()).await;
    assert_eq!(restored.unwrap()[0].name, school);
    is_another_life(&fresh.engine, "school", &sent, 40).await;
    // Each restore is a life of its own, and each is kept.
    let mut fresh = fresh;
    fresh.restart().await;
    is_another_life(&fresh.engine, "school", &sent, 40).await;
    let head = |engine: Engine, tenant: &'static str| async move {
        let (ana, _events, room) = enter(&engine, tenant, "ana").await;
        ana.join(&room.id, None).await.unwrap().position.epoch
    };
    let one = head(fresh.engine.clone(), "school").await;
    assert_ne!(one, head(scene.engine.clone(), "copy").await);
}

#[tokio::test]
async fn a_backup_is_private_read_only_and_never_written_over() {
    let (scene, _) = school(|_| ()).await;
    scene.stop().await;
    let engine = Engine::open(scene.config.clone()).await.unwrap();
    let outside = tempfile::tempdir().unwrap();
    let to = outside.path().join("monday");
    fs::create_dir(&to).unwrap();
    // Asleep: nobody is woken for it.
    engine.back_up(&to, None, unwatched()).await.unwrap();
    assert!(!engine.tenants().await.unwrap()[0].awake);
    for path in files(&to) {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let private = path.ends_with("lock") || mode == 0o600;
        assert!(private, "{mode:o} {}", path.display());
    }
    assert_eq!(
        fs::metadata(&to).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let again = engine.back_up(&to, None, unwatched()).await;
    assert!(matches!(again, Err(UpkeepError::Taken { .. })), "{again:?}");
    for inside in ["tenants/monday", "tenants/north/monday"] {
        let inside = scene.folder().join(inside);
        let inside = engine.back_up(&inside, None, unwatched()).await;
        assert!(
            matches!(inside, Err(UpkeepError::BadPlace { .. })),
            "{inside:?}"
        );
        assert_eq!(engine.tenants().await.unwrap().len(), 1, "none was made");
    }
    // As a mount point, a link cannot give way to a folder: that is said before anything is copied.
    let (link, empty) = (outside.path().join("link"), tempfile::tempdir().unwrap());
    std::os::unix::fs::symlink(empty.path(), &link).unwrap();
    let linked = engine.back_up(&link, None, unwatched()).await.unwrap_err();
    assert!(linked.to_string().contains("mount point"), "{linked}");
    fs::remove_file(link).unwrap();
    assert_eq!(entries(outside.path()), ["monday"], "nothing is left aside");
    // It can be checked like a data folder, and nobody can be served from it.
    let backup = Engine::open(Config::in_folder(&to)).await.unwrap();
    let checked = backup.check_tenant(&name("school")).await.unwrap().unwrap();
    assert_eq!(checked.last, LogPosition(43));
    assert!(refused(&backup, "school").await.contains("is a backup"));
    let served = backup.tenant(&name("school")).await;
    assert!(served.unwrap_err().to_string().contains("is a backup"));
    let made = backup.create_tenant(&name("north")).await;
    assert!(made.unwrap_err().to_string().contains("is a backup"));
    let gone = backup.delete_tenant(&name("school")).await;
    assert!(gone.unwrap_err().to_string().contains("is a backup"));
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in entries(folder) {
        let path = folder.join(entry);
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Flips a byte in the first record of a log.
fn damage(tenant_folder: &Path) {
    let log = tenant_folder.join("log");
    let path = log.join(&entries(&log)[0]);
    let mut bytes = fs::read(&path).unwrap();
    bytes[64 + 100] ^= 0xff;
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_damaged_tenant_is_left_out_and_told_and_the_others_are_backed_up() {
    let (mut scene, sent) = school(|_| ()).await;
    enter(&scene.engine, "north", "ana").await;
    scene.stop().await;
    damage(&scene.folder().join("tenants/north"));
    scene.start().await;
    let outside = tempfile::tempdir().unwrap();
    let to = outside.path().join("monday");
    let north = name("north");
    let named = scene.engine.back_up(&to, Some(&north), unwatched()).await;
    assert!(named.unwrap_err().to_string().contains("damaged"));
    assert!(entries(outside.path()).is_empty());
    let report = scene.engine.back_up(&to, None, unwatched()).await.unwrap();
    assert_eq!(report.left_out[0].name, north);
    assert!(report.left_out[0].why.contains("damaged"), "{report:?}");
    let fresh = Scene::on_disk().await;
    let absent = fresh.engine.restore(&to, Some(&north), None, unwatched());
    let absent = absent.await.unwrap_err();
    assert!(
        matches!(absent, UpkeepError::NotInBackup { .. }),
        "{absent}"
    );
    fresh
        .engine
        .restore(&to, None, None, unwatched())
        .await
        .unwrap();
    is_another_life(&fresh.engine, "school", &sent, 40).await;
}

#[tokio::test]
async fn what_is_no_whole_backup_restores_nothing() {
    let (scene, _) = school(|_| ()).await;
    let outside = tempfile::tempdir().unwrap();
    let fresh = Scene::on_disk().await;
    let nothing = fresh
        .engine
        .restore(outside.path(), None, None, unwatched());
    let nothing = nothing.await.unwrap_err();
    assert!(
        matches!(nothing, UpkeepError::NotABackup { .. }),
        "{nothing}"
    );
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 6] = [
        ("damaged", |to| damage(&to.join("tenants/school"))),
        ("tenant.json", |to| {
            fs::remove_file(to.join("tenants/school/tenant.json")).unwrap()
        }),
        ("mark", |to| {
            fs::remove_file(to.join("marks/school")).unwrap()
        }),
        ("ends elsewhere", |to| {
            edit(to, "\"position\": 43", "\"position\": 42")
        }),
        ("not those", |to| {
            edit(to, "\"records\": 43", "\"records\": 44")
        }),
        ("format", |to| edit(to, "\"format\": 1", "\"format\": 2")),
    ];
    for (n, (why, harm)) in harms.into_iter().enumerate() {
        let to = outside.path().join(n.to_string());
        scene.engine.back_up(&to, None, unwatched()).await.unwrap();
        harm(&to);
        let error = fresh.engine.restore(&to, None, None, unwatched()).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains(why), "{why}: {error}");
        assert!(fresh.engine.tenants().await.unwrap().is_empty());
        assert!(entries(&fresh.folder().join("tenants")).is_empty(), "{why}");
        assert!(entries(&fresh.folder().join("marks")).is_empty(), "{why}");
    }
}

#[tokio::test]
async fn a_backup_is_checked_against_what_it_says_of_itself() {
    let (scene, _) = school(|_| ()).await;
    let outside = tempfile::tempdir().unwrap();
    let (monday, other) = (outside.path().join("monday"), outside.path().join("other"));
    let (engine, school) = (&scene.engine, name("school"));
    engine.back_up(&monday, None, unwatched()).await.unwrap();
    engine.back_up(&other, None, unwatched()).await.unwrap();
    assert_eq!(engine.backed_up().await.unwrap(), None, "it is no backup");
    engine.check_backed_up(&school, unwatched()).await.unwrap();

    let checked = async |why: Option<&str>| {
        let backup = Engine::open(Config::in_folder(&monday)).await.unwrap();
        backup.check_tenant(&school).await.unwrap();
        assert_eq!(
            backup.backed_up().await.unwrap(),
            Some(vec![name("school")])
        );
        let checked = backup.check_backed_up(&school, unwatched()).await;
        match (why, checked) {
            (None, Ok(())) => {}
            (Some(why), Err(error)) => assert!(error.to_string().contains(why), "{error}"),
            (_, checked) => panic!("{why:?}: {checked:?}"),
        }
        backup.shut_down(CloseCode::ShuttingDown, None).await;
    };
    checked(None).await;
    // A log that is whole, and another one: as long as it was, and longer.
    edit(&monday, "\"bytes\": ", "\"bytes\": 1");
    checked(Some("not those")).await;
    fs::copy(other.join("backup.json"), monday.join("backup.json")).unwrap();
    checked(None).await;
    edit(&monday, "\"position\": 43", "\"position\": 42");
    checked(Some("ends elsewhere")).await;
}

fn edit(to: &Path, from: &str, into: &str) {
    let place = to.join("backup.json");
    let text = fs::read_to_string(&place).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(place, text.replace(from, into)).unwrap();
}

#[tokio::test]
async fn a_damaged_tenant_goes_on_with_what_was_kept_and_is_told_what_is_lost() {
    let (mut scene, sent) = school(|config| config.segment_bytes = 1500).await;
    let (ben, _events) = scene.connect("ben").await;
    let class = ben.enter("class").await.unwrap();
    ben.send(&class, "lost").await.unwrap();
    scene.stop().await;
    // In the second segment.
    let log = scene.folder().join("tenants/school/log");
    let segment = log.join(&entries(&log)[1]);
    let mut bytes = fs::read(&segment).unwrap();
    bytes[64 + 100] ^= 0xff;
    fs::write(&segment, bytes).unwrap();
    scene.start().await;
    let engine = &scene.engine;
    let school = name("school");
    // Sealed and not the last: it wakes from its snapshot, and only a check sees the damage.
    assert!(engine.check_tenant(&school).await.is_err());
    let unsaid = engine.repair_tenant(&school, None, unwatched()).await;
    let Err(UpkeepError::DropAfter {
        last_good, lost, ..
    }) = unsaid
    else {
        panic!("{unsaid:?}");
    };
    assert!(last_good.0 > MADE as u64 && last_good.0 < 40, "{last_good}");
    let too_far = Some(last_good.next());
    let too_far = engine.repair_tenant(&school, too_far, unwatched()).await;
    let Err(UpkeepError::DropAfter {
        last_good: again, ..
    }) = &too_far
    else {
        panic!("{too_far:?}");
    };
    assert_eq!(*again, last_good);
    assert!(
        too_far
            .unwrap_err()
            .to_string()
            .contains(&format!("--drop-after {last_good}"))
    );
    let (_ana, events, _) = enter(engine, "school", "ana").await;
    let repaired = engine
        .repair_tenant(&school, Some(last_good), unwatched())
        .await;
    let repaired = repaired.unwrap();
    assert_eq!(
        ended(events).await,
        (CloseCode::TenantUnavailable, Some(30_000))
    );
    assert_eq!(
        (repaired.kept, &repaired.lost.rooms),
        (last_good, &lost.rooms)
    );
    let of = |id: &str| {
        repaired
            .lost
            .rooms
            .iter()
            .find(|it| it.id.as_ref().unwrap().as_str() == id)
    };
    let class = of("class").unwrap();
    assert_eq!(class.events, 2, "made, said");
    assert!(class.first <= class.last);
    assert_eq!(repaired.lost.unreadable.len(), 1);
    let kept = usize::try_from(last_good.0).unwrap() - MADE;
    let total = of("lobby").unwrap().events + 1 + kept as u64;
    assert!(
        (39..=40).contains(&total),
        "all but the damaged commit: {total}"
    );
    is_another_life(engine, "school", &sent, kept).await;
    engine.check_tenant(&school).await.unwrap();
    let aside = repaired.aside.unwrap();
    assert_eq!(aside, scene.folder().join("tenants/school.BROKEN-1"));
    assert!(aside.join("log").exists() && scene.folder().join("marks/school.BROKEN-1").exists());
    assert_eq!(engine.tenants().await.unwrap().len(), 1, "it is no tenant");
    // A second repair keeps the first one's evidence.
    let repaired = engine
        .repair_tenant(&school, Some(LogPosition(7)), unwatched())
        .await;
    assert!(
        repaired
            .unwrap()
            .aside
            .unwrap()
            .ends_with("school.BROKEN-2")
    );
    scene.restart().await;
    is_another_life(&scene.engine, "school", &sent, 4).await;
}

#[tokio::test]
async fn a_repair_that_cannot_be_done_disturbs_nobody() {
    let (scene, sent) = school(|_| ()).await;
    let (ana, _events, room) = enter(&scene.engine, "school", "ana").await;
    let tenant = name("school");
    for drop_after in [None, Some(LogPosition(44)), Some(LogPosition(u64::MAX))] {
        let asked = scene.engine.repair_tenant(&tenant, drop_after, unwatched());
        let refused = asked.await.unwrap_err();
        let reachable = LogPosition(43);
        assert!(
            matches!(&refused, UpkeepError::DropAfter { last_good, .. } if *last_good == reachable),
            "{refused}"
        );
        let joined = ana.join(&room.id, Some(sent[3].position)).await.unwrap();
        assert_eq!(joined.reset, None);
    }
}

#[tokio::test]
async fn a_tenant_whose_mark_or_files_are_gone_is_repaired_by_naming_what_is_there() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm, u64); 4] = [
        (
            "no mark",
            |data| fs::remove_file(data.join("marks/school")).unwrap(),
            43,
        ),
        (
            "damaged mark",
            |data| fs::write(data.join("marks/school"), b"?").unwrap(),
            43,
        ),
        (
            "an older log",
            |data| {
                let log = data.join("tenants/school/log");
                let last = log.join(entries(&log).last().unwrap());
                fs::remove_file(last).unwrap();
            },
            0,
        ),
        (
            "emptied",
            |data| {
                let log = data.join("tenants/school/log");
                entries(&log)
                    .iter()
                    .for_each(|it| fs::remove_file(log.join(it)).unwrap());
            },
            0,
        ),
    ];
    for (what, harm, good) in harms {
        let (mut scene, sent) = school(|config| config.segment_bytes = 1500).await;
        scene.stop().await;
        harm(scene.folder());
        scene.start().await;
        let school = name("school");
        assert!(scene.engine.check_tenant(&school).await.is_err(), "{what}");
        let (last_good, _) = scene
            .engine
            .examine_tenant(&school, unwatched())
            .await
            .unwrap();
        assert!(good == 0 || last_good.0 == good, "{what}: {last_good}");
        let repaired = scene
            .engine
            .repair_tenant(&school, Some(last_good), unwatched())
            .await;
        assert_eq!(repaired.unwrap().kept, last_good, "{what}");
        if last_good.0 > MADE as u64 {
            let kept = usize::try_from(last_good.0).unwrap() - MADE;
            is_another_life(&scene.engine, "school", &sent, kept).await;
        } else {
            let (ana, _events, room) = enter(&scene.engine, "school", "ana").await;
            assert!(texts(&ana, &room).await.is_empty(), "{what}");
        }
    }
}

async fn export(engine: &Engine, tenant: &str) -> (Result<Exported, UpkeepError>, String) {
    let (lines, mut taken) = mpsc::channel::<Bytes>(1);
    let tenant = name(tenant);
    let collect = async {
        let mut all = Vec::new();
        while let Some(piece) = taken.recv().await {
            assert!(piece.ends_with(b"\n") && piece.len() < 4 * 1024 * 1024);
            all.extend(piece);
        }
        String::from_utf8(all).unwrap()
    };
    tokio::join!(engine.export_tenant(&tenant, lines, unwatched()), collect)
}

#[tokio::test]
async fn an_export_is_a_header_every_event_and_a_footer() {
    let (scene, _) = school(|_| ()).await;
    let (ana, _events, room) = enter(&scene.engine, "school", "ana").await;
    let awkward = "line\nbreak \"quoted\" \u{7} \u{2028} 日本 \\";
    ana.send(&room, awkward).await.unwrap();
    ana.leave(&room).await.unwrap();
    let (exported, awake) = export(&scene.engine, "school").await;
    let exported = exported.unwrap();
    assert_eq!((exported.position, exported.events), (LogPosition(46), 46));
    let lines: Vec<serde_json::Value> = awake
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 48);
    assert_eq!(
        (&lines[0]["homeroom_export"], &lines[0]["tenant"]),
        (&1.into(), &"school".into())
    );
    assert_eq!(lines[0]["position"], 46);
    assert_eq!(
        (&lines[1]["kind"], &lines[1]["room"]),
        (&"room_created".into(), &"lobby".into())
    );
    // What concerns ana alone stands beside the room: her stream begins when she makes it.
    let kinds = [2, 3, 46].map(|n: usize| lines[n]["kind"].as_str().unwrap());
    assert_eq!(kinds, ["stream_opened", "place_changed", "place_changed"]);
    for (n, line) in lines[1..47].iter().enumerate() {
        assert_eq!(line["position"], n + 1);
        if line["room"] == "lobby" && n > 0 {
            assert_eq!(line["seq"], n - 1);
        }
        assert_eq!(line["author"], "ana");
        let epoch = line["epoch"].as_str().unwrap();
        assert!(epoch.len() == 14 && u64::from_str_radix(epoch, 16).is_ok());
    }
    assert_eq!(
        (&lines[44]["text"], &lines[44]["kind"]),
        (&awkward.into(), &"message_sent".into())
    );
    assert_eq!(lines[45]["kind"], "member_left");
    assert_eq!(
        (&lines[47]["end"], &lines[47]["events"]),
        (&true.into(), &46.into())
    );
    // Asleep it is the same, and so it is in memory.
    scene.stop().await;
    let engine = Engine::open(scene.config.clone()).await.unwrap();
    assert_eq!(export(&engine, "school").await.1, awake);
    let missing = export(&engine, "north").await.0.unwrap_err();
    assert!(
        missing.to_string().contains("there is no tenant"),
        "{missing}"
    );
    let memory = Scene::in_memory().await;
    enter(&memory.engine, "school", "ana").await;
    assert_eq!(export(&memory.engine, "school").await.0.unwrap().events, 3);
}

#[tokio::test]
async fn a_suspended_tenant_lets_nobody_in_until_it_is_resumed() {
    let (mut scene, sent) = school(|_| ()).await;
    let (_ana, events, _) = enter(&scene.engine, "school", "ana").await;
    let school = name("school");
    scene.engine.suspend_tenant(&school).await.unwrap();
    assert_eq!(
        ended(events).await,
        (CloseCode::TenantUnavailable, Some(300_000))
    );
    for _ in 0..2 {
        assert!(
            refused(&scene.engine, "school")
                .await
                .contains("is suspended")
        );
        let listed = scene.engine.tenants().await.unwrap();
        assert!(listed[0].suspended && !listed[0].awake);
        scene.engine.check_tenant(&school).await.unwrap();
        assert_eq!(export(&scene.engine, "school").await.0.unwrap().events, 43);
        scene.restart().await;
    }
    // A backup keeps the state.
    let outside = tempfile::tempdir().unwrap();
    let to = outside.path().join("monday");
    scene.engine.back_up(&to, None, unwatched()).await.unwrap();
    let fresh = Scene::on_disk().await;
    fresh
        .engine
        .restore(&to, None, None, unwatched())
        .await
        .unwrap();
    assert!(
        refused(&fresh.engine, "school")
            .await
            .contains("is suspended")
    );
    fresh.engine.resume_tenant(&school).await.unwrap();
    is_another_life(&fresh.engine, "school", &sent, 40).await;
    // A resume without a suspend is fine, and one of nobody is not.
    scene.engine.resume_tenant(&school).await.unwrap();
    scene.engine.resume_tenant(&school).await.unwrap();
    let (ana, _events, room) = enter(&scene.engine, "school", "ana").await;
    let joined = ana.join(&room.id, Some(sent[39].position)).await.unwrap();
    assert_eq!(joined.reset, None, "the same life goes on");
    let nobody = scene.engine.suspend_tenant(&name("north")).await;
    assert!(
        nobody
            .unwrap_err()
            .to_string()
            .contains("there is no tenant")
    );
}

#[tokio::test]
async fn a_deleted_tenant_is_gone_and_another_one_may_take_its_name() {
    for on_disk in [true, false] {
        let scene = if on_disk {
            Scene::on_disk().await
        } else {
            Scene::in_memory().await
        };
        let (ana, _events, room) = enter(&scene.engine, "school", "ana").await;
        let old = ana.send(&room, "old").await.unwrap();
        let (_ben, events, _) = enter(&scene.engine, "school", "ben").await;
        let school = name("school");
        scene.engine.delete_tenant(&school).await.unwrap();
        assert_eq!(ended(events).await, (CloseCode::TenantNotFound, None));
        assert_eq!(refused(&scene.engine, "school").await, "there is none");
        assert!(scene.engine.tenants().await.unwrap().is_empty());
        let again = scene.engine.delete_tenant(&school).await;
        assert!(
            again
                .unwrap_err()
                .to_string()
                .contains("there is no tenant")
        );
        if on_disk {
            assert!(entries(&scene.folder().join("tenants")).is_empty());
            assert!(entries(&scene.folder().join("marks")).is_empty());
        }
        let (ana, _events, room) = enter(&scene.engine, "school", "ana").await;
        assert!(texts(&ana, &room).await.is_empty());
        let joined = ana.join(&room.id, Some(old.position)).await.unwrap();
        assert_eq!(joined.reset, Some(ResetReason::EpochChanged));
    }
}

#[tokio::test]
async fn what_a_crash_cut_short_is_ended_at_the_next_start() {
    let (mut scene, _) = school(|_| ()).await;
    let school = name("school");
    scene.stop().await;
    let (tenants, marks) = (scene.folder().join("tenants"), scene.folder().join("marks"));
    // A delete that came as far as its rename, beside copies that came to nothing.
    fs::rename(tenants.join("school"), tenants.join("school.GONE-1")).unwrap();
    fs::create_dir_all(tenants.join("north.COPY/log")).unwrap();
    fs::write(marks.join("north.COPY"), b"half").unwrap();
    fs::create_dir(tenants.join("west.NEW")).unwrap();
    scene.start().await;
    assert!(scene.engine.find_tenant(&school).await.unwrap().is_none());
    while tenants.join("school.GONE-1").exists() {
        tokio::task::yield_now().await;
    }
    assert!(entries(&tenants).is_empty() && entries(&marks).is_empty());
    scene.engine.create_tenant(&school).await.unwrap();
}

#[tokio::test]
async fn people_who_come_while_a_tenant_is_worked_on_find_it_whole_or_not_at_all() {
    let (scene, _) = school(|config| config.sleep_after_ms = 0).await;
    let engine = scene.engine.clone();
    let done = Arc::new(AtomicU64::new(0));
    let visitors: Vec<_> = (0..4)
        .map(|n| {
            let (engine, done) = (engine.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let mut entered = 0;
                while done.load(Ordering::SeqCst) == 0 {
                    tokio::task::yield_now().await;
                    let Ok(Some(tenant)) = engine.find_tenant(&name("school")).await else {
                        continue;
                    };
                    let identity = Identity::user(&format!("user-{n}")).unwrap();
                    let Ok((session, _events)) = tenant.connect(identity).await else {
                        continue;
                    };
                    let Ok(room) = session.enter("lobby").await else {
                        continue;
                    };
                    let Ok(page) = session.history(&room, Direction::After, Seq(0), 100).await
                    else {
                        continue;
                    };
                    let found: Vec<_> = page.events.iter().filter_map(text).collect();
                    assert!(found == all_texts() || found.is_empty(), "{found:?}");
                    entered += 1;
                }
                entered
            })
        })
        .collect();
    let outside = tempfile::tempdir().unwrap();
    let to = outside.path().join("monday");
    let school = name("school");
    engine.back_up(&to, None, unwatched()).await.unwrap();
    for _ in 0..5 {
        engine.suspend_tenant(&school).await.unwrap();
        engine.resume_tenant(&school).await.unwrap();
        let repaired = engine.repair_tenant(&school, Some(LogPosition(43)), unwatched());
        repaired.await.unwrap();
        engine.delete_tenant(&school).await.unwrap();
        engine.restore(&to, None, None, unwatched()).await.unwrap();
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }
    done.store(1, Ordering::SeqCst);
    for visitor in visitors {
        visitor.await.unwrap();
    }
    scene.stop().await;
    let engine = Engine::open(scene.config.clone()).await.unwrap();
    engine.check_tenant(&school).await.unwrap();
    let (ana, _events, room) = enter(&engine, "school", "ana").await;
    assert_eq!(texts(&ana, &room).await, all_texts());
}

#[tokio::test]
async fn an_engine_in_memory_says_what_it_cannot_do() {
    let scene = Scene::in_memory().await;
    enter(&scene.engine, "school", "ana").await;
    let outside = tempfile::tempdir().unwrap();
    let to = outside.path().join("monday");
    // What is in memory can be brought to disk.
    scene.engine.back_up(&to, None, unwatched()).await.unwrap();
    let restored = scene.engine.restore(&to, None, None, unwatched()).await;
    assert!(
        matches!(restored, Err(UpkeepError::InMemory)),
        "{restored:?}"
    );
    let school = name("school");
    let repaired = scene
        .engine
        .repair_tenant(&school, Some(LogPosition(1)), unwatched())
        .await;
    assert!(
        matches!(repaired, Err(UpkeepError::InMemory)),
        "{repaired:?}"
    );
    scene.engine.suspend_tenant(&school).await.unwrap();
    let found = scene.engine.find_tenant(&school).await.unwrap().unwrap();
    let connected = found.connect(Identity::user("ana").unwrap()).await;
    assert!(connected.unwrap_err().to_string().contains("suspended"));
    scene.engine.resume_tenant(&school).await.unwrap();
    enter(&scene.engine, "school", "ana").await;
    scene.stop().await;
    let late = scene.engine.suspend_tenant(&school).await;
    assert!(
        matches!(late, Err(UpkeepError::Tenant(TenantError::ShutDown))),
        "{late:?}"
    );
}
