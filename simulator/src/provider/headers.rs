//! Writes rate limit headers, as OpenAI does.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::rate_limiter::LimitStatus;

/// The header of every reply, which says that it is not from a model.
const SIMULATED: HeaderName = HeaderName::from_static("x-valuesim-simulated");

const REQUESTS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];

const TOKENS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];

/// Adds the headers; `limits` are those on requests and on tokens, if they are set.
pub(crate) fn add(headers: &mut HeaderMap, limits: [Option<LimitStatus>; 2]) {
    headers.insert(SIMULATED, HeaderValue::from_static("true"));
    for (names, limits) in [REQUESTS, TOKENS].into_iter().zip(limits) {
        let Some(LimitStatus { max, remaining, reset }) = limits else { continue };
        let reset = HeaderValue::from_str(&duration_text(reset)).expect("digits and letters make a header");
        for (name, value) in names.into_iter().zip([max.into(), remaining.into(), reset]) {
            headers.insert(name, value);
        }
    }
}

/// Adds the headers that say when to retry, if that is known.
pub(crate) fn add_retry_after(headers: &mut HeaderMap, wait: Option<Duration>) {
    wait.into_iter().flat_map(retry_after).for_each(|(name, value)| drop(headers.insert(name, value)));
}

/// The headers that say when to retry, in whole seconds and in whole milliseconds, both rounded up.
fn retry_after(wait: Duration) -> [(HeaderName, HeaderValue); 2] {
    let ms = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    [
        (header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000))),
        (HeaderName::from_static("retry-after-ms"), HeaderValue::from(ms)),
    ]
}

/// A duration in the format of OpenAI's headers: `12ms`, `1s`, `6m0s`, `1h0m0s`; rounded up.
fn duration_text(time: Duration) -> String {
    let ms = time.as_nanos().div_ceil(1_000_000);
    if ms < 1000 {
        return format!("{ms}ms");
    }
    let seconds = ms.div_ceil(1000);
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_rounded_up_so_that_a_retry_on_time_is_admitted() {
        let values = |wait| retry_after(wait).map(|(_, value)| value.to_str().unwrap().to_owned());
        assert_eq!(values(Duration::from_micros(1500)), ["1", "2"]);
        assert_eq!(values(Duration::from_secs(2)), ["2", "2000"]);
        assert_eq!(values(Duration::ZERO), ["0", "0"]);
    }

    #[test]
    fn durations_have_the_format_of_the_real_headers() {
        let cases = [
            (0, "0ms"),
            (11_200, "12ms"),
            (999_000, "999ms"),
            (999_001, "1s"),
            (1_000_001, "2s"),
            (360_000_000, "6m0s"),
            (3_720_000_000, "1h2m0s"),
        ];
        for (us, expected) in cases {
            assert_eq!(duration_text(Duration::from_micros(us)), expected);
        }
    }
}
