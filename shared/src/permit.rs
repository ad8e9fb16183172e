//! Leave to make a call: the port that limits and, later, budgets stand behind.

mod local;

use std::future::Future;

use serde::{Deserialize, Serialize};

use crate::id::ModelId;

pub use local::{LocalOffice, LocalPermit, OwnLimit};

/// What a provider allows a whole fleet for one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Calls under way at the same time.
    #[serde(default = "default_calls_in_flight")]
    pub calls_in_flight: u32,
    /// Requests in any minute; no limit where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// Tokens of prompts and replies in any minute; no limit where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u32>,
}

/// Calls in flight where nothing else is said: enough for a laptop, below any provider's limit.
pub const DEFAULT_CALLS_IN_FLIGHT: u32 = 64;

/// More calls in flight than one process can have sockets for.
pub const MOST_CALLS_IN_FLIGHT: u32 = 20_000;

const fn default_calls_in_flight() -> u32 {
    DEFAULT_CALLS_IN_FLIGHT
}

impl Default for Limits {
    fn default() -> Self {
        Self { calls_in_flight: DEFAULT_CALLS_IN_FLIGHT, requests_per_minute: None, tokens_per_minute: None }
    }
}

/// What a caller asks leave for.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// Which model is to be called.
    pub model: ModelId,
    /// Tokens that the call is expected to use, prompt and reply together.
    pub tokens: u32,
}

/// Hands out permits. A permit is held for the length of the call and given back by dropping it.
pub trait PermitOffice: Clone + Send + Sync + 'static {
    /// Leave to make one call.
    type Permit: Send + 'static;

    /// Waits until the call is within all limits.
    fn permit(&self, ask: Ask) -> impl Future<Output = Self::Permit> + Send;
}
