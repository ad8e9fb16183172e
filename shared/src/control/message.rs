//! Encodes orders, announcements and reports as JSON, wherever they are kept.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::CONTROL_VERSION;

pub(super) fn encode(message: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(message).expect("messages can be written as JSON")
}

/// Reads a message; `None` if it has another version or cannot be parsed.
pub(super) fn decode<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    #[derive(Deserialize)]
    struct Head {
        version: u16,
    }
    let head: Head = serde_json::from_slice(json).ok()?;
    if head.version != CONTROL_VERSION {
        return None;
    }
    serde_json::from_slice(json).ok()
}
