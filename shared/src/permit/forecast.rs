//! Forecasts how many tokens a call will use, from what earlier calls of its stage used.

use crate::money::Tokens;
use crate::stage::Stage;

use super::office::Request;
use super::token_kinds::TokenCounts;

/// So many calls of a stage make a forecast.
const ENOUGH: u32 = 8;

/// The weight of the last call in the averages is one in so many.
const SMOOTHING: f64 = 32.0;

/// More output is expected than the average, so that a few long replies at once do not exceed the limit. More than that
/// would leave a part of the limit unused.
const OUTPUT_MARGIN: f64 = 1.2;

/// What earlier calls used, by stage.
#[derive(Debug, Default)]
pub(super) struct Forecast {
    stages: Vec<(Stage, Used)>,
}

#[derive(Debug, Clone, Copy)]
struct Used {
    calls: u32,
    /// Tokens of prompts, for each that the request expected.
    input_ratio: f64,
    /// The part of prompts that was not read from a cache.
    uncached: f64,
    output: f64,
}

impl Forecast {
    /// The tokens to reserve for a call.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float saturates when it is cast")]
    pub(super) fn reserve(&self, request: &Request) -> TokenCounts {
        let Tokens { input, output, .. } = request.expected;
        let known = self.stages.iter().find(|(stage, used)| *stage == request.stage && used.calls >= ENOUGH);
        let Some((_, used)) = known else { return TokenCounts { input, uncached: input, output } };
        let input = input as f64 * used.input_ratio;
        let uncached = (input * used.uncached).ceil() as u64;
        TokenCounts { input: input.ceil() as u64, uncached, output: (used.output * OUTPUT_MARGIN).ceil() as u64 }
    }

    /// Learns from a call.
    pub(super) fn learn(&mut self, request: &Request, actual: Tokens) {
        let ratio = actual.input as f64 / (request.expected.input as f64).max(1.0);
        let TokenCounts { input, uncached, output } = actual.into();
        let (uncached, output) = (uncached as f64 / (input as f64).max(1.0), output as f64);
        let Some((_, used)) = self.stages.iter_mut().find(|(stage, _)| *stage == request.stage) else {
            self.stages.push((request.stage, Used { calls: 1, input_ratio: ratio, uncached, output }));
            return;
        };
        used.calls = used.calls.saturating_add(1);
        let weight = 1.0 / f64::from(used.calls).min(SMOOTHING);
        used.input_ratio += (ratio - used.input_ratio) * weight;
        used.uncached += (uncached - used.uncached) * weight;
        used.output += (output - used.output) * weight;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::NanoUsd;
    use crate::permit::token_kinds::TokenKind;

    #[test]
    fn a_stage_is_forecast_from_its_own_calls_once_there_are_enough() {
        let expected = Tokens { input: 1_000, output: 200, ..Tokens::default() };
        let request = |stage| Request { stage, expected, at_most: NanoUsd(0), goes_ahead: false };
        let mut forecast = Forecast::default();
        for call in 0..100 {
            let before: [u64; 3] = forecast.reserve(&request(Stage::COGNITIVE)).into();
            assert_eq!(before, if call < ENOUGH { [1_000, 1_000, 200] } else { [870, 435, 60] });
            let actual = Tokens { input: 870, cached: 435, output: 50, ..Tokens::default() };
            forecast.learn(&request(Stage::COGNITIVE), actual);
        }
        assert_eq!(forecast.reserve(&request(Stage::STORY)).of(TokenKind::All), 1_200);
        for _ in 0..200 {
            forecast.learn(&request(Stage::COGNITIVE), Tokens { input: 870, output: 100, ..Tokens::default() });
        }
        let after = forecast.reserve(&request(Stage::COGNITIVE)).of(TokenKind::All);
        assert!((985..=990).contains(&after));
    }
}
