//! Turns predictions into the bytes of a Parquet file, wherever these go.

use std::io::Write;

use parquet::errors::Result;
use valuesim_shared::codebook::Codebook;

use super::columns::{BatchRows, Questions, TABLE, columns};
use super::rows::{About, Batch, PREDICTIONS_VERSION, Replies};
use crate::parquet_table::TableWriter;
use crate::score::Prediction;

/// The metadata that says which version of the columns a file has.
pub(crate) const VERSION: &str = "valuesim.predictions_version";

/// The metadata that says which release wrote a file.
pub(crate) const RELEASE: &str = "valuesim.version";

/// A predictions file that is being written. The same predictions give the same bytes, release by release.
#[derive(Debug)]
pub(crate) struct Encoder<W: Write + Send> {
    writer: TableWriter<W>,
    questions: Questions,
}

impl<W: Write + Send> Encoder<W> {
    pub(crate) fn new(out: W, codebook: &Codebook, about: &About) -> Result<Self> {
        let writer = TableWriter::new(TABLE, &columns(), &about.metadata(), out)?;
        Ok(Self { writer, questions: Questions::new(codebook, about.behaviour) })
    }

    /// Adds a row for each of the predictions.
    pub(crate) fn write(&mut self, batch: &Batch<'_>, predictions: &[Prediction]) -> Result<()> {
        let rows = BatchRows::new(batch, &self.questions);
        for prediction in predictions {
            self.writer.push(rows.row(prediction));
        }
        // A batch is never split: where row groups end is part of the file's bytes.
        self.writer.write_if_full()
    }

    /// Writes what is left; returns where the bytes went, and the number of rows.
    pub(crate) fn finish(self) -> Result<(W, u64)> {
        self.writer.finish()
    }
}

impl About {
    /// The file's key-value metadata.
    pub(crate) fn metadata(&self) -> [(&'static str, String); 6] {
        let simulated = self.replies == Replies::Simulated;
        [
            (VERSION, PREDICTIONS_VERSION.to_owned()),
            (RELEASE, env!("CARGO_PKG_VERSION").to_owned()),
            ("valuesim.run", self.run.to_string()),
            ("valuesim.behaviour", self.behaviour.to_string()),
            ("valuesim.simulated", simulated.to_string()),
            ("valuesim.survey", self.survey.clone()),
        ]
    }
}
