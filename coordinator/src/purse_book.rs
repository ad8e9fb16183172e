//! The book of a fleet's purses: who has drawn how much of a run's budget, and what may be drawn next.
//!
//! The book is kept in the run's folder, and written before a purse is opened or added to. So neither a lost store nor a
//! coordinator that is killed makes it forget money: what an owner has drawn counts as spent until the owner's last statement
//! says how much was not.

mod draws;
mod kept;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use valuesim_shared::budget::PurseLimit;
use valuesim_shared::budget::purses::{Found, Purse};
use valuesim_shared::budget::statement::Statement;
use valuesim_shared::money::NanoUsd;

pub use self::draws::Draws;
use self::kept::Kept;
pub use self::kept::{BOOK_FILE, BookError};

/// An owner whose statement has not changed for so long is gone. Its purse is closed, which does no harm if it was only slow:
/// it sends nothing from a closed purse, and opens another.
const GONE_AFTER: Duration = Duration::from_secs(5);

/// How fast the measure of an owner's spending follows it.
const SMOOTHING: f64 = 0.3;

/// The purses of a run.
#[derive(Debug)]
pub struct PurseBook {
    limits: Vec<PurseLimit>,
    /// The highest share of each limit of which a warning was given, in percent.
    told_percent: Vec<u64>,
    models: usize,
    kept: Kept,
    seen: BTreeMap<String, Seen>,
    is_changed: bool,
}

/// What was seen of an owner.
#[derive(Debug, Clone)]
struct Seen {
    statement: Statement,
    changed_at: Instant,
    /// What it spends of each model in a second, in nano-dollars.
    rate: Vec<f64>,
}

/// How much of a budget is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// What may be spent.
    pub limit: NanoUsd,
    /// What was spent, as far as it is known.
    pub spent: NanoUsd,
    /// What was drawn and is not known to be spent.
    pub reserved: NanoUsd,
}

impl PurseBook {
    /// A book with these limits, the run's first. What `limits` have spent is spent beside the calls of its models. `before` is
    /// what each model had cost before the book was begun.
    pub fn new(limits: Vec<PurseLimit>, before: Vec<NanoUsd>) -> Self {
        let kept = Kept::new(before);
        Self::of(limits, kept)
    }

    fn of(limits: Vec<PurseLimit>, kept: Kept) -> Self {
        let told_percent = vec![0; limits.len()];
        let models = kept.before.len();
        let mut book = Self { limits, told_percent, models, kept, seen: BTreeMap::new(), is_changed: false };
        book.warnings();
        book
    }

    /// Sets the run's limit. Returns whether it was another.
    pub fn set_limit(&mut self, limit: NanoUsd) -> bool {
        let Some(of_run) = self.limits.first_mut().filter(|of_run| of_run.limit != limit) else { return false };
        of_run.limit = limit;
        self.told_percent[0] = 0;
        self.warnings();
        true
    }

    /// How much of the run's budget is used.
    pub fn used(&self) -> Used {
        let Some(limit) = self.limits.first() else {
            return Used { limit: NanoUsd(0), spent: NanoUsd(0), reserved: NanoUsd(0) };
        };
        let spent = self.spent(limit);
        Used { limit: limit.limit, spent, reserved: self.taken(limit) - spent }
    }

    /// What is to be told of limits of which much is used. Each is told once.
    pub fn warnings(&mut self) -> Vec<String> {
        let spent: Vec<NanoUsd> = self.limits.iter().map(|limit| self.spent(limit)).collect();
        let mut warnings = Vec::new();
        for ((limit, told), spent) in self.limits.iter().zip(&mut self.told_percent).zip(spent) {
            if let Some((percent, warning)) = limit.warning(spent, *told) {
                *told = percent;
                warnings.push(warning);
            }
        }
        warnings
    }

    /// The store's life in which the purses were written.
    pub fn life(&self) -> &str {
        &self.kept.life
    }

    /// Begins with a store that has lost everything, or may have put back what was there before: owners must say again what
    /// they have spent.
    pub fn begin_life(&mut self, life: String, now: Instant) {
        self.kept.life = life;
        self.is_changed = true;
        for seen in self.seen.values_mut() {
            seen.changed_at = now;
        }
    }

    /// Takes in what owners say. Returns those whose purse is to be closed: they have ended, are gone, or are not known.
    pub fn see(&mut self, found: &Found, now: Instant) -> Vec<String> {
        let mut to_close = Vec::new();
        for (owner, stated) in &found.stated {
            let is_open = self.kept.open.contains_key(owner);
            if stated.statement.is_last || (!is_open && stated.statement.is_used()) {
                to_close.push(owner.clone());
            } else if !is_open {
                self.kept.open.insert(owner.clone(), vec![NanoUsd(0); self.models]);
                self.is_changed = true;
            }
            self.note(owner, &stated.statement, now);
        }
        for owner in self.kept.open.keys() {
            let seen = self.seen.entry(owner.clone()).or_insert_with(|| Seen::nothing(now, self.models));
            let is_gone = now.saturating_duration_since(seen.changed_at) >= GONE_AFTER;
            if is_gone && !to_close.contains(owner) {
                to_close.push(owner.clone());
            }
        }
        to_close
    }

    fn note(&mut self, owner: &str, statement: &Statement, now: Instant) {
        let models = self.models;
        let seen = self.seen.entry(owner.to_owned()).or_insert_with(|| Seen::nothing(now, models));
        if seen.statement.number != statement.number {
            seen.take_in(statement, now);
        }
    }

    /// Ends an owner's purse, whose last statement this is, if there is one. Without one, all that it has drawn is spent.
    pub fn close(&mut self, owner: &str, last: Option<&Statement>) {
        let seen = self.seen.remove(owner);
        let Some(drawn) = self.kept.open.remove(owner) else { return };
        for (model, drawn) in drawn.into_iter().enumerate() {
            let known = seen.as_ref().map_or(NanoUsd(0), |seen| seen.statement.account(model).at_most());
            let spent = last.map_or(drawn.max(known), |last| last.account(model).at_most());
            self.kept.closed[model] += spent;
        }
        self.is_changed = true;
    }

    /// Records that an owner's purse was shrunk to what its statement has used.
    pub fn shrunk(&mut self, owner: &str, to: &[NanoUsd]) {
        self.kept.open.insert(owner.to_owned(), to.to_vec());
        self.is_changed = true;
    }

    /// What the store's purses should be, where they are something else.
    pub fn missing(&self, found: &Found) -> Vec<(String, Vec<NanoUsd>)> {
        let is_due = |(owner, drawn): &(&String, &Vec<NanoUsd>)| {
            let is_drawn = drawn.iter().any(|amount| *amount > NanoUsd(0));
            let is_there = matches!(found.granted.get(*owner), Some(Purse::Open(there)) if there == *drawn);
            is_drawn && !is_there && found.stated.contains_key(*owner)
        };
        let of_open = self.kept.open.iter().filter(is_due);
        of_open.map(|(owner, drawn)| (owner.clone(), drawn.clone())).collect()
    }

    /// What was spent under a limit, as far as it is known.
    fn spent(&self, limit: &PurseLimit) -> NanoUsd {
        let of_owners = |model: usize| self.open().map(move |(_, _, seen)| seen.account(model).spent).sum::<NanoUsd>();
        limit.spent + limit.models.iter().map(|&model| self.ended(model) + of_owners(model)).sum()
    }

    /// What is not free under a limit: what was spent, and what was drawn.
    fn taken(&self, limit: &PurseLimit) -> NanoUsd {
        limit.spent + limit.models.iter().map(|&model| self.taken_of(model)).sum()
    }

    /// What was spent on a model, and what was drawn for it.
    fn taken_of(&self, model: usize) -> NanoUsd {
        let of_owner = |drawn: &[NanoUsd], seen: &Statement| {
            drawn.get(model).copied().unwrap_or_default().max(seen.account(model).at_most())
        };
        self.ended(model) + self.open().map(|(_, drawn, seen)| of_owner(drawn, seen)).sum()
    }

    /// What calls of a model cost that no open purse pays for.
    fn ended(&self, model: usize) -> NanoUsd {
        let of_model = |amounts: &[NanoUsd]| amounts.get(model).copied().unwrap_or_default();
        of_model(&self.kept.before) + of_model(&self.kept.closed)
    }

    /// The open purses: their owners, what they have drawn, and their last statements.
    fn open(&self) -> impl Iterator<Item = (&str, &[NanoUsd], &Statement)> {
        const NOTHING: &Statement = &Statement { number: 0, models: Vec::new(), is_last: false };
        self.kept.open.iter().map(|(owner, drawn)| {
            let statement = self.seen.get(owner).map_or(NOTHING, |seen| &seen.statement);
            (owner.as_str(), drawn.as_slice(), statement)
        })
    }
}

impl Seen {
    fn nothing(now: Instant, models: usize) -> Self {
        Self { statement: Statement::default(), changed_at: now, rate: vec![0.0; models] }
    }

    fn take_in(&mut self, statement: &Statement, now: Instant) {
        let seconds = now.saturating_duration_since(self.changed_at).as_secs_f64().max(0.01);
        for (model, rate) in self.rate.iter_mut().enumerate() {
            let [before, after] = [&self.statement, statement].map(|statement| statement.account(model).spent);
            *rate += ((after - before).0 as f64 / seconds - *rate) * SMOOTHING;
        }
        self.statement = statement.clone();
        self.changed_at = now;
    }
}

#[cfg(test)]
mod tests;
