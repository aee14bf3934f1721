//! Tenants as wholes: backed up while they are written to, restored as another life, repaired, exported,
//! suspended and deleted, with nobody ever seeing half of it.
#![cfg(test)]

mod backups;
#[path = "../engine_support/mod.rs"]
mod engine_support;
mod lives;
mod repairs;

use std::{
    fs,
    path::{Path, PathBuf},
};

use engine_support::{Scene, name, text};
use homeroom_engine::{
    Config, Engine, Event, Events, Identity, Session,
    session::{Room, Sent},
};
use homeroom_protocol::{CloseCode, Direction, IdempotencyKey, Position, ResetReason, Seq};

use crate::backups::entries;

const fn key(n: u8) -> IdempotencyKey {
    IdempotencyKey([n; 16])
}

pub(crate) async fn enter(engine: &Engine, tenant: &str, user: &str) -> (Session, Events, Room) {
    let tenant = engine.tenant(&name(tenant)).await.unwrap();
    let identity = Identity::user(user).unwrap();
    let (session, events) = tenant.connect(identity).await.unwrap();
    let room = session.enter("lobby").await.unwrap();
    (session, events, room)
}

pub(crate) async fn texts(session: &Session, room: &Room) -> Vec<String> {
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

pub(crate) async fn ended(mut events: Events) -> (CloseCode, Option<u64>) {
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
pub(crate) async fn refused(engine: &Engine, tenant: &str) -> String {
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
pub(crate) async fn school(config: impl FnOnce(&mut Config)) -> (Scene, Vec<Sent>) {
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

pub(crate) fn all_texts() -> Vec<String> {
    (0..40).map(|n| n.to_string()).collect()
}

/// Events of the commit that makes the room: it, its maker's stream, and their place in it.
pub(crate) const MADE: usize = 3;

/// What clients of before meet in a tenant that goes on as another life.
pub(crate) async fn is_another_life(engine: &Engine, tenant: &str, old: &[Sent], kept: usize) {
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

pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
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
pub(crate) fn damage(tenant_folder: &Path) {
    let log = tenant_folder.join("log");
    let path = log.join(&entries(&log)[0]);
    let mut bytes = fs::read(&path).unwrap();
    bytes[64 + 100] ^= 0xff;
    fs::write(path, bytes).unwrap();
}
