//! The 66 countries of the survey: their facts, how many respondents they have, and how their people differ.

use valuesim_shared::id::{Code, Country};

use super::chance::{Chance, Draw, Normals};
use crate::traits::{TRAITS, Trait, weights};

/// The table of countries; its head says what is in it.
const COUNTRIES: &str = include_str!("../../data/countries.tsv");
/// The table of cultural zones; its head says what is in it.
const ZONES: &str = include_str!("../../data/zones.tsv");
/// How much of a trait's variance lies between countries.
const BETWEEN: f64 = 0.25;
/// How far countries of one zone differ, in the units of the table of zones.
const WITHIN_ZONE: f64 = 0.35;

/// A country or territory in which interviews were held.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) country: Country,
    pub(super) alpha: &'static str,
    /// The Correlates of War project's number and letters.
    pub(super) cow: (i32, &'static str),
    /// The year of the interviews.
    pub(super) year: i32,
    /// How many respondents the official file has; close to it.
    respondents: u32,
    /// Codes of Q272, the most spoken first.
    pub(super) languages: Vec<i32>,
    pub(super) religion: Religion,
    /// How far the average person here lies from the average of all respondents.
    pub(super) traits: [f64; TRAITS],
    /// The draws of this country.
    pub(super) chance: Chance,
}

/// Which religions people have.
#[derive(Debug)]
pub(super) struct Religion {
    /// The code of Q289 that most believers give.
    pub(super) main: Code,
    /// The share of believers who do.
    pub(super) main_share: f64,
    /// The share of people who have none.
    pub(super) none_share: f64,
}

/// All countries in the order of the official file.
pub(super) fn places() -> Vec<Place> {
    let mut places: Vec<_> =
        lines(COUNTRIES).map(|line| place(line).expect("data/countries.tsv is well-formed")).collect();
    for each in Trait::ALL {
        scale(&mut places, each);
    }
    places
}

fn lines(table: &'static str) -> impl Iterator<Item = &'static str> {
    table.lines().filter(|line| !line.starts_with('#'))
}

fn place(line: &'static str) -> Option<Place> {
    let mut fields = line.split('\t');
    let code = fields.next()?.parse().ok()?;
    let alpha = fields.next()?;
    let cow = (fields.next()?.parse().ok()?, fields.next()?);
    let year = fields.next()?.parse().ok()?;
    let respondents = fields.next()?.parse().ok()?;
    let traits = zone(fields.next()?, Chance::of_country(code))?;
    let languages = fields.next()?.split(',').map(|language| language.parse().ok()).collect::<Option<_>>()?;
    let main = Code(fields.next()?.parse().ok()?);
    let mut share = || Some(fields.next()?.parse::<f64>().ok()? / 100.0);
    let religion = Religion { main, main_share: share()?, none_share: share()? };
    let chance = Chance::of_country(code);
    Some(Place { country: Country(code), alpha, cow, year, respondents, languages, religion, traits, chance })
}

/// The average traits of a country in this zone, not yet to scale.
fn zone(name: &str, chance: Chance) -> Option<[f64; TRAITS]> {
    let (_, list) = lines(ZONES).filter_map(|line| line.split_once('\t')).find(|&(zone, _)| zone == name)?;
    let normals = Normals::new();
    let mut traits = [0.0; TRAITS];
    for (at, value) in traits.iter_mut().enumerate() {
        *value = WITHIN_ZONE * f64::from(normals.draw(chance, Draw::Trait(at)));
    }
    for (each, value) in weights(list) {
        traits[each.index()] += value;
    }
    Some(traits)
}

/// Shifts and stretches a trait so that over all respondents the countries' averages have mean 0 and a variance of
/// [`between`].
fn scale(places: &mut [Place], of: Trait) {
    let at = of.index();
    let respondents: f64 = places.iter().map(|place| f64::from(place.respondents)).sum();
    let average = |places: &[Place], value: fn(f64) -> f64| {
        places.iter().map(|place| f64::from(place.respondents) * value(place.traits[at])).sum::<f64>() / respondents
    };
    let mean = average(places, |value| value);
    for place in places.iter_mut() {
        place.traits[at] -= mean;
    }
    let stretch = (between(of) / average(places, |value| value * value)).sqrt();
    for place in places {
        place.traits[at] *= stretch;
    }
}

/// How much of a trait's variance lies between countries.
pub(super) fn between(of: Trait) -> f64 {
    match of {
        Trait::Female => 0.0,
        Trait::Age => BETWEEN / 3.0,
        _ => BETWEEN,
    }
}

/// How many of `total` respondents each country has: shares as in the official file, rounded by largest remainders.
pub(super) fn apportion(total: u32, places: &[Place]) -> Vec<u32> {
    let all: u64 = places.iter().map(|place| u64::from(place.respondents)).sum();
    let exact = |place: &Place| u64::from(total) * u64::from(place.respondents);
    let mut numbers: Vec<_> =
        places.iter().map(|place| u32::try_from(exact(place) / all).expect("a part of a u32")).collect();
    let mut by_remainder: Vec<_> = (0..places.len()).collect();
    by_remainder.sort_by_key(|&at| std::cmp::Reverse(exact(&places[at]) % all));
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
    fn the_countries_are_those_of_the_official_file_in_its_order() {
        let countries: Vec<_> = places().iter().map(|place| place.country).collect();
        assert_eq!(countries, Codebook::surveyed());
        let codebook = Codebook::built_in();
        for place in places() {
            assert_eq!(codebook.country(place.country).map(|entry| entry.alpha.as_str()), Some(place.alpha));
        }
    }

    #[test]
    fn all_respondents_have_a_country() {
        let places = places();
        for total in [0, 1, 25, 66, 500, 97_220, 1_000_000] {
            assert_eq!(apportion(total, &places).iter().sum::<u32>(), total);
        }
        assert!(apportion(500, &places).iter().all(|&respondents| respondents > 0));
    }

    #[test]
    fn averages_of_countries_are_to_scale() {
        let places = places();
        let respondents: f64 = places.iter().map(|place| f64::from(place.respondents)).sum();
        for each in Trait::ALL {
            let values = || places.iter().map(|p| (p.traits[each.index()], f64::from(p.respondents) / respondents));
            let mean: f64 = values().map(|(value, share)| value * share).sum();
            let variance: f64 = values().map(|(value, share)| value * value * share).sum();
            assert!(mean.abs() < 1e-9 && (variance - between(each)).abs() < 1e-9, "{each:?}: {mean}, {variance}");
        }
    }
}
