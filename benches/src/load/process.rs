//! The server that is measured: a process of its own on a core of its own, and what the system counts of it.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    net::{SocketAddr, TcpStream},
    os::unix::fs::FileExt,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    param::clock_ticks_per_second,
    process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

/// How long a server may take to listen.
const START_WITHIN: Duration = Duration::from_secs(30);
/// How long it may take to leave before it is killed.
const LEAVE_WITHIN: Duration = Duration::from_secs(10);

/// Which cores serve and load. Without two cores, both use what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cores {
    split: Option<(usize, usize)>,
}

/// A server that runs; it ends with its owner.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Its standard error.
    complaints: File,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Where a server that was started will listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// The first line of its standard output names it, as in `ws://127.0.0.1:7400/v1/connect`.
    OnStdout,
    /// Here: it is waited for until it takes a connection.
    At(SocketAddr),
}

/// Processor time of a process since it began, of all its threads.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CpuTime {
    /// In the program, in s.
    pub user_s: f64,
    /// In the kernel on its behalf, in s.
    pub system_s: f64,
}

impl CpuTime {
    /// What came since.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            user_s: self.user_s - earlier.user_s,
            system_s: self.system_s - earlier.system_s,
        }
    }

    /// Both.
    #[must_use]
    pub fn total_s(self) -> f64 {
        self.user_s + self.system_s
    }

    /// Of the process itself.
    ///
    /// # Errors
    /// The system's.
    pub fn of_self() -> io::Result<Self> {
        cpu_time("/proc/self/stat")
    }

    /// Of another process.
    ///
    /// # Errors
    /// The system's, as when it is gone.
    pub fn of(pid: u32) -> io::Result<Self> {
        cpu_time(&format!("/proc/{pid}/stat"))
    }
}

impl Cores {
    /// The first two this process may use.
    ///
    /// # Errors
    /// The system's.
    pub fn choose() -> io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
        Ok(Self {
            split: cores.next().zip(cores.next()),
        })
    }

    /// Whether server and load have a core each.
    #[must_use]
    pub const fn are_apart(self) -> bool {
        self.split.is_some()
    }

    /// Moves this thread to the core of the load.
    ///
    /// # Errors
    /// The system's.
    pub fn load_here(self) -> io::Result<()> {
        self.split.map_or(Ok(()), |(_, core)| only(core))
    }

    /// Starts a process on the core of the server, all of whose threads stay there. Afterwards this thread is on the core
    /// of the load.
    ///
    /// # Errors
    /// The system's.
    pub fn spawn(self, command: &mut Command) -> io::Result<Child> {
        // A child begins where the thread is that makes it.
        if let Some((core, _)) = self.split {
            only(core)?;
        }
        let child = command.spawn();
        self.load_here()?;
        child
    }
}

impl Server {
    /// Starts a server and waits until it listens. Afterwards this thread is on the core of the load.
    ///
    /// # Errors
    /// When it does not come up, for people.
    pub fn start(
        command: &mut Command,
        announced: Announced,
        cores: Cores,
    ) -> Result<Self, String> {
        let program = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null());
        command.stdout(match announced {
            Announced::OnStdout => Stdio::piped(),
            Announced::At(_) => Stdio::null(),
        });
        let io_failed = |error: io::Error| format!("{program} cannot be prepared: {error}");
        let complaints = tempfile::tempfile().map_err(io_failed)?;
        command.stderr(complaints.try_clone().map_err(io_failed)?);
        let child = cores.spawn(command);
        let child = child.map_err(|error| format!("{program} does not start: {error}"))?;
        let mut server = Self {
            child,
            complaints,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        let address = match announced {
            Announced::OnStdout => server.announcement(),
            Announced::At(address) => server.wait_for(address),
        };
        match address {
            Ok(address) => server.address = address,
            Err(failure) => {
                let said = server.complaints();
                return Err(format!("{failure}; it said: {said}"));
            }
        }
        Ok(server)
    }

    /// What the system calls it.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has used so far.
    ///
    /// # Errors
    /// The system's, as when it is gone.
    pub fn cpu_time(&self) -> io::Result<CpuTime> {
        CpuTime::of(self.pid())
    }

    /// Bytes of memory that are its own and in RAM.
    ///
    /// # Errors
    /// The system's, as when it is gone.
    pub fn resident_bytes(&self) -> io::Result<u64> {
        resident_bytes(self.pid())
    }

    /// The first 4 KiB of what it wrote to its standard error.
    #[must_use]
    pub fn complaints(&self) -> String {
        let mut bytes = vec![0; 4096];
        let count = self.complaints.read_at(&mut bytes, 0).unwrap_or(0);
        String::from_utf8_lossy(&bytes[..count]).trim().to_owned()
    }

    fn announcement(&mut self) -> Result<SocketAddr, String> {
        let stdout = self.child.stdout.take().expect("piped above");
        // Bounded: a server that prints something else is told so, not waited for.
        let mut line = String::new();
        let mut lines = BufReader::new(stdout.take(4096));
        lines
            .read_line(&mut line)
            .map_err(|error| error.to_string())?;
        // Kept open, so that it can go on printing, which nobody reads: none of them prints much.
        self.child.stdout = Some(lines.into_inner().into_inner());
        let named = line.split("//").nth(1).unwrap_or(&line);
        let named = named.split('/').next().unwrap_or_default().trim();
        let told = || format!("the server named no address but {line:?}");
        named.parse().map_err(|_| told())
    }

    fn wait_for(&mut self, address: SocketAddr) -> Result<SocketAddr, String> {
        let until = Instant::now() + START_WITHIN;
        while TcpStream::connect(address).is_err() {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the server ended at once: {status}"));
            }
            if Instant::now() > until {
                return Err(format!("nothing listens on {address}"));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        let asked = pid.is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok());
        let until = Instant::now() + LEAVE_WITHIN;
        while asked && Instant::now() < until {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Allows this process, and those it starts, as many open files as the system lets it. Returns how many.
///
/// # Errors
/// The system's.
pub fn raise_open_files() -> io::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            ..limit
        },
    )?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

/// Bytes of memory that are a process's own and in RAM.
///
/// # Errors
/// The system's, as when it is gone.
pub fn resident_bytes(pid: u32) -> io::Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    let kib: u64 = kib.ok_or_else(|| io::Error::other("no Rss in smaps_rollup"))?;
    Ok(kib * 1024)
}

fn only(core: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

fn cpu_time(path: &str) -> io::Result<CpuTime> {
    let stat = fs::read_to_string(path)?;
    parse_cpu_time(&stat).ok_or_else(|| io::Error::other(format!("{path} reads {stat}")))
}

/// Fields 14 and 15 of proc_pid_stat(5). The second, the name, may hold blanks and brackets itself.
fn parse_cpu_time(stat: &str) -> Option<CpuTime> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_ascii_whitespace().skip(11);
    let mut seconds = || Some(fields.next()?.parse::<f64>().ok()? / ticks_per_second());
    Some(CpuTime {
        user_s: seconds()?,
        system_s: seconds()?,
    })
}

#[expect(clippy::cast_precision_loss, reason = "it is 100")]
fn ticks_per_second() -> f64 {
    clock_ticks_per_second() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 900 0 0 0 250 1075 0 0 20 0 1 0 9 0 0";
        let time = parse_cpu_time(stat).unwrap();
        let ticks = ticks_per_second();
        assert_eq!(
            (time.user_s, time.system_s),
            (250.0 / ticks, 1075.0 / ticks)
        );
        assert_eq!(parse_cpu_time("7 (short) S 1"), None);
    }

    #[test]
    fn a_server_that_ends_at_once_is_quoted() {
        let cores = Cores { split: None };
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo the port is taken >&2; exit 1"]);
        // A port where nothing listens: it was just given back.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let refused = Server::start(&mut shell, Announced::At(address), cores).unwrap_err();
        assert!(refused.contains("ended at once"), "{refused}");
        assert!(refused.contains("it said: the port is taken"), "{refused}");
    }

    #[test]
    fn a_server_that_names_no_address_is_refused_with_what_it_said() {
        let cores = Cores { split: None };
        let mut echo = Command::new("echo");
        echo.arg("hello");
        let refused = Server::start(&mut echo, Announced::OnStdout, cores).unwrap_err();
        assert!(refused.contains("hello"), "{refused}");
    }
}
