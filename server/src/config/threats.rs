//! Every limit has its place in `SECURITY.md`, and what stands there is a key.

use std::collections::BTreeSet;

use super::keys;

const SECURITY: &str = include_str!("../../../SECURITY.md");

/// Keys that defend nothing: times and sizes of operation, names and places.
const OPERATION: &[&str] = &[
    "data",
    "drain.notice_ms",
    "drain.within_ms",
    "log.filter",
    "log.format",
    "rules.damaged_retry_after_ms",
    "rules.occupancy_tick_ms",
    "rules.presence_grace_ms",
    "rules.retry_after_ms",
    "rules.seen_round_ms",
    "rules.seen_tick_ms",
    "rules.signals_tick_ms",
    "rules.storage_full_retry_after_ms",
    "rules.typing_ttl_ms",
    "storage.lock_wait_ms",
    "storage.segment_bytes",
    "storage.shards",
    "storage.snapshot_every_records",
    "tls.certificate",
    "tls.key",
    "tls.reload_every_ms",
    "trace.batch_within_ms",
    "trace.endpoint",
    "trace.sample_ratio",
];

/// Keys that say who may come, which `SECURITY.md` tells in its own words.
const DOORS: &[&str] = &[
    "api.operator_key_sha256",
    "api.service_keys",
    "guests",
    "listen",
    "operations.listen",
    "origins.allowed",
];

fn told() -> BTreeSet<&'static str> {
    let (_, limits) = SECURITY
        .split_once("\n## What each limit is for\n")
        .unwrap();
    let (limits, _) = limits.split_once("\n## ").unwrap();
    (limits.split('`').skip(1).step_by(2))
        .filter(|it| keys::is_table(it.split('.').next().unwrap()) && !it.contains('/'))
        .collect()
}

#[test]
fn every_limit_has_its_threat() {
    let told = told();
    let mut untold: BTreeSet<String> = keys::all().collect();
    for key in told.iter().chain(OPERATION).chain(DOORS) {
        assert!(untold.remove(*key), "{key}: twice, or no key");
    }
    assert!(
        untold.is_empty(),
        "SECURITY.md does not say what these are for: {untold:?}"
    );
}

#[test]
fn what_it_points_to_is_there() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../");
    let places = SECURITY
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|it| it.contains('/') && !it.starts_with('/') && !it.contains(' '));
    let mut seen = 0;
    for place in places {
        assert!(
            std::path::Path::new(&format!("{root}{place}")).exists(),
            "{place}"
        );
        seen += 1;
    }
    assert!(seen > 10, "only {seen} places");
}
