//! How a request ended, and the label value for it.

use crate::provider::CallErrorKind;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    /// Its end was not awaited.
    Abandoned,
    Failed(CallErrorKind),
}

/// How many outcomes have a name.
pub(super) const OUTCOMES: usize = 15;

impl Outcome {
    pub(crate) const fn name(self) -> &'static str {
        NAMES[self.number()]
    }

    /// Its index in [`NAMES`].
    pub(super) const fn number(self) -> usize {
        match self {
            Self::Ok => 0,
            Self::Abandoned => 1,
            Self::Failed(kind) => match kind {
                CallErrorKind::Unreachable => 2,
                CallErrorKind::TimedOut => 3,
                CallErrorKind::ConnectionBroken | CallErrorKind::Interrupted => 4,
                CallErrorKind::Malformed | CallErrorKind::NoVectors => 5,
                CallErrorKind::Intermediary | CallErrorKind::Page => 6,
                CallErrorKind::ServerFault | CallErrorKind::NotRetryable => 7,
                CallErrorKind::Overloaded => 8,
                CallErrorKind::RateLimited | CallErrorKind::AboveLimit { .. } => 9,
                CallErrorKind::TooLong => 10,
                CallErrorKind::Refused => 11,
                CallErrorKind::MissingKey | CallErrorKind::WrongKey | CallErrorKind::Forbidden => 12,
                CallErrorKind::InsufficientFunds => 13,
                CallErrorKind::UnknownModel | CallErrorKind::BadRequest | CallErrorKind::SettingRefused(_) => 14,
            },
        }
    }
}

const NAMES: [&str; OUTCOMES] = [
    "ok",
    "abandoned",
    "connect",
    "timeout",
    "cut",
    "malformed",
    "something_else",
    "server_error",
    "overloaded",
    "rate_limited",
    "too_long",
    "content_filter",
    "auth",
    "billing",
    "bad_request",
];
