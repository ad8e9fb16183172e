//! How long the calls of a run take within the limits of their model.

use std::time::Duration;

use valuesim_shared::model::ModelSettings;
use valuesim_shared::money::Tokens;

/// Seconds until the first token of a reply, and tokens a second after it, of common hosted models.
const FIRST_TOKEN_SECONDS: f64 = 1.0;
const TOKENS_PER_SECOND: f64 = 60.0;

/// How long `calls` with so many `tokens` in all take one process within the limits of their model.
pub(super) fn takes(model: &ModelSettings, calls: u64, tokens: Tokens) -> Duration {
    let (calls, output) = (calls as f64, tokens.output as f64);
    let limits = &model.limits;
    let at_once =
        limits.total_calls_in_flight.map_or(limits.calls_in_flight, |total| total.min(limits.calls_in_flight));
    let in_flight = (calls * FIRST_TOKEN_SECONDS + output / TOKENS_PER_SECOND) / f64::from(at_once.max(1));
    let seconds = |amount: f64, limit: Option<u32>| limit.map_or(0.0, |limit| amount / f64::from(limit) * 60.0);
    let (all, uncached) = ((tokens.input + tokens.output) as f64, tokens.input.saturating_sub(tokens.cached) as f64);
    let by_limit = [
        seconds(calls, limits.requests_per_minute),
        seconds(all, limits.tokens_per_minute),
        seconds(tokens.input as f64, limits.input_tokens_per_minute),
        seconds(uncached, limits.uncached_tokens_per_minute),
        seconds(output, limits.output_tokens_per_minute),
    ];
    Duration::try_from_secs_f64(by_limit.into_iter().fold(in_flight, f64::max)).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_of_the_limits_of_calls_in_flight_counts() {
        let tokens = Tokens { output: 600, ..Tokens::default() };
        let seconds = |in_flight, total| {
            let mut model = ModelSettings::named("m");
            model.limits.calls_in_flight = in_flight;
            model.limits.total_calls_in_flight = total;
            takes(&model, 90, tokens).as_secs()
        };
        assert_eq!(
            [seconds(10, None), seconds(10, Some(1)), seconds(1, Some(10)), seconds(10, Some(100))],
            [10, 100, 100, 10]
        );
    }
}
