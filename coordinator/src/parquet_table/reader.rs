//! Reads a table again, some rows at a time.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::column::reader::ColumnReader;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::FileMetaData;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::schema::parser::parse_message_type;

use super::column::{Column, schema};
use super::rows::Rows;

/// A table in a file, from its first row to its last.
pub(crate) struct TableReader {
    file: SerializedFileReader<File>,
    columns: Vec<Column>,
    next_group: usize,
    /// The columns of the row group that is being read.
    group: Option<Vec<ColumnReader>>,
}

impl TableReader {
    /// Opens the file `path` and makes sure that it has the columns of the table.
    pub(crate) fn open(path: &Path, table: &str, columns: &[Column]) -> Result<Self> {
        let file = SerializedFileReader::new(File::open(path)?)?;
        let expected = Arc::new(parse_message_type(&schema(table, columns))?);
        if file.metadata().file_metadata().schema() != &*expected {
            return Err(ParquetError::General(format!("its columns are not those of {table}")));
        }
        Ok(Self { file, columns: columns.to_vec(), next_group: 0, group: None })
    }

    /// What the metadata of the file `path` has under `key`, whatever its columns are.
    pub(crate) fn stored(path: &Path, key: &str) -> Option<String> {
        let file = SerializedFileReader::new(File::open(path).ok()?).ok()?;
        let entries = file.metadata().file_metadata().key_value_metadata()?;
        entries.iter().find(|entry| entry.key == key)?.value.clone()
    }

    fn about(&self) -> &FileMetaData {
        self.file.metadata().file_metadata()
    }

    /// How many rows the file says it has.
    pub(crate) fn rows(&self) -> u64 {
        u64::try_from(self.about().num_rows()).unwrap_or(0)
    }

    /// The program and the library that wrote the file, as they named themselves.
    pub(crate) fn library(&self) -> Option<&str> {
        self.about().created_by()
    }

    /// What the file's metadata has under `key`; empty if nothing.
    pub(crate) fn metadata(&self, key: &str) -> &str {
        let entries = self.about().key_value_metadata();
        let entry = entries.and_then(|entries| entries.iter().find(|entry| entry.key == key));
        entry.and_then(|entry| entry.value.as_deref()).unwrap_or_default()
    }

    /// The next `rows` rows; fewer at the end of the file.
    pub(crate) fn read(&mut self, rows: usize) -> Result<Rows> {
        let mut read = Rows::new(&self.columns);
        while read.count() < rows {
            let Some(group) = self.group()? else { break };
            if read.read(group, rows - read.count())? == 0 {
                self.group = None;
            }
        }
        Ok(read)
    }

    /// The row group that is being read; `None` at the end of the file.
    fn group(&mut self) -> Result<Option<&mut Vec<ColumnReader>>> {
        if self.group.is_none() && self.next_group < self.file.num_row_groups() {
            let group = self.file.get_row_group(self.next_group)?;
            self.next_group += 1;
            let columns = (0..group.num_columns()).map(|column| group.get_column_reader(column));
            self.group = Some(columns.collect::<Result<_>>()?);
        }
        Ok(self.group.as_mut())
    }
}
