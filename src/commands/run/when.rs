//! `--when`: lets cells begin in the hours in which their model is cheapest.

use std::time::{Duration, SystemTime};

use anyhow::bail;
use serde::Serialize;
use valuesim_coordinator::estimate::{CallHours, Estimate};
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

impl When {
    /// When the calls of a run that begins now are made.
    pub(in crate::commands) fn call_hours(self) -> CallHours {
        let now = SystemTime::now();
        match self {
            Self::Any => CallHours::From(now),
            Self::OffPeak => CallHours::CheapestFrom(now),
        }
    }
}

/// What cheap hours save at one model.
#[derive(Debug, Serialize)]
pub(in crate::commands) struct CheapHours<'a> {
    pub(super) model: &'a str,
    /// The likely cost of a run that begins now, at any hour, less that in the cheapest hours.
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
        let saves = if saves.0 == 0 { "nothing".to_owned() } else { format!("about {saves}") };
        let ends = in_time(Duration::from_secs(*ends_after_seconds));
        format!(
            "off-peak: cells of {model} begin in its cheapest hours, which saves {saves} against a run that begins now at any hour; \
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

/// What cheap hours save, for each model that has some.
pub(in crate::commands) fn saved<'a>(
    when: When,
    experiment: &'a Experiment,
    estimate: &Estimate,
) -> Vec<CheapHours<'a>> {
    if when == When::Any {
        return Vec::new();
    }
    let hours = when.call_hours();
    let now = hours.begin();
    let models = experiment.models.iter().zip(&estimate.models);
    let of_model = models.filter_map(|(model, estimate)| {
        let price = model.price.as_ref().filter(|price| depends_on_the_hour(price, now))?;
        let cost = |hours| estimate.cost_at(price, hours).likely;
        Some(CheapHours {
            model: &model.name,
            saves: cost(hours.any()) - cost(hours),
            first_wait_seconds: wait(price, now).as_secs(),
            ends_after_seconds: ends_after(price, now, estimate.takes).as_secs(),
        })
    });
    of_model.collect()
}
