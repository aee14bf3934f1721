//! Tenants suspended, resumed, deleted and made again.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use homeroom_engine::{
    Engine, Identity, TenantError, UpkeepError, log::LogPosition, upkeep::unwatched,
};
use homeroom_protocol::{CloseCode, Direction, ResetReason, Seq};

use crate::{
    all_texts,
    backups::entries,
    ended,
    engine_support::{Scene, name, text},
    enter, is_another_life, refused,
    repairs::export,
    school, texts,
};

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
