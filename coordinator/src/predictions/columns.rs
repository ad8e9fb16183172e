//! The columns of the predictions: the one table from which they are written, read again, exported and verified.

use valuesim_shared::codebook::Codebook;
use valuesim_shared::method::Behaviour;

use super::rows::{Batch, Replies};
use crate::parquet_table::{Column, Kind, SharedText, Value};
use crate::score::{Prediction, Tallies, Verdict};

/// A column of the predictions.
struct PredictionColumn {
    /// Its name, its type, and what it holds.
    column: Column,
    /// Its value in a row.
    value: for<'a> fn(&Row<'a>) -> Value<'a>,
}

/// The name of the table in a Parquet file.
pub(crate) const TABLE: &str = "predictions";

/// All columns, in their order. To add one, add a row here.
const COLUMNS: &[PredictionColumn] = &[
    PredictionColumn {
        column: Column::required(
            "respondent",
            Kind::Int32,
            "row number in the survey file, starting at 1; or the number in `--id-column`",
        ),
        value: |row| Value::Number(row.batch.respondent.row().into()),
    },
    PredictionColumn {
        column: Column::required("country", Kind::Text, "ISO 3166-1 alpha-3 code"),
        value: |row| Value::Shared(&row.texts.country),
    },
    PredictionColumn {
        column: Column::required("fold", Kind::Int32, "the fold that held the question out, starting at 1"),
        value: |row| Value::Number(row.batch.fold.number().into()),
    },
    PredictionColumn {
        column: Column::required("question", Kind::Text, "`Q1` to `Q290`"),
        value: |row| Value::Shared(&row.questions.names[row.prediction.question.index()]),
    },
    PredictionColumn {
        column: Column::required("category", Kind::Text, "column of the tables"),
        value: |row| Value::Shared(&row.questions.categories[row.prediction.question.index()]),
    },
    PredictionColumn {
        column: Column::required("arm", Kind::Text, "method and model: `valuesim / gpt-3.5-turbo`"),
        value: |row| Value::Shared(&row.texts.arm),
    },
    PredictionColumn {
        column: Column::required("method", Kind::Text, "the method alone"),
        value: |row| Value::Shared(&row.texts.method),
    },
    PredictionColumn {
        column: Column::required("model", Kind::Text, "the model alone; empty for baselines"),
        value: |row| Value::Shared(&row.texts.model),
    },
    PredictionColumn {
        column: Column::optional("prediction", Kind::Int32, "predicted code; null where there is no valid answer"),
        value: |row| Value::code(row.prediction.answer),
    },
    PredictionColumn {
        column: Column::optional("truth", Kind::Int32, "the respondent's code; null where the survey has none"),
        value: |row| Value::code(Some(row.prediction.truth).filter(|truth| !truth.is_missing())),
    },
    PredictionColumn {
        column: Column::required(
            "counted",
            Kind::Flag,
            "whether the prediction counts for accuracy; none does in a cell that another model has not finished",
        ),
        value: |row| Value::Flag(row.verdict.correct.is_some()),
    },
    PredictionColumn {
        column: Column::optional(
            "correct",
            Kind::Double,
            "1 where the prediction equals the truth, 0 where it does not; null where it does not count",
        ),
        value: |row| Value::double(row.verdict.correct),
    },
    PredictionColumn {
        column: Column::optional(
            "error",
            Kind::Double,
            "the error as a share of the scale; null where it does not count for MAE",
        ),
        value: |row| Value::double(row.verdict.error),
    },
    PredictionColumn {
        column: Column::required(
            "decided",
            Kind::Text,
            "`unanimous`, `single answer`, `coordinator`, `average`, `no valid answers`, `direct` or `without a model`",
        ),
        value: |row| Value::Constant(row.prediction.decided.name()),
    },
    PredictionColumn {
        column: Column::required(
            "ended",
            Kind::Text,
            "`answered`, `answered after a reminder`, `invalid`, `refused`, `cut off`, `too long`, `rejected` or `no backstory`",
        ),
        value: |row| Value::Constant(row.prediction.ended.name()),
    },
    PredictionColumn {
        column: Column::required(
            "attempts",
            Kind::Int32,
            "how often the model was asked for it, reminders included; transport retries are not counted here",
        ),
        value: |row| Value::Number(row.prediction.asked.into()),
    },
    PredictionColumn {
        column: Column::required("simulated", Kind::Flag, "whether the replies came from the simulated provider"),
        value: |row| Value::Flag(row.batch.replies == Replies::Simulated),
    },
];

/// Names and types of all columns.
pub(crate) fn columns() -> Vec<Column> {
    COLUMNS.iter().map(|column| column.column).collect()
}

/// What the rows of all batches share: the texts of their questions, and what each prediction counts.
#[derive(Debug)]
pub(crate) struct Questions {
    tallies: Tallies<'static>,
    names: Vec<SharedText>,
    categories: Vec<SharedText>,
}

impl Questions {
    pub(crate) fn new(codebook: &Codebook, behaviour: Behaviour) -> Self {
        let questions = codebook.questions();
        Self {
            tallies: Tallies::owned(codebook.clone(), behaviour),
            names: questions.iter().map(|question| SharedText::new(question.id.to_string())).collect(),
            categories: questions.iter().map(|question| SharedText::new(question.category.name())).collect(),
        }
    }
}

/// The texts that the rows of one batch share.
struct BatchTexts {
    country: SharedText,
    arm: SharedText,
    method: SharedText,
    model: SharedText,
}

/// What the values of a row are made of.
struct Row<'a> {
    batch: &'a Batch<'a>,
    texts: &'a BatchTexts,
    questions: &'a Questions,
    prediction: &'a Prediction,
    verdict: Verdict,
}

/// The rows of a batch, made one by one.
pub(crate) struct BatchRows<'a> {
    batch: &'a Batch<'a>,
    texts: BatchTexts,
    questions: &'a Questions,
}

impl<'a> BatchRows<'a> {
    pub(crate) fn new(batch: &'a Batch<'a>, questions: &'a Questions) -> Self {
        let texts = BatchTexts {
            country: SharedText::new(batch.country),
            arm: SharedText::new(batch.arm.to_string()),
            method: SharedText::new(batch.arm.method.to_string()),
            model: SharedText::new(batch.arm.model.as_deref().unwrap_or_default()),
        };
        Self { batch, texts, questions }
    }

    /// The values of a prediction's row, one for each column.
    pub(crate) fn row<'r>(&'r self, prediction: &'r Prediction) -> impl Iterator<Item = Value<'r>> {
        let verdict = if self.batch.is_scored {
            Verdict::of(&self.questions.tallies.tally(prediction))
        } else {
            Verdict::NOT_COUNTED
        };
        let row = Row { batch: self.batch, texts: &self.texts, questions: self.questions, prediction, verdict };
        COLUMNS.iter().map(move |column| (column.value)(&row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parquet_table::schema;

    /// Other programs read the file by these names and types.
    #[test]
    fn the_columns_are_those_that_other_programs_read() {
        let expected = "message predictions {
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
            REQUIRED BOOLEAN counted;
            OPTIONAL DOUBLE correct;
            OPTIONAL DOUBLE error;
            REQUIRED BYTE_ARRAY decided (STRING);
            REQUIRED BYTE_ARRAY ended (STRING);
            REQUIRED INT32 attempts;
            REQUIRED BOOLEAN simulated;
        }";
        let words = |schema: &str| schema.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&schema(TABLE, &columns())), words(expected));
    }
}
