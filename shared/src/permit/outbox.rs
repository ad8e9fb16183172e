//! What a worker of a fleet has to tell a quota in the store, and when it asks it.

use std::time::Duration;

use tokio::time::Instant;

use super::quota::{Answer, Charge, End, Sent, Settled};
use super::token_kinds::TokenCounts;

/// The shortest time between two asks: calls that come within it are asked for together.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

/// Outcomes of calls wait this long for the next ask.
const OUTCOMES_WAIT: Duration = Duration::from_millis(200);

/// A worker that has calls in flight, or had in the last minute, asks at least this often: so the quota knows that it lives,
/// and the worker notices that the store has lost it.
const LONGEST_INTERVAL: Duration = Duration::from_secs(1);

/// A store's clock that goes ahead of the worker's by more than this has jumped.
const JUMP_MS: u64 = 5_000;

/// Whether an outcome concerns all workers at once.
const fn is_urgent(settled: &Settled) -> bool {
    matches!(settled.end, End::Limited { .. } | End::Failed { .. })
}

/// By how much a quota's time has jumped forward that should be `known`.
pub(super) fn jump(known: u64, quota_now: u64) -> u64 {
    let ahead = quota_now.saturating_sub(known);
    if ahead > JUMP_MS { ahead } else { 0 }
}

/// What there is to tell.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    settlements: Vec<Settled>,
    /// Whether an outcome must be told at once: a refusal, or a failure.
    is_urgent: bool,
    /// What was granted here in the last minute.
    sent: Sent,
    /// The last answer: the generation of the quota, its time, and when it came.
    last: Option<(u64, u64, Instant)>,
    asked_at: Option<Instant>,
}

impl Outbox {
    /// Takes in what came of a call. Returns whether that is urgent.
    pub(super) fn push(&mut self, settled: Settled) -> bool {
        self.sent.settle(&settled);
        self.settlements.push(settled);
        let is_urgent = is_urgent(&settled);
        self.is_urgent |= is_urgent;
        is_urgent
    }

    /// Records a call that was granted.
    pub(super) fn granted(&mut self, slot: u64, tokens: TokenCounts) {
        self.sent.grant(slot, tokens);
    }

    /// The outcomes to tell.
    pub(super) fn settlements(&self) -> Vec<Settled> {
        self.settlements.clone()
    }

    /// The generation of the quota that answered last.
    pub(super) fn generation(&self) -> Option<u64> {
        self.last.map(|(generation, ..)| generation)
    }

    /// What was granted in the last minute.
    pub(super) fn sent(&self) -> Vec<Charge> {
        self.sent.charges()
    }

    /// What time it is now for the quota, as far as this process can tell.
    pub(super) fn now(&self) -> Option<u64> {
        let (_, now, at) = self.last?;
        Some(now.saturating_add(u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX)))
    }

    /// Records an answer to an ask that told the first `told` outcomes.
    pub(super) fn answered(&mut self, answer: &Answer, told: usize) {
        self.settlements.drain(..told.min(self.settlements.len()));
        // Others may have come while the question was under way.
        self.is_urgent = self.settlements.iter().any(is_urgent);
        self.last = Some((answer.generation, answer.now, Instant::now()));
        self.asked_at = Some(Instant::now());
        self.sent.expire(answer.now);
    }

    /// When to ask next: `wanted_at` is when waiting calls may be granted, if calls wait.
    pub(super) fn next_ask(&self, wanted_at: Option<Instant>, in_flight: u32) -> Option<Instant> {
        let after = |interval| self.asked_at.map_or_else(Instant::now, |at| at + interval);
        let wanted = wanted_at.map(|at| at.max(after(SHORTEST_INTERVAL)));
        let urgent = self.is_urgent.then(|| after(SHORTEST_INTERVAL));
        let outcomes = (!self.settlements.is_empty()).then(|| after(OUTCOMES_WAIT));
        let alive = (in_flight > 0 || !self.sent.is_empty()).then(|| after(LONGEST_INTERVAL));
        [wanted, urgent, outcomes, alive].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permit::quota::Stated;

    fn settled(end: End) -> Settled {
        Settled { slot: 4, epoch: 0, expected: TokenCounts::of_prompt(10), end, took_ms: 1, stated: Stated::default() }
    }

    fn answer() -> Answer {
        Answer {
            granted: Vec::new(),
            slot: 4,
            epoch: 0,
            generation: 7,
            now: 1_000,
            paused: None,
            waits_for: None,
            come_back_ms: 200,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn outcomes_wait_for_the_next_ask_and_refusals_do_not() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        assert_eq!(outbox.next_ask(None, 0), None, "there is nothing to say");
        outbox.answered(&answer(), 0);
        assert!(!outbox.push(settled(End::Answered { used: None })));
        assert_eq!(outbox.next_ask(None, 1), Some(now + OUTCOMES_WAIT));
        assert_eq!(outbox.next_ask(Some(now), 1), Some(now + SHORTEST_INTERVAL), "a call waits");
        assert!(outbox.push(settled(End::Failed { retry_after_ms: None })));
        assert_eq!(outbox.next_ask(None, 1), Some(now + SHORTEST_INTERVAL));
        outbox.answered(&answer(), 1);
        assert_eq!(outbox.next_ask(None, 0), Some(now + SHORTEST_INTERVAL), "the failure is not told yet");
        outbox.answered(&answer(), 1);
        assert_eq!((outbox.next_ask(None, 0), outbox.generation()), (None, Some(7)));
        assert_eq!(outbox.next_ask(None, 3), Some(now + LONGEST_INTERVAL), "it says that it lives");
    }

    #[tokio::test(start_paused = true)]
    async fn a_jump_of_the_stores_clock_is_noticed_by_this_processs_own() {
        let mut outbox = Outbox::default();
        outbox.answered(&answer(), 0);
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(outbox.now(), Some(61_000));
        assert_eq!((jump(61_000, 62_000), jump(61_000, 3_661_000), jump(61_000, 0)), (0, 3_600_000, 0));
    }
}
