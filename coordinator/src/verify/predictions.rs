//! Checks that `predictions.parquet` says what the ledger says.
//!
//! The file is written again without keeping it, and its bytes are compared with those of the file that is there: one pass,
//! in the memory of one row group. If they differ, the rows are read and compared. That shows what is wrong, or that
//! another release wrote the same rows in other bytes.

use std::path::Path;

use parquet::errors::ParquetError;
use valuesim_shared::codebook::Codebook;

use super::Check;
use super::against::Against;
use crate::evaluation::{Evaluated, EvaluationError, Sink};
use crate::parquet_table::{Rows, TableReader};
use crate::predictions::{
    About, Batch, BatchRows, Encoder, PREDICTIONS_VERSION, Questions, RELEASE, TABLE, VERSION, columns,
};
use crate::score::Prediction;

/// How many rows are compared at a time.
const ROWS_AT_ONCE: usize = 1 << 13;

/// The name of the check.
const NAME: &str = "predictions file";

/// How the bytes of the file compare with those that the ledger gives.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Bytes {
    /// The same.
    Same,
    /// Different, or not readable.
    Other,
}

/// Writes the file again and compares the bytes.
pub(super) struct SameBytes {
    /// `None` once a difference has been found.
    encoder: Option<Encoder<Against>>,
    rows: u64,
}

impl SameBytes {
    /// Compares with the file at `path`. A file that cannot be opened counts as different.
    pub(super) fn new(path: &Path, codebook: &Codebook, about: &About) -> Self {
        let encoder = Against::open(path).ok().and_then(|file| Encoder::new(file, codebook, about).ok());
        Self { encoder, rows: 0 }
    }

    /// How the bytes compare, and how many rows the ledger gives.
    pub(super) fn finish(self) -> (Bytes, u64) {
        let is_same = self.encoder.is_some_and(|encoder| encoder.finish().is_ok_and(|(file, _)| file.ends_here()));
        (if is_same { Bytes::Same } else { Bytes::Other }, self.rows)
    }
}

impl Sink for SameBytes {
    fn write(&mut self, batch: &Batch<'_>, predictions: &[Prediction]) -> Result<(), EvaluationError> {
        self.rows += predictions.len() as u64;
        if self.encoder.as_mut().is_some_and(|encoder| encoder.write(batch, predictions).is_err()) {
            self.encoder = None;
        }
        Ok(())
    }
}

/// The check of the file at `path`, which exists, once its bytes have been compared.
pub(super) fn check(path: &Path, of: &Evaluated<'_>, bytes: &Bytes, rows: u64) -> Result<Check, EvaluationError> {
    let said = format!("predictions.parquet has the run's {rows} predictions, to the last byte");
    let mut check = Check::new(NAME, said);
    if *bytes == Bytes::Same {
        return Ok(check);
    }
    let compared =
        TableReader::open(path, TABLE, &columns()).map(|stored| Comparison::compare(stored, of, rows, &mut check));
    match compared {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(error),
        Err(error) => check.problem(unreadable(path, &error)),
    }
    Ok(check)
}

/// Why the columns of the file at `path` cannot be compared.
fn unreadable(path: &Path, error: &ParquetError) -> String {
    match TableReader::stored(path, VERSION) {
        Some(version) if version != PREDICTIONS_VERSION => format!(
            "predictions.parquet has version {version} of its columns, this program reads version {PREDICTIONS_VERSION}: the run's command writes it again, without new calls"
        ),
        _ => format!("{}: {error}", path.display()),
    }
}

/// Compares the rows of the file with those of the ledger.
struct Comparison<'a> {
    stored: TableReader,
    questions: Questions,
    expected: Rows,
    /// How many rows have been compared.
    done: u64,
    check: &'a mut Check,
    unreadable: Option<ParquetError>,
}

impl<'a> Comparison<'a> {
    fn compare(
        stored: TableReader,
        of: &Evaluated<'_>,
        rows: u64,
        check: &'a mut Check,
    ) -> Result<(), EvaluationError> {
        if stored.rows() != rows {
            check.problem(format_args!("predictions.parquet has {} rows, expected {rows}", stored.rows()));
            return Ok(());
        }
        let is_by_this_release = compare_metadata(&stored, &of.about(), check);
        let questions = Questions::new(of.codebook, of.experiment.behaviour);
        let expected = Rows::new(&columns());
        let mut all = Comparison { stored, questions, expected, done: 0, check, unreadable: None };
        of.hand_over(&mut all)?;
        all.compare_waiting();
        let Self { stored, check, unreadable, .. } = all;
        if let Some(error) = unreadable {
            check.problem(format_args!("predictions.parquet: {error}"));
        } else if !is_by_this_release {
            let release = stored.metadata(RELEASE);
            check.said = format!(
                "predictions.parquet has the run's {rows} predictions, row by row (valuesim {release} wrote it, so its bytes say nothing)"
            );
        } else if check.is_sound() {
            check.problem(
                "predictions.parquet has other bytes than it was written with, although each of its rows is right: `valuesim run` writes it again",
            );
        }
        Ok(())
    }

    fn compare_waiting(&mut self) {
        let expected = std::mem::replace(&mut self.expected, Rows::new(&columns()));
        if self.unreadable.is_some() {
            return;
        }
        match self.stored.read(expected.count()) {
            Ok(found) if found == expected => {}
            Ok(found) => self.tell_differences(&found, &expected),
            Err(error) => self.unreadable = Some(error),
        }
        self.done += expected.count() as u64;
    }

    fn tell_differences(&mut self, found: &Rows, expected: &Rows) {
        let (found_rows, expected_rows) = (found.count(), expected.count());
        if found_rows != expected_rows {
            let end = self.done + found_rows as u64;
            self.unreadable = Some(ParquetError::EOF(format!("its rows end after {end}")));
            return;
        }
        let (found, expected) = (found.shown(), expected.shown());
        for row in 0..expected_rows {
            for ((column, found), (_, expected)) in found.iter().zip(&expected) {
                if found[row] != expected[row] {
                    let (number, found, expected) = (self.done + row as u64 + 1, &found[row], &expected[row]);
                    self.check.problem(format_args!(
                        "predictions.parquet, row {number}, {column}: {found}, expected {expected}"
                    ));
                }
            }
        }
    }
}

impl Sink for Comparison<'_> {
    fn write(&mut self, batch: &Batch<'_>, predictions: &[Prediction]) -> Result<(), EvaluationError> {
        let rows = BatchRows::new(batch, &self.questions);
        for prediction in predictions {
            self.expected.push(rows.row(prediction));
        }
        if self.expected.count() >= ROWS_AT_ONCE {
            self.compare_waiting();
        }
        Ok(())
    }
}

/// Compares the file's metadata. Returns whether this release wrote the file, with the same version of the Parquet library.
fn compare_metadata(stored: &TableReader, about: &About, check: &mut Check) -> bool {
    let mut is_by_this_release = stored.library() == Some(parquet::file::properties::DEFAULT_CREATED_BY);
    for (key, expected) in about.metadata() {
        let found = stored.metadata(key);
        if found == expected {
            continue;
        }
        if key == RELEASE {
            is_by_this_release = false;
        } else {
            check.problem(format_args!("predictions.parquet, {key}: {found:?}, expected {expected:?}"));
        }
    }
    is_by_this_release
}
