//! A disk whose power can be cut: an ext4 file system in an image file, mounted through a loop device.

use std::{
    env, fs,
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

const IMAGE_BYTES: u64 = 96 * 1024 * 1024;
/// ext4 flushes some renamed and cut files by itself, for programs that forget to. Not here.
pub(crate) const OPTIONS: &str = "loop,noauto_da_alloc";

/// A mounted disk; unmounted, and its loop device freed, when dropped.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) image: PathBuf,
    pub(crate) mount_point: PathBuf,
}

impl Disk {
    /// A new, empty disk in `folder`.
    ///
    /// # Errors
    /// What this machine lacks.
    pub(crate) fn format(folder: &Path) -> Result<Self, String> {
        if !cfg!(target_os = "linux") {
            return Err("power cuts are tried on Linux only".to_owned());
        }
        if !rustix::process::geteuid().is_root() {
            return Err("only root can mount; run this test as root".to_owned());
        }
        for tool in ["mkfs.ext4", "mount", "umount"] {
            if !is_installed(tool) {
                return Err(format!("there is no {tool}"));
            }
        }
        if !Path::new("/dev/loop-control").exists() {
            return Err("there are no loop devices (/dev/loop-control)".to_owned());
        }
        let image = folder.join("image");
        let made = File::create(&image).and_then(|file| file.set_len(IMAGE_BYTES));
        made.map_err(|error| format!("no image file: {error}"))?;
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image))?;
        let mount_point = folder.join("disk");
        fs::create_dir(&mount_point).map_err(|error| format!("no mount point: {error}"))?;
        Self::mount(image, mount_point, OPTIONS)
    }

    pub(crate) fn mount(
        image: PathBuf,
        mount_point: PathBuf,
        options: &str,
    ) -> Result<Self, String> {
        let mut command = Command::new("mount");
        command.args(["-t", "ext4", "-o", options]);
        run(command.arg(&image).arg(&mount_point))?;
        Ok(Self { image, mount_point })
    }

    pub(crate) fn mounted_at(&self) -> &Path {
        &self.mount_point
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if run(Command::new("umount").arg(&self.mount_point)).is_err() {
            // Something still has a file open: it goes with its last user.
            let _ = run(Command::new("umount").arg("-l").arg(&self.mount_point));
        }
    }
}

pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let tool = command.get_program().display().to_string();
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr);
            Err(format!("{tool} fails here: {}", why.trim()))
        }
        Err(error) => Err(format!("{tool} cannot be run: {error}")),
    }
}

fn is_installed(tool: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(tool).is_file())
}
