//! What was granted in the last minute, in slots of a quarter of a second.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::permit::token_kinds::TokenCounts;

/// The length of a slot.
const SLOT_MS: u64 = 250;

/// How long a slot counts after its end: a minute, and a guard for the time that a granted call takes to reach the provider.
/// The guard costs 0.8 % of a limit.
const COUNTS_MS: u64 = 60_000 + 500;

/// Fewer refusals are no wall: a twentieth of the calls, refused by chance, are as many of two dozen once in 100,000 times.
const LEAST_OF_WALL: u64 = 8;

/// Of the calls since a wall was reached, at least one of so many was refused. A slow start reaches a limit of calls at
/// several times its pace.
const CALLS_PER_REFUSAL_OF_WALL: u64 = 3;

/// The slots that count, oldest first, and their sums.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Charge>", into = "Vec<Charge>")]
pub(super) struct Slots {
    slots: VecDeque<Charge>,
    sum: Sum,
}

/// What was granted in one slot.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u64; 6]", into = "[u64; 6]")]
pub struct Charge {
    /// The slot's number.
    pub slot: u64,
    /// Calls, those that the provider refused among them: some providers count refused calls.
    pub calls: u64,
    /// Calls that the provider refused for its limit.
    pub refused: u64,
    /// Tokens: as expected, and as used once that is known. Those of refused calls do not count.
    pub tokens: TokenCounts,
}

/// Sums over all slots that count.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) calls: u64,
    pub(super) refused: u64,
    pub(super) tokens: TokenCounts,
}

impl From<[u64; 6]> for Charge {
    fn from([slot, calls, refused, input, uncached, output]: [u64; 6]) -> Self {
        Self { slot, calls, refused, tokens: TokenCounts { input, uncached, output } }
    }
}

impl From<Charge> for [u64; 6] {
    fn from(Charge { slot, calls, refused, tokens }: Charge) -> Self {
        [slot, calls, refused, tokens.input, tokens.uncached, tokens.output]
    }
}

impl From<Vec<Charge>> for Slots {
    fn from(charges: Vec<Charge>) -> Self {
        let mut slots = Self::default();
        for charge in charges {
            slots.add(charge);
        }
        slots
    }
}

impl From<Slots> for Vec<Charge> {
    fn from(slots: Slots) -> Self {
        slots.slots.into()
    }
}

impl Slots {
    /// The number of the slot at `now`, in milliseconds.
    pub(super) const fn number(now: u64) -> u64 {
        now / SLOT_MS
    }

    /// Drops the slots that no longer count.
    pub(super) fn expire(&mut self, now: u64) {
        while let Some(oldest) = self.slots.front()
            && Self::counts_until(oldest.slot) <= now
        {
            self.sum.calls -= oldest.calls;
            self.sum.refused -= oldest.refused;
            self.sum.tokens = self.sum.tokens.without(oldest.tokens);
            self.slots.pop_front();
        }
    }

    /// When the oldest slot no longer counts.
    pub(super) fn next_expiry(&self) -> Option<u64> {
        self.slots.front().map(|oldest| Self::counts_until(oldest.slot))
    }

    const fn counts_until(slot: u64) -> u64 {
        (slot + 1) * SLOT_MS + COUNTS_MS
    }

    pub(super) fn sum(&self) -> Sum {
        self.sum
    }

    /// The sum over the slots after the one at `time`.
    pub(super) fn sum_since(&self, time: u64) -> Sum {
        let later = self.slots.iter().rev().take_while(|it| it.slot > Self::number(time));
        later.fold(Sum::default(), |sum, it| Sum {
            calls: sum.calls + it.calls,
            refused: sum.refused + it.refused,
            tokens: sum.tokens + it.tokens,
        })
    }

    /// Whether so large a share of the latest calls was refused that the provider must have reached a limit.
    pub(super) fn end_in_wall(&self) -> bool {
        let mut latest = (0, 0);
        self.slots.iter().rev().any(|slot| {
            latest = (latest.0 + slot.calls, latest.1 + slot.refused);
            latest.1 >= LEAST_OF_WALL && latest.1 * CALLS_PER_REFUSAL_OF_WALL >= latest.0
        })
    }

    /// Adds a charge to its slot.
    pub(super) fn add(&mut self, charge: Charge) {
        self.sum.calls += charge.calls;
        self.sum.refused += charge.refused;
        self.sum.tokens += charge.tokens;
        let at = self.slots.partition_point(|known| known.slot < charge.slot);
        match self.slots.get_mut(at) {
            Some(known) if known.slot == charge.slot => {
                known.calls += charge.calls;
                known.refused += charge.refused;
                known.tokens += charge.tokens;
            }
            _ => self.slots.insert(at, charge),
        }
    }

    /// Replaces the expected tokens of a call by those that it used, in the slot in which it was granted. If they counted
    /// now, what is refunded late would let the present minute be exceeded.
    pub(super) fn correct(&mut self, slot: u64, expected: TokenCounts, used: TokenCounts) {
        let Some(known) = find(&mut self.slots, slot) else { return };
        let before = known.tokens;
        known.tokens = (before + used).without(expected);
        self.sum.tokens = (self.sum.tokens + known.tokens).without(before);
    }

    /// Takes back a call that was not sent.
    pub(super) fn unsent(&mut self, slot: u64, expected: TokenCounts) {
        self.correct(slot, expected, TokenCounts::NONE);
        if let Some(known) = find(&mut self.slots, slot).filter(|known| known.calls > known.refused) {
            known.calls -= 1;
            self.sum.calls -= 1;
        }
    }

    /// Notes that the provider refused a call.
    pub(super) fn refused(&mut self, slot: u64, expected: TokenCounts) {
        self.correct(slot, expected, TokenCounts::NONE);
        if let Some(known) = find(&mut self.slots, slot).filter(|known| known.calls > known.refused) {
            known.refused += 1;
            self.sum.refused += 1;
        }
    }
}

fn find(slots: &mut VecDeque<Charge>, slot: u64) -> Option<&mut Charge> {
    let at = slots.binary_search_by_key(&slot, |known| known.slot).ok()?;
    slots.get_mut(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(tokens: u64) -> TokenCounts {
        TokenCounts::of_prompt(tokens)
    }

    fn charge(slot: u64, calls: u64, tokens: u64) -> Charge {
        Charge { slot, calls, refused: 0, tokens: prompt(tokens) }
    }

    #[test]
    fn a_slot_counts_for_a_minute_and_the_guard_after_its_end() {
        let mut slots = Slots::default();
        slots.add(charge(Slots::number(999), 2, 20));
        slots.add(charge(Slots::number(1_000), 1, 5));
        assert_eq!(slots.next_expiry(), Some(61_500));
        slots.expire(61_499);
        assert_eq!(slots.sum(), Sum { calls: 3, refused: 0, tokens: prompt(25) });
        slots.expire(61_500);
        assert_eq!(slots.sum(), Sum { calls: 1, refused: 0, tokens: prompt(5) });
    }

    #[test]
    fn corrections_go_to_the_slot_of_the_grant_if_it_still_counts() {
        let mut slots = Slots::default();
        slots.add(charge(4, 2, 200));
        slots.correct(4, prompt(100), prompt(70));
        slots.refused(4, prompt(100));
        assert_eq!(slots.sum(), Sum { calls: 2, refused: 1, tokens: prompt(70) });
        slots.unsent(4, prompt(70));
        assert_eq!(slots.sum(), Sum { calls: 1, refused: 1, tokens: TokenCounts::NONE });
        slots.correct(5, prompt(10), prompt(1_000));
        slots.unsent(4, TokenCounts::NONE);
        assert_eq!(slots.sum(), Sum { calls: 1, refused: 1, tokens: TokenCounts::NONE }, "nothing is taken back twice");
    }

    #[test]
    fn a_wall_is_many_refusals_of_the_latest_calls() {
        let check = |latest: &[(u64, u64)], expected: bool| {
            let mut slots = Slots::default();
            for (slot, &(calls, refused)) in latest.iter().enumerate() {
                slots.add(Charge { slot: slot as u64, calls, refused, tokens: TokenCounts::NONE });
            }
            assert_eq!(slots.end_in_wall(), expected, "{latest:?}");
        };
        check(&[(500, 25), (500, 25), (500, 25)], false);
        check(&[(500, 0), (500, 0), (10, 8)], true);
        check(&[(10, 7)], false);
        check(&[(500, 0), (12, 4), (12, 4)], true);
        check(&[(12, 8), (500, 0)], false);
    }

    #[test]
    fn it_survives_being_written() {
        let mut slots = Slots::default();
        for slot in [9, 4, 4, 7] {
            let tokens = TokenCounts { input: 30, uncached: 10, output: 2 };
            slots.add(Charge { slot, calls: 3, refused: 1, tokens });
        }
        let text = serde_json::to_string(&slots).unwrap();
        assert_eq!(text, "[[4,6,2,60,20,4],[7,3,1,30,10,2],[9,3,1,30,10,2]]");
        assert_eq!(serde_json::from_str::<Slots>(&text).unwrap(), slots);
    }
}
