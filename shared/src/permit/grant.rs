//! A granted call, and what the quota is to know of its end.

use tokio::time::Instant;

use super::office::{CallEnd, Request, Settlement};
use super::quota::{End, Settled, Stated};
use super::token_kinds::TokenCounts;

/// A granted call, until it is settled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grant {
    pub(super) request: Request,
    pub(super) tokens: TokenCounts,
    pub(super) slot: u64,
    pub(super) epoch: u64,
    pub(super) at: Instant,
}

impl Settlement {
    /// What the quota is to know of it.
    pub(super) fn settled(&self, grant: &Grant) -> Settled {
        let retry_after_ms = self.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        let end = match self.end {
            CallEnd::Answered => End::Answered { used: self.usage.map(TokenCounts::from) },
            CallEnd::Declined => End::Answered { used: None },
            CallEnd::RateLimited => End::Limited { limit: self.limited_by, retry_after_ms },
            CallEnd::Overloaded | CallEnd::Unanswered => End::Failed { retry_after_ms },
            CallEnd::Rejected => End::Ended,
        };
        Settled { end, stated: self.stated, ..grant.unsettled(true) }
    }
}

impl Grant {
    /// The end of a permit that was dropped without a word: before its call had it, or afterwards.
    pub(super) fn unsettled(&self, is_taken: bool) -> Settled {
        Settled {
            slot: self.slot,
            epoch: self.epoch,
            expected: self.tokens,
            end: if is_taken { End::Unknown } else { End::Unsent },
            took_ms: u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX),
            stated: Stated::default(),
        }
    }
}
