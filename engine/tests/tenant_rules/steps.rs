//! One step of a random history.

use proptest::prelude::*;

/// One step of a history. Numbers are taken modulo what there is.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Connect {
        user: usize,
        device: u8,
        scopes: u8,
        expires_in_ms: Option<u64>,
    },
    Disconnect {
        connection: usize,
        how: bool,
    },
    Renew {
        connection: usize,
        expires_in_ms: Option<u64>,
    },
    Revoke {
        user: usize,
    },
    Create {
        connection: usize,
        key: u64,
        room: usize,
    },
    Join {
        connection: usize,
        room: usize,
        resume: Option<(u64, bool)>,
    },
    Leave {
        connection: usize,
        room: u32,
    },
    Send {
        connection: usize,
        key: u64,
        room: u32,
        text: u8,
    },
    Read {
        connection: usize,
        room: u32,
        anchor: u64,
        limit: u32,
        after: bool,
    },
    Type {
        connection: usize,
        room: u32,
        active: bool,
    },
    Show {
        connection: usize,
        active: bool,
    },
    Watch {
        connection: usize,
    },
    Page {
        connection: usize,
        room: u32,
        generation: u64,
        from: u64,
    },
    /// A service writes, for itself or as a user.
    Serve {
        /// The one after the last user: itself.
        actor: usize,
        key: u64,
        room: usize,
        what: Service,
    },
    /// Asks now, decides after the next step.
    Slow {
        connection: usize,
        key: u64,
        room: u32,
        text: u8,
    },
    Pass {
        ms: u64,
    },
    ClockBack {
        ms: u64,
    },
    Tick,
    Sync {
        most: usize,
    },
    Disk {
        full: bool,
    },
    /// Saves a part of what is dirty; the last part completes the snapshot.
    Snapshot,
    Crash,
}

/// What a service does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Service {
    Create,
    Publish { text: u8 },
    Add { member: usize },
    Kick { member: usize },
}

fn service() -> impl Strategy<Value = Service> {
    prop_oneof![
        1 => Just(Service::Create),
        4 => (0..2_u8).prop_map(|text| Service::Publish { text }),
        2 => (0..3_usize).prop_map(|member| Service::Add { member }),
        3 => (0..3_usize).prop_map(|member| Service::Kick { member }),
    ]
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let connection = || 0..8_usize;
    let room = || 0..5_u32;
    let key = || 0..6_u64;
    let soon = || prop::option::weighted(0.3, 0..20_000_u64);
    let ms = prop_oneof![
        0..10_u64,
        0..20_000_u64,
        Just(12 * 3_600_000),
        Just(u64::MAX / 4)
    ];
    prop_oneof![
        4 => (0..3_usize, 0..2_u8, 0..8_u8, soon()).prop_map(|(user, device, scopes, expires_in_ms)| {
            Step::Connect { user, device, scopes, expires_in_ms }
        }),
        1 => (connection(), any::<bool>())
            .prop_map(|(connection, how)| Step::Disconnect { connection, how }),
        1 => (connection(), soon()).prop_map(|(connection, expires_in_ms)| {
            Step::Renew { connection, expires_in_ms }
        }),
        1 => (0..3_usize).prop_map(|user| Step::Revoke { user }),
        2 => (connection(), key(), 0..3_usize)
            .prop_map(|(connection, key, room)| Step::Create { connection, key, room }),
        5 => (connection(), 0..3_usize, prop::option::of((0..12_u64, any::<bool>())))
            .prop_map(|(connection, room, resume)| Step::Join { connection, room, resume }),
        1 => (connection(), room()).prop_map(|(connection, room)| Step::Leave { connection, room }),
        9 => (connection(), key(), room(), 0..2_u8).prop_map(|(connection, key, room, text)| {
            Step::Send { connection, key, room, text }
        }),
        2 => (connection(), room(), any::<u64>(), 0..12_u32, any::<bool>()).prop_map(
            |(connection, room, anchor, limit, after)| {
                let anchor = anchor >> (anchor % 64);
                Step::Read { connection, room, anchor, limit, after }
            }
        ),
        2 => (connection(), room(), any::<bool>())
            .prop_map(|(connection, room, active)| Step::Type { connection, room, active }),
        2 => (connection(), any::<bool>())
            .prop_map(|(connection, active)| Step::Show { connection, active }),
        3 => connection().prop_map(|connection| Step::Watch { connection }),
        1 => (connection(), room(), 0..9_u64, 0..9_u64).prop_map(
            |(connection, room, generation, from)| Step::Page { connection, room, generation, from }
        ),
        2 => (connection(), key(), room(), 0..2_u8).prop_map(|(connection, key, room, text)| {
            Step::Slow { connection, key, room, text }
        }),
        6 => (0..4_usize, key(), 0..3_usize, service())
            .prop_map(|(actor, key, room, what)| Step::Serve { actor, key, room, what }),
        2 => ms.prop_map(|ms| Step::Pass { ms: ms % (13 * 3_600_000) }),
        1 => (0..5_000_u64).prop_map(|ms| Step::ClockBack { ms }),
        1 => Just(Step::Tick),
        4 => (0..6_usize).prop_map(|most| Step::Sync { most }),
        1 => any::<bool>().prop_map(|full| Step::Disk { full }),
        3 => Just(Step::Snapshot),
        1 => Just(Step::Crash),
    ]
}
