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

/// Reads the reply of a module or of the coordinator: an answer with its analysis.
///
/// Never fails and takes time in proportion to the reply, whatever the model wrote.
pub fn read_module_reply(behaviour: Behaviour, text: &str, question: &Question) -> Reading {
    match behaviour {
        Behaviour::Paper => paper::read_module_reply(text),
        Behaviour::Corrected => tolerant::read_module_reply(text, question),
    }
}

/// Reads the reply of a method that asks for the answer in one call: the answer alone.
///
/// Never fails and takes time in proportion to the reply, whatever the model wrote.
pub fn read_single_reply(behaviour: Behaviour, text: &str, question: &Question) -> Reading {
    match behaviour {
        Behaviour::Paper => paper::read_single_reply(text),
        Behaviour::Corrected => tolerant::read_single_reply(text, question),
    }
}

#[cfg(test)]
mod tests;
