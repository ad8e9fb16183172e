//! `valuesim budget`: sets what a run may cost, also while it goes on.

use anyhow::{Context as _, bail};
use clap::Args;
use tokio::runtime::Runtime;
use valuesim_shared::control::{Change, Control, DesiredState, Order, RunPhase, operator};
use valuesim_shared::id::RunId;
use valuesim_shared::money::NanoUsd;

use super::control::{run_id, unknown};
use super::run::usd;
use crate::exit::{Exit, Failure, OrUsage as _};
use crate::output::print;
use crate::runs_flag::RunsFlag;
use crate::servers::StoreFlags;

/// What `valuesim budget` takes.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The run, which was started with --budget, as `valuesim runs` lists it; without --store, the name of its run folder
    #[arg(value_parser = run_id)]
    run: RunId,

    /// The most that the run may cost in all, in US dollars
    #[arg(value_parser = usd)]
    usd: f64,

    #[command(flatten)]
    store: StoreFlags,

    #[command(flatten)]
    runs: RunsFlag,
}

/// Sets the budget.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    let runtime = Runtime::new().context("start the asynchronous runtime")?;
    let text = if let Some(address) = flags.store.address_if_given().or_usage()? {
        runtime.block_on(async {
            let (_, control) = address.reach().await?;
            set(&control, &flags.run, amount(flags.usd), "coordinate").await
        })?
    } else {
        let (control, run) = runtime.block_on(flags.runs.control_of(&flags.run))?;
        runtime.block_on(set(&control, &run, amount(flags.usd), "run"))?
    };
    print(&text)?;
    Ok(Exit::Done)
}

/// Sets the budget by an order that changes nothing else. `verb` is how the run goes on if nobody works on it.
async fn set(control: &impl Control, run: &RunId, budget: NanoUsd, verb: &str) -> anyhow::Result<String> {
    let about = control.about(run).await?.ok_or_else(|| unknown(run))?;
    if about.phase == RunPhase::Finished {
        bail!("run {run} is finished: it costs nothing more");
    }
    if about.budget.is_none() {
        bail!(
            "run {run} was started without a budget, so nothing would hold it to {budget}; it has cost {}: stop it (Ctrl-C, or \
             `valuesim pause`), and start the same `valuesim {verb}` with --budget",
            about.spent
        );
    }
    let before = control.order(run).await?;
    let desired = before.as_ref().map(|order| order.desired).unwrap_or_default();
    let set = Order { reason: Some(format!("budget set to {budget}")), ..Order::new(desired, operator()) };
    control.note_change(run, &Change::from(&set)).await?;
    // A run that somebody has paused or cancelled stays so by that order.
    let order = Order { budget: Some(budget), ..before.filter(|_| desired != DesiredState::Go).unwrap_or(set) };
    control.give_order(run, &order).await?;
    let spent = about.budget.map_or(about.spent, |budget| budget.spent);
    let ended = if is_anybody_there(control, run).await {
        String::new()
    } else {
        format!("\nno process works on the run now; the same `valuesim {verb}` goes on")
    };
    Ok(format!("run {run} may cost {budget} in all; it has cost {spent}{ended}\n"))
}

/// Whether a process works on the run, as far as it can be seen.
async fn is_anybody_there(control: &impl Control, run: &RunId) -> bool {
    match control.coordinators().await {
        Ok(found) => found.all.iter().any(|coordinator| coordinator.run == *run),
        Err(_) => true,
    }
}

/// Dollars as an exact amount; the flag has checked the range.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to lie in 0..=1e9")]
fn amount(usd: f64) -> NanoUsd {
    NanoUsd((usd * 1e9).round() as u64)
}
