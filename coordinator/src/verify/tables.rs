//! Checks that the data files beside the predictions are what the ledger gives, to the last byte.

use std::path::Path;

use parquet::errors::ParquetError;
use tokio_util::sync::CancellationToken;

use super::Check;
use super::against::Against;
use crate::evaluation::{CALLS_FILE, Evaluated, EvaluationError, PEOPLE_FILE, SCORES_FILE, Scored};
use crate::flat_table::people::People;
use crate::flat_table::{about, calls, people, scores};
use crate::parquet_table::{Column, TableReader, TableWriter, Value};
use crate::predictions::RELEASE;
use crate::results::Results;

/// A file and its table.
#[derive(Clone, Copy)]
struct DataFile<'a> {
    name: &'static str,
    table: &'static str,
    columns: &'static [Column],
    of: &'a Evaluated<'a>,
}

/// Why a file is not written again to its end.
enum Stopped {
    /// It has other bytes.
    Differs,
    /// Its rows cannot be made.
    Evaluation(EvaluationError),
}

impl From<EvaluationError> for Stopped {
    fn from(error: EvaluationError) -> Self {
        Self::Evaluation(error)
    }
}

impl From<ParquetError> for Stopped {
    fn from(_: ParquetError) -> Self {
        Self::Differs
    }
}

/// The results, and a check of the data files in `folder` that are there.
pub(super) fn check(of: &Evaluated<'_>, folder: &Path) -> Result<(Results, Check), EvaluationError> {
    let mut check = Check::new("data files", "");
    let mut sound = Vec::new();
    let results = of.counted(&CancellationToken::new(), |scored, cells| {
        let results = of.results(scored, cells, of.all_spend(&CancellationToken::new())?)?;
        sound.extend(check_people(of, scored, folder, &mut check)?);
        Ok::<_, EvaluationError>(results)
    })?;
    let file = DataFile { name: SCORES_FILE, table: scores::TABLE, columns: scores::COLUMNS, of };
    sound.extend(file.check(folder, &mut check, |row| scores::each(&results, row))?);
    let file = DataFile { name: CALLS_FILE, table: calls::TABLE, columns: calls::COLUMNS, of };
    sound.extend(file.check(folder, &mut check, |row| calls::each(of, row))?);
    check.said = if sound.is_empty() { "none is written".to_owned() } else { sound.join("; ") };
    Ok((results, check))
}

fn check_people(
    of: &Evaluated<'_>,
    scored: &Scored<'_>,
    folder: &Path,
    check: &mut Check,
) -> Result<Option<String>, EvaluationError> {
    let file = DataFile { name: PEOPLE_FILE, table: people::TABLE, columns: people::COLUMNS, of };
    let people = People::new(scored)?;
    file.check(folder, check, |row| people.each(row))
}

impl DataFile<'_> {
    /// What is found of the file if it is sound; `None` if there is none, or with a problem.
    fn check(
        self,
        folder: &Path,
        check: &mut Check,
        rows: impl FnOnce(&mut dyn FnMut(&[Value<'_>]) -> Result<(), Stopped>) -> Result<(), Stopped>,
    ) -> Result<Option<String>, EvaluationError> {
        let path = folder.join(self.name);
        if !path.exists() {
            return Ok(None);
        }
        match self.rows_if_the_same(&path, rows) {
            Ok(rows) => Ok(Some(format!("{} has {rows} rows, to the last byte", self.name))),
            Err(Stopped::Evaluation(error)) => Err(error),
            Err(Stopped::Differs) => Ok(self.explain(&path, check)?),
        }
    }

    fn rows_if_the_same(
        self,
        path: &Path,
        rows: impl FnOnce(&mut dyn FnMut(&[Value<'_>]) -> Result<(), Stopped>) -> Result<(), Stopped>,
    ) -> Result<u64, Stopped> {
        let against = Against::open(path).map_err(|_| Stopped::Differs)?;
        let mut writer = TableWriter::new(self.table, self.columns, &about(self.of, self.table), against)?;
        rows(&mut |row| {
            writer.push(row.iter().copied());
            Ok(writer.write_if_full()?)
        })?;
        let (file, rows) = writer.finish()?;
        if file.ends_here() { Ok(rows) } else { Err(Stopped::Differs) }
    }

    /// What is said of a file with other bytes, which another release may have written.
    fn explain(self, path: &Path, check: &mut Check) -> Result<Option<String>, EvaluationError> {
        let name = self.name;
        match TableReader::open(path, self.table, self.columns) {
            Ok(stored) if self.was_made_by_another(stored.metadata(RELEASE))? => {
                let release = stored.metadata(RELEASE);
                let said = format!("{name} is not compared (valuesim {release} wrote it, so its bytes say nothing)");
                return Ok(Some(said));
            }
            Ok(_) => check.problem(format_args!("{name} is not what the ledger gives: `valuesim run` writes it again")),
            Err(error) => check.problem(format_args!("{name}: {error}")),
        }
        Ok(None)
    }

    /// Whether a release that is not this one, and that worked on the run according to its ledger, has this name. In a damaged
    /// file it may say anything.
    fn was_made_by_another(self, release: &str) -> Result<bool, EvaluationError> {
        let all = self.of.ledger.provenance()?;
        let is_known = all.iter().any(|provenance| provenance.program == release);
        Ok(is_known && release != env!("CARGO_PKG_VERSION"))
    }
}
