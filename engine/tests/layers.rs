//! Who may know whom, held by reading the source: the import rules of the architecture section of the
//! README. A rule that is fought is to be changed there first.
#![cfg(test)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

/// The Rust files under a path of the workspace, each with its code: comments and inline tests cut off.
fn sources(under: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(under)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().display().to_string();
                found.push((name, code_of(&fs::read_to_string(&path).unwrap())));
            }
        }
    }
    assert!(!found.is_empty(), "no source under {under}: has it moved?");
    found.sort();
    found
}

fn code_of(text: &str) -> String {
    let text = text
        .split("\n#[cfg(test)]\nmod ")
        .next()
        .unwrap_or_default();
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    code.collect::<Vec<_>>().join("\n")
}

/// No file under `under`, but those in `except`, holds any of `words`.
fn forbid(under: &str, except: &[&str], words: &[&str], why: &str) {
    for (name, code) in sources(under) {
        if except.contains(&name.as_str()) {
            continue;
        }
        for word in words {
            assert!(!code.contains(word), "{name} names `{word}`: {why}");
        }
    }
}

const NO_IO: &[&str] = &[
    "tokio",
    "std::fs",
    "std::net",
    "std::thread",
    "Instant",
    "SystemTime",
    "getrandom",
    "sled::",
];

#[test]
fn the_protocol_is_a_leaf() {
    forbid(
        "protocol/src",
        &[],
        NO_IO,
        "the wire has no I/O and no clock",
    );
    forbid(
        "protocol/src",
        &[],
        &["homeroom_"],
        "the wire knows nothing of ours",
    );
}

#[test]
fn the_tenant_is_pure() {
    forbid(
        "engine/src/tenant",
        &[],
        NO_IO,
        "rules get time and randomness as arguments",
    );
    let outer = [
        "crate::runtime",
        "crate::snapshot",
        "crate::session",
        "crate::engine",
        "SnapshotStore",
    ];
    forbid(
        "engine/src/tenant",
        &[],
        &outer,
        "rules know no runtime and no store",
    );
}

#[test]
fn the_log_sees_ids_and_bytes() {
    let outer = [
        "crate::tenant",
        "crate::hub",
        "crate::domain",
        "crate::runtime",
        "crate::index",
        "tokio",
    ];
    forbid("engine/src/log", &[], &outer, "a log knows no rules");
}

#[test]
fn the_index_and_the_snapshots_know_no_rules() {
    let outer = ["crate::tenant", "crate::hub", "crate::runtime", "tokio"];
    forbid(
        "engine/src/index",
        &[],
        &outer,
        "an index knows rows, and rules by their trait only",
    );
    forbid(
        "engine/src/snapshot",
        &[],
        &outer,
        "a snapshot is sections of bytes",
    );
}

#[test]
fn the_hub_is_sans_io() {
    let io = [
        "tokio",
        "std::fs",
        "std::net",
        "Instant",
        "SystemTime",
        "crate::tenant",
        "crate::log",
    ];
    forbid(
        "engine/src/hub",
        &[],
        &io,
        "a shard is driven, it drives nothing",
    );
}

#[test]
fn figures_are_numbers_that_know_nobody() {
    let outer = [
        "crate::tenant",
        "crate::runtime",
        "crate::index",
        "crate::snapshot",
        "crate::engine",
        "tokio",
        "SystemTime",
        "\nstatic ",
        "thread_local",
    ];
    forbid(
        "engine/src/metrics",
        &[],
        &outer,
        "whoever does something counts it; there is no global state",
    );
}

#[test]
fn the_contracts_are_pure() {
    for part in ["domain.rs", "identity.rs"] {
        let code = code_of(&fs::read_to_string(root().join("engine/src").join(part)).unwrap());
        for word in NO_IO {
            assert!(
                !code.contains(word),
                "{part} names `{word}`, but is part of the pure core"
            );
        }
    }
}

#[test]
fn time_and_entropy_have_one_reader() {
    let readers = ["SystemTime", "getrandom"];
    let except = ["engine/src/runtime/clock.rs"];
    forbid(
        "engine/src",
        &except,
        &readers,
        "everything else gets them as arguments",
    );
}

#[test]
fn the_runtime_works_for_any_domain() {
    let shared = [
        "core.rs",
        "group_commit.rs",
        "held.rs",
        "lanes.rs",
        "snapshotting.rs",
        "writer.rs",
        "directory.rs",
    ];
    for file in shared {
        let path = root().join("engine/src/runtime").join(file);
        let code = code_of(&fs::read_to_string(&path).unwrap());
        assert!(
            !code.contains("crate::tenant"),
            "{file} is shared by every kind of tenant"
        );
    }
}

#[test]
fn each_borrowed_part_has_one_door() {
    // `sled::SledIndex` is our own module of that name.
    let theirs = [
        "::sled",
        "use sled",
        "sled::Db",
        "sled::Config",
        "sled::Tree",
        "sled::Batch",
    ];
    let door = ["engine/src/index/sled.rs"];
    forbid("engine/src", &door, &theirs, "sled has one door");
    for word in ["sha2::", "subtle::"] {
        let door = ["server/src/http/api/key.rs"];
        forbid("server/src", &door, &[word], "keys are hashed in one place");
    }
    for part in ["server/src", "clients/rust/src"] {
        let websockets = modules_that_name(part, "fastwebsockets");
        assert_eq!(
            websockets.len(),
            1,
            "fastwebsockets has one door in {part}, not {websockets:?}"
        );
        let tls = modules_that_name(part, "rustls");
        assert_eq!(tls.len(), 1, "rustls has one door in {part}, not {tls:?}");
    }
}

/// The modules right below `part`, files or folders, of which a file holds `word`.
fn modules_that_name(part: &str, word: &str) -> BTreeSet<String> {
    let named = sources(part)
        .into_iter()
        .filter(|(_, code)| code.contains(word));
    named
        .map(|(name, _)| name.trim_start_matches(part).trim_matches('/').to_owned())
        .map(|name| name.split('/').next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn apps_know_only_the_protocol() {
    let inner = ["homeroom_engine", "homeroom_server"];
    for part in ["clients/rust/src", "examples/chat"] {
        forbid(part, &[], &inner, "an app speaks the wire, nothing else");
    }
}

#[test]
fn faults_are_planted_by_the_simulation_alone() {
    let mut asks = Vec::new();
    for part in [
        "protocol",
        "engine",
        "engine/simulation",
        "server",
        "clients/rust",
        "benches",
        "examples",
    ] {
        let manifest = fs::read_to_string(root().join(part).join("Cargo.toml")).unwrap();
        let mut lines = manifest.lines();
        if lines.any(|line| line.contains("planted-faults") && line.contains("homeroom-engine")) {
            asks.push(part);
        }
        assert!(
            !manifest.contains("default = [\"planted"),
            "{part} would release planted faults"
        );
    }
    assert_eq!(asks, ["engine/simulation"]);
}

#[test]
fn no_file_grows_into_a_catch_all() {
    const VAGUE: [&str; 8] = [
        "util", "utils", "helper", "helpers", "manager", "misc", "common", "data",
    ];
    for part in [
        "protocol/src",
        "engine/src",
        "engine/simulation/src",
        "server/src",
        "clients/rust/src",
    ] {
        for (name, code) in sources(part) {
            if name.contains("/tests/") {
                continue;
            }
            let lines = code.lines().count();
            assert!(
                lines <= 600,
                "{name} has {lines} lines of code: which noun is hiding in it?"
            );
            let file = Path::new(&name)
                .file_stem()
                .unwrap()
                .to_string_lossy()
                .into_owned();
            assert!(
                !VAGUE.contains(&file.as_str()),
                "{name}: a module is named after its noun"
            );
        }
    }
}
