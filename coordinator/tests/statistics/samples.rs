//! Means, ratios, groups and weights as R's `survey` has them.

use serde::Deserialize;
use valuesim_coordinator::statistics::{
    Bounds, Difference, Estimate, IntervalKind, Moments, Population, Ratio, Sample,
};

use crate::expected::Expected;
use crate::{cases, close, close_beside};

#[derive(Deserialize)]
struct Case {
    population: Option<u64>,
    scores: Vec<f64>,
    parts: Vec<f64>,
    wholes: Vec<f64>,
    weights: Vec<f64>,
    groups: Vec<u8>,
    effective: f64,
    found: Found,
}

#[derive(Deserialize)]
struct Found {
    mean: Expected,
    ratio: Expected,
    group: Expected,
    group_ratio: Expected,
    difference: ExpectedDifference,
    logit: Ends,
}

#[derive(Deserialize)]
struct ExpectedDifference {
    mean: f64,
    standard_error: f64,
}

#[derive(Deserialize)]
struct Ends {
    lower: f64,
    upper: f64,
}

impl Case {
    fn sample(&self) -> Sample {
        let population = self.population.map_or(Population::Unlimited, Population::Finite);
        Sample { people: self.scores.len() as u64, population }
    }

    fn is_weighted(&self) -> bool {
        self.weights.iter().any(|&weight| weight.to_bits() != 1.0_f64.to_bits())
    }

    /// The places of the people in a group, or of everybody.
    fn places(&self, group: Option<u8>) -> impl Iterator<Item = usize> {
        (0..self.scores.len()).filter(move |&place| group.is_none_or(|group| self.groups[place] == group))
    }

    /// Hájek's mean.
    fn mean(&self, group: Option<u8>) -> Ratio {
        let mut mean = Ratio::default();
        for place in self.places(group) {
            mean.add_weighted(self.scores[place], self.weights[place]);
        }
        mean
    }

    /// The pooled ratio, with weights.
    fn ratio(&self, group: Option<u8>) -> Ratio {
        let mut ratio = Ratio::default();
        for place in self.places(group) {
            ratio.add(self.weights[place] * self.parts[place], self.weights[place] * self.wholes[place]);
        }
        ratio
    }

    fn unweighted(&self, group: Option<u8>) -> Moments {
        Moments::of(&self.places(group).map(|place| self.scores[place]).collect::<Vec<_>>())
    }
}

/// A number that is not bounded has the plain interval, as `survey` makes it.
#[track_caller]
fn equal(found: Option<Estimate>, expected: &Expected) {
    expected.equals(found.expect("some people"));
}

#[test]
fn means_with_and_without_weights() {
    for case in cases::<Case>("samples") {
        let sample = case.sample();
        equal(case.mean(None).estimate(sample, Bounds::NONE), &case.found.mean);
        equal(case.mean(Some(1)).estimate(sample, Bounds::NONE), &case.found.group);
        close(case.mean(None).effective_people().expect("some weights"), case.effective);
        if !case.is_weighted() {
            equal(case.unweighted(None).estimate(sample, Bounds::NONE), &case.found.mean);
            equal(case.unweighted(Some(1)).estimate(sample, Bounds::NONE), &case.found.group);
        }
    }
}

#[test]
fn pooled_ratios_clustered_by_person() {
    for case in cases::<Case>("samples") {
        equal(case.ratio(None).estimate(case.sample(), Bounds::NONE), &case.found.ratio);
        equal(case.ratio(Some(1)).estimate(case.sample(), Bounds::NONE), &case.found.group_ratio);
    }
}

#[test]
fn differences_of_groups() {
    for case in cases::<Case>("samples") {
        let of_group = |group| case.mean(Some(group)).estimate(case.sample(), Bounds::SHARE).expect("some people");
        let found = Difference::of_groups(&of_group(1), &of_group(0));
        close_beside(found.mean, case.found.difference.mean, case.found.mean.mean);
        close(found.standard_error.expect("some people"), case.found.difference.standard_error);
    }
}

#[test]
fn bounded_intervals() {
    let mut logits = 0;
    for case in cases::<Case>("samples") {
        let found = case.mean(None).estimate(case.sample(), Bounds::SHARE).expect("some people");
        let found = found.uncertainty.interval().expect("their scores differ");
        let expected = &case.found;
        if found.kind == IntervalKind::Logit {
            logits += 1;
            close(found.lower, expected.logit.lower);
            close(found.upper, expected.logit.upper);
            assert!(expected.mean.lower < 0.0 || expected.mean.upper > 1.0);
        } else {
            assert!(0.0 <= expected.mean.lower && expected.mean.upper <= 1.0);
        }
    }
    assert!(logits > 0, "no plain interval leaves 0 to 1");
}
