//! Sections of snapshots.

use homeroom_engine::{
    domain::{Domain as _, SectionId},
    log::LogPosition,
    tenant::Tenant,
};
use homeroom_protocol::{Request, Stream};

use crate::support::{durable_state, seq, two_in_a_room};

#[test]
fn only_what_changed_is_saved_again() {
    let (mut world, ada, _, room) = two_in_a_room();
    world.open_stream(ada, Stream::Personal, None);
    assert!(!world.tenant.take_dirty_sections().is_empty());
    assert_eq!(world.tenant.take_dirty_sections(), []);
    world.create(ada, "physics");
    let dirty: Vec<_> = world.tenant.take_dirty_sections();
    assert_eq!(
        dirty.iter().map(|section| section.0).collect::<Vec<_>>(),
        [0, 2, 3],
        "the keys, ada's stream, and the room"
    );
    world.request(ada, Request::Leave { room });
    let dirty: Vec<_> = world.tenant.take_dirty_sections();
    assert_eq!(
        dirty.iter().map(|section| section.0).collect::<Vec<_>>(),
        [1, 2],
        "the room and who leaves it"
    );
}

#[test]
fn a_snapshot_alone_brings_everything_back() {
    let (mut world, _, _, room) = two_in_a_room();
    let before = durable_state(&world.tenant);
    let from = LogPosition(world.log_len() as u64);
    world.crash_with(&before, from);
    assert_eq!(durable_state(&world.tenant), before);
    let ada = world.connect("ada", "web");
    assert_eq!(world.say(ada, room, "on we go").seq, seq(3));
    world.crash();
    assert_eq!(world.tenant.room(room).unwrap().head().seq, seq(3));
}

#[test]
fn what_a_section_already_holds_is_skipped() {
    let (mut world, ada, bob, room) = two_in_a_room();
    world.say(ada, room, "hello");
    world.request(bob, Request::Leave { room });
    let saved = durable_state(&world.tenant);
    let mut tenant = world.recovered(&saved, LogPosition(u64::MAX));
    for (at, event) in world.entries().iter().enumerate() {
        tenant.apply(LogPosition(at as u64 + 1), event);
        assert_eq!(durable_state(&tenant), saved, "after {event:?} again");
    }
    assert_eq!(tenant.take_dirty_sections(), []);
}

#[test]
fn a_section_whose_numbers_cannot_go_on_is_refused() {
    let (world, ..) = two_in_a_room();
    let mut tenant = Tenant::new(world.seed.clone());
    let whole = world.tenant.save_section(SectionId(1)).unwrap();
    // Version, array, applied, number, epoch, head: the small ones take a byte, the epoch nine.
    let (applied, number, epoch, head) = (2, 3, 4, 13);
    let with = |at: usize, bytes: usize, value: &[u8]| {
        [&whole[..at], value, &whole[at + bytes..]].concat()
    };
    let without_end = [0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    for (what, bytes) in [
        ("applied", with(applied, 1, &without_end)),
        ("another number", with(number, 1, &[2])),
        ("no epoch", with(epoch, 9, &[0])),
        ("head", with(head, 1, &without_end)),
        ("release 0.1", with(0, 1, &[1])),
    ] {
        let loaded = tenant.load_section(SectionId(1), &bytes);
        assert!(loaded.is_err(), "{what}");
    }
    let keys = (u64::MAX, None::<(u64, u64)>, Vec::<(&str, u64)>::new());
    let bytes = [vec![1], rmp_serde::to_vec(&keys).unwrap()].concat();
    assert!(tenant.load_section(SectionId(0), &bytes).is_err());
    assert_eq!(tenant.rooms().count(), 0);
    assert_eq!(tenant.load_section(SectionId(1), &whole), Ok(()));
}

#[test]
fn damaged_sections_are_refused_without_a_panic() {
    let (world, ..) = two_in_a_room();
    for (section, bytes) in durable_state(&world.tenant) {
        let mut tenant = Tenant::new(world.seed.clone());
        for cut in 0..bytes.len() {
            assert!(tenant.load_section(section, &bytes[..cut]).is_err());
        }
        let mut later = bytes.clone();
        later[0] += 1;
        assert!(tenant.load_section(section, &later).is_err());
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x55;
            let _ = tenant.load_section(section, &damaged);
        }
        let other = SectionId(section.0 + (1 << 40));
        assert!(tenant.load_section(other, &bytes).is_err());
    }
}
