//! The files and folders of a disk at one moment, apart from any disk.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// By path from the root; a folder has no content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Image(pub(crate) BTreeMap<PathBuf, Option<Vec<u8>>>);

impl Image {
    /// What lies in a folder. Sockets are left out: they are gone with their process.
    pub(crate) fn read(root: &Path) -> Self {
        let mut image = Self::default();
        image.read_folder(root, Path::new(""));
        image
    }

    fn read_folder(&mut self, root: &Path, folder: &Path) {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let entry = entry.unwrap();
            let (path, kind) = (folder.join(entry.file_name()), entry.file_type().unwrap());
            if kind.is_dir() {
                self.0.insert(path.clone(), None);
                self.read_folder(root, &path);
            } else if kind.is_file() {
                let content = fs::read(entry.path()).unwrap();
                self.0.insert(path, Some(content));
            }
        }
    }

    /// Lays it out as the only content of a folder.
    pub(crate) fn write(&self, root: &Path) {
        match fs::remove_dir_all(root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => panic!("{error}"),
            Ok(()) | Err(_) => {}
        }
        fs::create_dir_all(root).unwrap();
        // Folders come before what is in them.
        for (path, content) in &self.0 {
            match content {
                None => fs::create_dir(root.join(path)).unwrap(),
                Some(content) => fs::write(root.join(path), content).unwrap(),
            }
        }
    }

    /// How it differs from another, for people; `None` when it does not.
    pub(crate) fn difference(&self, other: &Self) -> Option<String> {
        let paths = self.0.keys().chain(other.0.keys());
        let different: Vec<_> = paths
            .filter(|path| self.0.get(*path) != other.0.get(*path))
            .map(|path| {
                let size = |image: &Self| {
                    let content = image.0.get(path)?.as_ref();
                    Some(content.map_or(0, Vec::len))
                };
                format!("{}: {:?} and {:?}", path.display(), size(self), size(other))
            })
            .collect();
        (!different.is_empty()).then(|| different.join("\n"))
    }
}
