//! What a check found: lines about one thing, each with what to do.

use serde::Serialize;

use crate::columns::one_line;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Grade {
    Good,
    /// Worth knowing; stops no run.
    Note,
    /// A setting, a key or an address is wrong.
    Setting,
    /// Something else is wrong.
    Bad,
    /// It could not be looked at.
    Unknown,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) what: &'static str,
    pub(super) grade: Grade,
    pub(super) said: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) advice: Option<String>,
}

/// What was found about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Group {
    pub(super) about: String,
    pub(super) findings: Vec<Finding>,
}

impl Finding {
    pub(super) fn good(what: &'static str, said: impl Into<String>) -> Self {
        Self { what, grade: Grade::Good, said: said.into(), advice: None }
    }

    pub(super) fn new(grade: Grade, what: &'static str, said: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what, grade, said: said.into(), advice: Some(advice.into()) }
    }

    pub(super) fn note(what: &'static str, said: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(Grade::Note, what, said, advice)
    }
}

impl Group {
    /// The lines for people.
    pub(super) fn text(&self) -> String {
        let mut text = format!("\n{}\n", one_line(&self.about));
        for Finding { what, grade, said, advice } in &self.findings {
            let mark = match grade {
                Grade::Good => "ok",
                Grade::Note => "note",
                Grade::Setting | Grade::Bad => "WRONG",
                Grade::Unknown => "?",
            };
            let advice = advice.as_ref().map_or_else(String::new, |advice| format!(": {advice}"));
            text += &format!("  {mark:<6}{what:<15}{}{}\n", one_line(said), one_line(&advice));
        }
        text
    }
}
