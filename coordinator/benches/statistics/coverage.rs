//! How often 95 % intervals contain the population's value.

use valuesim_coordinator::statistics::{Bounds, Estimate, Moments, Population, Ratio, Sample, WidthRule};

use crate::population::{Everybody, PEOPLE, Urn};
use crate::{Promises, count};

/// What an interval that promises 95 % may cover in a thousand samples.
const COVERAGE: (f64, f64) = (0.93, 0.97);

pub(crate) fn measure(everybody: &Everybody, promises: &mut Promises) {
    for people in [50, 500, 5000] {
        plain(everybody, people, promises);
    }
    for people in [500, 5000] {
        weighted(everybody, people, promises);
        pooled(everybody, people, promises);
        groups(everybody, people, promises);
    }
    for people in [50, 500, 5000] {
        single_question(everybody, people, promises);
    }
    for half_width in [0.03, 0.02, 0.01, 0.005] {
        stopped(everybody, half_width, promises);
    }
}

fn sample(people: usize, of: usize) -> Sample {
    Sample { people: people as u64, population: Population::Finite(of as u64) }
}

fn covers(estimate: Option<Estimate>, truth: f64) -> bool {
    estimate.and_then(|estimate| estimate.uncertainty.interval()).is_some_and(|interval| interval.contains(truth))
}

fn moments<'a>(values: &[f64], places: impl IntoIterator<Item = &'a usize>) -> Moments {
    Moments::of(&places.into_iter().map(|&place| values[place]).collect::<Vec<_>>())
}

fn mean(values: &[f64]) -> f64 {
    Moments::of(values).mean().expect("people")
}

fn plain(everybody: &Everybody, people: usize, promises: &mut Promises) {
    let (mut urn, truth) = (Urn::new(2), mean(&everybody.scores));
    let covered = count(|_| {
        let scores = moments(&everybody.scores, urn.draw(people));
        covers(scores.estimate(sample(people, PEOPLE), Bounds::SHARE), truth)
    });
    promises.share(&format!("mean per person, {people} people"), covered, COVERAGE);
}

fn weighted(everybody: &Everybody, people: usize, promises: &mut Promises) {
    let ratio = |places: &mut dyn Iterator<Item = usize>| {
        let mut ratio = Ratio::default();
        places.for_each(|place| ratio.add_weighted(everybody.scores[place], everybody.weights[place]));
        ratio
    };
    let truth = ratio(&mut (0..PEOPLE)).ratio().expect("people");
    let mut urn = Urn::new(3);
    let covered = count(|_| {
        let found = ratio(&mut urn.draw(people).iter().copied());
        covers(found.estimate(sample(people, PEOPLE), Bounds::SHARE), truth)
    });
    promises.share(&format!("mean with survey weights, {people} people"), covered, COVERAGE);
}

fn pooled(everybody: &Everybody, people: usize, promises: &mut Promises) {
    let ratio = |places: &mut dyn Iterator<Item = usize>| {
        let mut ratio = Ratio::default();
        places.for_each(|place| {
            ratio.add(everybody.scores[place] * everybody.counted[place], everybody.counted[place]);
        });
        ratio
    };
    let truth = ratio(&mut (0..PEOPLE)).ratio().expect("people");
    let mut urn = Urn::new(4);
    let covered = count(|_| {
        let found = ratio(&mut urn.draw(people).iter().copied());
        covers(found.estimate(sample(people, PEOPLE), Bounds::SHARE), truth)
    });
    promises.share(&format!("pooled over predictions, {people} people"), covered, COVERAGE);
}

/// A tenth of the people, once with its known number in the population, once without.
fn groups(everybody: &Everybody, people: usize, promises: &mut Promises) {
    let is_member = |place: &&usize| everybody.groups[**place] < 6;
    let everyone: Vec<usize> = (0..PEOPLE).collect();
    let members = moments(&everybody.scores, everyone.iter().filter(is_member));
    let truth = members.mean().expect("people");
    let (mut urn, mut unknown) = (Urn::new(5), 0);
    let known = count(|_| {
        let found = moments(&everybody.scores, urn.draw(people).iter().filter(is_member));
        unknown += usize::from(covers(found.estimate(sample(people, PEOPLE), Bounds::SHARE), truth));
        let of_group = Sample { people: found.count(), population: Population::Finite(members.count()) };
        covers(found.estimate(of_group, Bounds::SHARE), truth)
    });
    promises.share(&format!("a tenth of {people} people, whose number in the population is known"), known, COVERAGE);
    promises.share(&format!("a tenth of {people} people, whose number is unknown"), unknown, COVERAGE);
}

/// Wilson's interval where few are right. It is made for shares that are not extreme, and its coverage goes up and down with
/// what counts are possible (Brown, Cai and `DasGupta` 2001): it may cover more.
fn single_question(everybody: &Everybody, people: usize, promises: &mut Promises) {
    let (mut urn, truth) = (Urn::new(6), mean(&everybody.answers));
    let covered = count(|_| {
        let answers = moments(&everybody.answers, urn.draw(people));
        covers(answers.estimate(sample(people, PEOPLE), Bounds::SHARE), truth)
    });
    promises.share(&format!("one question that {:.1} % know, {people} people", truth * 100.0), covered, (0.93, 1.0));
}

/// Rounds of people until the interval is narrow enough.
fn stopped(everybody: &Everybody, half_width: f64, promises: &mut Promises) {
    let (mut urn, truth, rule) = (Urn::new(7), mean(&everybody.scores), WidthRule { half_width });
    let (population, mut asked) = (Population::Finite(PEOPLE as u64), 0);
    let covered = count(|_| {
        let places = urn.draw(20_000);
        let mut scores = moments(&everybody.scores, &places[..50]);
        loop {
            let people = usize::try_from(scores.count()).expect("a place");
            let estimate = scores.estimate(sample(people, PEOPLE), Bounds::SHARE).expect("people");
            if rule.is_met(&estimate, population) {
                asked += people;
                return covers(Some(estimate), truth);
            }
            let needed = rule.people_needed(&scores, population).expect("they differ");
            let until = usize::try_from(WidthRule::next_round(people as u64, needed)).expect("a place");
            places[people..until].iter().for_each(|&place| scores.add(everybody.scores[place]));
        }
    });
    let asked = asked / crate::REPETITIONS;
    promises.share(&format!("mean, stopped at ± {half_width} after {asked} people on average"), covered, COVERAGE);
}
