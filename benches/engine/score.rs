//! Time and memory for scoring a ledger with 28 million predictions of each of six arms, and for rendering the report.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use valuesim_coordinator::evaluation::Evaluated;
use valuesim_coordinator::ledger::Ledger;
use valuesim_coordinator::live::{LiveScores, ScoredRun};
use valuesim_coordinator::plan::Plan;
use valuesim_coordinator::report;
use valuesim_coordinator::results::Results;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::experiment::{Experiment, Users};
use valuesim_shared::id::{Cell, Code, ModelId};
use valuesim_shared::method::{Behaviour, Method};
use valuesim_shared::outcome::{ArmResult, CellOutcome, CellResult, CodeString, Decided, Ended, ModuleResult};
use valuesim_shared::survey::Survey;

use crate::cpu::cpu_seconds;
use crate::full_size::{experiment_of, outcome, run_id};
use crate::process::{finish, memory, this_program, valuesim};
use crate::table::{Bound, Table};

/// Cells written to the ledger in one transaction.
const CELLS_PER_COMMIT: usize = 10_000;

/// The maximum duration of scoring, in seconds.
const MAX_SECONDS: f64 = 60.0;

/// The maximum memory of scoring, survey included, in megabytes.
const MAX_MEMORY: f64 = 2_000.0;

/// The maximum duration of `valuesim report`, in seconds.
const MAX_REPORT_SECONDS: f64 = 5.0;

/// The maximum memory of scores while a run goes on in addition to the survey, in megabytes. Most of it is the ledger's cache
/// while the cells that it has are scored.
const MAX_LIVE_MEMORY: f64 = 200.0;

/// How often to look whether they are there.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The arms' methods.
const METHODS: [Method; 6] =
    [Method::ValueSim, Method::FullInfo, Method::NoCab, Method::Average, Method::NoCognitive, Method::NoProfile];

/// Columns with many groups, in place of the regions and the languages of the interviews, which the synthetic survey lacks.
const BY: [&str; 2] = ["Q272", "Q290"];

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let ledger = folder.path().join("ledger.redb");
    let (_, survey, plan) = full_size()?;
    let start = Instant::now();
    fill(&ledger, &plan, &survey)?;
    let megabytes = std::fs::metadata(&ledger)?.len() as f64 / 1e6;
    println!("ledger of {} cells: {megabytes:.0} MB, written in {:.0} s", plan.cells(), start.elapsed().as_secs_f64());
    let (ledger, folder) = (ledger.to_string_lossy(), folder.path().to_string_lossy());
    let Figures { seconds, cpu_seconds, megabytes } = figures(&["as-score", &ledger, &folder])?;
    table.add("6 arms of 28 million predictions: score, s", seconds, Bound::AtMost(MAX_SECONDS));
    table.add("the same: CPU, s", cpu_seconds, Bound::None);
    table.add("the same: memory, MB", megabytes, Bound::AtMost(MAX_MEMORY));
    let (report, _) = finish(report_of(Path::new(&*folder))?)?;
    table.add("their report in all formats, s", report.seconds, Bound::AtMost(MAX_REPORT_SECONDS));
    let Figures { seconds, cpu_seconds, megabytes } = figures(&["as-evaluation", &ledger, &folder])?;
    table.add("the scores with predictions.parquet, s", seconds, Bound::None);
    table.add("the same: CPU, s", cpu_seconds, Bound::None);
    table.add("the same: memory, MB", megabytes, Bound::AtMost(MAX_MEMORY));
    let Figures { seconds, cpu_seconds, megabytes } = figures(&["as-live-scores", &ledger])?;
    table.add("scores while a run goes on, at its start: s", seconds, Bound::None);
    table.add("the same: CPU, s", cpu_seconds, Bound::None);
    table.add("the same: memory, MB", megabytes, Bound::AtMost(MAX_LIVE_MEMORY));
    Ok(())
}

/// What an evaluation took.
struct Figures {
    seconds: f64,
    cpu_seconds: f64,
    megabytes: f64,
}

fn figures(role: &[&str]) -> anyhow::Result<Figures> {
    let (_, output) = finish(this_program(role)?)?;
    let figures: Vec<f64> = output.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [seconds, cpu_seconds, bytes] = figures[..] else { anyhow::bail!("the child printed {output:?}") };
    Ok(Figures { seconds, cpu_seconds, megabytes: bytes / 1e6 })
}

/// `valuesim report` of the results in `folder`.
fn report_of(folder: &Path) -> anyhow::Result<Command> {
    // A folder with this file is a run's.
    std::fs::write(folder.join("experiment.toml"), "")?;
    Ok(valuesim(&["report", &folder.to_string_lossy()]))
}

/// In behaviour `paper`, which asks all 290 questions.
fn full_size() -> anyhow::Result<(Experiment, Survey, Plan)> {
    let (mut experiment, survey, _) = experiment_of(Users::All)?;
    experiment.behaviour = Behaviour::Paper;
    experiment.methods = METHODS.to_vec();
    experiment.evaluation.by = BY.map(ToOwned::to_owned).to_vec();
    let plan = Plan::new(&experiment, &survey, &Codebook::built_in())?;
    Ok((experiment, survey, plan))
}

/// The role of the child process: scores the ledger, prints seconds, CPU seconds and bytes, and writes the results into the folder.
pub(crate) fn run(path: &Path, folder: &Path) -> anyhow::Result<()> {
    let results = scored(path, |evaluated| Ok(evaluated.score(&CancellationToken::new())?))?;
    Ok(report::write(folder, &results)?)
}

/// The same, with the predictions file.
pub(crate) fn run_with_file(path: &Path, folder: &Path) -> anyhow::Result<()> {
    scored(path, |evaluated| Ok(evaluated.evaluate(folder, &CancellationToken::new())?)).map(drop)
}

/// The role of the child process: starts scores as a resumed run does, and prints seconds, CPU seconds and bytes.
pub(crate) fn run_live(path: &Path) -> anyhow::Result<()> {
    let (experiment, survey, plan) = full_size()?;
    let cells = plan.cells();
    let (plan, survey, codebook) = (Arc::new(plan), Arc::new(survey), Arc::new(Codebook::built_in()));
    // Resets the peak memory, which generating the survey has raised.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let (start, cpu_start, before) = (Instant::now(), cpu_seconds("self")?.0, memory("self", "VmRSS")?);
    let ledger = Arc::new(Ledger::open(path, &run_id())?);
    let runtime = tokio::runtime::Runtime::new()?;
    let scores = runtime.block_on(async {
        let live = LiveScores::start(ScoredRun { run: run_id(), experiment, plan, survey, codebook, ledger });
        loop {
            if let Some(scores) = live.latest() {
                return scores;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    anyhow::ensure!(scores.cells.scored == cells, "not all cells are scored: {:?}", scores.cells);
    println!("{seconds} {} {}", cpu_seconds("self")?.0 - cpu_start, memory("self", "VmHWM")? - before);
    Ok(())
}

fn scored(path: &Path, score: impl Fn(&Evaluated<'_>) -> anyhow::Result<Results>) -> anyhow::Result<Results> {
    let (experiment, survey, plan) = full_size()?;
    let (run, codebook) = (run_id(), Codebook::built_in());
    let ledger = Ledger::view(path)?;
    let (start, cpu_start) = (Instant::now(), cpu_seconds("self")?.0);
    let evaluated = Evaluated {
        run: &run,
        experiment: &experiment,
        plan: &plan,
        survey: &survey,
        codebook: &codebook,
        ledger: &ledger,
        vectors: None,
    };
    let results = score(&evaluated)?;
    let seconds = start.elapsed().as_secs_f64();
    anyhow::ensure!(results.missing.scored == plan.cells(), "not all cells are scored: {:?}", results.missing);
    println!("{seconds} {} {}", cpu_seconds("self")?.0 - cpu_start, memory("self", "VmHWM")?);
    Ok(results)
}

/// Writes an outcome for every cell, whose answers are those of the person, of the next one, or invalid.
fn fill(path: &Path, plan: &Plan, survey: &Survey) -> anyhow::Result<()> {
    let ledger = Ledger::open(path, &run_id())?;
    let cells: Vec<_> = plan.cells_of(ModelId(0)).collect();
    for cells in cells.chunks(CELLS_PER_COMMIT) {
        let outcomes: Vec<CellOutcome> = cells.iter().map(|&cell| of_cell(cell, plan, survey)).collect();
        ledger.record(&outcomes)?;
    }
    Ok(())
}

fn of_cell(cell: Cell, plan: &Plan, survey: &Survey) -> CellOutcome {
    let typical = outcome(cell);
    let answers = |salt: usize| -> Vec<Option<Code>> {
        let asked = plan.split().asked(cell.fold).iter().enumerate();
        let answer = asked.map(|(at, &question)| match (at * 7 + cell.respondent.index() * 13 + salt * 5) % 20 {
            0 => None,
            1..=9 => Some(survey.code(cell.respondent, question)),
            other => {
                let next = (cell.respondent.index() + other) % survey.respondents();
                Some(survey.code(valuesim_shared::id::Respondent::from_index(next), question))
            }
        });
        answer.map(|answer| answer.filter(|code| !code.is_missing())).collect()
    };
    let ended = |answers: &[Option<Code>]| {
        CodeString(
            answers.iter().map(|answer| if answer.is_some() { Ended::Answered } else { Ended::Invalid }).collect(),
        )
    };
    let arm = |(at, method): (usize, Method)| {
        let answers = answers(at);
        ArmResult {
            method,
            ended: ended(&answers),
            decided: CodeString(vec![Decided::Coordinator; answers.len()]),
            asked: vec![4; answers.len()],
            answers,
        }
    };
    let module = |(at, module): (usize, ModuleResult)| {
        let answers = answers(at);
        ModuleResult { ended: ended(&answers), answers, ..module }
    };
    let result = CellResult {
        modules: typical.result.modules.into_iter().enumerate().map(module).collect(),
        arms: METHODS.into_iter().enumerate().map(arm).collect(),
        ..typical.result
    };
    CellOutcome { result, ..typical }
}
