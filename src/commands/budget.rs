//! `valuesim budget`: sets what a run of `valuesim run` may cost, also while it goes on.

use anyhow::{Context as _, bail};
use clap::Args;
use tokio::runtime::Runtime;
use valuesim_shared::control::{Change, Control as _, Order, RunPhase, operator};
use valuesim_shared::id::RunId;
use valuesim_shared::money::NanoUsd;

use super::control::run_id;
use super::run::usd;
use crate::exit::{Exit, Failure};
use crate::output::print;
use crate::runs_flag::RunsFlag;

/// What `valuesim budget` takes.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The run: the name of its run folder
    #[arg(value_parser = run_id)]
    run: RunId,

    /// The most that the run may cost in all, in US dollars
    #[arg(value_parser = usd)]
    usd: f64,

    #[command(flatten)]
    runs: RunsFlag,
}

/// Sets the budget.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    let runtime = Runtime::new().context("start the asynchronous runtime")?;
    let (control, run) = runtime.block_on(flags.runs.control_of(&flags.run))?;
    let budget = amount(flags.usd);
    let text = runtime.block_on(async {
        let about = control.about(&run).await?;
        if about.as_ref().is_some_and(|about| about.phase == RunPhase::Finished) {
            bail!("run {run} is finished: it costs nothing more");
        }
        let before = control.order(&run).await?;
        let desired = before.as_ref().map(|order| order.desired).unwrap_or_default();
        let reason = Some(format!("budget set to {budget}"));
        let order = Order { reason, budget: Some(budget), ..Order::new(desired, operator()) };
        control.give_order(&run, &order).await?;
        control.note_change(&run, &Change::from(&order)).await?;
        let spent = about.map_or(NanoUsd(0), |about| about.spent);
        let ended = about_ended(&control, &run).await;
        Ok(format!("run {run} may cost {budget} in all; it has cost {spent}{ended}\n"))
    })?;
    print(&text)?;
    Ok(Exit::Done)
}

/// Says so if no process works on the run.
async fn about_ended(control: &impl valuesim_shared::control::Control, run: &RunId) -> &'static str {
    match control.coordinators().await {
        Ok(found) if found.all.iter().all(|coordinator| coordinator.run != *run) => {
            "\nno process works on the run now; the same `valuesim run` goes on"
        }
        Ok(_) | Err(_) => "",
    }
}

/// Dollars as an exact amount; the flag has checked the range.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to lie in 0..=1e9")]
fn amount(usd: f64) -> NanoUsd {
    NanoUsd((usd * 1e9).round() as u64)
}
