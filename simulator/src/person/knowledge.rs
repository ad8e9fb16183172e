//! What a text tells about somebody, kept for the next question about the same person.

use std::sync::{Arc, Mutex, OnceLock};

use valuesim_shared::id::{Code, QuestionId};
use xxhash_rust::xxh3::xxh3_128;

use super::reader::Reader;
use super::recent::Recent;
use crate::traits::{TraitModel, Traits};

/// How many texts are kept at least: the calls of a cell come together and share two of them, and hardly more than a
/// hundred cells are under way at a time.
const TEXTS_KEPT: usize = 512;

/// What is known about somebody.
#[derive(Debug)]
pub(super) struct Knowledge {
    /// The answers that the text tells, in the order of the questions.
    answers: Vec<(QuestionId, Code)>,
    /// What follows from them.
    pub(super) traits: Traits,
}

impl Knowledge {
    fn new(answers: Vec<(QuestionId, Code)>, model: &TraitModel) -> Self {
        let traits = model.estimate(&answers);
        Self { answers, traits }
    }

    /// The answers to the questions that stand next to this one, the nearest first; a few of them.
    pub(super) fn nearest(&self, question: QuestionId) -> impl Iterator<Item = (QuestionId, Code)> {
        const EACH_SIDE: usize = 4;
        let at = self.answers.partition_point(|(known, _)| *known < question);
        let around = at.saturating_sub(EACH_SIDE)..self.answers.len().min(at + EACH_SIDE);
        let mut nearest = self.answers[around].to_vec();
        nearest.sort_by_key(|(known, _)| known.number().abs_diff(question.number()));
        nearest.into_iter()
    }
}

/// What was read last, by the text's hash.
#[derive(Debug)]
pub(super) struct KnownProfiles {
    by_text: Mutex<Recent<u128, Arc<Knowledge>>>,
    nobody: OnceLock<Arc<Knowledge>>,
}

impl KnownProfiles {
    pub(super) fn new() -> Self {
        Self { by_text: Mutex::new(Recent::new(TEXTS_KEPT)), nobody: OnceLock::new() }
    }

    /// What is known about somebody without a text: nothing, so it is the average person.
    pub(super) fn nobody(&self, model: &TraitModel) -> Arc<Knowledge> {
        Arc::clone(self.nobody.get_or_init(|| Arc::new(Knowledge::new(Vec::new(), model))))
    }

    /// What a text tells. Two calls that come at once may both read it, with the same result.
    pub(super) fn read(&self, text: &str, reader: &Reader, model: &TraitModel) -> Arc<Knowledge> {
        let hash = xxh3_128(text.as_bytes());
        if let Some(known) = self.by_text.lock().expect(NEVER_POISONED).get(&hash) {
            return Arc::clone(known);
        }
        let knowledge = Arc::new(Knowledge::new(reader.answers(text), model));
        self.by_text.lock().expect(NEVER_POISONED).insert(hash, Arc::clone(&knowledge));
        knowledge
    }
}

const NEVER_POISONED: &str = "nothing panics while it looks a text up";
