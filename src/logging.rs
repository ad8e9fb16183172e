//! The log, on standard error: a line for each event, in which words of others steer nothing.

mod repeats;

use std::ffi::OsStr;
use std::fmt::{self, Debug, Write as _};
use std::io::IsTerminal as _;

use tracing_subscriber::Layer as _;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::{FieldFn, Writer, debug_fn};

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::columns::one_line;
use repeats::SaidOnce;

pub(crate) use repeats::finish;

/// Logs to standard error at the level that `VALUESIM_LOG` sets (for example `debug`, or `valuesim_worker=trace`), by
/// default warnings and errors. Leaves out the logs of the broker's client unless they are asked for, because this
/// program reports the same events itself. A warning that repeats is said once, and then counted.
pub(crate) fn start() {
    let level = std::env::var("VALUESIM_LOG").unwrap_or_default();
    let level = if level.trim().is_empty() { "warn".to_owned() } else { level };
    let level = if level.contains("lapin") { level } else { format!("lapin=off,{level}") };
    let filter = tracing_subscriber::EnvFilter::builder().parse_lossy(level);
    // Reporting that a line could not be written would panic if standard error is closed.
    let lines = tracing_subscriber::fmt::layer().log_internal_errors(false);
    let in_colour = is_colour_wanted(std::io::stderr().is_terminal(), std::env::var_os("NO_COLOR").as_deref());
    let fields: FieldFn<_> = debug_fn(field);
    let lines = lines.fmt_fields(fields.delimited(" ")).with_ansi(in_colour).with_writer(std::io::stderr);
    tracing_subscriber::registry().with(filter).with(lines.with_filter(SaidOnce)).init();
    repeats::start();
}

/// Writes a field of an event on one line, with control characters escaped: its value may come from a server or a provider.
fn field(writer: &mut Writer<'_>, field: &tracing::field::Field, value: &dyn Debug) -> fmt::Result {
    let mut text = String::new();
    write!(text, "{value:?}")?;
    let text = one_line(&text);
    if field.name() == "message" { write!(writer, "{text}") } else { write!(writer, "{field}={text}") }
}

/// Colour is for terminals, unless `NO_COLOR` is set to anything (no-color.org).
fn is_colour_wanted(on_terminal: bool, no_color: Option<&OsStr>) -> bool {
    on_terminal && no_color.is_none_or(OsStr::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_for_terminals_whose_user_has_nothing_against_it() {
        assert!(is_colour_wanted(true, None));
        assert!(is_colour_wanted(true, Some(OsStr::new(""))));
        assert!(!is_colour_wanted(true, Some(OsStr::new("1"))));
        assert!(!is_colour_wanted(false, None));
    }
}
