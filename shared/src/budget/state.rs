//! The money of a run's calls in one process: what is free, reserved and spent, and which calls wait for it.

use std::collections::{BTreeMap, BTreeSet};

use super::drawn::Drawn;
use super::limit::{PurseLimit, told, warning};
use crate::money::NanoUsd;

/// The purses of a run.
#[derive(Debug)]
pub(super) struct State {
    pub(super) purses: Vec<Purse>,
    /// How many calls are paid for in advance.
    reserved_calls: u64,
    /// What waiting calls need, with the number of those that need it.
    waiting: BTreeMap<Need, u64>,
    pub(super) is_exhausted: bool,
    /// By how much a reply exceeded what it could cost at most, in thousandths of that.
    widened_permille: u64,
    /// What is drawn from the run's budget, if others draw from it, too.
    pub(super) drawn: Option<Drawn>,
}

/// What a waiting call needs, and its model.
pub(super) type Need = (NanoUsd, usize);

/// Money for some of the run's calls.
#[derive(Debug)]
pub(super) struct Purse {
    pub(super) name: String,
    pub(super) limit: NanoUsd,
    pub(super) spent: NanoUsd,
    pub(super) reserved: NanoUsd,
    models: Vec<usize>,
    told_percent: u64,
}

/// Money reserved for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reserved {
    pub(super) model: usize,
    pub(super) amount: NanoUsd,
    /// The purse of a fleet's worker from which it is, by number.
    pub(super) purse: u64,
    /// Where an answer of the fleet's purses is looked up.
    pub(super) ticket: u64,
}

impl Purse {
    fn new(PurseLimit { name, limit, spent, models }: PurseLimit) -> Self {
        let told_percent = told(spent, limit).unwrap_or(0);
        Self { name, limit, spent, reserved: NanoUsd(0), models, told_percent }
    }

    fn free(&self) -> NanoUsd {
        self.limit - self.spent - self.reserved
    }

    pub(super) fn set_limit(&mut self, limit: NanoUsd) {
        self.limit = limit;
        self.told_percent = told(self.spent, limit).unwrap_or(0);
    }

    /// What is to be told of a purse of which much is used.
    fn news(&mut self) -> Option<String> {
        let percent = told(self.spent, self.limit).filter(|percent| *percent > self.told_percent)?;
        self.told_percent = percent;
        Some(warning(percent, self.limit, &self.name))
    }
}

impl State {
    pub(super) fn new(limits: Vec<PurseLimit>, drawn: Option<Drawn>) -> Self {
        let purses = limits.into_iter().map(Purse::new).collect();
        let waiting = BTreeMap::new();
        Self { purses, reserved_calls: 0, waiting, is_exhausted: false, widened_permille: 1000, drawn }
    }

    /// What a call needs that can cost `amount` at most, as far as replies have kept to that.
    pub(super) fn need(&self, amount: NanoUsd) -> NanoUsd {
        let widened = u128::from(amount.0) * u128::from(self.widened_permille) / 1000;
        NanoUsd(u64::try_from(widened).unwrap_or(u64::MAX))
    }

    fn can_pay(&self, (amount, model): Need) -> bool {
        self.purses.iter().filter(|purse| purse.models.contains(&model)).all(|purse| purse.free() >= amount)
    }

    fn of(&mut self, model: usize) -> impl Iterator<Item = &mut Purse> {
        self.purses.iter_mut().filter(move |purse| purse.models.contains(&model))
    }

    /// Reserves what a call needs, if it is free.
    pub(super) fn reserve(&mut self, (amount, model): Need) -> Option<Reserved> {
        if !self.can_pay((amount, model)) {
            return None;
        }
        self.reserved_calls += 1;
        self.of(model).for_each(|purse| purse.reserved += amount);
        let (purse, ticket) = self.drawn.as_mut().map(|drawn| drawn.ticket(model)).unwrap_or_default();
        Some(Reserved { model, amount, purse, ticket })
    }

    /// The models under purses that cannot pay for calls that wait, if no waiting call can be paid for, now or when calls in flight
    /// end.
    pub(super) fn walled(&self) -> Option<BTreeSet<usize>> {
        let can_pay = |need: &Need| self.can_pay(*need);
        let is_alone = self.drawn.is_none();
        let waits = is_alone && self.reserved_calls == 0 && !self.waiting.is_empty();
        if !waits || self.waiting.keys().any(can_pay) {
            return None;
        }
        let fails = |purse: &&Purse| {
            self.waiting.keys().any(|(amount, model)| purse.models.contains(model) && purse.free() < *amount)
        };
        Some(self.purses.iter().filter(fails).flat_map(|purse| purse.models.iter().copied()).collect())
    }

    /// Whether that is so of all models. Otherwise others may be about to go on.
    pub(super) fn is_at_the_wall(&self) -> bool {
        let of_all = |walled: BTreeSet<usize>| {
            self.purses.iter().flat_map(|purse| &purse.models).all(|model| walled.contains(model))
        };
        self.walled().is_some_and(of_all)
    }

    /// Takes back money for a call that was not sent.
    pub(super) fn release(&mut self, reserved: Reserved) {
        self.take_back(reserved, NanoUsd(0));
    }

    /// Ends a reservation of a call that cost `actual`. Returns what there is to tell.
    pub(super) fn end(&mut self, reserved: Reserved, actual: NanoUsd) -> Vec<String> {
        if actual > reserved.amount && reserved.amount.0 > 0 {
            // Models that reason may exceed the limit of their output: whatever comes next is expected to do so, too.
            let over = u128::from(actual.0) * u128::from(self.widened_permille) / u128::from(reserved.amount.0) + 1;
            self.widened_permille = self.widened_permille.max(u64::try_from(over).unwrap_or(u64::MAX));
        }
        self.take_back(reserved, actual);
        match self.drawn {
            // Whoever gives out the purses knows how much of the budget is used.
            Some(_) => Vec::new(),
            None => self.of(reserved.model).filter_map(Purse::news).collect(),
        }
    }

    fn take_back(&mut self, reserved: Reserved, spent: NanoUsd) {
        if self.drawn.as_ref().is_some_and(|drawn| drawn.purse != reserved.purse) {
            // The purse was closed meanwhile, with the most that the call can cost.
            return;
        }
        self.reserved_calls = self.reserved_calls.saturating_sub(1);
        for purse in self.of(reserved.model) {
            purse.reserved = purse.reserved - reserved.amount;
            purse.spent += spent;
        }
    }

    /// Begins with an empty purse: the one before was closed, with all that was spent from it.
    pub(super) fn begin_anew(&mut self) {
        self.reserved_calls = 0;
        for purse in &mut self.purses {
            (purse.limit, purse.spent, purse.reserved) = (NanoUsd(0), NanoUsd(0), NanoUsd(0));
        }
    }

    /// Records that a call waits.
    pub(super) fn wait(&mut self, need: Need) {
        *self.waiting.entry(need).or_insert(0) += 1;
    }

    /// Records that a call waits no more.
    pub(super) fn stop_waiting(&mut self, need: Need) {
        let Some(count) = self.waiting.get_mut(&need) else { return };
        *count -= 1;
        if *count == 0 {
            self.waiting.remove(&need);
        }
    }

    /// The least that a waiting call of the model needs, and what all of them need; 0 if none waits.
    pub(super) fn wants(&self, model: usize) -> (NanoUsd, NanoUsd) {
        let of_model = || self.waiting.iter().filter(|((_, of), _)| *of == model);
        let least = of_model().map(|((amount, _), _)| *amount).min().unwrap_or_default();
        (least, of_model().map(|((amount, _), count)| amount.times(*count)).sum())
    }

    /// Whether calls wait.
    pub(super) fn has_wants(&self) -> bool {
        !self.waiting.is_empty()
    }
}
