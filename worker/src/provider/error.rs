//! The errors of calls, classified by what to do about them.

use std::time::Duration;

use valuesim_shared::permit::{LimitKind, Stated};

use super::wire::readable;

/// Why a call brought no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}{}{}", .status.map(|status| format!(" ({status})")).unwrap_or_default(), .message.as_deref().map(|message| format!(": {message}")).unwrap_or_default())]
pub struct CallError {
    /// The kind of error.
    pub kind: CallErrorKind,
    /// The HTTP status, if there was a response.
    pub status: Option<u16>,
    /// The message of the provider or the network, shortened; never contains the key.
    pub message: Option<String>,
    /// How long the provider asks callers to wait.
    pub retry_after: Option<Duration>,
    /// The limit for which the provider refused the call, if it says so.
    pub limited_by: Option<LimitKind>,
    /// The limits that the response states.
    pub stated: Stated,
}

impl CallError {
    /// An error with a message.
    pub(super) fn new(kind: CallErrorKind, status: Option<u16>, message: &str) -> Self {
        Self {
            kind,
            status,
            message: readable(message),
            retry_after: None,
            limited_by: None,
            stated: Stated::default(),
        }
    }
}

/// The kind of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CallErrorKind {
    /// No connection.
    #[error("the provider cannot be reached")]
    Unreachable,
    /// No answer in time.
    #[error("the provider did not answer in time")]
    TimedOut,
    /// The connection broke before the answer was complete.
    #[error("the connection broke before the answer was complete")]
    ConnectionBroken,
    /// The response is not a chat completion.
    #[error("the response is not a chat completion")]
    Malformed,
    /// The response to a request for embeddings has no usable vectors.
    #[error("the response has no usable embeddings")]
    NoVectors,
    /// An intermediary, such as a proxy during an outage, answers in place of a provider that has answered before.
    #[error("something other than the provider answered, such as a proxy")]
    Intermediary,
    /// The provider failed.
    #[error("the provider failed")]
    ServerFault,
    /// The provider is overloaded.
    #[error("the provider is overloaded")]
    Overloaded,
    /// Too many requests or tokens.
    #[error("the provider's rate limit is reached")]
    RateLimited,
    /// The prompt does not fit the model's context.
    #[error("the prompt is too long for the model")]
    TooLong,
    /// The prompt violates a policy.
    #[error("the provider refused the prompt")]
    Refused,
    /// The provider requires a key, and none was sent.
    #[error("the provider requires a key, and none was sent")]
    MissingKey,
    /// The key is invalid, or does not permit this call.
    #[error("the provider refused the key")]
    WrongKey,
    /// The account is out of credit, or a spending limit is reached.
    #[error("the account at the provider is out of credit, or has reached a spending limit")]
    InsufficientFunds,
    /// The provider has no such model.
    #[error("the provider does not know the model")]
    UnknownModel,
    /// The provider does not understand the request.
    #[error("the provider does not understand the request")]
    BadRequest,
    /// The provider failed, and says that trying again will not help.
    #[error("the provider failed and asked not to be tried again")]
    NotRetryable,
}

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Try again after a while.
    Retry,
    /// Try again after a while; there are too many calls.
    SlowDown,
    /// This prompt will never be answered, which is a result.
    GiveUpOnPrompt,
    /// No further call to this model will be answered.
    StopProvider,
}

impl CallErrorKind {
    /// What to do.
    pub const fn decision(self) -> Decision {
        match self {
            Self::Unreachable
            | Self::TimedOut
            | Self::ConnectionBroken
            | Self::Malformed
            | Self::NoVectors
            | Self::Intermediary
            | Self::ServerFault => Decision::Retry,
            Self::Overloaded | Self::RateLimited => Decision::SlowDown,
            Self::TooLong | Self::Refused => Decision::GiveUpOnPrompt,
            Self::MissingKey
            | Self::WrongKey
            | Self::InsufficientFunds
            | Self::UnknownModel
            | Self::BadRequest
            | Self::NotRetryable => Decision::StopProvider,
        }
    }

    /// Whether the provider may have done the work and may charge for it, although no reply arrived.
    pub const fn perhaps_billed(self) -> bool {
        matches!(
            self,
            Self::TimedOut
                | Self::ConnectionBroken
                | Self::Malformed
                | Self::NoVectors
                | Self::Intermediary
                | Self::ServerFault
                | Self::NotRetryable
        )
    }

    /// What the user can do about it, if anything.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::MissingKey => "name the key's variable with --api-key-env, or its file with --api-key-file",
            Self::WrongKey => "check the key and what it permits",
            Self::InsufficientFunds => {
                "check the account's balance and spending limits, then repeat the command to resume"
            }
            Self::UnknownModel => "check the model's name and the base URL",
            Self::BadRequest => {
                "check base_url, max_output_tokens, output_limit_field and extra_body against the provider's documentation"
            }
            Self::NotRetryable => "check the provider's status page, then repeat the command to resume",
            Self::Malformed => "check base_url: it must be the address of a chat completions API",
            Self::NoVectors => "check name and base_url of the embeddings: they must name a model of an embeddings API",
            _ => "the run continues by itself",
        }
    }
}

/// What the user can do about an error of embeddings.
pub const fn advice_on_embeddings(kind: CallErrorKind) -> &'static str {
    match kind {
        CallErrorKind::MissingKey => {
            "name the key's variable with --embeddings-api-key-env, or its file with --embeddings-api-key-file"
        }
        CallErrorKind::UnknownModel => "check the name and the base URL of the embeddings",
        CallErrorKind::BadRequest => {
            "check base_url and extra_body of the embeddings against the provider's documentation"
        }
        CallErrorKind::TooLong => "one text alone is too long for this model: name another",
        CallErrorKind::Refused => "the provider's policy refuses a text of the codebook: name another provider",
        other => other.advice(),
    }
}

/// The details of a provider's error response.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct ErrorDetails<'a> {
    pub(super) status: u16,
    /// `error.code`, if it is text.
    pub(super) code: &'a str,
    /// `error.type`.
    pub(super) kind: &'a str,
    pub(super) message: &'a str,
    /// The header `x-should-retry`.
    pub(super) should_retry: Option<bool>,
}

/// Codes and types for an account without credit (OpenAI's error guide, DeepSeek's error codes, Anthropic's limits).
const BILLING: [&str; 8] = [
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_hard_limit_reached",
    "billing_not_active",
    "enforced_spend_limit_reached",
];

/// Codes and types for a prompt that is too long (OpenAI, llama.cpp). vLLM says so in its message.
const CONTEXT: [&str; 3] = ["context_length_exceeded", "exceed_context_size_error", "string_above_max_length"];

/// Codes and types for a prompt that violates a policy (OpenAI, Azure).
const POLICY: [&str; 3] = ["content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"];

impl ErrorDetails<'_> {
    fn says(&self, any_of: &[&str]) -> bool {
        any_of.iter().any(|word| self.code == *word || self.kind == *word)
    }

    fn mentions(&self, any_of: &[&str]) -> bool {
        let message = self.message.to_ascii_lowercase();
        any_of.iter().any(|words| message.contains(words))
    }

    fn too_long(&self) -> bool {
        let says_so = self.mentions(&["maximum context length", "context size", "context window", "too many tokens"]);
        self.says(&CONTEXT) || self.status == 413 || (self.status == 400 && says_so)
    }

    /// The limit for which the call was refused, if type or message names one (OpenAI: `tokens per min (TPM)`; DeepSeek:
    /// concurrency; Anthropic: `number of request tokens`, `number of requests`).
    pub(super) fn limited_by(&self) -> Option<LimitKind> {
        let is_in_flight = self.mentions(&["concurren", "in flight", "parallel"]);
        let is_tokens = self.kind == "tokens" || self.mentions(&["tokens per", "tpm", "number of request tokens"]);
        let is_calls = self.kind == "requests" || self.mentions(&["requests per", "rpm", "number of requests"]);
        match (is_in_flight, is_tokens, is_calls) {
            (true, ..) => Some(LimitKind::InFlight),
            (_, true, _) => Some(LimitKind::Tokens),
            (_, _, true) => Some(LimitKind::Calls),
            (false, false, false) => None,
        }
    }

    /// The kind of error, by code and status.
    pub(super) fn kind(&self) -> CallErrorKind {
        let sorted = self.by_code().unwrap_or_else(|| self.by_status());
        match (self.should_retry, sorted.decision()) {
            (Some(true), Decision::StopProvider | Decision::GiveUpOnPrompt) => CallErrorKind::ServerFault,
            (Some(false), Decision::Retry | Decision::SlowDown) => CallErrorKind::NotRetryable,
            _ => sorted,
        }
    }

    fn by_code(&self) -> Option<CallErrorKind> {
        let unknown_model = self.says(&["model_not_found"]) || (self.status == 404 && self.mentions(&["model"]));
        if self.says(&BILLING) || self.status == 402 {
            Some(CallErrorKind::InsufficientFunds)
        } else if self.too_long() {
            Some(CallErrorKind::TooLong)
        } else if self.says(&POLICY) {
            Some(CallErrorKind::Refused)
        } else if unknown_model {
            Some(CallErrorKind::UnknownModel)
        } else if self.says(&["rate_limit_exceeded", "slow_down", "rate_limit_error", "RESOURCE_EXHAUSTED"]) {
            Some(CallErrorKind::RateLimited)
        } else if self.says(&["overloaded_error", "UNAVAILABLE"]) {
            Some(CallErrorKind::Overloaded)
        } else {
            None
        }
    }

    fn by_status(&self) -> CallErrorKind {
        match self.status {
            401 | 403 => CallErrorKind::WrongKey,
            404 => CallErrorKind::UnknownModel,
            // A proxy requires a password.
            407 => CallErrorKind::Unreachable,
            408 => CallErrorKind::TimedOut,
            429 => CallErrorKind::RateLimited,
            503 | 529 => CallErrorKind::Overloaded,
            409 | 500.. => CallErrorKind::ServerFault,
            400..=499 => CallErrorKind::BadRequest,
            // An error in a response with status 200, or a redirect.
            _ => CallErrorKind::Malformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, code: &str, kind: &str, expected: CallErrorKind) {
        let details = ErrorDetails { status, code, kind, ..ErrorDetails::default() };
        assert_eq!(details.kind(), expected, "{status} {code:?} {kind:?}");
    }

    #[test]
    fn errors_are_classified_by_status_and_code() {
        use CallErrorKind as Kind;
        check(429, "rate_limit_exceeded", "requests", Kind::RateLimited);
        check(429, "", "", Kind::RateLimited);
        check(429, "slow_down", "", Kind::RateLimited);
        check(503, "slow_down", "", Kind::RateLimited);
        check(503, "", "", Kind::Overloaded);
        check(529, "", "overloaded_error", Kind::Overloaded);
        check(429, "insufficient_quota", "insufficient_quota", Kind::InsufficientFunds);
        check(429, "project_spend_limit_exceeded", "", Kind::InsufficientFunds);
        check(402, "", "", Kind::InsufficientFunds);
        check(401, "invalid_api_key", "invalid_request_error", Kind::WrongKey);
        check(403, "", "", Kind::WrongKey);
        check(404, "model_not_found", "invalid_request_error", Kind::UnknownModel);
        check(404, "", "NotFoundError", Kind::UnknownModel);
        check(400, "context_length_exceeded", "", Kind::TooLong);
        check(400, "", "exceed_context_size_error", Kind::TooLong);
        check(413, "", "", Kind::TooLong);
        check(400, "content_filter", "", Kind::Refused);
        check(400, "", "", Kind::BadRequest);
        check(422, "", "", Kind::BadRequest);
        check(407, "", "", Kind::Unreachable);
        check(408, "", "", Kind::TimedOut);
        check(409, "", "", Kind::ServerFault);
        check(500, "", "server_error", Kind::ServerFault);
        check(502, "", "", Kind::ServerFault);
        check(200, "", "", Kind::Malformed);
        check(200, "rate_limit_exceeded", "", Kind::RateLimited);
    }

    #[test]
    fn a_refusal_may_name_its_limit() {
        let check = |kind, message, expected| {
            let details = ErrorDetails { status: 429, kind, message, ..ErrorDetails::default() };
            assert_eq!(details.limited_by(), expected, "{message}");
        };
        check("tokens", "Rate limit reached for m on tokens per min (TPM): Limit 9", Some(LimitKind::Tokens));
        check("requests", "Rate limit reached for m on requests per min (RPM): Limit 9", Some(LimitKind::Calls));
        check("requests", "Rate limit reached for m on concurrent requests: Limit 9", Some(LimitKind::InFlight));
        check("rate_limit_error", "would exceed the limit on the number of request tokens", Some(LimitKind::Tokens));
        check("", "slow down", None);
    }

    #[test]
    fn vllm_says_in_words_that_a_prompt_is_too_long() {
        let message = "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens";
        let details = ErrorDetails { status: 400, kind: "BadRequestError", message, ..ErrorDetails::default() };
        assert_eq!(details.kind(), CallErrorKind::TooLong);
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
}
