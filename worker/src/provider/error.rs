//! The errors of calls, classified by what to do about them.

use std::time::Duration;

use valuesim_shared::call::{MAX_CODE, MAX_SAID, Rejection};
use valuesim_shared::permit::{LimitKind, Stated};

use super::one_line::readable;

/// Why a call brought no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}{}{}", .status.map(|status| format!(" ({status})")).unwrap_or_default(), .message.as_deref().map(|message| format!(": {message}")).unwrap_or_default())]
pub struct CallError {
    /// The kind of error.
    pub kind: CallErrorKind,
    /// The HTTP status, if there was a response.
    pub status: Option<u16>,
    /// The provider's own code or type of the error, shortened, if it gives one.
    pub code: Option<Box<str>>,
    /// The message of the provider or the network, shortened; never contains the key.
    pub message: Option<String>,
    /// How long the provider asks callers to wait.
    pub retry_after: Option<Duration>,
    /// The limit for which the provider refused the call, if it says so.
    pub limited_by: Option<LimitKind>,
    /// The limits that the response states.
    pub stated: Box<Stated>,
}

impl CallError {
    /// An error with a message.
    pub(crate) fn new(kind: CallErrorKind, status: Option<u16>, message: &str) -> Self {
        Self {
            kind,
            status,
            code: None,
            message: readable(message),
            retry_after: None,
            limited_by: None,
            stated: Box::default(),
        }
    }

    /// What the provider said, as the ledger keeps it.
    pub(crate) fn rejection(&self) -> Rejection {
        let said = self.message.clone().unwrap_or_else(|| self.kind.to_string());
        Rejection {
            status: self.status,
            code: self.code.as_ref().map(|code| code.chars().take(MAX_CODE).collect()),
            said: said.chars().take(MAX_SAID).collect(),
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
    /// The provider broke off while the model wrote.
    #[error("the provider broke off in the middle of the text")]
    Interrupted,
    /// The provider failed.
    #[error("the provider failed")]
    ServerFault,
    /// The provider is overloaded.
    #[error("the provider is overloaded")]
    Overloaded,
    /// Too many requests or tokens.
    #[error("the provider's rate limit is reached")]
    RateLimited,
    /// One call alone needs more than the limit of a whole minute.
    #[error("one call needs {needed} tokens, and the provider's limit is {limit} a minute: it can never pass")]
    AboveLimit {
        /// What the call needs, as the provider counts it.
        needed: u32,
        /// The limit of a minute.
        limit: u32,
    },
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
    /// The provider forbids this call.
    #[error("the provider forbids the call")]
    Forbidden,
    /// A page for people came in place of an answer: from a firewall, a proxy, or an address that is no API.
    #[error("a page of HTML came in place of an answer")]
    Page,
    /// The account is out of credit, or a spending limit is reached.
    #[error("the account at the provider is out of credit, or has reached a spending limit")]
    InsufficientFunds,
    /// The provider has no such model.
    #[error("the provider does not know the model")]
    UnknownModel,
    /// The provider does not understand the request.
    #[error("the provider does not understand the request")]
    BadRequest,
    /// The provider does not take a setting that all calls have.
    #[error("the provider does not take {0}")]
    SettingRefused(Setting),
    /// The provider failed, and says that trying again will not help.
    #[error("the provider failed and asked not to be tried again")]
    NotRetryable,
}

/// A setting that all calls of a model have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Setting {
    /// `temperature`.
    #[error("temperature 0")]
    Temperature,
    /// The field that limits the reply.
    #[error("the field that limits the reply")]
    OutputLimitField,
    /// The limit itself.
    #[error("max_output_tokens as large as it is")]
    OutputLimit,
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
    /// The prompt or the settings may be at fault: whether other calls are answered tells.
    Weigh,
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
            | Self::Interrupted
            | Self::ServerFault => Decision::Retry,
            Self::Overloaded | Self::RateLimited => Decision::SlowDown,
            Self::TooLong | Self::Refused => Decision::GiveUpOnPrompt,
            Self::UnknownModel
            | Self::BadRequest
            | Self::Forbidden
            | Self::Page
            | Self::SettingRefused(Setting::Temperature | Setting::OutputLimitField)
            | Self::NotRetryable => Decision::Weigh,
            Self::MissingKey
            | Self::WrongKey
            | Self::InsufficientFunds
            | Self::AboveLimit { .. }
            | Self::SettingRefused(Setting::OutputLimit) => Decision::StopProvider,
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
                | Self::Interrupted
                | Self::ServerFault
                | Self::NotRetryable
        )
    }

    /// What the user can do about it if it happens to many prompts.
    pub const fn advice_if_all(self) -> &'static str {
        match self {
            Self::TooLong => {
                "choose a model with a longer context, or a smaller max_output_tokens (--max-output-tokens), or methods with shorter \
                 prompts"
            }
            Self::ServerFault | Self::TimedOut | Self::ConnectionBroken | Self::Interrupted | Self::Intermediary => {
                "check the provider's status page"
            }
            other => other.advice(),
        }
    }

    /// What the user can do about it, if anything.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::MissingKey => "name the key's variable with --api-key-env, or its file with --api-key-file",
            Self::WrongKey => "check the key and what it permits",
            Self::Forbidden => "check the key and what it permits, and whether the provider serves this place",
            Self::InsufficientFunds => {
                "check the account's balance and spending limits, then repeat the command to resume"
            }
            Self::UnknownModel => "check the model's name and the base URL",
            Self::BadRequest => {
                "check base_url, max_output_tokens, output_limit_field and extra_body against the provider's documentation"
            }
            Self::SettingRefused(Setting::Temperature) => {
                "leave the temperature to the provider with --temperature default (`temperature = \"default\"`)"
            }
            Self::SettingRefused(Setting::OutputLimitField) => {
                "name the other field with --output-limit-field (output_limit_field)"
            }
            Self::SettingRefused(Setting::OutputLimit) => "set a smaller max_output_tokens (--max-output-tokens)",
            Self::AboveLimit { .. } => {
                "ask the provider for a higher limit, set a smaller max_output_tokens, or choose another model"
            }
            Self::Page => "check base_url, and what stands between this machine and the provider, such as a proxy",
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
        CallErrorKind::BadRequest | CallErrorKind::SettingRefused(_) => {
            "check base_url and extra_body of the embeddings against the provider's documentation"
        }
        CallErrorKind::TooLong => "one text alone is too long for this model: name another",
        CallErrorKind::Refused => "the provider's policy refuses a text of the codebook: name another provider",
        other => other.advice(),
    }
}
