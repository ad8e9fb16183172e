//! Makes one short line of what a provider or a network says.

/// Longer messages are cut to this length, in characters.
pub(super) const MESSAGE_CHARACTERS: usize = 300;

/// A message as one short line without control characters; `None` if nothing is left.
pub(super) fn readable(message: &str) -> Option<String> {
    shortened(message, MESSAGE_CHARACTERS)
}

/// The same with at most so many characters.
pub(super) fn shortened(text: &str, most: usize) -> Option<String> {
    let plain = text.chars().map(|c| if c.is_whitespace() || c.is_control() { ' ' } else { c });
    let line: String = plain.skip_while(|&c| c == ' ').take(most).collect();
    let line = line.trim_end();
    (!line.is_empty()).then(|| line.to_owned())
}
