//! A run's folder: the names of its files, its lock, and how it is found.
//!
//! One process at a time works in a run folder. It locks `run.lock` while it lives; the operating system releases the lock
//! however the process ends, so a lock file that is left behind blocks nobody.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, anyhow, bail};
use valuesim_shared::experiment::Experiment;
use valuesim_shared::file_lock::{self, Locking};
use valuesim_shared::fresh_file;
use valuesim_shared::small_file::{MAX_EXPERIMENT_FILE, read_text};

use crate::output::note;

/// The name of the ledger in a run folder.
pub(crate) const LEDGER_FILE: &str = "ledger.redb";

/// The name of the resolved experiment in a run folder.
pub(crate) const EXPERIMENT_FILE: &str = "experiment.toml";

/// The name of the store in a run folder.
const STORE_FOLDER: &str = "store";

/// The name of the folder with a run's orders and reports in a run folder.
const CONTROL_FOLDER: &str = "control";

/// The name of the lock file in a run folder.
const LOCK_FILE: &str = "run.lock";

/// How often a process looks whether its run folder is still there.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A run's folder.
#[derive(Debug, Clone)]
pub(crate) struct RunFolder(PathBuf);

/// The lock on a run folder: the right to write to it, until this is dropped.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _lock: File,
}

impl RunFolder {
    /// The folder at `path`, which need not exist yet.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// The folder of `run`: the name of a run in the folder `runs`, or the path of a run folder.
    pub(crate) fn find(runs: &Path, run: &Path) -> anyhow::Result<Self> {
        let candidates = [runs.join(run), run.to_owned()];
        let begun = candidates.into_iter().find(|candidate| candidate.join(EXPERIMENT_FILE).is_file());
        begun.map(Self).ok_or_else(|| {
            anyhow!(
                "there is no run {} in the folder {}: expected a run's id, or the path of its folder",
                run.display(),
                runs.display()
            )
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.0.join(LEDGER_FILE)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.0.join(STORE_FOLDER)
    }

    pub(crate) fn control(&self) -> PathBuf {
        self.0.join(CONTROL_FOLDER)
    }

    /// The folder with the time at which its ledger was last written; none without a run that was begun and has a ledger.
    pub(crate) fn dated(self) -> Option<(SystemTime, Self)> {
        let written = self.ledger().metadata().and_then(|ledger| ledger.modified()).ok()?;
        self.was_begun().then_some((written, self))
    }

    /// Whether a run was started here that can be resumed.
    pub(crate) fn was_begun(&self) -> bool {
        self.0.join(EXPERIMENT_FILE).is_file()
    }

    /// Creates the folder if necessary, and locks it. Fails while another process has the lock.
    pub(crate) fn lock(&self) -> anyhow::Result<FolderLock> {
        std::fs::create_dir_all(&self.0).with_context(|| {
            format!("create the run folder {} (pass a writable folder with --runs)", self.0.display())
        })?;
        let path = self.0.join(LOCK_FILE);
        let mut lock = fresh_file::open_lock(&path).with_context(|| format!("open {}", path.display()))?;
        match file_lock::try_lock(&lock) {
            Ok(Locking::Locked) => {}
            Ok(Locking::NoLocks(error)) => self.warn_of_no_locks(&error),
            Err(TryLockError::WouldBlock) => {
                let (folder, by) = (self.0.display(), lock_owner(&mut lock));
                bail!("run folder {folder} is in use by {by}; wait for it or stop it");
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(|| format!("lock {}", path.display())),
        }
        lock.set_len(0)
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .with_context(|| format!("write {}", path.display()))?;
        Ok(FolderLock { _lock: lock })
    }

    fn warn_of_no_locks(&self, error: &std::io::Error) {
        note(&format!(
            "warning: the file system of the run folder {} has no locks ({error}), so a second process in it would not be noticed \
             and would damage the run: start none, or put the runs on a file system with locks (--runs)",
            self.0.display()
        ));
    }

    /// Fails while a process works in the folder.
    pub(crate) fn check_unused(&self) -> anyhow::Result<()> {
        // Without the file no process has worked here, or the folder is a copy.
        let Ok(mut lock) = File::open(self.0.join(LOCK_FILE)) else { return Ok(()) };
        match lock.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {
                let (folder, by) = (self.0.display(), lock_owner(&mut lock));
                bail!(
                    "run folder {folder} is in use by {by}: wait until it has ended, or stop it (finished work is kept), then repeat this command"
                )
            }
            // A file system without locks cannot tell; the ledger has a lock of its own.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
        }
    }

    /// Fails if the ledger of a started run is missing: starting again would pay for everything again.
    pub(crate) fn check_ledger_is_there(&self) -> anyhow::Result<()> {
        if self.was_begun() && !self.ledger().exists() {
            let (folder, ledger) = (self.0.display(), self.ledger());
            bail!(
                "the run in {folder} was started, but its ledger {} is missing: restore it from a copy, or remove the folder to start again",
                ledger.display()
            );
        }
        Ok(())
    }

    /// Writes the resolved experiment. A reader sees either the old or the new file, never half of it.
    pub(crate) fn write_experiment(&self, experiment: &Experiment) -> anyhow::Result<()> {
        let path = self.0.join(EXPERIMENT_FILE);
        let unfinished = path.with_extension("unfinished");
        let text = toml::to_string(experiment).context("write the experiment as TOML")?;
        fresh_file::write(&unfinished, text)
            .and_then(|()| std::fs::rename(&unfinished, &path))
            .with_context(|| format!("write {}", path.display()))
    }

    /// The resolved experiment of the run.
    pub(crate) fn experiment(&self) -> anyhow::Result<Experiment> {
        let path = self.0.join(EXPERIMENT_FILE);
        let text = read_text(&path, MAX_EXPERIMENT_FILE).with_context(|| format!("read {}", path.display()))?;
        let experiment =
            Experiment::from_toml(&text).map_err(|error| anyhow!("{}: {}", path.display(), short(&error)))?;
        experiment.resolve().with_context(|| format!("{}", path.display()))
    }

    /// Returns why the run cannot go on, once the folder, its ledger or its store is gone or another one is in its place.
    pub(crate) async fn until_replaced(&self) -> anyhow::Error {
        let paths = [self.0.clone(), self.ledger(), self.store()];
        let mut known = [None; 3];
        loop {
            for (known, path) in known.iter_mut().zip(&paths) {
                let found = identity(path);
                if known.is_some() && *known != found {
                    return anyhow!(
                        "{} is gone or was replaced while the run went on, which therefore stopped before it paid for more: \
                         put it back",
                        path.display()
                    );
                }
                *known = found;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Removes the store, which only unfinished cells need.
    pub(crate) fn remove_store(&self) -> std::io::Result<()> {
        remove(&self.store())
    }
}

/// An error about a TOML file, which quotes the line that is wrong, however long that is.
pub(crate) fn short(error: &impl std::fmt::Display) -> String {
    const MOST: usize = 600;
    let text = error.to_string();
    match text.char_indices().nth(MOST) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// What tells a file from another one at the same place: its device and number. `None` if there is none.
#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    path.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Whether there is a file.
#[cfg(not(unix))]
fn identity(path: &Path) -> Option<()> {
    path.exists().then_some(())
}

fn remove(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The owner of the lock, according to the process id in the lock file.
fn lock_owner(lock: &mut File) -> String {
    let mut owner = String::new();
    let read = lock.read_to_string(&mut owner);
    match (read, owner.trim()) {
        (Ok(_), id) if !id.is_empty() => format!("process {id}"),
        // The owner has not written its id yet.
        _ => "another process".to_owned(),
    }
}
