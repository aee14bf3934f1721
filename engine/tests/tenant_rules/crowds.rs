//! Large rooms: who comes and goes is not told one by one, and no place of the timeline is left out.

use homeroom_engine::tenant::MEMBERS_TOLD_MAX;
use homeroom_protocol::{ConnectionId, Direction, Request, RoomNumber, Seq, ServerFrame};

use crate::support::{World, join, seqs};

/// Ada's room with so many members, all but her without a connection.
fn crowd(members: usize) -> (World, ConnectionId, RoomNumber) {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "hall");
    for number in 1..members {
        come(&mut world, number);
    }
    (world, ada, room)
}

fn come(world: &mut World, number: usize) {
    let connection = world.connect(&format!("guest-{number}"), "web");
    world.join(connection, "hall");
    world.disconnect(connection, homeroom_engine::Disconnection::Clean);
}

/// The runs among these: from, to, members.
fn runs(frames: &[ServerFrame]) -> Vec<(u64, u64, u32)> {
    let run = |frame: &ServerFrame| match frame {
        ServerFrame::Passed {
            from, to, members, ..
        } => Some((from.0, to.0, *members)),
        _ => None,
    };
    frames.iter().filter_map(run).collect()
}

#[test]
fn the_first_members_are_told_one_by_one_and_the_others_are_passed() {
    let (mut world, ada, room) = crowd(MEMBERS_TOLD_MAX);
    let told = world.inbox(ada);
    assert_eq!(seqs(&told).len(), MEMBERS_TOLD_MAX - 1);
    assert_eq!(runs(&told), []);
    come(&mut world, 1000);
    come(&mut world, 1001);
    world.say(ada, room, "Welcome!");
    let told = world.inbox(ada);
    let first = MEMBERS_TOLD_MAX as u64 + 1;
    let members = u32::try_from(MEMBERS_TOLD_MAX).unwrap();
    assert_eq!(
        runs(&told),
        [
            (first, first, members + 1),
            (first + 1, first + 1, members + 2)
        ]
    );
    assert_eq!(seqs(&told), [first + 2]);
}

#[test]
fn whoever_leaves_a_large_room_is_passed_until_it_is_small_again() {
    let (mut world, ada, room) = crowd(MEMBERS_TOLD_MAX + 2);
    world.inbox(ada);
    for number in [1, 2] {
        let guest = world.connect(&format!("guest-{number}"), "web");
        world.request(guest, Request::Leave { room });
    }
    let told = world.inbox(ada);
    let head = MEMBERS_TOLD_MAX as u64 + 2;
    let members = u32::try_from(MEMBERS_TOLD_MAX).unwrap();
    assert_eq!(runs(&told), [(head + 1, head + 1, members + 1)]);
    assert_eq!(seqs(&told), [head + 2]);
}

#[test]
fn catching_up_in_a_large_room_passes_runs_and_history_shows_all() {
    let (mut world, ada, room) = crowd(MEMBERS_TOLD_MAX + 10);
    let position = world.say(ada, room, "one");
    come(&mut world, 1000);
    come(&mut world, 1001);
    world.say(ada, room, "two");
    come(&mut world, 1002);
    let phone = world.connect("ada", "phone");
    world.request(phone, join("hall", Some(position)));
    let told = world.inbox(phone);
    let at = position.seq.0;
    let members = u32::try_from(MEMBERS_TOLD_MAX).unwrap() + 13;
    assert_eq!(
        runs(&told),
        [(at + 1, at + 2, members), (at + 4, at + 4, members)]
    );
    assert_eq!(seqs(&told), [at + 3]);
    let history = Request::History {
        room,
        direction: Direction::After,
        anchor: position.seq,
        limit: 10,
        thread: None,
    };
    let ServerFrame::Page { events, .. } = world.request(ada, history) else {
        panic!("no page");
    };
    let shown: Vec<Seq> = events.iter().map(|event| event.seq).collect();
    assert_eq!(shown, [1, 2, 3, 4].map(|above| Seq(at + above)));
}
