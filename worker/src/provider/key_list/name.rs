//! The name of a key, as manifests and workers say it.

use std::fmt;

/// The longest name, in characters.
const MAX_CHARACTERS: usize = 64;

/// A key's name. `openai-2` and `OPENAI_2` are the same, so that a name can be part of a variable's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::provider) struct KeyName(String);

impl KeyName {
    /// The name; `None` if it has characters other than letters, digits, `-` and `_`, or too many.
    pub(super) fn new(text: &str) -> Option<Self> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let is_name = !text.is_empty() && text.len() <= MAX_CHARACTERS && text.chars().all(is_plain);
        is_name.then(|| Self(text.to_ascii_uppercase().replace('-', "_")))
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
