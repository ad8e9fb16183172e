//! How far a run was dispatched, in a small file: what went out before a crash is waited for, not sent a second time.
//!
//! A number for each model: so many of its cells, in the plan's order, may be on the queues. It is written before they
//! are sent, and need not survive more than the end of the process: where it is lost or older, cells are sent twice,
//! which costs calls and changes no result.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use valuesim_shared::fresh_file;
use valuesim_shared::id::ModelId;

/// How many cells are noted together.
const BLOCK: u64 = 64;

/// The file, and what stands in it.
#[derive(Debug)]
pub struct Cursor {
    path: PathBuf,
    noted: Mutex<Vec<u64>>,
}

/// Why it could not be noted how far a run is dispatched.
#[derive(Debug, thiserror::Error)]
#[error("write {path}: {source}", path = path.display())]
pub struct CursorError {
    path: PathBuf,
    source: std::io::Error,
}

impl Cursor {
    /// The cursor of the run in `path`; at the beginning where there is none that can be read.
    pub fn at(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let noted = text.lines().map(|line| line.parse().ok()).collect::<Option<Vec<u64>>>().unwrap_or_default();
        Self { path: path.to_owned(), noted: Mutex::new(noted) }
    }

    /// How many of the model's cells may be on the queues.
    pub fn noted(&self, model: ModelId) -> u64 {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).get(usize::from(model.0)).copied().unwrap_or(0)
    }

    /// Notes that as many of the model's cells as the range begins with are about to be, if that is not noted yet. Notes more
    /// of them together, but none after the end of the range, whose turn is not to come yet.
    pub fn advance(&self, model: ModelId, cells: RangeInclusive<u64>) -> Result<(), CursorError> {
        let (cells, last) = cells.into_inner();
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let at = usize::from(model.0);
        if noted.get(at).is_some_and(|&noted| noted >= cells) {
            return Ok(());
        }
        if noted.len() <= at {
            noted.resize(at + 1, 0);
        }
        noted[at] = cells.next_multiple_of(BLOCK).min(last.max(cells));
        let lines: Vec<String> = noted.iter().map(u64::to_string).collect();
        let text = lines.join("\n") + "\n";
        self.write(&text).map_err(|source| CursorError { path: self.path.clone(), source })
    }

    /// In one step: a reader finds the old text or the new one.
    fn write(&self, text: &str) -> std::io::Result<()> {
        let fresh = self.path.with_extension("new");
        fresh_file::write(&fresh, text)?;
        std::fs::rename(&fresh, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_known_after_a_crash() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("dispatched");
        let cursor = Cursor::at(&path);
        assert_eq!(cursor.noted(ModelId(1)), 0);
        cursor.advance(ModelId(1), 3..=u64::MAX).expect("writes");
        assert_eq!((Cursor::at(&path).noted(ModelId(0)), Cursor::at(&path).noted(ModelId(1))), (0, BLOCK));
        cursor.advance(ModelId(0), 3..=10).expect("writes");
        assert_eq!(Cursor::at(&path).noted(ModelId(0)), 10, "none that is not to be sent yet");
        std::fs::write(&path, "no number\n").expect("writes");
        assert_eq!(Cursor::at(&path).noted(ModelId(1)), 0);
    }
}
