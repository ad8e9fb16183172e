//! One pass over the ledger, person by person and on all cores, that counts everything that results are computed from.
//!
//! People come in chunks, each of which is one thread's work. Chunks are put together in the order of the people, so that
//! the results have the same last digit on any number of cores. Memory grows by 216 bytes for each person and arm.

use std::iter;

use tokio_util::sync::CancellationToken;
use valuesim_shared::cell::recipe;
use valuesim_shared::id::{Code, ModelId, QUESTIONS, QuestionId, Respondent};
use valuesim_shared::method::Method;

use super::answers::{Answers, Layout, PersonAnswers};
use super::evaluated::{Evaluated, EvaluationError};
use super::groups::Column;
use super::module_counts::ModuleCounts;
use super::parallel::on_each_thread;
use super::scored_cells::ScoredPerson;
use crate::baseline::Baselines;
use crate::score::{Arm, Chance, Prediction, Scorer, Tallies};

/// People of a chunk: few enough to keep all cores busy to the end, and many enough to be read in one go.
const PEOPLE_PER_CHUNK: usize = 256;

/// An arm with the model that it asks.
#[derive(Debug, Clone)]
pub(crate) struct PassArm {
    pub(crate) arm: Arm,
    pub(crate) model: Option<ModelId>,
}

/// What is counted: arms, and groups of people.
pub(crate) struct Pass<'a> {
    pub(crate) of: &'a Evaluated<'a>,
    /// What the methods without a model predict or expect.
    pub(crate) without_model: (&'a Baselines<'a>, &'a Chance),
    /// Methods without a model first.
    pub(crate) arms: &'a [PassArm],
    pub(crate) columns: &'a [Column],
    pub(crate) layout: &'a Layout,
    pub(crate) tallies: &'a Tallies<'a>,
    pub(crate) stop: &'a CancellationToken,
}

/// The counts of some people.
pub(crate) struct Counts<'a> {
    /// By arm.
    pub(crate) scorers: Vec<Scorer<'a>>,
    /// By arm; `None` for arms that ask no modules.
    pub(crate) modules: Vec<Option<ModuleCounts>>,
    pub(crate) answers: Answers<'a>,
}

/// The counts of a chunk that depend on the order of people.
struct Chunk<'a> {
    scorers: Vec<Scorer<'a>>,
    modules: Vec<Option<ModuleCounts>>,
}

impl<'a> Pass<'a> {
    /// Counts over all `people`, who are in ascending order.
    pub(crate) fn count(&self, people: &[ScoredPerson]) -> Result<Counts<'a>, EvaluationError> {
        let chunks: Vec<&[ScoredPerson]> = people.chunks(PEOPLE_PER_CHUNK).collect();
        let counted = on_each_thread(&chunks, |chunks| self.count_chunks(chunks));
        let mut all = Counts { scorers: self.scorers(), modules: self.modules(), answers: Answers::new(self.layout) };
        let mut in_order = Vec::with_capacity(chunks.len());
        for of_thread in counted {
            let (chunks, answers) = of_thread?;
            in_order.extend(chunks);
            all.answers.merge(&answers);
        }
        in_order.sort_unstable_by_key(|(at, _)| *at);
        for (_, chunk) in in_order {
            all.append(chunk);
        }
        Ok(all)
    }

    /// The counts of each chunk, with the chunk's position, and the answers of all of them together.
    fn count_chunks<'p, 'c: 'p>(
        &self,
        chunks: impl Iterator<Item = (usize, &'p &'c [ScoredPerson])>,
    ) -> Result<(Vec<(usize, Chunk<'a>)>, Answers<'a>), EvaluationError> {
        let mut answers = Answers::new(self.layout);
        let mut counted = Vec::new();
        for (at, people) in chunks {
            if self.stop.is_cancelled() {
                return Err(EvaluationError::Interrupted);
            }
            counted.push((at, self.count_chunk(people, &mut answers)?));
        }
        Ok((counted, answers))
    }

    fn count_chunk(&self, people: &[ScoredPerson], answers: &mut Answers<'a>) -> Result<Chunk<'a>, EvaluationError> {
        let mut chunk = Chunk { scorers: self.scorers(), modules: self.modules() };
        let mut predictions = self.predictions_of_models(people, &mut chunk.modules)?;
        for (person, of_person) in people.iter().zip(&mut predictions) {
            self.count_person(person, of_person, &mut chunk.scorers, answers);
        }
        Ok(chunk)
    }

    /// The predictions of the arms that ask a model, by person, then arm.
    fn predictions_of_models(
        &self,
        people: &[ScoredPerson],
        modules: &mut [Option<ModuleCounts>],
    ) -> Result<Vec<Vec<Vec<Prediction>>>, EvaluationError> {
        let mut all = vec![vec![Vec::new(); self.arms.len()]; people.len()];
        let (Some(first), Some(last)) = (people.first(), people.last()) else { return Ok(all) };
        for (model, arms) in self.arms_by_model() {
            let mut at = 0;
            for row in self.of.ledger.results_between(model, (first.respondent, last.respondent))? {
                let (cell, result) = row?;
                while people.get(at).is_some_and(|person| person.respondent < cell.respondent) {
                    at += 1;
                }
                let person = people.get(at).filter(|person| person.respondent == cell.respondent);
                if person.is_none_or(|person| !person.folds.contains(&cell.fold)) {
                    continue;
                }
                for &arm in &arms {
                    let predictions = self.of.predictions(cell, &result, self.arms[arm].arm.method)?;
                    if let Some(counts) = &mut modules[arm] {
                        counts.add(self.tallies, &result, &predictions);
                    }
                    all[at][arm].extend(predictions);
                }
            }
        }
        Ok(all)
    }

    /// Each model that is scored with its arms.
    fn arms_by_model(&self) -> Vec<(ModelId, Vec<usize>)> {
        let mut models: Vec<(ModelId, Vec<usize>)> = Vec::new();
        for (at, arm) in self.arms.iter().enumerate() {
            let Some(model) = arm.model else { continue };
            match models.last_mut() {
                Some((last, arms)) if *last == model => arms.push(at),
                _ => models.push((model, vec![at])),
            }
        }
        models
    }

    fn count_person(
        &self,
        person: &ScoredPerson,
        predictions: &mut [Vec<Prediction>],
        scorers: &mut [Scorer<'a>],
        answers: &mut Answers<'a>,
    ) {
        let respondent = person.respondent;
        let asked = person.folds.iter().flat_map(|&fold| self.of.plan.split().asked(fold));
        let truths: Vec<(QuestionId, Code)> =
            asked.map(|&question| (question, self.of.survey.code(respondent, question))).collect();
        let (mut of_person, mut ranks) = (PersonAnswers::default(), [None; QUESTIONS]);
        for &(question, truth) in &truths {
            ranks[question.index()] = answers.add_truth(&mut of_person, question, truth);
        }
        for (at, PassArm { arm, model }) in self.arms.iter().enumerate() {
            if arm.method == Method::Chance {
                scorers[at].add_person_by_chance(self.without_model.1, truths.iter().copied());
                continue;
            }
            if model.is_none() {
                let predict = |&(question, truth): &(QuestionId, Code)| {
                    let answer = self.without_model.0.predict(arm.method, respondent, question);
                    Prediction::without_model(question, truth, answer)
                };
                predictions[at].extend(truths.iter().map(predict));
            }
            scorers[at].add_person(&predictions[at]);
            for prediction in &predictions[at] {
                if let Some(truth) = ranks[prediction.question.index()] {
                    answers.add(&mut of_person, at, prediction, truth);
                }
            }
        }
        answers.count(&mut of_person, &self.groups_of(respondent));
    }

    /// The person's groups, counted over all columns; group 0 is everybody.
    fn groups_of(&self, respondent: Respondent) -> Vec<usize> {
        let of_columns = self.columns.iter().filter_map(|column| Some(column.first + column.group(respondent)?));
        iter::once(0).chain(of_columns).collect()
    }

    fn scorers(&self) -> Vec<Scorer<'a>> {
        let scorer = |_: &PassArm| Scorer::new(self.tallies);
        self.arms.iter().map(scorer).collect()
    }

    fn modules(&self) -> Vec<Option<ModuleCounts>> {
        self.arms.iter().map(|arm| ModuleCounts::of(recipe(arm.arm.method)?)).collect()
    }
}

impl<'a> Counts<'a> {
    fn append(&mut self, chunk: Chunk<'a>) {
        self.scorers.iter_mut().zip(chunk.scorers).for_each(|(all, of_chunk)| all.append(of_chunk));
        for (all, of_chunk) in self.modules.iter_mut().zip(&chunk.modules) {
            if let (Some(all), Some(of_chunk)) = (all, of_chunk) {
                all.merge(of_chunk);
            }
        }
    }
}
