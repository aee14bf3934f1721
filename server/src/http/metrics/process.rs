//! What the system says of this process, under the names that all Prometheus clients use. Empty where
//! there is no `/proc`.

use std::fs;

use rustix::process::{Resource, getrlimit};

use super::text::Exposition;

/// Fields of `/proc/self/stat` behind the program's name (proc(5)), counted from the state on.
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;
const START_TICKS: usize = 19;
const VIRTUAL_BYTES: usize = 20;
const RESIDENT_PAGES: usize = 21;

/// Writes what there is. Blocks, on a file system in memory.
pub(super) fn write(page: &mut Exposition) {
    if let Ok(stat) = fs::read_to_string("/proc/self/stat") {
        write_stat(page, &stat);
    }
    if let Some(open) = open_files() {
        page.gauge("process_open_fds", "Open file descriptors.", open);
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        page.gauge(
            "process_max_fds",
            "File descriptors that may be open at once.",
            most,
        );
    }
}

fn write_stat(page: &mut Exposition, stat: &str) {
    // The name may hold anything, brackets and spaces too.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let fields: Vec<u64> = (fields.split_ascii_whitespace())
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    let field = |at: usize| fields.get(at).copied().unwrap_or(0);
    let ticks_per_s = rustix::param::clock_ticks_per_second();
    let cpu = seconds(field(USER_TICKS) + field(SYSTEM_TICKS), ticks_per_s);
    page.counter(
        "process_cpu_seconds_total",
        "Processor time used, by programs and system, in seconds.",
        cpu,
    );
    let resident = field(RESIDENT_PAGES) * rustix::param::page_size() as u64;
    page.gauge(
        "process_resident_memory_bytes",
        "Memory in use, in bytes.",
        resident,
    );
    page.gauge(
        "process_virtual_memory_bytes",
        "Address space in use, in bytes.",
        field(VIRTUAL_BYTES),
    );
    if let Some(booted) = booted() {
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
        let started = booted as f64 + seconds(field(START_TICKS), ticks_per_s);
        page.gauge(
            "process_start_time_seconds",
            "When the process started, in seconds since 1970.",
            started,
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "ticks of a process's life")]
fn seconds(ticks: u64, ticks_per_s: u64) -> f64 {
    ticks as f64 / ticks_per_s as f64
}

/// When the machine started, in seconds since 1970.
fn booted() -> Option<u64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

fn open_files() -> Option<u64> {
    // Newer kernels say it at once, older ones say 0.
    let said = fs::metadata("/proc/self/fd").ok()?.len();
    if said > 0 {
        return Some(said);
    }
    let listed = fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    // One is the listing's own.
    Some(listed.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_full_of_brackets_moves_no_field() {
        let mut stat = "7 (a) b (c)) S 1".to_owned();
        for field in 2..30 {
            stat += &format!(" {}", field * 100);
        }
        let mut page = Exposition::default();
        write_stat(&mut page, &stat);
        let text = page.into_text();
        assert!(text.contains("process_cpu_seconds_total 23\n"), "{text}");
        assert!(
            text.contains("process_virtual_memory_bytes 2000\n"),
            "{text}"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory_files_and_a_beginning() {
        let mut page = Exposition::default();
        let before = open_files().unwrap();
        let _open = fs::File::open("/proc/self/stat").unwrap();
        assert!(before > 0 && open_files().unwrap() > 0);
        write(&mut page);
        let text = page.into_text();
        let value = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            let value = line.unwrap().rsplit_once(' ').unwrap().1;
            value.parse::<f64>().unwrap()
        };
        assert!(value("process_resident_memory_bytes ") > 1e5);
        let now = std::time::SystemTime::now();
        let now = now.duration_since(std::time::UNIX_EPOCH).unwrap();
        let age = now.as_secs_f64() - value("process_start_time_seconds ");
        assert!((-2.0..3600.0).contains(&age), "{age} s");
    }
}
