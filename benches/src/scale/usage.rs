//! What this process has used so far, as Linux counts it; elsewhere nothing is known, and all is 0.

use std::{collections::BTreeMap, fs, time::Duration};

/// Ticks of the scheduler's clock in a second, as Linux shows them to programs on every machine.
const TICKS_PER_S: u64 = 100;

/// User and system time of all threads, those that have ended included. Exact to 10 ms.
#[must_use]
pub fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    Duration::from_millis(ticks(&stat) * 1000 / TICKS_PER_S)
}

/// The same for each thread that runs now, by its number.
#[must_use]
pub fn cpu_of_threads() -> BTreeMap<String, Duration> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten();
    let threads = tasks.filter_map(|task| {
        let task = task.ok()?;
        // A thread may end between two looks.
        let stat = fs::read_to_string(task.path().join("stat")).ok()?;
        let number = task.file_name().into_string().ok()?;
        Some((
            number,
            Duration::from_millis(ticks(&stat) * 1000 / TICKS_PER_S),
        ))
    });
    threads.collect()
}

/// proc(5): the name in brackets may hold anything; utime and stime are the 12th and 13th field behind it.
fn ticks(stat: &str) -> u64 {
    let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    let fields = behind.split_whitespace().skip(11).take(2);
    fields.filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// Memory that is resident now, in bytes.
#[must_use]
pub fn resident_bytes() -> u64 {
    status("VmRSS:") * 1024
}

/// Threads now.
#[must_use]
pub fn threads() -> u64 {
    status("Threads:")
}

fn status(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let value = line.and_then(|rest| rest.split_whitespace().next());
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn work_takes_time_and_memory() {
        let (cpu_before, resident_before) = (cpu(), resident_bytes());
        let mut held = vec![1_u8; 64 << 20];
        while cpu() == cpu_before {
            held.iter_mut()
                .for_each(|byte| *byte = byte.wrapping_mul(3));
        }
        assert!(std::hint::black_box(held).len() > 1);
        assert!(
            cpu_of_threads()
                .into_values()
                .any(|cpu| cpu > Duration::ZERO)
        );
        assert!(resident_before > 0 && threads() > 0);
    }
}
