//! Opens the book of a run's budget, and ends the run at its wall.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use valuesim_shared::budget::PurseLimit;
use valuesim_shared::control::{AboutRun, BudgetUse, Control, RunPhase};
use valuesim_shared::fleet::Servers;
use valuesim_shared::id::RunId;
use valuesim_shared::money::NanoUsd;
use valuesim_shared::queue::QueueAdmin;
use valuesim_shared::store::{EmbeddedStore, Store};

use super::treasurer::{FleetBudget, Treasurer};
use super::{BudgetGauge, FleetCoordinator, FleetError};
use crate::ledger::Ledger;
use crate::plan::Plan;
use crate::purse_book::{PurseBook, Used};
use crate::spent::{SpentError, spent_at_most, spent_in_ledger, spent_in_store};
use crate::wall::Others;

/// How long workers that know nothing of a budget may take to leave the run, with `--grace` and what it takes to notice.
const LEAVE_WITHIN: Duration = Duration::from_mins(2);

/// How often to check meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The plan, the ledger, and whether cells were sent before.
type Before = (Arc<Plan>, Arc<Ledger>, bool);

/// The treasurer of a run, if it has a budget or had one. Without a budget, what is drawn is counted all the same.
pub(super) async fn open<Q, S: Store, C: Control>(
    servers: &Servers<Q, S, C>,
    run: &RunId,
    (folder, before): (&Path, Before),
    budget: FleetBudget,
    tell: fn(&str),
) -> Result<Option<Arc<Treasurer>>, FleetError> {
    let models = before.0.models().count();
    let FleetBudget { limits, purses, earlier } = budget;
    let treasurer = |book| Arc::new(Treasurer::new(purses.clone(), run.clone(), folder.to_owned(), book, tell));
    let limits_or_none = if limits.is_empty() { vec![unlimited(models)] } else { limits.clone() };
    let (plan, ledger, was_sent) = before;
    if let Some(mut book) = PurseBook::read(folder, limits_or_none, models)? {
        if book.is_left_to_one_process() {
            let mut recorded = spent_in_ledger(&plan, &ledger).map_err(SpentError::from)?;
            add_earlier(&mut recorded, run, (&plan, &ledger), earlier.as_ref()).await?;
            book.take_back(&recorded);
            book.keep(folder)?;
        }
        return Ok(Some(treasurer(book)));
    }
    if limits.is_empty() {
        return Ok(None);
    }
    let mut spent = vec![NanoUsd(0); models];
    if was_sent || ledger.finished().map_err(SpentError::from)?.next().is_some() {
        purses.clear(run).await?;
        let_workers_leave(&servers.control, run).await?;
        spent = spent_at_most(run, &plan, &ledger, &servers.store).await?;
    }
    add_earlier(&mut spent, run, (&plan, &ledger), earlier.as_ref()).await?;
    let mut book = PurseBook::new(limits, spent);
    book.keep(folder)?;
    Ok(Some(treasurer(book)))
}

/// Adds what the calls for unfinished cells cost of which the store of one process knows.
async fn add_earlier(
    spent: &mut [NanoUsd],
    run: &RunId,
    (plan, ledger): (&Plan, &Ledger),
    earlier: Option<&EmbeddedStore>,
) -> Result<(), SpentError> {
    let Some(earlier) = earlier else { return Ok(()) };
    let of_earlier = spent_in_store(run, plan, ledger, earlier).await?;
    spent.iter_mut().zip(of_earlier).for_each(|(spent, more)| *spent += more);
    Ok(())
}

/// A limit that is none.
fn unlimited(models: usize) -> PurseLimit {
    let (limit, spent) = (NanoUsd(u64::MAX), NanoUsd(0));
    PurseLimit { name: "the run".to_owned(), limit, spent, models: (0..models).collect() }
}

/// How much of the budget is used, for reports; none if there is no limit for the whole run.
pub(super) fn gauge(treasurer: Option<&Arc<Treasurer>>) -> Option<BudgetGauge> {
    let treasurer = Arc::clone(treasurer?);
    (treasurer.used().limit < NanoUsd(u64::MAX)).then_some(())?;
    Some(Box::new(move || {
        let Used { limit, spent, reserved } = treasurer.used();
        BudgetUse { limit, spent, reserved }
    }))
}

/// Workers that took up the run before it had a budget spend what nobody counts: they leave it, and join it again.
async fn let_workers_leave(control: &impl Control, run: &RunId) -> Result<(), FleetError> {
    let Some(about) = control.about(run).await? else { return Ok(()) };
    control.announce(&AboutRun { phase: RunPhase::OutOfBudget, ..about }).await?;
    let begun = Instant::now();
    while control.workers().await?.all.iter().any(|worker| worker.runs.contains(run)) {
        if begun.elapsed() >= LEAVE_WITHIN {
            tracing::warn!(%run, "workers still serve the run without a budget; what they spend from now on is not counted");
            return Ok(());
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

impl<Q: QueueAdmin, S: Store, C: Control> FleetCoordinator<Q, S, C> {
    /// Gives out the budget. At the wall, lets the workers leave, and cancels `stopping` once everything finished is here.
    pub(super) async fn keep_budget(&self, stopping: &CancellationToken) -> FleetError {
        let Some(treasurer) = &self.treasurer else { return std::future::pending().await };
        if let Err(error) = treasurer.until_the_wall(|walled| Others::of(&self.coordinator, walled)).await {
            return error;
        }
        (self.tell)("no call can be paid for any more: the run's workers leave");
        self.heartbeat.ends_as(RunPhase::OutOfBudget, None);
        let leaving = async {
            if let Err(error) = self.heartbeat.announce(RunPhase::OutOfBudget).await {
                tracing::debug!(%error, "could not report yet that the budget is spent");
            }
            self.let_workers_finish().await;
            stopping.cancel();
            std::future::pending().await
        };
        tokio::select! {
            never = leaving => never,
            failed = treasurer.until_failure() => failed,
        }
    }

    /// Whether the run is ending because of its budget.
    pub(super) fn is_out_of_budget(&self) -> bool {
        self.heartbeat.will_end_as() == Some(RunPhase::OutOfBudget)
    }

    /// Reports once more how the run ends, and how much is spent.
    pub(super) async fn report_last(&self) {
        if let Err(error) = self.heartbeat.announce(RunPhase::Failed).await {
            tracing::warn!(run = %self.manifest.run, %error, "could not report how the run ends");
        }
    }
}
