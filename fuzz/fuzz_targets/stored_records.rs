//! Any bytes as what a tenant finds on its disk behind every checksum: a record of its log, a history of
//! them, or sections of a snapshot. Rooms are the only domain there is; each further one belongs here.
//!
//! Reading never panics. What is read is written and read as the same; a history that can be read can be
//! replayed, saved and loaded, and comes to the same either way.
#![no_main]

use std::collections::BTreeMap;

use homeroom_engine::{
    domain::{Domain, SectionId},
    index::{KEY_BYTES_MAX, VALUE_BYTES_MAX},
    log::LogPosition,
    tenant::{Entry, Seed, Settings, Tenant},
};
use homeroom_fuzz::Choices;
use homeroom_protocol::TenantName;
use libfuzzer_sys::fuzz_target;

/// Keys, roles, when users were last seen, three rooms, and a run of older keys.
const SECTIONS: [u64; 7] = [0, 1 << 32, (1 << 32) + 1, 1, 2, 3, (1 << 60) | 7];

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices::new(bytes);
    match choices.below(3) {
        0 => _ = record(choices.rest()),
        1 => history(&mut choices),
        _ => snapshot(&mut choices),
    }
});

fn seed() -> Seed {
    Seed {
        tenant: TenantName::new("school").expect("a valid name"),
        hash_key: [42; 16],
        settings: Settings {
            // Runs of older keys begin soon.
            keys_in_memory_max: 4,
            ..Settings::default()
        },
    }
}

/// Reads one record, writes it and reads it again.
fn record(bytes: &[u8]) -> Option<Entry> {
    let entry = match Tenant::decode(bytes) {
        Ok(entry) => entry,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return None;
        }
    };
    let written = Tenant::encode(&entry);
    assert_eq!(Tenant::decode(&written).as_ref(), Ok(&entry));
    assert_eq!(Tenant::encode(&entry), written);
    let mut rows = Vec::new();
    Tenant::index(&seed(), LogPosition(1), &entry, &mut rows);
    Tenant::index_late(&seed(), LogPosition(1), &entry, &mut rows);
    for row in rows {
        assert!(row.key.len() <= KEY_BYTES_MAX && row.value.len() <= VALUE_BYTES_MAX);
    }
    _ = Tenant::time(&entry);
    Some(entry)
}

/// Replays records, whoever wrote them.
fn history(choices: &mut Choices<'_>) {
    let mut tenant = Tenant::new(seed());
    let mut at = LogPosition::START;
    while !choices.is_empty() {
        let Some(entry) = record(choices.bytes()) else {
            continue;
        };
        at = at.next();
        tenant.apply(at, &entry);
        if at.0 == 3 {
            same_again(&tenant);
        }
    }
    same_again(&tenant);
}

/// Loads sections, whoever wrote them.
fn snapshot(choices: &mut Choices<'_>) {
    let mut tenant = Tenant::new(seed());
    let section = SectionId(SECTIONS[choices.below(SECTIONS.len())]);
    if let Err(error) = tenant.load_section(section, choices.rest()) {
        assert!(!error.to_string().is_empty());
        return;
    }
    if tenant.loaded().is_ok() {
        same_again(&tenant);
    }
}

/// What is saved of a tenant and loaded is saved as the same.
fn same_again(tenant: &Tenant) {
    let saved = sections(tenant);
    let mut again = Tenant::new(seed());
    for (section, bytes) in &saved {
        (again.load_section(*section, bytes)).expect("what was saved can be loaded");
    }
    again.loaded().expect("all of it was saved");
    assert_eq!(sections(&again), saved);
}

fn sections(tenant: &Tenant) -> BTreeMap<SectionId, Vec<u8>> {
    let sections = tenant.sections().into_iter();
    sections
        .filter_map(|section| Some((section, tenant.save_section(section)?)))
        .collect()
}
