//! The shim between a host and its disk: built with the machine's C compiler, loaded with `LD_PRELOAD`, told
//! what to do through a file that it maps.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

use super::crash_support::host::{Home, Serving};

const SOURCE: &str = include_str!("shim.c");
/// Of `struct control`.
const CONTROL_BYTES: u64 = 320;
const WORDS: u64 = 64;
const PLACE_BYTES: usize = 255;

/// What the shim is told, by its place in `struct control`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Word {
    /// Added to the clock, in ms; may be negative.
    ClockMs = 0,
    /// How long a sync takes, in microseconds.
    SyncUs = 1,
    /// Syncs that succeed before the first that fails.
    SyncsBefore = 2,
    /// How many fail then.
    SyncsFailing = 3,
    /// The same of writes.
    WritesBefore = 4,
    WritesFailing = 5,
    /// What such a write says.
    WriteErrno = 6,
    /// How many calls were made to fail; the shim counts.
    Failed = 7,
}

/// A built shim and the files through which it speaks.
#[derive(Debug)]
pub(crate) struct Shim {
    library: PathBuf,
    control: File,
    control_path: PathBuf,
    /// Where deeds are recorded.
    pub(crate) trace: PathBuf,
}

impl Shim {
    /// Builds it in `folder`.
    ///
    /// # Errors
    /// What this machine lacks.
    pub(crate) fn build(folder: &Path) -> Result<Self, String> {
        if !cfg!(all(
            target_os = "linux",
            target_pointer_width = "64",
            target_env = "gnu"
        )) {
            return Err("the shim is made for Linux with glibc on 64 bits".to_owned());
        }
        let (source, library) = (folder.join("shim.c"), folder.join("shim.so"));
        fs::write(&source, SOURCE).map_err(|error| format!("no source: {error}"))?;
        let mut cc = Command::new("cc");
        cc.args([
            "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread", "-o",
        ]);
        cc.arg(&library).arg(&source);
        let built = cc
            .output()
            .map_err(|error| format!("there is no cc: {error}"))?;
        assert!(
            built.status.success(),
            "{}",
            String::from_utf8_lossy(&built.stderr)
        );
        let control_path = folder.join("control");
        let mut options = OpenOptions::new();
        let control = options
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(&control_path);
        let control = control.map_err(|error| format!("no control file: {error}"))?;
        control
            .set_len(CONTROL_BYTES)
            .map_err(|error| format!("no control file: {error}"))?;
        Ok(Self {
            library,
            control,
            control_path,
            trace: folder.join("trace"),
        })
    }

    /// Tells it, at once.
    pub(crate) fn set(&self, word: Word, value: i64) {
        let at = word as u64 * 8;
        self.control.write_all_at(&value.to_le_bytes(), at).unwrap();
    }

    /// What it counts, or was told and has not done yet.
    pub(crate) fn get(&self, word: Word) -> i64 {
        let mut value = [0; 8];
        self.control
            .read_exact_at(&mut value, word as u64 * 8)
            .unwrap();
        i64::from_le_bytes(value)
    }

    /// Makes calls fail only below paths that hold this text.
    pub(crate) fn fail_in(&self, text: &str) {
        assert!(text.len() <= PLACE_BYTES);
        let mut place = [0; PLACE_BYTES + 1];
        place[..text.len()].copy_from_slice(text.as_bytes());
        self.control.write_all_at(&place, WORDS).unwrap();
    }

    /// Lets calls fail: so many succeed before, then so many do not.
    pub(crate) fn fail(&self, (before, failing): (Word, Word), succeed: u64, fail: u64) {
        self.set(before, i64::try_from(succeed).unwrap());
        self.set(failing, i64::try_from(fail).unwrap());
    }

    /// Starts a host behind the shim, which records what is done below `root` in a new trace. Blocks.
    pub(crate) fn start(&self, home: &Home, root: &Path) -> Serving {
        File::create(&self.trace).unwrap();
        let mut command = home.serve("127.0.0.1:0");
        command.env("LD_PRELOAD", &self.library);
        command.env("DISK_SHIM_ROOT", root);
        command.env("DISK_SHIM_TRACE", &self.trace);
        command.env("DISK_SHIM_CONTROL", &self.control_path);
        home.launch_as(command).ready()
    }

    /// Ends a host between two deeds, so that the trace tells of all of them; the trace.
    pub(crate) fn kill(&self, host: Serving) -> Vec<u8> {
        let trace = File::open(&self.trace).unwrap();
        trace.lock().unwrap();
        host.kill();
        fs::read(&self.trace).unwrap()
    }
}
