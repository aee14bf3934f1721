//! What an operator does to tenants, by the real binary: beside a running host and without one.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use homeroom_protocol::{ClientFrame, Position, ResetReason, ServerFrame};
use rustix::process::Signal;

use crate::{
    binary::{Running, complaint, done, run},
    environment::{HOMEROOM, program},
    support::{Client, Got, hello},
};

/// A host whose default tenant has three messages in `class-7b`; the position of the last.
fn school(folder: &Path) -> (Running, Position) {
    let host = Running::start(folder);
    let mut ada = Client::enter(host.address, "ada");
    ada.create("class-7b");
    let (room, _) = ada.join("class-7b", None);
    let mut last = None;
    for text in ["one", "two", "three \"quoted\"\n"] {
        last = Some(ada.send(room, text));
    }
    (host, last.unwrap())
}

fn stop(host: Running) {
    host.signal(Signal::TERM);
    assert_eq!(host.end().0, Some(0));
}

/// What somebody who was at a position is told on coming back.
fn comes_back(host: &Running, tenant: &str, position: Position) -> Option<ResetReason> {
    let mut ada = Client::enter_tenant(host.address, tenant, "ada");
    ada.ask(homeroom_protocol::Request::Join {
        room: "class-7b".parse().unwrap(),
        resume: Some(position),
    });
    ada.until(|frame| match frame {
        ServerFrame::Joined { reset, .. } => Some(*reset),
        _ => None,
    })
}

/// The bye of a tenant that lets nobody in.
fn turned_away(host: &Running, tenant: &str) -> (u16, Option<u64>, String) {
    let mut client = Client::connect(host.address);
    client.say(&ClientFrame::Hello(hello(tenant, "ada")));
    match client.read() {
        Got::Frame(ServerFrame::Bye {
            code,
            reconnect_after_ms,
            explanation,
        }) => (code, reconnect_after_ms, explanation),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_backup_beside_a_running_host_is_checked_and_restored_into_another_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    let (host, last) = school(&old);
    // A relative path is the command's, not the host's.
    let mut command = program(HOMEROOM);
    command.args(["--data", "old", "backup", "monday"]);
    let output = command.current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", complaint(&output));
    let printed = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(
        printed.starts_with("default\tbacked up to position 4 "),
        "{printed}"
    );
    assert_eq!(complaint(&output), "", "no bar where nobody looks");
    let to = folder.path().join("monday");
    let again = run(&old, &["backup", to.to_str().unwrap()]);
    assert!(complaint(&again).contains("is there already and not empty"));
    assert_eq!(again.status.code(), Some(1));
    assert!(done(&to, &["check"]).contains("default\twhole up to position 4"));
    let served = run(&to, &["serve", "--listen", "127.0.0.1:0"]);
    assert!(
        complaint(&served).contains("is a backup"),
        "{}",
        complaint(&served)
    );
    let missing = folder.path().join("missing");
    done(&old, &["backup", missing.to_str().unwrap()]);
    fs::remove_dir_all(missing.join("tenants/default")).unwrap();
    fs::remove_file(missing.join("marks/default")).unwrap();
    let checked = run(&missing, &["check"]);
    assert_eq!(checked.status.code(), Some(1));
    let found = String::from_utf8(checked.stdout).unwrap();
    assert!(
        found.contains("default\tdamaged: the backup should hold"),
        "{found}"
    );
    let to = to.to_str().unwrap();
    let taken = run(&old, &["restore", to]);
    assert!(complaint(&taken).contains("tenant default exists already"));
    let beside = done(&old, &["restore", to, "default", "--as", "copy"]);
    assert!(
        beside.starts_with("copy\trestored up to position 4"),
        "{beside}"
    );
    assert_eq!(
        comes_back(&host, "copy", last),
        Some(ResetReason::EpochChanged)
    );
    assert_eq!(comes_back(&host, "default", last), None);
    stop(host);

    assert!(done(&new, &["restore", to]).starts_with("default\trestored"));
    let host = Running::start(&new);
    assert_eq!(
        comes_back(&host, "default", last),
        Some(ResetReason::EpochChanged)
    );
}

#[test]
fn a_backup_without_a_damaged_tenant_says_so_by_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (host, _) = school(&data);
    done(&data, &["tenant", "create", "north"]);
    stop(host);
    damage(&data);
    let to = folder.path().join("monday");
    let output = run(&data, &["backup", to.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(
        printed.contains("north\tbacked up to position 0"),
        "{printed}"
    );
    assert!(printed.contains("default\tleft out: "), "{printed}");
    assert!(complaint(&output).contains("1 of the tenants"));
}

/// Flips a bit of the message "two".
fn damage(data: &Path) {
    let log = data.join("tenants/default/log");
    let segment = fs::read_dir(log).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&segment).unwrap();
    let at = bytes.windows(4).position(|it| it == b"\xa3two").unwrap();
    bytes[at] ^= 1;
    fs::write(segment, bytes).unwrap();
}

#[test]
fn a_repair_asks_for_a_position_that_check_has_named_and_says_what_is_lost() {
    for running in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let (host, last) = school(&data);
        let host = if running {
            Some(host)
        } else {
            stop(host);
            None
        };
        let needless = done(&data, &["repair", "default"]);
        assert!(
            needless.starts_with("default\twhole up to position ")
                && needless.ends_with("; it needs no repair\n"),
            "{needless}"
        );
        host.into_iter().for_each(stop);
        damage(&data);
        let host = running.then(|| Running::start(&data));
        let checked = run(&data, &["check"]);
        let found = String::from_utf8(checked.stdout).unwrap();
        let way_out = "homeroom repair default --drop-after 2";
        assert!(found.contains(way_out), "{found}");
        let unsaid = run(&data, &["repair", "default"]);
        assert_eq!(unsaid.status.code(), Some(1));
        assert!(
            complaint(&unsaid).contains(way_out),
            "{}",
            complaint(&unsaid)
        );
        let repaired = done(&data, &["repair", "default", "--drop-after", "2"]);
        assert!(
            repaired.contains("default\tkept up to position 2"),
            "{repaired}"
        );
        assert!(
            repaired.contains("lost\troom class-7b: 1 events"),
            "{repaired}"
        );
        assert!(repaired.contains("no whole commit is there"), "{repaired}");
        let aside = data.join("tenants/default.BROKEN-1");
        assert!(repaired.contains(&aside.display().to_string()) && aside.exists());
        assert!(done(&data, &["check"]).contains("default\twhole up to position 3"));
        let host = host.unwrap_or_else(|| Running::start(&data));
        assert_eq!(
            comes_back(&host, "default", last),
            Some(ResetReason::EpochChanged)
        );
        assert_eq!(done(&data, &["tenant", "list"]), "default\tawake\n");
    }
}

#[test]
fn an_export_goes_to_the_output_or_into_a_private_file_that_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (host, _) = school(&data);
    let beside = done(&data, &["export", "default"]);
    let lines: Vec<_> = beside.lines().collect();
    // The room, and three messages.
    assert_eq!(lines.len(), 6);
    assert!(lines[0].contains("\"homeroom_export\":1") && lines[0].contains("\"position\":4"));
    assert!(
        lines[4].contains(r#""text":"three \"quoted\"\n""#),
        "{}",
        lines[4]
    );
    assert_eq!(lines[5], r#"{"end":true,"events":4}"#);
    let file = folder.path().join("school.jsonl");
    let name = file.to_str().unwrap();
    done(&data, &["export", "default", "--to", name]);
    assert_eq!(fs::read_to_string(&file).unwrap(), beside);
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let again = run(&data, &["export", "default", "--to", name]);
    assert!(complaint(&again).contains("is there already"));
    let nobody = folder.path().join("nobody.jsonl");
    let missing = run(
        &data,
        &["export", "nobody", "--to", nobody.to_str().unwrap()],
    );
    assert!(complaint(&missing).contains("there is no tenant nobody"));
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        2,
        "nothing is left aside"
    );
    stop(host);
    let asleep = done(&data, &["export", "default"]);
    let kept: Vec<_> = asleep.lines().collect();
    assert_eq!(kept[1..5], lines[1..5]);
    // Whoever was there when it stopped was seen.
    assert!(
        kept[5].contains(r#""kind":"seen","users":[["ada","#),
        "{}",
        kept[5]
    );
    assert_eq!(kept.len(), 7);
}

#[test]
fn a_suspended_tenant_turns_clients_away_for_a_while_and_a_deleted_one_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let (host, last) = school(folder.path());
    let mut ada = Client::enter(host.address, "ada");
    done(folder.path(), &["tenant", "suspend", "default"]);
    let bye = ada.until(|frame| match frame {
        ServerFrame::Bye { code, .. } => Some(*code),
        _ => None,
    });
    assert_eq!(bye, 4006);
    let (code, after, why) = turned_away(&host, "default");
    assert_eq!((code, why.as_str()), (4006, "the tenant is suspended"));
    assert!(after.unwrap() >= 300_000, "{after:?}");
    assert_eq!(
        done(folder.path(), &["tenant", "list"]),
        "default\tsuspended\n"
    );
    assert!(done(folder.path(), &["check"]).contains("default\twhole"));
    done(folder.path(), &["tenant", "resume", "default"]);
    assert_eq!(comes_back(&host, "default", last), None);

    let unsure = run(folder.path(), &["tenant", "delete", "default"]);
    assert!(
        complaint(&unsure).contains("--yes"),
        "{}",
        complaint(&unsure)
    );
    let mut ada = Client::enter(host.address, "ada");
    done(folder.path(), &["tenant", "delete", "default", "--yes"]);
    let bye = ada.until(|frame| match frame {
        ServerFrame::Bye { code, .. } => Some(*code),
        _ => None,
    });
    assert_eq!(bye, 4203);
    assert_eq!(turned_away(&host, "default").0, 4203);
    assert_eq!(done(folder.path(), &["tenant", "list"]), "");
    done(folder.path(), &["tenant", "create", "default"]);
    let mut ada = Client::enter(host.address, "ada");
    ada.create("class-7b");
    assert_eq!(
        comes_back(&host, "default", last),
        Some(ResetReason::EpochChanged)
    );
}
