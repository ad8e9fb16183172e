//! The scan of a ledger with 28 million predictions, before a run goes on: time and memory.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use valuesim_coordinator::coordinator::Coordinator;
use valuesim_coordinator::ledger::Ledger;
use valuesim_coordinator::plan::Plan;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::experiment::{Experiment, Users};
use valuesim_shared::id::{Cell, Code, ModelId, RunId};
use valuesim_shared::manifest::{MANIFEST_VERSION, Manifest};
use valuesim_shared::method::{Method, Module, Stage};
use valuesim_shared::model::ModelSettings;
use valuesim_shared::money::{NanoUsd, Tokens};
use valuesim_shared::outcome::{
    ArmResult, CellOutcome, CellResult, CellSpend, Decided, Ended, Letters, ModuleResult, OUTCOME_VERSION, StageSpend,
    StoryResult,
};
use valuesim_shared::prompt::prompts_digest;
use valuesim_shared::queue::MemoryQueue;
use valuesim_shared::store::EmbeddedStore;
use valuesim_shared::survey::Survey;
use valuesim_simulator::synth::Synth;

use crate::process::{finish, memory, this_program};
use crate::table::{Bound, Table};

/// Respondents of the official file v6.0; five folds each.
const RESPONDENTS: u32 = 97_220;

/// Held-out questions of a cell.
const QUESTIONS: i32 = 58;

/// Cells that are written into the ledger in one transaction.
const CELLS_PER_COMMIT: usize = 10_000;

/// The longest that the scan may take, in seconds.
const MOST_SECONDS: f64 = 60.0;

/// The most memory that it may take beyond the survey, in megabytes.
const MOST_MEMORY: f64 = 200.0;

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("ledger.redb");
    let (_, _, plan) = full_size()?;
    let start = Instant::now();
    fill(&path, &plan)?;
    let megabytes = std::fs::metadata(&path)?.len() as f64 / 1e6;
    println!("ledger of {} cells: {megabytes:.0} MB, written in {:.0} s", plan.cells(), start.elapsed().as_secs_f64());
    let (_, output) = finish(this_program(&["as-resume", &path.to_string_lossy()])?)?;
    let figures: Vec<f64> = output.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [seconds, bytes] = figures[..] else { anyhow::bail!("the scan said {output:?}") };
    table.add("resume with 28 million predictions: scan, s", seconds, Bound::AtMost(MOST_SECONDS));
    table.add("resume with 28 million predictions: memory, MB", bytes / 1e6, Bound::AtMost(MOST_MEMORY));
    Ok(())
}

/// The role of the child process: opens the ledger, asks what is finished, says in how many seconds and how many bytes.
pub(crate) fn run(path: &Path) -> anyhow::Result<()> {
    let (experiment, survey, plan) = full_size()?;
    let manifest = manifest(&run_id(), &experiment, Codebook::own());
    // Forgets the peak of making the survey.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let (start, before) = (Instant::now(), memory("self", "VmRSS")?);
    let ledger = Arc::new(Ledger::open(path, &run_id())?);
    let cells = plan.cells();
    let folder = tempfile::tempdir()?;
    let sides = (MemoryQueue::new(1), EmbeddedStore::open(&folder.path().join("store"))?);
    let coordinator = Coordinator::new(&manifest, Arc::new(plan), Arc::new(survey), ledger, sides, 1)?;
    let seconds = start.elapsed().as_secs_f64();
    anyhow::ensure!(coordinator.progress().cells_finished() == cells, "the scan missed cells");
    println!("{seconds} {}", memory("self", "VmHWM")? - before);
    Ok(())
}

/// The manifest of a run of the benchmark.
pub(crate) fn manifest(run: &RunId, experiment: &Experiment, codebook: Codebook) -> Manifest {
    Manifest {
        version: MANIFEST_VERSION,
        run: run.clone(),
        behaviour: experiment.behaviour,
        split: experiment.split.clone(),
        methods: experiment.methods.clone(),
        models: experiment.models.clone(),
        prompts: prompts_digest(),
        codebook,
        transcripts: false,
    }
}

fn run_id() -> RunId {
    RunId("bench".to_owned())
}

fn full_size() -> anyhow::Result<(Experiment, Survey, Plan)> {
    let mut experiment = Experiment { methods: vec![Method::ValueSim], ..Experiment::default() };
    experiment.sample.users = Some(Users::All);
    experiment.models = vec![ModelSettings::named("m")];
    let survey = Synth { respondents: RESPONDENTS, seed: 0 }.survey();
    let plan = Plan::new(&experiment, &survey, &Codebook::own())?;
    Ok((experiment, survey, plan))
}

fn fill(path: &Path, plan: &Plan) -> anyhow::Result<()> {
    let ledger = Ledger::open(path, &run_id())?;
    let cells: Vec<Cell> = plan.cells_of(ModelId(0)).collect();
    for some in cells.chunks(CELLS_PER_COMMIT) {
        let outcomes: Vec<CellOutcome> = some.iter().copied().map(outcome).collect();
        ledger.record(&outcomes)?;
    }
    Ok(())
}

/// A cell as it usually comes out.
fn outcome(cell: Cell) -> CellOutcome {
    let story = StoryResult { ended: Ended::Answered, characters: 3_512, asked: 1 };
    let modules = Module::ALL.map(|module| ModuleResult { module, answers: answers(), ended: ended() });
    let arm = ArmResult {
        method: Method::ValueSim,
        answers: answers(),
        ended: ended(),
        decided: Letters(answers().iter().map(|_| Decided::Coordinator).collect()),
        asked: answers().iter().map(|_| 4).collect(),
    };
    let result = CellResult { story: Some(story), modules: modules.to_vec(), arms: vec![arm] };
    CellOutcome { version: OUTCOME_VERSION, run: run_id(), cell, result, spend: spend(), transcript: None }
}

fn answers() -> Vec<Option<Code>> {
    (0..QUESTIONS).map(|question| (question % 20 > 0).then_some(Code(question % 11))).collect()
}

fn ended() -> Letters<Ended> {
    Letters((0..QUESTIONS).map(|question| if question % 20 > 0 { Ended::Answered } else { Ended::Invalid }).collect())
}

fn spend() -> CellSpend {
    let stage = StageSpend {
        sent: 58,
        answered: 58,
        tokens: Tokens { input: 153_210, cached: 120_064, output: 6_790 },
        cost: NanoUsd(86_790_000),
        ..StageSpend::default()
    };
    let stages = [Stage::Story, Stage::Cognitive, Stage::Affective, Stage::Behavioral, Stage::Coordinator];
    CellSpend {
        stages: stages.map(|name| (name, stage.clone())).into(),
        reported_models: vec!["a-model-2025-01-01".to_owned()],
    }
}
