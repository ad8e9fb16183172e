//! The brake of a run: it stops where a provider does not take too many of the prompts.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use valuesim_shared::control::WhatWasSaid;
use valuesim_shared::id::{ModelId, RunId};
use valuesim_shared::manifest::Manifest;

/// The share is that of so many of the last prompts.
const LAST: usize = 1_000;

/// The run stops where all of so many first prompts are not taken.
pub(crate) const FIRST: usize = 20;

/// Watches how many prompts of one model are not taken: rejected, or too long.
#[derive(Debug)]
pub(crate) struct Brake {
    /// The largest share of the last prompts that may not be taken.
    at_most: f64,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    /// Whether each of the last prompts was taken, the latest last.
    last: VecDeque<bool>,
    /// How many of them were not.
    not_taken: usize,
    seen: u64,
    said: WhatWasSaid,
}

/// What was said to prompts that were not taken, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Prompts that were not taken.
    pub not_taken: u64,
    /// Prompts that they are part of.
    pub of: u64,
    /// What was said, how often.
    pub words: WhatWasSaid,
}

impl Brake {
    /// A brake that allows this share of prompts to be not taken, from 0 to 1.
    pub(crate) fn new(at_most: f64) -> Self {
        Self { at_most, counts: Mutex::default() }
    }

    /// Counts a prompt that was taken.
    pub(crate) fn taken(&self) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).add(true);
    }

    /// Notes what was said to a prompt that is not taken.
    pub(crate) fn say(&self, said: &str) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).say(said);
    }

    /// What was said so far, where no prompt was taken.
    pub(crate) fn nothing_taken(&self) -> Said {
        let said = self.counts.lock().unwrap_or_else(PoisonError::into_inner).table();
        let all = said.words.prompts();
        Said { not_taken: all, of: all, ..said }
    }

    /// Counts a prompt that is not taken. Returns a table if there are too many of them.
    pub(crate) fn not_taken(&self) -> Option<Said> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.add(false);
        let all_of_the_first = counts.not_taken as u64 == counts.seen && counts.not_taken >= FIRST;
        let too_many = counts.not_taken as f64 > self.at_most * LAST as f64;
        (all_of_the_first || too_many).then(|| counts.table())
    }
}

impl Counts {
    fn add(&mut self, taken: bool) {
        self.seen += 1;
        if self.last.len() == LAST && self.last.pop_front() == Some(false) {
            self.not_taken -= 1;
        }
        self.last.push_back(taken);
        self.not_taken += usize::from(!taken);
    }

    fn say(&mut self, said: &str) {
        self.said.add(said, 1);
    }

    fn table(&self) -> Said {
        Said { not_taken: self.not_taken as u64, of: self.last.len() as u64, words: self.said.clone() }
    }
}

/// The brakes of a process. A worker that leaves a run and joins it again finds them as it left them. Clones share it.
#[derive(Debug, Default, Clone)]
pub struct BrakeBook(Arc<Mutex<Brakes>>);

/// By run and model.
type Brakes = HashMap<(RunId, ModelId), Arc<Brake>>;

impl BrakeBook {
    /// The brakes of a run, by model.
    pub(crate) fn of(&self, manifest: &Manifest) -> Vec<Arc<Brake>> {
        let at_most = manifest.rejected_at_most();
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut of_model = |model| {
            let brake = book.entry((manifest.run.clone(), model)).or_insert_with(|| Arc::new(Brake::new(at_most)));
            if brake.at_most.total_cmp(&at_most).is_ne() {
                *brake = Arc::new(Brake::new(at_most));
            }
            Arc::clone(brake)
        };
        manifest.models().map(|(model, _)| of_model(model)).collect()
    }

    /// Forgets the brakes of a run that has ended: whoever begins it again has changed something.
    pub(crate) fn forget(&self, run: &RunId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(of, _), _| of != run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reject(brake: &Brake, said: &str) -> Option<Said> {
        brake.say(said);
        brake.not_taken()
    }

    #[test]
    fn all_of_the_first_twenty_are_too_many() {
        let brake = Brake::new(1.0);
        assert!((1..FIRST).all(|_| reject(&brake, "422: no").is_none()));
        let said = reject(&brake, "422: no").expect("all of twenty");
        let words: Vec<(&str, u64)> = said.words.iter().collect();
        assert_eq!((said.not_taken, said.of, words), (20, 20, vec![("422: no", 20)]));
    }

    #[test]
    fn one_that_is_taken_leaves_the_share_to_decide() {
        let brake = Brake::new(0.02);
        brake.taken();
        assert!((0..20).all(|_| reject(&brake, "422: no").is_none()));
        let said = reject(&brake, "400: never").expect("21 of the last thousand");
        assert_eq!((said.not_taken, said.of), (21, 22));
        let expected = " prompts  what the provider said\n      20  422: no\n       1  400: never\n";
        assert_eq!(said.words.to_string(), expected);
    }

    #[test]
    fn what_was_rejected_long_ago_does_not_count() {
        let brake = Brake::new(0.02);
        for prompt in 0..200_000 {
            if prompt % 60 == 0 { assert_eq!(reject(&brake, "422: no"), None) } else { brake.taken() }
        }
        // All may be rejected where that is wanted.
        let brake = Brake::new(1.0);
        brake.taken();
        assert!((0..5_000).all(|at| reject(&brake, &at.to_string()).is_none()));
    }
}
