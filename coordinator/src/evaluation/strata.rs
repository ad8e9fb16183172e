//! From which stratum each scored person was drawn.

use std::collections::BTreeMap;

use valuesim_shared::id::Country;

use super::evaluated::Evaluated;
use super::scored_cells::ScoredPerson;
use crate::plan::Plan;
use crate::statistics::{Population, StratifiedSample};

/// The scored people as a stratified sample; `None` unless it is one. Of people who were drawn and are not scored, those of
/// their country take the place.
pub(super) fn stratified_sample(of: &Evaluated<'_>, people: &[ScoredPerson]) -> Option<StratifiedSample> {
    let strata = of.plan.strata();
    if strata.is_empty() {
        return None;
    }
    let positions: BTreeMap<Country, usize> = strata.iter().map(|stratum| stratum.country).zip(0..).collect();
    let of_people = people.iter().map(|person| positions.get(&of.survey.country(person.respondent)).copied());
    let populations: Vec<u64> = strata.iter().map(|stratum| stratum.there.into()).collect();
    Some(StratifiedSample::new(of_people.collect::<Option<_>>()?, &populations))
}

/// Whom the scores are for. Where each country was drawn by itself, all its people are known, whatever share was drawn.
pub(super) fn population(plan: &Plan) -> Population {
    match plan.strata() {
        [] => plan.population(),
        strata => Population::Finite(strata.iter().map(|stratum| u64::from(stratum.there)).sum()),
    }
}
