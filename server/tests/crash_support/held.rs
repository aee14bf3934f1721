//! What has reached the device of a mounted disk, and a disk that holds just that.

use std::{fs, process::Command};

use super::device::{Disk, OPTIONS, run};

/// Reads of the image until two are equal.
const READS_MAX: usize = 100;

impl Disk {
    /// Brings all that the page cache holds to the device.
    pub(crate) fn sync(&self) {
        run(Command::new("sync").arg("-f").arg(&self.mount_point)).unwrap();
    }

    /// What has reached the device, all of it at one moment.
    pub(crate) fn what_it_holds(&self) -> Vec<u8> {
        let mut before = fs::read(&self.image).unwrap();
        for _ in 0..READS_MAX {
            let after = fs::read(&self.image).unwrap();
            // Each byte was the same when it was read twice, so all of them were at the end of the
            // first read: nothing here is from before a write and something else from after it.
            if after == before {
                return after;
            }
            before = after;
        }
        panic!("the disk does not come to rest");
    }

    /// The power was cut, and is back: the disk holds this.
    pub(crate) fn replaced_by(self, held: &[u8]) -> Self {
        let (image, mount_point) = (self.image.clone(), self.mount_point.clone());
        drop(self);
        // The loop device may not have let go of the old file yet.
        fs::remove_file(&image).unwrap();
        fs::write(&image, held).unwrap();
        Self::mount(image, mount_point, OPTIONS).unwrap()
    }
}
