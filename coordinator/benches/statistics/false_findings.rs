//! How often differences are found that are not there.

use valuesim_coordinator::statistics::{
    Bounds, Difference, Direction, Moments, Population, Sample, Verdict, judge, rests,
};

use crate::population::{ARMS, Everybody, GROUPS, PEOPLE, Urn};
use crate::{Promises, count};

/// A share of 5 % is one of at most 6.4 % in a thousand samples, but for one time in fifty.
const LEVEL: (f64, f64) = (0.0, 0.064);

/// What a t test keeps of its 5 % where values are skewed and few, 20 people or 33 in a group, and all the more so at the small
/// levels of a family: 6.9 % at most in 20,000 samples, measured once, so at most 8.5 % in a thousand.
const LEVEL_OF_FEW: (f64, f64) = (0.0, 0.085);

/// From so many people on, in a comparison or in each group, the level is kept.
const FEW: usize = 100;

/// What is promised of `better` alone, which is one side of the test.
const HALF_LEVEL: (f64, f64) = (0.0, 0.05);

pub(crate) fn measure(everybody: &Everybody, promises: &mut Promises) {
    for people in [20, 100, 1000] {
        one_comparison(everybody, people, promises);
        table(everybody, people, 0, promises);
        table(everybody, people, ARMS / 2, promises);
    }
    for people in [2000, 10_000] {
        best_and_worst_groups(everybody, people, promises);
    }
}

/// What is promised with so many people.
fn level(people: usize) -> (f64, f64) {
    if people < FEW { LEVEL_OF_FEW } else { LEVEL }
}

fn sample(people: usize) -> Sample {
    Sample { people: people as u64, population: Population::Finite(PEOPLE as u64) }
}

fn difference(everybody: &Everybody, places: &[usize], arm: usize, shift: f64) -> Difference {
    let differences: Vec<f64> = places.iter().map(|&place| everybody.differences[place][arm] + shift).collect();
    let estimate = Moments::of(&differences).estimate(sample(places.len()), Bounds::DIFFERENCE);
    Difference::of_pairs(&estimate.expect("people"))
}

/// Two arms that are equally good.
fn one_comparison(everybody: &Everybody, people: usize, promises: &mut Promises) {
    let (mut urn, mut found) = (Urn::new(8), 0);
    let better = count(|_| {
        let difference = difference(everybody, urn.draw(people), 0, 0.0);
        let verdict = judge(&[difference], Direction::HigherIsBetter, Bounds::DIFFERENCE)[0].verdict;
        found += usize::from(verdict != Verdict::NotDistinguishable);
        verdict == Verdict::Better
    });
    promises.share(&format!("two equal arms, {people} people: better"), better, HALF_LEVEL);
    promises.share(&format!("two equal arms, {people} people: better or worse"), found, level(people));
}

/// A table in which the first `different` arms are truly better, and the others are equally good.
fn table(everybody: &Everybody, people: usize, different: usize, promises: &mut Promises) {
    let mut urn = Urn::new(9);
    let any_false = count(|_| {
        let places = urn.draw(people);
        let shift = |arm| if arm < different { 0.05 } else { 0.0 };
        let family: Vec<_> = (0..ARMS).map(|arm| difference(everybody, places, arm, shift(arm))).collect();
        let judged = judge(&family, Direction::HigherIsBetter, Bounds::DIFFERENCE);
        judged[different..].iter().any(|judgement| judgement.verdict != Verdict::NotDistinguishable)
    });
    let what = format!("table of {ARMS} arms, {different} truly better, {people} people: any false finding");
    promises.share(&what, any_false, level(people));
}

/// Groups that are all alike: any that is called better or worse than the others.
fn best_and_worst_groups(everybody: &Everybody, people: usize, promises: &mut Promises) {
    let mut urn = Urn::new(10);
    let any_false = count(|_| {
        let mut groups = vec![Moments::default(); GROUPS];
        urn.draw(people).iter().for_each(|&place| groups[everybody.groups[place]].add(everybody.level_scores[place]));
        let estimate = |group: &Moments| group.estimate(sample(people), Bounds::NONE).expect("people");
        let pairs = groups.iter().zip(rests(&groups));
        let family: Vec<_> =
            pairs.map(|(group, rest)| Difference::of_groups(&estimate(group), &estimate(&rest))).collect();
        let judged = judge(&family, Direction::HigherIsBetter, Bounds::DIFFERENCE);
        judged.iter().any(|judgement| matches!(judgement.verdict, Verdict::Better | Verdict::Worse))
    });
    let what = format!("{GROUPS} groups that are alike, {people} people: any false finding");
    promises.share(&what, any_false, level(people / GROUPS));
}
