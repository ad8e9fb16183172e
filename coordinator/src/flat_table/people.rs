//! A row for each scored person, arm and category: who they are, and how well they were predicted.

use valuesim_shared::codebook::Category;

use super::RESPONDENT;
use super::scores::OVERALL;
use crate::evaluation::{Column as GroupColumn, Evaluated, EvaluationError, Scored, ScoredPerson, weights};
use crate::parquet_table::{Column, Kind, SharedText, Value};
use crate::predictions::Replies;
use crate::results::Measure;
use crate::score::{Arm, PersonScore};

/// The table's name.
pub(crate) const TABLE: &str = "people";

/// Its columns, in the order of a row's values.
pub(crate) const COLUMNS: &[Column] = &[
    RESPONDENT,
    Column::optional("country", Kind::Text, "its name"),
    Column::optional("region", Kind::Text, "`N_REGION_ISO` of the survey file"),
    Column::optional("sex", Kind::Text, "the answer to Q260"),
    Column::optional("age_group", Kind::Text, "years, from Q262"),
    Column::optional("education", Kind::Text, "the answer to Q275"),
    Column::optional("income", Kind::Text, "the answer to Q288"),
    Column::optional("language", Kind::Text, "`LNGE_ISO` of the survey file"),
    Column::optional("weight", Kind::Double, "the survey weight; null unless the experiment names a column of weights"),
    Column::required("folds", Kind::Int32, "the person's scored folds"),
    Column::required("arm", Kind::Text, "method and model: `valuesim / gpt-3.5-turbo`"),
    Column::required("method", Kind::Text, "the method alone"),
    Column::required("model", Kind::Text, "the model alone; empty for baselines"),
    Column::required("category", Kind::Text, "column of the tables, or `Overall`"),
    Column::required("counted", Kind::Int32, "predictions that count for accuracy"),
    Column::optional("accuracy", Kind::Double, "share of them that are exact, 0 to 1; null if there are none"),
    Column::required("measured", Kind::Int32, "predictions that count for MAE"),
    Column::optional("mae", Kind::Double, "mean error as a share of the scale; null if there are none"),
    Column::required("simulated", Kind::Flag, "whether the replies came from the simulated provider"),
];

/// The survey's columns that say who a person is, as the table has them after the respondent.
const ABOUT: [&str; 7] = ["B_COUNTRY", "N_REGION_ISO", "Q260", "Q262", "Q275", "Q288", "LNGE_ISO"];

/// The table of a scored run, with the texts that its rows share.
pub(crate) struct People<'a> {
    scored: &'a Scored<'a>,
    weights: Option<Vec<f64>>,
    about: [Option<Groups<'a>>; ABOUT.len()],
    arms: Vec<ArmTexts>,
}

/// A column of groups with their labels.
struct Groups<'a> {
    column: &'a GroupColumn,
    labels: Vec<SharedText>,
}

struct ArmTexts {
    arm: SharedText,
    method: SharedText,
    model: SharedText,
    simulated: bool,
}

impl<'a> People<'a> {
    pub(crate) fn new(scored: &'a Scored<'a>) -> Result<Self, EvaluationError> {
        let Evaluated { survey, experiment, .. } = *scored.of;
        let simulated = scored.of.replies() == Replies::Simulated;
        let groups = |name: &str| {
            let column = scored.columns.iter().find(|column| column.name == name)?;
            Some(Groups { column, labels: column.groups.iter().map(|group| SharedText::new(&*group.label)).collect() })
        };
        Ok(Self {
            scored,
            weights: weights(survey, experiment.evaluation.weights.as_deref())?,
            about: ABOUT.map(groups),
            arms: scored.arms.iter().map(|arm| ArmTexts::new(&arm.arm, simulated)).collect(),
        })
    }

    /// Hands over the rows: person by person, arm by arm.
    pub(crate) fn each<E>(&self, mut row: impl FnMut(&[Value<'_>]) -> Result<(), E>) -> Result<(), E> {
        for (at, person) in self.scored.people.iter().enumerate() {
            let who = self.who(person);
            for (arm, scorer) in self.arms.iter().zip(&self.scored.counts.scorers) {
                of_arm(who, arm, &scorer.people()[at], &mut row)?;
            }
        }
        Ok(())
    }

    /// The values that all rows of a person begin with.
    fn who(&self, person: &ScoredPerson) -> [Value<'_>; 3 + ABOUT.len()] {
        let labels =
            self.about.each_ref().map(|groups| Value::shared(groups.as_ref().and_then(|groups| groups.label(person))));
        let [country, region, sex, age, education, income, language] = labels;
        let place = self.scored.of.survey.places().of(person.respondent);
        let weight = self.weights.as_ref().map(|weights| weights[place]);
        let (respondent, folds) = (person.respondent.row().into(), person.folds.len() as u64);
        [
            Value::Number(respondent),
            country,
            region,
            sex,
            age,
            education,
            income,
            language,
            Value::double(weight),
            Value::Number(folds),
        ]
    }
}

impl Groups<'_> {
    fn label(&self, person: &ScoredPerson) -> Option<&SharedText> {
        self.labels.get(self.column.group(person.respondent)?)
    }
}

impl ArmTexts {
    fn new(arm: &Arm, simulated: bool) -> Self {
        Self {
            arm: SharedText::new(arm.to_string()),
            method: SharedText::new(arm.method.to_string()),
            model: SharedText::new(arm.model.as_deref().unwrap_or_default()),
            simulated: simulated && arm.model.is_some(),
        }
    }
}

fn of_arm<E>(
    who: [Value<'_>; 3 + ABOUT.len()],
    arm: &ArmTexts,
    score: &PersonScore,
    row: &mut impl FnMut(&[Value<'_>]) -> Result<(), E>,
) -> Result<(), E> {
    for category in [None].into_iter().chain(Category::ALL.map(Some)) {
        let [counted, measured] = Measure::ALL.map(|measure| Value::Number(score.sums(category, measure).1.into()));
        let [accuracy, mae] = Measure::ALL.map(|measure| Value::double(score.score(category, measure)));
        let mut values = [Value::Missing; COLUMNS.len()];
        values[..who.len()].copy_from_slice(&who);
        values[who.len()..].copy_from_slice(&[
            Value::Shared(&arm.arm),
            Value::Shared(&arm.method),
            Value::Shared(&arm.model),
            Value::Constant(category.map_or(OVERALL, Category::name)),
            counted,
            accuracy,
            measured,
            mae,
            Value::Flag(arm.simulated),
        ]);
        row(&values)?;
    }
    Ok(())
}
