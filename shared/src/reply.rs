//! Reads the answer out of a model's reply.

mod digit;
mod json;
mod label;
mod paper;
mod reading;
mod reasoning;
mod refusal;
mod tolerant;
mod unlabelled;
mod value;

use crate::codebook::Question;
use crate::method::Behaviour;

pub use reading::{Problem, Reading};

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

#[cfg(test)]
mod tests;
