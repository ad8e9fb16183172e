//! How likely each answer is, as one module or coordinator judges it.

use valuesim_shared::id::Code;
use xxhash_rust::xxh3::xxh3_64;

use super::prompt::Opinion;
use super::rng::{Purpose, Rng};

/// A floor for the weights: no option is impossible, and the weights never sum to 0.
const MIN_WEIGHT: f64 = 1e-4;

/// The phrase that introduces the odds in a module's analysis; [`Odds::stated`] looks for it.
const STATED: &str = "Odds in 100: ";

/// How many options a module states odds for.
const OPTIONS_STATED: usize = 5;

/// A weight for each answer, in the order of the question's options. The weights sum to 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Odds(Vec<(Code, f64)>);

impl Odds {
    /// Odds from probabilities, in the order of the codes.
    pub(super) fn new(codes: &[Code], probabilities: &[f64]) -> Self {
        let weights = probabilities.iter().map(|probability| probability.max(MIN_WEIGHT));
        Self(codes.iter().copied().zip(weights).collect()).normalized()
    }

    /// All weight on one answer.
    pub(super) fn certain(code: Code) -> Self {
        Self(vec![(code, 1.0)])
    }

    /// Odds for a question outside the codebook: arbitrary, but always the same for the same question.
    pub(super) fn guessed(codes: &[Code], question: &str) -> Self {
        let mut rng = Rng::new(xxh3_64(question.as_bytes()).into(), 0, Purpose::Answer, 0);
        Self(codes.iter().map(|&code| (code, rng.normal().exp())).collect()).normalized()
    }

    /// The odds that a module stated, or all weight on its answer; `None` if it gave neither.
    pub(super) fn stated(opinion: &Opinion<'_>) -> Option<Self> {
        let stated =
            opinion.analysis.split_once(STATED).map(|(_, odds)| odds.split_once(".\n").map_or(odds, |end| end.0));
        let weights: Vec<_> = stated.into_iter().flat_map(|odds| odds.split(", ")).filter_map(parse_odds).collect();
        if !weights.is_empty() {
            return Some(Self(weights).normalized());
        }
        opinion.answer.trim().parse().ok().map(|code| Self::certain(Code(code)))
    }

    /// The mean of several opinions; `None` without any.
    pub(super) fn pooled(opinions: &[Self]) -> Option<Self> {
        let mut pooled: Vec<(Code, f64)> = Vec::new();
        for &(code, weight) in opinions.iter().flat_map(|opinion| &opinion.0) {
            match pooled.iter_mut().find(|(of, _)| *of == code) {
                Some((_, sum)) => *sum += weight,
                None => pooled.push((code, weight)),
            }
        }
        (!pooled.is_empty()).then(|| Self(pooled).normalized())
    }

    /// The odds with log-normal noise; `sigma` is the standard deviation of the error in a log weight.
    pub(super) fn with_noise(mut self, sigma: f64, rng: &mut Rng) -> Self {
        for (_, weight) in &mut self.0 {
            *weight *= (sigma * rng.normal()).exp();
        }
        self.normalized()
    }

    /// The most likely answer; the first one in a tie.
    pub(super) fn best(&self) -> Code {
        self.ranked()[0].0
    }

    /// The answers, the most likely first.
    pub(super) fn ranked(&self) -> Vec<(Code, f64)> {
        let mut ranked = self.0.clone();
        ranked.sort_by(|one, other| other.1.total_cmp(&one.1));
        ranked
    }

    /// The odds as text that [`Odds::stated`] can read: `Odds in 100: 2 = 61, 3 = 22`.
    pub(super) fn statement(&self) -> String {
        let ranked = self.ranked();
        let one = |&(code, weight): &(Code, f64)| format!("{code} = {:.0}", weight * 100.0);
        let stated: Vec<String> = ranked.iter().take(OPTIONS_STATED).map(one).collect();
        format!("{STATED}{}", stated.join(", "))
    }

    fn normalized(mut self) -> Self {
        let sum: f64 = self.0.iter().map(|(_, weight)| weight).sum();
        for (_, weight) in &mut self.0 {
            *weight /= sum;
        }
        self
    }
}

/// Reads one of the stated odds: `2 = 61`. Adds the minimum weight, so that all-zero odds can be normalized.
fn parse_odds(text: &str) -> Option<(Code, f64)> {
    let (code, weight) = text.split_once(" = ")?;
    let weight = weight.trim_end_matches('.').parse::<f64>().ok().filter(|weight| weight.is_finite())?;
    Some((Code(code.parse().ok()?), weight.max(0.0) / 100.0 + MIN_WEIGHT))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODES: [Code; 3] = [Code(1), Code(2), Code(3)];

    #[test]
    fn stated_odds_are_read_back() {
        let odds = Odds::new(&CODES, &[0.1, 0.65, 0.25]);
        let analysis = format!("(simulated) Because. {}.\nMore.", odds.statement());
        let read = Odds::stated(&Opinion { answer: "2", analysis: &analysis }).unwrap();
        assert_eq!(read.ranked().iter().map(|(code, _)| code.0).collect::<Vec<_>>(), [2, 3, 1]);
        assert!((read.ranked()[0].1 - 0.65).abs() < 0.01);
    }

    #[test]
    fn an_answer_without_odds_is_certain_and_an_error_is_ignored() {
        let stated = |answer, analysis| Odds::stated(&Opinion { answer, analysis });
        assert_eq!(stated("3", "Because."), Some(Odds::certain(Code(3))));
        assert_eq!(stated("None", "Error: timeout"), None);
        assert_eq!(Odds::pooled(&[]), None);
    }

    #[test]
    fn pooling_averages_the_odds() {
        let odds = |weights: &[f64]| Odds::new(&CODES, weights);
        let pooled = Odds::pooled(&[odds(&[0.5, 0.4, 0.1]), odds(&[0.1, 0.4, 0.5]), odds(&[0.3, 0.4, 0.3])]).unwrap();
        assert_eq!(pooled.best(), Code(2));
    }

    #[test]
    fn all_zero_odds_are_normalized() {
        let analysis = "Odds in 100: 1 = 0, 2 = 0";
        assert_eq!(Odds::stated(&Opinion { answer: "1", analysis }).unwrap().best(), Code(1));
        assert!(Odds::new(&CODES, &[0.0, 0.0, 0.0]).ranked().iter().all(|(_, weight)| weight.is_finite()));
    }
}
