//! Means and ratios of stratified samples as R's `survey` has them.

use serde::Deserialize;
use valuesim_coordinator::statistics::{Bounds, Estimate, StratifiedSample};

use crate::cases;
use crate::expected::Expected;

#[derive(Deserialize)]
struct Case {
    scores: Vec<f64>,
    parts: Vec<f64>,
    wholes: Vec<f64>,
    weights: Vec<f64>,
    groups: Vec<u8>,
    strata: Vec<usize>,
    populations: Vec<u64>,
    found: Found,
}

#[derive(Deserialize)]
struct Found {
    mean: Expected,
    ratio: Expected,
    group: Expected,
    group_ratio: Expected,
}

impl Case {
    /// The estimate of a ratio of sums over the people of a group, or over everybody.
    fn estimate(&self, group: Option<u8>, of: impl Fn(usize) -> (f64, f64)) -> Estimate {
        let sample = StratifiedSample::new(self.strata.clone(), &self.populations);
        let people = (0..self.scores.len()).filter(|&at| group.is_none_or(|group| self.groups[at] == group));
        let sums = people.map(|at| {
            let (part, whole) = of(at);
            (at, self.weights[at] * part, self.weights[at] * whole)
        });
        sample.ratio(sums, Bounds::NONE).expect("some people")
    }
}

#[test]
fn stratified_means_and_ratios_of_everybody_and_of_a_group() {
    for case in cases::<Case>("strata") {
        let score = |at: usize| (case.scores[at], 1.0);
        let pooled = |at: usize| (case.parts[at], case.wholes[at]);
        case.found.mean.equals(case.estimate(None, score));
        case.found.group.equals(case.estimate(Some(1), score));
        case.found.ratio.equals(case.estimate(None, pooled));
        case.found.group_ratio.equals(case.estimate(Some(1), pooled));
    }
}
