//! Lets one call of each prompt's beginning go ahead, so that the provider has it in its cache when the others follow.
//!
//! The prompts of a module about a cell's questions begin with the same thousands of tokens, which a provider bills at a tenth
//! where its cache has them. It has them once it has answered one such prompt, or two (`cache_after` of the model's settings).
//! Sent all at once, none of them would be read from the cache.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;
use valuesim_shared::cell::{Rules, Text, text_of};
use valuesim_shared::stage::Stage;

/// How long the others wait at most. A provider keeps a prompt's beginning as soon as it has read it, long before it has
/// written a reply of thousands of tokens; and a call that hangs must not stop a cell.
const WAITS_AT_MOST: Duration = Duration::from_secs(20);

/// The stages of a cell whose prompts share their beginning, and how often the provider has seen it.
#[derive(Debug)]
pub(crate) struct WarmUp {
    stages: Vec<(Stage, Beginning)>,
}

/// The beginning that the prompts of one stage share.
#[derive(Debug)]
struct Beginning {
    /// One while it is cold; closed once it is warm.
    turns: Semaphore,
    /// How many more answers it takes until it is warm.
    cold: AtomicU8,
}

/// The right to make a call with a beginning that may still be cold. To be held until the call has ended.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    beginning: Option<&'a Beginning>,
    answered: bool,
}

/// Whether the prompts of a stage about a cell's questions share a text of that cell.
fn shares_a_text(stage: Stage) -> bool {
    !matches!(text_of(stage), Text::Nothing | Text::Retrieved | Text::BackstoryOf(0))
}

/// Whether any call of a model's cells waits for another.
pub(crate) fn is_needed(rules: &Rules) -> bool {
    rules.first_stages().iter().any(|&stage| shares_a_text(stage))
}

impl WarmUp {
    /// The beginnings of a cell, each cold until the provider has answered `cache_after` prompts.
    pub(crate) fn new(rules: &Rules, cache_after: u8) -> Self {
        let stages = rules.first_stages().iter().copied().filter(|&stage| cache_after > 0 && shares_a_text(stage));
        let cold = |stage| (stage, Beginning { turns: Semaphore::new(1), cold: AtomicU8::new(cache_after) });
        Self { stages: stages.map(cold).collect() }
    }

    /// Waits for a call's turn: until no other call warms the beginning of its stage, or it is warm.
    pub(crate) async fn turn(&self, stage: Stage) -> Turn<'_> {
        let beginning = self.stages.iter().find(|(of, _)| *of == stage).map(|(_, beginning)| beginning);
        let Some(beginning) = beginning else { return Turn { beginning: None, answered: false } };
        match timeout(WAITS_AT_MOST, beginning.turns.acquire()).await {
            Ok(Ok(turn)) => {
                turn.forget();
                Turn { beginning: Some(beginning), answered: false }
            }
            // It is warm, or takes too long.
            Ok(Err(_)) | Err(_) => Turn { beginning: None, answered: false },
        }
    }
}

impl Turn<'_> {
    /// Whether other calls wait for this one.
    pub(crate) fn goes_ahead(&self) -> bool {
        self.beginning.is_some()
    }

    /// The provider has answered the call.
    pub(crate) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Some(Beginning { turns, cold }) = self.beginning else { return };
        // One call at a time has the turn, so nobody else counts meanwhile.
        if self.answered && cold.fetch_sub(1, Ordering::Relaxed) == 1 {
            turns.close();
        } else {
            turns.add_permits(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;
    use std::pin::pin;
    use std::task::Poll;
    use valuesim_shared::method::{Behaviour, Method};

    use super::*;

    fn warm_up(cache_after: u8) -> WarmUp {
        WarmUp::new(&Rules::new(Behaviour::Corrected, &[Method::ValueSim, Method::NoProfile], None), cache_after)
    }

    #[tokio::test(start_paused = true)]
    async fn the_others_follow_once_the_provider_has_seen_enough() {
        let warm_up = warm_up(2);
        let first = warm_up.turn(Stage::COGNITIVE).await;
        let (mut second, mut third) = (pin!(warm_up.turn(Stage::COGNITIVE)), pin!(warm_up.turn(Stage::COGNITIVE)));
        assert!(poll!(&mut second).is_pending());
        // Other stages have beginnings of their own, or none.
        let _other = warm_up.turn(Stage::AFFECTIVE).await;
        let _none = (warm_up.turn(Stage::NO_PROFILE).await, warm_up.turn(Stage::NO_PROFILE).await);
        first.answered();
        let Poll::Ready(second) = poll!(&mut second) else { panic!("the first was answered") };
        assert!(poll!(&mut third).is_pending(), "one answer is not enough");
        second.answered();
        third.await.answered();
        let _all = (warm_up.turn(Stage::COGNITIVE).await, warm_up.turn(Stage::COGNITIVE).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_fails_or_hangs_stops_nobody() {
        let warm_up = warm_up(1);
        drop(warm_up.turn(Stage::COGNITIVE).await);
        let hangs = warm_up.turn(Stage::COGNITIVE).await;
        let begun = tokio::time::Instant::now();
        let passed = warm_up.turn(Stage::COGNITIVE).await;
        assert!(begun.elapsed() >= WAITS_AT_MOST && passed.beginning.is_none());
        drop(hangs);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_provider_without_a_cache() {
        let warm_up = warm_up(0);
        let _both = (warm_up.turn(Stage::COGNITIVE).await, warm_up.turn(Stage::COGNITIVE).await);
    }
}
