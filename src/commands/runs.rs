//! `valuesim runs`: lists the runs in the store.

use anyhow::Context as _;
use clap::Args;
use indicatif::HumanCount;
use serde::Serialize;
use tokio::runtime::Runtime;
use valuesim_coordinator::terminal_escape::visible_json;
use valuesim_shared::control::{AboutRun, Control as _, DesiredState, Listing, Order, UnixMillis};

use super::status::{phase, spent};
use crate::age::ago;
use crate::columns::{NOTHING, columns};
use crate::exit::{Exit, Failure, OrUsage as _};
use crate::output::print;
use crate::servers::StoreFlags;

/// What `valuesim runs` takes.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// Write one JSON object per run and line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    store: StoreFlags,
}

/// The version of a run as JSON, as docs/status.md describes it.
const RUNS_VERSION: u16 = 1;

/// A run and the order for it.
#[derive(Serialize)]
struct Listed<'a> {
    /// [`RUNS_VERSION`].
    version: u16,
    about: &'a AboutRun,
    order: Option<&'a Order>,
}

/// Lists the runs, the most recent report first.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    let address = flags.store.address().or_usage()?;
    let looking = async { anyhow::Ok(address.reach().await?.1.runs().await?) };
    let runs = Runtime::new().context("start the asynchronous runtime")?.block_on(looking).or_not_looked()?;
    let text = if flags.json { json(&runs) } else { text(&runs, UnixMillis::now()) };
    print(&text)?;
    Ok(Exit::Done)
}

type Runs = Listing<(AboutRun, Option<Order>)>;

fn json(runs: &Runs) -> String {
    let line = |(about, order): &(AboutRun, Option<Order>)| {
        let json = serde_json::to_string(&Listed { version: RUNS_VERSION, about, order: order.as_ref() });
        format!("{}\n", visible_json(&json.expect("a run can be written as JSON")))
    };
    runs.all.iter().map(line).collect()
}

fn text(runs: &Runs, now: UnixMillis) -> String {
    let header = ["run", "models", "phase", "order", "cells", "dead", "spent", "heard of"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(header).chain(runs.all.iter().map(|run| row(run, now))).collect();
    let mut text = match runs.all.len() {
        0 => "no runs in the last 30 days\n".to_owned(),
        _ => columns("", &rows),
    };
    if runs.unreadable > 0 {
        text += &format!("unreadable runs of other releases: {}\n", HumanCount(runs.unreadable as u64));
    }
    text
}

fn row((about, order): &(AboutRun, Option<Order>), now: UnixMillis) -> [String; 8] {
    let order = match order.as_ref().map(|order| order.desired) {
        None | Some(DesiredState::Go) => NOTHING.to_owned(),
        Some(desired @ (DesiredState::Pause | DesiredState::Cancel)) => desired.to_string(),
    };
    let cells = about.cells;
    [
        about.run.to_string(),
        about.models.join(","),
        phase(about),
        order,
        format!("{} of {}", HumanCount(cells.finished), HumanCount(cells.planned)),
        HumanCount(cells.dead).to_string(),
        spent(about.spent, about.priced),
        ago(about.at, now),
    ]
}

#[cfg(test)]
mod tests {
    use valuesim_shared::control::{CONTROL_VERSION, CallTotals, CellCounts, RunPhase};
    use valuesim_shared::id::RunId;
    use valuesim_shared::money::NanoUsd;

    use super::*;

    fn about(run: &str, phase: RunPhase, dead: u64) -> AboutRun {
        AboutRun {
            version: CONTROL_VERSION,
            run: RunId(run.to_owned()),
            models: vec!["gpt".to_owned(), "deep\u{1b}[2Jseek".to_owned()],
            phase,
            cells: CellCounts { planned: 486_100, finished: 1_234, under_way: 64, dead, at_most: None },
            spent: NanoUsd(1_250_000_000),
            calls: CallTotals::default(),
            budget: None,
            priced: true,
            stopped_by: None,
            begun_at: UnixMillis(0),
            at: UnixMillis(1_000),
        }
    }

    #[test]
    fn a_list_of_runs() {
        let pause = Order {
            version: CONTROL_VERSION,
            desired: DesiredState::Pause,
            by: "ada@h".to_owned(),
            reason: None,
            budget: None,
            at: UnixMillis(0),
        };
        let all = vec![
            (about("ours-1", RunPhase::Begun, 0), Some(pause)),
            (about("ours-2", RunPhase::Finished, 3), None),
            (about("ours-3", RunPhase::OutOfBudget, 1), None),
            (AboutRun { spent: NanoUsd(0), priced: false, ..about("ours-4", RunPhase::Begun, 0) }, None),
        ];
        let json = json(&Listing { all: all.clone(), unreadable: 0 });
        assert!(json.lines().all(|line| line.starts_with(r#"{"version":1,"about":{"#)), "{json}");
        insta::assert_snapshot!(text(&Listing { all, unreadable: 2 }, UnixMillis(61_000)));
        insta::assert_snapshot!("no_runs", text(&Listing { all: Vec::new(), unreadable: 0 }, UnixMillis(0)));
    }
}
