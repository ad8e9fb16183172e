//! The counts over all replies of a file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use valuesim_shared::reply::{Problem, Rule};

use super::shown::Shown;
use crate::columns::columns;
use crate::exit::Exit;

/// Counts over all replies, and over those of each model.
#[derive(Debug, Default)]
pub(super) struct Summary {
    all: Counts,
    by_model: BTreeMap<String, Counts>,
    by_rule: BTreeMap<Rule, usize>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
struct Counts {
    replies: usize,
    answered: usize,
    refused: usize,
    invalid: usize,
    /// Those of which the file says how they should be read.
    expected: usize,
    /// Those of them that are read so.
    as_expected: usize,
}

/// The summary as the last JSON line.
#[derive(Debug, Serialize)]
pub(super) struct ForMachines<'a> {
    summary: &'a Counts,
    by_model: &'a BTreeMap<String, Counts>,
    by_rule: &'a BTreeMap<Rule, usize>,
}

impl Counts {
    fn count(&mut self, shown: &Shown<'_>) {
        self.replies += 1;
        match shown.problem {
            None => self.answered += 1,
            Some(Problem::Refused) => self.refused += 1,
            Some(Problem::Empty | Problem::NoOption | Problem::NotAnOption | Problem::Ambiguous) => self.invalid += 1,
        }
        self.expected += usize::from(shown.is_right.is_some());
        self.as_expected += usize::from(shown.is_right == Some(true));
    }

    fn row(&self, name: &str) -> [String; 5] {
        let expected = format!("{} of {} as expected", self.as_expected, self.expected);
        [
            name.to_owned(),
            format!("{} answered", self.answered),
            format!("{} refused", self.refused),
            format!("{} invalid", self.invalid),
            if self.expected == 0 { String::new() } else { expected },
        ]
    }
}

impl Summary {
    pub(super) fn count(&mut self, shown: &Shown<'_>) {
        self.all.count(shown);
        *self.by_rule.entry(shown.rule).or_default() += 1;
        if let Some(model) = shown.model {
            self.by_model.entry(model.to_owned()).or_default().count(shown);
        }
    }

    /// Failed if a reply is read otherwise than the file says.
    pub(super) fn exit(&self) -> Exit {
        if self.all.as_expected == self.all.expected { Exit::Done } else { Exit::Failed }
    }

    pub(super) fn for_machines(&self) -> ForMachines<'_> {
        ForMachines { summary: &self.all, by_model: &self.by_model, by_rule: &self.by_rule }
    }

    /// Some lines for people.
    pub(super) fn text(&self) -> String {
        let plural = if self.all.replies == 1 { "reply" } else { "replies" };
        let mut rows = vec![self.all.row(&format!("{} {plural}", self.all.replies))];
        rows.extend(self.by_model.iter().map(|(model, counts)| counts.row(model)));
        let mut text = format!("\n{}\nrules\n", columns("", &rows));
        for (rule, count) in &self.by_rule {
            writeln!(text, "  {count:>6}  {rule}").expect("memory takes all");
        }
        text
    }
}
