//! Compares two arms on the same people.

use super::effect_size::EffectSize;
use super::estimate::Estimate;
use super::interval::Bounds;
use super::moments::Moments;
use super::population::Sample;
use super::t_test::TTest;
use super::wilcoxon::Wilcoxon;

/// How much the scores of the same people differ between two arms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedTest {
    /// The mean of the people's differences, with its 95 % interval.
    pub difference: Estimate,
    /// The standard deviation of the differences; `None` for one person.
    pub deviation: Option<f64>,
    /// Student's paired t test; `None` for one person, for a census, and if all differences are the same.
    pub t_test: Option<TTest>,
    /// Wilcoxon's test beside it, for an unlimited population; `None` if no difference is other than zero.
    pub wilcoxon: Option<Wilcoxon>,
    /// How large the difference is; `None` for one person, and if all differences are the same.
    pub effect: Option<EffectSize>,
}

impl PairedTest {
    /// Compares by each person's difference, the one arm's score minus the other's, within `bounds`. `sample` says of
    /// whom these people are a sample. `None` if there is nobody.
    pub fn of(differences: &[f64], sample: Sample, bounds: Bounds) -> Option<Self> {
        let moments = Moments::of(differences);
        let difference = moments.estimate(sample, bounds)?;
        Some(Self {
            difference,
            deviation: moments.deviation(),
            t_test: TTest::of(&difference),
            wilcoxon: Wilcoxon::of(differences),
            effect: EffectSize::of(&moments),
        })
    }

    /// The same people's differences as a stratified sample, with the mean difference that follows from the strata. The other
    /// figures take every person alike.
    #[must_use]
    pub fn stratified(self, difference: Estimate) -> Self {
        Self { difference, t_test: TTest::of(&difference), ..self }
    }
}
