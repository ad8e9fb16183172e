//! Reads a predictions file again, some rows at a time.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{BoolType, ByteArrayType, Int32Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::FileMetaData;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::schema::parser::parse_message_type;

use super::columns::{Columns, SCHEMA};

/// A predictions file, from its first row to its last.
pub(crate) struct Stored {
    file: SerializedFileReader<File>,
    next_group: usize,
    group: Option<GroupReader>,
}

impl Stored {
    /// Opens the file `path` and makes sure that its columns are those of predictions.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = SerializedFileReader::new(File::open(path)?)?;
        let expected = Arc::new(parse_message_type(SCHEMA)?);
        if file.metadata().file_metadata().schema() != &*expected {
            return Err(ParquetError::General("its columns are not those of predictions".to_owned()));
        }
        Ok(Self { file, next_group: 0, group: None })
    }

    fn about(&self) -> &FileMetaData {
        self.file.metadata().file_metadata()
    }

    /// How many rows it says it has.
    pub(crate) fn rows(&self) -> u64 {
        u64::try_from(self.about().num_rows()).unwrap_or(0)
    }

    /// The program and the library that wrote it, as they named themselves.
    pub(crate) fn library(&self) -> Option<&str> {
        self.about().created_by()
    }

    /// What its metadata says under `key`; empty where that is nothing.
    pub(crate) fn said(&self, key: &str) -> &str {
        let entries = self.about().key_value_metadata();
        let entry = entries.and_then(|entries| entries.iter().find(|entry| entry.key == key));
        entry.and_then(|entry| entry.value.as_deref()).unwrap_or_default()
    }

    /// The next `rows` rows; fewer at the end of the file.
    pub(crate) fn read(&mut self, rows: usize) -> Result<Columns> {
        let mut read = Columns::default();
        while read.rows() < rows {
            let Some(group) = self.group()? else { break };
            group.rewind();
            if read.read(group, rows - read.rows())? == 0 {
                self.group = None;
            }
        }
        Ok(read)
    }

    /// The row group that is read; none at the end of the file.
    fn group(&mut self) -> Result<Option<&mut GroupReader>> {
        if self.group.is_none() && self.next_group < self.file.num_row_groups() {
            let group = self.file.get_row_group(self.next_group)?;
            self.next_group += 1;
            let columns = (0..group.num_columns()).map(|column| group.get_column_reader(column));
            self.group = Some(GroupReader { columns: columns.collect::<Result<_>>()?, next: 0 });
        }
        Ok(self.group.as_mut())
    }
}

/// A row group whose columns are read in turns.
pub(super) struct GroupReader {
    columns: Vec<ColumnReader>,
    next: usize,
}

impl GroupReader {
    fn rewind(&mut self) {
        self.next = 0;
    }

    fn next(&mut self) -> Option<&mut ColumnReader> {
        self.next += 1;
        self.columns.get_mut(self.next - 1)
    }

    /// The next column, which holds whole numbers.
    pub(super) fn number(&mut self) -> Result<&mut ColumnReaderImpl<Int32Type>> {
        match self.next() {
            Some(ColumnReader::Int32ColumnReader(column)) => Ok(column),
            _ => Err(other_column("numbers")),
        }
    }

    /// The next column, which holds texts.
    pub(super) fn text(&mut self) -> Result<&mut ColumnReaderImpl<ByteArrayType>> {
        match self.next() {
            Some(ColumnReader::ByteArrayColumnReader(column)) => Ok(column),
            _ => Err(other_column("texts")),
        }
    }

    /// The next column, which holds yes or no.
    pub(super) fn flag(&mut self) -> Result<&mut ColumnReaderImpl<BoolType>> {
        match self.next() {
            Some(ColumnReader::BoolColumnReader(column)) => Ok(column),
            _ => Err(other_column("flags")),
        }
    }
}

fn other_column(expected: &str) -> ParquetError {
    ParquetError::General(format!("a row group has another column where one of {expected} is expected"))
}
