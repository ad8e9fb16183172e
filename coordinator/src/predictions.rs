//! Writes every prediction of a run to a Parquet file, which data frames in Python and R can read.
//!
//! It has one row for each question of each respondent and arm. `columns.rs` says what its columns are.

mod columns;
mod encoder;
mod rows;

use std::path::Path;

use valuesim_shared::codebook::Codebook;

use crate::parquet_table::TableFile;
use crate::score::Prediction;

pub use crate::parquet_table::TableFileError;
pub(crate) use columns::{BatchRows, Questions, TABLE, columns};
pub(crate) use encoder::{Encoder, RELEASE, VERSION};
pub use rows::{About, Batch, PREDICTIONS_VERSION, Replies};

/// A predictions file that is being written. The complete file has its final name once [`finish`](Self::finish) returns.
#[derive(Debug)]
pub struct PredictionsWriter {
    file: TableFile,
    questions: Questions,
}

impl PredictionsWriter {
    /// Begins the file `path`. Until it is finished it is called `<path>.unfinished`, and an earlier file stays in place.
    pub fn create(path: &Path, codebook: &Codebook, about: &About) -> Result<Self, TableFileError> {
        let file = TableFile::create(path, (TABLE, &columns()), &about.metadata())?;
        Ok(Self { file, questions: Questions::new(codebook, about.behaviour) })
    }

    /// Adds a row for each of the predictions.
    pub fn write(&mut self, batch: &Batch<'_>, predictions: &[Prediction]) -> Result<(), TableFileError> {
        let rows = BatchRows::new(batch, &self.questions);
        self.file.write(predictions.iter().map(|prediction| rows.row(prediction)))
    }

    /// Completes the file and gives it its final name; returns the number of rows.
    pub fn finish(self) -> Result<u64, TableFileError> {
        self.file.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::PathBuf;

    use super::*;
    use crate::parquet_table::ROWS_PER_GROUP;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use valuesim_shared::id::{Code, Fold, QuestionId, Respondent, RunId};
    use valuesim_shared::method::{Behaviour, Method};
    use valuesim_shared::outcome::{Decided, Ended};

    use crate::fixture;
    use crate::score::Arm;

    fn about() -> About {
        About {
            run: RunId("r1".to_owned()),
            behaviour: Behaviour::Corrected,
            replies: Replies::Simulated,
            survey: "synthetic".to_owned(),
        }
    }

    fn batch(arm: &Arm) -> Batch<'_> {
        Batch {
            arm,
            respondent: Respondent::new(83_811).expect("not 0"),
            country: "URY",
            fold: Fold::new(2).expect("not 0"),
            replies: Replies::Simulated,
            is_scored: true,
        }
    }

    fn prediction(question: &str, truth: i32, answer: Option<i32>) -> Prediction {
        Prediction {
            question: question.parse().expect("a question"),
            truth: Code(truth),
            answer: answer.map(Code),
            ended: if answer.is_some() { Ended::Reminded } else { Ended::CutOff },
            decided: Decided::Coordinator,
            asked: 5,
        }
    }

    fn read(path: &Path) -> SerializedFileReader<File> {
        SerializedFileReader::new(File::open(path).expect("is there")).expect("is Parquet")
    }

    fn in_folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("predictions.parquet");
        (folder, path)
    }

    #[test]
    fn rows_read_back_as_they_were_written() {
        let (_folder, path) = in_folder();
        let arm = Arm::with_model(Method::ValueSim, "gpt-3.5-turbo");
        let mut writer = PredictionsWriter::create(&path, &fixture::codebook(), &about()).expect("creates");
        writer.write(&batch(&arm), &[prediction("Q1", 1, Some(4)), prediction("Q290", -2, None)]).expect("writes");
        assert_eq!(writer.finish().expect("completes"), 2);
        let rows: Vec<String> = read(&path).into_iter().map(|row| row.expect("reads").to_string()).collect();
        insta::assert_snapshot!(rows.join("\n"), @r#"
        {respondent: 83811, country: "URY", fold: 2, question: "Q1", category: "Core", arm: "valuesim / gpt-3.5-turbo", method: "valuesim", model: "gpt-3.5-turbo", prediction: 4, truth: 1, counted: true, correct: 0E0, error: 1.0, decided: "coordinator", ended: "answered after a reminder", attempts: 5, simulated: true}
        {respondent: 83811, country: "URY", fold: 2, question: "Q290", category: "Demo", arm: "valuesim / gpt-3.5-turbo", method: "valuesim", model: "gpt-3.5-turbo", prediction: null, truth: null, counted: false, correct: null, error: null, decided: "coordinator", ended: "cut off", attempts: 5, simulated: true}
        "#);
    }

    #[test]
    fn predictions_of_cells_that_are_not_scored_do_not_count() {
        let (_folder, path) = in_folder();
        let arm = Arm::without_model(Method::Mode);
        let mut writer = PredictionsWriter::create(&path, &fixture::codebook(), &about()).expect("creates");
        let batch = Batch { is_scored: false, ..batch(&arm) };
        writer.write(&batch, &[prediction("Q1", 1, Some(4))]).expect("writes");
        writer.finish().expect("completes");
        let rows: Vec<String> = read(&path).into_iter().map(|row| row.expect("reads").to_string()).collect();
        assert!(rows[0].contains("truth: 1, counted: false, correct: null, error: null"), "{}", rows[0]);
    }

    #[test]
    fn the_file_says_where_it_is_from() {
        let (_folder, path) = in_folder();
        PredictionsWriter::create(&path, &fixture::codebook(), &about()).expect("creates").finish().expect("completes");
        let reader = read(&path);
        let metadata = reader.metadata().file_metadata().key_value_metadata().expect("has some");
        let value = |key: &str| metadata.iter().find(|entry| entry.key == key).and_then(|entry| entry.value.as_deref());
        assert_eq!(value("valuesim.run"), Some("r1"));
        assert_eq!(value("valuesim.behaviour"), Some("corrected"));
        assert_eq!(value("valuesim.simulated"), Some("true"));
        assert_eq!(value("valuesim.survey"), Some("synthetic"));
        assert_eq!(value("valuesim.version"), Some(env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn many_rows_make_several_groups_and_none_is_lost() {
        let (_folder, path) = in_folder();
        let arm = Arm::without_model(Method::Mode);
        let predictions: Vec<Prediction> =
            QuestionId::all().map(|id| Prediction::without_model(id, Code(1), Some(Code(2)))).collect();
        let mut writer = PredictionsWriter::create(&path, &fixture::codebook(), &about()).expect("creates");
        let batches = ROWS_PER_GROUP / predictions.len() + 2;
        for _ in 0..batches {
            writer.write(&batch(&arm), &predictions).expect("writes");
        }
        let rows = writer.finish().expect("completes");
        let reader = read(&path);
        assert_eq!(rows, (batches * predictions.len()) as u64);
        assert_eq!(reader.metadata().num_row_groups(), 2);
        assert_eq!(reader.metadata().file_metadata().num_rows(), i64::try_from(rows).expect("fits"));
    }

    #[test]
    fn an_unfinished_file_leaves_the_former_one_alone() {
        let (_folder, path) = in_folder();
        std::fs::write(&path, "former").expect("writes");
        drop(PredictionsWriter::create(&path, &fixture::codebook(), &about()).expect("creates"));
        assert_eq!(std::fs::read(&path).expect("is there"), b"former");
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let path = Path::new("/nowhere/predictions.parquet");
        let error = PredictionsWriter::create(path, &fixture::codebook(), &about()).expect_err("cannot");
        let expected = "create the file /nowhere/predictions.parquet.unfinished";
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}
