//! Everything at once: people write and come and go, tenants fall asleep and wake, logs roll over, and
//! meanwhile tenants are suspended, deleted, made again and repaired. Each backup taken then is whole, and
//! holds what was acknowledged before it began.
#![cfg(test)]

mod engine_support;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use engine_support::{Scene, name, text};
use homeroom_engine::{Config, Engine, Identity, upkeep::unwatched};
use homeroom_protocol::{CloseCode, Direction, IdempotencyKey, Seq};
use tokio::task::JoinSet;

const BACKUPS: usize = 6;

/// Says 1, 2, 3 … in a tenant's lobby until told to stop, each under its own key until it is
/// acknowledged, and comes back after every end.
async fn talk(engine: Engine, tenant: &'static str, said: Arc<AtomicU64>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::SeqCst) {
        let Ok(Some(tenant)) = engine.find_tenant(&name(tenant)).await else {
            tokio::task::yield_now().await;
            continue;
        };
        let Ok((ana, _events)) = tenant.connect(Identity::user("ana").unwrap()).await else {
            tokio::task::yield_now().await;
            continue;
        };
        let Ok(room) = ana.enter("lobby").await else {
            continue;
        };
        for _ in 0..7 {
            let next = said.load(Ordering::SeqCst) + 1;
            let key = IdempotencyKey(u128::from(next).to_be_bytes());
            if ana
                .send_with_key(&room, format!("{next}"), key)
                .await
                .is_err()
            {
                break;
            }
            said.store(next, Ordering::SeqCst);
        }
    }
}

/// Takes each of the steps in turn until told to stop.
async fn disturb(engine: Engine, stop: Arc<AtomicBool>) {
    let [calm, moved, gone] = ["calm", "moved", "gone"].map(name);
    while !stop.load(Ordering::SeqCst) {
        engine.suspend_tenant(&moved).await.unwrap();
        engine.check_tenant(&calm).await.unwrap();
        // Nobody writes to it now, so nothing that was acknowledged is behind the last position.
        let (good, _) = engine.examine_tenant(&moved, unwatched()).await.unwrap();
        let repaired = engine.repair_tenant(&moved, Some(good), unwatched()).await;
        assert_eq!(repaired.unwrap().lost.events(), 0);
        engine.resume_tenant(&moved).await.unwrap();
        engine.delete_tenant(&gone).await.unwrap();
        engine.create_tenant(&gone).await.unwrap();
    }
}

/// How much was said in a tenant of a backup: 1, 2, 3 … without a gap or a repeat.
async fn heard(backup: &Path, tenant: &str) -> u64 {
    let checked = Engine::open(Config::in_folder(backup)).await.unwrap();
    let held = checked.backed_up().await.unwrap().unwrap();
    for name in &held {
        checked.check_tenant(name).await.unwrap();
        checked.check_backed_up(name, unwatched()).await.unwrap();
    }
    checked.shut_down(CloseCode::ShuttingDown, None).await;
    let scene = Scene::on_disk().await;
    let only = name(tenant);
    let restored = scene.engine.restore(backup, Some(&only), None, unwatched());
    restored.await.unwrap();
    let restored = scene.engine.tenant(&only).await.unwrap();
    let restored = restored.connect(Identity::user("ana").unwrap()).await;
    // It was backed up while it was suspended.
    if restored.is_err() {
        scene.engine.resume_tenant(&only).await.unwrap();
    }
    let restored = scene.engine.tenant(&only).await.unwrap();
    let (ana, _events) = restored
        .connect(Identity::user("ana").unwrap())
        .await
        .unwrap();
    let room = ana.enter("lobby").await.unwrap();
    let (mut seq, mut count) = (Seq(0), 0);
    loop {
        let page = ana
            .history(&room, Direction::After, seq, 100)
            .await
            .unwrap();
        for said in page.events.iter().filter_map(text) {
            count += 1;
            assert_eq!(said, count.to_string(), "{tenant} in {}", backup.display());
        }
        seq = page.events.last().map_or(seq, |event| event.seq);
        if !page.more {
            break;
        }
    }
    scene.stop().await;
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn backups_taken_while_everything_happens_are_whole() {
    let scene = Scene::on_disk_with(|config| {
        config.segment_bytes = 2_000;
        config.snapshot_every_records = 10;
        config.sleep_after_ms = 1;
        config.open_indexes_max = 1;
    })
    .await;
    for tenant in ["calm", "moved", "gone"] {
        scene.engine.create_tenant(&name(tenant)).await.unwrap();
    }
    let stop = Arc::new(AtomicBool::new(false));
    let said = ["calm", "moved"].map(|tenant| (tenant, Arc::new(AtomicU64::new(0))));
    let mut tasks = JoinSet::new();
    for (tenant, said) in &said {
        tasks.spawn(talk(
            scene.engine.clone(),
            tenant,
            Arc::clone(said),
            Arc::clone(&stop),
        ));
    }
    // What is said there is gone with each of its lives.
    tasks.spawn(talk(
        scene.engine.clone(),
        "gone",
        Arc::default(),
        Arc::clone(&stop),
    ));
    tasks.spawn(disturb(scene.engine.clone(), Arc::clone(&stop)));
    let outside = tempfile::tempdir().unwrap();
    let mut taken = Vec::new();
    for n in 0..BACKUPS {
        let before = said.each_ref().map(|(_, said)| said.load(Ordering::SeqCst));
        let to = outside.path().join(n.to_string());
        let report = scene.engine.back_up(&to, None, unwatched()).await.unwrap();
        assert!(report.left_out.is_empty(), "{report:?}");
        taken.push((to, before));
    }
    stop.store(true, Ordering::SeqCst);
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    let calm = said[0].1.load(Ordering::SeqCst);
    assert!(calm > 20, "{calm}");
    scene.stop().await;
    for (to, before) in taken {
        for ((tenant, _), before) in said.iter().zip(before) {
            let heard = heard(&to, tenant).await;
            assert!(heard >= before, "{tenant}: {heard} of {before}");
        }
    }
}
