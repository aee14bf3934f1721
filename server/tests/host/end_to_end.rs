//! What two people expect of a chat, from socket to disk and back.

use homeroom_protocol::{
    ClientFrame, DeviceState, Direction, EventBody, Presence, Request, Seq, ServerFrame, UserId,
    UserPresence,
};

use crate::support::{Client, Got, Server, client_frame, encode, hello, message};

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

#[test]
fn two_people_talk_and_see_each_other() {
    let server = Server::in_memory();
    let mut ada = Client::enter(server.address(), "ada");
    let mut ben = Client::enter(server.address(), "ben");
    ada.create("class-7b");
    let (room, _) = ada.join("class-7b", None);
    let (same, _) = ben.join("class-7b", None);
    assert_eq!(room, same);

    ben.ask(Request::Typing {
        room,
        active: true,
        thread: None,
    });
    let typing = |frame: &ServerFrame| match frame {
        ServerFrame::Typing { users, .. } => Some(users.clone()),
        _ => None,
    };
    assert_eq!(ada.until(typing), [user("ben")]);

    let position = ben.send(room, "good morning");
    assert_eq!(ada.heard(), (position.seq, "good morning".to_owned()));
    assert_eq!(ben.heard(), (position.seq, "good morning".to_owned()));

    let asked = ada.ask(Request::Watch {
        users: vec![user("ben")],
    });
    let watching = |frame: &ServerFrame| match frame {
        ServerFrame::Watching { id, users } if *id == asked => Some(states(users)),
        _ => None,
    };
    assert_eq!(ada.until(watching), [(user("ben"), Presence::Active)]);
    let change = |frame: &ServerFrame| match frame {
        ServerFrame::Presence { users } => Some(states(users)),
        _ => None,
    };
    ben.ask(Request::Presence {
        state: DeviceState::Idle,
    });
    assert_eq!(ada.until(change), [(user("ben"), Presence::Idle)]);
    // A page that is reloaded is not gone: what shows next is that it is back, and active.
    ben.write(&client_frame(0x88, &1001_u16.to_be_bytes()));
    assert_eq!(ben.end(), (None, 1001));
    let mut ben = Client::enter(server.address(), "ben");
    assert_eq!(ada.until(change), [(user("ben"), Presence::Active)]);
    // A clean leave shows at once.
    ben.write(&client_frame(0x88, &1000_u16.to_be_bytes()));
    assert_eq!(ben.end(), (None, 1000));
    assert_eq!(ada.until(change), [(user("ben"), Presence::Offline)]);
    server.stop();
}

fn states(users: &[UserPresence]) -> Vec<(UserId, Presence)> {
    let state = |user: &UserPresence| (user.user.clone(), user.presence);
    users.iter().map(state).collect()
}

#[test]
fn a_restart_says_bye_and_keeps_everything() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::in_folder(folder.path());
    let mut ada = Client::enter(server.address(), "ada");
    ada.create("class-7b");
    let (room, joined) = ada.join("class-7b", None);
    let first = ada.send(room, "before the restart");
    let second = ada.send(room, "just before it");
    server.stop();
    let bye = ada.until(|frame| match frame {
        ServerFrame::Bye {
            code,
            reconnect_after_ms,
            ..
        } => Some((*code, *reconnect_after_ms)),
        _ => None,
    });
    assert_eq!(bye.0, 4000);
    assert!(bye.1.is_some_and(|after| after >= 500));
    assert_eq!(ada.read(), Got::Close(4000));
    assert_eq!(ada.read(), Got::End);

    let server = Server::in_folder(folder.path());
    let mut ada = Client::enter(server.address(), "ada");
    let (again, resumed) = ada.join("class-7b", Some(first));
    assert_eq!((again, resumed), (room, first));
    assert_eq!(ada.heard(), (second.seq, "just before it".to_owned()));
    // The same key again: the same answer.
    assert_eq!(ada.send(room, "before the restart"), first);

    let asked = ada.ask(Request::History {
        room,
        direction: Direction::After,
        anchor: Seq(0),
        limit: 100,
        thread: None,
    });
    let texts = ada.until(|frame| match frame {
        ServerFrame::Page { id, events, .. } if *id == asked => Some(
            events
                .iter()
                .map(|event| event.body.clone())
                .collect::<Vec<_>>(),
        ),
        _ => None,
    });
    let said = |text: &str| EventBody::Message(text.into());
    assert!(
        matches!(texts[0], EventBody::RoomCreated { .. }),
        "{texts:?}"
    );
    assert_eq!(
        texts[1..],
        [said("before the restart"), said("just before it")]
    );
    assert_eq!(joined.epoch, first.epoch);
    server.stop();
}

#[test]
fn tenants_with_the_same_names_never_meet() {
    let server = Server::in_memory();
    for tenant in ["north", "south"] {
        server.make_tenant(tenant);
    }
    let mut north = Client::enter_tenant(server.address(), "north", "ada");
    let mut south = Client::enter_tenant(server.address(), "south", "ada");
    for client in [&mut north, &mut south] {
        client.create("class-7b");
    }
    let (northern, _) = north.join("class-7b", None);
    let (southern, _) = south.join("class-7b", None);
    north.send(northern, "for the north");
    let position = south.send(southern, "for the south");
    assert_eq!(south.heard(), (position.seq, "for the south".to_owned()));
    assert_eq!(north.heard().1, "for the north");
    // What would have come is behind what was asked for later.
    south.is_served();
    server.stop();
}

#[test]
fn bytes_may_come_early_one_by_one_and_in_fragments() {
    let server = Server::in_memory();
    let hello = encode(&ClientFrame::Hello(hello("default", "ada")));
    // Behind the handshake's own bytes, before its answer.
    let mut ada = Client::connect_saying(server.address(), &message(&hello));
    ada.welcome();

    let ping = encode(&ClientFrame::Ping { nonce: 5 });
    for byte in message(&ping) {
        ada.write(&[byte]);
    }
    ada.until(|frame| matches!(frame, ServerFrame::Pong { nonce: 5, .. }).then_some(()));

    let (head, tail) = ping.split_at(1);
    ada.write(&client_frame(0x02, head));
    ada.write(&client_frame(0x89, b"are you there?"));
    assert_eq!(ada.read(), Got::Pong(b"are you there?".to_vec()));
    ada.write(&client_frame(0x80, tail));
    ada.until(|frame| matches!(frame, ServerFrame::Pong { nonce: 5, .. }).then_some(()));
    server.stop();
}

#[test]
fn a_tenant_that_cannot_be_opened_says_so_and_the_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::in_folder(folder.path());
    Client::enter(server.address(), "ada").create("class-7b");
    server.make_tenant("north");
    server.stop();
    let log = folder.path().join("tenants/default/log");
    std::fs::remove_dir_all(&log).unwrap();

    let server = Server::in_folder(folder.path());
    let mut ada = Client::connect(server.address());
    ada.say(&ClientFrame::Hello(hello("default", "ada")));
    let why = "The tenant cannot be opened at the moment; an operator must look.";
    let (code, after, said) = ada.bye();
    assert_eq!((code, said.as_str()), (4006, why));
    assert!(after.is_some_and(|it| it >= 30_000), "{after:?}");
    assert_eq!(ada.end(), (None, 4006));
    Client::enter_tenant(server.address(), "north", "ada").is_served();
    server.stop();
}
