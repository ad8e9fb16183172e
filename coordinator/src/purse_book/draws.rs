//! Who may draw how much next, and whether the run is at its wall.

use std::collections::BTreeSet;

use valuesim_shared::budget::PurseLimit;
use valuesim_shared::budget::purses::{Found, Stated};
use valuesim_shared::money::NanoUsd;

use super::PurseBook;

/// An owner has money for what it spends in so many seconds, so that it seldom waits for the next draw.
const AHEAD_SECONDS: f64 = 2.0;

/// All owners together have at most this part of a limit for calls that do not wait yet: it counts as spent if they are killed
/// and the store is lost at the same time.
const AHEAD_SHARE: u64 = 100;

/// An owner draws at most its part of so much of what is free, so that the last part is drawn in ever smaller amounts.
const SHARE_OF_FREE: u64 = 2;

/// What is to be done next.
#[derive(Debug, Default)]
pub struct Draws {
    /// By owner, all that it has drawn from now on, by model.
    pub granted: Vec<(String, Vec<NanoUsd>)>,
    /// Owners with money that they do not use and others wait for: their statements, and what they have used.
    pub to_shrink: Vec<(String, Stated, Vec<NanoUsd>)>,
    /// Whether calls wait, nothing is in flight, and no money can come back.
    pub is_at_the_wall: bool,
    /// The models under limits that do not pay for what waits. Others may be about to go on.
    pub walled: BTreeSet<usize>,
}

/// A call that waits for money.
struct Want {
    owner: String,
    model: usize,
    /// What the owner lacks for its smallest waiting call.
    lacks: NanoUsd,
    /// What it would like.
    wishes: NanoUsd,
}

impl PurseBook {
    /// Decides what owners draw. The book has it from now on; it must be kept before the purses are written.
    pub fn draw(&mut self, found: &Found) -> Draws {
        let mut draws = Draws::default();
        let wants = self.wants(found);
        let owners = wants.len().max(1) as u64;
        let mut unpaid = Vec::new();
        for want in wants {
            let free = self.free(want.model);
            let part = NanoUsd(free.0 / (owners * SHARE_OF_FREE));
            let amount = want.wishes.min(part).max(want.lacks);
            if amount > free {
                unpaid.push(want);
            } else if amount > NanoUsd(0) {
                self.add(&want.owner, want.model, amount);
                draws.granted.push((want.owner, Vec::new()));
            }
        }
        draws.granted.dedup_by(|one, other| one.0 == other.0);
        for (owner, drawn) in &mut draws.granted {
            drawn.clone_from(&self.kept.open[owner]);
        }
        draws.to_shrink = self.unused_under(&self.failing(&unpaid), found);
        // What was just drawn is not on disk yet, and no purse may say so before.
        draws.to_shrink.retain(|(owner, ..)| draws.granted.iter().all(|(granted, _)| granted != owner));
        let is_quiet =
            self.open().all(|(_, _, seen)| (0..self.models).all(|model| seen.account(model).reserved.0 == 0));
        let has_answers = self.kept.open.keys().all(|owner| found.stated.contains_key(owner));
        draws.is_at_the_wall =
            !unpaid.is_empty() && is_quiet && has_answers && draws.granted.is_empty() && draws.to_shrink.is_empty();
        draws.walled = self.failing(&unpaid).iter().flat_map(|limit| limit.models.iter().copied()).collect();
        draws
    }

    /// What owners want, those first whose calls wait.
    fn wants(&self, found: &Found) -> Vec<Want> {
        let mut wants: Vec<Want> = self
            .open()
            .filter(|(owner, ..)| found.stated.contains_key(*owner))
            .flat_map(|(owner, ..)| (0..self.models).filter_map(|model| self.want(owner, model)))
            .collect();
        wants.sort_by_key(|want| want.lacks == NanoUsd(0));
        wants
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an amount of money is not negative")]
    fn want(&self, owner: &str, model: usize) -> Option<Want> {
        let (drawn, seen) = (self.kept.open.get(owner)?.get(model)?, self.seen.get(owner)?);
        let account = seen.statement.account(model);
        // What was spent beyond what was drawn, as by replies that cost more than they could, is drawn afterwards.
        let [unused, overdrawn] = [*drawn - account.at_most(), account.at_most() - *drawn];
        let lacks = if account.least > NanoUsd(0) { account.least + overdrawn - unused } else { NanoUsd(0) };
        let ahead = NanoUsd((seen.rate[model] * AHEAD_SECONDS) as u64).min(self.most_ahead(model));
        let wishes = account.wanted.max(ahead) + overdrawn - unused;
        (wishes > NanoUsd(0) || lacks > NanoUsd(0)).then(|| Want { owner: owner.to_owned(), model, lacks, wishes })
    }

    /// The most that an owner has for calls to a model that do not wait yet.
    fn most_ahead(&self, model: usize) -> NanoUsd {
        let owners = self.kept.open.len().max(1) as u64;
        let limits = self.limits.iter().filter(|limit| limit.models.contains(&model));
        limits.map(|limit| NanoUsd(limit.limit.0 / (AHEAD_SHARE * owners))).min().unwrap_or_default()
    }

    fn add(&mut self, owner: &str, model: usize, amount: NanoUsd) {
        if let Some(drawn) = self.kept.open.get_mut(owner).and_then(|drawn| drawn.get_mut(model)) {
            *drawn += amount;
            self.is_changed = true;
        }
    }

    /// What can still be drawn for a model.
    fn free(&self, model: usize) -> NanoUsd {
        let limits = self.limits.iter().filter(|limit| limit.models.contains(&model));
        limits.map(|limit| limit.limit - self.taken(limit)).min().unwrap_or(NanoUsd(u64::MAX))
    }

    /// The limits that do not pay for what waits.
    fn failing(&self, unpaid: &[Want]) -> Vec<&PurseLimit> {
        let fails = |limit: &&PurseLimit| {
            let free = limit.limit - self.taken(limit);
            unpaid.iter().any(|want| limit.models.contains(&want.model) && free < want.lacks)
        };
        self.limits.iter().filter(fails).collect()
    }

    /// The owners with money under these limits that no call in flight needs.
    fn unused_under(&self, limits: &[&PurseLimit], found: &Found) -> Vec<(String, Stated, Vec<NanoUsd>)> {
        let counts = |model: usize| limits.iter().any(|limit| limit.models.contains(&model));
        let unused = |(owner, drawn, seen): (&str, &[NanoUsd], &valuesim_shared::budget::statement::Statement)| {
            let stated = found.stated.get(owner)?;
            let of_model = |(model, drawn): (usize, &NanoUsd)| {
                let used = seen.account(model).at_most();
                if counts(model) { (*drawn).min(used) } else { *drawn }
            };
            let kept: Vec<NanoUsd> = drawn.iter().enumerate().map(of_model).collect();
            (kept.as_slice() != drawn).then(|| (owner.to_owned(), stated.clone(), kept))
        };
        self.open().filter_map(unused).collect()
    }
}
