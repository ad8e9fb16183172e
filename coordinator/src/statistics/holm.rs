//! Holm's adjustment of a family of tests, so that the chance of any false finding stays below the level.

/// Adjusted p values (Holm 1979, A simple sequentially rejective multiple test procedure): p of rank i of m, counted from
/// 0, times m - i, at least that of the rank before, at most 1. A difference is found if its adjusted p is at most the
/// level.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut adjusted = vec![0.0; p.len()];
    let mut before = 0.0_f64;
    for (rank, place) in by_size(p).into_iter().enumerate() {
        before = before.max(p[place] * (p.len() - rank) as f64).min(1.0);
        adjusted[place] = before;
    }
    adjusted
}

/// The level of each comparison's interval: that of the step which decided it, `alpha` / (m - i) for rank i. All that
/// were not rejected have the level of the step at which the procedure stopped.
///
/// An interval at this level contains zero exactly if its difference was not found. All of them together are not a
/// confidence set of their own: where that is needed, use `alpha` / m (Bonferroni) for each.
pub fn holm_levels(p: &[f64], alpha: f64) -> Vec<f64> {
    let mut levels = vec![alpha; p.len()];
    let (mut level, mut goes_on) = (alpha, true);
    for (rank, place) in by_size(p).into_iter().enumerate() {
        if goes_on {
            level = alpha / (p.len() - rank) as f64;
            goes_on = p[place] <= level;
        }
        levels[place] = level;
    }
    levels
}

/// The places of the values, from the smallest to the largest.
fn by_size(values: &[f64]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..values.len()).collect();
    places.sort_by(|&one, &other| values[one].total_cmp(&values[other]));
    places
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_steps_of_holm() {
        let (p, close) = ([0.01, 0.04, 0.03, 0.005], |one: f64, other: f64| (one - other).abs() < 1e-15);
        assert!(holm(&p).into_iter().zip([0.03, 0.06, 0.06, 0.02]).all(|(one, other)| close(one, other)));
        let levels = [0.05 / 3.0, 0.025, 0.025, 0.0125];
        assert!(holm_levels(&p, 0.05).into_iter().zip(levels).all(|(one, other)| close(one, other)));
        assert!(holm(&[]).is_empty() && holm_levels(&[], 0.05).is_empty());
    }

    proptest! {
        #[test]
        fn adjusting_keeps_the_order_and_never_helps(p in prop::collection::vec(0.0..1.0_f64, 1..20)) {
            let adjusted = holm(&p);
            for (one, adjusted_one) in p.iter().zip(&adjusted) {
                prop_assert!(one <= adjusted_one && *adjusted_one <= 1.0);
                prop_assert!(*adjusted_one <= one * p.len() as f64);
                prop_assert!(p.iter().zip(&adjusted).all(|(other, more)| one > other || adjusted_one <= more));
            }
        }

        #[test]
        fn levels_decide_as_adjusted_values_do(p in prop::collection::vec(0.0..0.2_f64, 1..20)) {
            let decided = holm(&p).into_iter().map(|adjusted| adjusted <= 0.05);
            let at_levels = p.iter().zip(holm_levels(&p, 0.05)).map(|(p, level)| *p <= level);
            prop_assert!(decided.eq(at_levels));
        }

        #[test]
        fn a_smaller_p_never_makes_another_finding_go(
            p in prop::collection::vec(0.0..1.0_f64, 1..20), place: prop::sample::Index, share in 0.0..1.0_f64,
        ) {
            let mut smaller = p.clone();
            *place.get_mut(&mut smaller) *= share;
            let (before, after) = (holm(&p), holm(&smaller));
            prop_assert!(before.iter().zip(after).all(|(before, after)| after <= *before + 1e-15));
        }
    }
}
