//! Dead letters: messages that could not be dealt with, with the reason, for people to look at.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::control::UnixMillis;

/// The version of dead letters; a reader shows others as they are.
pub const DEAD_LETTER_VERSION: u16 = 1;

/// A message that could not be dealt with. The broker puts some there itself, bare: those are no [`DeadLetter`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadLetter {
    /// [`DEAD_LETTER_VERSION`] of the writer.
    pub version: u16,
    /// Why nobody could deal with it.
    pub reason: String,
    /// The message as it was.
    pub body: DeadBody,
    /// When it was given up.
    pub at: UnixMillis,
    /// The process that gave it up.
    pub worker: String,
}

/// A message, whatever bytes it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadBody {
    /// It is text.
    Text(String),
    /// It is no text; base64 of its bytes.
    Base64(String),
}

/// What becomes of a message that cannot be dealt with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// It ends the process with an error: right where all messages are the process's own.
    EndsTheProcess,
    /// It goes to the dead letters, and the process goes on.
    IsParked {
        /// The process that parks it.
        by: String,
    },
}

impl DeadLetter {
    /// A letter of this moment.
    pub fn new(body: &[u8], reason: String, worker: String) -> Self {
        Self { version: DEAD_LETTER_VERSION, reason, body: DeadBody::new(body), at: UnixMillis::now(), worker }
    }

    /// The letter as it is kept: JSON.
    ///
    /// # Panics
    /// Never: a dead letter has no map.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a dead letter can be written as JSON")
    }
}

impl DeadBody {
    fn new(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64(STANDARD.encode(bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &[u8], json: &str) {
        let letter = DeadLetter { at: UnixMillis(5), ..DeadLetter::new(body, "no task".to_owned(), "w1".to_owned()) };
        assert_eq!(String::from_utf8(letter.to_bytes()).expect("text"), json);
        assert_eq!(serde_json::from_str::<DeadLetter>(json).expect("reads"), letter);
    }

    #[test]
    fn a_letter_is_written_and_read_to_the_letter() {
        check(b"{}", r#"{"version":1,"reason":"no task","body":{"text":"{}"},"at":5,"worker":"w1"}"#);
        check(b"\xff\x00", r#"{"version":1,"reason":"no task","body":{"base64":"/wA="},"at":5,"worker":"w1"}"#);
    }
}
