//! Writes a table, row group by row group.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::Result;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::column::{Column, Value, schema};
use super::rows::Rows;

/// Rows after which a row group is written: some 35 MB of memory for predictions.
pub(crate) const ROWS_PER_GROUP: usize = 1 << 17;

/// Bytes of copied text after which a row group is written, however few the rows: prompts are long.
const TEXT_PER_GROUP: usize = 32 << 20;

/// A table that is being written. The same rows give the same bytes, release by release.
#[derive(Debug)]
pub(crate) struct TableWriter<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    waiting: Rows,
    text_bytes: usize,
    rows: u64,
}

impl<W: Write + Send> TableWriter<W> {
    /// Begins a table; `about` is the file's key-value metadata.
    pub(crate) fn new(table: &str, columns: &[Column], about: &[(&str, String)], out: W) -> Result<Self> {
        Self::compressed(Compression::ZSTD(ZstdLevel::default()), (table, columns), about, out)
    }

    /// The same with another compression.
    pub(crate) fn compressed(
        compression: Compression,
        (table, columns): (&str, &[Column]),
        about: &[(&str, String)],
        out: W,
    ) -> Result<Self> {
        let schema = Arc::new(parse_message_type(&schema(table, columns)).expect("the schema is sound"));
        let metadata = about.iter().map(|(key, value)| KeyValue::new((*key).to_owned(), value.clone())).collect();
        let properties =
            WriterProperties::builder().set_compression(compression).set_key_value_metadata(Some(metadata)).build();
        let writer = SerializedFileWriter::new(out, schema, Arc::new(properties))?;
        Ok(Self { writer, waiting: Rows::new(columns), text_bytes: 0, rows: 0 })
    }

    /// Adds a row: a value for each column. It waits in memory until [`write_if_full`](Self::write_if_full) or
    /// [`finish`](Self::finish).
    pub(crate) fn push<'v>(&mut self, row: impl IntoIterator<Item = Value<'v>>) {
        self.text_bytes += self.waiting.push(row);
        self.rows += 1;
    }

    /// Writes the rows that wait if they are enough for a row group.
    pub(crate) fn write_if_full(&mut self) -> Result<()> {
        let is_full = self.waiting.count() >= ROWS_PER_GROUP || self.text_bytes >= TEXT_PER_GROUP;
        if is_full { self.write_group() } else { Ok(()) }
    }

    /// Completes the table; returns where it went and the number of rows.
    pub(crate) fn finish(mut self) -> Result<(W, u64)> {
        self.write_group()?;
        Ok((self.writer.into_inner()?, self.rows))
    }

    fn write_group(&mut self) -> Result<()> {
        if self.waiting.count() == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        self.waiting.write(&mut group)?;
        group.close()?;
        self.text_bytes = 0;
        Ok(())
    }
}
