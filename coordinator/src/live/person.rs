//! Scores one person fold by fold, from the rows of the ledger that are theirs.

use valuesim_shared::id::{Cell, Fold, Respondent};
use valuesim_shared::method::Method;
use valuesim_shared::outcome::CellResult;

use crate::baseline::Baselines;
use crate::evaluation::{Evaluated, EvaluationError, PassArm};
use crate::score::{Chance, PersonScore, Prediction, Tallies};

/// Scores people of a run.
pub(super) struct PersonScorer<'a> {
    of: Evaluated<'a>,
    tallies: Tallies<'a>,
    baselines: Baselines<'a>,
    chance: Chance,
}

/// What a person's predictions count, by arm, for each of some folds.
pub(super) struct FoldScores(Vec<(Fold, Vec<PersonScore>)>);

impl<'a> PersonScorer<'a> {
    /// Counts the whole survey for the baselines, which takes a second for a hundred thousand people.
    pub(super) fn new(of: Evaluated<'a>) -> Self {
        let behaviour = of.experiment.behaviour;
        let (tallies, chance) = (Tallies::new(of.codebook, behaviour), Chance::new(of.codebook, behaviour));
        Self { of, tallies, baselines: Baselines::new(of.survey, of.codebook), chance }
    }

    /// The scores of a person in each of `folds`, whose cells the ledger must have for every arm's model.
    pub(super) fn score(
        &self,
        arms: &[PassArm],
        respondent: Respondent,
        folds: &[Fold],
    ) -> Result<FoldScores, EvaluationError> {
        let rows = self.rows(arms, respondent)?;
        let of_fold = |&fold: &Fold| {
            let scores = arms.iter().map(|arm| match arm.model {
                None => Ok(self.without_model(arm.arm.method, respondent, fold)),
                Some(model) => {
                    let row = rows.iter().find(|(cell, _)| (cell.model, cell.fold) == (model, fold));
                    row.map_or_else(
                        || Ok(PersonScore::default()),
                        |(cell, result)| Ok(self.judged(&self.of.predictions(*cell, result, arm.arm.method)?)),
                    )
                }
            });
            Ok((fold, scores.collect::<Result<_, EvaluationError>>()?))
        };
        folds.iter().map(of_fold).collect::<Result<_, _>>().map(FoldScores)
    }

    fn rows(&self, arms: &[PassArm], respondent: Respondent) -> Result<Vec<(Cell, CellResult)>, EvaluationError> {
        let mut models: Vec<_> = arms.iter().filter_map(|arm| arm.model).collect();
        models.dedup();
        let mut rows = Vec::new();
        for model in models {
            for row in self.of.ledger.results_of(model, respondent)? {
                rows.push(row?);
            }
        }
        Ok(rows)
    }

    fn without_model(&self, method: Method, respondent: Respondent, fold: Fold) -> PersonScore {
        let questions = self.of.plan.split().asked(fold);
        if method != Method::Chance {
            return self.judged(&self.baselines.predictions(method, respondent, questions));
        }
        let mut score = PersonScore::default();
        for &question in questions {
            let tally = self.chance.tally(question, self.of.survey.code(respondent, question));
            score.add(self.tallies.category(question), &tally);
        }
        score
    }

    fn judged(&self, predictions: &[Prediction]) -> PersonScore {
        let mut score = PersonScore::default();
        for prediction in predictions {
            score.add(self.tallies.category(prediction.question), &self.tallies.tally(prediction));
        }
        score
    }
}

impl FoldScores {
    /// What an arm's predictions in `folds` count together; `None` for no folds.
    ///
    /// The sums run in the order of the folds that were scored, so that the same folds give the same digits whenever they
    /// are asked for.
    pub(super) fn of_arm(&self, arm: usize, folds: &[Fold]) -> Option<PersonScore> {
        let wanted = self.0.iter().filter(|(fold, _)| folds.contains(fold));
        wanted.map(|(_, scores)| scores[arm]).reduce(|mut sum, more| {
            sum.merge(&more);
            sum
        })
    }
}
