//! A pilot: the first cells of a run for real, and what the rest will take.

use std::sync::Arc;

use anyhow::bail;
use clap::Args;
use serde::Serialize;
use valuesim_coordinator::fleet::FleetEnd;
use valuesim_coordinator::ledger::Ledger;
use valuesim_coordinator::outlook::Outlook;
use valuesim_coordinator::pilot::pilot_plan;
use valuesim_shared::cell::needs_retrieval;
use valuesim_shared::control::{Control as _, FolderControl, Forecast};
use valuesim_shared::experiment::Experiment;
use valuesim_shared::money::NanoUsd;

use super::budget_flags::usd;
use crate::commands::job::Job;
use crate::commands::outlook_text::measured;
use crate::exit::{Failure, OrUsage as _};
use crate::output::{note, write_event};
use crate::progress::Style;
use crate::run_folder::RunFolder;

/// What `valuesim run` takes on a pilot.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct PilotFlags {
    /// Run this many cells first, say what the rest will cost, and hold: the same command without --pilot goes on
    #[arg(long, value_name = "N", env = "VALUESIM_PILOT", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Money")]
    pilot: Option<u64>,

    /// Go on after the pilot if the whole run costs at most this much, by the upper end of the 90 % interval
    #[arg(long, value_name = "USD", env = "VALUESIM_YES_BELOW", value_parser = usd, requires = "pilot", help_heading = "Money")]
    yes_below: Option<f64>,
}

/// What comes after a pilot.
pub(super) enum AfterPilot {
    /// The rest.
    GoOn,
    /// The user's word is waited for.
    Hold,
    /// The pilot did not finish.
    Ended(FleetEnd),
}

impl PilotFlags {
    /// Checks that a pilot can be held.
    pub(super) fn check(self, job: &Job) -> Result<(), Failure> {
        if self.pilot.is_some() && job.experiment.sample.is_in_rounds() {
            let refused = || -> anyhow::Result<()> {
                bail!("--pilot: this run asks people in rounds, each of which is a pilot of the next; leave it out")
            };
            return refused().or_usage();
        }
        self.check_prices(&job.experiment).or_usage()
    }

    /// Nothing is surely below a sum whose price is unknown.
    fn check_prices(self, experiment: &Experiment) -> anyhow::Result<()> {
        if self.yes_below.is_none() || experiment.simulate.is_some() {
            return Ok(());
        }
        let name_unless = |is_known: bool, kind: &str, name: &str| (!is_known).then(|| format!("{kind} {name:?}"));
        let of_models = experiment.models.iter().filter_map(|it| name_unless(it.price.is_some(), "model", &it.name));
        let embeddings = experiment.embeddings.iter().filter(|_| needs_retrieval(&experiment.methods));
        let of_embeddings = embeddings.filter_map(|it| name_unless(it.price.is_some(), "embeddings", &it.name));
        let unknown: Vec<String> = of_models.chain(of_embeddings).collect();
        if !unknown.is_empty() {
            bail!(
                "--yes-below: the price of {} is unknown, so nothing says that the run costs less: say a price (--price, or \
                 --embeddings-price), or leave --yes-below out, look at what the pilot used, and start the same command without --pilot",
                unknown.join(", ")
            );
        }
        Ok(())
    }

    /// Lets `work` run the first cells unless they are finished, and decides whether the run goes on.
    pub(super) fn run(
        self,
        job: &Job,
        (ledger, folder, style): (&Arc<Ledger>, &RunFolder, Style),
        work: impl FnOnce(&Job) -> Result<FleetEnd, Failure>,
    ) -> Result<AfterPilot, Failure> {
        let Some(cells) = self.pilot else { return Ok(AfterPilot::GoOn) };
        let first = Job { plan: Arc::new(pilot_plan(&job.plan, ledger, &job.kept, cells)?), ..job.clone() };
        if (ledger.finished()?.count() as u64) < first.plan.cells() {
            note(&format!("pilot: the first {} of {} cells", first.plan.cells(), job.plan.cells()));
            let end = work(&first)?;
            if !matches!(end, FleetEnd::Finished) {
                return Ok(AfterPilot::Ended(end));
            }
        }
        let outlook = Outlook::of(ledger, (&job.experiment, &job.plan), &job.kept)?;
        for model in &outlook.models {
            note(measured(model, &job.experiment.models[model.model.0 as usize].name).trim());
        }
        if let Some((low, high)) = outlook.interval().filter(|(_, high)| *high > NanoUsd(0)) {
            let forecast = Forecast { low, high, is_left: false, taken_over: outlook.taken_over() };
            FolderControl::in_folder(folder.control()).keep_forecast(&job.run, &forecast)?;
        }
        let after = if is_nothing_left(job, &outlook) { AfterPilot::GoOn } else { self.decide(&outlook) };
        if let Style::Json = style {
            let is_held = matches!(after, AfterPilot::Hold);
            write_event(&PilotDone { run: &job.run.0, is_held, outlook: &outlook });
        }
        Ok(after)
    }

    fn decide(self, outlook: &Outlook) -> AfterPilot {
        let allowed = self.yes_below.map(nano);
        match (allowed, outlook.interval()) {
            (Some(allowed), Some((_, most))) if most <= allowed => {
                note(&format!("goes on: the whole run costs at most {most}, and --yes-below allows {allowed}"));
                AfterPilot::GoOn
            }
            (_, interval) => {
                if !outlook.is_cost_known() {
                    note("what the rest costs is not known: see the models above");
                } else if interval.is_none() {
                    note("how far the rest may cost more is unknown: fewer than two cells of a model were paid for");
                }
                note("held after the pilot: the same command without --pilot goes on");
                AfterPilot::Hold
            }
        }
    }
}

/// The event of a pilot that has ended.
#[derive(Serialize)]
#[serde(tag = "event", rename = "pilot")]
struct PilotDone<'a> {
    run: &'a str,
    /// Whether the run waits for a word; else it goes on, or nothing is left.
    is_held: bool,
    outlook: &'a Outlook,
}

/// Whether the pilot has finished all cells of the run.
fn is_nothing_left(job: &Job, outlook: &Outlook) -> bool {
    outlook.models.len() == job.experiment.models.len() && outlook.models.iter().all(|model| model.left == 0)
}

/// Dollars as an exact amount; the flag has checked the range.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to lie in 0..=1e9")]
fn nano(usd: f64) -> NanoUsd {
    NanoUsd((usd * 1e9).round() as u64)
}
