//! What a config must be beyond its types: numbers within bounds, and values that go together.

use toml::Value;

use super::{
    Fault, InForce, Problem, keys,
    layers::{look_up, table_of},
};

/// A year, in ms: longer than any time here is meant to be, and far from where clocks overflow.
const YEAR_MS: i64 = 366 * 24 * 60 * 60 * 1000;
const MIB: i64 = 1024 * 1024;

/// From where to where a number goes, and why.
struct Bounds {
    min: i64,
    max: i64,
    why: &'static str,
}

/// The bounds of what ends on these words: the first that fits.
const BOUNDS: &[(&str, Bounds)] = &[
    (
        "admission.prefix_v4_bits",
        Bounds {
            min: 1,
            max: 32,
            why: "as an address has so many bits",
        },
    ),
    (
        "admission.prefix_v6_bits",
        Bounds {
            min: 1,
            max: 128,
            why: "as an address has so many bits",
        },
    ),
    (
        "admission.descriptors_reserved",
        Bounds {
            min: 0,
            max: 1_000_000,
            why: "and 0 leaves none for what clients cause",
        },
    ),
    (
        "tls.reload_every_ms",
        Bounds {
            min: 0,
            max: YEAR_MS,
            why: "and 0 never looks",
        },
    ),
    (
        "drain.notice_ms",
        Bounds {
            min: 0,
            max: 3_600_000,
            why: "and 0 gives none",
        },
    ),
    (
        "drain.within_ms",
        Bounds {
            min: 1_000,
            max: 3_600_000,
            why: "as less is no time to bring everything to disk in",
        },
    ),
    (
        "storage.lock_wait_ms",
        Bounds {
            min: 0,
            max: 3_600_000,
            why: "and 0 does not wait",
        },
    ),
    (
        "rules.heartbeat_ms",
        Bounds {
            min: 1_000,
            max: 3_600_000,
            why: "as a shorter heartbeat is a flood and a longer one shows the dead as present",
        },
    ),
    (
        "rules.presence_grace_ms",
        Bounds {
            min: 0,
            max: YEAR_MS,
            why: "and 0 shows a lost connection at once",
        },
    ),
    (
        "rules.lingering_devices_max",
        Bounds {
            min: 0,
            max: 10_000_000,
            why: "and with 0 nobody who vanished is waited for",
        },
    ),
    (
        "rules.requests_in_flight_max",
        Bounds {
            min: 1,
            max: 1_024,
            why: "as the replies to so many have to fit into memory",
        },
    ),
    (
        "rules.stored_bytes_max",
        Bounds {
            min: MIB,
            max: 1 << 50,
            why: "as less is full at once and no disk holds more",
        },
    ),
    (
        "storage.sleep_after_ms",
        Bounds {
            min: 0,
            max: YEAR_MS,
            why: "and 0 lets a tenant sleep as soon as it is empty",
        },
    ),
    (
        "storage.storage_calls_max",
        Bounds {
            min: 1,
            max: 256,
            why: "as each takes a thread",
        },
    ),
    (
        "storage.shards",
        Bounds {
            min: 1,
            max: 1_024,
            why: "as each is a task that a core should run",
        },
    ),
    (
        "storage.outbox_bytes_max",
        Bounds {
            min: 1,
            max: 1_024 * MIB,
            why: "as every client may fill one",
        },
    ),
    (
        "storage.segment_bytes",
        Bounds {
            min: 1,
            max: 1_024 * MIB,
            why: "as a segment is read as a whole when it is checked",
        },
    ),
    (
        "_ms",
        Bounds {
            min: 1,
            max: YEAR_MS,
            why: "in ms, and a year is longer than is meant",
        },
    ),
    (
        "_bytes",
        Bounds {
            min: 1,
            max: i64::MAX,
            why: "in bytes",
        },
    ),
    (
        "_bytes_max",
        Bounds {
            min: 1,
            max: i64::MAX,
            why: "in bytes",
        },
    ),
    (
        "_max",
        Bounds {
            min: 1,
            max: u32::MAX as i64,
            why: "as none at all would serve nobody",
        },
    ),
    (
        "",
        Bounds {
            min: 1,
            max: u32::MAX as i64,
            why: "as it counts something",
        },
    ),
];

/// All that is wrong with it.
pub(super) fn problems(in_force: &InForce) -> Vec<Problem> {
    let mut problems = Vec::new();
    let table = table_of(&in_force.config);
    for key in keys::all() {
        let Some(Value::Integer(value)) = look_up(&table, &key) else {
            continue;
        };
        let (_, bounds) = (BOUNDS.iter())
            .find(|(end, _)| key.ends_with(end))
            .expect("the last one fits all");
        if !(bounds.min..=bounds.max).contains(value) {
            problems.push(Problem {
                origin: in_force.origin(&key),
                fault: Fault::OutOfBounds {
                    key,
                    value: *value,
                    min: bounds.min,
                    max: bounds.max,
                    why: bounds.why,
                },
            });
        }
    }
    problems.extend(contradictions(in_force));
    problems
}

/// Values that do not go together.
fn contradictions(in_force: &InForce) -> impl Iterator<Item = Problem> {
    let config = &in_force.config;
    let told = |key: &str, why: String| Problem {
        origin: in_force.origin(key),
        fault: Fault::Contradiction { why },
    };
    let drain = &config.drain;
    let notice = (drain.notice_ms >= drain.within_ms).then(|| {
        let (notice, within) = (drain.notice_ms, drain.within_ms);
        let why = format!(
            "drain.notice_ms is a part of drain.within_ms, which is {within}: {notice} leaves \
             nothing for clients to go in"
        );
        told("drain.notice_ms", why)
    });
    let both = config.operations.listen == Some(config.listen) && config.listen.port() != 0;
    let doors = both.then(|| {
        let why = format!(
            "operations.listen is the address of listen, {}: give it another, or leave it out to have \
             one door for both",
            config.listen
        );
        told("operations.listen", why)
    });
    let half = match (&config.tls.certificate, &config.tls.key) {
        (Some(_), None) => Some(("tls.certificate", "tls.key")),
        (None, Some(_)) => Some(("tls.key", "tls.certificate")),
        (Some(_), Some(_)) | (None, None) => None,
    };
    let half = half.map(|(said, missing)| {
        let why = format!("{said} is of no use without {missing}: name both files or none");
        told(said, why)
    });
    [half, notice, doors].into_iter().flatten()
}
