//! Writes the headers that tell a client what is left of its limits, as OpenAI does.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::gate::Left;

/// The header that every reply carries: nothing that comes from here is from a model.
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

/// Adds the headers; `left` holds the limits on requests and on tokens, where there are such.
pub(crate) fn add(headers: &mut HeaderMap, left: [Option<Left>; 2]) {
    headers.insert(SIMULATED, HeaderValue::from_static("true"));
    for (names, left) in [REQUESTS, TOKENS].into_iter().zip(left) {
        let Some(Left { most, remaining, reset }) = left else { continue };
        let reset = HeaderValue::from_str(&duration_text(reset)).expect("digits and letters make a header");
        for (name, value) in names.into_iter().zip([most.into(), remaining.into(), reset]) {
            headers.insert(name, value);
        }
    }
}

/// A time as OpenAI's headers write it: `12ms`, `1s`, `6m0s`, `1h0m0s`; rounded up.
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
    fn times_are_written_as_the_real_headers_do() {
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
