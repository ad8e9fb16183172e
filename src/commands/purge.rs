//! `valuesim purge`: deletes what a run has in the broker and the store. Its ledger stays.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use indicatif::HumanCount;
use tokio::runtime::Runtime;
use valuesim_shared::control::{Control as _, RedisControl};
use valuesim_shared::id::RunId;
use valuesim_shared::queue::{QueueKind, RabbitQueue};
use valuesim_shared::store::RedisStore;

use super::confirm::Confirm;
use super::control::{run_id, unknown};
use super::queues;
use crate::columns::one_line;
use crate::exit::{Exit, Failure, OrUsage as _};
use crate::output::print;
use crate::servers::{Addresses, OPERATOR_PATIENCE, ServerFlags, hang_up, within};

/// How long the store may take to scan all its keys, up to a hundred million.
const STORE_WITHIN: Duration = Duration::from_mins(5);

/// How long the broker may take to find all queues of a run, and to delete one.
const BROKER_WITHIN: Duration = Duration::from_secs(7);

/// What `valuesim purge` takes.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The run, as `valuesim runs` lists it
    #[arg(value_parser = run_id)]
    run: RunId,

    #[command(flatten)]
    confirm: Confirm,

    /// Purge even if a coordinator or worker of the run is alive, or if that cannot be determined
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    servers: ServerFlags,
}

/// What was known about a run before it was purged.
struct Known {
    /// The number of its models; `None` if it is not in the list of runs.
    models: Option<usize>,
    /// The processes of the run that are alive.
    alive: Vec<String>,
    /// The number of unreadable entries, which may concern this run.
    unreadable: usize,
}

/// What was removed from the broker.
#[derive(Default)]
struct FromBroker {
    queues: u32,
    messages: u32,
    /// The number of dead letters among them.
    dead: u32,
}

/// Removes queues and keys.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    let removes =
        "this deletes the run's queues with all messages, including dead letters, and everything it has in the store";
    flags.confirm.check(removes).or_usage()?;
    let addresses = flags.servers.addresses("valuesim purge").or_usage()?;
    Runtime::new().context("start the asynchronous runtime")?.block_on(Box::pin(flags.purge(&addresses)))?;
    Ok(Exit::Done)
}

impl Flags {
    async fn purge(&self, addresses: &Addresses) -> anyhow::Result<()> {
        let run = &self.run;
        let (broker, store) = tokio::join!(addresses.broker.reach(), addresses.store.reach());
        let known = match &store {
            Ok((_, control)) => {
                within("ask the store which processes work on the run", OPERATOR_PATIENCE, known(control, run)).await
            }
            Err(error) => Err(anyhow!("{error:#}")),
        };
        let models = self.check(known)?;
        let of_broker = match broker {
            Ok(broker) => queues_removed(&broker, run, models).await,
            Err(error) => Err(error),
        };
        let of_store = match store {
            Ok((store, control)) => keys_removed(&store, &control, run).await,
            Err(error) => Err(error),
        };
        if let (Ok(FromBroker { queues: 0, .. }), Ok(0), None) = (&of_broker, &of_store, models) {
            return Err(unknown(run));
        }
        let of_broker = of_broker.map(|removed| removed.text());
        let of_store = of_store.map(|keys| {
            format!("removed from the store: keys: {}, and the run from the list of runs\n", HumanCount(keys))
        });
        for removed in [&of_broker, &of_store].into_iter().flatten() {
            print(removed)?;
        }
        print("the run's ledger and its folder are not touched\n")?;
        let failed: Vec<String> =
            [of_broker, of_store].into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect();
        if failed.is_empty() { Ok(()) } else { bail!("could not remove everything: {}", failed.join("; ")) }
    }

    /// The number of the run's models, if known. Fails if the run may not be purged.
    fn check(&self, known: anyhow::Result<Known>) -> anyhow::Result<Option<usize>> {
        let run = one_line(&self.run.0);
        match known {
            Ok(known) if self.force => Ok(known.models),
            Ok(known) if !known.alive.is_empty() => bail!(
                "run {run} is at work: {}; end it with `valuesim cancel {run} --yes` or stop these first, or pass --force",
                one_line(&known.alive.join(", "))
            ),
            Ok(known) if known.unreadable > 0 => bail!(
                "processes of other releases may be at work on run {run}: {} of their reports cannot be read; use their \
                 release, stop them, or pass --force",
                HumanCount(known.unreadable as u64)
            ),
            Ok(known) => Ok(known.models),
            Err(_) if self.force => Ok(None),
            Err(error) => {
                Err(error.context(format!("check which processes work on run {run} (--force skips this check)")))
            }
        }
    }
}

impl FromBroker {
    fn text(&self) -> String {
        let [queues, messages, dead] = [self.queues, self.messages, self.dead].map(|number| HumanCount(number.into()));
        format!(
            "removed from the broker: queues: {queues}, messages in them: {messages}, of these dead letters: {dead}\n"
        )
    }
}

async fn known(control: &RedisControl, run: &RunId) -> anyhow::Result<Known> {
    let (runs, coordinators, workers) = tokio::try_join!(control.runs(), control.coordinators(), control.workers())?;
    let about = runs.all.into_iter().map(|(about, _)| about).find(|about| about.run == *run);
    let unreadable = coordinators.unreadable + workers.unreadable;
    // A run that is not among the readable entries may be among the others.
    let unreadable = unreadable + if about.is_none() { runs.unreadable } else { 0 };
    let coordinators = coordinators.all.into_iter().filter(|report| report.run == *run);
    let workers = workers.all.into_iter().filter(|report| report.runs.contains(run));
    let alive = coordinators.map(|report| format!("coordinator {}", report.process.id));
    let alive = alive.chain(workers.map(|report| format!("worker {}", report.process.id))).collect();
    Ok(Known { models: about.map(|about| about.models.len()), alive, unreadable })
}

async fn queues_removed(broker: &RabbitQueue, run: &RunId, models: Option<usize>) -> anyhow::Result<FromBroker> {
    let removed = delete(broker, run, models).await;
    hang_up(broker).await;
    removed
}

async fn delete(broker: &RabbitQueue, run: &RunId, models: Option<usize>) -> anyhow::Result<FromBroker> {
    let looking = queues::look(broker, run, models);
    let found = within("find the run's queues", BROKER_WITHIN, looking).await?;
    let mut removed = FromBroker::default();
    for queue in found.into_iter().filter(|queue| queue.depth.is_some()) {
        let doing = format!("delete queue {}", queue.name);
        let waited = within(&doing, BROKER_WITHIN, broker.delete(&queue.name)).await?;
        removed.queues += 1;
        removed.messages += waited;
        if queue.name.kind == QueueKind::Dead {
            removed.dead += waited;
        }
    }
    Ok(removed)
}

/// Removes the run's keys, and returns their number.
async fn keys_removed(store: &RedisStore, control: &RedisControl, run: &RunId) -> anyhow::Result<u64> {
    control.strike_out(run).await?;
    let mut states = store.connection().states();
    let lost = states.wait_for(|state| !state.is_connected());
    tokio::select! {
        removed = within("remove the run's keys from the store", STORE_WITHIN, store.purge(run)) => removed,
        // The store connection would wait until the server is back; an operator can repeat the command.
        state = lost => match state {
            Ok(state) => bail!("remove the run's keys from the store {}: {}", store.connection().address(), *state),
            Err(_) => unreachable!("the store has its connection"),
        }
    }
}
