//! `valuesim metrics`: lists all metrics, as the table that docs/metrics.md has.

use clap::Args;
use valuesim_shared::telemetry::{Metric, metrics};

use crate::exit::{Exit, Failure};
use crate::output::print;

/// What `valuesim metrics` takes.
#[derive(Debug, Args)]
pub(crate) struct Flags {}

/// Prints the table.
pub(crate) fn run(Flags {}: &Flags) -> Result<Exit, Failure> {
    print(&table(metrics::ALL))?;
    Ok(Exit::Done)
}

/// The metrics as a Markdown table.
fn table(all: &[Metric]) -> String {
    let head = "| metric | type | labels | served by | meaning |\n| --- | --- | --- | --- | --- |\n".to_owned();
    let line = |Metric { name, kind, labels, help, served_by }: &Metric| {
        format!("| `{name}` | {kind} | {} | {served_by} | {help} |\n", labels.join(", "))
    };
    all.iter().map(line).fold(head, |table, line| table + &line)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If it differs, put what `valuesim metrics` prints in place of the page's table.
    #[test]
    fn the_documentation_has_the_same_table() {
        let page = include_str!("../../docs/metrics.md");
        assert!(page.contains(&format!("\n\n{}\n", table(metrics::ALL))), "{}", table(metrics::ALL));
    }
}
