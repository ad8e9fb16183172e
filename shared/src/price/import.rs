//! Reads tables of prices that others make: LiteLLM's and those of genai-prices.

mod amount;
mod entries;
mod genai_prices;
mod hosts;
mod litellm;

use serde_json::Value;

use entries::Entries;

use super::table::{PriceTable, PricedModel, TableError};

/// What could be read of a file of prices.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// The entries that are sound.
    pub table: PriceTable,
    /// What is wrong with others.
    pub wrong: Vec<TableError>,
    /// Language models without a price of input or of output.
    pub unpriced: Vec<String>,
}

/// Reads a table of prices in any known form: this program's TOML, LiteLLM's `model_prices_and_context_window.json`, or the
/// `data.json` or `data_slim.json` of genai-prices. `name` says in the table's version where an imported one comes from.
///
/// # Errors
/// If an entry is wrong; all of these are named.
pub fn read(text: &str, name: &str) -> Result<PriceTable, TableError> {
    match entries(text)? {
        Some(Entries { models, wrong, .. }) => hosts::table(name, models).checked(wrong),
        None => PriceTable::from_toml(text),
    }
}

/// As [`read`], but leaves out wrong entries of the tables of others, and all of a model that costs two prices at one host.
///
/// # Errors
/// If nothing is left.
pub fn read_sound(text: &str, name: &str) -> Result<Import, TableError> {
    let Some(Entries { models, mut wrong, unpriced }) = entries(text)? else {
        let table = PriceTable::from_toml(text)?;
        return Ok(Import { table, wrong: Vec::new(), unpriced: Vec::new() });
    };
    let mut table = hosts::table(name, models);
    let contradictions = table.contradictions();
    let problems: Vec<_> = table.models.iter().map(|model| table.problem(model)).collect();
    let twice = |model: &PricedModel| contradictions.iter().any(|error| error.model() == Some(model.name.as_str()));
    let mut is_sound = problems.iter().zip(&table.models).map(|(problem, model)| problem.is_none() && !twice(model));
    let is_sound: Vec<bool> = is_sound.by_ref().collect();
    let mut sound = is_sound.into_iter();
    table.models.retain(|_| sound.next().unwrap_or(false));
    wrong.extend(problems.into_iter().flatten().chain(contradictions));
    if table.models.is_empty() {
        return Err(TableError::of_all(wrong).unwrap_or(TableError::Empty));
    }
    Ok(Import { table: table.checked(Vec::new())?, wrong, unpriced })
}

/// The entries of a table that others made; none if the text is no JSON.
fn entries(text: &str) -> Result<Option<Entries>, TableError> {
    if !text.trim_start().starts_with(['{', '[']) {
        return Ok(None);
    }
    let json = serde_json::from_str(text).map_err(|error| TableError::Unreadable(error.to_string()))?;
    Ok(Some(match &json {
        Value::Object(entries) => litellm::entries(entries),
        Value::Array(providers) => genai_prices::entries(providers),
        _ => Entries::default(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_tables_are_refused() {
        let check = |text: &str, expected: &str| {
            let error = read(text, "a file").expect_err("is refused").to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("", "expected a table of prices");
        check("{", "expected a table of prices");
        check("{}", "no language model with a price");
        check("[]", "no language model with a price");
        check(r#"{"version": 1, "run": "r"}"#, "no language model with a price");
        check(r#"{"m": {"input_cost_per_token": "much", "output_cost_per_token": 1}}"#, "\"m\": input_cost_per_token");
        check(r#"{"m": {"input_cost_per_token": -1e-6, "output_cost_per_token": 1e-6}}"#, "\"m\": price -1");
        check(r#"[{"id": "p", "models": [{"id": "m", "prices": 5}]}]"#, "\"m\"");
        check(r#"[{"id": "p", "models": [{"id": "m", "prices": {"input_mtok": -3, "output_mtok": 1}}]}]"#, "price -3");
    }
    #[test]
    fn sound_entries_are_imported_and_what_is_left_out_is_named() {
        let text = r#"{"m": {"input_cost_per_token": "much", "output_cost_per_token": 1e-6},
            "n": {"input_cost_per_token": 1e-6, "output_cost_per_token": 1e9},
            "input-alone": {"input_cost_per_token": 1e-6}, "null": {"input_cost_per_token": null, "output_cost_per_token": 1e-6},
            "h/two": {"litellm_provider": "h", "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6},
            "two": {"litellm_provider": "h", "input_cost_per_token": 2e-6, "output_cost_per_token": 1e-6},
            "good": {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}}"#;
        let Import { table, wrong, unpriced } = read_sound(text, "v").expect("one is sound");
        let names: Vec<&str> = table.models.iter().map(|model| model.name.as_str()).collect();
        assert_eq!((names, table.models[0].price.output_usd_per_million), (vec!["good"], 2.0));
        let wrong: Vec<_> = wrong.iter().map(|error| error.model().expect("an entry")).collect();
        assert_eq!(wrong, ["m", "n", "two"]);
        assert_eq!(unpriced, ["input-alone", "null"]);
        let all = read(text, "v").expect_err("is not sound").to_string();
        assert!(all.contains("\"m\": input_cost_per_token") && all.contains("\"n\": price 1000000000000000"), "{all}");
    }
}
