//! Checks that the rounds of a run went on and ended as its ledger decides.

use tokio_util::sync::CancellationToken;

use super::Check;
use crate::evaluation::{Evaluated, EvaluationError, Rule};
use crate::grouped::{counted, grouped};
use crate::ledger::RoundsRecord;
use crate::rounds::{first, next};

/// The check; `None` for a run that asks nobody in rounds. The run's plan is that of the people so far.
pub(super) fn check(of: &Evaluated<'_>) -> Option<Check> {
    made(of).unwrap_or_else(|error| Some(Check::failed("rounds", error)))
}

fn made(of: &Evaluated<'_>) -> Result<Option<Check>, EvaluationError> {
    let Some(rule) = Rule::of(of.experiment, of.plan, (of.survey, of.codebook))? else { return Ok(None) };
    let Some(record) = of.ledger.rounds()? else {
        return Ok(Some(Check::new("rounds", "the first round is not decided yet")));
    };
    let (rounds, people) = (counted(record.rounds.into(), "round", "rounds"), grouped(record.people));
    let state = if record.end.is_some() { "ended" } else { "go on" };
    if record.dead > 0 || !of.ledger.dead()?.is_empty() {
        let said = format!("{rounds} of {people} people {state}; with dead cells they cannot be decided again");
        return Ok(Some(Check::new("rounds", said)));
    }
    let accuracies = of.accuracies(&rule.arms, &CancellationToken::new())?;
    let mut check = Check::new("rounds", format!("{rounds} of {people} people {state} as the ledger decides"));
    let expected = decided_again(&rule, &record, &accuracies);
    if expected != record {
        let [found, expected] = [record, expected].map(|record| told(&record));
        check.problem(format_args!("the ledger says {found}, and its cells decide {expected}"));
    }
    Ok(Some(check))
}

/// The rounds as the ledger's cells decide them, up to the people of the record.
fn decided_again(rule: &Rule, record: &RoundsRecord, accuracies: &[Vec<f64>]) -> RoundsRecord {
    let mut again = first(rule);
    while again.end.is_none()
        && (again.people < record.people || (again.people == record.people && record.end.is_some()))
    {
        again = next(again, rule.after(again.people, accuracies), 0);
    }
    again
}

fn told(record: &RoundsRecord) -> String {
    let end = record.end.map_or_else(
        || "no end".to_owned(),
        |end| format!("the end {}", serde_json::to_string(&end).unwrap_or_default()),
    );
    format!("{} of {} people and {end}", counted(record.rounds.into(), "round", "rounds"), grouped(record.people))
}
