//! Classifies the error that a provider sent: by its code, then by the status where that is clear, and last by its words.

use valuesim_shared::permit::{LimitKind, TokenKind};
use valuesim_shared::provider_errors::{Meaning, ProviderErrors};

use super::error::{CallErrorKind, Decision, Setting};
use super::figures::{ContextFigures, beyond_the_limit};

/// The details of a provider's error response.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct ErrorDetails<'a> {
    pub(super) status: u16,
    /// `error.code`, if it is text.
    pub(super) code: &'a str,
    /// `error.type`, or `error.status` where there is none.
    pub(super) kind: &'a str,
    /// `error.param`: the field of the request that is at fault.
    pub(super) param: &'a str,
    pub(super) message: &'a str,
    /// The header `x-should-retry`.
    pub(super) should_retry: Option<bool>,
}

impl ErrorDetails<'_> {
    /// The kind of error.
    pub(super) fn kind(&self) -> CallErrorKind {
        let message = self.message.to_lowercase();
        let sorted = self.by_code(&message).or_else(|| self.by_words(&message)).unwrap_or_else(|| self.by_status());
        match (self.should_retry, sorted.decision()) {
            (Some(true), Decision::StopProvider | Decision::Weigh | Decision::GiveUpOnPrompt) => {
                CallErrorKind::ServerFault
            }
            (Some(false), Decision::Retry | Decision::SlowDown) => CallErrorKind::NotRetryable,
            _ => sorted,
        }
    }

    fn by_code(&self, message: &str) -> Option<CallErrorKind> {
        let words = ProviderErrors::built_in();
        // 402 and 401 mean the same everywhere, whatever words come with them.
        if self.status == 402 {
            return Some(CallErrorKind::InsufficientFunds);
        }
        let meaning = [self.code, self.kind].into_iter().find_map(|code| words.code(code))?;
        Some(match meaning {
            Meaning::TooLong => too_long(message),
            // Its words may say that waiting does not help.
            Meaning::RateLimit => self.rate_limited(message),
            Meaning::NoMoney => CallErrorKind::InsufficientFunds,
            Meaning::Policy => CallErrorKind::Refused,
            Meaning::WrongKey => CallErrorKind::WrongKey,
            Meaning::UnknownModel => CallErrorKind::UnknownModel,
            Meaning::Overloaded => CallErrorKind::Overloaded,
        })
    }

    /// What the words say, where the status alone may mean different things.
    fn by_words(&self, message: &str) -> Option<CallErrorKind> {
        let is_about_the_call = matches!(self.status, 400 | 403 | 404 | 413 | 422 | 429);
        if !is_about_the_call {
            return None;
        }
        if let Some(page) = self.page() {
            return Some(page);
        }
        let words = ProviderErrors::built_in();
        let says = |meaning| words.says(message, meaning);
        let is_about_rates = self.status == 429 || self.status == 413;
        if is_about_rates && says(Meaning::RateLimit) {
            Some(self.rate_limited(message))
        } else if says(Meaning::NoMoney) {
            Some(CallErrorKind::InsufficientFunds)
        } else if self.status == 429 {
            Some(self.rate_limited(message))
        } else if says(Meaning::Policy) {
            Some(CallErrorKind::Refused)
        } else if let Some(setting) = self.setting(message) {
            Some(CallErrorKind::SettingRefused(setting))
        } else if self.status == 413 || says(Meaning::TooLong) {
            Some(too_long(message))
        } else if says(Meaning::UnknownModel) {
            Some(CallErrorKind::UnknownModel)
        } else {
            None
        }
    }

    /// A page for people in place of an answer. With 413 and 429 it says what an answer would say.
    fn page(&self) -> Option<CallErrorKind> {
        let says_enough = matches!(self.status, 413 | 429);
        (!says_enough && is_html(self.message)).then_some(CallErrorKind::Page)
    }

    fn by_status(&self) -> CallErrorKind {
        match self.status {
            401 => CallErrorKind::WrongKey,
            403 => CallErrorKind::Forbidden,
            404 => CallErrorKind::UnknownModel,
            // A proxy requires a password.
            407 => CallErrorKind::Unreachable,
            408 => CallErrorKind::TimedOut,
            429 => CallErrorKind::RateLimited,
            503 | 529 => CallErrorKind::Overloaded,
            // Locked, too early, closed by a gateway.
            409 | 423 | 425 | 499 | 500.. => CallErrorKind::ServerFault,
            400..=499 if is_html(self.message) => CallErrorKind::Page,
            400..=499 => CallErrorKind::BadRequest,
            // An error in a response with status 200, or a redirect.
            _ => CallErrorKind::Malformed,
        }
    }

    /// Too many calls for now, unless one call needs more than a minute has.
    fn rate_limited(&self, message: &str) -> CallErrorKind {
        match beyond_the_limit(message) {
            Some((needed, limit)) if matches!(self.limited_by(), Some(LimitKind::Tokens(_))) => {
                CallErrorKind::AboveLimit { needed, limit }
            }
            _ => CallErrorKind::RateLimited,
        }
    }

    /// The setting that is at fault, if the error names one.
    fn setting(&self, message: &str) -> Option<Setting> {
        let is_about = |field: &str| self.param == field || (self.param.is_empty() && message.contains(field));
        let is_about_limit = is_about("max_tokens") || is_about("max_completion_tokens");
        let is_unsupported = message.contains("unsupported") || message.contains("not supported");
        let is_too_large = ["too large", "too high", "at most", "less than or equal", "exceeds"];
        if is_about("temperature") {
            Some(Setting::Temperature)
        } else if is_about_limit && is_unsupported {
            Some(Setting::OutputLimitField)
        } else if is_about_limit && is_too_large.iter().any(|words| message.contains(words)) {
            // Newer releases of vLLM say in the same words that the prompt leaves no room.
            let fits = ContextFigures::read(message).is_none_or(ContextFigures::fits_without_the_setting);
            fits.then_some(Setting::OutputLimit)
        } else {
            None
        }
    }

    fn mentions(&self, any_of: &[&str]) -> bool {
        let message = self.message.to_ascii_lowercase();
        any_of.iter().any(|words| message.contains(words))
    }

    /// The limit for which the call was refused, if type or message names one (OpenAI: `tokens per min (TPM)`; DeepSeek:
    /// concurrency; Anthropic: `number of request tokens`, `number of requests`).
    pub(super) fn limited_by(&self) -> Option<LimitKind> {
        let is_in_flight = self.mentions(&["concurren", "in flight", "parallel"]);
        let is_tokens = self.kind == "tokens" || self.mentions(&["tokens per", "tpm", "number of request tokens"]);
        let is_calls = self.kind == "requests" || self.mentions(&["requests per", "rpm", "number of requests"]);
        match (is_in_flight, is_tokens, is_calls) {
            (true, ..) => Some(LimitKind::InFlight),
            (_, true, _) => Some(LimitKind::Tokens(self.limited_tokens())),
            (_, _, true) => Some(LimitKind::Calls),
            (false, false, false) => None,
        }
    }

    /// Which tokens are limited, of a limit on tokens: `input tokens per minute`, `output tokens per minute`. Anthropic, whose
    /// errors are of the type `rate_limit_error`, does not count the tokens of prompts that it reads from its cache
    /// (docs.anthropic.com, rate limits, 2026).
    fn limited_tokens(&self) -> TokenKind {
        if self.mentions(&["output tokens per min"]) {
            TokenKind::Output
        } else if self.mentions(&["input tokens per min"]) {
            if self.kind == "rate_limit_error" { TokenKind::Uncached } else { TokenKind::Input }
        } else {
            TokenKind::All
        }
    }
}

/// Too long, unless it is the setting that asks for too much.
fn too_long(message: &str) -> CallErrorKind {
    let fits = ContextFigures::read(message).is_some_and(ContextFigures::fits_without_the_setting);
    if fits { CallErrorKind::SettingRefused(Setting::OutputLimit) } else { CallErrorKind::TooLong }
}

/// Whether a text is a page for people.
fn is_html(text: &str) -> bool {
    let start = text.trim_start().get(..15).unwrap_or_else(|| text.trim_start()).to_ascii_lowercase();
    start.starts_with("<!doctype html") || start.starts_with("<html") || start.starts_with("<head")
}

#[cfg(test)]
mod tests;
