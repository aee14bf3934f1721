//! An app's own back end beside live people: what it does is seen at once, survives restarts, and
//! waits behind nobody's slow disk where somebody has to go.
#![cfg(test)]

mod engine_support;

use std::{sync::Arc, time::Duration};

use engine_support::{Scene, gated_disk::GatedDisk, texts_until};
use homeroom_engine::{
    Backend, BackendError, Event, Events, ServiceName,
    tenant::{Placed, RoomSummary},
};
use homeroom_protocol::{
    Direction, ErrorCode, EventBody, IdempotencyKey, Presence, RemovedReason, RoomId, UserId,
    UserPresence,
};

/// Long enough for anything that happens at all.
const LONG: Duration = Duration::from_secs(10);

const fn key(number: u8) -> IdempotencyKey {
    IdempotencyKey([number; 16])
}

fn room(id: &str) -> RoomId {
    id.parse().unwrap()
}

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

async fn until_typing(events: &mut Events, expected: &[UserId]) {
    loop {
        let event = tokio::time::timeout(LONG, events.next()).await;
        if let Some(Event::Typing { users, .. }) = event.expect("it is told at once")
            && users == expected
        {
            return;
        }
    }
}

async fn backend(scene: &Scene) -> Backend {
    let service = ServiceName::new("timetable").unwrap();
    scene.tenant().await.backend(service)
}

fn code(error: BackendError) -> ErrorCode {
    match error {
        BackendError::Refused(refused) => refused.code,
        other => panic!("not refused: {other}"),
    }
}

#[tokio::test]
async fn people_hear_what_a_back_end_says_for_itself_and_as_a_user() {
    let scene = Scene::in_memory().await;
    let backend = backend(&scene).await;
    let lobby = room("lobby");
    backend
        .create_room(key(1), &lobby, Some("Lobby"))
        .await
        .unwrap();
    backend.add_member(&lobby, &user("ana")).await.unwrap();
    let (ana, mut to_ana) = scene.connect("ana").await;
    ana.enter("lobby").await.unwrap();
    backend.publish(key(2), &lobby, "one").await.unwrap();
    let as_ana = backend.acting_as(user("ana"));
    as_ana.publish(key(2), &lobby, "two").await.unwrap();
    assert_eq!(texts_until(&mut to_ana, "two").await, ["one", "two"]);
    let page = as_ana
        .history(&lobby, Direction::Before, None, 2)
        .await
        .unwrap();
    let authors: Vec<_> = page
        .events
        .iter()
        .map(|event| event.author.as_str())
        .collect();
    assert_eq!(authors, ["service:timetable", "ana"]);
    let users = vec![user("ana"), user("ben")];
    assert_eq!(
        presences(backend.presence(users).await.unwrap()),
        [
            (user("ana"), Presence::Active),
            (user("ben"), Presence::Offline)
        ]
    );
    assert_eq!(
        code(
            backend
                .acting_as(user("ben"))
                .members(&lobby, None, 10)
                .await
                .unwrap_err()
        ),
        ErrorCode::NotMember
    );
    backend.end_sessions(&user("ana")).await.unwrap();
    while !matches!(
        to_ana.next().await.expect("the end is told"),
        Event::Ended { .. }
    ) {}
}

#[tokio::test]
async fn a_key_gives_the_same_answer_after_a_restart() {
    let mut scene = Scene::on_disk().await;
    let lobby = room("lobby");
    let before = backend(&scene).await;
    before.create_room(key(1), &lobby, None).await.unwrap();
    let first = before.publish(key(2), &lobby, "once").await.unwrap();
    assert!(!first.already);
    scene.restart().await;
    let after = backend(&scene).await;
    let again = after.publish(key(2), &lobby, "once").await.unwrap();
    assert_eq!(
        again,
        Placed {
            already: true,
            ..first
        }
    );
    assert_eq!(
        code(after.publish(key(2), &lobby, "other").await.unwrap_err()),
        ErrorCode::KeyConflict
    );
    assert!(matches!(
        before.room(&lobby).await,
        Err(BackendError::Tenant(_))
    ));
}

#[tokio::test]
async fn a_call_wakes_the_tenant_which_sleeps_again() {
    let scene = Scene::on_disk_with(|config| config.sleep_after_ms = 0).await;
    let backend = backend(&scene).await;
    let lobby = room("lobby");
    for number in 1..=3 {
        scene.until_asleep().await;
        if number == 1 {
            backend.create_room(key(1), &lobby, None).await.unwrap();
        } else {
            backend.publish(key(number), &lobby, "hello").await.unwrap();
        }
    }
    scene.until_asleep().await;
    let RoomSummary { head, members, .. } = backend.room(&lobby).await.unwrap();
    assert_eq!((head.seq.0, members), (3, 0));
}

#[tokio::test]
async fn many_calls_at_once_are_all_answered_in_one_order() {
    const CALLS: u16 = 3_000;
    let scene = Scene::in_memory().await;
    let backend = backend(&scene).await;
    let lobby = room("lobby");
    backend.create_room(key(1), &lobby, None).await.unwrap();
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..CALLS {
        let (backend, lobby) = (backend.clone(), lobby.clone());
        let [high, low] = number.to_be_bytes();
        let mut bytes = [9; 16];
        bytes[..2].copy_from_slice(&[high, low]);
        calls.spawn(async move {
            let placed = backend
                .publish(IdempotencyKey(bytes), &lobby, "hello")
                .await;
            placed.unwrap().position.seq.0
        });
    }
    let mut seqs = calls.join_all().await;
    seqs.sort_unstable();
    assert!(seqs.into_iter().eq(2..=u64::from(CALLS) + 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_takes_effect_while_the_disk_stands_still() {
    let disk = GatedDisk::default();
    let config_disk = disk.clone();
    let scene = Scene::on_disk_with(|config| config.disk = Arc::new(config_disk)).await;
    let backend = backend(&scene).await;
    let lobby = room("lobby");
    let (ana, mut to_ana) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    let (ben, mut to_ben) = scene.connect("ben").await;
    ben.enter("lobby").await.unwrap();
    let sender = ana.clone();
    let there = ben.enter("lobby").await.unwrap();
    ben.typing(&there, true).await.unwrap();
    until_typing(&mut to_ana, &[user("ben")]).await;

    disk.sync.shut();
    let sending = tokio::spawn(async move { sender.send(&room, "while the disk stands").await });
    disk.sync.until_somebody_waits().await;
    let (remover, from) = (backend.clone(), lobby.clone());
    let removing =
        tokio::spawn(async move { remover.remove_member(&from, &user("ben")).await.unwrap() });
    // That he types no more is told at once; that he was removed, when it is kept.
    until_typing(&mut to_ana, &[]).await;
    assert!(!removing.is_finished());
    disk.sync.open();
    assert!(removing.await.unwrap().is_some());
    sending.await.unwrap().unwrap();
    texts_until(&mut to_ana, "while the disk stands").await;
    loop {
        match to_ben.next().await.expect("ben is connected") {
            Event::Timeline { event, .. } => panic!("heard by who was removed: {event:?}"),
            Event::Removed { reason, .. } => {
                assert_eq!(reason, RemovedReason::Removed);
                break;
            }
            _ => {}
        }
    }
    let page = backend
        .history(&lobby, Direction::Before, None, 1)
        .await
        .unwrap();
    assert_eq!(
        page.events[0].body,
        EventBody::MemberRemoved {
            member: user("ben")
        }
    );
}

fn presences(users: Vec<UserPresence>) -> Vec<(UserId, Presence)> {
    let each = |it: UserPresence| (it.user, it.presence);
    users.into_iter().map(each).collect()
}
