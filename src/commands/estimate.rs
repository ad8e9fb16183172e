//! `valuesim estimate`: what a run will take, before it starts and while cells are left.

mod text;

use std::sync::Arc;

use serde::Serialize;
use valuesim_coordinator::estimate::{Estimate, Estimator, Measured, estimate};
use valuesim_coordinator::outlook::Outlook;

use super::expectation::Expectation;
use super::job::Job;
use super::measured::measured;
use super::outlook::outlook_of;
use super::reuse::{Reuse, kept_replies, reuses};
use super::run::{CheapHours, Flags, check_amounts, check_when, saved_off_peak};
use crate::exit::{Exit, Failure, OrUsage as _};
use crate::output::{print, print_json};
use crate::run_folder::RunFolder;

/// What is said of a run.
#[derive(Serialize)]
struct Said<'a> {
    run: &'a str,
    /// What the first round takes, if people are asked in rounds: `estimate` is then what all people take.
    #[serde(skip_serializing_if = "Option::is_none")]
    estimate_of_first_round: Option<Estimate>,
    estimate: Estimate,
    /// What each method takes if it is the only one; none if it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    alone: Vec<Alone>,
    /// What earlier runs save.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reuse: Vec<Reuse<'a>>,
    /// From the cells that are finished; none if there are none.
    outlook: Option<Outlook>,
    #[serde(flatten)]
    expectation: Expectation,
    /// What it saves that cells begin in cheap hours.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    off_peak: Vec<CheapHours<'a>>,
    #[serde(skip)]
    job: &'a Job,
}

/// What a method takes without the others, with which it shares calls.
#[derive(Serialize)]
struct Alone {
    method: String,
    estimate: Estimate,
}

/// Prints the estimate. Makes no call.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    let mut job = Job::prepare(flags.experiment()?)?;
    job.when = flags.when;
    check_when(job.when, &job.experiment).or_usage()?;
    job.kept = Arc::new(kept_replies(&job, flags));
    let folder = RunFolder::at(flags.runs.join(&job.run.0));
    let said = Said::of(&job, outlook_of(&job, &folder)?, &measured(&job, &flags.runs));
    check_amounts(&job.experiment, &said.estimate).or_usage()?;
    if flags.json {
        print_json(&said)?;
    } else {
        print(&text::text(&said))?;
    }
    Ok(Exit::Done)
}

impl<'a> Said<'a> {
    fn of(job: &'a Job, outlook: Option<Outlook>, measured: &Measured) -> Self {
        let data = (job.survey.as_ref(), job.codebook.as_ref());
        let basis = (measured, job.when.call_hours());
        let estimator = Estimator::new(&job.experiment, &job.plan, data, basis);
        let estimate_of_first_round = job.first_round().map(|plan| estimate(&job.experiment, &plan, data, basis));
        let whole = estimator.of(&job.experiment.methods);
        let methods = job.experiment.methods.iter().filter(|_| job.experiment.methods.len() > 1);
        let alone = methods.map(|method| Alone { method: method.to_string(), estimate: estimator.of(&[*method]) });
        let expectation = Expectation::of(job, &whole);
        let off_peak = saved_off_peak(job.when, &job.experiment, &whole);
        let (run, alone, reuse) = (job.run.0.as_str(), alone.collect(), reuses(job, &whole));
        Self { run, estimate_of_first_round, off_peak, alone, reuse, outlook, expectation, estimate: whole, job }
    }
}
