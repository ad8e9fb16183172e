//! Tests between arms and between groups as scipy and statsmodels have them.

use serde::Deserialize;
use valuesim_coordinator::statistics::{
    Bounds, Moments, PairedTest, Population, Sample, TTest, holm, pairs_needed, power, smallest_difference,
};

use crate::{cases, close, close_beside};

#[derive(Deserialize)]
struct Paired {
    differences: Vec<f64>,
    population: Option<u64>,
    mean: f64,
    standard_error: f64,
    t: f64,
    p: f64,
    lower: f64,
    upper: f64,
    statistic: f64,
    wilcoxon_p: f64,
    d_z: f64,
    g_z: f64,
}

#[test]
fn paired_tests_in_small_and_finite_populations() {
    for case in cases::<Paired>("paired") {
        let population = case.population.map_or(Population::Unlimited, Population::Finite);
        let sample = Sample { people: case.differences.len() as u64, population };
        let found = PairedTest::of(&case.differences, sample, Bounds::NONE).expect("some pairs");
        let (test, wilcoxon) = (found.t_test.expect("they differ"), found.wilcoxon.expect("they differ"));
        let (effect, interval) = (found.effect.expect("they differ"), found.difference.uncertainty.interval());
        let interval = interval.expect("they differ");
        close_beside(found.difference.mean, case.mean, case.standard_error);
        close(found.difference.standard_error.expect("some pairs"), case.standard_error);
        close_beside(interval.lower, case.lower, case.upper);
        close_beside(interval.upper, case.upper, case.lower);
        close_beside(test.t, case.t, 1.0);
        close(test.p, case.p);
        close(wilcoxon.statistic, case.statistic);
        close(wilcoxon.p, case.wilcoxon_p);
        close_beside(effect.d_z, case.d_z, 1.0);
        close_beside(effect.g_z, case.g_z, 1.0);
    }
}

#[derive(Deserialize)]
struct Welch {
    one: Vec<f64>,
    other: Vec<f64>,
    t: f64,
    degrees: f64,
    p: f64,
}

#[test]
fn groups_of_different_spread() {
    for case in cases::<Welch>("welch") {
        let [one, other] = [&case.one, &case.other].map(|scores| {
            let sample = Sample::of_unlimited(scores.len() as u64);
            Moments::of(scores).estimate(sample, Bounds::SHARE).expect("some people")
        });
        let found = TTest::welch(&one, &other).expect("they differ");
        close(found.t, case.t);
        close(found.degrees, case.degrees);
        close(found.p, case.p);
    }
}

#[derive(Deserialize)]
struct Family {
    p: Vec<f64>,
    adjusted: Vec<f64>,
}

#[test]
fn adjusted_p_values() {
    for case in cases::<Family>("holm") {
        for (found, expected) in holm(&case.p).into_iter().zip(case.adjusted) {
            close(found, expected);
        }
    }
}

#[derive(Deserialize)]
struct PowerCase {
    people: u64,
    difference: f64,
    deviation: f64,
    power: f64,
    smallest: f64,
    needed: u64,
}

#[test]
fn power_of_paired_tests() {
    for case in cases::<PowerCase>("power") {
        let sample = Sample::of_unlimited(case.people);
        close(power(case.difference, case.deviation, sample, 0.05), case.power);
        close(smallest_difference(case.deviation, sample).expect("some pairs"), case.smallest);
        assert_eq!(pairs_needed(case.difference, case.deviation, Population::Unlimited), Some(case.needed));
    }
}
