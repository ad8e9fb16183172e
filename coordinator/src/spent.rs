//! What a run has spent at most: its finished cells, and the calls of the others that the store knows.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use valuesim_shared::budget::{Budget, PurseLimit};
use valuesim_shared::control::{BudgetUse, Order};
use valuesim_shared::id::{Cell, ModelId, RunId};
use valuesim_shared::money::NanoUsd;
use valuesim_shared::outcome::StageSpend;
use valuesim_shared::stage::Stage;
use valuesim_shared::store::{CellRecord, SentCall, Store, StoreError};

use crate::fleet::BudgetGauge;
use crate::ledger::{Ledger, LedgerError};
use crate::plan::Plan;
use crate::purse_book::{BOOK_FILE, BookError, PurseBook};
use crate::wall::{Others, WallWatch};

/// How often to look whether calls of some models wait for money that does not come.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How many cells are looked up in the store at once.
const READS_AT_ONCE: usize = 64;

/// Why it cannot be said what a run has spent.
#[derive(Debug, thiserror::Error)]
pub enum SpentError {
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The book of a fleet's purses cannot be read or written.
    #[error(transparent)]
    Book(#[from] BookError),
}

/// The budget of a run in one process, with what was spent before; none if nothing is limited.
///
/// `before` is the plan, the ledger and the cost of embeddings, which the run's own purse, the first, pays for, too. What a fleet
/// has spent of the run counts as well: its book, if `folder` has one, keeps that from now on.
pub async fn open_budget(
    purses: Vec<PurseLimit>,
    run: &RunId,
    (plan, ledger, mut on_embeddings): (&Plan, &Ledger, NanoUsd),
    (store, folder): (&impl Store, &Path),
    tell: fn(&str),
) -> Result<Option<Budget>, SpentError> {
    if purses.is_empty() && !folder.join(BOOK_FILE).exists() {
        return Ok(None);
    }
    let mut spent = spent_at_most(run, plan, ledger, store).await?;
    let of_fleet = PurseBook::leave_to_one_process(folder, &spent)?;
    if purses.is_empty() {
        return Ok(None);
    }
    spent.iter_mut().zip(of_fleet.unwrap_or_default()).for_each(|(spent, more)| *spent += more);
    let limits = purses.into_iter().map(|purse| {
        let of_models: NanoUsd = purse.models.iter().filter_map(|&model| spent.get(model).copied()).sum();
        PurseLimit { spent: of_models + std::mem::take(&mut on_embeddings), ..purse }
    });
    Ok(Some(Budget::new(limits.collect(), tell)))
}

/// How much of a budget is used, for reports.
pub fn gauge(budget: Option<&Budget>) -> Option<BudgetGauge> {
    let budget = budget.filter(|budget| budget.used().is_some_and(|(limit, ..)| limit < NanoUsd(u64::MAX)))?.clone();
    Some(Box::new(move || {
        let (limit, spent, reserved) = budget.used().unwrap_or_default();
        BudgetUse { limit, spent, reserved }
    }))
}

/// Takes over the budget that an operator has set.
pub fn obey(budget: &Budget, order: &Order, tell: fn(&str)) {
    let Some(limit) = order.budget else { return };
    if budget.used().is_some_and(|(before, ..)| before != limit) {
        budget.set_limit(limit);
        tell(&format!("the budget is {limit} now, set by {}", order.by));
    }
}

/// Cancels `halting` once no call can be paid for and `others` says that no other model has something to do, unless nobody works any
/// more. Returns whether that is so.
pub async fn stop_at_the_wall(
    budget: Option<&Budget>,
    others: impl Fn(&BTreeSet<usize>) -> Others,
    (nobody_works, halting): (&CancellationToken, &CancellationToken),
) -> bool {
    let Some(budget) = budget else { return false };
    let watching = async {
        let mut watch = WallWatch::default();
        while !watch.is_over(budget.walled().as_ref(), &others) {
            if timeout(LOOK_EVERY, budget.exhausted()).await.is_ok() {
                return;
            }
        }
        budget.exhaust();
    };
    nobody_works.run_until_cancelled(watching).await;
    halting.cancel();
    budget.is_exhausted()
}

/// What each model's calls have cost at most, in the experiment's order.
///
/// Requests that broke off or that nobody awaited count with the most that they can have cost.
pub async fn spent_at_most(
    run: &RunId,
    plan: &Plan,
    ledger: &Ledger,
    store: &impl Store,
) -> Result<Vec<NanoUsd>, SpentError> {
    let mut of_models = spent_in_store(run, plan, ledger, store).await?;
    of_models.iter_mut().zip(spent_in_ledger(plan, ledger)?).for_each(|(spent, more)| *spent += more);
    Ok(of_models)
}

/// What each model's calls for finished cells have cost at most, in the experiment's order.
pub fn spent_in_ledger(plan: &Plan, ledger: &Ledger) -> Result<Vec<NanoUsd>, LedgerError> {
    plan.models().map(|model| in_ledger(ledger, model)).collect()
}

/// What each model's calls for unfinished cells have cost at most, in the experiment's order, as far as a store knows.
pub async fn spent_in_store(
    run: &RunId,
    plan: &Plan,
    ledger: &Ledger,
    store: &impl Store,
) -> Result<Vec<NanoUsd>, SpentError> {
    let finished: HashSet<Cell> = ledger.finished()?.collect::<Result<_, _>>()?;
    let mut of_models = Vec::new();
    for model in plan.models() {
        let open = plan.cells_of(model).filter(|cell| !finished.contains(cell));
        let reading = futures_util::stream::iter(open.map(|cell| in_store(run, cell, store)));
        let spent = reading.buffer_unordered(READS_AT_ONCE).try_fold(NanoUsd(0), async |sum, more| Ok(sum + more));
        of_models.push(spent.await?);
    }
    Ok(of_models)
}

fn in_ledger(ledger: &Ledger, model: ModelId) -> Result<NanoUsd, LedgerError> {
    let mut spent = NanoUsd(0);
    for row in ledger.spend(model)? {
        spent += at_most(&row?.1.total());
    }
    Ok(spent)
}

async fn in_store(run: &RunId, cell: Cell, store: &impl Store) -> Result<NanoUsd, StoreError> {
    let record = store.cell_record(run, cell).await?;
    let mut by_stage = of_record(&record);
    if let Some(story) = store.backstory(run, cell).await? {
        // Its calls are in the record, too, until that is dropped.
        let of_story = at_most(&story.spend.total());
        let recorded = by_stage.remove(&Stage::STORY).unwrap_or_default();
        by_stage.insert(Stage::STORY, recorded.max(of_story));
    }
    Ok(by_stage.into_values().sum())
}

/// What a cell's calls have cost at most, by stage.
fn of_record(CellRecord { replies, sent }: &CellRecord) -> BTreeMap<Stage, NanoUsd> {
    let mut by_stage: BTreeMap<Stage, NanoUsd> = BTreeMap::new();
    for (key, reply) in replies {
        *by_stage.entry(key.stage).or_default() += at_most(&reply.spend);
    }
    for (key, SentCall { times, each, failed, perhaps_billed }) in sent {
        let counted = replies.get(key);
        let sent = times.saturating_sub(counted.map_or(0, |reply| reply.spend.sent));
        let failed = failed.saturating_sub(counted.map_or(0, |reply| reply.spend.failed)).min(sent);
        let billed = perhaps_billed.saturating_sub(counted.map_or(0, |reply| reply.perhaps_billed)).min(failed);
        *by_stage.entry(key.stage).or_default() += each.times(sent - failed + billed).at_most_cost;
    }
    by_stage
}

fn at_most(spend: &StageSpend) -> NanoUsd {
    spend.cost + spend.unsure.at_most_cost
}

#[cfg(test)]
mod tests {
    use valuesim_shared::call::{CallKey, ReplyText};
    use valuesim_shared::outcome::UncertainSpend;
    use valuesim_shared::store::RecordedReply;

    use super::*;

    #[test]
    fn a_request_without_an_end_counts_as_the_most_that_it_can_have_cost() {
        let key = CallKey::first(Stage::COGNITIVE, None);
        let each = UncertainSpend { at_most_cost: NanoUsd(100), ..UncertainSpend::default() };
        let spend = StageSpend { sent: 1, answered: 1, cost: NanoUsd(7), ..StageSpend::default() };
        let reply = RecordedReply {
            reply: ReplyText::Refused,
            spend,
            perhaps_billed: 0,
            reported_model: String::new(),
            remark: None,
        };
        let sent = |times, failed, perhaps_billed| SentCall { times, each, failed, perhaps_billed };
        let check = |sent: SentCall, reply: Option<&RecordedReply>, expected| {
            let replies = reply.map(|reply| (key, reply.clone())).into_iter().collect();
            let record = CellRecord { replies, sent: [(key, sent)].into() };
            assert_eq!(of_record(&record).into_values().sum::<NanoUsd>(), NanoUsd(expected));
        };
        check(sent(1, 0, 0), Some(&reply), 7);
        check(sent(1, 0, 0), None, 100);
        check(sent(3, 2, 1), None, 200);
        check(sent(2, 0, 0), Some(&reply), 107);
    }
}
