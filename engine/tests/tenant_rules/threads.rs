//! Threads: where they may begin, and who follows them.

use homeroom_protocol::{ErrorCode, Request, Retention, RoomChange, Seq};

use crate::{
    messages::{draft, in_thread, say},
    support::{World, key, seq, two_in_a_room},
};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

fn followed(world: &mut World, who: homeroom_protocol::ConnectionId) -> Vec<Seq> {
    let threads = world.me(who).threads;
    threads.into_iter().map(|it| it.thread).collect()
}

#[test]
fn nothing_begins_at_a_message_that_is_no_longer_kept() {
    let (mut world, ada, _, room) = two_in_a_room();
    let root = world.write(ada, room, draft("x"));
    let changes = vec![RoomChange::Retention(Retention::Days(1))];
    let key = key(1);
    world.change(ada, Request::ChangeRoom { key, room, changes });
    world.now = world.now.plus_ms(3 * DAY_MS);
    for request in [
        say(2, room, in_thread(root, "late")),
        Request::Follow {
            room,
            thread: seq(root),
            on: true,
        },
    ] {
        let code = world.refusal(ada, request.clone());
        assert_eq!(code, ErrorCode::MessageNotFound, "{request:?}");
    }
}

#[test]
fn whoever_speaks_in_a_thread_follows_it_from_then_on() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let root = seq(world.write(ada, room, draft("x")));
    world.reply_in(bob, room, root, "y");
    assert_eq!(followed(&mut world, bob), [root]);
    assert_eq!(followed(&mut world, ada), []);

    let log_len = world.log_len();
    world.reply_in(bob, room, root, "again");
    assert_eq!(world.log_len(), log_len + 1, "it is so already");

    let thread = root;
    let on = false;
    world.done(bob, Request::Follow { room, thread, on });
    assert_eq!(followed(&mut world, bob), []);
    world.reply_in(bob, room, root, "once more");
    assert_eq!(followed(&mut world, bob), [root]);
}

#[test]
fn whoever_follows_as_many_as_they_may_still_speaks() {
    let mut world = World::with(|settings| settings.threads_followed_max = 1);
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    let roots: Vec<_> = (0..2).map(|_| world.say(ada, room, "?").seq).collect();
    for &root in &roots {
        world.reply_in(ada, room, root, "!");
    }
    assert_eq!(followed(&mut world, ada), roots[..1]);
}
