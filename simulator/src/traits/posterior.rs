//! Estimates traits from answers: the posterior distribution, given a standard normal prior.

use super::{TRAITS, Traits, Weighted};

/// The distribution of a person's traits, given the answers so far.
///
/// Starts from a standard normal prior; each answer adds a noisy observation of a weighted sum of traits.
#[derive(Debug)]
pub(crate) struct Posterior {
    precision: [[f64; TRAITS]; TRAITS],
    information: [f64; TRAITS],
}

impl Posterior {
    /// The prior: nothing known.
    pub(super) fn new() -> Self {
        let mut precision = [[0.0; TRAITS]; TRAITS];
        for (at, row) in precision.iter_mut().enumerate() {
            row[at] = 1.0;
        }
        Self { precision, information: [0.0; TRAITS] }
    }

    /// Adds an observation of the weighted sum of traits with an error of variance 1 / `precision`.
    pub(super) fn observe(&mut self, weights: &[Weighted], value: f64, precision: f64) {
        for &(one, weight) in weights {
            let weighted = precision * weight;
            self.information[one.index()] += weighted * value;
            for &(other, other_weight) in weights {
                self.precision[one.index()][other.index()] += weighted * other_weight;
            }
        }
    }

    /// The mean and variance of each trait.
    pub(super) fn traits(&self) -> Traits {
        let inverse_root = inverse_root(&self.precision);
        let mut traits = Traits { means: [0.0; TRAITS], variances: [0.0; TRAITS] };
        for row in &inverse_root {
            let along: f64 = row.iter().zip(&self.information).map(|(a, b)| a * b).sum();
            for (at, &entry) in row.iter().enumerate() {
                traits.means[at] += entry * along;
                traits.variances[at] += entry * entry;
            }
        }
        traits
    }
}

/// The inverse of a matrix's Cholesky factor: its transpose times itself is the inverse of the matrix.
fn inverse_root(matrix: &[[f64; TRAITS]; TRAITS]) -> [[f64; TRAITS]; TRAITS] {
    let root = root(matrix);
    let mut inverse: [[f64; TRAITS]; TRAITS] = [[0.0; TRAITS]; TRAITS];
    for row in 0..TRAITS {
        let mut entries = [0.0; TRAITS];
        entries[row] = 1.0;
        for (done, &factor) in inverse[..row].iter().zip(&root[row]) {
            entries.iter_mut().zip(done).for_each(|(entry, known)| *entry -= factor * known);
        }
        inverse[row] = entries.map(|entry| entry / root[row][row]);
    }
    inverse
}

/// The Cholesky factor of a symmetric matrix whose eigenvalues are at least 1, as in every precision matrix here.
fn root(matrix: &[[f64; TRAITS]; TRAITS]) -> [[f64; TRAITS]; TRAITS] {
    let mut root = [[0.0; TRAITS]; TRAITS];
    for row in 0..TRAITS {
        for column in 0..=row {
            let done: f64 = (0..column).map(|k| root[row][k] * root[column][k]).sum();
            let rest = matrix[row][column] - done;
            root[row][column] = if row == column { rest.sqrt() } else { rest / root[column][column] };
        }
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traits::Trait;

    #[test]
    fn one_observation_is_weighed_against_the_prior() {
        let mut posterior = Posterior::new();
        posterior.observe(&[(Trait::Trust, 0.5)], 2.0, 4.0);
        let traits = posterior.traits();
        // By hand: precision 1 + 4 x 0.25 = 2, information 4 x 0.5 x 2 = 4.
        assert!((traits.mean(Trait::Trust) - 2.0).abs() < 1e-12 && (traits.variance(Trait::Trust) - 0.5).abs() < 1e-12);
        assert!(traits.mean(Trait::Age).abs() < 1e-12 && (traits.variance(Trait::Age) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn an_observation_of_two_traits_is_shared_between_them() {
        let mut posterior = Posterior::new();
        posterior.observe(&[(Trait::Trust, 1.0), (Trait::Age, -1.0)], 3.0, 1.0);
        let traits = posterior.traits();
        // By hand: the inverse of [[2, -1], [-1, 2]] times (3, -3).
        assert!((traits.mean(Trait::Trust) - 1.0).abs() < 1e-12 && (traits.mean(Trait::Age) + 1.0).abs() < 1e-12);
        assert!((traits.variance(Trait::Trust) - 2.0 / 3.0).abs() < 1e-12);
    }
}
