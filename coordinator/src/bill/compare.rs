//! Compares a bill with what the provider says it was used for.

use std::collections::BTreeMap;

use serde::Serialize;
use valuesim_shared::money::NanoUsd;

use super::export_days::ComparedDays;
use super::text::aligned;
use super::{Bill, By, ExportedUsage, Part, UsageExport};

/// The name of the figure that is billionths of a dollar.
const COST: &str = "nano-dollars";

/// A bill beside a provider's export.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// A line for each model and figure that both have.
    pub lines: Vec<ComparedFigure>,
    /// Models of the export that the run did not ask.
    pub only_in_export: Vec<String>,
    /// Models of the run that the export does not have.
    pub only_in_bill: Vec<String>,
    /// Figures that the bill has and the export, of some model, does not.
    pub not_in_export: Vec<&'static str>,
    /// Which days were compared.
    pub days: ComparedDays,
    /// Whether the provider has further pages of the export.
    pub export_has_more: bool,
}

/// A figure in both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedFigure {
    /// The model, by its name in the experiment.
    pub model: String,
    /// Which figure.
    pub figure: &'static str,
    /// In the bill.
    pub ours: u64,
    /// In the export.
    pub theirs: u64,
}

/// Compares by model, on the days on which the run finished cells; the export's models may have the names that replies reported.
pub fn compare(bill: &Bill, export: &UsageExport) -> Comparison {
    let (theirs, days) = on_days_of(bill, export);
    let mut comparison = Comparison {
        lines: Vec::new(),
        only_in_export: Vec::new(),
        only_in_bill: Vec::new(),
        not_in_export: Vec::new(),
        days,
        export_has_more: export.has_more,
    };
    let mut used: Vec<&str> = Vec::new();
    for part in bill.parts.iter().filter(|part| part.by == By::Model) {
        let reported = bill.reported_models.get(&part.key).map(Vec::as_slice).unwrap_or_default();
        let is_it = |name: &str| name == part.key || reported.iter().any(|reported| reported == name);
        let names = theirs.iter().filter(|(name, _)| is_it(name));
        match names.clone().map(|(_, usage)| *usage).reduce(ExportedUsage::plus) {
            Some(usage) => comparison.add(part, usage),
            None => comparison.only_in_bill.push(part.key.clone()),
        }
        used.extend(names.map(|(name, _)| *name));
    }
    comparison.only_in_export =
        theirs.keys().filter(|name| !used.contains(name)).map(|name| (*name).to_owned()).collect();
    comparison
}

/// What the export has of each model on the days of the bill.
fn on_days_of<'a>(bill: &Bill, export: &'a UsageExport) -> (BTreeMap<&'a str, ExportedUsage>, ComparedDays) {
    let of_run = bill.parts.iter().filter(|part| part.by == By::Day).map(|part| part.key.parse().ok());
    let mut days = ComparedDays::of_run(of_run);
    let mut found: BTreeMap<&str, ExportedUsage> = BTreeMap::new();
    for row in &export.rows {
        if days.takes(row.period) {
            let sum = found.get(row.model.as_str()).map_or(row.usage, |before| before.plus(row.usage));
            found.insert(&row.model, sum);
        }
    }
    (found, days.tidied())
}

impl Comparison {
    fn add(&mut self, part: &Part, theirs: ExportedUsage) {
        let tokens = part.used.tokens;
        let figures = [
            ("calls answered", Some(part.used.answered), theirs.requests),
            ("input tokens", Some(tokens.input), Some(theirs.input)),
            ("cached tokens", Some(tokens.cached), theirs.cached),
            ("output tokens", Some(tokens.output), Some(theirs.output)),
            (COST, part.used.cost_nano_usd.map(|usd| usd.0), theirs.cost.map(|usd| usd.0)),
        ];
        for (figure, ours, theirs) in figures {
            match (ours, theirs) {
                (Some(ours), Some(theirs)) => {
                    self.lines.push(ComparedFigure { model: part.key.clone(), figure, ours, theirs });
                }
                (Some(_), None) if !self.not_in_export.contains(&figure) => self.not_in_export.push(figure),
                _ => {}
            }
        }
    }

    /// The comparison for people.
    pub fn text(&self) -> String {
        let mut lines = self.days.lines();
        if self.export_has_more {
            lines.push("warning: the provider has further pages (has_more), which are not in the export".to_owned());
        }
        let mut text = "\nBeside the provider's own count\n".to_owned();
        let head = ["", "figure", "bill", "provider", "difference"].map(str::to_owned);
        if !self.lines.is_empty() {
            let rows = std::iter::once(head).chain(self.lines.iter().map(ComparedFigure::row));
            text += &aligned(&rows.collect::<Vec<_>>());
        }
        lines
            .extend(self.only_in_export.iter().map(|name| format!("the run did not ask {name}, which the export has")));
        lines.extend(self.only_in_bill.iter().map(|name| format!("the export has nothing of {name} on these days")));
        if !self.not_in_export.is_empty() {
            let names: Vec<&str> = self.not_in_export.iter().map(|figure| name(figure)).collect();
            lines.push(format!("not compared, because the export does not have it: {}", names.join(", ")));
        }
        for line in lines {
            text += &format!("  {line}\n");
        }
        text
    }
}

impl ComparedFigure {
    fn row(&self) -> [String; 5] {
        let difference = i128::from(self.theirs) - i128::from(self.ours);
        let amounts = if self.figure == COST {
            let dollars = |nano: u64| format!("${:.6}", NanoUsd(nano).dollars());
            let sign = if difference < 0 { '-' } else { '+' };
            [dollars(self.ours), dollars(self.theirs), format!("{sign}{}", dollars(self.ours.abs_diff(self.theirs)))]
        } else {
            [self.ours.to_string(), self.theirs.to_string(), format!("{difference:+}")]
        };
        let [ours, theirs, difference] = amounts;
        [self.model.clone(), name(self.figure).to_owned(), ours, theirs, difference]
    }
}

/// What people call a figure.
fn name(figure: &'static str) -> &'static str {
    if figure == COST { "cost" } else { figure }
}

#[cfg(test)]
mod tests {
    use valuesim_shared::money::Tokens;
    use valuesim_shared::outcome::{PartSpend, ReusedReplies};

    use super::super::{Saved, Used, Waste};
    use super::*;

    fn bill() -> Bill {
        let tokens = Tokens { input: 100, cached: 40, output: 20, ..Tokens::default() };
        let used = Used { answered: 3, tokens, cost_nano_usd: Some(NanoUsd(1_599_353_700)), ..Used::default() };
        let part = |by, key: &str| Part { by, key: key.to_owned(), used };
        let saved = Saved {
            by_cache_nano_usd: None,
            by_sharing_nano_usd: None,
            by_reuse_nano_usd: None,
            reused: ReusedReplies::default(),
        };
        let waste = Waste { failed_nano_usd: None, asked_again: PartSpend::default(), unusable: PartSpend::default() };
        Bill {
            run: "r".to_owned(),
            at_prices: None,
            simulated: false,
            finished_cells: 2,
            total: used,
            parts: vec![part(By::Model, "m"), part(By::Day, "2026-11-27"), part(By::Day, "2026-11-28")],
            waste,
            saved,
            reported_models: BTreeMap::from([("m".to_owned(), vec!["m-2026".to_owned()])]),
        }
    }

    fn compared(export: &str) -> Comparison {
        compare(&bill(), &UsageExport::read(export).expect("reads"))
    }

    #[test]
    fn other_days_and_what_the_export_does_not_say_are_not_compared() {
        let export = "date,model,input_tokens,output_tokens,cost_usd\n2026-10-01,m,5000,900,7\n2026-11-27,m,60,12,1.599\n\
            2026-11-27,m-2026,40,8,0\n2026-11-27,other,1,1,0\n";
        let comparison = compared(export);
        assert!(comparison.lines.iter().all(|line| line.figure != "cached tokens" && line.figure != "calls answered"));
        insta::assert_snapshot!(comparison.text(), @r#"

        Beside the provider's own count
                    figure       bill   provider  difference
          m   input tokens        100        100          +0
          m  output tokens         20         20          +0
          m           cost  $1.599354  $1.599000  -$0.000354
          days on which the run finished cells, in UTC: 2026-11-27 to 2026-11-28
          days taken from the export: 2026-11-27
          days of the export that were left out: 2026-10-01
          warning: the export has nothing of 2026-11-28
          the run did not ask other, which the export has
          not compared, because the export does not have it: calls answered, cached tokens
        "#);
    }

    #[test]
    fn an_export_of_another_month_compares_as_nothing() {
        let export = r#"{"data":[{"start_time":1790812800,"end_time":1790899200,"results":[
            {"model":"m","input_tokens":100,"input_cached_tokens":40,"output_tokens":20,"num_model_requests":3}]}],"has_more":true}"#;
        let comparison = compared(export);
        assert!(comparison.lines.is_empty());
        insta::assert_snapshot!(comparison.text(), @r#"

        Beside the provider's own count
          days on which the run finished cells, in UTC: 2026-11-27 to 2026-11-28
          days taken from the export: none
          days of the export that were left out: 2026-10-01
          warning: the export has nothing of 2026-11-27 to 2026-11-28
          warning: the provider has further pages (has_more), which are not in the export
          the export has nothing of m on these days
        "#);
    }
}
