//! `SPEC.md` tells strangers the limits of a server with default settings: here they are held to the
//! code, as the crate of the protocol cannot see it.

use std::fs;

use homeroom_engine::Config;
use homeroom_server::HostConfig;

#[test]
fn the_limits_of_a_server_are_those_of_the_code() {
    let spec = concat!(env!("CARGO_MANIFEST_DIR"), "/../protocol/SPEC.md");
    let spec = fs::read_to_string(spec).unwrap();
    let (_, rest) = spec.split_once("\n### Limits of a server\n").unwrap();
    let (section, _) = rest.split_once("\n## ").unwrap();
    let values: Vec<usize> = section
        .lines()
        .filter_map(|row| row.split(" | ").nth(1)?.parse().ok())
        .collect();
    let settings = Config::default().settings;
    let host = usize::try_from(HostConfig::default().admission.connections_max).unwrap();
    let limits = [
        settings.rooms_per_user_max,
        settings.rooms_made_per_user_max,
        settings.rooms_per_connection_max,
        settings.members_per_room_max,
        settings.rooms_max,
        settings.streams_max,
        settings.held_at_gate_max,
        settings.blocked_per_user_max,
        settings.threads_followed_max,
        settings.connection_units_per_s as usize,
        settings.connection_units_burst as usize,
        settings.user_units_per_s as usize,
        settings.user_units_burst as usize,
        settings.messages_per_s as usize,
        settings.messages_burst as usize,
        settings.stored_bytes_max,
        settings.connections_per_device_max,
        settings.connections_per_user_max,
        settings.connections_max,
        host,
    ];
    assert_eq!(values, limits);
}
