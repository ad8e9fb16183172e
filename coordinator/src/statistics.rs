//! The statistics of the evaluation: pure functions of numbers, which know nothing of surveys and models.
//!
//! | question | answer |
//! | --- | --- |
//! | How good is an arm, per person? | [`Moments`] gives an [`Estimate`] with its [`Uncertainty`] |
//! | How good is it over all predictions, or with survey weights? | [`Ratio`] |
//! | Of whom are the people a sample? | [`Sample`], [`Population`] |
//! | And if each country was drawn by itself? | [`StratifiedSample`], [`StratifiedRatio`] |
//! | Is one arm better than another on the same people? | [`PairedTest`], then [`Difference`] and [`judge`] for all of a table |
//! | Which groups are simulated better or worse than the others? | [`rests`], [`Difference::of_groups`], [`judge`] |
//! | What could have been shown, and how many people does that take? | [`smallest_difference`], [`pairs_needed`], [`power()`] |
//! | When can a run stop? | [`WidthRule`] for a width, [`SequentialTest`] for a decision |
//! | Do predictions have the true distribution? | [`wasserstein`], [`jensen_shannon`], [`variance_ratio`] |

mod betting;
mod bounded;
mod confidence_sequence;
mod difference;
mod distance;
mod double_double;
mod effect_size;
mod estimate;
mod gamma_ratio;
mod groups;
mod holm;
mod interval;
mod moments;
mod normal;
mod paired;
mod population;
mod power;
mod ratio;
mod revocable_moments;
mod strata;
mod student_t;
mod t_test;
mod verdict;
mod width;
mod wilcoxon;

pub use confidence_sequence::{ConfidenceSequence, OutOfBounds, SequentialTest, Shown};
pub use difference::Difference;
pub use distance::{jensen_shannon, variance_ratio, wasserstein};
pub use effect_size::EffectSize;
pub use estimate::Estimate;
pub use groups::{Merge, rests};
pub use holm::{holm, holm_levels};
pub use interval::{ALPHA, Bounds, CONFIDENCE, Interval, IntervalKind, NoInterval, Uncertainty};
pub use moments::Moments;
pub use paired::PairedTest;
pub use population::{Population, Sample};
pub use power::{POWER, pairs_needed, power, smallest_difference};
pub use ratio::Ratio;
pub(crate) use revocable_moments::RevocableMoments;
pub use strata::{Strata, StratifiedRatio, StratifiedSample};
pub use student_t::{t_quantile, t_two_sided, t_upper_tail};
pub use t_test::TTest;
pub use verdict::{Direction, Judgement, MIN_PEOPLE, Verdict, judge};
pub use width::{MIN_BEFORE_STOPPING, MIN_ROUND, WidthRule};
pub use wilcoxon::{Wilcoxon, WilcoxonMethod};
