//! What is live of a room, through the whole engine: who is there, who types, what is signalled, how others
//! are, and what happens to whoever asks too much.

#![cfg(test)]

mod engine_support;

use std::time::Duration;

use engine_support::{Scene, code};
use homeroom_engine::{Event, Events};
use homeroom_protocol::{
    Availability, ErrorCode, OccupancyChange, Presence, SignalName, Status, UserId,
};

/// The first event for which there is an answer.
async fn wait_for<T>(events: &mut Events, mut look: impl FnMut(&Event) -> Option<T>) -> T {
    let found = async {
        loop {
            let event = events.next().await.expect("the session lives");
            if let Some(found) = look(&event) {
                return found;
            }
        }
    };
    let in_time = Duration::from_secs(20);
    let found = tokio::time::timeout(in_time, found).await;
    found.expect("it is told in time")
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

#[tokio::test]
async fn viewers_are_told_who_is_there_who_types_and_what_is_signalled() {
    let scene = Scene::on_disk().await;
    let (ana, mut to_ana) = scene.connect("ana").await;
    let (ben, _to_ben) = scene.connect("ben").await;
    let room = ana.enter("lobby").await.unwrap();
    ben.enter("lobby").await.unwrap();
    let came = wait_for(&mut to_ana, |event| match event {
        Event::Occupancy {
            count: 2, change, ..
        } => change.clone(),
        _ => None,
    })
    .await;
    let OccupancyChange { came, .. } = came;
    assert!(came.contains(&user("ben")), "{came:?}");

    ben.typing(&room, true).await.unwrap();
    let typists = wait_for(&mut to_ana, |event| match event {
        Event::Typing { users, .. } => Some(users.clone()),
        _ => None,
    });
    assert_eq!(typists.await, [user("ben")]);

    let cursor = SignalName::new("cursor").unwrap();
    ben.signal(&room, &cursor, [7]).await.unwrap();
    let signals = wait_for(&mut to_ana, |event| match event {
        Event::Signals { signals, .. } => Some(signals.clone()),
        _ => None,
    })
    .await;
    assert_eq!(signals.len(), 1);
    assert_eq!(
        (&signals[0].user, &signals[0].body),
        (&user("ben"), &vec![7])
    );

    // Ana looks elsewhere: what is stored still reaches her, and nothing else.
    ana.view(None, None).await.unwrap();
    ben.signal(&room, &cursor, [8]).await.unwrap();
    ben.typing(&room, false).await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), ben.send(&room, "the end"))
        .await
        .unwrap()
        .unwrap();
    let others = wait_for(&mut to_ana, |event| match event {
        Event::Timeline { event, .. } => engine_support::text(event).map(|_| "the end"),
        Event::Signals { .. } => Some("a signal"),
        _ => None,
    });
    assert_eq!(others.await, "the end");
}

#[tokio::test]
async fn a_status_is_told_to_watchers_and_lives_on_after_a_restart() {
    let mut scene = Scene::on_disk().await;
    let status = Status {
        availability: Availability::Busy,
        text: Some("in class".into()),
        expires: None,
    };
    {
        let (ana, mut to_ana) = scene.connect("ana").await;
        let (ben, _to_ben) = scene.connect("ben").await;
        ana.enter("lobby").await.unwrap();
        ben.enter("lobby").await.unwrap();
        ana.watch(vec![user("ben")]).await.unwrap();
        ben.status(status).await.unwrap();
        let told = wait_for(&mut to_ana, |event| match event {
            Event::Presence { users } => users.first().cloned(),
            _ => None,
        })
        .await;
        assert_eq!(told.presence, Presence::Busy);
        assert_eq!(told.status.as_deref(), Some("in class"));
    }
    scene.restart().await;
    let (ana, _to_ana) = scene.connect("ana").await;
    let offline = ana.watch(vec![user("ben")]).await.unwrap();
    assert_eq!(offline[0].presence, Presence::Offline, "no ghosts");
    let (_ben, _to_ben) = scene.connect("ben").await;
    let busy = ana.watch(vec![user("ben")]).await.unwrap();
    assert_eq!(busy[0].presence, Presence::Busy);
}

#[tokio::test]
async fn whoever_floods_is_refused_with_a_time_and_counted() {
    let scene = Scene::on_disk_with(|config| {
        config.settings.connection_units_burst = 50;
        config.settings.connection_units_per_s = 1;
    })
    .await;
    let (ana, _to_ana) = scene.connect("ana").await;
    let room = ana.enter("lobby").await.unwrap();
    let mut refused = None;
    for _ in 0..50 {
        if let Err(error) = ana.send(&room, "flood").await {
            refused = Some(error);
            break;
        }
    }
    let refused = refused.expect("its budget is small");
    assert_eq!(code(&refused), ErrorCode::TooFast);
    let homeroom_engine::session::RequestError::Refused { retry_after_ms, .. } = refused else {
        panic!("refused");
    };
    assert!(retry_after_ms.is_some_and(|ms| ms > 0 && ms <= 2_000));
}
