//! Reads what a provider says it was used for: OpenAI's usage in JSON, or a CSV file with a line for each model and time.

use std::collections::BTreeMap;

use serde_json::Value;
use valuesim_shared::money::{NanoUsd, Tokens};

/// What a provider counted for one model.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct ExportedUsage {
    /// Requests; none if the export does not say.
    pub requests: Option<u64>,
    /// Tokens.
    pub tokens: Tokens,
    /// The cost; none if the export does not say.
    pub cost: Option<NanoUsd>,
}

/// Why an export cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum UsageExportError {
    /// It is neither of the two forms.
    #[error(
        "expected OpenAI's usage in JSON (data[].results[] with model, input_tokens and output_tokens), or a CSV file with the \
         columns model, input_tokens and output_tokens"
    )]
    Form,
    /// A line of the CSV file cannot be read.
    #[error("line {line}: {reason}")]
    Line {
        /// The line, counted from 1.
        line: u64,
        /// What is wrong, and what was expected.
        reason: String,
    },
}

/// The names of the columns in different exports, the first of them our own.
const REQUESTS: [&str; 4] = ["requests", "num_model_requests", "n_requests", "answered"];
const INPUT: [&str; 4] = ["input_tokens", "prompt_tokens", "n_context_tokens_total", "tokens_prompt"];
const CACHED: [&str; 4] =
    ["cached_tokens", "input_cached_tokens", "n_cached_context_tokens_total", "cache_read_tokens"];
const OUTPUT: [&str; 4] = ["output_tokens", "completion_tokens", "n_generated_tokens_total", "tokens_completion"];
const COST: [&str; 4] = ["cost_usd", "cost", "amount_usd", "usage_usd"];
const MODEL: [&str; 3] = ["model", "model_name", "snapshot_id"];

impl ExportedUsage {
    /// Reads an export, by the names of its models.
    pub fn read(text: &str) -> Result<BTreeMap<String, Self>, UsageExportError> {
        let found = match text.trim_start().chars().next() {
            Some('{') => of_json(text)?,
            _ => of_csv(text)?,
        };
        if found.is_empty() { Err(UsageExportError::Form) } else { Ok(found) }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.requests = self.requests.into_iter().chain(other.requests).reduce(u64::saturating_add);
        self.tokens += other.tokens;
        self.cost = self.cost.into_iter().chain(other.cost).reduce(|one, other| one + other);
    }
}

fn of_json(text: &str) -> Result<BTreeMap<String, ExportedUsage>, UsageExportError> {
    let all: Value = serde_json::from_str(text).map_err(|_| UsageExportError::Form)?;
    let buckets = all.get("data").and_then(Value::as_array).ok_or(UsageExportError::Form)?;
    let mut found: BTreeMap<String, ExportedUsage> = BTreeMap::new();
    let results = |bucket: &Value| bucket.get("results").and_then(Value::as_array).cloned().unwrap_or_default();
    for result in buckets.iter().flat_map(results) {
        let number = |names: &[&str]| names.iter().find_map(|name| result.get(*name)?.as_u64());
        let model = MODEL.iter().find_map(|name| result.get(*name)?.as_str()).ok_or(UsageExportError::Form)?;
        let (Some(input), Some(output)) = (number(&INPUT), number(&OUTPUT)) else { return Err(UsageExportError::Form) };
        let tokens = Tokens { input, cached: number(&CACHED).unwrap_or(0), output, ..Tokens::default() };
        let usage = ExportedUsage { requests: number(&REQUESTS), tokens, cost: None };
        found.entry(model.to_owned()).or_default().add(&usage);
    }
    Ok(found)
}

fn of_csv(text: &str) -> Result<BTreeMap<String, ExportedUsage>, UsageExportError> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let head = reader.headers().map_err(|_| UsageExportError::Form)?.clone();
    let place = |names: &[&str]| names.iter().find_map(|name| head.iter().position(|column| column.trim() == *name));
    let (Some(model), Some(input), Some(output)) = (place(&MODEL), place(&INPUT), place(&OUTPUT)) else {
        return Err(UsageExportError::Form);
    };
    let (requests, cached, cost) = (place(&REQUESTS), place(&CACHED), place(&COST));
    let mut found: BTreeMap<String, ExportedUsage> = BTreeMap::new();
    for (line, row) in (2..).zip(reader.records()) {
        let row = row.map_err(|error| UsageExportError::Line { line, reason: error.to_string() })?;
        let field = |place: usize| row.get(place).unwrap_or_default().trim();
        let number = |place: usize| {
            let wrong = || UsageExportError::Line {
                line,
                reason: format!("{:?} is no number of tokens or calls", field(place)),
            };
            field(place).parse::<u64>().map_err(|_| wrong())
        };
        let tokens = Tokens {
            input: number(input)?,
            cached: cached.map_or(Ok(0), number)?,
            output: number(output)?,
            ..Tokens::default()
        };
        let cost = cost.map(|place| {
            dollars(field(place)).ok_or_else(|| UsageExportError::Line {
                line,
                reason: format!("{:?} is no amount of dollars", field(place)),
            })
        });
        let usage = ExportedUsage { requests: requests.map(number).transpose()?, tokens, cost: cost.transpose()? };
        found.entry(field(model).to_owned()).or_default().add(&usage);
    }
    Ok(found)
}

fn dollars(text: &str) -> Option<NanoUsd> {
    let usd: f64 = text.trim_start_matches('$').parse().ok().filter(|usd| (0.0..=1e9).contains(usd))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was checked")]
    Some(NanoUsd((usd * 1e9).round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_summed_by_model() {
        let json = r#"{"object":"page","data":[{"start_time":1,"results":[{"model":"m","input_tokens":10,"input_cached_tokens":4,"output_tokens":2,"num_model_requests":1}]},
            {"start_time":2,"results":[{"model":"m","input_tokens":5,"output_tokens":1,"num_model_requests":1}]}]}"#;
        let csv = "date,model,requests,input_tokens,cached_tokens,output_tokens\n2026-11-27,m,1,10,4,2\n2026-11-28,m,1,5,0,1\n";
        let tokens = Tokens { input: 15, cached: 4, output: 3, ..Tokens::default() };
        let expected: BTreeMap<_, _> =
            [("m".to_owned(), ExportedUsage { requests: Some(2), tokens, cost: None })].into();
        for export in [json, csv] {
            assert_eq!(ExportedUsage::read(export).expect("reads"), expected);
        }
        let with_cost =
            ExportedUsage::read("model,input_tokens,output_tokens,cost_usd\nm,1,2,0.5\nm,1,2,$0.25\n").expect("reads");
        assert_eq!(with_cost["m"].cost, Some(NanoUsd(750_000_000)));
    }

    #[test]
    fn what_is_no_export_is_refused_with_the_reason() {
        let check = |text: &str, expected: &str| {
            let error = ExportedUsage::read(text).expect_err("is refused").to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("", "expected OpenAI's usage");
        check("a,b\n1,2\n", "expected OpenAI's usage");
        check("{}", "expected OpenAI's usage");
        check(r#"{"data":[]}"#, "expected OpenAI's usage");
        check("model,input_tokens,output_tokens\nm,1,-2\n", "line 2: \"-2\" is no number");
        check("model,input_tokens,output_tokens,cost\nm,1,2,much\n", "line 2: \"much\" is no amount");
    }
}
