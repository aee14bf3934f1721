//! Telling: who is a viewer, in which order signals come, and how watched users are gathered.

use homeroom_protocol::{Presence, UserPresence};

use super::*;

fn presence(user: &str, presence: Presence) -> Arc<Push> {
    Arc::new(Push::new(ServerFrame::Presence {
        users: vec![state(user, presence)],
    }))
}

fn state(user: &str, presence: Presence) -> UserPresence {
    UserPresence {
        user: user.parse().unwrap(),
        presence,
        last_seen: None,
        status: None,
    }
}

impl Stage {
    fn watch(&mut self, id: u64, users: &[&str]) {
        self.deliver(Delivery::Watch {
            connection: ConnectionId(id),
            users: users.iter().map(|user| user.parse().unwrap()).collect(),
        });
    }

    fn change(&mut self, user: &str, state: Presence) {
        self.deliver(Delivery::Signal {
            audience: Audience::Watchers(user.parse().unwrap()),
            kind: SignalKind::Presence,
            push: presence(user, state),
        });
    }
}

/// What a connection was told of watched users, frame by frame.
fn told(fake: &Fake) -> Vec<Vec<(String, Presence)>> {
    let told = |frame: &ServerFrame| match frame {
        ServerFrame::Presence { users } => Some(
            (users.iter())
                .map(|state| (state.user.as_str().to_owned(), state.presence))
                .collect(),
        ),
        _ => None,
    };
    fake.frames().iter().filter_map(told).collect()
}

fn one(user: &str, presence: Presence) -> Vec<(String, Presence)> {
    vec![(user.to_owned(), presence)]
}

#[test]
fn only_those_who_show_a_room_are_its_viewers() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, OPEN);
    let (ben, _) = stage.socket(2, OPEN);
    let (eve, _) = stage.socket(3, OPEN);
    let (zoe, _) = stage.socket(4, OPEN);
    for id in 1..=3 {
        stage.listen(id, 1, 0);
    }
    let other = RoomNumber(8);
    stage.view(2, Some(ROOM), Some(5));
    stage.view(3, Some(other), None);
    // She shows what she does not hear.
    stage.view(4, Some(ROOM), None);
    stage.signal(None, SignalKind::Typing, typing(1));
    stage.signal(Some(5), SignalKind::Typing, typing(2));
    stage.settle();
    let [one, two] = [1, 2].map(|count| typing(count).frame().clone());
    assert_eq!(ada.frames(), std::slice::from_ref(&one));
    assert_eq!(ben.frames(), [one.clone(), two]);
    assert!(eve.far().bytes.is_empty() && zoe.far().bytes.is_empty());
    // When she hears it, she shows it; when he shows nothing, he is told nothing.
    stage.listen(4, 1, 0);
    stage.view(2, None, None);
    stage.unlisten(1);
    stage.signal(None, SignalKind::Typing, typing(1));
    stage.settle();
    assert_eq!(zoe.frames(), [one]);
    assert_eq!((ada.frames().len(), ben.frames().len()), (1, 2));
}

#[test]
fn signals_wait_until_nothing_durable_is_left() {
    let mut stage = Stage::new();
    stage.shard.listeners_per_call = 1;
    let fakes: Vec<_> = (1..=3).map(|id| stage.socket(id, OPEN).0).collect();
    for id in 1..=3 {
        stage.listen(id, 1, 0);
    }
    stage.signal(None, SignalKind::Typing, typing(1));
    stage.end_turn();
    let told = || {
        fakes
            .iter()
            .filter(|fake| !fake.far().bytes.is_empty())
            .count()
    };
    assert_eq!(told(), 1, "half way through");
    stage.event(1);
    stage.event(2);
    for _ in 0..3 {
        stage.end_turn();
    }
    assert!(fakes.iter().all(|fake| fake.seqs() == [1, 2]));
    let signals = || -> usize { fakes.iter().map(|fake| fake.frames().len() - 2).sum() };
    assert_eq!(signals(), 1, "the signal gives way");
    stage.settle();
    assert_eq!(signals(), 3);
}

#[test]
fn signals_that_never_get_their_turn_are_dropped_counted_and_told() {
    let mut stage = Stage::new();
    stage.shard.listeners_per_call = 1;
    let (ada, gauge) = stage.socket(1, OPEN);
    stage.listen(1, 1, 0);
    stage.signal(None, SignalKind::Typing, typing(1));
    stage.signal(None, SignalKind::Typing, typing(2));
    stage.signal(None, SignalKind::Occupancy, typing(3));
    for seq in 1..=SIGNAL_AGE_TICKS {
        stage.event(seq);
        stage.end_turn();
        stage.tick();
    }
    stage.settle();
    assert_eq!(gauge.dropped_signals(), 2, "the first was replaced");
    let frames = ada.frames();
    assert_eq!(frames.last(), Some(&ServerFrame::Dropped { signals: 2 }));
    assert_eq!(frames.len(), ada.seqs().len() + 1);
    stage.signal(None, SignalKind::Typing, typing(4));
    stage.settle();
    assert_eq!(ada.frames().last(), Some(typing(4).frame()));
}

/// A list that was not told would else be taken for the newest one.
#[test]
fn who_is_paused_is_told_afterwards_that_signals_were_missed() {
    let mut stage = Stage::new();
    let (ada, gauge) = stage.socket(1, OPEN);
    stage.listen_to(1, ROOM, 1, 0, Generation::STALE.0);
    stage.signal(None, SignalKind::Occupancy, typing(1));
    stage.settle();
    assert!(ada.far().bytes.is_empty());
    assert_eq!(gauge.dropped_signals(), 0, "perhaps it is not for her");
    stage.deliver(Delivery::Restamp {
        room: ROOM,
        connections: vec![ConnectionId(1)],
        generation: Generation(9),
    });
    stage.settle();
    assert_eq!(ada.frames(), [ServerFrame::Dropped { signals: 1 }]);
    assert_eq!(gauge.dropped_signals(), 1);
    stage.signal(None, SignalKind::Occupancy, typing(2));
    stage.settle();
    assert_eq!(ada.frames().last(), Some(typing(2).frame()));
    assert_eq!(ada.frames().len(), 2, "told once");
}

#[test]
fn a_newcomer_hears_no_signal_before_its_answer() {
    let mut stage = Stage::new();
    stage.shard.listeners_per_call = 1;
    let fakes: Vec<_> = (1..=3).map(|id| stage.socket(id, OPEN).0).collect();
    for id in 1..=3 {
        stage.listen(id, 1, 0);
    }
    stage.signal(None, SignalKind::Typing, typing(1));
    stage.end_turn();
    // Where they leave, those behind take their places: one that was told, and one that came since.
    stage.unlisten(1);
    let (late, _) = stage.socket(4, OPEN);
    stage.listen(4, 1, 0);
    stage.direct(4, joined_at(ROOM, 0));
    stage.unlisten(2);
    stage.signal(None, SignalKind::Typing, typing(2));
    stage.settle();
    let expected = [joined_at(ROOM, 0), typing(2)].map(|push| push.frame().clone());
    assert_eq!(late.frames(), expected);
    let each_once = [typing(1), typing(2)].map(|push| push.frame().clone());
    assert_eq!(fakes[2].frames(), each_once);
}

#[test]
fn the_first_change_goes_at_once_and_the_others_in_one_frame_a_tick() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, OPEN);
    stage.watch(1, &["ben", "eve", "zoe"]);
    stage.change("ben", Presence::Active);
    stage.settle();
    assert_eq!(told(&ada), [one("ben", Presence::Active)]);
    for state in [Presence::Idle, Presence::Offline, Presence::Active] {
        stage.change("ben", state);
        stage.change("eve", state);
        stage.settle();
    }
    assert_eq!(told(&ada).len(), 1, "the rest waits");
    stage.tick();
    stage.settle();
    let all = told(&ada);
    assert_eq!(all.len(), 2);
    let both = [one("ben", Presence::Active), one("eve", Presence::Active)].concat();
    assert_eq!(all[1], both);
    stage.tick();
    stage.settle();
    assert_eq!(told(&ada).len(), 2, "nothing changed");
}

#[test]
fn a_storm_of_watched_users_costs_a_watcher_two_frames() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, OPEN);
    let users: Vec<_> = (0..256).map(|user| format!("user-{user:03}")).collect();
    let names: Vec<_> = users.iter().map(String::as_str).collect();
    stage.watch(1, &names);
    for name in &names {
        stage.change(name, Presence::Active);
        stage.settle();
    }
    stage.tick();
    stage.settle();
    let sizes: Vec<_> = told(&ada).iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 255]);
}

#[test]
fn a_slow_watcher_is_told_the_newest_when_it_reads_on() {
    let mut stage = Stage::new();
    let (ada, gauge) = stage.socket(1, 0);
    stage.watch(1, &["ben", "eve"]);
    stage.direct(1, pong(1));
    stage.settle();
    for state in [Presence::Active, Presence::Idle, Presence::Offline] {
        stage.change("ben", state);
        stage.change("eve", state);
        stage.settle();
        stage.tick();
        stage.settle();
    }
    assert_eq!(
        gauge.outbox_bytes(),
        pong(1).wire().len(),
        "nothing is queued"
    );
    stage.allow(1, &ada, OPEN);
    stage.settle();
    let both = [one("ben", Presence::Offline), one("eve", Presence::Offline)].concat();
    assert_eq!(told(&ada), [both]);
    assert_eq!(gauge.dropped_signals(), 0);
}

#[test]
fn a_change_survives_a_new_list_of_watched_users_only_if_the_user_is_on_it() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, OPEN);
    stage.watch(1, &["ben", "eve", "zoe"]);
    stage.change("zoe", Presence::Active);
    stage.settle();
    stage.change("ben", Presence::Idle);
    stage.change("eve", Presence::Idle);
    stage.settle();
    stage.watch(1, &["eve", "zoe"]);
    stage.tick();
    stage.settle();
    assert_eq!(told(&ada)[1..], [one("eve", Presence::Idle)]);
}

#[test]
fn what_is_listed_for_watchers_is_gone_with_them() {
    let mut stage = Stage::new();
    stage.socket(1, OPEN);
    stage.watch(1, &["ben"]);
    stage.change("ben", Presence::Active);
    stage.shard.detach(ConnectionId(1));
    stage.settle();
    stage.tick();
    stage.settle();
    assert_eq!(stage.shard.seating.rosters.iter().count(), 0);
    assert!(stage.shard.changed.is_empty() && stage.shard.changed_later.is_empty());
}
