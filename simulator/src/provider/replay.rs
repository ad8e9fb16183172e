//! A file of cases: answers as providers were seen to give them, so that a report about a provider can be reproduced.

use std::collections::BTreeMap;
use std::fmt;

use axum::http::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::Value;

/// What stands in a file for a body that is an ordinary completion.
const ORDINARY: &str = "a good completion";

/// A file of cases, each of which is played at a base URL of its own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    /// The cases.
    #[serde(rename = "case")]
    pub cases: Vec<Case>,
}

/// An answer that a provider was seen to give.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it is.
    pub name: String,
    /// Which prompts get it.
    pub to: To,
    /// The HTTP status.
    pub status: u16,
    /// More headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body; that of an ordinary completion if it begins with `a good completion`, and compressed if a header says so.
    pub body: Option<String>,
    /// The usage in an ordinary completion, as JSON.
    pub usage: Option<String>,
    /// The share of prompts that get it, unless all do; a hundredth if absent.
    pub share: Option<f64>,
    /// It is played only while the request has this field.
    pub while_sent: Option<String>,
    /// What should come of it, for people.
    #[serde(default)]
    pub right: String,
    /// What used to come of it, for people.
    #[serde(default)]
    pub today: String,
}

/// Which prompts get the answer of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum To {
    /// Every one.
    All,
    /// Some, every time they are sent; backstories and what is sent before any answer are answered well.
    One,
    /// Some, when they are sent for the first time; after that they are answered well.
    Some,
}

/// A file of cases that cannot be played.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CasesError {
    /// It is no TOML of this form.
    #[error("{0}")]
    Unreadable(String),
    /// It has no case.
    #[error("it has no [[case]]: expected at least one")]
    Empty,
    /// A case says something impossible.
    #[error("the case {name:?}: {what}")]
    Impossible {
        /// Which case.
        name: String,
        /// What it says, and what was expected.
        what: String,
    },
}

impl Cases {
    /// Reads a file of cases.
    pub fn from_toml(text: &str) -> Result<Self, CasesError> {
        let cases: Self = toml::from_str(text).map_err(|error| CasesError::Unreadable(error.to_string()))?;
        if cases.cases.is_empty() {
            return Err(CasesError::Empty);
        }
        cases.cases.iter().try_for_each(Case::check)?;
        Ok(cases)
    }
}

impl Case {
    fn check(&self) -> Result<(), CasesError> {
        let problem = |what: String| Err(CasesError::Impossible { name: self.name.clone(), what });
        if !(200..=599).contains(&self.status) {
            return problem(format!("status is {}: expected 200 to 599", self.status));
        }
        if let Some(share) = self.share.filter(|share| !(0.0..=1.0).contains(share)) {
            return problem(format!("share is {share}: expected 0 to 1"));
        }
        for (name, value) in &self.headers {
            if HeaderName::try_from(name).is_err() || HeaderValue::try_from(value).is_err() {
                return problem(format!("{name:?} with {value:?} is no header"));
            }
        }
        if let Some(Err(error)) = self.usage.as_deref().map(serde_json::from_str::<Value>) {
            return problem(format!("usage is no JSON: {error}"));
        }
        Ok(())
    }

    pub(super) fn is_ordinary(&self) -> bool {
        self.body.as_ref().map_or(self.usage.is_some(), |body| body.starts_with(ORDINARY))
    }

    pub(super) fn is_compressed(&self) -> bool {
        self.headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("content-encoding") && value == "gzip")
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_played_is_refused_by_name() {
        let check = |toml: &str, expected: &str| {
            let error = Cases::from_toml(toml).expect_err(toml).to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("", "missing field `case`");
        check("case = []", "no [[case]]");
        check("[[case]]\nname = 'a'\nto = 'many'\nstatus = 400", "unknown variant `many`");
        check("[[case]]\nname = 'a'\nto = 'all'\nstatus = 42", "status is 42: expected 200 to 599");
        check("[[case]]\nname = 'a'\nto = 'one'\nstatus = 400\nshare = 2", "share is 2: expected 0 to 1");
        check("[[case]]\nname = 'a'\nto = 'all'\nstatus = 200\nusage = '{'", "usage is no JSON");
        check("[[case]]\nname = 'a'\nto = 'all'\nstatus = 200\nheaders = { 'a b' = 'c' }", "is no header");
    }
}
