//! Remembers which prompts came before, how often, and whether they were answered.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use crate::person::halves;

/// Prompts by digest, up to a number of them; later ones are counted, not remembered.
#[derive(Debug)]
pub(crate) struct Prompts {
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By two words rather than one number of 128 bits, whose alignment would waste a quarter of the memory.
    by_digest: HashMap<[u64; 2], Seen>,
    repeated: u64,
    not_remembered: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    attempts: u32,
    is_answered: bool,
}

/// How many prompts are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    /// Calls whose prompt had been answered before.
    pub(crate) repeated: u64,
    /// Prompts that are remembered.
    pub(crate) remembered: u64,
    /// Calls whose prompt is not, because there were too many.
    pub(crate) not_remembered: u64,
}

impl Prompts {
    /// Remembers at most so many prompts.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, state: Mutex::default() }
    }

    /// Counts a call for a prompt, and says which try of this prompt it is, from 1.
    pub(crate) fn try_again(&self, digest: u128) -> u64 {
        let state = &mut *self.state();
        let is_room = state.by_digest.len() < self.most;
        let key = halves(digest);
        if !is_room && !state.by_digest.contains_key(&key) {
            state.not_remembered += 1;
            // Which try it is can no longer be told; another number each time lets a retry get through all the same.
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

    /// How many prompts are known.
    pub(crate) fn known(&self) -> Known {
        let state = self.state();
        let remembered = state.by_digest.len() as u64;
        Known { repeated: state.repeated, remembered, not_remembered: state.not_remembered }
    }

    /// Forgets all.
    pub(crate) fn reset(&self) {
        *self.state() = State::default();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the prompts")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_prompt_that_was_answered_is_repeated() {
        let prompts = Prompts::new(2);
        assert_eq!([prompts.try_again(1), prompts.try_again(1), prompts.try_again(2)], [1, 2, 1]);
        prompts.answered(1);
        prompts.try_again(1);
        prompts.try_again(2);
        assert_eq!(prompts.known(), Known { repeated: 1, remembered: 2, not_remembered: 0 });
        prompts.try_again(3);
        prompts.answered(3);
        prompts.try_again(3);
        assert_eq!(prompts.known(), Known { repeated: 1, remembered: 2, not_remembered: 2 });
        prompts.reset();
        assert_eq!(prompts.try_again(1), 1);
    }
}
