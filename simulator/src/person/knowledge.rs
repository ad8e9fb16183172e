//! What a text says about a person, cached for the next question about the same person.

use std::sync::{Arc, Mutex, OnceLock};

use valuesim_shared::id::{Code, QuestionId};
use xxhash_rust::xxh3::xxh3_128;

use super::lru_map::LruMap;
use super::reader::Reader;
use crate::traits::{TraitModel, Traits};

/// The minimum number of texts to cache. The calls of a cell arrive together and share two texts, and rarely more than
/// a hundred cells are in progress at once.
const CACHED_TEXTS: usize = 512;

/// The form in which a text tells about a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A backstory or sentences.
    Told,
    /// A list of questions with their options and the answer to each.
    Listed,
}

/// What is known about a person.
#[derive(Debug)]
pub(super) struct Knowledge {
    /// The answers found in the text, in the order of the questions.
    answers: Vec<(QuestionId, Code)>,
    /// The traits estimated from them.
    pub(super) traits: Traits,
    /// The form of the text.
    pub(super) form: Form,
}

impl Knowledge {
    fn new(answers: Vec<(QuestionId, Code)>, form: Form, model: &TraitModel) -> Self {
        let traits = model.estimate(&answers);
        Self { answers, traits, form }
    }

    /// A few known answers to neighbouring questions, the nearest first.
    pub(super) fn nearest(&self, question: QuestionId) -> impl Iterator<Item = (QuestionId, Code)> {
        const EACH_SIDE: usize = 4;
        let at = self.answers.partition_point(|(known, _)| *known < question);
        let around = at.saturating_sub(EACH_SIDE)..self.answers.len().min(at + EACH_SIDE);
        let mut nearest = self.answers[around].to_vec();
        nearest.sort_by_key(|(known, _)| known.number().abs_diff(question.number()));
        nearest.into_iter()
    }
}

/// Recently read texts, by their hash.
#[derive(Debug)]
pub(super) struct ProfileCache {
    by_text: Mutex<LruMap<u128, Arc<Knowledge>>>,
    nobody: OnceLock<Arc<Knowledge>>,
}

impl ProfileCache {
    pub(super) fn new() -> Self {
        Self { by_text: Mutex::new(LruMap::new(CACHED_TEXTS)), nobody: OnceLock::new() }
    }

    /// Knowledge without a text: the average person.
    pub(super) fn nobody(&self, model: &TraitModel) -> Arc<Knowledge> {
        Arc::clone(self.nobody.get_or_init(|| Arc::new(Knowledge::new(Vec::new(), Form::Told, model))))
    }

    /// What a text says. Two simultaneous calls may both read it, with the same result.
    pub(super) fn read(&self, text: &str, reader: &Reader, model: &TraitModel) -> Arc<Knowledge> {
        let hash = xxh3_128(text.as_bytes());
        if let Some(known) = self.by_text.lock().expect(NEVER_POISONED).get(&hash) {
            return Arc::clone(known);
        }
        let form = if reader.begins_with_item(text) { Form::Listed } else { Form::Told };
        let knowledge = Arc::new(Knowledge::new(reader.answers(text), form, model));
        self.by_text.lock().expect(NEVER_POISONED).insert(hash, Arc::clone(&knowledge));
        knowledge
    }
}

const NEVER_POISONED: &str = "nothing panics while it looks a text up";
