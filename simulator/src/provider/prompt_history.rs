//! Remembers prompts: how often each was sent, and whether it was answered.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use crate::person::halves;

/// Prompts by digest, up to a maximum number; further ones are only counted.
#[derive(Debug)]
pub(crate) struct PromptHistory {
    max: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The key is two words, because the alignment of one 128-bit number would waste a quarter of the memory.
    by_digest: HashMap<[u64; 2], Seen>,
    repeated: u64,
    not_remembered: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    attempts: u32,
    is_answered: bool,
}

/// The numbers of repeated and remembered prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PromptCounts {
    /// Calls whose prompt had been answered before.
    pub(crate) repeated: u64,
    /// Prompts that are remembered.
    pub(crate) remembered: u64,
    /// Calls whose prompt is not remembered, because there were too many.
    pub(crate) not_remembered: u64,
}

impl PromptHistory {
    /// Remembers at most this many prompts.
    pub(crate) fn new(max: usize) -> Self {
        Self { max, state: Mutex::default() }
    }

    /// Counts a call for a prompt, and returns the number of this attempt, from 1.
    pub(crate) fn count_attempt(&self, digest: u128) -> u64 {
        let state = &mut *self.state();
        let is_room = state.by_digest.len() < self.max;
        let key = halves(digest);
        if !is_room && !state.by_digest.contains_key(&key) {
            state.not_remembered += 1;
            // The attempt's number is unknown; a different number each time still lets a retry succeed.
            return state.not_remembered;
        }
        let seen = state.by_digest.entry(key).or_default();
        seen.attempts += 1;
        state.repeated += u64::from(seen.is_answered);
        seen.attempts.into()
    }

    /// Remembers that a prompt was answered.
    pub(crate) fn answered(&self, digest: u128) {
        if let Some(seen) = self.state().by_digest.get_mut(&halves(digest)) {
            seen.is_answered = true;
        }
    }

    /// The numbers of repeated and remembered prompts.
    pub(crate) fn counts(&self) -> PromptCounts {
        let state = self.state();
        let remembered = state.by_digest.len() as u64;
        PromptCounts { repeated: state.repeated, remembered, not_remembered: state.not_remembered }
    }

    /// Forgets all prompts.
    pub(crate) fn reset(&self) {
        *self.state() = State::default();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answered_prompt_counts_as_repeated() {
        let prompts = PromptHistory::new(2);
        assert_eq!([prompts.count_attempt(1), prompts.count_attempt(1), prompts.count_attempt(2)], [1, 2, 1]);
        prompts.answered(1);
        prompts.count_attempt(1);
        prompts.count_attempt(2);
        assert_eq!(prompts.counts(), PromptCounts { repeated: 1, remembered: 2, not_remembered: 0 });
        prompts.count_attempt(3);
        prompts.answered(3);
        prompts.count_attempt(3);
        assert_eq!(prompts.counts(), PromptCounts { repeated: 1, remembered: 2, not_remembered: 2 });
        prompts.reset();
        assert_eq!(prompts.count_attempt(1), 1);
    }
}
