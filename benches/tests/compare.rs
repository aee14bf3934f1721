//! The `compare` program, as people and CI run it.

use std::{path::Path, process::Command};

const FAN_OUT: [&str; 3] = ["fan-out", "--case", "16 in flight"];

/// Runs it small; what it printed and what it wrote.
fn compare(folder: &Path, words: &[&str], path: Option<&str>) -> (bool, String, serde_json::Value) {
    run(folder, &[&FAN_OUT, words].concat(), path)
}

fn run(folder: &Path, words: &[&str], path: Option<&str>) -> (bool, String, serde_json::Value) {
    let out = folder.join("out.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_compare"));
    command
        .args(["--tiny", "--pairs", "1"])
        .arg("--out")
        .arg(&out)
        .arg("--cache")
        .arg(folder.join("cache"))
        .args(words);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let output = command.output().expect("it was built");
    let printed = String::from_utf8(output.stdout).expect("it prints text");
    let written = std::fs::read(out).unwrap_or_default();
    let written = serde_json::from_slice(&written).unwrap_or_default();
    (output.status.success(), printed, written)
}

#[test]
fn homeroom_and_the_baseline_are_set_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["--only", "raw,homeroom,homeroom-durable"];
    let (is_well, printed, written) = compare(folder.path(), &words, None);
    assert!(is_well, "{printed}");
    let outcomes = written["cases"][0]["outcomes"].as_array().unwrap();
    assert_eq!(outcomes.len(), 3);
    for outcome in outcomes {
        assert_eq!(
            outcome["runs"][0]["count"], 400,
            "40 messages to 10 listeners: {outcome}"
        );
    }
    assert!(printed.contains("What is NOT equal:"), "{printed}");
    let picture = std::fs::read_to_string(folder.path().join("out.svg")).unwrap();
    assert!(picture.contains("homeroom-durable"), "{picture}");
}

#[test]
fn what_is_durable_is_asked_of_homeroom_and_of_a_baseline_that_is_durable_too() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let words = [
        "durable-fan-out",
        "--only",
        "raw,homeroom,homeroom-durable",
        "--folder",
        data.to_str().unwrap(),
    ];
    let (is_well, printed, written) = compare(folder.path(), &words, None);
    assert!(is_well, "{printed}");
    let durable = &written["cases"][1];
    assert_eq!(durable["case"]["durable"], true, "{printed}");
    assert_eq!(durable["outcomes"][0]["runs"][0]["count"], 400);
    assert_eq!(durable["outcomes"][1]["runs"][0]["count"], 400);
    assert_eq!(durable["outcomes"][2]["runs"].as_array().unwrap().len(), 0);
    assert!(printed.contains("not asked: homeroom is durable here itself"));
}

#[test]
fn who_comes_stays_and_leaves_is_counted_at_homeroom_and_at_the_baseline() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["idle", "storm", "waves", "--only", "raw,homeroom"];
    let (is_well, printed, written) = run(folder.path(), &words, None);
    assert!(is_well, "{printed}");
    let cases = written["cases"].as_array().unwrap();
    let told: Vec<_> = cases
        .iter()
        .flat_map(|case| {
            let name = case["case"]["name"].as_str().unwrap();
            let outcomes = case["outcomes"].as_array().unwrap().iter();
            outcomes.map(move |outcome| (name, outcome["runs"][0]["count"].as_u64().unwrap()))
        })
        .collect();
    // Four rooms of ten; waves are five.
    let each = |name, count| [(name, count); 2];
    let expected = [
        each("idle: 4 × 10, bare", 40),
        each("idle: 4 × 10, joined", 40),
        each("idle: 4 × 10, three rooms", 40),
        each("storm: 4 × 10, joined", 40),
        each("storm: 4 × 10, back", 40),
        each("waves: 4 × 10, bare", 200),
        each("waves: 4 × 10, joined", 200),
    ];
    assert_eq!(told, expected.concat(), "{printed}");
}

#[test]
fn what_goes_under_tls_is_delivered_at_homeroom_and_at_the_baseline() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["tls-fan-out", "--only", "raw,homeroom"];
    let (is_well, printed, written) = run(folder.path(), &words, None);
    assert!(is_well, "{printed}");
    let outcomes = written["cases"][0]["outcomes"].as_array().unwrap();
    assert_eq!(written["cases"][0]["case"]["tls"], true);
    let counts: Vec<_> = outcomes.iter().map(|it| &it["runs"][0]["count"]).collect();
    assert_eq!(counts, [400, 400]);
}

#[test]
fn a_peer_that_cannot_be_installed_stays_in_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["--only", "raw,uwebsockets,nats"];
    let (is_well, printed, written) = compare(folder.path(), &words, Some("/nowhere"));
    assert!(is_well, "what is ours ran: {printed}");
    for told in [
        "not run: see [2]",
        "NOT RUN: npm is needed, and is not on this machine",
        "NOT RUN: python3 is needed, and is not on this machine",
    ] {
        assert!(printed.contains(told), "{told} in {printed}");
    }
    assert_eq!(written["cases"][0]["outcomes"][0]["runs"][0]["count"], 400);
}

#[test]
fn a_peer_that_nobody_knows_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (is_well, printed, _) = compare(folder.path(), &["--only", "raw,phoenix"], None);
    assert!(!is_well);
    assert!(printed.contains("no peer is called phoenix"), "{printed}");
}
