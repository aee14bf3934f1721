//! Each dialect against what its server really says, however the bytes are cut on their way.

use proptest::prelude::*;

use super::{Peer, rooms};
use crate::load::{
    Entered, Entry, Heard, Incoming, MARKER, Marks, Outgoing, Role, Seat, Tail, text,
};

/// What a server sends to a listener of room 3, each a message of its own.
struct Script {
    peer: Peer,
    /// Until it is in.
    welcome: Vec<String>,
    /// One delivery of a text.
    delivery: fn(&str) -> String,
}

fn scripts() -> [Script; 5] {
    [
        Script {
            peer: Peer::UWebSockets,
            welcome: vec!["\0\0\0\u{3}".to_owned()],
            delivery: str::to_owned,
        },
        Script {
            peer: Peer::SocketIo,
            welcome: vec![
                r#"0{"sid":"mB7gj","upgrades":[],"pingInterval":600000,"pingTimeout":20000}"#.to_owned(),
                r#"40{"sid":"eo0wW"}"#.to_owned(),
                "430[]".to_owned(),
            ],
            delivery: |text| format!(r#"42["m","{text}"]"#),
        },
        Script {
            peer: Peer::Socketioxide,
            welcome: vec![
                r#"0{"sid":"AaZ","upgrades":[],"pingInterval":600000,"pingTimeout":20000,"maxPayload":100000}"#
                    .to_owned(),
                r#"40{"sid":"AaZ"}"#.to_owned(),
                "2".to_owned(),
                "430[null]".to_owned(),
            ],
            delivery: |text| format!(r#"42["m","{text}"]"#),
        },
        Script {
            peer: Peer::Nats,
            welcome: vec![
                "INFO {\"server_id\":\"NB\",\"max_payload\":1048576} \r\n".to_owned(),
                "INFO {\"connect_info\":true} \r\nPONG\r\n".to_owned(),
            ],
            delivery: |text| format!("MSG room.3 0 {}\r\n{text}\r\n", text.len()),
        },
        Script {
            peer: Peer::Sockudo,
            welcome: vec![
                r#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"12.34\",\"activity_timeout\":120}"}"#
                    .to_owned(),
                r#"{"event":"pusher_internal:subscription_succeeded","data":"{}","channel":"private-3"}"#.to_owned(),
            ],
            delivery: |text| format!(r#"{{"event":"client-m","channel":"private-3","data":"{text}"}}"#),
        },
    ]
}

fn seat(role: Role, entry: Entry) -> Seat {
    Seat {
        number: 7,
        room: 3,
        role,
        entry,
        durable: false,
        step: 0,
        address: 0,
    }
}

/// A server's frame.
fn frame(message: &str) -> Vec<u8> {
    let length = message.len();
    let mut frame = vec![0x81];
    match u8::try_from(length) {
        Ok(length @ ..126) => frame.push(length),
        _ => frame.extend([126, length.to_be_bytes()[6], length.to_be_bytes()[7]]),
    }
    frame.extend(message.as_bytes());
    frame
}

/// What a listener says, and how many deliveries it counts, when it is sent this in these pieces.
fn listen(peer: Peer, stream: &[u8], cuts: &[usize]) -> (String, u64) {
    let mut seat = seat(Role::Listener, Entry::Room);
    let mut say = Outgoing::default();
    let first = peer.dialect().enter(&mut seat, None, &mut say);
    let mut entered = first.unwrap();
    let (mut incoming, marks, mut tail) = (Incoming::default(), Marks::default(), Tail::default());
    let mut counted = 0;
    for cut in cuts.windows(2) {
        let piece = &stream[cut[0]..cut[1]];
        if entered == Entered::Ready {
            counted += marks.count(&mut tail, piece);
            continue;
        }
        incoming.feed(piece);
        while entered == Entered::More
            && let Some(heard) = incoming.hear().unwrap()
        {
            let Heard::Message(message) = heard else {
                panic!("{heard:?}");
            };
            let step = peer.dialect().enter(&mut seat, Some(message), &mut say);
            entered = step.unwrap();
        }
        if entered == Entered::Ready {
            counted += marks.count(&mut tail, &incoming.finish());
        }
    }
    assert_eq!(entered, Entered::Ready, "{peer}");
    (said(&say), counted)
}

/// What somebody says who wants rooms 3, 4 and 0, when they are sent these messages; and after how many they are in.
fn enter_three(peer: Peer, heard: &[String]) -> (String, Option<usize>) {
    let mut seat = seat(Role::Listener, Entry::ThreeRooms { rooms: 5 });
    let mut say = Outgoing::default();
    let mut dialect_steps = std::iter::once(None).chain(heard.iter().map(Some));
    let is_in = dialect_steps.position(|heard| {
        let heard = heard.map(String::as_bytes);
        let entered = peer.dialect().enter(&mut seat, heard, &mut say);
        entered.unwrap() == Entered::Ready
    });
    (said(&say), is_in)
}

fn said(say: &Outgoing) -> String {
    String::from_utf8_lossy(say.bytes()).into_owned()
}

proptest! {
    #[test]
    fn cuts_change_neither_what_is_said_nor_what_is_counted(
        deliveries in 0_u64..9,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        for script in scripts() {
            let mut stream: Vec<u8> = script.welcome.iter().flat_map(|message| frame(message)).collect();
            for _ in 0..deliveries {
                stream.extend(frame(&(script.delivery)(&text(128))));
            }
            let whole = listen(script.peer, &stream, &[0, stream.len()]);
            prop_assert_eq!(whole.1, deliveries, "{}", script.peer);
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            prop_assert_eq!(listen(script.peer, &stream, &cuts), whole);
        }
    }
}

#[test]
fn a_listener_says_which_room_it_wants() {
    let wanted = [
        "\0\0\0\u{3}",
        r#"420["join","3"]"#,
        r#"420["join","3"]"#,
        "SUB room.3 0\r\nPING\r\n",
        r#""channel":"private-3""#,
    ];
    for (script, wanted) in scripts().iter().zip(wanted) {
        let stream: Vec<u8> = script
            .welcome
            .iter()
            .flat_map(|message| frame(message))
            .collect();
        let (said, _) = listen(script.peer, &stream, &[0, stream.len()]);
        assert!(said.contains(wanted), "{}: {said}", script.peer);
    }
}

#[test]
fn three_rooms_are_all_asked_for_and_all_waited_for() {
    // What each server says beyond the welcome to one room, and what is asked of it.
    let rooms = [
        (vec![], vec!["\0\0\0\u{3}\0\0\0\u{4}\0\0\0\0"]),
        (
            vec!["431[]", "432[]"],
            vec![
                r#"420["join","3"]"#,
                r#"421["join","4"]"#,
                r#"422["join","0"]"#,
            ],
        ),
        (
            vec!["431[null]", "432[null]"],
            vec![
                r#"420["join","3"]"#,
                r#"421["join","4"]"#,
                r#"422["join","0"]"#,
            ],
        ),
        (
            vec![],
            vec!["SUB room.3 0\r\nSUB room.4 1\r\nSUB room.0 2\r\nPING\r\n"],
        ),
        (
            vec![
                r#"{"event":"pusher_internal:subscription_succeeded","data":"{}","channel":"private-4"}"#,
                r#"{"event":"pusher_internal:subscription_succeeded","data":"{}","channel":"private-0"}"#,
            ],
            vec![
                r#""channel":"private-3""#,
                r#""channel":"private-4""#,
                r#""channel":"private-0""#,
            ],
        ),
    ];
    for (script, (more, wanted)) in scripts().into_iter().zip(rooms) {
        let mut heard = script.welcome;
        heard.extend(more.into_iter().map(str::to_owned));
        if script.peer == Peer::UWebSockets {
            // It says again what it was told.
            heard = vec![wanted[0].to_owned()];
        }
        let (said, is_in) = enter_three(script.peer, &heard);
        for wanted in wanted {
            assert!(said.contains(wanted), "{}: {wanted} in {said}", script.peer);
        }
        assert_eq!(
            is_in,
            Some(heard.len()),
            "{}: not before the last",
            script.peer
        );
    }
}

#[test]
fn a_speaker_publishes_in_its_room() {
    let expected = [
        "",
        r#"42["say","3",""#,
        r#"42["say","3",""#,
        "PUB room.3 128\r\n",
        r#"{"event":"client-m","channel":"private-3","data":""#,
    ];
    for (script, expected) in scripts().iter().zip(expected) {
        let seat = seat(Role::Speaker, Entry::Room);
        let mut say = Outgoing::default();
        script
            .peer
            .dialect()
            .publish(&seat, 0, &text(128), &mut say);
        let said = said(&say);
        assert!(
            said.contains(&format!("{expected}{MARKER}")),
            "{}: {said}",
            script.peer
        );
        assert_eq!(said.matches(MARKER).count(), 1);
    }
}

#[test]
fn a_channel_is_subscribed_to_with_the_signature_that_its_server_expects() {
    // HMAC-SHA-256 of `12.34:private-3` under the secret, as any other program computes it.
    let expected = "9fa2feb20e0f1407aa9aef9ca06f40393ef8a1bb09dc3432b8141bd88de278d0";
    let script = &scripts()[4];
    let stream: Vec<u8> = script
        .welcome
        .iter()
        .flat_map(|message| frame(message))
        .collect();
    let (said, _) = listen(Peer::Sockudo, &stream, &[0, stream.len()]);
    assert!(said.contains(&format!("homeroom:{expected}")), "{said}");
}

#[test]
fn refusals_end_the_run() {
    let refusals = [
        (Peer::SocketIo, r#"44{"message":"not here"}"#),
        (Peer::Socketioxide, r#"44{"message":"not here"}"#),
        (Peer::Nats, "-ERR 'Authorization Violation'\r\n"),
        (
            Peer::Sockudo,
            r#"{"event":"pusher:error","data":{"code":4001}}"#,
        ),
    ];
    for (peer, refusal) in refusals {
        let mut seat = seat(Role::Listener, Entry::Room);
        let mut say = Outgoing::default();
        let entered = peer
            .dialect()
            .enter(&mut seat, Some(refusal.as_bytes()), &mut say);
        assert!(entered.is_err(), "{peer}: {entered:?}");
    }
}

#[test]
fn three_rooms_go_round() {
    let three = |rooms| Entry::ThreeRooms { rooms };
    let of = |entry| rooms(&seat(Role::Listener, entry)).collect::<Vec<_>>();
    assert!(of(Entry::Bare).is_empty());
    assert_eq!(of(Entry::Room), [3]);
    assert_eq!(of(three(10)), [3, 4, 5]);
    assert_eq!(of(three(5)), [3, 4, 0]);
    assert_eq!(of(three(4)), [3, 0, 1]);
}

#[test]
fn peers_are_found_by_their_names() {
    for peer in Peer::ALL {
        assert_eq!(peer.name().parse(), Ok(peer));
        assert!(!peer.unequal().is_empty());
    }
    let unknown = "phoenix".parse::<Peer>().unwrap_err();
    assert!(unknown.contains("socketioxide"), "{unknown}");
}
