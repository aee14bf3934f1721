//! The real binary, as an operator runs it.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
    time::{Duration, Instant},
};

use homeroom_protocol::ServerFrame;
use rustix::process::{Pid, Signal, kill_process};
use socket2::SockRef;

use crate::{
    environment::{HOMEROOM, program},
    support::{Client, Got, PATIENCE},
};

const LOCK_WAIT: &str = "HOMEROOM_STORAGE__LOCK_WAIT_MS";
const NOTICE: &str = "HOMEROOM_DRAIN__NOTICE_MS";
const DRAIN: &str = "HOMEROOM_DRAIN__WITHIN_MS";

pub(crate) fn homeroom(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = program(HOMEROOM);
    command.args(arguments).arg("--data").arg(folder);
    command
}

pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    homeroom(folder, arguments).output().unwrap()
}

/// What a command printed that must have succeeded.
pub(crate) fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        complaint(&output)
    );
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A running host; killed if a test forgets it.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Held open: it has more to say than its first line.
    _stdout: BufReader<ChildStdout>,
}

impl Running {
    pub(crate) fn start(folder: &Path) -> Self {
        Self::start_with(folder, &["serve", "--listen", "127.0.0.1:0"])
    }

    fn start_with(folder: &Path, arguments: &[&str]) -> Self {
        Self::spawn(homeroom(folder, arguments))
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::ready(command.spawn().unwrap())
    }

    /// Waits until it serves.
    pub(crate) fn ready(mut child: Child) -> Self {
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        let mut stdout = BufReader::new(stdout);
        stdout.read_line(&mut line).unwrap();
        let address = (line.strip_prefix("ws://").or(line.strip_prefix("wss://")))
            .and_then(|rest| rest.strip_suffix("/v1/connect\n"))
            .unwrap_or_else(|| panic!("no address in {line:?}"));
        Self {
            address: address.parse().unwrap(),
            child,
            _stdout: stdout,
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its exit code and what it said on stderr.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        let mut said = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            stderr.read_to_string(&mut said).unwrap();
        }
        (status.code(), said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn sigterm_says_bye_and_exits_0_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let host = Running::start(folder.path());
    let mut ada = Client::enter(host.address, "ada");
    ada.create("class-7b");
    let (room, joined) = ada.join("class-7b", None);
    ada.send(room, "remember me");
    host.signal(Signal::TERM);
    let bye = ada.until(|frame| match frame {
        ServerFrame::Bye { code, .. } => Some(*code),
        _ => None,
    });
    assert_eq!((bye, ada.read()), (4000, Got::Close(4000)));
    drop(ada);
    assert_eq!(host.end().0, Some(0));

    // And after the hard way.
    for _ in 0..2 {
        let mut host = Running::start(folder.path());
        let mut ada = Client::enter(host.address, "ada");
        ada.join("class-7b", Some(joined));
        assert_eq!(ada.heard().1, "remember me");
        host.child.kill().unwrap();
    }
    assert!(done(folder.path(), &["check"]).contains("default\twhole up to position"));
}

#[test]
fn a_start_is_one_line_of_the_log_in_either_form() {
    for format in ["text", "json"] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = homeroom(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
        command.env("HOMEROOM_LOG__FORMAT", format);
        let host = Running::spawn(command);
        let (pid, address) = (host.child.id(), host.address);
        host.signal(Signal::TERM);
        let (_, said) = host.end();
        let started: Vec<_> = said.lines().filter(|it| it.contains("serving")).collect();
        let [line] = started[..] else {
            panic!("not one line: {said}");
        };
        let data = folder.path().display();
        if format == "json" {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["level"], "INFO");
            assert_eq!(line["version"], env!("CARGO_PKG_VERSION"));
            assert_eq!(line["data"], data.to_string());
            assert_eq!(line["pid"], pid);
            assert_eq!(line["address"], address.to_string());
        } else {
            let rest = format!("data={data} pid={pid} address={address}");
            assert!(line.contains("INFO") && line.ends_with(&rest), "{line}");
        }
    }
}

#[test]
fn a_second_signal_exits_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let host = Running::start(folder.path());
    // It takes its bye but does not hang up: the host would wait for it.
    let mut ada = Client::enter(host.address, "ada");
    host.signal(Signal::INT);
    ada.until(|frame| matches!(frame, ServerFrame::Bye { .. }).then_some(()));
    host.signal(Signal::INT);
    assert_eq!(host.end().0, Some(1));
}

#[test]
fn a_second_signal_ends_the_notice_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = homeroom(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    command.env(NOTICE, "3000000").env(DRAIN, "3600000");
    let host = Running::spawn(command);
    host.signal(Signal::TERM);
    // Two signals at once could be taken for one.
    let signalled = Instant::now();
    while Client::dial(host.address).get("/health/ready").0 == 200 {
        assert!(signalled.elapsed() < PATIENCE, "it stays ready");
    }
    Client::enter(host.address, "ada").is_served();
    host.signal(Signal::TERM);
    assert_eq!(host.end().0, Some(1));
}

#[test]
fn a_client_that_never_reads_does_not_keep_the_host() {
    const WITHIN: Duration = Duration::from_secs(3);
    let folder = tempfile::tempdir().unwrap();
    let mut command = homeroom(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    command.env(DRAIN, WITHIN.as_millis().to_string());
    let host = Running::spawn(command);
    let mut ada = Client::enter(host.address, "ada");
    ada.create("class-7b");
    let (room, _) = ada.join("class-7b", None);
    let mut deaf = Client::enter(host.address, "deaf");
    SockRef::from(deaf.stream())
        .set_recv_buffer_size(64 * 1024)
        .unwrap();
    deaf.join("class-7b", None);
    // More than the kernel's buffers and its outbox hold.
    for number in 0..400 {
        ada.send(room, &format!("{number:>16000}"));
    }
    host.signal(Signal::TERM);
    let signalled = Instant::now();
    assert_eq!(host.end().0, Some(0));
    let took = signalled.elapsed();
    // Its own bound, and what a slow machine needs to end a process.
    assert!(took < WITHIN + Duration::from_secs(2), "{took:?}");
    drop((ada, deaf));
}

#[test]
fn two_processes_take_turns_on_one_folder_and_one_address() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Running::start(folder.path());
    let address = host.address.to_string();
    let (mut joined, mut ears) = (None, Vec::new());
    for turn in 0..3 {
        let mut ada = Client::enter(host.address, "ada");
        if turn == 0 {
            ada.create("class-7b");
        }
        let (room, _) = ada.join("class-7b", joined);
        joined = Some(ada.send(room, &format!("turn {turn}")));
        // It waits for the folder, and only then for the address.
        let mut next = homeroom(folder.path(), &["serve", "--listen", &address]);
        let mut next = next
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut waits = String::new();
        ears.push(BufReader::new(next.stderr.take().unwrap()));
        let ear = ears.last_mut().unwrap();
        ear.read_line(&mut waits).unwrap();
        assert!(waits.contains("waiting for another process"), "{waits}");
        ada.is_served();
        host.signal(Signal::TERM);
        assert_eq!(ada.bye().0, 4000);
        drop(ada);
        assert_eq!(host.end().0, Some(0));
        host = Running::ready(next);
        assert_eq!(host.address.to_string(), address);
        // What the predecessor tidied up was its own.
        assert!(done(folder.path(), &["tenant", "list"]).contains("default"));
    }
}

#[test]
fn who_waits_for_a_folder_can_be_told_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let _host = Running::start(folder.path());
    let mut waiting = homeroom(folder.path(), &["serve", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(waiting.stderr.take().unwrap());
    said.read_line(&mut String::new()).unwrap();
    kill_process(Pid::from_child(&waiting), Signal::TERM).unwrap();
    assert_eq!(waiting.wait().unwrap().code(), Some(0));
}

#[test]
fn a_folder_serves_one_host_and_commands_go_through_it() {
    let folder = tempfile::tempdir().unwrap();
    // Without a host.
    done(folder.path(), &["tenant", "create", "north"]);
    assert_eq!(done(folder.path(), &["tenant", "list"]), "north\tasleep\n");

    let host = Running::start(folder.path());
    let mut second = homeroom(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    let second = second.env(LOCK_WAIT, "0").output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let why = complaint(&second);
    assert!(why.contains(&folder.path().display().to_string()), "{why}");
    assert!(why.contains("in use by another process"), "{why}");

    // Beside it.
    done(folder.path(), &["tenant", "create", "south"]);
    let mut ada = Client::enter_tenant(host.address, "south", "ada");
    ada.is_served();
    let listed = done(folder.path(), &["tenant", "list"]);
    let mut before = program(HOMEROOM);
    before
        .arg("--data")
        .arg(folder.path())
        .args(["tenant", "list"]);
    assert_eq!(before.output().unwrap().stdout, listed.as_bytes());
    assert_eq!(listed, "default\tasleep\nnorth\tasleep\nsouth\tawake\n");
    let again = run(folder.path(), &["tenant", "create", "south"]);
    assert!(complaint(&again).contains("tenant south exists already"));
    let invalid = run(folder.path(), &["tenant", "create", "South!"]);
    assert_eq!(invalid.status.code(), Some(1));
    assert!(done(folder.path(), &["check", "north"]).contains("north\tnothing written yet"));
}

#[test]
fn a_start_that_cannot_be_makes_no_folder_and_says_what_is_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = run(&data, &["serve", "--listen", &address]);
    assert_eq!(refused.status.code(), Some(1));
    let why = complaint(&refused);
    assert!(
        why.contains(&format!("cannot listen on {address}")),
        "{why}"
    );
    assert!(!data.exists());

    fs::write(&data, "").unwrap();
    let arguments: [&[&str]; 4] = [
        &["serve", "--listen", "127.0.0.1:0"],
        &["tenant", "create", "north"],
        &["check"],
        &["export", "north"],
    ];
    for arguments in arguments {
        let refused = run(&data, arguments);
        assert_eq!(refused.status.code(), Some(1));
        let why = complaint(&refused);
        assert!(
            why.contains("is a file and no folder") && why.contains("--data"),
            "{why}"
        );
    }
}

#[test]
fn the_admin_socket_is_the_owners_and_its_lines_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let _host = Running::start(folder.path());
    let place = folder.path().join("admin.sock");
    assert_eq!(
        fs::metadata(&place).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let mut socket = UnixStream::connect(&place).unwrap();
    let mut answers = BufReader::new(socket.try_clone().unwrap());
    let mut answer = |line: &[u8]| {
        socket.write_all(line).unwrap();
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        answer
    };
    assert!(answer(b"{\"ask\":\"list_tenants\"}\n").contains("default"));
    assert!(answer(b"what?\n").contains("refused"));
    assert!(answer(&[b'x'; 20_000]).contains("refused"));
    let mut rest = Vec::new();
    // The rest of the line is unread, so this may be a reset.
    let _ = answers.read_to_end(&mut rest);
    assert!(rest.is_empty());
}

#[test]
fn check_finds_damage_and_says_where_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let host = Running::start(folder.path());
    let mut ada = Client::enter(host.address, "ada");
    ada.create("class-7b");
    let (room, _) = ada.join("class-7b", None);
    ada.send(room, "precious");
    drop(ada);
    host.signal(Signal::TERM);
    assert_eq!(host.end().0, Some(0));
    assert!(done(folder.path(), &["check"]).contains("default\twhole"));

    let log = folder.path().join("tenants/default/log");
    let segment = (fs::read_dir(&log).unwrap())
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            fs::read(path)
                .unwrap()
                .windows(8)
                .any(|it| it == b"precious")
        })
        .expect("bodies are not yet sealed");
    let mut bytes = fs::read(&segment).unwrap();
    let at = bytes.windows(8).position(|it| it == b"precious").unwrap();
    bytes[at] ^= 1;
    fs::write(&segment, bytes).unwrap();

    for arguments in [&["check"][..], &["check", "default"]] {
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(1));
        let found = String::from_utf8(output.stdout).unwrap();
        assert!(found.starts_with("default\tdamaged: "), "{found}");
        assert!(found.contains(&log.display().to_string()), "{found}");
    }
    let missing = run(folder.path(), &["check", "nobody"]);
    assert!(complaint(&missing).contains("there is no tenant nobody"));
}

#[test]
fn beyond_loopback_guests_need_to_be_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let host = Running::start_with(folder.path(), &["serve", "--listen", "0.0.0.0:0"]);
    let local = SocketAddr::from(([127, 0, 0, 1], host.address.port()));
    let mut ada = Client::connect(local);
    ada.say(&homeroom_protocol::ClientFrame::Hello(
        crate::support::hello("default", "ada"),
    ));
    assert_eq!(ada.end(), (Some(4101), 4101));
    host.signal(Signal::TERM);
    let (code, said) = host.end();
    assert_eq!(code, Some(0));
    assert!(said.contains("--allow-guests"), "{said}");
    assert!(
        !said.contains('\x1b'),
        "a file or a pipe gets no colours: {said}"
    );

    let arguments = ["--listen", "0.0.0.0:0", "--allow-guests"];
    let host = Running::start_with(folder.path(), &arguments);
    let local = SocketAddr::from(([127, 0, 0, 1], host.address.port()));
    Client::enter(local, "ada").is_served();
}
