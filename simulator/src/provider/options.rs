//! How a simulated provider behaves: limits, latency, faults, cache.

use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::limits::ProviderLimits;
use super::replay::Case;

/// The options of a simulated provider. By default it has no faults, no latency and no limits.
#[derive(Debug, Clone)]
pub struct ProviderOptions {
    /// Determines replies and faults, together with the prompt.
    pub seed: u64,
    /// How long a reply takes.
    pub latency: Latency,
    /// The maximum calls per minute.
    pub requests_per_minute: Option<u32>,
    /// The maximum tokens per minute, of prompts and replies together.
    pub tokens_per_minute: Option<u64>,
    /// The maximum concurrent calls.
    pub max_in_flight: Option<u32>,
    /// The sliding window of the limits. A shorter window than a minute has a proportional share of each limit.
    pub window: Duration,
    /// How the limits per minute are counted.
    pub limit_rule: LimitRule,
    /// Whether refused calls count against the limit of calls, as at OpenAI.
    pub count_refused: bool,
    /// Which tokens of a call count when it arrives.
    pub token_count: TokenCount,
    /// Whether replies state the limits (`x-ratelimit-*`).
    pub limit_headers: bool,
    /// Whether refusals say when to retry (`retry-after`, `retry-after-ms`).
    pub retry_after: bool,
    /// The only accepted key; without it, no key is required and any is accepted.
    pub api_key: Option<SecretString>,
    /// The existing models; without a list, every model exists.
    pub models: Option<Vec<String>>,
    /// Share of calls answered with 500 or 503.
    pub error_rate: f64,
    /// Share of calls that are never answered.
    pub hang_rate: f64,
    /// Share of calls whose connection is cut in the middle of the reply.
    pub cut_rate: f64,
    /// Share of calls refused with 429 whatever the limits, as where others use the same key.
    pub rate_limited_rate: f64,
    /// Share of prompts whose reply violates the format.
    pub malformed_rate: f64,
    /// Share of prompts whose reply ends too early, with the finish reason `length`.
    pub truncated_rate: f64,
    /// Share of prompts that are refused.
    pub refusal_rate: f64,
    /// Share of prompts that are always answered with 400, until
    /// [`Provider::accept_rejected_prompts`](super::Provider::accept_rejected_prompts).
    pub bad_request_rate: f64,
    /// How the prompt cache works.
    pub cache: CacheRule,
    /// The minimum capacity of the prompt cache in tokens; the least recently used blocks are evicted first.
    pub cache_tokens: u64,
    /// How many replicas there are, each with its own prompt cache. Requests with the same `x-session-id` header or
    /// `prompt_cache_key` get the same replica, others the next one in turn; `/replicas/N/v1` is replica N itself.
    pub replicas: u32,
    /// The maximum bytes of a request body; larger ones are answered with 413.
    pub max_body_bytes: usize,
    /// How many prompts are remembered to recognise repeated ones, at about 50 bytes each. Further prompts are not.
    pub prompts_remembered: usize,
    /// Lengthens analyses and backstories: each is twice as long on median, lognormal with this standard deviation of the
    /// logarithm, and never shorter than it was.
    pub reply_sigma: Option<f64>,
    /// A fixed reply of this many bytes in place of the person's, to measure a client's speed.
    pub fixed_reply: Option<usize>,
    /// The same for backstories, if their length is to differ.
    pub fixed_story: Option<usize>,
    /// Answers of other providers to play: `/cases/N/v1` is the base URL of case N, counted from 1. A single one is played at the
    /// ordinary base URL, too.
    pub cases: Vec<Case>,
}

impl Default for ProviderOptions {
    fn default() -> Self {
        Self {
            seed: 42,
            latency: Latency::None,
            requests_per_minute: None,
            tokens_per_minute: None,
            max_in_flight: None,
            window: Duration::from_mins(1),
            limit_rule: LimitRule::SlidingWindow,
            count_refused: false,
            token_count: TokenCount::Used,
            limit_headers: true,
            retry_after: true,
            api_key: None,
            models: None,
            error_rate: 0.0,
            hang_rate: 0.0,
            cut_rate: 0.0,
            rate_limited_rate: 0.0,
            malformed_rate: 0.0,
            truncated_rate: 0.0,
            refusal_rate: 0.0,
            bad_request_rate: 0.0,
            cache: CacheRule::None,
            cache_tokens: 20_000_000,
            replicas: 1,
            max_body_bytes: 4 << 20,
            prompts_remembered: 2_000_000,
            reply_sigma: None,
            fixed_reply: None,
            fixed_story: None,
            cases: Vec::new(),
        }
    }
}

/// How long a reply takes.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub enum Latency {
    /// No added latency.
    #[default]
    None,
    /// Always the same time.
    Fixed(Duration),
    /// Log-normal: half of the replies take less than the median, and a few take much longer.
    Lognormal {
        /// The median.
        median: Duration,
        /// Standard deviation of the logarithm; real providers have about 0.5.
        sigma: f64,
    },
}

/// How limits per minute are counted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitRule {
    /// Strictly: no sliding window holds more than the limit.
    #[default]
    SlidingWindow,
    /// A bucket that starts full with the limit of one window, and refills evenly.
    TokenBucket,
}

/// Which tokens of a call count against the limit when it arrives.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum TokenCount {
    /// Those of the prompt and of the reply that it will get.
    #[default]
    Used,
    /// Those of the prompt and the longest reply that the request allows, as at OpenAI. Without such a limit in the request,
    /// those of the reply.
    Requested,
}

/// How the prompt cache works.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum CacheRule {
    /// No cache: always 0 cached tokens.
    #[default]
    None,
    /// Whole blocks of the longest common prefix with an earlier, answered prompt (vLLM, automatic prefix caching).
    Vllm {
        /// Tokens of a block.
        block_tokens: u32,
    },
    /// Whole blocks of 64 tokens of the longest common prefix with two earlier, answered prompts.
    DeepSeek,
}

/// An invalid option.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OptionsError {
    /// A share is not between 0 and 1.
    #[error("{name} is {value}: expected a share from 0 to 1")]
    NotAShare {
        /// Which option.
        name: &'static str,
        /// What it was set to.
        value: f64,
    },
    /// The shares of one kind of fault sum to more than 1.
    #[error("{names} sum to {sum}: expected at most 1")]
    MoreThanAll {
        /// Which options.
        names: &'static str,
        /// Their sum.
        sum: f64,
    },
    /// A number is 0 that must not be.
    #[error("{name} is 0: expected at least 1{hint}")]
    Zero {
        /// Which option.
        name: &'static str,
        /// What to do instead.
        hint: &'static str,
    },
    /// The spread of the latency is not a number from 0 to 5.
    #[error("the latency's sigma is {0}: expected a number from 0 to 5")]
    Sigma(f64),
    /// The spread of the replies' length is not a number from 0 to 5.
    #[error("the sigma of replies is {0}: expected a number from 0 to 5")]
    ReplySigma(f64),
}

impl ProviderOptions {
    /// Checks that every option is valid.
    pub fn check(&self) -> Result<(), OptionsError> {
        self.check_shares()?;
        ProviderLimits::new(self).check()?;
        let zeros = [
            ("replicas", self.replicas == 0, ""),
            ("window", self.window.is_zero(), " ms"),
            ("block_tokens", self.cache == (CacheRule::Vllm { block_tokens: 0 }), "; 16 is usual"),
        ];
        if let Some(sigma) = self.reply_sigma.filter(|sigma| !(0.0..=5.0).contains(sigma)) {
            return Err(OptionsError::ReplySigma(sigma));
        }
        match self.latency {
            Latency::Lognormal { sigma, .. } if !(0.0..=5.0).contains(&sigma) => Err(OptionsError::Sigma(sigma)),
            _ => zeros
                .into_iter()
                .find(|zero| zero.1)
                .map_or(Ok(()), |(name, _, hint)| Err(OptionsError::Zero { name, hint })),
        }
    }

    fn check_shares(&self) -> Result<(), OptionsError> {
        let faults = [
            ("error_rate", self.error_rate),
            ("hang_rate", self.hang_rate),
            ("cut_rate", self.cut_rate),
            ("rate_limited_rate", self.rate_limited_rate),
        ];
        let defects = [
            ("malformed_rate", self.malformed_rate),
            ("truncated_rate", self.truncated_rate),
            ("refusal_rate", self.refusal_rate),
        ];
        let rejected = [("bad_request_rate", self.bad_request_rate)];
        let all = [
            (&faults[..], "error_rate, hang_rate, cut_rate and rate_limited_rate"),
            (&defects[..], "malformed_rate, truncated_rate and refusal_rate"),
            (&rejected[..], "bad_request_rate"),
        ];
        for (shares, names) in all {
            if let Some(&(name, value)) = shares.iter().find(|(_, value)| !(0.0..=1.0).contains(value)) {
                return Err(OptionsError::NotAShare { name, value });
            }
            let sum = shares.iter().map(|(_, value)| value).sum();
            // Tolerates rounding in a sum such as 0.1 + 0.2 + 0.7.
            if sum > 1.0 + 1e-9 {
                return Err(OptionsError::MoreThanAll { names, sum });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(options: &ProviderOptions, expected: &str) {
        let text = options.check().err().map_or_else(String::new, |error| error.to_string());
        assert_eq!(text, expected);
    }

    #[test]
    fn invalid_options_are_refused_by_name() {
        let normal = ProviderOptions::default;
        check(&normal(), "");
        check(&ProviderOptions { error_rate: -0.1, ..normal() }, "error_rate is -0.1: expected a share from 0 to 1");
        check(&ProviderOptions { cut_rate: f64::NAN, ..normal() }, "cut_rate is NaN: expected a share from 0 to 1");
        check(
            &ProviderOptions { hang_rate: 0.5, cut_rate: 0.75, ..normal() },
            "error_rate, hang_rate, cut_rate and rate_limited_rate sum to 1.25: expected at most 1",
        );
        check(&ProviderOptions { malformed_rate: 0.1, truncated_rate: 0.2, refusal_rate: 0.7, ..normal() }, "");
        check(
            &ProviderOptions { requests_per_minute: Some(0), ..normal() },
            "requests_per_minute is 0: expected at least 1, or none for no limit",
        );
        check(&ProviderOptions { window: Duration::ZERO, ..normal() }, "window is 0: expected at least 1 ms");
        let latency = Latency::Lognormal { median: Duration::from_secs(1), sigma: -1.0 };
        check(
            &ProviderOptions { reply_sigma: Some(9.0), ..normal() },
            "the sigma of replies is 9: expected a number from 0 to 5",
        );
        check(&ProviderOptions { latency, ..normal() }, "the latency's sigma is -1: expected a number from 0 to 5");
    }
}
