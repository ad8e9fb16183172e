//! What is said to people beside a command's results.

use valuesim_coordinator::terminal_escape::visible;

/// Says something to people. Parts of it may be from servers, and from whoever can write to these.
#[expect(clippy::print_stderr, reason = "notes are for people, and go to standard error")]
pub(crate) fn note(text: &str) {
    eprintln!("{}", visible(text));
}
