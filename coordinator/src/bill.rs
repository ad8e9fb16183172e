//! The bill of a run: what its calls used and cost, by model, arm, stage, fold and day, from the ledger alone.

mod compare;
mod export_days;
mod text;
mod usage_export;

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Serialize;
use valuesim_shared::cell;
use valuesim_shared::day::Day;
use valuesim_shared::experiment::Experiment;
use valuesim_shared::id::ModelId;
use valuesim_shared::money::{NanoUsd, Tokens};
use valuesim_shared::outcome::{CellSpend, PartSpend, ReusedReplies, StageSpend};
use valuesim_shared::price::{Price, PriceTable};
use valuesim_shared::stage::Stage;

use crate::ledger::{Ledger, LedgerError};

pub use compare::{Comparison, compare};
pub use export_days::{ComparedDays, Period};
pub use text::{csv, text};
pub use usage_export::{ExportedRow, ExportedUsage, UsageExport, UsageExportError};

/// The bill of a run. Cells that are not finished are not in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bill {
    /// The run.
    pub run: String,
    /// The table of prices, if the run is priced anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_prices: Option<String>,
    /// Whether replies came from a simulated provider.
    pub simulated: bool,
    /// Cells that are finished. What others have cost is not in the bill.
    pub finished_cells: u64,
    /// Everything.
    pub total: Used,
    /// By model, arm, stage, fold and day, in this order.
    pub parts: Vec<Part>,
    /// What was paid for nothing, or twice.
    pub waste: Waste,
    /// What was not paid.
    pub saved: Saved,
    /// The models as they reported themselves, by their names in the experiment.
    pub reported_models: BTreeMap<String, Vec<String>>,
}

/// What a bill is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The model.
    Model,
    /// The method with its model. Calls that several arms share are counted in each.
    Arm,
    /// The stage.
    Stage,
    /// The fold.
    Fold,
    /// The day in UTC on which the cells were finished.
    Day,
}

impl By {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Arm => "arm",
            Self::Stage => "stage",
            Self::Fold => "fold",
            Self::Day => "day",
        }
    }
}

/// A line of the bill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// What the bill is divided by.
    pub by: By,
    /// Which part this is.
    pub key: String,
    /// What it used.
    #[serde(rename = "used")]
    pub used: Used,
}

/// What calls used.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Used {
    /// Requests sent.
    pub sent: u64,
    /// Requests answered.
    pub answered: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Requests whose end is unknown.
    pub abandoned: u64,
    /// Answered requests whose tokens the provider did not report.
    pub without_usage: u64,
    /// Tokens.
    pub tokens: Tokens,
    /// Their cost in billionths of a dollar; none if a price is unknown.
    pub cost_nano_usd: Option<NanoUsd>,
    /// What requests without a reported end probably cost beside.
    pub unsure_likely_nano_usd: Option<NanoUsd>,
    /// What they cost at most.
    pub unsure_at_most_nano_usd: Option<NanoUsd>,
    /// The tokens that they probably took: of replies without usage as counted here.
    pub unsure_likely_tokens: Tokens,
}

/// What was paid for nothing, or twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Waste {
    /// What failed, abandoned and uncounted requests probably cost.
    pub failed_nano_usd: Option<NanoUsd>,
    /// Asking again, with a reminder of the format or more room.
    pub asked_again: PartSpend,
    /// Replies that could not be used: those after which the model was asked again, and refusals.
    pub unusable: PartSpend,
}

/// What was not paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Saved {
    /// By the provider's cache: cached tokens at the price of input, less what they cost.
    pub by_cache_nano_usd: Option<NanoUsd>,
    /// By calls that several arms of a model share.
    pub by_sharing_nano_usd: Option<NanoUsd>,
    /// By replies that earlier runs had kept.
    pub by_reuse_nano_usd: Option<NanoUsd>,
    /// Replies that earlier runs had kept.
    pub reused: ReusedReplies,
}

impl Used {
    fn of(spend: &StageSpend, is_priced: bool) -> Self {
        let StageSpend { sent, answered, failed, abandoned, without_usage, tokens, cost, unsure, .. } = *spend;
        let money = |amount: NanoUsd| is_priced.then_some(amount);
        Self {
            sent,
            answered,
            failed,
            abandoned,
            without_usage,
            tokens,
            cost_nano_usd: money(cost),
            unsure_likely_nano_usd: money(unsure.likely_cost),
            unsure_at_most_nano_usd: money(unsure.at_most_cost),
            unsure_likely_tokens: unsure.likely,
        }
    }
}

/// How the calls of a run are priced.
struct Pricing<'a> {
    experiment: &'a Experiment,
    /// The table that replaces the prices of the run.
    table: Option<&'a PriceTable>,
}

impl Pricing<'_> {
    fn price(&self, model: ModelId) -> Option<&Price> {
        let settings = &self.experiment.models[model.0 as usize];
        match self.table {
            Some(table) => {
                let here = table.find(settings.name_at_provider(), settings.base_url.as_deref());
                Some(&here.or_else(|| table.find(settings.name_at_provider(), None))?.price)
            }
            None => settings.price.as_ref(),
        }
    }

    fn asked_tier(&self, model: ModelId) -> Option<&str> {
        self.experiment.models[usize::from(model.0)].asked_tier()
    }

    /// The spend of a cell that ended on this day at the prices of the table, if there is one: by the mean size of its calls, in the
    /// day's dearest hours.
    fn again(&self, model: ModelId, spend: &StageSpend, day: Option<Day>) -> StageSpend {
        let (Some(_), Some(price)) = (self.table, self.price(model)) else { return spend.clone() };
        let day = day.unwrap_or_else(|| Day::of(SystemTime::now()));
        let rates = price.dearest_rates(spend.tokens.input / spend.answered.max(1), day, 1);
        let mut again = spend.clone();
        again.cost = rates.cost(spend.tokens);
        again.unsure.likely_cost = rates.cost(spend.unsure.likely);
        again.unsure.at_most_cost = price.cost_at_most(spend.unsure.at_most, self.asked_tier(model));
        again.asked_again.cost = rates.cost(spend.asked_again.tokens);
        again.unusable.cost = rates.cost(spend.unusable.tokens);
        again
    }
}

/// Sums of a run's spend, by everything that a bill is divided by.
#[derive(Default)]
struct Sums {
    parts: BTreeMap<(By, String), StageSpend>,
    by_model_and_stage: BTreeMap<(ModelId, Stage), StageSpend>,
    reused: BTreeMap<ModelId, ReusedReplies>,
    reported_models: BTreeMap<String, Vec<String>>,
    simulated: bool,
    last_day: Option<Day>,
    finished_cells: u64,
}

impl Sums {
    fn add(&mut self, (model, name): (ModelId, &str), fold: u8, spend: &CellSpend) {
        self.finished_cells += 1;
        self.simulated |= spend.simulated();
        self.reused.entry(model).or_default().add(spend.reused);
        let mut names = CellSpend {
            reported_models: self.reported_models.remove(name).unwrap_or_default(),
            ..CellSpend::default()
        };
        names.add(&CellSpend { reported_models: spend.reported_models.clone(), ..CellSpend::default() });
        self.reported_models.insert(name.to_owned(), names.reported_models);
        self.last_day = self.last_day.max(spend.day);
        let day = spend.day.map_or_else(|| "unknown".to_owned(), |day| day.to_string());
        let total = spend.total();
        for (by, key) in [(By::Model, name.to_owned()), (By::Fold, fold.to_string()), (By::Day, day)] {
            self.parts.entry((by, key)).or_default().add(&total);
        }
        for (&stage, spend) in &spend.stages {
            self.by_model_and_stage.entry((model, stage)).or_default().add(spend);
        }
    }
}

impl Bill {
    /// The bill of the finished cells; at the prices of `table` if there is one.
    pub fn of(ledger: &Ledger, experiment: &Experiment, table: Option<&PriceTable>) -> Result<Self, LedgerError> {
        let pricing = Pricing { experiment, table };
        let mut sums = Sums::default();
        for (model, settings) in (0..).map(ModelId).zip(&experiment.models) {
            for row in ledger.spend(model)? {
                let (cell, mut spend) = row?;
                let day = spend.day;
                spend.stages.values_mut().for_each(|stage| *stage = pricing.again(model, stage, day));
                sums.add((model, &settings.name), cell.fold.number(), &spend);
            }
        }
        Ok(sums.bill(ledger.run()?.0, &pricing))
    }
}

impl Sums {
    fn bill(self, run: String, pricing: &Pricing<'_>) -> Bill {
        let is_priced =
            (0..).map(ModelId).zip(&pricing.experiment.models).all(|(model, _)| pricing.price(model).is_some());
        let mut total = StageSpend::default();
        self.by_model_and_stage.values().for_each(|spend| total.add(spend));
        let waste = Waste {
            failed_nano_usd: is_priced.then_some(total.unsure.likely_cost),
            asked_again: total.asked_again,
            unusable: total.unusable,
        };
        Bill {
            run,
            at_prices: pricing.table.map(|table| table.version.clone()),
            simulated: self.simulated,
            finished_cells: self.finished_cells,
            total: Used::of(&total, is_priced),
            waste,
            saved: self.saved(pricing, is_priced),
            parts: self.all_parts(pricing),
            reported_models: self.reported_models,
        }
    }

    fn all_parts(&self, pricing: &Pricing<'_>) -> Vec<Part> {
        let mut parts = self.parts.clone();
        for (&(_, stage), spend) in &self.by_model_and_stage {
            parts.entry((By::Stage, stage.name().into_owned())).or_default().add(spend);
        }
        for (model, settings) in (0..).map(ModelId).zip(&pricing.experiment.models) {
            for method in &pricing.experiment.methods {
                let arm = parts.entry((By::Arm, format!("{method} {}", settings.name))).or_default();
                for stage in cell::stages(&[*method]) {
                    arm.add(self.by_model_and_stage.get(&(model, stage)).unwrap_or(&StageSpend::default()));
                }
            }
        }
        let priced = |name: &str| {
            let of_name =
                (0..).map(ModelId).zip(&pricing.experiment.models).filter(|(_, model)| name.ends_with(&model.name));
            let unpriced =
                (0..).map(ModelId).zip(&pricing.experiment.models).any(|(model, _)| pricing.price(model).is_none());
            !unpriced || of_name.map(|(model, _)| model).any(|model| pricing.price(model).is_some())
        };
        let part = |((by, key), spend): ((By, String), StageSpend)| {
            let used = Used::of(&spend, priced(&key));
            Part { by, key, used }
        };
        parts.into_iter().map(part).collect()
    }

    fn saved(&self, pricing: &Pricing<'_>, is_priced: bool) -> Saved {
        let (mut cache, mut sharing, mut reuse, mut reused) =
            (NanoUsd(0), NanoUsd(0), NanoUsd(0), ReusedReplies::default());
        let day = self.last_day.unwrap_or_else(|| Day::of(SystemTime::now()));
        for (&(model, stage), spend) in &self.by_model_and_stage {
            let arms =
                pricing.experiment.methods.iter().filter(|method| cell::stages(&[**method]).contains(&stage)).count();
            sharing += spend.cost.times((arms as u64).saturating_sub(1));
            let Some(price) = pricing.price(model) else { continue };
            let rates = price.dearest_rates(spend.tokens.input / spend.answered.max(1), day, 1);
            let cached = Tokens { input: spend.tokens.cached, ..Tokens::default() };
            cache += rates.cost(cached) - rates.cost(Tokens { cached: cached.input, ..cached });
        }
        for (&model, replies) in &self.reused {
            reused.add(*replies);
            let mean_input = replies.tokens.input / replies.replies.max(1);
            reuse += pricing
                .price(model)
                .map(|price| price.dearest_rates(mean_input, day, 1).cost(replies.tokens))
                .unwrap_or_default();
        }
        let money = |amount: NanoUsd| is_priced.then_some(amount);
        Saved {
            by_cache_nano_usd: money(cache),
            by_sharing_nano_usd: money(sharing),
            by_reuse_nano_usd: money(reuse),
            reused,
        }
    }
}
