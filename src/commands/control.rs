//! What `pause`, `resume` and `cancel` share: they tell a run's processes what an operator wants.

use anyhow::{Context as _, anyhow};
use clap::Args;
use tokio::runtime::Runtime;
use valuesim_shared::control::{AboutRun, Control, DesiredState, Order, RunPhase, UnixMillis, operator};
use valuesim_shared::id::RunId;

use crate::age::ago;
use crate::columns::one_line;
use crate::exit::{Exit, Failure, OrUsage as _};
use crate::output::print;
use crate::runs_flag::RunsFlag;
use crate::servers::StoreFlags;

/// What an order takes.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// The run, as `valuesim runs` lists it; without --store, the name of its run folder
    #[arg(value_parser = run_id)]
    run: RunId,

    #[command(flatten)]
    store: StoreFlags,

    #[command(flatten)]
    runs: RunsFlag,
}

/// Gives an order.
pub(super) fn give(flags: &Flags, desired: DesiredState) -> Result<Exit, Failure> {
    let order = Order::new(desired, operator());
    let runtime = Runtime::new().context("start the asynchronous runtime")?;
    let text = if let Some(address) = flags.store.address_if_given().or_usage()? {
        runtime.block_on(async {
            let (_, control) = address.reach().await?;
            tell(&control, &flags.run, order, Scope::Fleet).await
        })?
    } else {
        let (control, run) = runtime.block_on(flags.runs.control_of(&flags.run))?;
        runtime.block_on(tell(&control, &run, order, Scope::Folder))?
    };
    print(&text)?;
    Ok(Exit::Done)
}

/// Where a run is controlled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Fleet,
    Folder,
}

async fn tell(control: &impl Control, run: &RunId, order: Order, scope: Scope) -> anyhow::Result<String> {
    let runs = control.runs().await?.all;
    let (about, before) = runs.into_iter().find(|(about, _)| about.run == *run).ok_or_else(|| unknown(run))?;
    control.give_order(run, &order).await?;
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
        // What cannot be seen may be there.
        Ok(_) | Err(_) => Hearer::Coordinator,
    }
}

/// Who hears an order, as far as it can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hearer {
    Coordinator,
    WorkersAlone,
    /// No process works on the run; the next one will hear it.
    Nobody,
}

/// What was ordered, and what holds until now.
fn order_text(about: &AboutRun, order: &Order, before: Option<&Order>, hearer: Hearer) -> String {
    let run = one_line(&about.run.0);
    let will = match (order.desired, about.phase, hearer) {
        (DesiredState::Go, ..) => "goes on".to_owned(),
        (DesiredState::Pause, ..) => "pauses: no new calls, those under way are finished".to_owned(),
        (DesiredState::Cancel, RunPhase::Begun, Hearer::WorkersAlone) => format!(
            "is cancelled: its workers leave it, and no coordinator is alive to end it; what is finished stays\n\
             `valuesim purge {run} --yes` removes what it has in broker and store"
        ),
        (DesiredState::Cancel, ..) => "is cancelled: it ends, and what is finished stays".to_owned(),
    };
    let before = before.map_or_else(String::new, |before| format!("\nbefore: {}", in_force(before, order.at)));
    let ended = match about.phase {
        RunPhase::Begun if hearer == Hearer::Nobody => {
            "\nno process works on the run now; the order holds when the same `valuesim run` goes on with it"
        }
        RunPhase::Begun => "",
        RunPhase::Finished | RunPhase::Cancelled | RunPhase::OutOfBudget | RunPhase::Failed => {
            "\nthe run has ended; the order holds if it is coordinated again"
        }
    };
    format!("run {run} {will}{before}{ended}\n")
}

/// An order with who gave it and when.
pub(super) fn in_force(order: &Order, now: UnixMillis) -> String {
    format!("{}, said by {} {} ({})", order.desired, one_line(&order.by), ago(order.at, now), order.at)
}

/// Nobody has ever hearer of the run.
pub(super) fn unknown(run: &RunId) -> anyhow::Error {
    anyhow!("run {} is not known: `valuesim runs` lists the runs of this store", one_line(&run.0))
}

/// A run's name on the command line.
pub(super) fn run_id(text: &str) -> Result<RunId, String> {
    match text.trim() {
        "" => Err("expected the name of a run, as `valuesim runs` lists it".to_owned()),
        run => Ok(RunId(run.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use valuesim_shared::control::{CONTROL_VERSION, CellCounts};
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
            priced: true,
            stopped_by: None,
            begun_at: UnixMillis(0),
            at: UnixMillis(0),
        }
    }

    #[test]
    fn an_order_says_what_it_replaces_and_whom_it_reaches() {
        let order =
            |desired, by: &str, at| Order { version: CONTROL_VERSION, desired, by: by.to_owned(), at: UnixMillis(at) };
        let pause = order(DesiredState::Pause, "ada@h", 60_000);
        let check = |phase, order: &Order, before: Option<&Order>, expected: &str| {
            assert_eq!(order_text(&about(phase), order, before, Hearer::Coordinator), expected);
        };
        check(RunPhase::Begun, &pause, None, "run r1 pauses: no new calls, those under way are finished\n");
        check(
            RunPhase::Begun,
            &order(DesiredState::Go, "bob@h", 180_000),
            Some(&pause),
            "run r1 goes on\nbefore: pause, said by ada@h 2 minutes ago (1970-01-01T00:01:00Z)\n",
        );
        check(
            RunPhase::Failed,
            &order(DesiredState::Cancel, "bob@h", 0),
            None,
            "run r1 is cancelled: it ends, and what is finished stays\n\
             the run has ended; the order holds if it is coordinated again\n",
        );
        let unheard =
            |phase| order_text(&about(phase), &order(DesiredState::Cancel, "bob@h", 0), None, Hearer::WorkersAlone);
        assert_eq!(
            unheard(RunPhase::Begun),
            "run r1 is cancelled: its workers leave it, and no coordinator is alive to end it; what is finished stays\n\
             `valuesim purge r1 --yes` removes what it has in broker and store\n"
        );
        assert_eq!(
            order_text(&about(RunPhase::Begun), &pause, None, Hearer::Nobody),
            "run r1 pauses: no new calls, those under way are finished\n\
             no process works on the run now; the order holds when the same `valuesim run` goes on with it\n"
        );
        assert!(unheard(RunPhase::Cancelled).starts_with("run r1 is cancelled: it ends, and what is finished stays\n"));
    }
}
