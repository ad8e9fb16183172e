//! What a worker was granted in the last minute: it says so to a quota that has lost its state.

use super::ask::{End, Settled};
use super::slots::{Charge, Slots};
use crate::permit::token_kinds::TokenCounts;

/// The granted calls of the last minute, by the slots of the quota that granted them.
#[derive(Debug, Default)]
pub struct Sent(Slots);

impl Sent {
    /// Records a granted call.
    pub fn grant(&mut self, slot: u64, tokens: TokenCounts) {
        self.0.add(Charge { slot, calls: 1, refused: 0, tokens });
    }

    /// Takes in what came of a call.
    pub fn settle(&mut self, settled: &Settled) {
        let expected = settled.expected;
        match settled.end {
            End::Unsent => self.0.unsent(settled.slot, expected),
            End::Answered { used } => self.0.correct(settled.slot, expected, used.unwrap_or(expected)),
            End::Limited { .. } => self.0.refused(settled.slot, expected),
            End::Failed { .. } | End::Ended | End::Unknown => {}
        }
    }

    /// Forgets what no longer counts at the quota's time.
    pub fn expire(&mut self, now: u64) {
        self.0.expire(now);
    }

    /// Whether nothing was granted.
    pub fn is_empty(&self) -> bool {
        self.0.next_expiry().is_none()
    }

    /// The calls, by slot.
    pub fn charges(&self) -> Vec<Charge> {
        self.0.clone().into()
    }
}
