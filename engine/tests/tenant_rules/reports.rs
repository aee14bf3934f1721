//! Messages shown to those who moderate.

use homeroom_protocol::{
    Direction, ErrorCode, EventBody, Permission, Request, RoleId, RoomKind, RoomNumber, Seq,
    Stream, limit,
};

use crate::{
    scenes::placed,
    support::{answer, key, seq, two_in_a_room, user},
};

const REPORTS: Request = Request::Stream {
    stream: Stream::Reports,
    resume: None,
};

pub(crate) fn report(key_number: u64, room: RoomNumber, target: Seq, reason: &str) -> Request {
    Request::Report {
        key: key(key_number),
        room,
        target,
        reason: reason.into(),
    }
}

fn delete(key_number: u64, room: RoomNumber, target: Seq) -> Request {
    Request::Delete {
        key: key(key_number),
        room,
        target,
    }
}

#[test]
fn a_report_shows_the_message_as_it_was() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let said = world.say(ada, room, "something bad").seq;
    let first = answer(&world.request(bob, report(1, room, said, "rude")));
    assert_eq!(
        answer(&world.request(bob, report(1, room, said, "rude"))),
        first
    );
    world.request(ada, delete(2, room, said));
    assert_eq!(
        world.refusal(bob, report(3, room, said, "rude")),
        ErrorCode::MessageNotFound
    );
    let reports_room = world
        .tenant
        .rooms()
        .find(|room| room.info().kind == RoomKind::Moderation);
    let stored = reports_room.expect("it was made").head();
    assert_eq!(stored, first.0);
    let events = world.events();
    let last = events.iter().rev().find_map(|event| match &event.body {
        EventBody::Reported(reported) => Some((event.author.clone(), reported.clone())),
        _ => None,
    });
    let (by, reported) = last.expect("it is in the log");
    assert_eq!(by, user("bob"));
    assert_eq!(reported.author, user("ada"));
    assert_eq!(reported.message.text, "something bad");
    assert_eq!(
        (reported.room, reported.target, reported.reason.as_str()),
        (room, said, "rude")
    );
    assert_eq!(world.my_rooms(bob).len(), 1, "it is in nobody's list");
}

#[test]
fn only_who_may_moderate_reads_what_was_reported() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let said = world.say(ada, room, "something bad").seq;
    world.request(bob, report(1, room, said, "rude"));
    assert_eq!(world.refusal(ada, REPORTS), ErrorCode::Forbidden);
    let number = world
        .tenant
        .rooms()
        .map(|room| room.number())
        .max()
        .unwrap();
    let read = |room| Request::History {
        room,
        direction: Direction::Before,
        anchor: seq(99),
        limit: 10,
        thread: None,
    };
    assert_eq!(world.refusal(ada, read(number)), ErrorCode::NotMember);
    assert_eq!(
        world.refusal(ada, Request::Mark(placed(number, None, (0, 1)))),
        ErrorCode::NotMember
    );
}

#[test]
fn a_report_needs_a_message_one_can_see_and_a_short_reason() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let said = world.say(ada, room, "hi").seq;
    let long = "x".repeat(limit::REASON_BYTES_MAX + 1);
    assert_eq!(
        world.refusal(bob, report(1, room, said, &long)),
        ErrorCode::InvalidField
    );
    assert_eq!(
        world.refusal(bob, report(1, room, seq(1), "no message")),
        ErrorCode::MessageNotFound
    );
    assert_eq!(
        world.refusal(bob, report(1, room, seq(99), "nothing")),
        ErrorCode::MessageNotFound
    );
    let eve = world.connect("eve", "web");
    assert_eq!(
        world.refusal(eve, report(1, room, said, "?")),
        ErrorCode::NotMember
    );
    let (stream, _) = world.open_stream(bob, Stream::Personal, None);
    assert_eq!(
        world.refusal(bob, report(1, stream, seq(1), "?")),
        ErrorCode::NotHere
    );
    world.storage = homeroom_engine::domain::Storage::Full;
    let log_len = world.log_len();
    assert_eq!(
        world.refusal(bob, report(1, room, said, "rude")),
        ErrorCode::StorageFull
    );
    assert_eq!(world.log_len(), log_len, "no room was made for it");
}

#[test]
fn whoever_may_moderate_hears_each_report_and_resumes_where_they_were() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let moderator = RoleId(5);
    world.set_role(crate::roles::role(moderator, 1, &[Permission::Moderate]));
    world.give("eve", &[moderator]);
    let eve = world.connect("eve", "web");
    let (reports, position) = world.open_stream(eve, Stream::Reports, None);
    assert_eq!(position.seq, seq(1), "made for the first who looks");
    let said = world.say(ada, room, "something bad").seq;
    world.request(bob, report(1, room, said, "rude"));
    let bodies = world.heard(eve, reports);
    let [EventBody::Reported(reported)] = &bodies[..] else {
        panic!("not the report: {bodies:?}");
    };
    assert_eq!(reported.reason, "rude");
    world.crash();
    let eve = world.connect("eve", "web");
    let (_, from) = world.open_stream(eve, Stream::Reports, Some(position));
    assert_eq!(from, position);
    assert_eq!(world.heard(eve, reports).len(), 1);
    world.give("eve", &[]);
    assert_eq!(world.refusal(eve, REPORTS), ErrorCode::Forbidden);
    let ada = world.connect("ada", "web");
    let said = world.say(ada, room, "more").seq;
    world.request(ada, report(2, room, said, "mine"));
    assert_eq!(
        world.heard(eve, reports),
        [],
        "who moderates no more hears no more"
    );
}
