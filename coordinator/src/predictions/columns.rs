//! The columns of the predictions file: their names and types, and the rows that wait for the next row group.

use bytes::Bytes;
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int32Type};
use parquet::errors::Result;
use parquet::file::writer::SerializedRowGroupWriter;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::id::Code;

use super::Batch;
use super::stored::GroupReader;
use crate::score::Prediction;

/// The columns, in the order in which [`Columns::write`] writes them.
pub(crate) const SCHEMA: &str = "
message predictions {
    REQUIRED INT32 respondent;
    REQUIRED BYTE_ARRAY country (STRING);
    REQUIRED INT32 fold;
    REQUIRED BYTE_ARRAY question (STRING);
    REQUIRED BYTE_ARRAY category (STRING);
    REQUIRED BYTE_ARRAY arm (STRING);
    REQUIRED BYTE_ARRAY method (STRING);
    REQUIRED BYTE_ARRAY model (STRING);
    OPTIONAL INT32 prediction;
    OPTIONAL INT32 truth;
    REQUIRED BYTE_ARRAY decided (STRING);
    REQUIRED BYTE_ARRAY ended (STRING);
    REQUIRED INT32 attempts;
    REQUIRED BOOLEAN simulated;
}";

/// Rows that are not in the file yet, or that were read from it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Columns {
    respondent: Vec<i32>,
    country: Vec<ByteArray>,
    fold: Vec<i32>,
    question: Vec<ByteArray>,
    category: Vec<ByteArray>,
    arm: Vec<ByteArray>,
    method: Vec<ByteArray>,
    model: Vec<ByteArray>,
    prediction: Optional,
    truth: Optional,
    decided: Vec<ByteArray>,
    ended: Vec<ByteArray>,
    attempts: Vec<i32>,
    simulated: Vec<bool>,
}

/// Numbers that may be missing.
#[derive(Debug, Default, PartialEq)]
struct Optional {
    /// Those that are there.
    values: Vec<i32>,
    /// For each row 1 where there is a number, 0 where there is none.
    levels: Vec<i16>,
}

impl Optional {
    fn push(&mut self, code: Option<Code>) {
        self.levels.push(i16::from(code.is_some()));
        self.values.extend(code.map(|code| code.0));
    }

    /// The numbers as texts, row by row.
    fn shown(&self) -> Vec<String> {
        let mut values = self.values.iter();
        let mut shown = |level: &i16| match level {
            0 => "null".to_owned(),
            _ => values.next().map_or_else(String::new, ToString::to_string),
        };
        self.levels.iter().map(&mut shown).collect()
    }
}

/// The texts that most rows share, made once: a copy of one costs a counter.
#[derive(Debug)]
pub(crate) struct Names {
    questions: Vec<ByteArray>,
    categories: Vec<ByteArray>,
}

impl Names {
    pub(crate) fn new(codebook: &Codebook) -> Self {
        let questions = codebook.questions();
        Self {
            questions: questions.iter().map(|question| text(&question.id.to_string())).collect(),
            categories: questions.iter().map(|question| constant(question.category.name())).collect(),
        }
    }
}

impl Columns {
    /// Number of rows that wait.
    pub(crate) fn rows(&self) -> usize {
        self.respondent.len()
    }

    /// Adds a row for each prediction of a batch.
    pub(crate) fn push(&mut self, batch: &Batch<'_>, names: &Names, predictions: &[Prediction]) {
        let rows = predictions.len();
        let same = |column: &mut Vec<ByteArray>, value: ByteArray| column.resize(column.len() + rows, value);
        same(&mut self.country, text(batch.country));
        same(&mut self.arm, text(&batch.arm.to_string()));
        same(&mut self.method, ByteArray::from(batch.arm.method.name().as_ref()));
        same(&mut self.model, text(batch.arm.model.as_deref().unwrap_or_default()));
        let respondent = i32::try_from(batch.respondent.row()).expect("a survey file has under 2^31 rows");
        self.respondent.resize(self.respondent.len() + rows, respondent);
        self.fold.resize(self.fold.len() + rows, i32::from(batch.fold.number()));
        let simulated = batch.replies == super::Replies::Simulated;
        self.simulated.resize(self.simulated.len() + rows, simulated);
        for prediction in predictions {
            self.push_one(names, prediction);
        }
    }

    fn push_one(&mut self, names: &Names, prediction: &Prediction) {
        let at = prediction.question.index();
        self.question.push(names.questions[at].clone());
        self.category.push(names.categories[at].clone());
        self.prediction.push(prediction.answer);
        self.truth.push(Some(prediction.truth).filter(|truth| !truth.is_missing()));
        self.decided.push(constant(prediction.decided.name()));
        self.ended.push(constant(prediction.ended.name()));
        self.attempts.push(i32::from(prediction.asked));
    }

    /// Writes all rows as one row group.
    pub(super) fn write<W: std::io::Write + Send>(&self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<()> {
        column::<Int32Type, W>(group, &self.respondent, None)?;
        column::<ByteArrayType, W>(group, &self.country, None)?;
        column::<Int32Type, W>(group, &self.fold, None)?;
        column::<ByteArrayType, W>(group, &self.question, None)?;
        column::<ByteArrayType, W>(group, &self.category, None)?;
        column::<ByteArrayType, W>(group, &self.arm, None)?;
        column::<ByteArrayType, W>(group, &self.method, None)?;
        column::<ByteArrayType, W>(group, &self.model, None)?;
        column::<Int32Type, W>(group, &self.prediction.values, Some(&self.prediction.levels))?;
        column::<Int32Type, W>(group, &self.truth.values, Some(&self.truth.levels))?;
        column::<ByteArrayType, W>(group, &self.decided, None)?;
        column::<ByteArrayType, W>(group, &self.ended, None)?;
        column::<Int32Type, W>(group, &self.attempts, None)?;
        column::<BoolType, W>(group, &self.simulated, None)
    }
}

impl Columns {
    /// Adds up to `rows` rows of a row group; returns how many there were.
    pub(super) fn read(&mut self, group: &mut GroupReader, rows: usize) -> Result<usize> {
        let count = read(group.number()?, &mut self.respondent, None, rows)?;
        read(group.text()?, &mut self.country, None, rows)?;
        read(group.number()?, &mut self.fold, None, rows)?;
        for column in [&mut self.question, &mut self.category, &mut self.arm, &mut self.method, &mut self.model] {
            read(group.text()?, column, None, rows)?;
        }
        for Optional { values, levels } in [&mut self.prediction, &mut self.truth] {
            read(group.number()?, values, Some(levels), rows)?;
        }
        read(group.text()?, &mut self.decided, None, rows)?;
        read(group.text()?, &mut self.ended, None, rows)?;
        read(group.number()?, &mut self.attempts, None, rows)?;
        read(group.flag()?, &mut self.simulated, None, rows)?;
        Ok(count)
    }

    /// Every column with its values as texts, row by row.
    pub(crate) fn shown(&self) -> [(&'static str, Vec<String>); 14] {
        [
            ("respondent", numbers(&self.respondent)),
            ("country", texts(&self.country)),
            ("fold", numbers(&self.fold)),
            ("question", texts(&self.question)),
            ("category", texts(&self.category)),
            ("arm", texts(&self.arm)),
            ("method", texts(&self.method)),
            ("model", texts(&self.model)),
            ("prediction", self.prediction.shown()),
            ("truth", self.truth.shown()),
            ("decided", texts(&self.decided)),
            ("ended", texts(&self.ended)),
            ("attempts", numbers(&self.attempts)),
            ("simulated", numbers(&self.simulated)),
        ]
    }
}

fn numbers(values: &[impl ToString]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn texts(values: &[ByteArray]) -> Vec<String> {
    values.iter().map(|value| String::from_utf8_lossy(value.data()).into_owned()).collect()
}

/// Reads from a column; `levels` takes for an optional one where its values are.
fn read<T: DataType>(
    column: &mut ColumnReaderImpl<T>,
    values: &mut Vec<T::T>,
    levels: Option<&mut Vec<i16>>,
    rows: usize,
) -> Result<usize> {
    let (rows, ..) = column.read_records(rows, levels, None, values)?;
    Ok(rows)
}

/// Writes the next column; `levels` says for an optional one where its values are.
fn column<T: DataType, W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<()> {
    let mut column = group.next_column()?.expect("the schema has as many columns as are written");
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}

fn text(text: &str) -> ByteArray {
    ByteArray::from(text.as_bytes().to_vec())
}

fn constant(text: &'static str) -> ByteArray {
    ByteArray::from(Bytes::from_static(text.as_bytes()))
}
