//! Tests which arms are better than which on the same people.

use valuesim_shared::codebook::Category;

use super::distribution::mean;
use super::parallel::in_parallel;
use super::scored::{Scored, direction};
use crate::results::{Comparison, Measure, PairedTest as TestResults, Power};
use crate::statistics::{Bounds, Difference, Judgement, PairedTest, Sample, judge, pairs_needed, smallest_difference};

/// Between more arms that ask a model, pairs are too many to list: each is then compared with the baselines alone.
const MAX_ARMS_IN_PAIRS: usize = 24;

/// The difference whose detection takes how many people, as reported: one point of a hundred.
const A_HUNDREDTH: f64 = 0.01;

/// Two arms, in a category or overall.
#[derive(Debug, Clone, Copy)]
struct Pair {
    arm: usize,
    against: usize,
    category: Option<Category>,
}

/// All comparisons, measure by measure; Holm's correction is over those of a measure.
pub(super) fn comparisons(scored: &Scored<'_>) -> Vec<Comparison> {
    let pairs = arms_to_compare(scored);
    Measure::ALL.into_iter().flat_map(|measure| of_measure(scored, measure, &pairs)).collect()
}

/// Each arm that asks a model with each baseline, then with the arms that ask a model and stand after it.
fn arms_to_compare(scored: &Scored<'_>) -> Vec<(usize, usize)> {
    let (asking, baselines) = (scored.model_arms(), scored.baselines());
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for &arm in &asking {
        pairs.extend(baselines.iter().map(|&baseline| (arm, baseline)));
    }
    if asking.len() <= MAX_ARMS_IN_PAIRS {
        for (at, &arm) in asking.iter().enumerate() {
            pairs.extend(asking[at + 1..].iter().map(|&other| (arm, other)));
        }
    }
    pairs
}

fn of_measure(scored: &Scored<'_>, measure: Measure, arms: &[(usize, usize)]) -> Vec<Comparison> {
    let bounds = scored.difference_bounds(measure);
    let mut tested: Vec<(Pair, PairedTest)> = Vec::new();
    for category in [None].into_iter().chain(Category::ALL.map(Some)) {
        let values: Vec<Vec<f64>> = (0..scored.arms.len()).map(|arm| scored.values(arm, category, measure)).collect();
        let tests = in_parallel(arms, |&(arm, against)| test(scored, &values[arm], &values[against], bounds));
        let pairs = arms.iter().map(|&(arm, against)| Pair { arm, against, category });
        tested.extend(pairs.zip(tests).filter_map(|(pair, test)| Some((pair, test?))));
    }
    let family: Vec<Difference> = tested.iter().map(|(_, test)| Difference::of_pairs(&test.difference)).collect();
    let judgements = judge(&family, direction(measure), bounds);
    let all = tested.iter().zip(judgements);
    all.map(|((pair, test), judgement)| comparison(scored, measure, (pair, test), judgement)).collect()
}

/// Tests the differences of the people who have both scores.
fn test(scored: &Scored<'_>, values: &[f64], others: &[f64], bounds: Bounds) -> Option<PairedTest> {
    let all: Vec<f64> = values.iter().zip(others).map(|(value, other)| value - other).collect();
    let both: Vec<f64> = all.iter().copied().filter(|difference| !difference.is_nan()).collect();
    let test = PairedTest::of(&both, scored.sample(), bounds)?;
    let Some(strata) = scored.strata else { return Some(test) };
    let people = all.into_iter().enumerate().filter(|(_, difference)| !difference.is_nan());
    Some(test.stratified(strata.ratio(people.map(|(at, difference)| (at, difference, 1.0)), bounds)?))
}

fn comparison(
    scored: &Scored<'_>,
    measure: Measure,
    (pair, test): (&Pair, &PairedTest),
    judgement: Judgement,
) -> Comparison {
    let results = judgement.p.zip(judgement.adjusted_p).map(|(p, p_holm)| TestResults {
        t: test.t_test.map(|test| test.t),
        p,
        p_holm,
        wilcoxon_p: test.wilcoxon.map(|test| test.p),
        effect_size: test.effect.map(|effect| effect.d_z),
    });
    Comparison {
        arm: scored.arms[pair.arm].arm.clone(),
        against: scored.arms[pair.against].arm.clone(),
        category: pair.category,
        measure,
        persons: test.difference.persons,
        difference: test.difference.mean,
        uncertainty: test.difference.uncertainty,
        adjusted_uncertainty: judgement.uncertainty,
        test: results,
        verdict: judgement.verdict,
    }
}

/// What differences the sample can show: each arm that asks a model against the baseline that is best overall.
pub(super) fn power(scored: &Scored<'_>) -> Vec<Power> {
    let of_measure = |measure| {
        let mean = |arm| mean(scored.values(arm, None, measure).into_iter().filter(|value| !value.is_nan()));
        let means = scored.baselines().into_iter().filter_map(|arm| Some((arm, mean(arm)?)));
        let better = |best: Option<(usize, f64)>, one: (usize, f64)| match best {
            Some(best) if !measure.is_better(one.1, best.1) => Some(best),
            _ => Some(one),
        };
        let best = means.fold(None, better);
        let arms = scored.model_arms().into_iter().filter_map(move |arm| power_of(scored, measure, (arm, best?.0)));
        arms.collect::<Vec<_>>()
    };
    Measure::ALL.into_iter().flat_map(of_measure).collect()
}

fn power_of(scored: &Scored<'_>, measure: Measure, (arm, against): (usize, usize)) -> Option<Power> {
    let [values, others] = [arm, against].map(|arm| scored.values(arm, None, measure));
    let test = test(scored, &values, &others, scored.difference_bounds(measure))?;
    let deviation = test.deviation.filter(|&deviation| deviation > 0.0)?;
    let population = scored.sample().population;
    let sample = Sample { people: test.difference.persons, population };
    Some(Power {
        arm: scored.arms[arm].arm.clone(),
        against: scored.arms[against].arm.clone(),
        measure,
        persons: sample.people,
        detectable_difference: smallest_difference(deviation, sample)?,
        persons_for_a_hundredth: pairs_needed(A_HUNDREDTH, deviation, population),
    })
}
