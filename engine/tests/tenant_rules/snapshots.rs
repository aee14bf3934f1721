//! Sections of snapshots.

use homeroom_engine::domain::{Domain as _, SectionId};
use homeroom_engine::log::LogPosition;
use homeroom_engine::tenant::Tenant;
use homeroom_protocol::Request;

use crate::support::{durable_state, seq, two_in_a_room};

#[test]
fn only_what_changed_is_saved_again() {
    let (mut world, ada, _, room) = two_in_a_room();
    assert!(!world.tenant.take_dirty_sections().is_empty());
    assert_eq!(world.tenant.take_dirty_sections(), []);
    world.create(ada, "physics");
    let dirty: Vec<_> = world.tenant.take_dirty_sections();
    assert_eq!(
        dirty.iter().map(|section| section.0).collect::<Vec<_>>(),
        [0, 2]
    );
    world.request(ada, Request::Leave { room });
    let dirty: Vec<_> = world.tenant.take_dirty_sections();
    assert_eq!(
        dirty.iter().map(|section| section.0).collect::<Vec<_>>(),
        [1]
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
fn damaged_sections_are_refused_without_a_panic() {
    let (world, ..) = two_in_a_room();
    for (section, bytes) in durable_state(&world.tenant) {
        let mut tenant = Tenant::new(world.seed.clone());
        for cut in 0..bytes.len() {
            assert!(tenant.load_section(section, &bytes[..cut]).is_err());
        }
        let mut later = bytes.clone();
        later[0] = 2;
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
