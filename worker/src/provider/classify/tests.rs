//! What errors of providers are taken for.

use super::*;
use CallErrorKind as Kind;

#[track_caller]
fn check(status: u16, code: &str, kind: &str, expected: CallErrorKind) {
    let details = ErrorDetails { status, code, kind, ..ErrorDetails::default() };
    assert_eq!(details.kind(), expected, "{status} {code:?} {kind:?}");
}

#[track_caller]
fn check_words(status: u16, message: &str, expected: CallErrorKind) {
    let details = ErrorDetails { status, message, ..ErrorDetails::default() };
    assert_eq!(details.kind(), expected, "{status} {message:?}");
}

#[test]
fn errors_are_classified_by_status_and_code() {
    check(429, "rate_limit_exceeded", "requests", Kind::RateLimited);
    check(429, "", "", Kind::RateLimited);
    check(413, "rate_limit_exceeded", "tokens", Kind::RateLimited);
    check(429, "slow_down", "", Kind::RateLimited);
    check(503, "slow_down", "", Kind::RateLimited);
    check(503, "", "", Kind::Overloaded);
    check(529, "", "overloaded_error", Kind::Overloaded);
    check(429, "insufficient_quota", "insufficient_quota", Kind::InsufficientFunds);
    check(429, "project_spend_limit_exceeded", "", Kind::InsufficientFunds);
    check(429, "", "exceeded_current_quota_error", Kind::InsufficientFunds);
    check(402, "", "", Kind::InsufficientFunds);
    check(402, "content_filter", "", Kind::InsufficientFunds);
    check(401, "invalid_api_key", "invalid_request_error", Kind::WrongKey);
    check(401, "", "", Kind::WrongKey);
    check(400, "400", "no_db_connection", Kind::WrongKey);
    check(403, "", "", Kind::Forbidden);
    check(404, "model_not_found", "invalid_request_error", Kind::UnknownModel);
    check(404, "", "NotFoundError", Kind::UnknownModel);
    check(400, "context_length_exceeded", "", Kind::TooLong);
    check(400, "", "exceed_context_size_error", Kind::TooLong);
    check(413, "", "", Kind::TooLong);
    check(400, "content_filter", "", Kind::Refused);
    check(400, "data_inspection_failed", "data_inspection_failed", Kind::Refused);
    check(400, "", "", Kind::BadRequest);
    check(422, "", "", Kind::BadRequest);
    check(200, "", "", Kind::Malformed);
    check(200, "rate_limit_exceeded", "", Kind::RateLimited);
}

#[test]
fn a_gateway_that_does_not_know_the_model_says_so_in_words() {
    check_words(400, "/chat/completions: Invalid model name passed in model=nope.", Kind::UnknownModel);
}

#[test]
fn statuses_that_pass_are_tried_again() {
    check(407, "", "", Kind::Unreachable);
    check(408, "", "", Kind::TimedOut);
    for status in [409, 423, 425, 499, 500, 502, 504, 520, 521, 522, 523, 524, 525, 526, 527] {
        check(status, "", "", Kind::ServerFault);
    }
    assert!(Kind::ServerFault.decision() == Decision::Retry && Kind::ServerFault.perhaps_billed());
}

#[test]
fn money_is_told_from_limits_that_pass() {
    check_words(429, "Your account is suspended, please check your plan and billing details", Kind::InsufficientFunds);
    check_words(400, "Your credit balance is too low to access the API.", Kind::InsufficientFunds);
    check_words(403, "The account has insufficient balance", Kind::InsufficientFunds);
    let free_tier =
        "Rate limit reached on requests per min. Please try again in 20s. Visit https://x/billing to add a card";
    check_words(429, free_tier, Kind::RateLimited);
    let gemini = ErrorDetails {
        status: 429,
        kind: "RESOURCE_EXHAUSTED",
        message: "You exceeded your current quota, please check your plan and billing details.",
        ..ErrorDetails::default()
    };
    assert_eq!(gemini.kind(), Kind::RateLimited);
}

#[test]
fn refusals_are_told_from_wrong_keys_and_bad_requests() {
    check_words(400, "Content Exists Risk", Kind::Refused);
    check_words(400, "Input data may contain inappropriate content.", Kind::Refused);
    check_words(403, "model requires moderation. Your input was flagged.", Kind::Refused);
    check_words(403, "Country, region, or territory not supported", Kind::Forbidden);
}

#[test]
fn a_prompt_that_is_too_long_is_recognised_in_many_words() {
    for (status, message) in [
        (400, "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens"),
        (400, "The input (5000 tokens) is longer than the model s context length (4096 tokens)."),
        (
            422,
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4097. Given: 5000 `inputs` tokens and 512 `max_new_tokens`",
        ),
        (400, "prompt is too long: 210000 tokens > 200000 maximum"),
        (400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
        (400, "the request exceeds the available context size, try increasing it"),
    ] {
        check_words(status, message, Kind::TooLong);
    }
}

#[test]
fn a_setting_that_is_at_fault_is_named() {
    let temperature = ErrorDetails {
        status: 400,
        code: "unsupported_value",
        param: "temperature",
        message: "Unsupported value: temperature does not support 0 with this model.",
        ..ErrorDetails::default()
    };
    assert_eq!(temperature.kind(), Kind::SettingRefused(Setting::Temperature));
    let field = ErrorDetails {
        status: 400,
        code: "unsupported_parameter",
        param: "max_tokens",
        message: "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        ..ErrorDetails::default()
    };
    assert_eq!(field.kind(), Kind::SettingRefused(Setting::OutputLimitField));
    let limit = Kind::SettingRefused(Setting::OutputLimit);
    check_words(400, "max_tokens is too large: 50000. This model supports at most 16384 completion tokens", limit);
    let context = "This model has a maximum context length of 8192 tokens. However, you requested 11000 tokens (3000 in the messages, 8000 in the completion).";
    check_words(400, context, limit);
    assert_eq!(limit.decision(), Decision::StopProvider);
}

#[test]
fn a_call_above_the_limit_of_a_minute_can_never_pass() {
    let message =
        "Request too large for model m on tokens per minute (TPM): Limit 6000, Requested 7000, please reduce.";
    for status in [413, 429] {
        let details =
            ErrorDetails { status, code: "rate_limit_exceeded", kind: "tokens", message, ..ErrorDetails::default() };
        assert_eq!(details.kind(), Kind::AboveLimit { needed: 7000, limit: 6000 }, "{status}");
        check_words(status, message, Kind::AboveLimit { needed: 7000, limit: 6000 });
    }
    check_words(429, "Rate limit reached on requests per min (RPM): Limit 3, Used 3, Requested 4", Kind::RateLimited);
}

#[test]
fn a_page_for_people_is_no_answer_of_the_provider() {
    let page = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>";
    for status in [400, 403, 404, 405] {
        check_words(status, page, Kind::Page);
    }
    check_words(413, "<html><head><title>413 Request Entity Too Large</title></head></html>", Kind::TooLong);
    check_words(429, page, Kind::RateLimited);
    check_words(401, page, Kind::WrongKey);
    check_words(502, page, Kind::ServerFault);
}

#[test]
fn a_refusal_may_name_its_limit() {
    let check = |kind, message, expected| {
        let details = ErrorDetails { status: 429, kind, message, ..ErrorDetails::default() };
        assert_eq!(details.limited_by(), expected, "{message}");
    };
    check(
        "tokens",
        "Rate limit reached for m on tokens per min (TPM): Limit 9",
        Some(LimitKind::Tokens(TokenKind::All)),
    );
    check("requests", "Rate limit reached for m on requests per min (RPM): Limit 9", Some(LimitKind::Calls));
    check("requests", "Rate limit reached for m on concurrent requests: Limit 9", Some(LimitKind::InFlight));
    check(
        "rate_limit_error",
        "would exceed the limit on the number of request tokens",
        Some(LimitKind::Tokens(TokenKind::All)),
    );
    let [input, output] =
        ["input", "output"].map(|kind| format!("would exceed your limit of 40,000 {kind} tokens per minute"));
    check("rate_limit_error", &input, Some(LimitKind::Tokens(TokenKind::Uncached)));
    check("tokens", &input, Some(LimitKind::Tokens(TokenKind::Input)));
    check("rate_limit_error", &output, Some(LimitKind::Tokens(TokenKind::Output)));
    check("", "slow down", None);
}

#[test]
fn a_provider_that_asks_for_a_retry_gets_one() {
    let details = ErrorDetails { status: 400, should_retry: Some(true), ..ErrorDetails::default() };
    assert_eq!(details.kind().decision(), Decision::Retry);
}

#[test]
fn a_provider_that_asks_for_no_retry_gets_none() {
    let check = |status, expected| {
        let details = ErrorDetails { status, should_retry: Some(false), ..ErrorDetails::default() };
        assert_eq!(details.kind(), expected, "{status}");
    };
    check(500, CallErrorKind::NotRetryable);
    check(429, CallErrorKind::NotRetryable);
    // More specific kinds stay.
    check(401, CallErrorKind::WrongKey);
    check(413, CallErrorKind::TooLong);
}
