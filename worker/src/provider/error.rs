//! Errors of providers, sorted by what to do about them.

use std::time::Duration;

use super::wire::readable;

/// Why a call brought no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}{}{}", .status.map(|status| format!(" ({status})")).unwrap_or_default(), .message.as_deref().map(|message| format!(": {message}")).unwrap_or_default())]
pub struct CallError {
    /// What it comes to.
    pub kind: CallErrorKind,
    /// The HTTP status, where there was a response.
    pub status: Option<u16>,
    /// What the provider or the network said, trimmed; never the key.
    pub message: Option<String>,
    /// How long the provider wants to be left alone.
    pub retry_after: Option<Duration>,
}

impl CallError {
    /// An error with what was said of it.
    pub(super) fn new(kind: CallErrorKind, status: Option<u16>, message: &str) -> Self {
        Self { kind, status, message: readable(message), retry_after: None }
    }
}

/// What an error of a call comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CallErrorKind {
    /// No connection.
    #[error("the provider cannot be reached")]
    Unreachable,
    /// No answer in time.
    #[error("the provider did not answer in time")]
    TimedOut,
    /// The connection broke before the answer was complete.
    #[error("the connection broke")]
    CutConnection,
    /// The answer is no chat completion.
    #[error("the answer is no chat completion")]
    Malformed,
    /// Something else answers in the place of a provider that has answered before, such as a proxy during an outage.
    #[error("something else answers in the provider's place")]
    SomethingElse,
    /// The provider failed.
    #[error("the provider failed")]
    ServerFault,
    /// The provider has too much to do.
    #[error("the provider is overloaded")]
    Overloaded,
    /// Too many requests or tokens.
    #[error("the provider's rate limit is reached")]
    RateLimited,
    /// The prompt does not fit the model's context.
    #[error("the prompt is too long for the model")]
    TooLong,
    /// Declined by policy.
    #[error("the provider refused the prompt")]
    Refused,
    /// The provider wants a key, and none was sent.
    #[error("the provider wants a key, and none was sent")]
    NoKey,
    /// The key is wrong or may not be used for this.
    #[error("the provider refused the key")]
    WrongKey,
    /// There is no money, or a spending limit is reached.
    #[error("the provider's account has no money left")]
    NoMoney,
    /// The provider has no such model.
    #[error("the provider does not know the model")]
    UnknownModel,
    /// The provider does not understand the request.
    #[error("the provider does not understand the request")]
    BadRequest,
    /// The provider failed, and says that trying again will not help.
    #[error("the provider failed and says not to try again")]
    NotAgain,
}

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Try again after a while.
    Retry,
    /// Try again later, and more slowly.
    SlowDown,
    /// This prompt will never be answered; the ending is a result.
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
            | Self::CutConnection
            | Self::Malformed
            | Self::SomethingElse
            | Self::ServerFault => Decision::Retry,
            Self::Overloaded | Self::RateLimited => Decision::SlowDown,
            Self::TooLong | Self::Refused => Decision::GiveUpOnPrompt,
            Self::NoKey | Self::WrongKey | Self::NoMoney | Self::UnknownModel | Self::BadRequest | Self::NotAgain => {
                Decision::StopProvider
            }
        }
    }

    /// Whether the provider may have done the work, and charge for it, although no reply came.
    pub const fn perhaps_billed(self) -> bool {
        matches!(
            self,
            Self::TimedOut
                | Self::CutConnection
                | Self::Malformed
                | Self::SomethingElse
                | Self::ServerFault
                | Self::NotAgain
        )
    }

    /// What the user can do about it, where anything.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::NoKey => "name the key's variable with --api-key-env, or its file with --api-key-file",
            Self::WrongKey => "check the key and what it may be used for",
            Self::NoMoney => "check the account's balance and spending limits; the same command goes on from here",
            Self::UnknownModel => "check the model's name and the base URL",
            Self::BadRequest => {
                "check base_url, max_output_tokens, output_limit_field and extra_body against the provider's documentation"
            }
            Self::NotAgain => "see what the provider says of its state; the same command goes on from here",
            Self::Malformed => "check base_url: it must lead to a chat completions API",
            _ => "the run goes on by itself",
        }
    }
}

/// What a provider's error response says about itself.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Complaint<'a> {
    pub(super) status: u16,
    /// `error.code`, where it is text.
    pub(super) code: &'a str,
    /// `error.type`.
    pub(super) kind: &'a str,
    pub(super) message: &'a str,
    /// The header `x-should-retry`.
    pub(super) should_retry: Option<bool>,
}

/// Codes and types that mean that there is no money (OpenAI's error guide, DeepSeek's error codes, Anthropic's limits).
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

/// Codes and types that mean that the prompt is too long (OpenAI, llama.cpp, vLLM by its message).
const CONTEXT: [&str; 3] = ["context_length_exceeded", "exceed_context_size_error", "string_above_max_length"];

/// Codes and types that mean that policy forbids an answer (OpenAI, Azure).
const POLICY: [&str; 3] = ["content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"];

impl Complaint<'_> {
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

    /// What the complaint comes to, by status and code.
    pub(super) fn kind(&self) -> CallErrorKind {
        let sorted = self.by_code().unwrap_or_else(|| self.by_status());
        match (self.should_retry, sorted.decision()) {
            (Some(true), Decision::StopProvider | Decision::GiveUpOnPrompt) => CallErrorKind::ServerFault,
            (Some(false), Decision::Retry | Decision::SlowDown) => CallErrorKind::NotAgain,
            _ => sorted,
        }
    }

    fn by_code(&self) -> Option<CallErrorKind> {
        let unknown_model = self.says(&["model_not_found"]) || (self.status == 404 && self.mentions(&["model"]));
        if self.says(&BILLING) || self.status == 402 {
            Some(CallErrorKind::NoMoney)
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
            // A proxy wants a password.
            407 => CallErrorKind::Unreachable,
            408 => CallErrorKind::TimedOut,
            429 => CallErrorKind::RateLimited,
            503 | 529 => CallErrorKind::Overloaded,
            409 | 500.. => CallErrorKind::ServerFault,
            400..=499 => CallErrorKind::BadRequest,
            // An error inside a 200, or a redirect to somewhere else.
            _ => CallErrorKind::Malformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, code: &str, kind: &str, expected: CallErrorKind) {
        let complaint = Complaint { status, code, kind, ..Complaint::default() };
        assert_eq!(complaint.kind(), expected, "{status} {code:?} {kind:?}");
    }

    #[test]
    fn errors_are_sorted_by_status_and_code() {
        use CallErrorKind as Kind;
        check(429, "rate_limit_exceeded", "requests", Kind::RateLimited);
        check(429, "", "", Kind::RateLimited);
        check(429, "slow_down", "", Kind::RateLimited);
        check(503, "slow_down", "", Kind::RateLimited);
        check(503, "", "", Kind::Overloaded);
        check(529, "", "overloaded_error", Kind::Overloaded);
        check(429, "insufficient_quota", "insufficient_quota", Kind::NoMoney);
        check(429, "project_spend_limit_exceeded", "", Kind::NoMoney);
        check(402, "", "", Kind::NoMoney);
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
    fn vllm_says_in_words_that_a_prompt_is_too_long() {
        let message = "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens";
        let complaint = Complaint { status: 400, kind: "BadRequestError", message, ..Complaint::default() };
        assert_eq!(complaint.kind(), CallErrorKind::TooLong);
    }

    #[test]
    fn a_provider_that_asks_for_a_retry_gets_one() {
        let complaint = Complaint { status: 400, should_retry: Some(true), ..Complaint::default() };
        assert_eq!(complaint.kind().decision(), Decision::Retry);
    }

    #[test]
    fn a_provider_that_wants_no_retry_gets_none() {
        let check = |status, expected| {
            let complaint = Complaint { status, should_retry: Some(false), ..Complaint::default() };
            assert_eq!(complaint.kind(), expected, "{status}");
        };
        check(500, CallErrorKind::NotAgain);
        check(429, CallErrorKind::NotAgain);
        // What is known better stays.
        check(401, CallErrorKind::WrongKey);
        check(413, CallErrorKind::TooLong);
    }
}
