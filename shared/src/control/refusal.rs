//! That a worker will not serve a run before somebody changes something, and what a provider said that led to it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The most different things said that are counted apart.
const MAX_SAID: usize = 50;

/// How many of them a table lists.
const MAX_LISTED: usize = 10;

/// A worker will not serve a run before somebody changes something: a key, a setting, an account, a limit of the run.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Whether the user's settings are at fault: a key, a name, an address.
    #[serde(default)]
    pub settings: bool,
    /// What the provider said to prompts that it did not take.
    #[serde(default, skip_serializing_if = "WhatWasSaid::is_nothing")]
    pub said: WhatWasSaid,
}

/// What a provider said to prompts that it did not take, and to how many it said so; the most frequent first.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WhatWasSaid(Vec<(String, u64)>);

impl WhatWasSaid {
    /// Adds what was said to so many more prompts. What is said after fifty different things counts as something else.
    pub fn add(&mut self, said: &str, prompts: u64) {
        let Self(words) = self;
        let is_known = words.iter().any(|(known, _)| known == said);
        let said = if is_known || words.len() < MAX_SAID { said } else { "something else" };
        match words.iter_mut().find(|(known, _)| known == said) {
            Some((_, count)) => *count = count.saturating_add(prompts),
            None => words.push((said.to_owned(), prompts)),
        }
        words.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    }

    /// What was said, with the number of prompts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(said, count)| (said.as_str(), *count))
    }

    /// How many prompts it was said to.
    pub fn prompts(&self) -> u64 {
        self.iter().fold(0, |sum, (_, count)| sum.saturating_add(count))
    }

    /// Whether nothing was said.
    pub fn is_nothing(&self) -> bool {
        self.0.is_empty()
    }
}

/// A table, with the most frequent ten.
impl fmt::Display for WhatWasSaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>8}  what the provider said", "prompts")?;
        for (said, count) in self.iter().take(MAX_LISTED) {
            writeln!(f, "{count:>8}  {said}")?;
        }
        let others = self.iter().skip(MAX_LISTED).fold(0, |sum: u64, (_, count)| sum.saturating_add(count));
        if others > 0 { writeln!(f, "{others:>8}  other things") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_often_comes_first_and_what_is_said_besides_is_summed_up() {
        let mut said = WhatWasSaid::default();
        (0..60).for_each(|at| said.add(&format!("422: {at}"), 1));
        said.add("400: never", 20);
        said.add("422: 3", 2);
        assert_eq!(said.prompts(), 82);
        let table = said.to_string();
        let lines: Vec<&str> = table.lines().collect();
        let expected = [" prompts  what the provider said", "      30  something else", "       3  422: 3"];
        assert_eq!((lines.len(), &lines[..3], lines[11]), (12, &expected[..], "      41  other things"));
    }

    #[test]
    fn a_refusal_is_written_to_the_letter_and_read_again() {
        let mut said = WhatWasSaid::default();
        said.add("422: no", 3);
        let check = |refusal: Refusal, json: &str| {
            assert_eq!(serde_json::to_string(&refusal).expect("writes"), json);
            assert_eq!(serde_json::from_str::<Refusal>(json).expect("reads"), refusal);
        };
        check(Refusal { settings: false, said }, r#"{"settings":false,"said":[["422: no",3]]}"#);
        check(Refusal { settings: true, ..Refusal::default() }, r#"{"settings":true}"#);
    }

    #[test]
    fn numbers_that_nobody_can_have_counted_do_no_harm() {
        let mut said: WhatWasSaid =
            serde_json::from_str(&format!(r#"[["a",{0}],["b",{0}]]"#, u64::MAX)).expect("reads");
        said.add("a", u64::MAX);
        assert_eq!(said.prompts(), u64::MAX);
    }
}
