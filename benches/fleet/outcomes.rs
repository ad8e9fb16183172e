//! Outcomes per second from a full results queue to the ledger on disk.

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use valuesim_coordinator::plan::Plan;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::experiment::Users;
use valuesim_shared::id::{Cell, Code, ModelId};
use valuesim_shared::outcome::{CellOutcome, CodeString, Decided, Ended};
use valuesim_shared::queue::{Queue as _, QueueKind, RabbitQueue};

use crate::coordinator_process::{coordinate, cursor};
use crate::fleet::queue_of;
use crate::full_size::{experiment_of, outcome, run_id};
use crate::servers::Servers;
use crate::table::{Bound, Table};

/// Respondents with five cells each.
const USERS: u32 = 20_000;

/// How many outcomes are published concurrently.
const CONFIRMS_IN_FLIGHT: usize = 512;

/// The minimum cells per second.
const MIN_CELLS: f64 = 20_000.0;

pub(crate) async fn measure(table: &mut Table) -> anyhow::Result<()> {
    let servers = Servers::start().await?;
    let addresses = servers.fresh().await?;
    let folder = tempfile::tempdir()?;
    let queue = addresses.queue().await?;
    let (cells, bytes) = fill(&queue).await?;
    queue.close().await;
    // Marks all cells as dispatched, so that the coordinator accepts their outcomes.
    cursor(folder.path()).advance(ModelId(0), cells..=cells)?;
    let (broker, store) = servers.used()?;
    let done = coordinate(&addresses, folder.path(), &USERS.to_string(), cells)?;
    let (broker_after, store_after) = servers.used()?;
    table.add("bytes of an outcome", bytes, Bound::None);
    table.add("outcomes into the ledger per second", cells as f64 / done.seconds, Bound::AtLeast(MIN_CELLS));
    table.add("outcomes: CPU seconds of the coordinator, survey included", done.used.cpu_seconds, Bound::None);
    table.add("outcomes: CPU seconds of the broker", broker_after - broker, Bound::None);
    table.add("outcomes: CPU seconds of the store", store_after - store, Bound::None);
    Ok(())
}

/// Publishes the outcomes of all cells; returns their number and mean size in bytes.
async fn fill(queue: &RabbitQueue) -> anyhow::Result<(u64, f64)> {
    let (_, _, plan) = experiment_of(Users::Count(USERS))?;
    let codebook = Codebook::built_in();
    let results = queue_of(&run_id(), |_| QueueKind::Results);
    let sent = stream::iter(plan.cells_of(ModelId(0))).map(|cell| {
        let (results, plan, codebook) = (&results, &plan, &codebook);
        async move {
            let body = Bytes::from(serde_json::to_vec(&fitting(cell, plan, codebook))?);
            let bytes = body.len() as f64;
            queue.publish(results, body).await?;
            anyhow::Ok(bytes)
        }
    });
    let sent = sent.buffer_unordered(CONFIRMS_IN_FLIGHT);
    let bytes = sent.try_fold(0.0, |sum, bytes| async move { Ok(sum + bytes) }).await?;
    Ok((plan.cells(), bytes / plan.cells() as f64))
}

/// An outcome that fits the plan: the modules disagree, and the coordinator decides.
fn fitting(cell: Cell, plan: &Plan, codebook: &Codebook) -> CellOutcome {
    let mut outcome = outcome(cell);
    let asked = plan.split().asked(cell.fold);
    let answers = |further: usize| -> Vec<Option<Code>> {
        let options = asked.iter().map(|&id| &codebook.question(id).options);
        options.map(|options| Some(options[further % options.len()].code)).collect()
    };
    let ended = CodeString(vec![Ended::Answered; asked.len()]);
    for (module, at) in outcome.result.modules.iter_mut().zip(0..) {
        (module.answers, module.ended) = (answers(at), ended.clone());
    }
    for arm in &mut outcome.result.arms {
        (arm.answers, arm.ended) = (answers(0), ended.clone());
        arm.decided = CodeString(vec![Decided::Coordinator; asked.len()]);
        arm.asked = vec![4; asked.len()];
    }
    outcome
}
