//! Asks the people of a run in rounds, and decides after each whether there is another.
//!
//! People come in the plan's order, so the rounds are a beginning of it. A decision is a function of the ledger and of the
//! plan, and is recorded in the ledger before the next round begins: a run that was killed asks the same people.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::experiment::Experiment;
use valuesim_shared::id::RunId;
use valuesim_shared::survey::Survey;

use crate::evaluation::{ColumnError, Decision, Evaluated, EvaluationError, Rule};
use crate::grouped::grouped;
use crate::ledger::{Ledger, LedgerError, ROUNDS_VERSION, RoundsEnd, RoundsRecord};
use crate::plan::Plan;

/// A run that may ask its people in rounds.
#[derive(Debug, Clone)]
pub struct InRounds {
    /// Which run.
    pub run: RunId,
    /// Its experiment.
    pub experiment: Experiment,
    /// Everybody who may be asked.
    pub plan: Arc<Plan>,
    /// Their answers.
    pub survey: Arc<Survey>,
    /// The questions.
    pub codebook: Arc<Codebook>,
    /// Tells people what is decided.
    pub tell: fn(&str),
}

/// The rounds of a run.
#[derive(Debug)]
pub struct Rounds {
    of: InRounds,
    rule: Rule,
    ledger: Arc<Ledger>,
}

/// Checks that the rule of an experiment, if it has one, can be applied to the survey.
///
/// # Errors
/// If the column of its groups makes none that is large enough.
pub fn check_rule(
    experiment: &Experiment,
    plan: &Plan,
    survey: &Survey,
    codebook: &Codebook,
) -> Result<(), ColumnError> {
    Rule::of(experiment, plan, (survey, codebook)).map(drop)
}

/// The plan of the people whom the rounds of a run have come to; all of `plan` if the run has no rounds.
///
/// # Errors
/// If the ledger cannot be read.
pub fn plan_so_far(
    (experiment, plan): (&Experiment, &Plan),
    (survey, codebook): (&Survey, &Codebook),
    ledger: &Ledger,
) -> Result<Plan, EvaluationError> {
    let Some(rule) = Rule::of(experiment, plan, (survey, codebook))? else { return Ok(plan.clone()) };
    let people = ledger.rounds()?.map_or(rule.first_round(), |record| record.people);
    Ok(plan.first(people))
}

impl Rounds {
    /// The rounds of a run; `None` unless its experiment asks people in rounds, or if they have ended.
    ///
    /// # Errors
    /// If the rule cannot be applied to the survey; if the ledger cannot be read.
    pub fn of(of: InRounds, ledger: Arc<Ledger>) -> Result<Option<Self>, EvaluationError> {
        let Some(rule) = Rule::of(&of.experiment, &of.plan, (&of.survey, &of.codebook))? else { return Ok(None) };
        let has_ended = ledger.rounds()?.is_some_and(|record| record.end.is_some());
        Ok((!has_ended).then_some(Self { of, rule, ledger }))
    }

    /// How far they have come.
    pub(crate) fn so_far(&self) -> Result<RoundsRecord, LedgerError> {
        Ok(self.ledger.rounds()?.unwrap_or_else(|| first(&self.rule)))
    }

    /// Decides after a round all of whose cells are finished or dead, and records it. Returns how far the rounds come with that.
    ///
    /// Soon after `stop` is cancelled it returns an error that [is an interruption](EvaluationError::is_interruption).
    pub(crate) fn decide(&self, dead: u64, stop: &CancellationToken) -> Result<RoundsRecord, EvaluationError> {
        let before = self.so_far()?;
        let InRounds { run, experiment, survey, codebook, .. } = &self.of;
        let plan = self.of.plan.first(before.people);
        let asked = Evaluated { run, experiment, plan: &plan, survey, codebook, ledger: &self.ledger, vectors: None };
        let accuracies = asked.accuracies(&self.rule.arms, stop)?;
        let after = next(before, self.rule.after(before.people, &accuracies), dead);
        self.ledger.set_rounds(&after)?;
        (self.of.tell)(&told(&before, &after));
        Ok(after)
    }
}

/// The first round.
pub(crate) fn first(rule: &Rule) -> RoundsRecord {
    RoundsRecord { version: ROUNDS_VERSION, rounds: 1, people: rule.first_round(), dead: 0, end: None }
}

/// How far the rounds come with a decision.
pub(crate) fn next(before: RoundsRecord, decision: Decision, dead: u64) -> RoundsRecord {
    match decision {
        Decision::GoOn(people) => RoundsRecord { rounds: before.rounds + 1, people, dead, ..before },
        Decision::Stop(end) => RoundsRecord { end: Some(end), dead, ..before },
    }
}

fn told(before: &RoundsRecord, after: &RoundsRecord) -> String {
    let asked = format!("round {}: {} people were asked", before.rounds, grouped(before.people));
    match after.end {
        None => format!("{asked}; the next round goes on to {}", grouped(after.people)),
        Some(RoundsEnd::NobodyIsLeft) => format!("{asked}, and no more may be"),
        Some(RoundsEnd::Precise) => format!("{asked}, which is precise enough"),
        Some(RoundsEnd::FirstIsBetter | RoundsEnd::SecondIsBetter) => format!("{asked}, and it is decided"),
    }
}
