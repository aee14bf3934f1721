//! What else befalls a mounted disk: it fills up, and it turns read-only.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::PathBuf,
    process::Command,
};

use super::device::{Disk, OPTIONS, run};

/// At once, then smaller ones: so that nothing is left.
const CHUNKS: [usize; 3] = [1024 * 1024, 4096, 1];

impl Disk {
    fn ballast(&self) -> PathBuf {
        self.mounted_at().join("ballast")
    }

    /// Writes until nothing more fits.
    pub(crate) fn fill(&self) {
        let mut options = OpenOptions::new();
        let mut ballast: File = options
            .create(true)
            .append(true)
            .open(self.ballast())
            .unwrap();
        for chunk in CHUNKS {
            let chunk = vec![0; chunk];
            loop {
                match ballast.write(&chunk) {
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
            // What is written later may need more than what is written now.
            match ballast.sync_all() {
                Err(error) if error.kind() != io::ErrorKind::StorageFull => panic!("{error}"),
                Ok(()) | Err(_) => {}
            }
        }
    }

    /// Gives all of that back.
    pub(crate) fn empty(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    /// The kernel gives up on the file system, as when its disk fails: it is read-only at once, whatever is
    /// open.
    ///
    /// Nobody may be syncing just then. ext4 answers a sync that is under way with success now and then, and
    /// keeps nothing (Linux 6.18; a loop of `pwrite` and `fdatasync` shows it in one of 25 tries).
    pub(crate) fn turn_read_only(&self) {
        let mut command = Command::new("mount");
        command.args(["-o", "remount,abort"]);
        run(command.arg(&self.mount_point)).unwrap();
    }

    /// Mounted again, after what the kernel gave up on was mended; `also` are further options.
    pub(crate) fn mounted_again(self, also: &str) -> Self {
        let (image, mount_point) = (self.image.clone(), self.mount_point.clone());
        drop(self);
        Self::mount(image, mount_point, &format!("{OPTIONS}{also}")).unwrap()
    }
}
