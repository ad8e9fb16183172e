//! A row for each prediction: the columns of `predictions.parquet`, without the methods that ask no model.

use std::io::Write;

use valuesim_shared::id::ModelId;

use super::error::ExportError;
use super::labels::{is_simulated, model_name, respondent_and_fold};
use super::sheet::{Column, Kind, Sheet, Value};
use crate::evaluation::Evaluated;
use crate::score::Arm;

pub(super) const COLUMNS: &[Column] = &[
    Column::required("respondent", Kind::Int32),
    Column::required("country", Kind::Text),
    Column::required("fold", Kind::Int32),
    Column::required("question", Kind::Text),
    Column::required("category", Kind::Text),
    Column::required("arm", Kind::Text),
    Column::required("method", Kind::Text),
    Column::required("model", Kind::Text),
    Column::optional("prediction", Kind::Int32),
    Column::optional("truth", Kind::Int32),
    Column::required("decided", Kind::Text),
    Column::required("ended", Kind::Text),
    Column::required("attempts", Kind::Int32),
    Column::required("simulated", Kind::Flag),
];

pub(super) fn write<W: Write + Send>(
    of: &Evaluated<'_>,
    model: ModelId,
    sheet: &mut Sheet<W>,
) -> Result<(), ExportError> {
    let name = model_name(of, model);
    let simulated = Value::Flag(is_simulated(of));
    let methods = &of.experiment.methods;
    let arms: Vec<(Arm, String)> =
        methods.iter().map(|&method| Arm::with_model(method, name)).map(|arm| (arm.clone(), arm.to_string())).collect();
    let questions: Vec<String> = of.codebook.questions().iter().map(|question| question.id.to_string()).collect();
    for row in of.ledger.results(model)? {
        let (cell, result) = row?;
        let country = of.codebook.country(of.survey.country(cell.respondent));
        let country = country.map_or("", |country| country.alpha.as_str());
        let [respondent, fold] = respondent_and_fold(cell);
        for (arm, arm_name) in &arms {
            for prediction in of.predictions(cell, &result, arm.method)? {
                let question = of.codebook.question(prediction.question);
                let truth = Some(prediction.truth).filter(|truth| !truth.is_missing());
                sheet.write(&[
                    respondent,
                    Value::Text(country),
                    fold,
                    Value::Text(&questions[prediction.question.index()]),
                    Value::Text(question.category.name()),
                    Value::Text(arm_name),
                    Value::Text(&arm.method.name()),
                    Value::Text(name),
                    Value::code(prediction.answer),
                    Value::code(truth),
                    Value::Text(prediction.decided.name()),
                    Value::Text(prediction.ended.name()),
                    Value::Number(u64::from(prediction.asked)),
                    simulated,
                ])?;
            }
        }
    }
    Ok(())
}
