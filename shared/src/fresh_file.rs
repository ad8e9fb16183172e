//! Makes the files that a process writes before it renames them, and its locks, without following a symbolic link that
//! somebody put in their place.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

/// Makes a new file at `path`. What is there already is removed first; of a link, the link alone.
///
/// # Errors
/// If it cannot be made, or somebody else makes one at the same moment.
pub fn create(path: &Path) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().read(true).write(true).create_new(true).open(path)
}

/// Makes a new file at `path` with this content, as [`create`] does.
///
/// # Errors
/// If it cannot be made or written.
pub fn write(path: &Path, content: impl AsRef<[u8]>) -> io::Result<()> {
    create(path)?.write_all(content.as_ref())
}

/// Opens the file at `path` to lock it, and makes it if it is not there.
///
/// # Errors
/// If it cannot be opened, or is a symbolic link.
pub fn open_lock(path: &Path) -> io::Result<File> {
    match path.symlink_metadata() {
        Ok(found) if found.is_symlink() => {
            Err(io::Error::new(ErrorKind::InvalidInput, "it is a symbolic link; remove it"))
        }
        Ok(_) => OpenOptions::new().read(true).write(true).open(path),
        Err(_) => OpenOptions::new().read(true).write(true).create_new(true).open(path).or_else(|error| {
            // Another process made it meanwhile.
            if error.kind() == ErrorKind::AlreadyExists { open_lock(path) } else { Err(error) }
        }),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_a_link_points_to_stays_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let (precious, link) = (folder.path().join("precious"), folder.path().join("link"));
        std::fs::write(&precious, "mine").expect("writes");
        symlink(&precious, &link).expect("links");
        assert!(open_lock(&link).is_err());
        write(&link, "new").expect("writes");
        assert_eq!(std::fs::read_to_string(&precious).expect("reads"), "mine");
        assert_eq!(std::fs::read_to_string(&link).expect("reads"), "new");
        symlink(folder.path().join("nothing"), folder.path().join("dangling")).expect("links");
        assert!(open_lock(&folder.path().join("dangling")).is_err());
        assert!(!folder.path().join("nothing").exists());
        open_lock(&folder.path().join("lock")).and(open_lock(&folder.path().join("lock"))).expect("opens twice");
    }
}
