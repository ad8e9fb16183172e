//! The file system of a container: the binary, and what its pod mounts.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::container::replaced;

/// The binary's place in the image.
const PROGRAM: &str = "usr/local/bin/valuesim";

/// Where the system may have its program for changing the root.
const CHROOT: [&str; 3] = ["/usr/sbin/chroot", "/sbin/chroot", "/usr/bin/chroot"];

/// A folder in a container.
pub(crate) struct Mount {
    pub(crate) path: String,
    /// Names and contents.
    pub(crate) files: Vec<(String, String)>,
    pub(crate) is_read_only: bool,
}

/// A container's root folder on this machine.
pub(crate) struct Root {
    folder: TempDir,
    /// Whether the process sees nothing else, which takes root's rights. Otherwise it is told other paths.
    is_enclosed: bool,
    writable: Vec<PathBuf>,
    /// What is there, the writable folders aside.
    content: BTreeSet<PathBuf>,
}

impl Root {
    /// A root that a user can read, and write to where it may. Adds to `here` what the process is to be told instead of
    /// the container's paths.
    pub(crate) fn new(user: u32, mounts: &[Mount], here: &mut Vec<(String, String)>) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let is_root = fs::metadata(folder.path()).unwrap().uid() == 0;
        let is_enclosed = cfg!(target_os = "linux") && is_root;
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let mut root = Self { folder, is_enclosed, writable: Vec::new(), content: BTreeSet::new() };
        if is_enclosed {
            root.add_program();
        } else {
            here.extend(
                mounts.iter().map(|mount| (mount.path.clone(), root.outside(&mount.path).display().to_string())),
            );
        }
        for mount in mounts {
            root.add(mount, user, here);
        }
        root.content = root.content();
        root
    }

    /// On this machine, the place of a path in the container.
    pub(crate) fn outside(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    /// The binary in this root, as this user.
    pub(crate) fn command(&self, user: u32) -> Command {
        if !self.is_enclosed {
            return Command::new(env!("CARGO_BIN_EXE_valuesim"));
        }
        let chroot = CHROOT.into_iter().find(|file| Path::new(file).exists()).expect("coreutils are installed");
        let mut command = Command::new(chroot);
        command.arg(format!("--userspec={user}:{user}")).arg(self.folder.path()).arg(Path::new("/").join(PROGRAM));
        command
    }

    pub(crate) fn check_that_nothing_else_was_written(&self, name: &str) {
        let added: Vec<PathBuf> = self.content().difference(&self.content).cloned().collect();
        assert!(added.is_empty(), "{name} wrote {added:?}, where its root is read-only");
    }

    /// The binary and the libraries that the image has.
    fn add_program(&self) {
        let binary = env!("CARGO_BIN_EXE_valuesim");
        self.link(Path::new(binary), PROGRAM);
        let libraries = Command::new("ldd").arg(binary).output().unwrap();
        for word in String::from_utf8(libraries.stdout).unwrap().split_whitespace().filter(|word| word.starts_with('/'))
        {
            self.link(Path::new(word), word);
        }
    }

    /// Links a file into the root, or copies it from another disk.
    fn link(&self, file: &Path, path: &str) {
        let file = file.canonicalize().unwrap();
        let place = self.outside(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::hard_link(&file, &place).or_else(|_| fs::copy(&file, &place).map(|_| ())).unwrap();
    }

    fn add(&mut self, mount: &Mount, user: u32, here: &[(String, String)]) {
        let folder = self.outside(&mount.path);
        fs::create_dir_all(&folder).unwrap();
        for (name, content) in &mount.files {
            fs::write(folder.join(name), replaced(content, here)).unwrap();
        }
        if !mount.is_read_only {
            if self.is_enclosed {
                chown(&folder, Some(user), Some(user)).unwrap();
            }
            self.writable.push(folder);
        }
    }

    fn content(&self) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() && !self.writable.contains(&path) {
                    folders.push(path.clone());
                }
                found.insert(path);
            }
        }
        found
    }
}
