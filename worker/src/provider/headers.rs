//! Reads from response headers when to try again.

use std::time::{Duration, SystemTime};

use reqwest::header::HeaderMap;
use valuesim_shared::permit::{ByTokenKind, Stated};

/// Longer waits are cut to this: they are a mistake of the provider or mean that a daily quota is used up, and trying again
/// costs only one request of one worker.
const LONGEST_BELIEVED: Duration = Duration::from_secs(30);

/// A limit whose use is forgotten only after a longer time is not one of a minute.
const MINUTE: Duration = Duration::from_mins(1);

/// The headers of OpenAI and Anthropic that state a limit of calls, what is left of it, and when all of it is there again.
const CALL_LIMITS: [[&str; 3]; 2] = [
    ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"],
    [
        "anthropic-ratelimit-requests-limit",
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
    ],
];

/// The same for tokens.
const TOKEN_LIMITS: [[&str; 3]; 2] = [
    ["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"],
    ["anthropic-ratelimit-tokens-limit", "anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"],
];

/// The same for tokens of prompts, those that are read from a cache not among them.
const INPUT_TOKEN_LIMITS: [[&str; 3]; 1] = [[
    "anthropic-ratelimit-input-tokens-limit",
    "anthropic-ratelimit-input-tokens-remaining",
    "anthropic-ratelimit-input-tokens-reset",
]];

/// The same for tokens of replies.
const OUTPUT_TOKEN_LIMITS: [[&str; 3]; 1] = [[
    "anthropic-ratelimit-output-tokens-limit",
    "anthropic-ratelimit-output-tokens-remaining",
    "anthropic-ratelimit-output-tokens-reset",
]];

/// How long to wait, by the first of these that is present and valid: `retry-after-ms`; `retry-after`, in seconds or as a
/// date; the longest `x-ratelimit-reset-*` of the limits that are used up.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let milliseconds = text("retry-after-ms").and_then(|ms| seconds(ms).map(|seconds| seconds / 1000));
    let after = || text("retry-after").and_then(|after| seconds(after).or_else(|| until(after, now)));
    let reset = || {
        let used_up = |what: &str| text(&format!("x-ratelimit-remaining-{what}")) == Some("0");
        let resets = ["requests", "tokens"].into_iter().filter(|what| used_up(what));
        resets.filter_map(|what| duration(text(&format!("x-ratelimit-reset-{what}"))?)).max()
    };
    let wait = milliseconds.or_else(after).or_else(reset)?;
    Some(wait.min(LONGEST_BELIEVED))
}

/// The limits a minute that a response states, in the headers of OpenAI or Anthropic. Nonsense, such as Azure's -1, and limits
/// of other periods are ignored: of a day, whose use is forgotten in more than a minute, and of seconds, whose use is
/// forgotten much sooner than an even refill of a minute's limit would take.
pub(super) fn stated_limits(headers: &HeaderMap, now: SystemTime) -> Stated {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let limit = |names: &[[&str; 3]]| {
        let stated = |[limit, remaining, reset]: &[&str; 3]| Some((text(limit)?, text(remaining), text(reset)));
        let (limit, remaining, reset) = names.iter().find_map(stated)?;
        let limit: u64 = limit.parse().ok().filter(|&limit| limit > 0)?;
        let used = remaining.and_then(|it| it.parse().ok()).map_or(0, |remaining| limit.saturating_sub(remaining));
        let refill = MINUTE.mul_f64(used as f64 / limit as f64);
        let reset = reset.and_then(|reset| duration(reset).or_else(|| seconds(reset)).or_else(|| until(reset, now)));
        let is_of_a_minute = reset.is_none_or(|reset| (refill / 2..=MINUTE).contains(&reset));
        is_of_a_minute.then_some(limit)
    };
    let tokens = ByTokenKind {
        all: limit(&TOKEN_LIMITS),
        input: None,
        uncached: limit(&INPUT_TOKEN_LIMITS),
        output: limit(&OUTPUT_TOKEN_LIMITS),
    };
    Stated { calls: limit(&CALL_LIMITS), tokens }
}

/// The header `x-should-retry`, by which OpenAI overrides whether a status may be retried.
pub(super) fn should_retry(headers: &HeaderMap) -> Option<bool> {
    match headers.get("x-should-retry")?.to_str().ok()? {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

fn until(date: &str, now: SystemTime) -> Option<Duration> {
    httpdate::parse_http_date(date).ok()?.duration_since(now).ok()
}

/// A duration as OpenAI writes it: `12ms`, `1s`, `6m0s`, `1h2m3.5s`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_end);
        let factor = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        total = total.checked_add(Duration::try_from_secs_f64(number.parse::<f64>().ok()? * factor).ok()?)?;
        rest = next;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    fn check(headers: &[(&'static str, &'static str)], expected: Option<Duration>) {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let map = headers.iter().map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        assert_eq!(retry_after(&map.collect(), now), expected, "{headers:?}");
    }

    #[test]
    fn the_wait_is_read_in_the_order_of_the_official_client() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        check(&[], None);
        check(&[("retry-after", "2"), ("retry-after-ms", "1500")], Some(Duration::from_millis(1500)));
        check(&[("retry-after", "0.5")], Some(Duration::from_millis(500)));
        check(&[("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT")], seconds(10));
        check(&[("retry-after", "-1")], None);
        check(&[("retry-after", "soon")], None);
        check(&[("retry-after", "99999")], Some(LONGEST_BELIEVED));
        check(&[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "6s")], seconds(6));
        check(
            &[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "6m0s")],
            Some(LONGEST_BELIEVED),
        );
        check(&[("x-ratelimit-remaining-tokens", "100"), ("x-ratelimit-reset-tokens", "6m0s")], None);
        check(&[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "-1")], None);
    }

    fn of_all(all: Option<u64>) -> ByTokenKind<Option<u64>> {
        ByTokenKind { all, ..ByTokenKind::default() }
    }

    #[test]
    fn limits_are_read_if_they_are_of_a_minute_and_make_sense() {
        let check = |headers: &[(&'static str, &'static str)], calls: Option<u64>, tokens: Option<u64>| {
            let map =
                headers.iter().map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            assert_eq!(
                stated_limits(&map.collect(), SystemTime::now()),
                Stated { calls, tokens: of_all(tokens) },
                "{headers:?}"
            );
        };
        check(&[], None, None);
        let apart =
            [("anthropic-ratelimit-input-tokens-limit", "40000"), ("anthropic-ratelimit-output-tokens-limit", "8000")];
        let map = apart.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let stated = stated_limits(&map.into_iter().collect(), SystemTime::now());
        assert_eq!(
            (stated.tokens.uncached, stated.tokens.output, stated.tokens.all),
            (Some(40_000), Some(8_000), None)
        );
        check(
            &[("x-ratelimit-limit-requests", "600"), ("x-ratelimit-limit-tokens", "900000")],
            Some(600),
            Some(900_000),
        );
        check(&[("x-ratelimit-limit-requests", "600"), ("x-ratelimit-reset-requests", "1m0s")], Some(600), None);
        check(&[("x-ratelimit-limit-requests", "14400"), ("x-ratelimit-reset-requests", "2m59.5s")], None, None);
        check(&[("x-ratelimit-limit-requests", "-1"), ("x-ratelimit-limit-tokens", "0")], None, None);
        check(&[("x-ratelimit-limit-requests", "many")], None, None);
        let used = |reset| {
            [
                ("x-ratelimit-limit-requests", "5000"),
                ("x-ratelimit-remaining-requests", "4999"),
                ("x-ratelimit-reset-requests", reset),
            ]
        };
        check(&used("12ms"), Some(5_000), None);
        check(&used("1m0s"), Some(5_000), None);
        check(&used("1ms"), None, None);
        check(&[("anthropic-ratelimit-requests-limit", "50")], Some(50), None);
        check(
            &[("anthropic-ratelimit-tokens-limit", "8"), ("anthropic-ratelimit-tokens-reset", "2020-01-01T00:00:00Z")],
            None,
            Some(8),
        );
    }

    #[test]
    fn durations_are_read_as_providers_write_them() {
        let check =
            |text, milliseconds: Option<u64>| assert_eq!(duration(text), milliseconds.map(Duration::from_millis));
        check("12ms", Some(12));
        check("1s", Some(1000));
        check("1h2m3.5s", Some(3_723_500));
        check("6m", Some(360_000));
        check("5", None);
        check("s", None);
        check("1d", None);
    }

    #[test]
    fn waits_that_are_longer_than_any_duration_are_ignored() {
        assert_eq!(duration("13449154817016255489s4997589256693294592s"), None);
        assert_eq!(duration("18446744073709551616s"), None);
    }
}
