//! `--when`: lets cells begin in the hours in which their model is cheapest.

use std::time::SystemTime;

use anyhow::bail;
use serde::Serialize;
use valuesim_coordinator::estimate::Estimate;
use valuesim_coordinator::off_peak::{depends_on_the_hour, wait};
use valuesim_shared::experiment::Experiment;
use valuesim_shared::money::NanoUsd;

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
pub(super) struct CheapHours<'a> {
    pub(super) model: &'a str,
    /// The likely calls' price, on average over all hours of a week, less that in the cheapest ones.
    pub(super) saves: NanoUsd,
    /// How long the first cells wait.
    pub(super) first_wait_seconds: u64,
}

/// Refuses to wait for cheap hours that no model has.
pub(super) fn check(when: When, experiment: &Experiment) -> anyhow::Result<()> {
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

/// What cheap hours save, for each model that has some.
pub(super) fn saved<'a>(when: When, experiment: &'a Experiment, estimate: &Estimate) -> Vec<CheapHours<'a>> {
    if when == When::Any {
        return Vec::new();
    }
    let now = SystemTime::now();
    let models = experiment.models.iter().zip(&estimate.models);
    let of_model = models.filter_map(|(model, estimate)| {
        let price = model.price.as_ref().filter(|price| depends_on_the_hour(price, now))?;
        let (average, cheapest) = price.around_the_clock_and_cheapest(estimate.tokens, now);
        Some(CheapHours {
            model: &model.name,
            saves: average - cheapest,
            first_wait_seconds: wait(price, now).as_secs(),
        })
    });
    of_model.collect()
}
