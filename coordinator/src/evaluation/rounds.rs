//! How the rounds of a run ended, from its ledger.

use valuesim_shared::money::NanoUsd;

use super::evaluated::EvaluationError;
use super::scored::Scored;
use super::stopping::Rule;
use crate::results::{Measure, ModelSpend, Rounds, RoundsAim, Saved, StageTotals};
use crate::statistics::Population;

/// The rounds of a run that asked its people in rounds. `spend` is that of its models.
pub(super) fn rounds(scored: &Scored<'_>, spend: &[ModelSpend]) -> Result<Option<Rounds>, EvaluationError> {
    let of = scored.of;
    let Some(rule) = Rule::of(of.experiment, of.plan, (of.survey, of.codebook))? else { return Ok(None) };
    let accuracies = accuracies(scored, &rule);
    let record = of.ledger.rounds()?;
    let persons = of.plan.respondents().len() as u64;
    let persons_in_all = match of.plan.population() {
        Population::Finite(people) => people,
        Population::Unlimited => persons,
    };
    Ok(Some(Rounds {
        aim: aim(scored, &rule, &accuracies),
        rounds: record.map_or(1, |record| record.rounds),
        persons,
        persons_at_most: of.plan.most_respondents(),
        persons_in_all,
        end: record.and_then(|record| record.end),
        saved: saved(persons, persons_in_all.saturating_sub(persons), spend),
    }))
}

/// The accuracies of the rule's arms, by person in the plan's order.
fn accuracies(scored: &Scored<'_>, rule: &Rule) -> Vec<Vec<f64>> {
    let of_arm = |(arm, _): &(_, _)| {
        let place = scored.arms.iter().position(|scored| scored.arm == *arm);
        let values = place.map(|place| scored.values(place, None, Measure::Accuracy)).unwrap_or_default();
        scored.of.in_plan_order(scored.people, &values)
    };
    rule.arms.iter().map(of_arm).collect()
}

fn aim(scored: &Scored<'_>, rule: &Rule, accuracies: &[Vec<f64>]) -> RoundsAim {
    let sample = &scored.of.experiment.sample;
    match (sample.precision, &rule.arms[..]) {
        (None, [(one, _), (other, _)]) => {
            let (difference, interval) = rule.difference(accuracies).unzip();
            RoundsAim::Decision { arms: [one.clone(), other.clone()], difference, interval }
        }
        (half_width, _) => RoundsAim::Precision {
            half_width: half_width.unwrap_or_default(),
            reached: rule.half_width(accuracies),
            by: sample.precision_by.clone(),
        },
    }
}

/// What `more` people would have taken, at the rate of those who were asked.
fn saved(persons: u64, more: u64, spend: &[ModelSpend]) -> Saved {
    let mut all = StageTotals::NOTHING;
    spend.iter().flat_map(|model| model.stages.values()).for_each(|totals| all.add(totals));
    let times = |amount: u64| {
        let scaled = u128::from(amount) * u128::from(more) / u128::from(persons.max(1));
        u64::try_from(scaled).unwrap_or(u64::MAX)
    };
    Saved {
        persons: more,
        calls: times(all.requests),
        cost_nano_usd: all.cost_nano_usd.map(|cost| NanoUsd(times(cost.0))),
    }
}
