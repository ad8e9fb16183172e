//! Writes a table to a file, which has its name only once it is complete.

use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;
use valuesim_shared::fresh_file;

use super::column::{Column, Value};
use super::writer::TableWriter;

/// Why a table's file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum TableFileError {
    /// The file could not be made or put in its place.
    #[error("{action} the file {}: {source}", .path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Rows could not be written.
    #[error("write to the file {}: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the Parquet library said.
        source: ParquetError,
    },
}

/// A table that is being written to a file. The complete file has its final name once [`finish`](Self::finish) returns.
#[derive(Debug)]
pub(crate) struct TableFile {
    writer: TableWriter<File>,
    path: PathBuf,
    unfinished: Unfinished,
}

/// The name of an unfinished file. Dropping it removes the file, unless the file was renamed.
#[derive(Debug)]
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // The caller reports what went wrong; half a file is of no use to anybody.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl TableFile {
    /// Begins the file `path`. Until it is finished it is called `<path>.unfinished`, and an earlier file stays in place.
    /// `about` is the file's key-value metadata.
    pub(crate) fn create(
        path: &Path,
        (table, columns): (&str, &[Column]),
        about: &[(&str, String)],
    ) -> Result<Self, TableFileError> {
        let unfinished = Unfinished(with_ending(path, ".unfinished"));
        let file = fresh_file::create(&unfinished.0).map_err(|source| TableFileError::File {
            action: "create",
            path: unfinished.0.clone(),
            source,
        })?;
        let writer = TableWriter::new(table, columns, about, file)
            .map_err(|source| TableFileError::Write { path: unfinished.0.clone(), source })?;
        Ok(Self { writer, path: path.to_owned(), unfinished })
    }

    /// Adds rows, each of which has a value for each column. They are not split between row groups.
    pub(crate) fn write<'v, R: IntoIterator<Item = Value<'v>>>(
        &mut self,
        rows: impl IntoIterator<Item = R>,
    ) -> Result<(), TableFileError> {
        rows.into_iter().for_each(|row| self.writer.push(row));
        let written = self.writer.write_if_full();
        written.map_err(|source| TableFileError::Write { path: self.unfinished.0.clone(), source })
    }

    /// Completes the file and gives it its final name; returns the number of rows.
    pub(crate) fn finish(self) -> Result<u64, TableFileError> {
        let failed = |source| TableFileError::Write { path: self.unfinished.0.clone(), source };
        let (file, rows) = self.writer.finish().map_err(failed)?;
        let in_place = file.sync_all().and_then(|()| std::fs::rename(&self.unfinished.0, &self.path));
        in_place.map_err(|source| TableFileError::File { action: "complete", path: self.path, source })?;
        Ok(rows)
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
