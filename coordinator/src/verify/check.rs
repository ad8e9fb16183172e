//! One check of a verification, and the problems that it found.

use std::fmt::Display;

use serde::Serialize;

/// How many problems of one check are listed; the rest are only counted.
const MAX_PROBLEMS: usize = 10;

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its subject, in a word or two.
    pub name: &'static str,
    /// What holds if there is no problem.
    pub said: String,
    /// What is wrong and where: the first ten problems.
    pub problems: Vec<String>,
    /// How many problems there are beside these.
    pub more_problems: u64,
}

impl Check {
    pub(super) fn new(name: &'static str, said: impl Into<String>) -> Self {
        Self { name, said: said.into(), problems: Vec::new(), more_problems: 0 }
    }

    pub(super) fn failed(name: &'static str, problem: impl Display) -> Self {
        let mut check = Self::new(name, "");
        check.problem(problem);
        check
    }

    /// A check that cannot be made while the ledger is not sound.
    pub(super) fn impossible(name: &'static str) -> Self {
        Self::failed(name, "not compared: the ledger they come from is not sound")
    }

    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    pub(super) fn problem(&mut self, problem: impl Display) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem.to_string());
        } else {
            self.more_problems += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_problems_are_told_in_ten() {
        let mut check = Check::new("cells", "all there");
        assert!(check.is_sound());
        for number in 0..1000 {
            check.problem(number);
        }
        assert!(!check.is_sound());
        assert_eq!((check.problems.len(), check.more_problems), (10, 990));
    }
}
