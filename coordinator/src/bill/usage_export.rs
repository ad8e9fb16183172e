//! Reads what a provider says it was used for: OpenAI's usage in JSON, or a CSV file with a line for each model and time.

use serde_json::Value;
use valuesim_shared::money::NanoUsd;

use super::export_days::Period;

/// What a provider says it was used for.
#[derive(Debug, Clone, PartialEq)]
pub struct UsageExport {
    /// Its lines, at least one.
    pub rows: Vec<ExportedRow>,
    /// Whether the provider has further pages, which are not in it.
    pub has_more: bool,
}

/// What a provider counted for one model in one period.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportedRow {
    /// The model's name at the provider.
    pub model: String,
    /// When; none if the export does not say.
    pub period: Option<Period>,
    /// How much.
    pub usage: ExportedUsage,
}

/// What a provider counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExportedUsage {
    /// Requests; none if the export does not say.
    pub requests: Option<u64>,
    /// Tokens of prompts.
    pub input: u64,
    /// Those of them that were read from the cache; none if the export does not say.
    pub cached: Option<u64>,
    /// Tokens of replies.
    pub output: u64,
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
    /// It has the right form, and nothing in it.
    #[error("it has no usage: ask for the days of the run, and for the project and the key that it used")]
    Empty,
    /// Its results are not divided by model.
    #[error("its results name no model: ask OpenAI for them with group_by=model")]
    NoModel,
    /// A column is missing.
    #[error("its head has no column {0}: the columns model, input_tokens and output_tokens are needed")]
    NoColumn(&'static str),
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
const DAY: [&str; 6] = ["date", "day", "start_time", "timestamp", "usage_date", "created_at"];

/// The longest part of a field that an error shows, in characters.
const MAX_SHOWN: usize = 60;

impl UsageExport {
    /// Reads an export.
    pub fn read(text: &str) -> Result<Self, UsageExportError> {
        let export = match text.trim_start().chars().next() {
            Some('{') => of_json(text)?,
            _ => Self { rows: of_csv(text)?, has_more: false },
        };
        if export.rows.is_empty() { Err(UsageExportError::Empty) } else { Ok(export) }
    }
}

impl ExportedUsage {
    /// The sum; a figure that one of both does not say is not in it.
    pub(super) fn plus(self, other: Self) -> Self {
        let both = |one: Option<u64>, other: Option<u64>| Some(one?.saturating_add(other?));
        Self {
            requests: both(self.requests, other.requests),
            input: self.input.saturating_add(other.input),
            cached: both(self.cached, other.cached),
            output: self.output.saturating_add(other.output),
            cost: self.cost.zip(other.cost).map(|(one, other)| one + other),
        }
    }
}

fn of_json(text: &str) -> Result<UsageExport, UsageExportError> {
    let all: Value = serde_json::from_str(text).map_err(|_| UsageExportError::Form)?;
    let buckets = all.get("data").and_then(Value::as_array).ok_or(UsageExportError::Form)?;
    let mut rows = Vec::new();
    for bucket in buckets {
        let seconds = |field: &str| bucket.get(field).and_then(Value::as_u64);
        let period = seconds("start_time").map(|start| Period::of_seconds(start, seconds("end_time")));
        for result in bucket.get("results").and_then(Value::as_array).into_iter().flatten() {
            let (model, usage) = of_result(result)?;
            rows.push(ExportedRow { model, period, usage });
        }
    }
    let has_more = all.get("has_more").and_then(Value::as_bool).unwrap_or(false);
    Ok(UsageExport { rows, has_more })
}

fn of_result(result: &Value) -> Result<(String, ExportedUsage), UsageExportError> {
    let number = |names: &[&str]| names.iter().find_map(|name| result.get(*name)?.as_u64());
    let (Some(input), Some(output)) = (number(&INPUT), number(&OUTPUT)) else { return Err(UsageExportError::Form) };
    let model = MODEL.iter().find_map(|name| result.get(*name)?.as_str()).ok_or(UsageExportError::NoModel)?;
    let usage = ExportedUsage { requests: number(&REQUESTS), input, cached: number(&CACHED), output, cost: None };
    Ok((model.to_owned(), usage))
}

/// Where the columns of a CSV file are.
struct Places {
    model: usize,
    input: usize,
    output: usize,
    requests: Option<usize>,
    cached: Option<usize>,
    cost: Option<usize>,
    day: Option<usize>,
}

impl Places {
    fn of(head: &csv::StringRecord) -> Result<Self, UsageExportError> {
        let place =
            |names: &[&str]| names.iter().find_map(|name| head.iter().position(|column| column.trim() == *name));
        let needed = [("model", place(&MODEL)), ("input_tokens", place(&INPUT)), ("output_tokens", place(&OUTPUT))];
        let [(_, Some(model)), (_, Some(input)), (_, Some(output))] = needed else {
            let has_one = needed.iter().any(|(_, place)| place.is_some());
            let missing = needed.iter().find(|(_, place)| place.is_none()).filter(|_| has_one);
            return Err(missing.map_or(UsageExportError::Form, |(name, _)| UsageExportError::NoColumn(name)));
        };
        let (requests, cached, cost, day) = (place(&REQUESTS), place(&CACHED), place(&COST), place(&DAY));
        Ok(Self { model, input, output, requests, cached, cost, day })
    }

    fn row(&self, row: &csv::StringRecord) -> Result<ExportedRow, String> {
        let field = |place: usize| row.get(place).unwrap_or_default().trim();
        let shown = |place: usize| format!("{:?}", field(place).chars().take(MAX_SHOWN).collect::<String>());
        let number = |place: usize| {
            field(place).parse::<u64>().map_err(|_| format!("{} is no number of tokens or calls", shown(place)))
        };
        let amount =
            |place: usize| dollars(field(place)).ok_or_else(|| format!("{} is no amount of dollars", shown(place)));
        let period = |place: usize| {
            let wrong = || format!("{} is no day or moment in UTC, such as 2026-11-27", shown(place));
            Period::of_text(field(place)).ok_or_else(wrong)
        };
        let usage = ExportedUsage {
            requests: self.requests.map(number).transpose()?,
            input: number(self.input)?,
            cached: self.cached.map(number).transpose()?,
            output: number(self.output)?,
            cost: self.cost.map(amount).transpose()?,
        };
        let period = self.day.filter(|place| !field(*place).is_empty()).map(period).transpose()?;
        Ok(ExportedRow { model: field(self.model).to_owned(), period, usage })
    }
}

fn of_csv(text: &str) -> Result<Vec<ExportedRow>, UsageExportError> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let places = Places::of(reader.headers().map_err(|_| UsageExportError::Form)?)?;
    let mut rows = Vec::new();
    for (line, row) in (2..).zip(reader.records()) {
        let row = row.map_err(|error| error.to_string()).and_then(|row| places.row(&row));
        rows.push(row.map_err(|reason| UsageExportError::Line { line, reason })?);
    }
    Ok(rows)
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
    fn both_forms_are_read_with_their_days() {
        let json = r#"{"object":"page","data":[
            {"start_time":1795737600,"end_time":1795824000,"results":[
                {"model":"m","input_tokens":10,"input_cached_tokens":4,"output_tokens":2,"num_model_requests":1}]},
            {"start_time":1795824000,"end_time":1795910400,"results":[
                {"model":"m","input_tokens":5,"input_cached_tokens":0,"output_tokens":1,"num_model_requests":1}]},
            {"start_time":1795910400,"end_time":1795996800,"results":[]}],"has_more":false}"#;
        let csv = "date,model,requests,input_tokens,cached_tokens,output_tokens\n2026-11-27,m,1,10,4,2\n2026-11-28,m,1,5,0,1\n";
        let row = |day: &str, input, cached, output| ExportedRow {
            model: "m".to_owned(),
            period: Period::of_text(day),
            usage: ExportedUsage { requests: Some(1), input, cached: Some(cached), output, cost: None },
        };
        let rows = vec![row("2026-11-27", 10, 4, 2), row("2026-11-28", 5, 0, 1)];
        let expected = UsageExport { rows, has_more: false };
        for export in [json, csv] {
            assert_eq!(UsageExport::read(export).expect("reads"), expected);
        }
        let page = json.replace("\"has_more\":false", "\"has_more\":true");
        assert!(UsageExport::read(&page).expect("reads").has_more);
    }

    #[test]
    fn what_an_export_does_not_say_is_not_zero() {
        let text = "model,input_tokens,output_tokens,cost_usd\nm,1,2,0.5\nm,1,2,$0.25\n";
        let rows = UsageExport::read(text).expect("reads").rows;
        let sum = rows[0].usage.plus(rows[1].usage);
        let cost = Some(NanoUsd(750_000_000));
        assert_eq!(sum, ExportedUsage { requests: None, input: 2, cached: None, output: 4, cost });
        assert_eq!(sum.plus(ExportedUsage { cost: None, cached: Some(1), ..sum }).cost, None);
        assert_eq!(rows[0].period, None);
    }

    #[test]
    fn what_is_no_export_is_refused_with_the_reason() {
        let check = |text: &str, expected: &str| {
            let error = UsageExport::read(text).expect_err("is refused").to_string();
            assert!(error.contains(expected) && error.len() < 300, "{error}");
        };
        check("", "expected OpenAI's usage");
        check("a,b\n1,2\n", "expected OpenAI's usage");
        check("{}", "expected OpenAI's usage");
        check(r#"{"data":[]}"#, "it has no usage");
        check(r#"{"data":[{"start_time":1,"results":[]}]}"#, "it has no usage");
        check("model,input_tokens,output_tokens\n", "it has no usage");
        check(r#"{"data":[{"results":[{"model":null,"input_tokens":1,"output_tokens":1}]}]}"#, "group_by=model");
        check("input_tokens,output_tokens\n1,2\n", "no column model");
        check("model,input_tokens,output_tokens\nm,1,-2\n", "line 2: \"-2\" is no number");
        check("model,input_tokens,output_tokens,cost\nm,1,2,much\n", "line 2: \"much\" is no amount");
        check("date,model,input_tokens,output_tokens\n27 November,m,1,2\n", "line 2: \"27 November\" is no day");
        check(&format!("model,input_tokens,output_tokens\nm,1,{}\n", "x".repeat(100_000)), "is no number");
    }
}
