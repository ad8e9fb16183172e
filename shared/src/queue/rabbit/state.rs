//! The state of the connection to the broker, for health checks and displays.

use std::time::SystemTime;

/// Whether the broker can be used now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerState {
    /// It can.
    Connected,
    /// The connection is lost and is being reopened; `take` and `publish` wait.
    Reconnecting {
        /// Since when.
        since: SystemTime,
        /// What went wrong last.
        reason: String,
    },
    /// The broker is short of memory or disk and blocks publishers; `publish` waits, deliveries still arrive.
    Blocked {
        /// The reason that the broker gives.
        reason: String,
    },
}

impl BrokerState {
    /// What is wrong, if anything is. It does not say for how long, so that all processes report the same text.
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::Connected => None,
            Self::Blocked { reason } => Some(format!("the broker takes no messages: {reason}")),
            Self::Reconnecting { reason, .. } => Some(format!("the broker cannot be reached: {reason}")),
        }
    }
}
