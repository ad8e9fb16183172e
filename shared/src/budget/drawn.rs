//! What a worker of a fleet has drawn from the run's budget: its statements, and which calls their answers cover.

use std::collections::BTreeMap;

use super::purses::Purse;
use super::state::State;
use super::statement::{Account, Statement};
use crate::money::NanoUsd;

/// The worker's purse, as far as it knows it.
#[derive(Debug, Default)]
pub(super) struct Drawn {
    /// How many purses were closed before this one.
    pub(super) purse: u64,
    statements: u64,
    tickets: u64,
    /// The calls that wait for an answer that covers them: their model, and whether it did.
    uncovered: BTreeMap<u64, (usize, Option<bool>)>,
    /// Whether the worker sends no more calls.
    pub(super) ends: End,
}

/// Whether a worker has said that it sends no more calls.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    #[default]
    NotYet,
    ToBeSaid,
    Said,
}

/// A statement that is under way.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) purse: u64,
    pub(super) statement: Statement,
    last_ticket: u64,
}

impl Drawn {
    /// A ticket for a call of the model, and the purse's number.
    pub(super) fn ticket(&mut self, model: usize) -> (u64, u64) {
        self.tickets += 1;
        self.uncovered.insert(self.tickets, (model, None));
        (self.purse, self.tickets)
    }

    /// Whether an answer covers the call with this ticket; `None` while there is none.
    pub(super) fn is_covered(&self, ticket: u64) -> Option<bool> {
        self.uncovered.get(&ticket).and_then(|(_, is_covered)| *is_covered)
    }

    /// Forgets a ticket.
    pub(super) fn forget(&mut self, ticket: u64) {
        self.uncovered.remove(&ticket);
    }

    /// Whether a call waits for an answer.
    pub(super) fn has_uncovered(&self) -> bool {
        self.uncovered.values().any(|(_, is_covered)| is_covered.is_none())
    }

    fn decide(&mut self, last_ticket: u64, is_covered: impl Fn(usize) -> bool) {
        for (model, decided) in self.uncovered.range_mut(..=last_ticket).map(|(_, call)| call) {
            decided.get_or_insert_with(|| is_covered(*model));
        }
    }
}

impl State {
    /// The next statement of a worker that draws from the run's budget: one purse for each model.
    pub(super) fn statement(&mut self) -> Option<Asked> {
        let account = |(model, purse): (usize, &super::state::Purse)| {
            let (least, wanted) = self.wants(model);
            Account { spent: purse.spent, reserved: purse.reserved, least, wanted }
        };
        let models = self.purses.iter().enumerate().map(account).collect();
        let drawn = self.drawn.as_mut()?;
        drawn.statements += 1;
        let statement = Statement { number: drawn.statements, models, is_last: drawn.ends != End::NotYet };
        Some(Asked { purse: drawn.purse, statement, last_ticket: drawn.tickets })
    }

    /// Takes in the answer to a statement.
    pub(super) fn answered(&mut self, asked: &Asked, purse: &Purse) {
        let Some(drawn) = self.drawn.as_mut().filter(|drawn| drawn.purse == asked.purse) else { return };
        if asked.statement.is_last {
            drawn.ends = End::Said;
        }
        let limit = |model: usize| match purse {
            Purse::Open(limits) => limits.get(model).copied().unwrap_or_default(),
            Purse::Closed | Purse::Absent => NanoUsd(0),
        };
        let is_open = matches!(purse, Purse::Open(_));
        let is_covered = |model: usize| is_open && asked.statement.account(model).at_most() <= limit(model);
        match purse {
            Purse::Closed => {
                drawn.purse += 1;
                drawn.decide(u64::MAX, |_| false);
                self.begin_anew();
            }
            Purse::Open(_) | Purse::Absent => {
                drawn.decide(asked.last_ticket, is_covered);
                let limits = self.purses.iter_mut().enumerate();
                limits.for_each(|(model, purse)| purse.set_limit(limit(model)));
            }
        }
    }

    /// Whether the worker has a purse that it must account for.
    pub(super) fn has_drawn(&self) -> bool {
        self.purses.iter().any(|purse| purse.limit + purse.spent + purse.reserved > NanoUsd(0))
    }
}
