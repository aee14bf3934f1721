//! The real binary on disks that do what disks do: they lose what was not synced, in any order and torn;
//! they fill up, turn read-only, and fail. And on a clock that jumps.
//!
//! `cargo test` does a few rounds of each. A long run, and one with the seed of an earlier run:
//!
//! ```sh
//! HOMEROOM_DISK_ROUNDS=20 cargo test -p homeroom-server --test disk -- --nocapture
//! HOMEROOM_CRASH_SEED=42 cargo test -p homeroom-server --test disk torn_writes -- --nocapture
//! .ci/proof 4   # all of it and the kills, each for four minutes; writes server/PROOF.md
//! ```
//!
//! The seed chooses texts, windows, moments and what a cut leaves; what the host does meanwhile is up to the
//! machine, so a seed makes a finding likely again, not certain.
//!
//! The shim needs Linux with glibc and `cc`; full and read-only disks need root, loop devices and
//! `mkfs.ext4`. Where something is missing the tests say so and pass.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]
#![expect(
    clippy::print_stdout,
    reason = "seeds, counts and what is missing are for people"
)]

mod clock_jumps;
#[path = "../crash_support/mod.rs"]
mod crash_support;
#[path = "../crash_support/device.rs"]
mod device;
mod failing_disk;
mod full_disk;
#[path = "../crash_support/image.rs"]
mod image;
mod machine;
#[path = "../crash_support/medium.rs"]
mod medium;
#[path = "../crash_support/moments.rs"]
mod moments;
mod new_folder;
mod read_only_disk;
#[path = "../crash_support/report.rs"]
mod report;
#[path = "../crash_support/shim.rs"]
mod shim;
mod torn_writes;
#[path = "../crash_support/trace.rs"]
mod trace;
#[path = "../crash_support/troubled.rs"]
mod troubled;
mod waiting;

/// Asks for more rounds than `cargo test` does.
const ROUNDS: &str = "HOMEROOM_DISK_ROUNDS";

/// Says past the capture of the test harness, which would hide it, why a test is not run.
fn skipped(missing: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "skipped: {missing}");
}
