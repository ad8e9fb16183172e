//! The 66 countries of the survey: their facts, their numbers of respondents, and their average traits.

use valuesim_shared::id::{Code, Country};

use super::keyed_rng::{Draw, KeyedRng, NormalTable};
use crate::traits::{TRAITS, Trait, weights};

/// The table of countries; its header describes the fields.
const COUNTRIES: &str = include_str!("../../data/countries.tsv");
/// The table of cultural zones; its header describes the fields.
const ZONES: &str = include_str!("../../data/zones.tsv");
/// The usual share of a trait's variance that lies between countries.
const BETWEEN_COUNTRIES: f64 = 0.25;
/// The standard deviation between countries of one zone, in the units of the table of zones.
const WITHIN_ZONE: f64 = 0.35;

/// A surveyed country or territory.
#[derive(Debug)]
pub(super) struct CountryFacts {
    pub(super) code: Country,
    pub(super) alpha: &'static str,
    /// The Correlates of War project's number and letters.
    pub(super) cow: (i32, &'static str),
    /// The year of the interviews.
    pub(super) year: i32,
    /// The approximate number of respondents in the official file.
    respondents: u32,
    /// Codes of Q272, the most spoken first.
    pub(super) languages: Vec<i32>,
    pub(super) religion: Religion,
    /// The average traits here, relative to the average of all respondents.
    pub(super) traits: [f64; TRAITS],
    /// The country's random numbers.
    pub(super) rng: KeyedRng,
}

/// The religions of a country.
#[derive(Debug)]
pub(super) struct Religion {
    /// The code of Q289 that most believers give.
    pub(super) main: Code,
    /// The share of believers who give it.
    pub(super) main_share: f64,
    /// The share of people without a religion.
    pub(super) none_share: f64,
}

/// All countries in the order of the official file.
pub(super) fn countries() -> Vec<CountryFacts> {
    let mut countries: Vec<_> =
        lines(COUNTRIES).map(|line| country(line).expect("data/countries.tsv is well-formed")).collect();
    for each in Trait::ALL {
        scale(&mut countries, each);
    }
    countries
}

fn lines(table: &'static str) -> impl Iterator<Item = &'static str> {
    table.lines().filter(|line| !line.starts_with('#'))
}

fn country(line: &'static str) -> Option<CountryFacts> {
    let mut fields = line.split('\t');
    let code = fields.next()?.parse().ok()?;
    let alpha = fields.next()?;
    let cow = (fields.next()?.parse().ok()?, fields.next()?);
    let year = fields.next()?.parse().ok()?;
    let respondents = fields.next()?.parse().ok()?;
    let traits = zone(fields.next()?, KeyedRng::of_country(code))?;
    let languages = fields.next()?.split(',').map(|language| language.parse().ok()).collect::<Option<_>>()?;
    let main = Code(fields.next()?.parse().ok()?);
    let mut share = || Some(fields.next()?.parse::<f64>().ok()? / 100.0);
    let religion = Religion { main, main_share: share()?, none_share: share()? };
    let rng = KeyedRng::of_country(code);
    Some(CountryFacts { code: Country(code), alpha, cow, year, respondents, languages, religion, traits, rng })
}

/// The average traits of a country in this zone, before scaling.
fn zone(name: &str, rng: KeyedRng) -> Option<[f64; TRAITS]> {
    let (_, list) = lines(ZONES).filter_map(|line| line.split_once('\t')).find(|&(zone, _)| zone == name)?;
    let normals = NormalTable::new();
    let mut traits = [0.0; TRAITS];
    for (at, value) in traits.iter_mut().enumerate() {
        *value = WITHIN_ZONE * f64::from(normals.draw(rng, Draw::Trait(at)));
    }
    for (each, value) in weights(list) {
        traits[each.index()] += value;
    }
    Some(traits)
}

/// Shifts and scales a trait so that the countries' averages, weighted by respondents, have mean 0 and the variance
/// [`between_countries`].
fn scale(countries: &mut [CountryFacts], of: Trait) {
    let at = of.index();
    let respondents: f64 = countries.iter().map(|country| f64::from(country.respondents)).sum();
    let average = |countries: &[CountryFacts], value: fn(f64) -> f64| {
        countries.iter().map(|country| f64::from(country.respondents) * value(country.traits[at])).sum::<f64>()
            / respondents
    };
    let mean = average(countries, |value| value);
    for country in countries.iter_mut() {
        country.traits[at] -= mean;
    }
    let factor = (between_countries(of) / average(countries, |value| value * value)).sqrt();
    for country in countries {
        country.traits[at] *= factor;
    }
}

/// The share of a trait's variance that lies between countries.
pub(super) fn between_countries(of: Trait) -> f64 {
    match of {
        Trait::Female => 0.0,
        Trait::Age => BETWEEN_COUNTRIES / 3.0,
        _ => BETWEEN_COUNTRIES,
    }
}

/// Distributes `total` respondents over the countries by the largest remainder method, in the official file's shares.
pub(super) fn apportion(total: u32, countries: &[CountryFacts]) -> Vec<u32> {
    let all: u64 = countries.iter().map(|country| u64::from(country.respondents)).sum();
    let exact = |country: &CountryFacts| u64::from(total) * u64::from(country.respondents);
    let mut numbers: Vec<_> =
        countries.iter().map(|country| u32::try_from(exact(country) / all).expect("a part of a u32")).collect();
    let mut by_remainder: Vec<_> = (0..countries.len()).collect();
    by_remainder.sort_by_key(|&at| std::cmp::Reverse(exact(&countries[at]) % all));
    let given: u32 = numbers.iter().sum();
    for at in by_remainder.into_iter().take((total - given) as usize) {
        numbers[at] += 1;
    }
    numbers
}

#[cfg(test)]
mod tests {
    use valuesim_shared::codebook::Codebook;

    use super::*;

    #[test]
    fn the_countries_are_in_the_order_of_the_official_file() {
        let codes: Vec<_> = countries().iter().map(|country| country.code).collect();
        assert_eq!(codes, Codebook::surveyed());
        let codebook = Codebook::built_in();
        for country in countries() {
            assert_eq!(codebook.country(country.code).map(|entry| entry.alpha.as_str()), Some(country.alpha));
        }
    }

    #[test]
    fn the_countries_numbers_of_respondents_sum_to_the_total() {
        let countries = countries();
        for total in [0, 1, 25, 66, 500, 97_220, 1_000_000] {
            assert_eq!(apportion(total, &countries).iter().sum::<u32>(), total);
        }
        assert!(apportion(500, &countries).iter().all(|&respondents| respondents > 0));
    }

    #[test]
    fn country_averages_have_mean_0_and_the_intended_variance() {
        let countries = countries();
        let respondents: f64 = countries.iter().map(|country| f64::from(country.respondents)).sum();
        for each in Trait::ALL {
            let values = || countries.iter().map(|p| (p.traits[each.index()], f64::from(p.respondents) / respondents));
            let mean: f64 = values().map(|(value, share)| value * share).sum();
            let variance: f64 = values().map(|(value, share)| value * value * share).sum();
            assert!(
                mean.abs() < 1e-9 && (variance - between_countries(each)).abs() < 1e-9,
                "{each:?}: {mean}, {variance}"
            );
        }
    }
}
