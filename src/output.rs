//! Writes results to standard output and notes to standard error, whether anybody reads them or not.

use std::io::{self, ErrorKind, Write as _};

use anyhow::Context as _;
use serde::Serialize;
use valuesim_coordinator::terminal_escape::{visible, visible_json};

/// Whether anybody still reads standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    IsThere,
    /// The reader closed the pipe because it has read enough, as `head` does.
    IsGone,
}

/// Moves to the top left of a terminal, and clears it.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// Writes a result to standard output, with control characters escaped. A reader that closed the pipe is not a failure; anything
/// else that prevents writing, such as a full disk, is.
pub(crate) fn print(text: &str) -> anyhow::Result<Reader> {
    write(&visible(text))
}

/// Clears the terminal that standard output is.
pub(crate) fn clear_terminal() -> anyhow::Result<Reader> {
    write(CLEAR)
}

fn write(text: &str) -> anyhow::Result<Reader> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::IsGone),
        written => written.map(|()| Reader::IsThere).context("write to standard output"),
    }
}

/// Writes a result to standard output as one JSON line; fails as [`print()`] does.
pub(crate) fn print_json(result: &impl Serialize) -> anyhow::Result<Reader> {
    write(&json_line(result))
}

/// Writes an event of a run to standard output as one JSON line. Ignores failures: a run that costs money does not stop
/// because nobody can read its events.
pub(crate) fn write_event(event: &impl Serialize) {
    let _ = io::stdout().lock().write_all(json_line(event).as_bytes());
}

/// Writes a line for people to standard error. Escapes control characters, because parts of the text may come from servers.
/// Ignores failures, because there is no other place to report them.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{}", visible(text));
}

fn json_line(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).expect("results and events can be written as JSON");
    format!("{}\n", visible_json(&json))
}
