//! Opens a ledger after checking that it is intact and belongs to the run.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::mem::ManuallyDrop;
use std::path::Path;

use redb::{Builder, Database, DatabaseError, StorageError};
use valuesim_shared::file_lock;
use valuesim_shared::id::RunId;

use super::read_only_backend::ReadOnlyBackend;
use super::unlocked_backend::UnlockedBackend;
use super::{ABOUT, CELLS, LEDGER_VERSION, Ledger, LedgerError, SPEND, TRANSCRIPTS};

/// Memory that the database may use for pages, in bytes.
const CACHE_BYTES: usize = 32 << 20;

impl Ledger {
    /// Opens the ledger of `run` in the file `path`, or creates it.
    ///
    /// An existing file is checked before anything is written to it: a damaged ledger, or one of another run or release,
    /// is left unchanged.
    pub fn open(path: &Path, run: &RunId) -> Result<Self, LedgerError> {
        if path.exists() {
            Self::view(path)?.check_run(run)?;
        } else {
            create(path, run)?;
        }
        let opened = database(path, |builder| builder.open(path));
        let database = opened.map_err(|error| LedgerError::cannot_open(path, error))?;
        Ok(Self { database, path: path.to_owned() })
    }

    /// Opens the ledger in the file `path` for reading. Checks every page and changes nothing: what a killed process
    /// left unfinished is repaired in memory only.
    pub fn view(path: &Path) -> Result<Self, LedgerError> {
        Self::read_only(path, true)
    }

    /// Opens the ledger in the file `path` for reading as [`Self::view`] does, but checks no pages: that of a run with transcripts
    /// has gigabytes of them. Rows have their own checksums, which are checked as they are read. The database panics on some damaged
    /// files, now or while it reads, so the caller must catch that. While a thread panics, the ledger must not be closed, which might
    /// panic once more: it is closed with [`ManuallyDrop::into_inner`].
    ///
    /// # Errors
    /// If the file cannot be read, is in use, or is no ledger of this release.
    pub fn glance(path: &Path) -> Result<ManuallyDrop<Self>, LedgerError> {
        Self::read_only(path, false).map(ManuallyDrop::new)
    }

    fn read_only(path: &Path, checks_pages: bool) -> Result<Self, LedgerError> {
        let failed = |error| LedgerError::cannot_open(path, DatabaseError::Storage(StorageError::Io(error)));
        let file = File::open(path).map_err(failed)?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => return Err(LedgerError::InUse(path.to_owned())),
            // Where files cannot be locked, the run folder's lock has to suffice.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let file = ReadOnlyBackend::new(file).map_err(failed)?;
        // The database would turn an empty file into a new ledger.
        if file.is_empty() {
            return Err(LedgerError::Corrupt { path: path.to_owned(), reason: "the file is empty".to_owned() });
        }
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(checks_pages);
        let opened = builder.create_with_backend(file);
        let database = opened.map_err(|error| LedgerError::cannot_open(path, error))?;
        let ledger = Self { database, path: path.to_owned() };
        ledger.check_version()?;
        Ok(ledger)
    }

    fn check_version(&self) -> Result<(), LedgerError> {
        let found = self.version()?;
        if found != LEDGER_VERSION {
            return Err(LedgerError::Version { path: self.path.clone(), found });
        }
        Ok(())
    }

    fn check_run(&self, run: &RunId) -> Result<(), LedgerError> {
        let found = self.run()?;
        if found != *run {
            return Err(LedgerError::OtherRun { path: self.path.clone(), found: found.0, expected: run.clone() });
        }
        Ok(())
    }
}

/// Opens the database in the file `path` as `open` does; without locks if the file system has none.
fn database(
    path: &Path,
    open: impl FnOnce(&mut Builder) -> Result<Database, DatabaseError>,
) -> Result<Database, DatabaseError> {
    let builder = || {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        builder
    };
    match open(&mut builder()) {
        Err(DatabaseError::Storage(StorageError::Io(error))) if file_lock::is_without_locks(&error) => {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
            let file = file.map_err(|error| DatabaseError::Storage(StorageError::Io(error)))?;
            builder().create_with_backend(UnlockedBackend::new(file))
        }
        opened => opened,
    }
}

/// Creates an empty ledger, which appears at `path` only once it is complete; so an incomplete ledger is a damaged one.
fn create(path: &Path, run: &RunId) -> Result<(), LedgerError> {
    let failed = |reason: String| LedgerError::Failed { action: "create", path: path.to_owned(), reason };
    let unfinished = path.with_extension("unfinished");
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error.to_string())),
        _ => {}
    }
    create_tables(&unfinished, run).map_err(|error| failed(error.to_string()))?;
    std::fs::rename(&unfinished, path).map_err(|error| failed(error.to_string()))
}

/// Creates the tables in a new file, and notes which run it belongs to.
fn create_tables(path: &Path, run: &RunId) -> Result<(), redb::Error> {
    let database = database(path, |builder| builder.create(path))?;
    let transaction = database.begin_write()?;
    {
        let mut about = transaction.open_table(ABOUT)?;
        about.insert("version", LEDGER_VERSION)?;
        about.insert("run", run.0.as_str())?;
        transaction.open_table(CELLS)?;
        transaction.open_table(SPEND)?;
        transaction.open_table(TRANSCRIPTS)?;
    }
    transaction.commit()?;
    Ok(())
}
