//! How accurately arms predict each person of a plan, in the order in which people were drawn.

use tokio_util::sync::CancellationToken;
use valuesim_shared::id::ModelId;

use super::answers::Layout;
use super::evaluated::{Evaluated, EvaluationError};
use super::pass::{Pass, PassArm};
use super::scored_cells::{ScoredCells, ScoredPerson};
use crate::baseline::Baselines;
use crate::results::Measure;
use crate::score::{Arm, Chance, Tallies};

impl Evaluated<'_> {
    /// The accuracy of each arm, by person in the plan's order: the scores from which the results' means are made. NaN for
    /// people whose answers are not scored.
    ///
    /// Soon after `stop` is cancelled it returns an error that [is an interruption](EvaluationError::is_interruption).
    pub(crate) fn accuracies(
        &self,
        arms: &[(Arm, Option<ModelId>)],
        stop: &CancellationToken,
    ) -> Result<Vec<Vec<f64>>, EvaluationError> {
        let cells = ScoredCells::find(self)?;
        // An arm without any finished cell is left out of the pass, which would count nobody for it.
        let is_scored = |model: &Option<ModelId>| model.is_none_or(|model| cells.models.contains(&model));
        let scored: Vec<PassArm> = arms
            .iter()
            .filter(|(_, model)| is_scored(model))
            .map(|(arm, model)| PassArm { arm: arm.clone(), model: *model })
            .collect();
        let (baselines, chance) =
            (Baselines::new(self.survey, self.codebook), Chance::new(self.codebook, self.experiment.behaviour));
        let layout = Layout::new(self.codebook, scored.len(), 1);
        let tallies = Tallies::new(self.codebook, self.experiment.behaviour);
        let pass = Pass {
            of: self,
            without_model: (&baselines, &chance),
            arms: &scored,
            columns: &[],
            layout: &layout,
            tallies: &tallies,
            stop,
        };
        let counts = pass.count(&cells.people)?;
        let mut of_scored = counts.scorers.iter().map(|scorer| {
            let people = scorer.people().iter();
            people.map(|person| person.score(None, Measure::Accuracy).unwrap_or(f64::NAN)).collect::<Vec<f64>>()
        });
        let nobody = || vec![f64::NAN; cells.people.len()];
        let of_arm = |(_, model): &(Arm, Option<ModelId>)| {
            let values = if is_scored(model) { of_scored.next() } else { None };
            self.in_plan_order(&cells.people, &values.unwrap_or_else(nobody))
        };
        Ok(arms.iter().map(of_arm).collect())
    }

    /// Values of scored people, who are in ascending order, by person in the plan's order; NaN for people who are not scored.
    pub(crate) fn in_plan_order(&self, people: &[ScoredPerson], values: &[f64]) -> Vec<f64> {
        let place =
            |respondent| people.binary_search_by_key(&respondent, |person: &ScoredPerson| person.respondent).ok();
        let value = |&respondent| place(respondent).and_then(|place| values.get(place).copied()).unwrap_or(f64::NAN);
        self.plan.respondents().iter().map(value).collect()
    }
}
