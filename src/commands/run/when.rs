//! `--when`: lets cells begin in the hours in which their model is cheapest.

use std::time::{Duration, SystemTime};

use anyhow::bail;
use serde::Serialize;
use valuesim_coordinator::estimate::Estimate;
use valuesim_coordinator::off_peak::{depends_on_the_hour, ends_after, wait};
use valuesim_shared::experiment::Experiment;
use valuesim_shared::money::NanoUsd;

use crate::age::in_time;

/// When cells may begin.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::commands) enum When {
    /// At any hour.
    #[default]
    Any,
    /// In the hours in which the model costs least.
    OffPeak,
}

/// What cheap hours save at one model.
#[derive(Debug, Serialize)]
pub(in crate::commands) struct CheapHours<'a> {
    pub(super) model: &'a str,
    /// The likely calls' price, on average over all hours of a week, less that in the cheapest ones.
    pub(super) saves: NanoUsd,
    /// How long the first cells wait.
    pub(super) first_wait_seconds: u64,
    /// When the last cells end, if the model's limits alone take the time.
    pub(super) ends_after_seconds: u64,
}

impl CheapHours<'_> {
    /// The same for people.
    pub(in crate::commands) fn text(&self) -> String {
        let Self { model, saves, first_wait_seconds, ends_after_seconds } = self;
        let wait = match first_wait_seconds.div_ceil(60) {
            0 => "the first begin now".to_owned(),
            minutes => format!("the first begin in {minutes} {}", if minutes == 1 { "minute" } else { "minutes" }),
        };
        let ends = in_time(*ends_after_seconds as f64 / 3_600.0);
        format!(
            "off-peak: cells of {model} begin in its cheapest hours, which saves about {saves} against a run around the clock; \
             {wait}, the last end in about {ends}"
        )
    }
}

/// Refuses to wait for cheap hours that no model has.
pub(in crate::commands) fn check(when: When, experiment: &Experiment) -> anyhow::Result<()> {
    let now = SystemTime::now();
    let mut prices = experiment.models.iter().filter_map(|model| model.price.as_ref());
    if when == When::OffPeak && !prices.any(|price| depends_on_the_hour(price, now)) {
        bail!(
            "--when off-peak: no model of the experiment has a price that depends on the hour; leave it out, or state the hours \
             in `price.variants` of the experiment file"
        );
    }
    Ok(())
}

/// What cheap hours save, for each model that has some. `hours` is how long the calls of each model take.
pub(in crate::commands) fn saved<'a>(
    when: When,
    experiment: &'a Experiment,
    estimate: &Estimate,
    hours: &[f64],
) -> Vec<CheapHours<'a>> {
    if when == When::Any {
        return Vec::new();
    }
    let now = SystemTime::now();
    let models = experiment.models.iter().zip(&estimate.models).zip(hours);
    let of_model = models.filter_map(|((model, estimate), hours)| {
        let price = model.price.as_ref().filter(|price| depends_on_the_hour(price, now))?;
        let (average, cheapest) = price.around_the_clock_and_cheapest(estimate.tokens, now);
        let takes = Duration::try_from_secs_f64(hours * 3_600.0).unwrap_or(Duration::MAX);
        Some(CheapHours {
            model: &model.name,
            saves: average - cheapest,
            first_wait_seconds: wait(price, now).as_secs(),
            ends_after_seconds: ends_after(price, now, takes).as_secs(),
        })
    });
    of_model.collect()
}
