//! Who shows a room, is there and signals in it.

use homeroom_engine::tenant::{Disconnection, Input, Whom};
use homeroom_protocol::{
    Availability, ConnectionId, ErrorCode, Measure, OccupancyChange, Request, RoomNumber, Seq,
    ServerFrame, Signal, SignalName, limit,
};

use crate::support::{
    World, identity, join, key, refusal_of, status, two_in_a_room, typing, typing_in, user,
};

fn view(room: Option<RoomNumber>, thread: Option<Seq>) -> Request {
    Request::View { room, thread }
}

fn signal(world: &mut World, connection: ConnectionId, room: RoomNumber, name: &str, body: u8) {
    world.input(Input::Signal {
        connection,
        room,
        name: SignalName::new(name).unwrap(),
        body: vec![body],
    });
}

fn signalled(user_name: &str, name: &str, body: u8) -> Signal {
    Signal {
        user: user(user_name),
        name: SignalName::new(name).unwrap(),
        body: vec![body],
    }
}

/// Who is there, as a connection was told since last time: the number, whether these are all, who came,
/// who went.
type Told = (u32, Option<(bool, Vec<String>, Vec<String>)>);

impl World {
    fn occupancy(&mut self, connection: ConnectionId) -> Vec<Told> {
        let names = |users: Vec<homeroom_protocol::UserId>| {
            users.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let frames = self.hub.occupancy(connection).into_iter();
        let told = frames.map(|frame| match frame {
            ServerFrame::Occupancy { count, change, .. } => {
                let change = change
                    .map(|OccupancyChange { all, came, went }| (all, names(came), names(went)));
                (count, change)
            }
            other => panic!("no occupancy: {other:?}"),
        });
        told.collect()
    }

    fn signals(&mut self, connection: ConnectionId) -> Vec<Vec<Signal>> {
        let frames = self.inbox(connection).into_iter();
        let signals = frames.filter_map(|frame| match frame {
            ServerFrame::Signals { signals, .. } => Some(signals),
            _ => None,
        });
        signals.collect()
    }

    /// The errors a connection was told that answer no request.
    fn objections(&mut self, connection: ConnectionId) -> Vec<ErrorCode> {
        let frames = self.inbox(connection);
        let objections = frames
            .iter()
            .filter(|frame| matches!(frame, ServerFrame::Error { id: None, .. }));
        objections.filter_map(refusal_of).collect()
    }
}

fn told(count: u32, all: bool, came: &[&str], went: &[&str]) -> Told {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    (count, Some((all, names(came), names(went))))
}

#[test]
fn whoever_joins_is_told_who_is_there_and_the_others_learn_of_them_in_a_tick() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    world.open_room(ada, "math");
    world.pass(1_000);
    world.occupancy(ada);
    let bob = world.connect("bob", "web");
    world.join(bob, "math");
    assert_eq!(world.occupancy(bob), [told(1, true, &["ada"], &[])]);
    assert_eq!(world.occupancy(ada), []);
    world.pass(999);
    assert_eq!(world.occupancy(ada), []);
    world.pass(1_001);
    let came = [told(2, false, &["bob"], &[])];
    assert_eq!(world.occupancy(ada), came);
    assert_eq!(world.occupancy(bob), came);
    world.disconnect(bob, Disconnection::Clean);
    world.pass(1_000);
    assert_eq!(world.occupancy(ada), [told(1, false, &[], &["bob"])]);
}

#[test]
fn one_who_is_back_within_the_grace_was_never_gone() {
    let (mut world, ada, bob, room) = two_in_a_room();
    world.pass(2_000);
    world.occupancy(ada);
    world.disconnect(bob, Disconnection::Vanished);
    world.pass(9_000);
    let bob = world.connect("bob", "web");
    world.join(bob, "math");
    world.pass(60_000);
    assert_eq!(world.occupancy(ada), []);
    world.disconnect(bob, Disconnection::Vanished);
    world.pass(11_000);
    assert_eq!(world.occupancy(ada), [told(1, false, &[], &["bob"])]);
    let _ = room;
}

#[test]
fn nobody_is_there_after_a_restart_until_they_are_back() {
    let (mut world, ..) = two_in_a_room();
    world.pass(2_000);
    world.crash();
    world.connections_again();
    let ada = ConnectionId(1);
    world.join(ada, "math");
    world.pass(60_000);
    let told = world.occupancy(ada);
    assert_eq!(told.last().unwrap().0, 1, "no ghosts: {told:?}");
}

#[test]
fn a_leave_a_logout_and_a_removal_show_at_once() {
    type End = fn(&mut World, ConnectionId, ConnectionId, RoomNumber);
    let ends: [End; 3] = [
        |world, _, bob, room| drop(world.request(bob, Request::Leave { room })),
        |world, _, bob, _| {
            world.disconnect(bob, Disconnection::Vanished);
            let whom = Whom::User(user("bob"));
            world.revoke(whom);
        },
        |world, ada, bob, room| {
            world.disconnect(bob, Disconnection::Vanished);
            let key = key(77);
            let reply = world.request(
                ada,
                Request::Moderate {
                    key,
                    room,
                    user: user("bob"),
                    measure: Measure::Remove,
                    until: None,
                    reason: None,
                },
            );
            assert!(matches!(reply, ServerFrame::Sent { .. }), "{reply:?}");
        },
    ];
    for end in ends {
        let (mut world, ada, bob, room) = two_in_a_room();
        world.pass(2_000);
        world.occupancy(ada);
        end(&mut world, ada, bob, room);
        world.pass(1_000);
        assert_eq!(world.occupancy(ada), [told(1, false, &[], &["bob"])]);
    }
}

#[test]
fn one_is_there_only_when_the_membership_is_durable() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    world.open_room(ada, "math");
    let bob = world.connect("bob", "web");
    world.pass(2_000);
    world.occupancy(ada);
    world.sync_at_once = false;
    world.post(bob, join("math", None));
    world.pass(5_000);
    assert_eq!(world.occupancy(ada), []);
    assert_eq!(world.occupancy(bob), []);
    world.sync();
    world.pass(2_000);
    assert_eq!(world.occupancy(ada), [told(2, false, &["bob"], &[])]);
    assert_eq!(
        world.occupancy(bob),
        [told(1, true, &["ada"], &[]), told(2, false, &["bob"], &[])]
    );
}

#[test]
fn whoever_shows_another_room_is_told_and_counted_there_alone() {
    let (mut world, ada, bob, math) = two_in_a_room();
    let art = world.open_room(bob, "art");
    world.pass(2_000);
    world.occupancy(ada);
    world.occupancy(bob);
    world.request(bob, view(Some(art), None));
    world.pass(1_000);
    assert_eq!(world.occupancy(ada), [told(1, false, &[], &["bob"])]);
    assert_eq!(world.occupancy(bob), [told(1, true, &["bob"], &[])]);
    world.request(ada, typing(math, true));
    assert_eq!(
        world.typists(bob),
        [(vec![], 0)],
        "nobody types where he looks"
    );
    world.request(bob, view(Some(math), None));
    assert_eq!(world.typists(bob), [(vec!["ada".into()], 1)]);
    assert_eq!(world.occupancy(bob), [told(2, true, &["ada", "bob"], &[])]);
    world.pass(1_000);
    world.request(bob, view(None, None));
    world.inbox(bob);
    world.occupancy(bob);
    world.pass(10_000);
    assert_eq!(world.typists(bob), []);
    assert_eq!(world.occupancy(bob), []);
    assert_eq!(
        world.occupancy(ada),
        [told(2, false, &["bob"], &[]), told(1, false, &[], &["bob"])]
    );
}

#[test]
fn typing_in_a_thread_is_told_to_those_who_show_it_and_ends_with_a_message_there() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let root = world.say(ada, room, "root").seq;
    world.request(ada, view(Some(room), Some(root)));
    world.inbox(ada);
    world.request(bob, typing_in(room, root, true));
    assert_eq!(world.typists(ada), [(vec!["bob".into()], 1)]);
    assert_eq!(world.typists(bob), [], "he shows the room alone");
    world.say(bob, room, "elsewhere");
    assert_eq!(world.typists(ada), []);
    world.reply_in(bob, room, root, "there");
    assert_eq!(world.typists(ada), [(vec![], 0)]);
}

#[test]
fn a_newcomer_is_told_who_types() {
    let (mut world, _, bob, room) = two_in_a_room();
    world.request(bob, typing(room, true));
    let cyd = world.connect("cyd", "web");
    world.join(cyd, "math");
    assert_eq!(world.typists(cyd), [(vec!["bob".into()], 1)]);
    let dan = world.connect("dan", "web");
    world.pass(10_000);
    world.join(dan, "math");
    assert_eq!(world.typists(dan), [], "that nobody does needs no word");
}

#[test]
fn what_a_newcomer_is_told_is_as_of_when_it_leaves() {
    let (mut world, _, bob, room) = two_in_a_room();
    let cyd = world.connect("cyd", "web");
    world.sync_at_once = false;
    world.post(cyd, join("math", None));
    world.post(bob, typing(room, true));
    world.sync();
    assert_eq!(world.typists(cyd), [(vec!["bob".into()], 1)]);
}

#[test]
fn an_invisible_user_is_not_there_and_does_not_type() {
    let (mut world, ada, bob, room) = two_in_a_room();
    world.pass(2_000);
    world.occupancy(ada);
    world.request(bob, typing(room, true));
    world.inbox(ada);
    world.request(bob, status(Availability::Invisible, None, None));
    assert_eq!(world.typists(ada), [(vec![], 0)]);
    world.request(bob, typing(room, true));
    assert_eq!(world.typists(ada), []);
    world.pass(1_000);
    assert_eq!(world.occupancy(ada), [told(1, false, &[], &["bob"])]);
    let phone = world.connect("bob", "phone");
    world.join(phone, "math");
    world.pass(2_000);
    assert_eq!(world.occupancy(ada), [], "no device gives him away");
    world.request(bob, status(Availability::Automatic, None, None));
    world.pass(1_000);
    assert_eq!(world.occupancy(ada), [told(2, false, &["bob"], &[])]);
}

#[test]
fn an_invisible_user_signals_unseen() {
    let (mut world, ada, bob, room) = two_in_a_room();
    signal(&mut world, bob, room, "cursor", 1);
    world.request(bob, status(Availability::Invisible, None, None));
    signal(&mut world, bob, room, "cursor", 2);
    world.pass(50);
    assert_eq!(world.signals(ada), Vec::<Vec<Signal>>::new());
    assert_eq!(world.objections(bob), []);
    world.request(bob, status(Availability::Automatic, None, None));
    signal(&mut world, bob, room, "cursor", 3);
    world.pass(50);
    assert_eq!(world.signals(ada), [vec![signalled("bob", "cursor", 3)]]);
}

#[test]
fn views_of_what_is_not_heard_or_cannot_be_are_refused() {
    let (mut world, ada, _, room) = two_in_a_room();
    let eve = world.connect("eve", "web");
    let elsewhere = world.create(eve, "art");
    let head = world.say(ada, room, "newest").seq;
    for (request, code) in [
        (view(Some(RoomNumber(999)), None), ErrorCode::NotMember),
        (view(Some(elsewhere), None), ErrorCode::NotMember),
        (view(None, Some(head)), ErrorCode::InvalidField),
        (view(Some(room), Some(Seq(0))), ErrorCode::MessageNotFound),
        (
            view(Some(room), Some(head.next())),
            ErrorCode::MessageNotFound,
        ),
        (
            typing_in(room, head.next(), true),
            ErrorCode::MessageNotFound,
        ),
        (typing_in(elsewhere, Seq(1), true), ErrorCode::NotMember),
    ] {
        assert_eq!(world.refusal(ada, request.clone()), code, "{request:?}");
    }
    let code = world.refusal(eve, view(Some(elsewhere), None));
    assert_eq!(code, ErrorCode::UnexpectedFrame, "she did not join it here");
    let scopes = homeroom_engine::identity::Scopes::NONE;
    let nobody = world.connect_as(identity("eve", "tv").with_scopes(scopes));
    assert_eq!(
        world.refusal(nobody, view(None, None)),
        ErrorCode::Forbidden
    );
}

#[test]
fn signals_are_told_once_a_tick_the_newest_of_each_sender_and_name() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let log_len = world.log_len();
    signal(&mut world, bob, room, "cursor", 1);
    signal(&mut world, bob, room, "cursor", 2);
    signal(&mut world, ada, room, "cursor", 3);
    assert_eq!(world.signals(ada), Vec::<Vec<Signal>>::new());
    world.pass(50);
    let expected = [vec![
        signalled("bob", "cursor", 2),
        signalled("ada", "cursor", 3),
    ]];
    assert_eq!(world.signals(ada), expected);
    assert_eq!(world.signals(bob), expected);
    signal(&mut world, bob, room, "cursor", 4);
    world.pass(50);
    assert_eq!(world.signals(ada), [vec![signalled("bob", "cursor", 4)]]);
    assert_eq!(world.log_len(), log_len, "nothing of it is stored");
}

#[test]
fn signals_of_one_who_is_muted_or_out_are_refused_and_those_that_wait_are_not_told() {
    let (mut world, ada, bob, room) = two_in_a_room();
    signal(&mut world, bob, room, "cursor", 1);
    world.request(bob, typing(room, true));
    world.inbox(ada);
    let mute = |measure| Request::Moderate {
        key: key(78),
        room,
        user: user("bob"),
        measure,
        until: None,
        reason: None,
    };
    world.request(ada, mute(Measure::Mute));
    assert_eq!(world.typists(ada), [(vec![], 0)]);
    world.pass(50);
    assert_eq!(world.signals(ada), Vec::<Vec<Signal>>::new());
    signal(&mut world, bob, room, "cursor", 2);
    assert_eq!(world.objections(bob), [ErrorCode::Muted]);
    assert_eq!(world.refusal(bob, typing(room, true)), ErrorCode::Muted);
    world.request(bob, Request::Leave { room });
    signal(&mut world, bob, room, "cursor", 3);
    signal(&mut world, bob, RoomNumber(999), "cursor", 3);
    assert_eq!(
        world.objections(bob),
        [ErrorCode::NotMember, ErrorCode::NotMember]
    );
    world.pass(50);
    assert_eq!(world.signals(ada), Vec::<Vec<Signal>>::new());
}

#[test]
fn a_signal_that_is_too_long_or_from_a_room_that_is_not_heard_is_refused() {
    let (mut world, ada, _, room) = two_in_a_room();
    world.input(Input::Signal {
        connection: ada,
        room,
        name: SignalName::new("cursor").unwrap(),
        body: vec![0; limit::SIGNAL_BYTES_MAX + 1],
    });
    let phone = world.connect("ada", "phone");
    signal(&mut world, phone, room, "cursor", 1);
    assert_eq!(world.objections(ada), [ErrorCode::InvalidField]);
    assert_eq!(world.objections(phone), [ErrorCode::UnexpectedFrame]);
    signal(&mut world, ConnectionId(999), room, "cursor", 1);
    world.pass(50);
    assert_eq!(world.signals(ada), Vec::<Vec<Signal>>::new());
}
