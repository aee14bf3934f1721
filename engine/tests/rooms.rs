//! The engine as an embedder uses it: typed sessions, in memory and on disk.
#![cfg(test)]

mod engine_support;

use std::{
    pin::pin,
    sync::mpsc,
    task::{Context, Poll, Waker},
};

use engine_support::{Scene, code, event_seq, name, text, texts_until};
use homeroom_engine::{
    Config, Engine, Event, FolderError, Identity, Scopes, TenantError, engine::expiry_in_ms,
    session::RequestError,
};
use homeroom_protocol::{
    CloseCode, Direction, Draft, Emoji, ErrorCode, EventBody, IdempotencyKey, Position, Presence,
    ResetReason, Seq, UserId, UserPresence, frame::DeviceState,
};

#[tokio::test]
async fn two_people_in_a_room_hear_each_other_in_one_order() {
    let scene = Scene::in_memory().await;
    let (ana, mut to_ana) = scene.connect("ana").await;
    let (ben, mut to_ben) = scene.connect("ben").await;
    let room = ana.enter("lobby").await.unwrap();
    ben.enter("lobby").await.unwrap();
    for n in 0..20 {
        let who = if n % 2 == 0 { &ana } else { &ben };
        who.send(&room, format!("{n}")).await.unwrap();
    }
    let expected: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    assert_eq!(texts_until(&mut to_ana, "19").await, expected);
    assert_eq!(texts_until(&mut to_ben, "19").await, expected);
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let mut scene = Scene::on_disk().await;
    let (ana, _events) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    let mut sent = Vec::new();
    for n in 0..50 {
        sent.push(ana.send(&room, format!("{n}")).await.unwrap());
    }
    scene.restart().await;
    let (ben, _events) = scene.connect("ben").await;
    let room = ben.enter("lobby").await.unwrap();
    let page = ben
        .history(&room, Direction::After, Seq(0), 100)
        .await
        .unwrap();
    let kept: Vec<_> = page.events.iter().filter_map(text).collect();
    assert_eq!(kept, (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
    let positions = page.events.iter().filter(|event| text(event).is_some());
    assert!(
        positions
            .map(|event| (event.seq, event.time))
            .eq(sent.iter().map(|sent| (sent.position.seq, sent.time)))
    );
}

#[tokio::test]
async fn a_resumed_session_misses_nothing_and_hears_nothing_twice() {
    let mut scene = Scene::on_disk().await;
    let (ana, mut to_ana) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    let last = ana.send(&room, "before").await.unwrap();
    assert_eq!(texts_until(&mut to_ana, "before").await, ["before"]);
    drop((ana, to_ana));
    let (ben, _events) = scene.connect("ben").await;
    let room = ben.enter("lobby").await.unwrap();
    for n in 0..500 {
        ben.send(&room, format!("missed {n}")).await.unwrap();
    }
    scene.restart().await;
    let (ana, mut to_ana) = scene.connect("ana").await;
    let joined = ana.join(&room.id, Some(last.position)).await.unwrap();
    assert_eq!((joined.position, joined.reset), (last.position, None));
    ana.send(&joined.room, "after").await.unwrap();
    let mut seq = last.position.seq;
    let mut heard = Vec::new();
    while heard.last().is_none_or(|last| last != "after") {
        let event = to_ana.next().await.unwrap();
        if let Event::Occupancy { .. } = event {
            continue;
        }
        assert_eq!(
            event_seq(&event),
            Some(seq.next()),
            "dense, in order: {event:?}"
        );
        seq = seq.next();
        if let Event::Timeline { event, .. } = &event {
            heard.extend(text(event));
        }
    }
    let mut expected: Vec<String> = (0..500).map(|n| format!("missed {n}")).collect();
    expected.push("after".into());
    assert_eq!(heard, expected);
}

#[tokio::test]
async fn a_position_that_was_never_given_out_is_reset_with_its_reason() {
    let scene = Scene::in_memory().await;
    let (ana, _events) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    let at = ana.send(&room, "hello").await.unwrap().position;
    let ahead = Position {
        seq: Seq(at.seq.0 + 1),
        ..at
    };
    let joined = ana.join(&room.id, Some(ahead)).await.unwrap();
    assert_eq!(
        (joined.reset, joined.position),
        (Some(ResetReason::Ahead), at)
    );
    let foreign = Position {
        epoch: homeroom_protocol::Epoch::from_random(1 << 40),
        ..at
    };
    let joined = ana.join(&room.id, Some(foreign)).await.unwrap();
    assert_eq!(
        (joined.reset, joined.position),
        (Some(ResetReason::EpochChanged), at)
    );
}

#[tokio::test]
async fn a_retry_gets_the_same_answer_across_a_restart() {
    let mut scene = Scene::on_disk().await;
    let key = IdempotencyKey([7; 16]);
    let (ana, _events) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    let first = ana.send_with_key(&room, "once", key).await.unwrap();
    assert_eq!(ana.send_with_key(&room, "once", key).await.unwrap(), first);
    scene.restart().await;
    let (ana, _events) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    assert_eq!(ana.send_with_key(&room, "once", key).await.unwrap(), first);
    let conflict = ana.send_with_key(&room, "twice", key).await.unwrap_err();
    assert_eq!(code(&conflict), ErrorCode::KeyConflict);
    let (ben, _events) = scene.connect("ben").await;
    let room = ben.enter("lobby").await.unwrap();
    let other = ben
        .send_with_key(&room, "another user's key", key)
        .await
        .unwrap();
    assert_ne!(other.position, first.position);
}

#[tokio::test]
async fn a_session_that_does_not_read_misses_nothing_and_holds_up_nobody() {
    const MANY: usize = 5000;
    let scene = Scene::on_disk().await;
    let (ana, mut to_ana) = scene.connect("ana").await;
    let (ben, mut to_ben) = scene.connect("ben").await;
    let room = ana.enter("lobby").await.unwrap();
    ben.enter("lobby").await.unwrap();
    let sends: Vec<_> = (0..MANY)
        .map(|n| {
            let (ana, room) = (ana.clone(), room.clone());
            tokio::spawn(async move { ana.send(&room, format!("{n}")).await })
        })
        .collect();
    // Ana reads all of it while Ben reads nothing.
    let mut heard = 0;
    while heard < MANY {
        if let Event::Timeline { event, .. } = to_ana.next().await.unwrap() {
            heard += usize::from(text(&event).is_some());
        }
    }
    for send in sends {
        send.await.unwrap().unwrap();
    }
    assert!(
        ben.queue_depth().is_behind(),
        "more than a queue holds was left to the log"
    );
    let mut seqs = Vec::new();
    let mut texts = 0;
    while texts < MANY {
        let event = to_ben.next().await.unwrap();
        seqs.extend(event_seq(&event));
        if let Event::Timeline { event, .. } = &event {
            texts += usize::from(text(event).is_some());
        }
    }
    assert!(
        seqs.windows(2).all(|pair| pair[1] == pair[0].next()),
        "no gap, no repeat"
    );
}

#[tokio::test]
async fn a_revoked_session_ends_and_is_told_why() {
    let scene = Scene::in_memory().await;
    let (ana, mut events) = scene.connect("ana").await;
    ana.enter("lobby").await.unwrap();
    let whom = homeroom_engine::tenant::Whom::User(ana.user().clone());
    scene.tenant().await.revoke(whom).await.unwrap();
    loop {
        match events.next().await.expect("the end is told") {
            Event::Ended {
                code,
                reconnect_after_ms,
            } => {
                assert_eq!((code, reconnect_after_ms), (CloseCode::Revoked, None));
                break;
            }
            Event::Occupancy { .. } => {}
            other => assert!(event_seq(&other).is_some()),
        }
    }
    assert!(events.next().await.is_none());
    assert_eq!(ana.enter("lobby").await.unwrap_err(), RequestError::Ended);
}

#[tokio::test]
async fn a_session_ends_when_it_expires_unless_it_is_renewed() {
    let scene = Scene::in_memory().await;
    let tenant = scene.tenant().await;
    let brief = Identity::user("ana")
        .unwrap()
        .expiring(expiry_in_ms(60_000));
    let (ana, mut events) = tenant.connect(brief).await.unwrap();
    let room = ana.enter("lobby").await.unwrap();
    ana.renew(Some(expiry_in_ms(120_000))).await.unwrap();
    ana.send(&room, "still here").await.unwrap();
    ana.renew(Some(homeroom_protocol::Timestamp(1)))
        .await
        .unwrap();
    loop {
        if let Event::Ended { code, .. } = events.next().await.expect("the end is told") {
            assert_eq!(code, CloseCode::SessionExpired);
            break;
        }
    }
}

#[tokio::test]
async fn scopes_are_kept() {
    let scene = Scene::in_memory().await;
    let (ana, _events) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    let reader = Identity::user("ana").unwrap().with_scopes(Scopes::READ);
    let (reader, _events) = scene.tenant().await.connect(reader).await.unwrap();
    reader.join(&room.id, None).await.unwrap();
    let refused = reader.send(&room, "hello").await.unwrap_err();
    assert_eq!(code(&refused), ErrorCode::Forbidden);
}

#[tokio::test]
async fn typing_and_presence_reach_those_who_look() {
    let scene = Scene::in_memory().await;
    let (ana, mut to_ana) = scene.connect("ana").await;
    let (ben, _to_ben) = scene.connect("ben").await;
    let room = ana.enter("lobby").await.unwrap();
    ben.enter("lobby").await.unwrap();
    let watched = ana.watch(vec![ben.user().clone()]).await.unwrap();
    assert_eq!(shown(&watched), [(ben.user().clone(), Presence::Active)]);
    ben.typing(&room, true).await.unwrap();
    ben.presence(DeviceState::Idle).await.unwrap();
    let (mut typing, mut idle) = (false, false);
    while !(typing && idle) {
        match to_ana.next().await.unwrap() {
            Event::Typing { users, count, .. } => {
                assert_eq!((users, count), (vec![ben.user().clone()], 1));
                typing = true;
            }
            Event::Presence { users } => {
                assert_eq!(shown(&users), [(ben.user().clone(), Presence::Idle)]);
                idle = true;
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn an_idle_tenant_sleeps_and_wakes_as_it_was() {
    let scene = Scene::on_disk_with(|config| config.sleep_after_ms = 0).await;
    let (ana, events) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    let sent = ana.send(&room, "hello").await.unwrap();
    drop((ana, events));
    scene.until_asleep().await;
    let (ana, mut events) = scene.connect("ana").await;
    let before = Position {
        seq: Seq(sent.position.seq.0 - 1),
        ..sent.position
    };
    let joined = ana.join(&room.id, Some(before)).await.unwrap();
    assert_eq!(joined.head, sent.position.seq);
    assert_eq!(texts_until(&mut events, "hello").await, ["hello"]);
}

#[tokio::test]
async fn a_second_engine_on_one_folder_is_told_so() {
    let scene = Scene::on_disk().await;
    let again = Engine::open(Config::in_folder(scene.folder())).await;
    assert!(matches!(again, Err(FolderError::Locked { .. })));
}

#[tokio::test]
async fn after_a_shutdown_everything_refuses_and_sessions_were_told() {
    let scene = Scene::on_disk().await;
    let (ana, mut events) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    ana.send(&room, "last words").await.unwrap();
    scene
        .engine
        .shut_down(CloseCode::ShuttingDown, Some(250))
        .await;
    loop {
        match events.next().await.expect("the end is told") {
            Event::Ended {
                code,
                reconnect_after_ms,
            } => {
                assert_eq!(
                    (code, reconnect_after_ms),
                    (CloseCode::ShuttingDown, Some(250))
                );
                break;
            }
            other => assert!(event_seq(&other).is_some()),
        }
    }
    assert_eq!(
        ana.send(&room, "too late").await.unwrap_err(),
        RequestError::Ended
    );
    let refused = scene.engine.tenant(&name("other")).await;
    assert!(matches!(refused, Err(TenantError::ShutDown)));
    Engine::open(Config::in_folder(scene.folder()))
        .await
        .expect("the folder is free again");
}

#[tokio::test]
async fn one_damaged_tenant_names_its_folder_and_the_others_go_on() {
    let mut scene = Scene::on_disk().await;
    let (ana, _events) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    ana.send(&room, "hello").await.unwrap();
    scene.stop().await;
    let log = scene.folder().join("tenants/school/log");
    for segment in std::fs::read_dir(&log).unwrap() {
        std::fs::remove_file(segment.unwrap().path()).unwrap();
    }
    scene.start().await;
    let refused = scene
        .tenant()
        .await
        .connect(Identity::user("ana").unwrap())
        .await;
    let message = refused.unwrap_err().to_string();
    assert!(message.contains(&log.display().to_string()), "{message}");
    let other = scene.engine.tenant(&name("other")).await.unwrap();
    let (ben, _events) = other.connect(Identity::user("ben").unwrap()).await.unwrap();
    let room = ben.enter("lobby").await.unwrap();
    ben.send(&room, "all is well here").await.unwrap();
}

#[tokio::test]
async fn a_dropped_engine_keeps_what_it_acknowledged_and_frees_its_folder() {
    let mut scene = Scene::on_disk().await;
    let (ana, events) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    ana.send(&room, "kept").await.unwrap();
    drop((ana, events));
    scene.engine = Engine::in_memory().await.unwrap();
    scene.engine = loop {
        match Engine::open(scene.config.clone()).await {
            Ok(engine) => break engine,
            Err(FolderError::Locked { .. }) => tokio::task::yield_now().await,
            Err(other) => panic!("{other}"),
        }
    };
    let (ana, _events) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    let page = ana
        .history(&room, Direction::After, Seq(0), 10)
        .await
        .unwrap();
    assert_eq!(
        page.events.iter().filter_map(text).collect::<Vec<_>>(),
        ["kept"]
    );
}

#[tokio::test]
async fn a_session_that_is_dropped_shows_as_left_at_once() {
    let scene = Scene::in_memory().await;
    let (ana, mut to_ana) = scene.connect("ana").await;
    let (ben, to_ben) = scene.connect("ben").await;
    ana.enter("lobby").await.unwrap();
    ben.enter("lobby").await.unwrap();
    ana.watch(vec![ben.user().clone()]).await.unwrap();
    let user = ben.user().clone();
    drop((ben, to_ben));
    loop {
        if let Event::Presence { users } = to_ana.next().await.unwrap() {
            assert_eq!(shown(&users), [(user, Presence::Offline)]);
            break;
        }
    }
}

#[test]
fn looking_for_a_tenant_never_reads_files_on_an_async_worker() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let scene = Scene::on_disk().await;
        scene.tenant().await;
        // Whatever blocks has to wait from here on.
        let (let_go, hold) = mpsc::channel::<()>();
        let held = tokio::task::spawn_blocking(move || hold.recv());

        let mut at_once = Context::from_waker(Waker::noop());
        let (known, unknown) = (name("school"), name("elsewhere"));
        let known = pin!(scene.engine.find_tenant(&known)).poll(&mut at_once);
        assert!(matches!(known, Poll::Ready(Ok(Some(_)))), "no file is read");
        let mut unknown = pin!(scene.engine.find_tenant(&unknown));
        assert!(unknown.as_mut().poll(&mut at_once).is_pending());
        let mut list = pin!(scene.engine.tenants());
        assert!(list.as_mut().poll(&mut at_once).is_pending());

        let_go.send(()).unwrap();
        held.await.unwrap().unwrap();
        assert!(unknown.await.unwrap().is_none());
        assert_eq!(list.await.unwrap().len(), 1);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_at_once_get_the_same_new_tenant() {
    let scene = Scene::on_disk().await;
    for round in 0..5 {
        let wanted = name(&format!("new-{round}"));
        let get = |_| {
            let (engine, wanted) = (scene.engine.clone(), wanted.clone());
            tokio::spawn(async move { engine.tenant(&wanted).await.map(drop) })
        };
        for caller in (0..8).map(get).collect::<Vec<_>>() {
            caller.await.unwrap().unwrap();
        }
    }
    assert_eq!(scene.engine.tenants().await.unwrap().len(), 5);
}

fn shown(users: &[UserPresence]) -> Vec<(UserId, Presence)> {
    let each = |it: &UserPresence| (it.user.clone(), it.presence);
    users.iter().map(each).collect()
}

#[tokio::test]
async fn a_message_is_edited_reacted_to_pinned_answered_and_taken_back() {
    let scene = Scene::in_memory().await;
    let (ana, mut to_ana) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    let said = ana.send(&room, "helo").await.unwrap().position.seq;
    ana.edit(&room, said, "hello").await.unwrap();
    let emoji: Emoji = "👍".parse().unwrap();
    ana.react(&room, said, emoji, true).await.unwrap();
    ana.pin(&room, said, true).await.unwrap();
    let reply = Draft {
        thread: Some(said),
        ..Draft::from("indeed")
    };
    ana.send(&room, reply).await.unwrap();
    let page = ana.history(&room, Direction::Around, said, 1).await;
    let [event] = &page.unwrap().events[..] else {
        panic!("one event was asked for");
    };
    let EventBody::Message(message) = &event.body else {
        panic!("no message: {event:?}");
    };
    let state = message.state.as_deref().unwrap();
    assert_eq!((&*message.text, state.version), ("hello", 1));
    assert!(state.pinned && state.reactions[0].me);
    assert_eq!(state.thread.unwrap().replies, 1);
    let oldest = (Direction::After, Seq(0));
    let thread = ana.thread(&room, said, oldest, 10).await.unwrap();
    assert_eq!(
        thread.events.iter().filter_map(text).collect::<Vec<_>>(),
        ["indeed"]
    );
    assert_eq!(ana.versions(&room, said).await.unwrap().events.len(), 2);
    ana.delete(&room, said).await.unwrap();
    loop {
        let Some(Event::Timeline { event, .. }) = to_ana.next().await else {
            continue;
        };
        if let EventBody::MessageDeleted { target, .. } = event.body {
            assert_eq!(target, said);
            break;
        }
    }
    let refused = ana.versions(&room, said).await.unwrap_err();
    assert_eq!(code(&refused), ErrorCode::MessageNotFound);
}
