//! Sections of snapshots.

use std::collections::BTreeMap;

use homeroom_engine::{
    domain::{Domain as _, SectionId},
    log::LogPosition,
    tenant::Tenant,
};
use homeroom_protocol::{Request, Stream};

use crate::support::{World, answer, durable_state, send, seq, two_in_a_room};

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
fn each_run_of_older_keys_is_saved_once_and_its_snapshot_is_none_without_it() {
    let mut world = World::with(|settings| {
        settings.keys_in_memory_max = 12;
        settings.keys_whole_max = 4;
    });
    let is_run = |section: &SectionId| section.0 >= 1 << 60;
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    let said = |world: &mut World, number| answer(&world.request(ada, send(number, room, "x")));
    let mut first: Vec<_> = (1..=6).map(|number| said(&mut world, number)).collect();
    // The keys are saved last: meanwhile another run is made.
    let from = LogPosition(world.log_len() as u64);
    let sections = world.tenant.take_dirty_sections();
    let mut saved = BTreeMap::new();
    for section in sections.iter().rev() {
        if *section == SectionId(0) {
            first.extend((7..=8).map(|number| said(&mut world, number)));
        }
        saved.insert(*section, world.tenant.save_section(*section).unwrap());
    }
    let runs: Vec<_> = sections.iter().filter(|it| is_run(it)).collect();
    assert_eq!(runs.len(), 2);
    for missing in &runs {
        let mut tenant = Tenant::new(world.seed.clone());
        let there = saved.iter().filter(|(section, _)| section != missing);
        for (section, bytes) in there {
            assert_eq!(tenant.load_section(*section, bytes), Ok(()));
        }
        assert!(tenant.loaded().is_err());
        let (others, own) = (saved.values(), &saved[*missing]);
        for bytes in others.filter(|bytes| *bytes != own) {
            assert!(tenant.load_section(**missing, bytes).is_err());
        }
        assert_eq!(tenant.load_section(**missing, own), Ok(()));
        assert_eq!(tenant.loaded(), Ok(()));
    }

    world.crash_with(&saved, from);
    let ada = world.connect("ada", "web");
    for (number, first) in (1..).zip(&first) {
        assert_eq!(&answer(&world.request(ada, send(number, room, "x"))), first);
    }
    // With the next snapshot only new ones are written, and what is too much goes.
    (9..=14).for_each(|number| drop(world.request(ada, send(number, room, "x"))));
    let sections = world.tenant.take_dirty_sections();
    let gone = |it: &&SectionId| world.tenant.save_section(**it).is_none();
    let gone: Vec<_> = sections.iter().filter(gone).collect();
    assert_eq!(gone, [runs[0], runs[1]]);
    assert_eq!(sections.iter().filter(|it| is_run(it)).count(), 2 + 4);
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
