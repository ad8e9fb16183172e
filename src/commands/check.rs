//! `valuesim check`: asks each endpoint of an experiment one tiny question, and looks at servers and disk, before a run.

mod disk;
mod endpoint;
mod finding;
mod servers;

use anyhow::Context as _;
use clap::Args;
use futures_util::future::join_all;
use serde::Serialize;
use valuesim_coordinator::estimate::estimate;
use valuesim_shared::cell::needs_retrieval;
use valuesim_shared::money::NanoUsd;

use self::finding::{Finding, Grade, Group};
use super::job::Job;
use super::measured::measured;
use super::run;
use crate::exit::{Exit, Failure, OrUsage as _};
use crate::output::{print, print_json};
use crate::runtime::beside_other_work;
use crate::servers::ServerFlags;

/// What `valuesim check` takes.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Flags {
    #[command(flatten)]
    run: run::Flags,

    #[command(flatten)]
    servers: ServerFlags,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Checked {
    run: String,
    groups: Vec<Group>,
    /// What the questions cost, as far as that is known.
    cost_usd: f64,
    #[serde(skip)]
    cost: NanoUsd,
    /// Whether the cost of some is not known.
    cost_is_partly_unknown: bool,
}

/// Checks everything, and prints what was found.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    let job = Job::prepare(flags.run.experiment()?)?;
    let addresses = flags.servers.addresses_if_given("valuesim check").or_usage()?;
    let asked = addresses_of_models(&job);
    let basis = (&measured(&job, &flags.run.runs), job.when.call_hours());
    let estimate = estimate(&job.experiment, &job.plan, (&job.survey, &job.codebook), basis);
    let runtime = beside_other_work().context("start the asynchronous runtime")?;
    let mut checked = Checked::of(&job.run.0);
    runtime.block_on(async {
        for found in join_all(asked.iter().map(endpoint::check)).await {
            checked.add(found);
        }
        let retrieves = job.experiment.simulate.is_none() && needs_retrieval(&job.experiment.methods);
        if let Some(settings) = job.experiment.embeddings.as_ref().filter(|_| retrieves) {
            checked.add(endpoint::check_embeddings(settings).await);
        }
        if job.experiment.simulate.is_some() {
            checked.groups.push(endpoint::simulated());
        }
        if let Some(addresses) = &addresses {
            checked.groups.extend(servers::check(addresses).await);
        }
    });
    checked.groups.push(disk::check(&flags.run.runs, &job, &estimate));
    if flags.run.json {
        print_json(&checked)?;
    } else {
        print(&checked.text())?;
    }
    Ok(checked.exit())
}

/// Each address of each model; none if they are simulated.
fn addresses_of_models(job: &Job) -> Vec<endpoint::AtAddress> {
    let asked = job.experiment.models.iter().filter(|_| job.experiment.simulate.is_none());
    asked.flat_map(|model| model.at_each_address().map(endpoint::AtAddress).collect::<Vec<_>>()).collect()
}

impl Checked {
    fn of(run: &str) -> Self {
        let (groups, cost) = (Vec::new(), NanoUsd::default());
        Self { run: run.to_owned(), groups, cost_usd: 0.0, cost, cost_is_partly_unknown: false }
    }

    fn add(&mut self, (group, cost): (Group, Option<NanoUsd>)) {
        self.groups.push(group);
        self.cost += cost.unwrap_or_default();
        self.cost_usd = self.cost.dollars();
        self.cost_is_partly_unknown |= cost.is_none();
    }

    fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.groups.iter().flat_map(|group| &group.findings)
    }

    /// Settings before failures, and both before what could not be looked at.
    fn exit(&self) -> Exit {
        let has = |grade: Grade| self.findings().any(|finding| finding.grade == grade);
        if has(Grade::Setting) {
            Exit::Usage
        } else if has(Grade::Bad) {
            Exit::Failed
        } else if has(Grade::Unknown) {
            Exit::NotLooked
        } else {
            Exit::Done
        }
    }

    fn text(&self) -> String {
        let mut text = format!("Check of run {}\n", self.run);
        self.groups.iter().for_each(|group| text += &group.text());
        let known =
            if self.cost_is_partly_unknown { "; the cost of some is not known" } else { ". None may cost a cent" };
        text += &format!("\nThe questions cost ${:.6}{known}.\n", self.cost_usd);
        text + match self.exit() {
            Exit::Done => "Nothing stands in the way of the run.\n",
            Exit::NotLooked => "Something could not be checked.\n",
            _ => "The run would stop: mend what is marked.\n",
        }
    }
}
