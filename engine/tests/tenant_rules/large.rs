//! A change of who may see a room with a hundred thousand listeners, on the pure core and a real shard.

use homeroom_engine::tenant::{Entry, Event, TenantChange, TenantEvent};
use homeroom_protocol::{
    Epoch, EventBody, OverwriteTarget, Permission, Position, RemovedReason, Request, RoleId,
    RoomId, RoomInfo, RoomNumber, Seq, ServerFrame, UserId,
};

use crate::{
    roles::{PUPIL, allow, deny, role},
    stage::Stage,
    support::{DAWN, World, identity, join, seqs, user},
};

/// All of them in an optimised build. The rest of the tests runs without, and there a tenth says the same.
const LISTENERS: u64 = if cfg!(debug_assertions) {
    10_000
} else {
    100_000
};
const HALL: RoomNumber = RoomNumber(1);

fn name(number: u64) -> UserId {
    user(&format!("u{number:06}"))
}

/// A pupil may see the hall even when everyone may not.
const fn is_pupil(number: u64) -> bool {
    number.is_multiple_of(2)
}

/// What makes the hall, its listeners members of it, and half of them pupils.
fn history() -> Vec<Entry> {
    let epoch = Epoch::new(7).unwrap();
    let happened = |seq, author: UserId, body| {
        Entry::Event(Event {
            room: HALL,
            position: Position {
                epoch,
                seq: Seq(seq),
            },
            time: DAWN,
            author,
            body,
            keyed: None,
        })
    };
    let changed = |change| {
        Entry::Tenant(TenantEvent {
            time: DAWN,
            author: None,
            change,
        })
    };
    let created = EventBody::RoomCreated {
        id: Some(RoomId::new("hall").unwrap()),
        info: RoomInfo::default(),
        members: Vec::new(),
    };
    let overwrite = EventBody::OverwriteSet {
        target: OverwriteTarget::Role(PUPIL),
        overwrite: allow(&[Permission::View]),
    };
    let mut entries = vec![
        changed(TenantChange::RoleSet(role(PUPIL, 1, &[]))),
        happened(1, user("ada"), created),
        happened(2, user("ada"), overwrite),
    ];
    for number in 0..LISTENERS {
        entries.push(happened(number + 3, name(number), EventBody::MemberJoined));
        if is_pupil(number) {
            entries.push(changed(TenantChange::RolesGiven {
                user: name(number),
                roles: vec![PUPIL],
            }));
        }
    }
    entries
}

#[test]
fn a_large_audience_is_paused_at_once_and_looked_at_in_slices() {
    let mut world = World::with(|settings| {
        settings.connections_max = 200_000;
        settings.members_per_room_max = 200_000;
    });
    world.preload(history());
    world.hub.stage = Some(Stage::new());
    let ada = world.connect("ada", "web");
    world.join(ada, "hall");
    let mut listeners = Vec::new();
    for number in 0..LISTENERS {
        let listener = world.connect_as(identity(name(number).as_str(), "web"));
        world.post(listener, join("hall", None));
        listeners.push((number, listener));
    }
    world.stage().forget();

    world.overwrite(
        "hall",
        OverwriteTarget::Role(RoleId::EVERYONE),
        deny(&[Permission::View]),
    );
    assert_eq!((world.hub.pauses, world.hub.restamped_max), (1, 0));
    let first = world.say(ada, HALL, "while nobody was looked at").seq.0 - 1;
    assert_eq!(
        world.stage().bytes(),
        0,
        "nobody hears, not even of the change"
    );

    let mut ticks = 0;
    while world.due_now().is_some() {
        world.tick_once();
        ticks += 1;
        let reply = world.request(ada, Request::Roles);
        assert!(
            matches!(reply, ServerFrame::Roles { .. }),
            "others go on meanwhile"
        );
    }
    assert_eq!(ticks, (LISTENERS + 1).div_ceil(256));
    assert!(world.hub.restamped_max <= 256);
    let last = world.say(ada, HALL, "when all were looked at").seq.0;

    // What is pushed is the same for all, byte for byte.
    let stage = world.stage();
    let heard = stage.bytes_of(listeners[0].1);
    let unheard = stage.bytes_of(listeners[1].1);
    for &(number, listener) in &listeners {
        let expected = if is_pupil(number) { &heard } else { &unheard };
        assert_eq!(&stage.bytes_of(listener), expected, "{number}");
    }
    let expected: Vec<_> = (first..=last).collect();
    assert_eq!(seqs(&world.inbox(listeners[0].1)), expected);
    assert_eq!(world.inbox(listeners[1].1), [removed()]);
}

fn removed() -> ServerFrame {
    ServerFrame::Removed {
        room: HALL,
        reason: RemovedReason::Hidden,
    }
}
