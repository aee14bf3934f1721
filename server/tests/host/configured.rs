//! The real binary and its config: where it is read from, and what an operator is told.

use std::{
    fs,
    os::unix::net::UnixDatagram,
    path::Path,
    process::{Output, Stdio},
};

use rustix::process::Signal;

use crate::{
    binary::{Running, homeroom},
    environment::{HOMEROOM, program},
    support::PATIENCE,
};

/// The binary in a folder of its own, nothing said but this.
fn asked(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = program(HOMEROOM);
    command.args(arguments).current_dir(folder).env_clear();
    command.envs(variables.iter().copied()).output().unwrap()
}

fn printed(output: &Output) -> String {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What is in force, without where it comes from.
fn values(printed: &str) -> Vec<&str> {
    let lines = printed.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.split("  # ").next().unwrap())
        .collect()
}

#[test]
fn what_is_printed_can_be_fed_back() {
    let folder = tempfile::tempdir().unwrap();
    let ask = |arguments: &[&str]| asked(folder.path(), arguments, &[]);
    let first = printed(&ask(&[
        "config",
        "--listen",
        "[::1]:9",
        "--set",
        "storage.shards=3",
    ]));
    assert!(
        first.contains("listen = \"[::1]:9\"  # from flag --listen"),
        "{first}"
    );
    // Found without being named, too.
    fs::write(folder.path().join("homeroom.toml"), &first).unwrap();
    fs::write(folder.path().join("other.toml"), &first).unwrap();
    for arguments in [&["config"][..], &["config", "--config", "other.toml"]] {
        let again = printed(&ask(arguments));
        assert_eq!(values(&again), values(&first));
        assert!(again.contains("toml, line "), "{again}");
    }
    assert_eq!(printed(&ask(&["config", "--check"])), "");
}

#[test]
fn every_layer_is_read_and_the_last_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("north.toml"),
        "guests = \"refused\"\n[rules]\nrooms_max = 1\ntyping_ttl_ms = 7000\n",
    )
    .unwrap();
    let variables = [
        ("HOMEROOM_CONFIG", "north.toml"),
        ("HOMEROOM_RULES__ROOMS_MAX", "2"),
        ("HOMEROOM_GUESTS", "on_loopback"),
    ];
    let arguments = ["config", "--allow-guests"];
    let printed = printed(&asked(folder.path(), &arguments, &variables));
    for line in [
        "guests = \"allowed\"  # from flag --allow-guests",
        "rooms_max = 2  # from variable HOMEROOM_RULES__ROOMS_MAX",
        "typing_ttl_ms = 7000  # from north.toml, line 4",
        "heartbeat_ms = 25000  # default",
    ] {
        assert!(printed.lines().any(|it| it == line), "{line}: {printed}");
    }
}

#[test]
fn a_mistake_is_told_at_once_and_nothing_is_served() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("homeroom.toml"),
        "lsten = \"127.0.0.1:0\"\n",
    )
    .unwrap();
    let variables = [("HOMEROOM_RULES_ROOMS_MAX", "2")];
    for command in [
        &["serve"][..],
        &["config"],
        &["config", "--check"],
        &["tenant", "list"],
        &[],
    ] {
        let output = asked(folder.path(), command, &variables);
        assert_eq!(
            complaint(&output),
            "homeroom: 2 things are wrong with the config\
             \n  ./homeroom.toml, line 1: there is no key \"lsten\"; did you mean listen?\
             \n  variable HOMEROOM_RULES_ROOMS_MAX: it sets nothing; did you mean HOMEROOM_RULES__ROOMS_MAX?\n"
        );
    }
    assert!(!folder.path().join("homeroom-data").exists());
}

#[test]
fn the_folder_named_in_a_file_counts_for_every_command() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("homeroom.toml"), "data = \"north\"\n").unwrap();
    let made = asked(folder.path(), &["tenant", "create", "school"], &[]);
    assert_eq!(printed(&made), "made tenant school\n");
    let mut listed = homeroom(&folder.path().join("north"), &["tenant", "list"]);
    assert_eq!(printed(&listed.output().unwrap()), "school\tasleep\n");
}

#[test]
fn a_service_manager_hears_when_it_serves_and_when_it_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("notify");
    let manager = UnixDatagram::bind(&place).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let hear = || {
        let mut heard = [0; 64];
        let count = manager.recv(&mut heard).unwrap();
        String::from_utf8_lossy(&heard[..count]).into_owned()
    };
    let data = folder.path().join("data");
    let mut command = homeroom(&data, &["serve", "--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", &place).stdout(Stdio::piped());
    let host = Running::ready(command.stderr(Stdio::null()).spawn().unwrap());
    assert_eq!(hear(), "READY=1");
    host.signal(Signal::TERM);
    assert_eq!(hear(), "STOPPING=1");
    assert_eq!(host.end().0, Some(0));
}

#[test]
fn a_certificate_that_cannot_be_used_is_told_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "--set",
        "tls.certificate=north.pem",
        "--set",
        "tls.key=key.pem",
    ];
    let told = complaint(&asked(folder.path(), &arguments, &[]));
    assert!(told.contains("cannot read north.pem"), "{told}");
    let check = [&["config", "--check"], &arguments[..]].concat();
    assert_eq!(complaint(&asked(folder.path(), &check, &[])), told);
    // What is printed is the config alone, which can be written before the files are there.
    let print = [&["config"], &arguments[..]].concat();
    assert!(printed(&asked(folder.path(), &print, &[])).contains("north.pem"));
    assert!(!folder.path().join("homeroom-data").exists());
}
