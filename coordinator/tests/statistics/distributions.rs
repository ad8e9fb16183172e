//! Tails, quantiles, intervals of shares and distances as scipy, statsmodels and mpmath have them.

use serde::Deserialize;
use valuesim_coordinator::statistics::{
    Bounds, IntervalKind, Moments, Sample, jensen_shannon, t_quantile, t_upper_tail, variance_ratio, wasserstein,
};

use crate::{cases, close, close_beside};

#[derive(Deserialize)]
struct TailCase {
    t: f64,
    degrees: f64,
    tail: f64,
}

#[test]
fn tails_of_students_t() {
    for case in cases::<TailCase>("tails") {
        close(t_upper_tail(case.t, case.degrees), case.tail);
    }
}

#[derive(Deserialize)]
struct Quantile {
    tail: f64,
    degrees: f64,
    t: f64,
}

#[test]
fn quantiles_of_students_t() {
    for case in cases::<Quantile>("quantiles") {
        close(t_quantile(case.tail, case.degrees), case.t);
    }
}

#[derive(Deserialize)]
struct Wilson {
    yes: u64,
    people: u64,
    lower: f64,
    upper: f64,
}

#[test]
fn intervals_of_single_questions() {
    for case in cases::<Wilson>("wilson") {
        let answers: Vec<f64> = (0..case.people).map(|person| f64::from(u8::from(person < case.yes))).collect();
        let estimate = Moments::of(&answers).estimate(Sample::of_unlimited(case.people), Bounds::SHARE);
        let interval = estimate.expect("people").uncertainty.interval().expect("an interval");
        assert_eq!(interval.kind, IntervalKind::Wilson);
        close_beside(interval.lower, case.lower, 1.0);
        close_beside(interval.upper, case.upper, 1.0);
    }
}

#[derive(Deserialize)]
struct Distances {
    positions: Vec<f64>,
    one: Vec<f64>,
    other: Vec<f64>,
    wasserstein: f64,
    jensen_shannon: f64,
    variance_ratio: f64,
}

#[test]
fn distances_of_distributions() {
    for Distances { positions, one, other, wasserstein: earth, jensen_shannon: shannon, variance_ratio: ratio } in
        cases("distances")
    {
        close(wasserstein(&positions, &one, &other).expect("some answers"), earth);
        close(jensen_shannon(&one, &other).expect("some answers"), shannon);
        close_beside(variance_ratio(&positions, &one, &other).expect("some answers"), ratio, 1.0);
    }
}
