//! What a figure is worth nothing without: when it was taken, and on what machine.

use std::{
    fmt, fs,
    io::{self, Write},
    path::Path,
    time::{Instant, SystemTime},
};

use serde::Serialize;

/// Date and machine of a result. Holds no names and no paths, so that results can be published.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// UTC, RFC 3339.
    pub date: String,
    /// As the system calls it; empty where it does not say.
    pub cpu: String,
    /// Cores this process may use.
    pub cores: usize,
    /// Memory in MiB; 0 where the system does not say.
    pub memory_mib: u64,
    /// Operating system and architecture.
    pub system: String,
    /// Median of a 4 KiB write with its fsync in the folder that is measured, in ms.
    pub fsync_ms: f64,
    /// Programs that wanted a core in the minute before, on average: above 0 others were at work too.
    /// 0 where the system does not say.
    pub load: f64,
    /// Whether the compiler optimised: figures of a debug build say nothing.
    pub optimised: bool,
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            date,
            cpu,
            cores,
            memory_mib,
            fsync_ms,
            load,
            ..
        } = self;
        write!(
            f,
            "{date}, {cpu}, {cores} cores, {memory_mib} MiB, fsync {fsync_ms:.2} ms, load {load}"
        )
    }
}

/// Writes a result, for people and programs.
///
/// # Errors
/// The system's.
pub fn write(out: &Path, report: &impl Serialize) -> io::Result<()> {
    if let Some(folder) = out.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut json = serde_json::to_string_pretty(report)?;
    json.push('\n');
    fs::write(out, json)
}

impl Machine {
    /// Looks at this machine; `folder` is where the measuring will be done.
    ///
    /// # Errors
    /// The system's, when it cannot write to the folder.
    pub fn look(folder: &Path) -> io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let memory = proc_field("/proc/meminfo", "MemTotal");
        let kib = memory.split(' ').next().and_then(|kib| kib.parse().ok());
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().and_then(|load| load.parse().ok());
        Ok(Self {
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            cpu: proc_field("/proc/cpuinfo", "model name"),
            cores,
            memory_mib: kib.unwrap_or(0_u64) / 1024,
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            fsync_ms: fsync_ms(folder)?,
            load: load.unwrap_or(0.0),
            optimised: !cfg!(debug_assertions),
        })
    }
}

/// A field of one of Linux's tables; empty elsewhere.
fn proc_field(table: &str, name: &str) -> String {
    let table = fs::read_to_string(table).unwrap_or_default();
    let fields = table.lines().filter_map(|line| line.split_once(':'));
    let mut named = fields.filter(|(field, _)| field.trim() == name);
    named
        .next()
        .map_or_else(String::new, |(_, value)| value.trim().to_owned())
}

fn fsync_ms(folder: &Path) -> io::Result<f64> {
    let mut file = tempfile::tempfile_in(folder)?;
    let mut times = Vec::new();
    for _ in 0..21 {
        let begun = Instant::now();
        file.write_all(&[0x5a; 4096])?;
        file.sync_data()?;
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(Spread::of(&mut times).median)
}

/// The usual and the extremes of several runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The fastest.
    pub min: f64,
    /// The one in the middle.
    pub median: f64,
    /// The slowest.
    pub max: f64,
}

impl Spread {
    /// Of at least one run; sorts them.
    ///
    /// # Panics
    /// Without runs.
    #[must_use]
    pub fn of(runs: &mut [f64]) -> Self {
        runs.sort_by(f64::total_cmp);
        Self {
            min: runs[0],
            median: runs[runs.len() / 2],
            max: runs[runs.len() - 1],
        }
    }
}

/// What most, nearly all and all of many measurements stayed below.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quantiles {
    /// How many there are.
    pub count: usize,
    /// Half of them.
    pub p50: f64,
    /// 99 of 100, rounded up.
    pub p99: f64,
    /// All.
    pub max: f64,
}

impl Quantiles {
    /// `None` of none; sorts them.
    #[must_use]
    pub fn of(times: &mut [f64]) -> Option<Self> {
        times.sort_by(f64::total_cmp);
        let count = times.len();
        Some(Self {
            count,
            p50: times[count.checked_sub(1)? / 2],
            p99: times[(count * 99).div_ceil(100) - 1],
            max: times[count - 1],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_the_ends_and_the_middle() {
        let spread = Spread::of(&mut [5.0, 1.0, 9.0, 2.0, 3.0]);
        assert_eq!((spread.min, spread.median, spread.max), (1.0, 3.0, 9.0));
        let one = Spread::of(&mut [7.0]);
        assert_eq!((one.min, one.median, one.max), (7.0, 7.0, 7.0));
    }

    #[test]
    fn quantiles_are_of_those_that_were_measured() {
        let mut times: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        let of = Quantiles::of(&mut times).unwrap();
        assert_eq!(
            (of.count, of.p50, of.p99, of.max),
            (200, 100.0, 198.0, 200.0)
        );
        let one = Quantiles::of(&mut [7.0]).unwrap();
        assert_eq!((one.p50, one.p99, one.max), (7.0, 7.0, 7.0));
        assert_eq!(Quantiles::of(&mut []), None);
    }

    #[test]
    fn a_machine_is_described_without_names_or_paths() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::look(folder.path()).unwrap();
        let shown = serde_json::to_string(&machine).unwrap();
        assert!(machine.cores > 0 && machine.date.ends_with('Z'), "{shown}");
        assert!(!shown.contains(folder.path().to_str().unwrap()), "{shown}");
    }
}
