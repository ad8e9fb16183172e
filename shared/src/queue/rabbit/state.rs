//! How the broker is doing, as seen from here, for health checks and displays.

use std::time::SystemTime;

/// Whether the broker can be used now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerState {
    /// It can.
    Connected,
    /// The connection is gone and is being made anew; takes and publishes wait.
    Reconnecting {
        /// Since when.
        since: SystemTime,
        /// What went wrong last.
        reason: String,
    },
    /// The broker takes no messages, for want of memory or disk; publishes wait, deliveries still come.
    Blocked {
        /// What the broker says.
        reason: String,
    },
}

impl BrokerState {
    /// What is wrong, if anything is. Without how long that has lasted, so that all who see it say the same.
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::Connected => None,
            Self::Blocked { reason } => Some(format!("the broker takes no messages: {reason}")),
            Self::Reconnecting { reason, .. } => Some(format!("the broker cannot be reached: {reason}")),
        }
    }
}
