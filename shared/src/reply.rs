//! Reads the answer out of a model's reply.

mod conclusion;
mod digit;
mod doubt;
mod forms;
mod framing;
mod json;
mod label;
mod option_label;
mod paper;
mod reading;
pub(crate) mod reasoning;
mod refusal;
mod tolerant;
mod unlabelled;
mod value;

use std::borrow::Cow;

use crate::codebook::Question;
use crate::method::Behaviour;

pub use framing::is_framed;
pub use reading::{Problem, Reading, Removal, Rule};

/// Reads the reply of a module or the coordinator: an answer with its analysis.
///
/// Accepts any text, and takes time proportional to its length.
pub fn read_module_reply(behaviour: Behaviour, text: &str, question: &Question) -> Reading {
    match behaviour {
        Behaviour::Paper => paper::read_module_reply(text),
        Behaviour::Corrected => tolerant::read_module_reply(text, question),
    }
}

/// Reads the reply of a single-call method: the answer alone.
///
/// Accepts any text, and takes time proportional to its length.
pub fn read_single_reply(behaviour: Behaviour, text: &str, question: &Question) -> Reading {
    match behaviour {
        Behaviour::Paper => paper::read_single_reply(text),
        Behaviour::Corrected => tolerant::read_single_reply(text, question),
    }
}

/// How a reply is read, for people who wonder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What is read, as [`read_module_reply`] reads it.
    pub reading: Reading,
    /// The label that decided, with its line; `None` if no label did.
    pub place: Option<String>,
    /// What was taken out before the reply was read, in this order.
    pub removed: Vec<(Removal, String)>,
}

/// Reads the reply of a module or the coordinator, and says how.
pub fn explain_module_reply(behaviour: Behaviour, text: &str, question: &Question) -> Explanation {
    match behaviour {
        Behaviour::Paper => Explanation::of(paper::read_module_reply(text)),
        Behaviour::Corrected => tolerant::explain(text, question),
    }
}

/// Reads the reply of a single-call method, and says how.
pub fn explain_single_reply(behaviour: Behaviour, text: &str, question: &Question) -> Explanation {
    match behaviour {
        Behaviour::Paper => Explanation::of(paper::read_single_reply(text)),
        Behaviour::Corrected => {
            let mut explanation = tolerant::explain(text, question);
            explanation.reading.analysis.clear();
            explanation
        }
    }
}

impl Explanation {
    /// Of a reply that was read as it is.
    fn of(reading: Reading) -> Self {
        Self { reading, place: None, removed: Vec::new() }
    }
}

/// What is read of the reply to the request for a backstory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoryReading {
    /// The narrative; blank where the model wrote none.
    Story(String),
    /// The model declined.
    Refused,
}

/// Reads a backstory: the reply without reasoning and what else is not for the reader, unless it is a refusal.
///
/// The paper's program takes every reply as it is, and so does behaviour `paper`.
pub fn read_story(behaviour: Behaviour, text: String) -> StoryReading {
    if behaviour == Behaviour::Paper {
        return StoryReading::Story(text);
    }
    let said = match reasoning::for_the_reader(&text) {
        Cow::Borrowed(said) if said.len() == text.len() => text,
        said => said.trim().to_owned(),
    };
    if refusal::declines_a_story(&said) { StoryReading::Refused } else { StoryReading::Story(said) }
}

#[cfg(test)]
mod tests;
