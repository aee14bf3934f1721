//! What grows, and what it costs as it does: listeners, threads, tenants, memberships, the past of a room.
//! In one process and over made-up sockets that take everything, so that what is measured is Homeroom and
//! not the kernel's loopback. The program is `scale`; each of its steps is a module here.

pub mod auditorium;
pub mod crowd;
pub mod delivering;
pub mod past;
pub mod tenants;
pub mod usage;

use homeroom_engine::{Config, tenant::Settings};

/// An engine's settings, but for bounds that keep a tenant small and a person from flooding.
#[must_use]
pub fn config() -> Config {
    let settings = Settings {
        members_per_room_max: 100_000,
        connections_max: 100_000,
        ..Settings::default()
    };
    Config {
        settings: settings.without_budgets(),
        ..Config::default()
    }
}
