//! Orders and reports in the memory of one process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::ControlError;
use super::local::{Entries, Entry, LocalControl};

/// Orders and reports that only this process sees.
pub type MemoryControl = LocalControl<MemoryEntries>;

/// The value under each name, and when it was written.
type ByName = BTreeMap<String, (Vec<u8>, Instant)>;

/// Entries in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryEntries {
    entries: Arc<Mutex<ByName>>,
    whole: Arc<Mutex<()>>,
}

impl MemoryControl {
    /// Without any entries yet.
    pub fn in_memory() -> Self {
        Self { entries: MemoryEntries::default() }
    }
}

impl MemoryEntries {
    fn entries(&self) -> MutexGuard<'_, ByName> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries for MemoryEntries {
    fn get(&self, name: &str) -> Result<Option<Entry>, ControlError> {
        let entries = self.entries();
        let entry = entries.get(name).map(|(value, at)| Entry { value: value.clone(), age: at.elapsed() });
        Ok(entry)
    }

    fn put(&self, name: &str, value: &[u8]) -> Result<(), ControlError> {
        self.entries().insert(name.to_owned(), (value.to_vec(), Instant::now()));
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), ControlError> {
        self.entries().remove(name);
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>, ControlError> {
        Ok(self.entries().keys().cloned().collect())
    }

    fn exclusively<T>(&self, act: impl FnOnce() -> Result<T, ControlError>) -> Result<T, ControlError> {
        let _whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        act()
    }
}
