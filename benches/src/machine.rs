//! What a figure is worth nothing without: when it was taken, and on what machine.

use std::{
    fs,
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
    fn a_machine_is_described_without_names_or_paths() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::look(folder.path()).unwrap();
        let shown = serde_json::to_string(&machine).unwrap();
        assert!(machine.cores > 0 && machine.date.ends_with('Z'), "{shown}");
        assert!(!shown.contains(folder.path().to_str().unwrap()), "{shown}");
    }
}
