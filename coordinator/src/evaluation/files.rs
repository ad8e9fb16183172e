//! Scores a run, and writes its data files beside its results.

use std::path::{Path, PathBuf};
use std::thread;

use tokio_util::sync::CancellationToken;

use super::evaluated::{Evaluated, EvaluationError};
use super::parallel;
use super::sink::Until;
use crate::flat_table::people::People;
use crate::flat_table::{about, calls, people, scores};
use crate::parquet_table::{Column, TableFile, Value};
use crate::predictions::PredictionsWriter;
use crate::results::Results;

/// The name of the predictions file in a run folder.
pub const PREDICTIONS_FILE: &str = "predictions.parquet";

/// The name of the file with people's scores in a run folder.
pub const PEOPLE_FILE: &str = "people.parquet";

/// The name of the file with all scores in a run folder.
pub const SCORES_FILE: &str = "scores.parquet";

/// The name of the file with the calls that were kept in a run folder.
pub const CALLS_FILE: &str = "calls.parquet";

impl Evaluated<'_> {
    /// The run's results; at the same time writes the data files into `folder`. Memory does not grow with their rows.
    ///
    /// Soon after `stop` is cancelled it returns an error that [is an interruption](EvaluationError::is_interruption).
    pub fn evaluate(&self, folder: &Path, stop: &CancellationToken) -> Result<Results, EvaluationError> {
        let writer = PredictionsWriter::create(&folder.join(PREDICTIONS_FILE), self.codebook, &self.about())?;
        thread::scope(|scope| {
            let scoring = scope.spawn(|| self.score_and_write(folder, stop));
            let mut sink = Until { stop, writer };
            let calls = self.hand_over(&mut sink).and_then(|()| self.write_calls(folder, stop));
            let (results, scored) = parallel::joined(scoring)?;
            // No file has its name before all are written.
            let files = scored.into_iter().chain(calls?);
            sink.writer.finish()?;
            files.into_iter().try_for_each(|file| file.finish().map(drop))?;
            Ok(results)
        })
    }

    /// The results, and the files with what is made of the counts and of them.
    fn score_and_write(
        &self,
        folder: &Path,
        stop: &CancellationToken,
    ) -> Result<(Results, [TableFile; 2]), EvaluationError> {
        self.counted(stop, |scored, cells| {
            let results = self.results(scored, cells, self.all_spend(stop)?)?;
            let table = People::new(scored)?;
            let people = (folder.join(PEOPLE_FILE), people::TABLE, people::COLUMNS);
            let people = self.write(people, stop, |row| table.each(row))?;
            let scores = (folder.join(SCORES_FILE), scores::TABLE, scores::COLUMNS);
            let scores = self.write(scores, stop, |row| scores::each(&results, row))?;
            Ok((results, [people, scores]))
        })
    }

    /// The file with the calls, if any were kept.
    fn write_calls(&self, folder: &Path, stop: &CancellationToken) -> Result<Option<TableFile>, EvaluationError> {
        if self.ledger.transcripts()? == 0 {
            return Ok(None);
        }
        let calls = (folder.join(CALLS_FILE), calls::TABLE, calls::COLUMNS);
        self.write(calls, stop, |row| calls::each(self, row)).map(Some)
    }

    /// A file with all rows, which has yet to be finished.
    fn write(
        &self,
        (path, table, columns): (PathBuf, &str, &[Column]),
        stop: &CancellationToken,
        rows: impl FnOnce(&mut dyn FnMut(&[Value<'_>]) -> Result<(), EvaluationError>) -> Result<(), EvaluationError>,
    ) -> Result<TableFile, EvaluationError> {
        let mut file = TableFile::create(&path, (table, columns), &about(self, table))?;
        rows(&mut |row| {
            if stop.is_cancelled() {
                return Err(EvaluationError::Interrupted);
            }
            Ok(file.write([row.iter().copied()])?)
        })?;
        Ok(file)
    }
}
