//! `valuesim run`: runs an experiment from survey to results in this process.

mod announcement;
mod budget_flags;
mod conclusion;
mod embedding;
mod embedding_flags;
mod endpoint_flags;
mod experiment_file;
mod flags;
mod limit_flags;

mod listening;
mod new_budget;
pub(super) mod open_files;
mod pilot;
mod price_flags;
mod stopping;
mod transcript_room;
mod when;

use std::sync::Arc;

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use valuesim_coordinator::estimate::{Estimate, estimate};
use valuesim_coordinator::fleet::FleetEnd;
use valuesim_coordinator::ledger::Ledger;
use valuesim_coordinator::plan::Plan;
use valuesim_shared::cell::needs_retrieval;
use valuesim_shared::control::FolderControl;
use valuesim_shared::experiment::Experiment;
use valuesim_shared::telemetry::most_open_files;
use valuesim_simulator::provider::Provider;
use valuesim_worker::error::WorkerError;
use valuesim_worker::process::ProcessError;
use valuesim_worker::provider::{Client, ClientError, Deadlines, EmbeddingsClient};

use super::coordinate;
use super::job::Job;
use super::measured::measured;
use super::outlook::outlook_of;
use super::reuse::kept_replies;
use crate::disk_room;
use crate::exit::{Exit, Failure, OrUsage as _};
use crate::output::note;
use crate::private_files;
use crate::progress::{Before, Style, Watch};
use crate::redb_panic::guarded;
use crate::run_folder::RunFolder;
use crate::runtime::beside_other_work;
use crate::wiring::{OneProcess, Parts, start_simulator};
use announcement::Announcement;
use listening::Listening;
use pilot::AfterPilot;

pub(super) use announcement::{embeddings_text, estimate_text, total_text};
pub(super) use budget_flags::usd;
pub(crate) use flags::{Flags, LocalFlags};
pub(super) use flags::{behaviour, fold, respondent};
pub(super) use new_budget::apply as apply_new_budget;
pub(crate) use pilot::PilotFlags;
pub(super) use stopping::{say_when, stop_on_signals};
pub(super) use when::{CheapHours, When, check as check_when, saved as saved_off_peak};

/// Which processes make the calls of a run.
#[derive(Clone, Copy)]
pub(super) enum Mode<'a> {
    /// This process, which serves probes and metrics at this address, if there is one.
    OneProcess(Option<Listening<'a>>),
    /// The workers of a fleet.
    Fleet(&'a coordinate::Flags),
}

impl Mode<'_> {
    /// Checks keys and addresses before a run folder is created.
    fn check(self, experiment: &Experiment) -> Result<(), Failure> {
        check_embeddings(experiment).or_usage()?;
        match self {
            Self::OneProcess(_) => check_providers(experiment).or_usage(),
            Self::Fleet(flags) => flags.addresses().map(drop).or_usage(),
        }
    }
}

/// Runs the experiment, resumes it, or shows its results again.
pub(crate) fn run(LocalFlags { run, listen, page }: &LocalFlags) -> Result<Exit, Failure> {
    let listening = listen.map(|address| Listening::new(address, page));
    start(run.experiment()?, run, Mode::OneProcess(listening))
}

/// Announces the experiment, and executes it unless this is a dry run.
pub(super) fn start(mut experiment: Experiment, flags: &Flags, mode: Mode<'_>) -> Result<Exit, Failure> {
    if let Mode::OneProcess(listening) = &mode
        && let Some(fewer) = open_files::fit_calls(&mut experiment, most_open_files(), listening.is_some())
    {
        note(&fewer);
    }
    let mut job = Job::prepare(experiment)?;
    job.kept = Arc::new(kept_replies(&job, flags));
    job.when = flags.when;
    when::check(job.when, &job.experiment).or_usage()?;
    let style = if flags.json { Style::Json } else { Style::Text };
    let measured = measured(&job, &flags.runs);
    let basis = (&measured, job.when.call_hours());
    let estimate_of = |plan: &Plan| estimate(&job.experiment, plan, (&job.survey, &job.codebook), basis);
    let (least, estimate) = (job.first_round().map(|plan| estimate_of(&plan)), estimate_of(&job.plan));
    check_amounts(&job.experiment, &estimate).or_usage()?;
    flags.pilot.check(&job)?;
    let folder = RunFolder::at(flags.runs.join(&job.run.0));
    let announcement = Announcement::new(&job, (least.as_ref(), &estimate), outlook_of(&job, &folder)?);
    if flags.dry_run {
        announcement.print(style)?;
        return Ok(Exit::Done);
    }
    job.check_none_of_manifest_1_in(&flags.runs).or_usage()?;
    let runtime = job.runtime()?;
    // Before the announcement, so that Ctrl-C stops the run in the same way from there on.
    let stop = stop_on_signals(&runtime)?;
    announcement.show(style);
    if job.experiment.transcripts
        && job.experiment.simulate.is_none()
        && let Some(warning) = transcript_room::warning(&job.experiment, &estimate, job.plan.cells_per_model())
    {
        note(&warning);
    }
    let there = disk_room::used(&flags.runs.join(&job.run.0));
    let needed = disk_room::needed(&job.experiment, &job.plan, &estimate).saturating_sub(there);
    if let Some(warning) = disk_room::warning(&flags.runs, needed) {
        note(&warning);
    }
    job.has_new_budget = new_budget::is_new(&job.experiment, &folder);
    // A run that was started before may be finished, and then needs neither keys nor servers.
    if !folder.was_begun() {
        mode.check(&job.experiment)?;
    }
    private_files::from_now_on();
    let _lock = folder.lock()?;
    guarded(&folder, || job.execute(&folder, style, (mode, flags.pilot), (runtime, stop)))
}

/// Refuses limits and budgets that no call would ever fit.
pub(super) fn check_amounts(experiment: &Experiment, estimate: &Estimate) -> anyhow::Result<()> {
    limit_flags::check(experiment, estimate)?;
    budget_flags::check(experiment, estimate)
}

fn check_providers(experiment: &Experiment) -> Result<(), ClientError> {
    if experiment.simulate.is_some() {
        return Ok(());
    }
    experiment.models.iter().try_for_each(|model| Client::new(model, Deadlines::default()).map(drop))
}

/// Checks the key for the embeddings, which this process requests in a fleet, too.
fn check_embeddings(experiment: &Experiment) -> Result<(), ClientError> {
    let wanted = experiment.simulate.is_none() && needs_retrieval(&experiment.methods);
    let mut settings = experiment.embeddings.iter().filter(|_| wanted);
    settings.try_for_each(|settings| EmbeddingsClient::new(settings, Deadlines::default()).map(drop))
}

impl Job {
    fn runtime(&self) -> anyhow::Result<Runtime> {
        let runtime = match &self.experiment.simulate {
            // The simulated provider of this process has the other half of the cores.
            Some(_) => Runtime::new(),
            None => beside_other_work(),
        };
        runtime.context("start the asynchronous runtime")
    }

    fn execute(
        &self,
        folder: &RunFolder,
        style: Style,
        (mode, pilot): (Mode<'_>, PilotFlags),
        (runtime, stop): (Runtime, CancellationToken),
    ) -> Result<Exit, Failure> {
        let ledger = self.open_ledger(folder)?;
        let finished = ledger.finished()?.count() as u64;
        self.say_what_is_without_transcript(&ledger, finished)?;
        // Once the rounds have ended, only the people whom they came to are left.
        let has_rounds = self.rounds(&ledger)?.is_some();
        let so_far = self.so_far(&ledger)?;
        let job = if has_rounds { self } else { &so_far };
        let after_pilot = if has_rounds {
            AfterPilot::GoOn
        } else {
            // What it serves over HTTP gives way to what the run serves.
            let of_pilot = stop.child_token();
            let _gives_way = of_pilot.clone().drop_guard();
            let mode = if let Mode::Fleet(_) = mode { mode } else { Mode::OneProcess(None) };
            let work = |first: &Self| runtime.block_on(first.work_in(mode, (&ledger, folder), style, &of_pilot));
            pilot.run(job, (&ledger, folder, style), work)?
        };
        // The results of a finished run need no key and no provider.
        let end = if let AfterPilot::Ended(end) = after_pilot {
            end
        } else if matches!(after_pilot, AfterPilot::Hold) {
            job.score_so_far(&ledger, folder, style, &stop)?;
            return Ok(Exit::Done);
        } else if !has_rounds && finished == job.plan.cells() {
            note("the run is already finished: these are its results, without new calls");
            FleetEnd::Finished
        } else {
            let working = job.work_in(mode, (&ledger, folder), style, &stop);
            // Whoever removes the folder wants no more to be paid for it.
            let working = async {
                tokio::select! {
                    biased;
                    end = working => end,
                    gone = folder.until_replaced() => Err(gone.into()),
                }
            };
            runtime.block_on(working).map_err(|failure| {
                failure.with_note("finished work is kept; once this is fixed, the same command resumes")
            })?
        };
        match end {
            FleetEnd::Finished => {
                let saying = runtime.spawn(say_when(stop.clone(), "stopping: press Ctrl-C again to exit at once"));
                let concluded = self.so_far(&ledger)?.conclude(&ledger, folder, style, &stop);
                saying.abort();
                concluded
            }
            FleetEnd::OutOfBudget => {
                self.so_far(&ledger)?.score_so_far(&ledger, folder, style, &stop)?;
                let raising = budget_flags::raising(&self.experiment, &self.run);
                note(&format!(
                    "stopped by the budget: no call was sent that could have passed it; finished work is kept. {raising}, and the same \
                     command goes on"
                ));
                Ok(Exit::OutOfBudget)
            }
            FleetEnd::Refused(refused) => {
                let exit = if refused.by_settings { Exit::Usage } else { Exit::Failed };
                let error =
                    anyhow::anyhow!("{refused}finished work is kept; once that is mended, the same command resumes");
                Err(Failure { exit, error, note: None })
            }
            FleetEnd::Cancelled { by } => {
                let run = &self.run;
                let error = anyhow::anyhow!(
                    "run {run} was cancelled by {by}; finished work is kept: `valuesim resume {run}` and then the same \
                     command resume it"
                );
                Err(Failure { exit: Exit::Cancelled, error, note: None })
            }
            FleetEnd::Interrupted => {
                note("interrupted: finished work is kept; the same command resumes");
                Ok(Exit::Interrupted)
            }
        }
    }

    /// Tells the user that cells which are finished already have no transcripts.
    fn say_what_is_without_transcript(&self, ledger: &Ledger, finished: u64) -> Result<(), Failure> {
        let without = finished.saturating_sub(ledger.transcripts()?);
        if self.experiment.transcripts && without > 0 {
            note(&format!(
                "--transcripts: {without} of the {finished} finished cells have no transcript and will not get one; transcripts are kept of cells that finish from now on"
            ));
        }
        Ok(())
    }

    /// Works in this process, or coordinates the workers of a fleet.
    async fn work_in(
        &self,
        mode: Mode<'_>,
        (ledger, folder): (&Arc<Ledger>, &RunFolder),
        style: Style,
        stop: &CancellationToken,
    ) -> Result<FleetEnd, Failure> {
        match mode {
            Mode::OneProcess(listen) => self.work(ledger, (folder, listen), style, stop).await,
            Mode::Fleet(flags) => Box::pin(self.coordinate(flags, ledger, folder, style, stop)).await,
        }
    }

    async fn work(
        &self,
        ledger: &Arc<Ledger>,
        (folder, listen): (&RunFolder, Option<Listening<'_>>),
        style: Style,
        stop: &CancellationToken,
    ) -> Result<FleetEnd, Failure> {
        // Before anything starts, because an address in use is the user's mistake.
        let (http_status, page) = match listen {
            Some(listening) => Some(listening.serve(&self.run, folder, stop).await?).unzip(),
            None => (None, None),
        };
        let mut models = self.experiment.models.clone();
        let simulator = match &self.experiment.simulate {
            Some(simulation) => Some(start_simulator(simulation, &self.codebook).await?),
            None => None,
        };
        if let Some(simulator) = &simulator {
            for model in &mut models {
                model.base_url = Some(simulator.base_url());
                model.replicas = Vec::new();
                model.api_key_env = None;
                model.api_key_file = None;
                model.api_key_name = None;
                model.headers.clear();
                model.ca_file = None;
                // It has no limits: there is nothing to find by a slow start.
                model.limits.requests_per_minute.get_or_insert(u32::MAX);
            }
        }
        if self.has_new_budget {
            new_budget::apply(&FolderControl::in_folder(folder.control()), folder, &self.run).await?;
        }
        let manifest = self.manifest(models);
        let embeddings_at = simulator.as_ref().map(Provider::base_url);
        let Some(prepared) = self.prepare_retrieval(folder, embeddings_at, stop).await? else {
            return Ok(FleetEnd::Interrupted);
        };
        let before = self.done_before(ledger, &prepared.spend)?;
        let parts = Parts {
            manifest,
            plan: &self.plan,
            survey: &self.survey,
            ledger,
            retrieval: prepared.retrieval,
            kept: Arc::clone(&self.kept),
            off_peak: self.off_peak(),
            live: self.live_scores(ledger),
            rounds: self.rounds(ledger)?,
            folder,
            spent_before: before.spend.cost,
            purses: self.experiment.purses(),
            spent_on_embeddings: prepared.spend.cost,
            http_status,
            tell: note,
        };
        let process = OneProcess::new(parts).await.map_err(as_failure)?;
        let end = self.watch(&process, before, style, stop).await;
        if let Some(page) = page {
            page.end().await;
        }
        if let Some(simulator) = simulator {
            simulator.stop().await;
        }
        end.map_err(as_failure)
    }

    /// Runs and shows the progress, until the end or until `stop` is cancelled.
    async fn watch(
        &self,
        process: &OneProcess,
        before: Before,
        style: Style,
        stop: &CancellationToken,
    ) -> anyhow::Result<FleetEnd> {
        let arms = self.experiment.methods.len() as f64;
        let predictions = self.plan.predictions_per_arm() as f64 * arms;
        let watch = Watch {
            progress: process.progress(),
            meter: process.meter(),
            before,
            waiting: process.waiting(),
            predictions_per_cell: predictions / self.plan.cells_per_model() as f64,
            priced: self.experiment.models.iter().all(|model| model.price.is_some())
                && self.embeddings().is_none_or(|embeddings| embeddings.price.is_some()),
        };
        let done = CancellationToken::new();
        let showing = tokio::spawn(watch.show(style, done.clone()));
        let stopping = "stopping: calls in flight are finished first; press Ctrl-C again to exit at once";
        let saying = tokio::spawn(say_when(stop.clone(), stopping));
        let end = process.run(stop).await;
        saying.abort();
        done.cancel();
        showing.await.context("show the progress")?;
        end
    }
}

/// A wrong key or an unknown model is a user's mistake, like a wrong flag.
pub(super) fn as_failure(error: anyhow::Error) -> Failure {
    let mistake = error.downcast_ref::<WorkerError>().is_some_and(WorkerError::is_configuration)
        || error.downcast_ref::<ProcessError>().is_some_and(ProcessError::is_configuration);
    let exit = if mistake { Exit::Usage } else { Exit::Failed };
    Failure { exit, error, note: None }
}
