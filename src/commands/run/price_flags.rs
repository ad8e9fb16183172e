//! The flags of `valuesim run` that say what tokens cost.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use valuesim_shared::experiment::Experiment;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::price::{Price, PriceTable};

use crate::commands::prices;
use crate::exit::{Failure, OrUsage as _};
use crate::output::note;

/// What `valuesim run` and `valuesim coordinate` take on prices.
#[derive(Debug, Args)]
pub(super) struct PriceFlags {
    /// The model's price in US dollars for a million tokens: input, perhaps cached input, and output [default: the price table's]
    #[arg(long, value_name = "IN,[CACHED,]OUT", env = "VALUESIM_PRICE", value_parser = price, help_heading = "Money")]
    price: Option<Price>,

    /// A file of prices that goes before those of this release: from `valuesim prices import`, of LiteLLM, or of genai-prices
    #[arg(long, value_name = "FILE", env = "VALUESIM_PRICES", help_heading = "Money")]
    prices: Option<PathBuf>,

    /// Run although a model's price is unknown: its cost is then reported as unknown
    #[arg(long, env = "VALUESIM_PRICE_UNKNOWN", help_heading = "Money")]
    price_unknown: bool,
}

impl PriceFlags {
    /// Overrides what the experiment says on prices.
    pub(super) fn apply(&self, experiment: &mut Experiment) -> Result<(), Failure> {
        experiment.price_unknown |= self.price_unknown;
        if let Some(price) = &self.price {
            set_price(price, experiment).or_usage()?;
        }
        if let Some(file) = &self.prices {
            let table = prices::read(file)?;
            for model in &mut experiment.models {
                model.fill_in_price(&table);
                if let Some(text) = only_elsewhere(model, &table) {
                    note(&format!("{}: {text}", file.display()));
                }
            }
        }
        Ok(())
    }
}

/// What to do about a model that a table has, but not at the model's address.
fn only_elsewhere(model: &ModelSettings, table: &PriceTable) -> Option<String> {
    let (name, None, Some(address)) = (model.name_at_provider(), &model.price, &model.base_url) else { return None };
    let hosts: BTreeSet<&str> =
        table.models.iter().filter(|known| known.name == name).map(|known| known.host.as_str()).collect();
    let all = hosts.iter().copied().collect::<Vec<_>>().join(", ");
    let said = format!("it has {name} at {all}, which may not be {address}: say what it costs there with --price");
    Some(said).filter(|_| !hosts.is_empty())
}

fn set_price(price: &Price, experiment: &mut Experiment) -> anyhow::Result<()> {
    let count = experiment.models.len();
    let [model] = experiment.models.as_mut_slice() else {
        bail!(
            "--price applies to one model, but there are {count}: name one with --model, or put `price` into an experiment file"
        );
    };
    model.price = Some(price.clone());
    Ok(())
}

fn price(text: &str) -> Result<Price, String> {
    let amounts: Option<Vec<f64>> = text.split(',').map(|amount| amount.trim().parse().ok()).collect();
    let price = match amounts.as_deref() {
        Some(&[input, output]) => Price::flat(input, None, output),
        Some(&[input, cached, output]) => Price::flat(input, Some(cached), output),
        _ => return Err("expected US dollars for a million tokens of input, perhaps of cached input, and of output, such as 0.15,0.6".to_owned()),
    };
    let implausible = price.implausible();
    implausible.map_or(Ok(price), |usd| Err(format!("{usd}: expected US dollars for a million tokens, 0 to 1000000")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_has_two_or_three_amounts_that_are_no_mistakes() {
        assert_eq!(price("0.15,0.6"), Ok(Price::flat(0.15, None, 0.6)));
        assert_eq!(price("0.15, 0.075, 0.6"), Ok(Price::flat(0.15, Some(0.075), 0.6)));
        for wrong in ["0.15", "a,b", "1,2,3,4", "-1,2", "1,nan", ""] {
            assert!(price(wrong).is_err(), "{wrong}");
        }
    }
}
