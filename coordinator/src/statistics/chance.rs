//! Says how well someone does who guesses each option with equal chance: the exact expectation, not a draw.

/// The expected accuracy of a guess among `options`: 1 / k. `None` if there are no options.
pub fn chance_accuracy(options: usize) -> Option<f64> {
    (options > 0).then(|| 1.0 / options as f64)
}

/// The expected absolute error of a guess: the mean distance of all options from the truth.
///
/// `positions` are the options' places on the scale, from 0 to 1, and `truth` is the true answer's. `None` if there are no
/// options.
pub fn chance_error(positions: &[f64], truth: f64) -> Option<f64> {
    let distances: f64 = positions.iter().map(|position| (position - truth).abs()).sum();
    (!positions.is_empty()).then(|| distances / positions.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_is_nearest_to_the_middle_of_the_scale() {
        let positions = [0.0, 0.25, 0.5, 0.75, 1.0];
        assert_eq!(chance_accuracy(5), Some(0.2));
        assert_eq!(chance_error(&positions, 0.0), Some(0.5));
        assert_eq!(chance_error(&positions, 0.5), Some(0.3));
    }

    #[test]
    fn one_cannot_guess_among_nothing() {
        assert_eq!((chance_accuracy(0), chance_error(&[], 0.5)), (None, None));
    }
}
