//! Compares a bill with what the provider says it was used for.

use std::collections::BTreeMap;

use serde::Serialize;

use super::text::aligned;
use super::{Bill, By, ExportedUsage};

/// A bill beside a provider's export.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// A line for each model and figure that both have.
    pub lines: Vec<ComparedFigure>,
    /// Models of the export that the run did not ask.
    pub only_in_export: Vec<String>,
    /// Models of the run that the export does not have.
    pub only_in_bill: Vec<String>,
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

/// Compares by model; the export's models may have the names that replies reported.
pub fn compare(bill: &Bill, export: &BTreeMap<String, ExportedUsage>) -> Comparison {
    let mut comparison = Comparison { lines: Vec::new(), only_in_export: Vec::new(), only_in_bill: Vec::new() };
    let mut used: Vec<&String> = Vec::new();
    for part in bill.parts.iter().filter(|part| part.by == By::Model) {
        let reported = bill.reported_models.get(&part.key).map(Vec::as_slice).unwrap_or_default();
        let is_it = |name: &&String| **name == part.key || reported.iter().any(|reported| reported == *name);
        let names: Vec<&String> = export.keys().filter(is_it).collect();
        if names.is_empty() {
            comparison.only_in_bill.push(part.key.clone());
            continue;
        }
        let mut theirs = ExportedUsage::default();
        for name in &names {
            theirs.add(&export[*name]);
        }
        used.extend(names);
        let tokens = part.used.tokens;
        let figures = [
            ("calls answered", Some(part.used.answered), theirs.requests),
            ("input tokens", Some(tokens.input), Some(theirs.tokens.input)),
            ("cached tokens", Some(tokens.cached), Some(theirs.tokens.cached)),
            ("output tokens", Some(tokens.output), Some(theirs.tokens.output)),
            ("nano-dollars", part.used.cost_nano_usd.map(|usd| usd.0), theirs.cost.map(|usd| usd.0)),
        ];
        for (figure, ours, theirs) in figures {
            let both = ours.zip(theirs);
            comparison.lines.extend(both.map(|(ours, theirs)| ComparedFigure {
                model: part.key.clone(),
                figure,
                ours,
                theirs,
            }));
        }
    }
    comparison.only_in_export = export.keys().filter(|name| !used.contains(name)).cloned().collect();
    comparison
}

impl Comparison {
    /// The comparison for people.
    pub fn text(&self) -> String {
        let head = ["", "figure", "bill", "provider", "difference"].map(str::to_owned);
        let rows = self.lines.iter().map(|ComparedFigure { model, figure, ours, theirs }| {
            let difference = i128::from(*theirs) - i128::from(*ours);
            [model.clone(), (*figure).to_owned(), ours.to_string(), theirs.to_string(), format!("{difference:+}")]
        });
        let mut text = "\nBeside the provider's own count\n".to_owned();
        text += &aligned(&std::iter::once(head).chain(rows).collect::<Vec<_>>());
        for name in &self.only_in_export {
            text += &format!("  the run did not ask {name}, which the export has\n");
        }
        for name in &self.only_in_bill {
            text += &format!("  the export has nothing of {name}\n");
        }
        text
    }
}
