//! Memory for a thousand and for a million cells without calls: coordinator, queue and ledger alone.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use valuesim_coordinator::coordinator::Coordinator;
use valuesim_coordinator::ledger::Ledger;
use valuesim_coordinator::plan::Plan;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::experiment::{Experiment, Users};
use valuesim_shared::id::{ModelId, RunId};
use valuesim_shared::manifest::Manifest;
use valuesim_shared::method::Method;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::outcome::{CellOutcome, CellResult, CellSpend, OUTCOME_VERSION};
use valuesim_shared::queue::{Delivery as _, MemoryQueue, Queue as _, QueueKind, QueueName};
use valuesim_shared::store::EmbeddedStore;
use valuesim_shared::survey::Survey;
use valuesim_shared::task::Task;
use valuesim_simulator::synth::Synth;

use crate::process::{finish, memory, this_program};
use crate::table::{Bound, Table};

/// Respondents of the survey, the same in all runs so that its memory cancels out.
const RESPONDENTS: u32 = 100_000;

/// Cells of each respondent: five folds with two models.
const CELLS_PER_RESPONDENT: u32 = 10;

/// Cells in progress for each model.
const WINDOW: usize = 128;

/// The maximum additional memory for a million cells compared with a thousand, in megabytes: the plan's four bytes per
/// respondent, the ledger's cache (32 MB), and memory that the allocator does not return.
const MAX_GROWTH: f64 = 64.0;

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    let few = peak(1_000)?;
    let many = peak(1_000_000)?;
    table.add("1,000 cells without calls, survey of 100,000: memory, MB", few / 1e6, Bound::None);
    table.add("1,000,000 cells without calls: memory, MB", many / 1e6, Bound::None);
    table.add("1,000,000 cells without calls: more memory, MB", (many - few) / 1e6, Bound::AtMost(MAX_GROWTH));
    Ok(())
}

/// The peak memory of a process with this many cells, in bytes.
fn peak(cells: u32) -> anyhow::Result<f64> {
    let (used, output) = finish(this_program(&["as-trivial-run", &cells.to_string()])?)?;
    println!("{cells} cells without calls: {:.1} s", used.seconds);
    Ok(output.trim().parse()?)
}

/// The role of the child process: runs this many cells and prints its peak memory.
pub(crate) fn run(cells: &str) -> anyhow::Result<()> {
    let users = cells.parse::<u32>()? / CELLS_PER_RESPONDENT;
    let mut experiment = Experiment { methods: vec![Method::FullInfo], ..Experiment::default() };
    experiment.sample.users = Some(Users::Count(users));
    experiment.models = ["first", "second"].map(ModelSettings::named).to_vec();
    let codebook = Codebook::built_in();
    let survey = Synth { respondents: RESPONDENTS, seed: 0 }.survey();
    let plan = Plan::new(&experiment, &survey, &codebook)?;
    run_all(&experiment, codebook, survey, plan)?;
    println!("{}", memory("self", "VmHWM")?);
    Ok(())
}

#[tokio::main]
async fn run_all(experiment: &Experiment, codebook: Codebook, survey: Survey, plan: Plan) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let run = RunId("bench".to_owned());
    let ledger = Arc::new(Ledger::open(&folder.path().join("ledger.redb"), &run)?);
    let queue = MemoryQueue::new(WINDOW * experiment.models.len());
    let manifest = Manifest::of(run.clone(), experiment, codebook);
    let store = EmbeddedStore::open(&folder.path().join("store"))?;
    let sides = (queue.clone(), store);
    let coordinator = Coordinator::new(&manifest, Arc::new(plan), Arc::new(survey), ledger, sides, WINDOW)?;
    let workers = [0, 1].map(|model| tokio::spawn(answer_at_once(queue.clone(), run.clone(), ModelId(model))));
    coordinator.run(&CancellationToken::new()).await?;
    for worker in workers {
        worker.abort();
    }
    Ok(())
}

/// A worker that finishes cells without calls.
async fn answer_at_once(queue: MemoryQueue, run: RunId, model: ModelId) -> anyhow::Result<()> {
    let tasks = QueueName { run: run.clone(), kind: QueueKind::Cab(model) };
    let results = QueueName { run, kind: QueueKind::Results };
    loop {
        let delivery = queue.take(&tasks, 1).await?;
        let Task { run, cell, .. } = Task::from_bytes(delivery.body())?;
        let result = CellResult {
            story: None,
            scaled_stories: Vec::new(),
            modules: Vec::new(),
            arms: Vec::new(),
            rejections: Vec::new(),
        };
        let outcome =
            CellOutcome { version: OUTCOME_VERSION, run, cell, result, spend: CellSpend::default(), transcript: None };
        queue.publish(&results, serde_json::to_vec(&outcome)?.into()).await?;
        delivery.ack().await?;
    }
}
