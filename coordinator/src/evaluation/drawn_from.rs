//! The people from whom a sample was drawn.

use valuesim_shared::codebook::Codebook;
use valuesim_shared::experiment::Experiment;
use valuesim_shared::id::Respondent;
use valuesim_shared::survey::Survey;

use crate::plan::Plan;
use crate::statistics::Population;

/// The people from whom a plan's sample was drawn, in the survey's order; `None` if they are not known.
pub(crate) fn drawn_from(
    experiment: &Experiment,
    plan: &Plan,
    (survey, codebook): (&Survey, &Codebook),
) -> Option<Vec<Respondent>> {
    let Population::Finite(count) = plan.population() else { return None };
    let countries = &experiment.sample.countries;
    let is_named = |respondent: &Respondent| {
        let country = survey.country(*respondent);
        let name = codebook.country(country).map(|known| known.alpha.as_str());
        let is_it = |wanted: &String| {
            wanted.parse() == Ok(country.0) || name.is_some_and(|alpha| alpha.eq_ignore_ascii_case(wanted))
        };
        countries.is_empty() || countries.iter().any(is_it)
    };
    let people: Vec<Respondent> = survey.everybody().filter(is_named).collect();
    (people.len() as u64 == count).then_some(people)
}
