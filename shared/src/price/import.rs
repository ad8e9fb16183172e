//! Reads tables of prices that others make: LiteLLM's and those of genai-prices.

mod amount;
mod genai_prices;
mod hosts;
mod litellm;

use serde_json::Value;

use super::table::{PriceTable, TableError};

/// Reads a table of prices in any known form: this program's TOML, LiteLLM's `model_prices_and_context_window.json`, or the
/// `data.json` or `data_slim.json` of genai-prices. `name` says in the table's version where an imported one comes from.
pub fn read(text: &str, name: &str) -> Result<PriceTable, TableError> {
    let json = match text.trim_start().chars().next() {
        Some('{' | '[') => serde_json::from_str(text).map_err(|error| TableError::Unreadable(error.to_string()))?,
        _ => return PriceTable::from_toml(text),
    };
    let models = match &json {
        Value::Object(entries) => litellm::models(entries)?,
        Value::Array(providers) => genai_prices::models(providers)?,
        _ => Vec::new(),
    };
    hosts::table(name, models).checked()
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
}
