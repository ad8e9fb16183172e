//! Selects the respondents of a run: those listed, all, a random sample, or a sample that is spread over countries.

use std::collections::{BTreeMap, HashSet};

use valuesim_shared::codebook::{Codebook, CountryName};
use valuesim_shared::experiment::{Sample, Users};
use valuesim_shared::id::{Country, Respondent};
use valuesim_shared::sample::{SampleError, rows_in_drawn_order, sample_rows};
use valuesim_shared::strata::{Allocation, Stratify, draw_from_group, interleave};
use valuesim_shared::survey::Survey;

use super::PlanError;
use crate::statistics::{MIN_BEFORE_STOPPING, Population};

/// The respondents of a run.
pub(super) struct Selection {
    /// In the order in which they are simulated.
    pub(super) respondents: Vec<Respondent>,
    /// The people whom they represent.
    pub(super) population: Population,
    /// How they are spread over groups, if the sample is stratified.
    pub(super) strata: Vec<Stratum>,
}

/// A group from which respondents were drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stratum {
    /// The country of all its people.
    pub country: Country,
    /// How many were drawn.
    pub drawn: u32,
    /// How many there are.
    pub there: u32,
}

pub(super) fn select(sample: &Sample, survey: &Survey, codebook: &Codebook) -> Result<Selection, PlanError> {
    let candidates = candidates(sample, survey, codebook)?;
    let listed = !sample.respondents.is_empty();
    let population = if listed { Population::Unlimited } else { Population::Finite(candidates.len() as u64) };
    let plain = |respondents| Selection { respondents, population, strata: Vec::new() };
    match (sample.users, sample.stratify) {
        (Some(Users::Count(count)), _) if count as usize > candidates.len() => {
            Err(PlanError::TooMany { asked: count, there: candidates.len() })
        }
        (Some(Users::Count(count)), _) if sample.is_in_rounds() && u64::from(count) < MIN_BEFORE_STOPPING => {
            Err(PlanError::CeilingTooLow(count))
        }
        (users, _) if sample.is_in_rounds() => {
            let count = if let Some(Users::Count(count)) = users { count } else { size(&candidates) };
            Ok(plain(draw(rows_in_drawn_order, (sample.seed, count), &candidates)?))
        }
        (Some(Users::Count(count)), Some(Stratify::Country)) => Ok(by_country(sample, count, &candidates, survey)),
        (Some(Users::Count(count)), None) => Ok(plain(draw(sample_rows, (sample.seed, count), &candidates)?)),
        (Some(Users::All) | None, _) => Ok(plain(candidates)),
    }
}

/// Everybody who may be drawn, in the order of the file or of the list.
fn candidates(sample: &Sample, survey: &Survey, codebook: &Codebook) -> Result<Vec<Respondent>, PlanError> {
    let rows = survey.respondents();
    if let Some(&row) = sample.respondents.iter().find(|&&respondent| !survey.has(respondent)) {
        let column = survey.as_read().ids_from.as_ref();
        let there = column.map_or_else(
            || format!("rows 1 to {rows}"),
            |column| format!("{rows} respondents, named by column `{column}`"),
        );
        return Err(PlanError::NoSuchRespondent { row, there });
    }
    let countries = countries(&sample.countries, codebook)?;
    let listed = !sample.respondents.is_empty();
    let mut candidates: Vec<Respondent> =
        if listed { without_repeats(&sample.respondents) } else { survey.everybody().collect() };
    candidates.retain(|&respondent| countries.is_empty() || countries.contains(&survey.country(respondent)));
    if candidates.is_empty() {
        let countries = sample.countries.join(", ");
        return Err(PlanError::Empty(format!("nobody in the selection lives in {countries}")));
    }
    Ok(candidates)
}

/// A way to draw `count` different rows out of `of` with a seed: [`sample_rows`] or [`rows_in_drawn_order`].
type Draw = fn(seed: u64, count: u32, of: u32) -> Result<Vec<Respondent>, SampleError>;

fn draw(rows: Draw, (seed, count): (u64, u32), from: &[Respondent]) -> Result<Vec<Respondent>, PlanError> {
    let positions =
        rows(seed, count, size(from)).map_err(|_| PlanError::TooMany { asked: count, there: from.len() })?;
    Ok(positions.into_iter().map(|position| from[position.index()]).collect())
}

/// A sample of `count` that is spread over the countries of `from`.
fn by_country(sample: &Sample, count: u32, from: &[Respondent], survey: &Survey) -> Selection {
    let mut groups: BTreeMap<Country, Vec<Respondent>> = BTreeMap::new();
    for &respondent in from {
        groups.entry(survey.country(respondent)).or_default().push(respondent);
    }
    let sizes: Vec<u32> = groups.values().map(|group| size(group)).collect();
    let allocation = sample.allocation.unwrap_or_default();
    let shares = allocation.spread(count, &sizes);
    let (mut drawn, mut strata) = (Vec::new(), Vec::new());
    for ((country, group), share) in groups.into_iter().zip(shares) {
        let positions = draw_from_group(sample.seed, country.0.into(), share, size(&group));
        drawn.push(positions.into_iter().map(|position| group[position as usize]).collect());
        strata.push(Stratum { country, drawn: share, there: size(&group) });
    }
    let population = match allocation {
        Allocation::Proportional => Population::Finite(from.len() as u64),
        // The chances differ between countries, so there is no one share that was drawn.
        Allocation::Equal => Population::Unlimited,
    };
    Selection { respondents: interleave(drawn), population, strata }
}

fn size(group: &[Respondent]) -> u32 {
    u32::try_from(group.len()).expect("a survey has under 2^32 rows")
}

fn without_repeats(respondents: &[Respondent]) -> Vec<Respondent> {
    let mut seen = HashSet::new();
    respondents.iter().copied().filter(|&respondent| seen.insert(respondent)).collect()
}

fn countries(names: &[String], codebook: &Codebook) -> Result<HashSet<Country>, PlanError> {
    let find = |name: &String| {
        let wanted =
            |country: &&CountryName| country.alpha.eq_ignore_ascii_case(name) || name.parse() == Ok(country.code.0);
        let found = codebook.countries().iter().find(wanted);
        found.map(|country| country.code).ok_or_else(|| PlanError::NoSuchCountry(name.clone()))
    };
    names.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use valuesim_shared::id::{Code, QUESTIONS};
    use valuesim_shared::survey::SurveyBuilder;

    use super::*;

    const GERMANY: Country = Country(276);
    const ANDORRA: Country = Country(20);
    const ALBANIA: Country = Country(8);

    /// Sixty Germans, thirty Andorrans and ten Albanians, in no order.
    fn survey() -> Survey {
        let mut survey = SurveyBuilder::new();
        for row in 0..100 {
            let country = match row * 7 % 10 {
                0..6 => GERMANY,
                6..9 => ANDORRA,
                _ => ALBANIA,
            };
            survey.push(country, &[Code(1); QUESTIONS]);
        }
        survey.finish("test")
    }

    fn sample(count: u32, allocation: Allocation) -> Sample {
        let (stratify, allocation) = (Some(Stratify::Country), Some(allocation));
        Sample { users: Some(Users::Count(count)), stratify, allocation, ..Sample::default() }
    }

    fn selected(sample: &Sample) -> Selection {
        select(sample, &survey(), &Codebook::built_in()).expect("there are enough")
    }

    fn of_each(selection: &Selection) -> [usize; 3] {
        let survey = survey();
        let of = |country| selection.respondents.iter().filter(|&&person| survey.country(person) == country).count();
        [of(GERMANY), of(ANDORRA), of(ALBANIA)]
    }

    #[test]
    fn a_stratified_sample_has_people_of_each_country_and_says_how_many() {
        let proportional = selected(&sample(20, Allocation::Proportional));
        assert_eq!(of_each(&proportional), [12, 6, 2]);
        assert_eq!(proportional.population, Population::Finite(100));
        let albania = Stratum { country: ALBANIA, drawn: 2, there: 10 };
        assert_eq!(proportional.strata[0], albania, "in the order of the countries' codes");
        let equal = selected(&sample(33, Allocation::Equal));
        assert_eq!(of_each(&equal), [12, 11, 10]);
        assert_eq!(equal.population, Population::Unlimited);
    }

    #[test]
    fn nobody_is_drawn_twice_and_the_seed_decides_who() {
        let first = sample(40, Allocation::Equal);
        let respondents = |sample: &Sample| selected(sample).respondents;
        let drawn = respondents(&first);
        assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), 40);
        assert_eq!(drawn, respondents(&first));
        assert_ne!(drawn, respondents(&Sample { seed: 43, ..first.clone() }));
        let everybody: HashSet<_> = respondents(&sample(100, Allocation::Equal)).into_iter().collect();
        assert_eq!(everybody.len(), 100);
    }

    #[test]
    fn a_beginning_of_the_sample_is_spread_like_the_whole() {
        let selection = selected(&sample(20, Allocation::Proportional));
        let survey = survey();
        let germans = selection.respondents[..10].iter().filter(|&&person| survey.country(person) == GERMANY).count();
        assert_eq!(germans, 6);
    }

    #[test]
    fn countries_narrow_the_sample_before_it_is_spread() {
        let narrow =
            Sample { countries: vec!["DEU".to_owned(), "and".to_owned()], ..sample(9, Allocation::Proportional) };
        assert_eq!(of_each(&selected(&narrow)), [6, 3, 0]);
        let too_many = Sample { users: Some(Users::Count(91)), ..narrow };
        let error = select(&too_many, &survey(), &Codebook::built_in()).err().map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.contains("91 respondents requested, but the selection has only 90")));
    }
}
