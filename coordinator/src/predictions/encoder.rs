//! Turns predictions into the bytes of a Parquet file, wherever these go.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::Result;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use valuesim_shared::codebook::Codebook;

use super::columns::{Columns, Names, SCHEMA};
use super::{About, Batch, PREDICTIONS_VERSION, Replies};
use crate::score::Prediction;

/// Rows after which a row group is written: some 35 MB of memory.
pub(super) const ROWS_PER_GROUP: usize = 1 << 17;

/// The metadata that says which release wrote a file.
pub(crate) const RELEASE: &str = "valuesim.version";

/// A predictions file that is being written. The same predictions give the same bytes, release by release.
#[derive(Debug)]
pub(crate) struct Encoder<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    columns: Columns,
    names: Names,
    rows: u64,
}

impl<W: Write + Send> Encoder<W> {
    pub(crate) fn new(out: W, codebook: &Codebook, about: &About) -> Result<Self> {
        let schema = Arc::new(parse_message_type(SCHEMA).expect("the schema is sound"));
        let writer = SerializedFileWriter::new(out, schema, Arc::new(properties(about)))?;
        Ok(Self { writer, columns: Columns::default(), names: Names::new(codebook), rows: 0 })
    }

    /// Adds a row for each of the predictions.
    pub(crate) fn write(&mut self, batch: &Batch<'_>, predictions: &[Prediction]) -> Result<()> {
        self.columns.push(batch, &self.names, predictions);
        self.rows += predictions.len() as u64;
        if self.columns.rows() >= ROWS_PER_GROUP { self.write_group() } else { Ok(()) }
    }

    /// Writes what is left; returns where the bytes went, and the number of rows.
    pub(crate) fn finish(mut self) -> Result<(W, u64)> {
        self.write_group()?;
        Ok((self.writer.into_inner()?, self.rows))
    }

    fn write_group(&mut self) -> Result<()> {
        if self.columns.rows() == 0 {
            return Ok(());
        }
        let columns = std::mem::take(&mut self.columns);
        let mut group = self.writer.next_row_group()?;
        columns.write(&mut group)?;
        group.close()?;
        Ok(())
    }
}

/// Compression and metadata.
fn properties(about: &About) -> WriterProperties {
    let metadata = about.metadata().map(|(key, value)| KeyValue::new(key.to_owned(), value)).to_vec();
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_key_value_metadata(Some(metadata))
        .build()
}

impl About {
    /// The file's key-value metadata.
    pub(crate) fn metadata(&self) -> [(&'static str, String); 6] {
        let simulated = self.replies == Replies::Simulated;
        [
            ("valuesim.predictions_version", PREDICTIONS_VERSION.to_owned()),
            (RELEASE, env!("CARGO_PKG_VERSION").to_owned()),
            ("valuesim.run", self.run.to_string()),
            ("valuesim.behaviour", self.behaviour.to_string()),
            ("valuesim.simulated", simulated.to_string()),
            ("valuesim.survey", self.survey.clone()),
        ]
    }
}
