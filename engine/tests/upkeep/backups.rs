//! Backups, and what is restored from them.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use homeroom_engine::{
    Config, Engine, UpkeepError,
    log::LogPosition,
    upkeep::{self, Progress, unwatched},
};
use homeroom_protocol::CloseCode;

use crate::{
    damage,
    engine_support::{Scene, name},
    enter, files, is_another_life, refused, school, texts,
};

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

pub(crate) fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
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
