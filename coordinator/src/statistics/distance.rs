//! Measures how far a distribution of predicted answers is from the true one.

/// The Wasserstein-1 (earth mover's) distance of two distributions over a scale: the area between their distribution
/// functions, ∫ |F - G| (Vallender 1974). 0 for equal ones; 1 if all of the one are at 0 and all of the other at 1.
///
/// `positions` are the options' places on the scale, ascending, from 0 to 1; `one` and `other` their counts or shares, which
/// need not add up to 1. `None` if either is empty. The three have one length; what is longer is ignored.
pub fn wasserstein(positions: &[f64], one: &[f64], other: &[f64]) -> Option<f64> {
    let (total, other_total) = (total(one)?, total(other)?);
    let steps = positions.windows(2).map(|pair| pair[1] - pair[0]);
    let mut ahead = 0.0;
    let areas = steps.zip(one.iter().zip(other)).map(|(step, (one, other))| {
        ahead += one / total - other / other_total;
        step * f64::abs(ahead)
    });
    Some(areas.sum())
}

/// The Jensen-Shannon distance of two distributions over options without an order, in base 2: the square root of the
/// divergence (Lin 1991; Endres and Schindelin 2003), as `scipy.spatial.distance.jensenshannon(p, q, base=2)`. 0 for equal
/// ones; 1 if no option is in both.
///
/// `one` and `other` are counts or shares of the same options. `None` if either is empty.
pub fn jensen_shannon(one: &[f64], other: &[f64]) -> Option<f64> {
    let (total, other_total) = (total(one)?, total(other)?);
    let divergences = one.iter().zip(other).map(|(one, other)| {
        let (p, q) = (one / total, other / other_total);
        let middle = f64::midpoint(p, q);
        surprise(p, middle) + surprise(q, middle)
    });
    let divergence: f64 = divergences.sum::<f64>() / 2.0;
    // Rounding may leave a little less than nothing, or more than everything.
    Some(divergence.clamp(0.0, 1.0).sqrt())
}

/// The variance of predicted answers over that of true ones: below 1 if predictions are too much alike.
///
/// `positions`, `predicted` and `truth` as in [`wasserstein`]. `None` if either is empty, or all true answers are the same.
pub fn variance_ratio(positions: &[f64], predicted: &[f64], truth: &[f64]) -> Option<f64> {
    let of_truth = variance(positions, truth)?;
    let of_predicted = variance(positions, predicted)?;
    (of_truth > 0.0).then(|| of_predicted / of_truth)
}

/// p log2(p / m), which is 0 for p = 0.
fn surprise(p: f64, middle: f64) -> f64 {
    if p > 0.0 { p * (p / middle).log2() } else { 0.0 }
}

/// The variance of a distribution, with divisor n.
fn variance(positions: &[f64], counts: &[f64]) -> Option<f64> {
    let total = total(counts)?;
    let mean_of = |value: &dyn Fn(f64) -> f64| {
        let terms = positions.iter().zip(counts).map(|(&position, count)| value(position) * count);
        terms.sum::<f64>() / total
    };
    let mean = mean_of(&|position| position);
    Some(mean_of(&|position| (position - mean) * (position - mean)))
}

fn total(counts: &[f64]) -> Option<f64> {
    let total: f64 = counts.iter().sum();
    (total > 0.0).then_some(total)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ENDS: [[f64; 3]; 2] = [[5.0, 0.0, 0.0], [0.0, 0.0, 2.0]];

    fn counts() -> impl Strategy<Value = Vec<f64>> {
        prop::collection::vec(0_u16..50, 5).prop_map(|counts| {
            let counts: Vec<f64> = counts.into_iter().map(f64::from).collect();
            if counts.iter().sum::<f64>() > 0.0 { counts } else { vec![1.0; 5] }
        })
    }

    #[test]
    fn the_ends_of_a_scale_are_as_far_apart_as_can_be() {
        assert_eq!(wasserstein(&[0.0, 0.5, 1.0], &ENDS[0], &ENDS[1]), Some(1.0));
        assert_eq!(jensen_shannon(&ENDS[0], &ENDS[1]), Some(1.0));
    }

    #[test]
    fn answers_that_are_all_alike_vary_less() {
        let positions = [0.0, 0.5, 1.0];
        assert_eq!(variance_ratio(&positions, &[1.0, 1.0, 1.0], &[1.0, 0.0, 1.0]), Some(2.0 / 3.0));
        assert_eq!(variance_ratio(&positions, &ENDS[0], &[1.0, 1.0, 1.0]), Some(0.0));
        assert_eq!(variance_ratio(&positions, &[1.0, 1.0, 1.0], &ENDS[0]), None);
    }

    #[test]
    fn nothing_is_no_distribution() {
        let nothing = [0.0; 3];
        assert_eq!(wasserstein(&[0.0, 0.5, 1.0], &nothing, &ENDS[0]), None);
        assert_eq!(jensen_shannon(&ENDS[0], &nothing), None);
        assert_eq!(variance_ratio(&[0.0, 0.5, 1.0], &nothing, &[1.0, 1.0, 1.0]), None);
    }

    proptest! {
        #[test]
        fn both_are_distances(one in counts(), other in counts(), third in counts(), factor in 1.0..9.0_f64) {
            let positions = [0.0, 0.25, 0.5, 0.75, 1.0];
            let earth = |one: &[f64], other: &[f64]| wasserstein(&positions, one, other).expect("some answers");
            let shannon = |one: &[f64], other: &[f64]| jensen_shannon(one, other).expect("some answers");
            let more: Vec<f64> = one.iter().map(|count| count * factor).collect();
            prop_assert!(earth(&one, &more) < 1e-12 && shannon(&one, &more) < 1e-7);
            for distance in [&earth as &dyn Fn(&[f64], &[f64]) -> f64, &shannon] {
                prop_assert!((distance(&one, &other) - distance(&other, &one)).abs() < 1e-12);
                prop_assert!((0.0..=1.0 + 1e-12).contains(&distance(&one, &other)));
                prop_assert!(distance(&one, &third) <= distance(&one, &other) + distance(&other, &third) + 1e-7);
            }
        }
    }
}
