//! Gives an order to a run's processes, for `pause`, `resume` and `cancel`.

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use tokio::runtime::Runtime;
use valuesim_shared::control::{AboutRun, Change, Control, DesiredState, Order, RunPhase, UnixMillis, operator};
use valuesim_shared::id::RunId;

use crate::age::ago;
use crate::columns::one_line;
use crate::exit::{Exit, Failure, OrUsage as _};
use crate::output::print;
use crate::runs_flag::RunsFlag;
use crate::servers::StoreFlags;

/// The most characters of a reason that are kept.
pub(super) const MAX_REASON_CHARS: usize = 500;

/// The flags of an order.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// The run, as `valuesim runs` lists it; without --store, the name of its run folder
    #[arg(value_parser = run_id)]
    run: RunId,

    /// Why: kept with the run, and shown by `status` and the live page
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,

    #[command(flatten)]
    store: StoreFlags,

    #[command(flatten)]
    runs: RunsFlag,
}

/// Gives an order.
pub(super) fn give(flags: &Flags, desired: DesiredState) -> Result<Exit, Failure> {
    let order = Order { reason: flags.reason.clone(), ..Order::new(desired, operator()) };
    let runtime = Runtime::new().context("start the asynchronous runtime")?;
    let text = if let Some(address) = flags.store.address_if_given().or_usage()? {
        runtime.block_on(async {
            let (_, control) = address.reach().await?;
            tell(&control, &flags.run, order, Scope::Fleet).await
        })?
    } else {
        let (control, run) = runtime.block_on(flags.runs.control_of(&flags.run))?;
        runtime.block_on(async {
            let about = control.about(&run).await?;
            if about.is_some_and(|about| about.phase == RunPhase::Finished) {
                bail!("run {run} is finished: no order changes it any more");
            }
            tell(&control, &run, order, Scope::Folder).await
        })?
    };
    print(&text)?;
    Ok(Exit::Done)
}

/// Whether a run belongs to a fleet or to one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Fleet,
    Folder,
}

async fn tell(control: &impl Control, run: &RunId, order: Order, scope: Scope) -> anyhow::Result<String> {
    let runs = control.runs().await?.all;
    let (about, before) = runs.into_iter().find(|(about, _)| about.run == *run).ok_or_else(|| unknown(run))?;
    let order = order.keeping_budget_of(before.as_ref());
    control.give_order(run, &order).await?;
    let noted = control.note_change(run, &Change::from(&order)).await;
    noted.context("the order is given, but it could not be recorded who gave it and why")?;
    let hearer = match (scope, order.desired) {
        (Scope::Folder, _) | (Scope::Fleet, DesiredState::Cancel) => hearer(control, run, scope).await,
        (Scope::Fleet, DesiredState::Go | DesiredState::Pause) => Hearer::Coordinator,
    };
    Ok(order_text(&about, &order, before.as_ref(), hearer))
}

async fn hearer(control: &impl Control, run: &RunId, scope: Scope) -> Hearer {
    match control.coordinators().await {
        Ok(found) if found.unreadable == 0 && found.all.iter().all(|coordinator| coordinator.run != *run) => {
            match scope {
                Scope::Fleet => Hearer::WorkersAlone,
                Scope::Folder => Hearer::Nobody,
            }
        }
        // A coordinator that cannot be seen may exist.
        Ok(_) | Err(_) => Hearer::Coordinator,
    }
}

/// Who receives an order, as far as that can be determined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hearer {
    Coordinator,
    WorkersAlone,
    /// No process works on the run; the next one receives it.
    Nobody,
}

/// The effect of the order, and the order that it replaces.
fn order_text(about: &AboutRun, order: &Order, before: Option<&Order>, hearer: Hearer) -> String {
    let run = one_line(&about.run.0);
    let will = match (order.desired, about.phase, hearer) {
        (DesiredState::Go, ..) => "goes on".to_owned(),
        (DesiredState::Pause, ..) => "pauses: calls in flight finish, no new ones start".to_owned(),
        (DesiredState::Cancel, RunPhase::Begun, Hearer::WorkersAlone) => format!(
            "is cancelled: its workers leave it, but no coordinator is alive to end it; finished cells are kept\n\
             `valuesim purge {run} --yes` deletes what it has in the broker and the store"
        ),
        (DesiredState::Cancel, ..) => "is cancelled: it ends, and finished cells are kept".to_owned(),
    };
    let before = before.map_or_else(String::new, |before| format!("\nbefore: {}", in_force(before, order.at)));
    let ended = match about.phase {
        RunPhase::Begun if hearer == Hearer::Nobody => {
            "\nno process works on the run now; the order takes effect when the same `valuesim run` resumes it"
        }
        RunPhase::Begun => "",
        RunPhase::Finished | RunPhase::Cancelled | RunPhase::OutOfBudget | RunPhase::Failed => {
            "\nthe run has ended; the order takes effect if it is coordinated again"
        }
    };
    format!("run {run} {will}{before}{ended}\n")
}

/// An order with who gave it and when.
pub(super) fn in_force(order: &Order, now: UnixMillis) -> String {
    let why = order.reason.as_deref().map(|why| format!(": {}", one_line(why))).unwrap_or_default();
    format!("{}, given by {} {} ({}){why}", order.desired, one_line(&order.by), ago(order.at, now), order.at)
}

/// The error for a run that is not in the list of runs.
pub(super) fn unknown(run: &RunId) -> anyhow::Error {
    anyhow!("run {} is unknown: `valuesim runs` lists the runs of this store", one_line(&run.0))
}

/// Parses a reason on the command line.
pub(super) fn reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("expected a reason in words".to_owned()),
        reason => Ok(reason.chars().take(MAX_REASON_CHARS).collect()),
    }
}

/// Parses the name of a run on the command line.
pub(super) fn run_id(text: &str) -> Result<RunId, String> {
    match text.trim() {
        "" => Err("expected the name of a run, as `valuesim runs` lists it".to_owned()),
        run => Ok(RunId(run.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use valuesim_shared::control::{CONTROL_VERSION, CallTotals, CellCounts};
    use valuesim_shared::money::NanoUsd;

    use super::*;

    fn about(phase: RunPhase) -> AboutRun {
        AboutRun {
            version: CONTROL_VERSION,
            run: RunId("r1".to_owned()),
            models: Vec::new(),
            phase,
            cells: CellCounts::default(),
            spent: NanoUsd(0),
            calls: CallTotals::default(),
            budget: None,
            priced: true,
            stopped_by: None,
            begun_at: UnixMillis(0),
            at: UnixMillis(0),
        }
    }

    #[test]
    fn an_order_says_what_it_replaces_and_whom_it_reaches() {
        let order = |desired, by: &str, at| Order {
            version: CONTROL_VERSION,
            desired,
            by: by.to_owned(),
            reason: None,
            budget: None,
            at: UnixMillis(at),
        };
        let pause = order(DesiredState::Pause, "ada@h", 60_000);
        let check = |phase, order: &Order, before: Option<&Order>, expected: &str| {
            assert_eq!(order_text(&about(phase), order, before, Hearer::Coordinator), expected);
        };
        check(RunPhase::Begun, &pause, None, "run r1 pauses: calls in flight finish, no new ones start\n");
        check(
            RunPhase::Begun,
            &order(DesiredState::Go, "bob@h", 180_000),
            Some(&pause),
            "run r1 goes on\nbefore: pause, given by ada@h 2 minutes ago (1970-01-01T00:01:00Z)\n",
        );
        check(
            RunPhase::Failed,
            &order(DesiredState::Cancel, "bob@h", 0),
            None,
            "run r1 is cancelled: it ends, and finished cells are kept\n\
             the run has ended; the order takes effect if it is coordinated again\n",
        );
        let unheard =
            |phase| order_text(&about(phase), &order(DesiredState::Cancel, "bob@h", 0), None, Hearer::WorkersAlone);
        assert_eq!(
            unheard(RunPhase::Begun),
            "run r1 is cancelled: its workers leave it, but no coordinator is alive to end it; finished cells are kept\n\
             `valuesim purge r1 --yes` deletes what it has in the broker and the store\n"
        );
        assert_eq!(
            order_text(&about(RunPhase::Begun), &pause, None, Hearer::Nobody),
            "run r1 pauses: calls in flight finish, no new ones start\n\
             no process works on the run now; the order takes effect when the same `valuesim run` resumes it\n"
        );
        assert!(
            unheard(RunPhase::Cancelled).starts_with("run r1 is cancelled: it ends, and finished cells are kept\n")
        );
    }
}
