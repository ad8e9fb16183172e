//! One limit of a provider: what is configured, what the provider states, and what its refusals teach.

mod growth;
mod provisional;

use serde::{Deserialize, Serialize};

use super::trial::Trial;

/// Two cuts within this time: the first was not deep enough.
const CUT_SOON_MS: u64 = 20_000;

/// Refusals of one burst arrive within this time.
const BURST_MS: u64 = 5_000;

/// If fewer were accepted, a refusal says nothing about a limit: a daily quota is used up, or others use the key.
const LEAST: u64 = 8;

/// Below this limit of calls in flight, a step of one call is a large one.
const FEW_IN_FLIGHT: u64 = 16;

/// What a level is a level of.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Measure {
    /// Calls or tokens a minute.
    #[default]
    Rate,
    /// Calls in flight. What a provider allows shows at once.
    InFlight,
}

/// A limit of calls a minute, of tokens a minute, or of calls in flight.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Level {
    #[serde(default)]
    measure: Measure,
    /// What refusals taught.
    learned: Option<u64>,
    /// The last level that was refused: what had been accepted until then.
    hi: Option<u64>,
    #[serde(default)]
    trial: Trial,
    /// What the provider's headers state.
    stated: Option<u64>,
    /// The highest level at which a call succeeded.
    best: u64,
    cut_at: u64,
    grown_at: u64,
    /// Whether what was learned is doubted: it holds until calls beyond it succeed. A provider may count by the second, or have
    /// refused a call for a reason of the moment.
    is_provisional: bool,
    /// Steps beyond the last refused level since then.
    #[serde(default)]
    raised: u32,
    /// The level before the last step, which held. 0 once a refusal says that it does not hold any more.
    #[serde(default)]
    held: u64,
    /// How often in a row the first step beyond the last refused level was refused.
    #[serde(default)]
    refused_steps: u32,
}

/// The circumstances of a refusal.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Circumstances {
    /// The user's limit.
    pub(super) configured: Option<u64>,
    /// It was the only call after a pause.
    pub(super) is_probe: bool,
    /// The calls that count are less than a minute's.
    pub(super) is_young: bool,
    /// The provider says which limit it is.
    pub(super) is_told: bool,
}

impl Level {
    /// A limit of calls in flight.
    pub(super) fn of_calls_in_flight() -> Self {
        Self { measure: Measure::InFlight, ..Self::default() }
    }

    /// The least that must have been accepted to learn from a refusal. A limit of calls in flight may be as low as one, but only
    /// the provider can say that it is one: a refusal without a reason may come from a daily quota, or from others.
    const fn least(&self, is_told: bool) -> u64 {
        match self.measure {
            Measure::InFlight if is_told => 1,
            Measure::InFlight | Measure::Rate => LEAST,
        }
    }

    /// Whether it is a limit of few calls in flight, at this level.
    fn is_of_few(&self, level: u64) -> bool {
        self.measure == Measure::InFlight && level < FEW_IN_FLIGHT
    }

    /// What is used of a level that was refused. The provider's minutes are not quite ours, so a rate keeps a little below; but as
    /// many calls may be in flight as were.
    fn usable(&self, accepted: u64) -> u64 {
        if self.is_of_few(accepted) { accepted } else { share(accepted, 985) }
    }

    /// The limit in force.
    pub(super) fn limit(&self, configured: Option<u64>) -> Option<u64> {
        [configured, self.stated, self.learned].into_iter().flatten().min()
    }

    /// Whether the limit in force is less than a minute's experience, so that it says nothing about a pace.
    pub(super) fn is_provisional(&self, configured: Option<u64>) -> bool {
        self.is_provisional && self.learned.is_some() && self.limit(configured) == self.learned
    }

    /// The last level that was refused.
    pub(super) fn refused_at(&self) -> Option<u64> {
        self.hi
    }

    /// What refusals taught, if they did.
    pub(super) fn learned(&self) -> Option<u64> {
        self.learned
    }

    /// What the provider states, if it does.
    pub(super) fn stated(&self) -> Option<u64> {
        self.stated
    }

    /// Believes a header.
    pub(super) fn state(&mut self, limit: u64) {
        self.stated = Some(limit);
    }

    /// Notes that a call succeeded at this level.
    pub(super) fn succeeded(&mut self, level: u64) {
        self.best = self.best.max(level);
    }

    /// Whether the present level is higher than any at which a call succeeded.
    pub(super) fn is_above_best(&self, level: u64) -> bool {
        level > self.best
    }

    /// The limit in force for a probe, for which what is provisional does not hold.
    pub(super) fn limit_of_probe(&self, configured: Option<u64>) -> Option<u64> {
        let learned = self.learned.filter(|_| !self.is_provisional);
        [configured, self.stated, learned].into_iter().flatten().min()
    }

    /// A call was refused at this level: `accepted` were accepted.
    pub(super) fn refused(&mut self, now: u64, accepted: u64, circumstances: Circumstances) {
        let Circumstances { configured, is_probe, is_told, .. } = circumstances;
        let before = self.limit(configured);
        let teaches =
            accepted >= self.least(is_told) && !(is_probe && before.is_some_and(|limit| accepted < limit / 10));
        if !teaches {
            return;
        }
        let was_provisional = self.is_provisional;
        let accepted = self.judge(now, accepted, circumstances);
        let is_soon = self.learned.is_some() && !is_probe && !was_provisional;
        let is_soon = is_soon && now.saturating_sub(self.cut_at) < CUT_SOON_MS;
        // A step that was tried and refused says nothing against the level before it.
        let is_step = self.is_of_few(accepted) && self.raised > 0;
        self.held = if is_step { self.held } else { 0 };
        // How many calls are in flight is known late, and some of those that seem to be have ended.
        let accepted = if is_step { accepted.min(self.held) } else { accepted };
        let accepted_before = before.map_or(accepted, |limit| limit.min(accepted));
        let is_too_shallow = is_soon && !is_step;
        self.learned = Some(if is_too_shallow { share(accepted_before, 900) } else { self.usable(accepted_before) });
        self.hi = Some(accepted);
        // What succeeded at a higher limit says nothing about this one.
        self.best = self.best.min(accepted);
        (self.cut_at, self.grown_at) = (now, now);
        self.refused_steps = match self.raised {
            0 => self.refused_steps,
            1 => self.refused_steps.saturating_add(1),
            _ => 0,
        };
        self.raised = 0;
    }

    /// Another call of the burst was refused that led to the last cut: fewer were accepted than it seemed.
    pub(super) fn refused_too(&mut self, now: u64, amount: u64, is_told: bool) {
        let (Some(learned), Some(hi)) = (self.learned, self.hi) else { return };
        if now.saturating_sub(self.cut_at) > BURST_MS {
            return;
        }
        let hi = hi.saturating_sub(amount).max(self.held);
        if hi < self.least(is_told) {
            (self.learned, self.hi) = (None, None);
            return;
        }
        (self.learned, self.hi) = (Some(learned.min(self.usable(hi)).max(1)), Some(hi));
        self.trial.correct(hi);
    }

    /// Forgets what refusals taught.
    pub(super) fn forget(&mut self) {
        (self.learned, self.hi, self.trial) = (None, None, Trial::default());
        (self.is_provisional, self.raised, self.held, self.refused_steps) = (false, 0, 0, 0);
    }
}

fn share(amount: u64, permille: u64) -> u64 {
    (amount.saturating_mul(permille) / 1_000).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: Circumstances = Circumstances { configured: None, is_probe: false, is_young: false, is_told: false };
    const TOLD: Circumstances = Circumstances { is_told: true, ..FREE };
    const SET: Circumstances = Circumstances { configured: Some(1_000), ..FREE };

    #[test]
    fn less_than_a_minutes_experience_holds_until_a_call_beyond_it_succeeds_or_is_refused_again() {
        let young = Circumstances { is_young: true, ..FREE };
        let mut level = Level::default();
        level.refused(0, 100, young);
        assert_eq!((level.limit(None), level.limit_of_probe(None)), (Some(98), None));
        let mut used = 100;
        for _ in 0..50 {
            level.passed(used, 1);
            used = level.limit(None).unwrap();
        }
        assert_eq!(level.limit(None), Some(150), "the provider counts by the second");
        level.refused(20_000, 150, young);
        assert_eq!(level.limit_of_probe(None), None, "that is another level");
        level.refused(30_000, 151, young);
        assert_eq!((level.limit(None), level.limit_of_probe(None)), (Some(144), Some(144)), "that is the same");
        level.passed(200, 1);
        assert_eq!(level.limit(None), Some(144));
    }

    #[test]
    fn the_first_refusal_teaches_what_was_accepted_and_its_burst_makes_that_exact() {
        let mut level = Level::default();
        assert_eq!(level.limit(None), None);
        level.refused(0, 1_010, FREE);
        (0..10).for_each(|_| level.refused_too(200, 1, false));
        assert_eq!((level.limit(None), level.hi), (Some(985), Some(1_000)));
        level.refused_too(60_000, 1, false);
        assert_eq!(level.hi, Some(1_000), "that is another burst");
    }

    #[test]
    fn a_limit_of_calls_in_flight_may_be_small_and_is_tried_ever_more_rarely() {
        let mut level = Level::of_calls_in_flight();
        level.refused(0, 7, FREE);
        assert_eq!(level.limit(None), None, "nobody says that it is such a limit");
        level.refused(0, 7, TOLD);
        (0..4).for_each(|_| level.refused_too(100, 1, true));
        assert_eq!((level.limit(None), level.hi), (Some(3), Some(3)));
        let (mut now, mut tries) = (0, Vec::new());
        while now < 10 * 60_000 {
            now += 1_000;
            let before = level.limit(None).unwrap();
            level.grow(now, before, None);
            if level.limit(None).is_some_and(|limit| limit > 3) {
                tries.push(now / 1_000);
                level.refused(now, 3, TOLD);
            }
        }
        assert!(tries.len() <= 12 && tries.windows(2).all(|pair| pair[1] - pair[0] <= 90), "{tries:?}");
    }

    #[test]
    fn a_limit_of_calls_in_flight_that_is_gone_is_soon_forgotten() {
        let mut level = Level::of_calls_in_flight();
        level.refused(0, 2, TOLD);
        for second in 1..=45 {
            let limit = level.limit(None).unwrap();
            level.grow(second * 1_000, limit, None);
        }
        assert!(level.limit(None).is_some_and(|limit| limit >= 16), "{level:?}");
    }

    #[test]
    fn a_cut_soon_after_another_is_deeper_and_what_is_configured_is_never_exceeded() {
        let mut level = Level::default();
        level.refused(0, 2_000, SET);
        assert_eq!(level.limit(Some(1_000)), Some(985));
        level.refused(10_000, 980, SET);
        assert_eq!(level.limit(Some(1_000)), Some(882));
        level.refused(40_000, 900, SET);
        assert_eq!(level.limit(Some(1_000)), Some(868));
        for minute in 1..600 {
            level.grow(40_000 + minute * 60_000, 1_000, Some(1_000));
            assert!(level.limit(Some(1_000)).is_some_and(|limit| limit <= 1_000));
        }
        assert_eq!((level.limit(Some(1_000)), level.learned()), (Some(1_000), None));
    }

    #[test]
    fn it_grows_quickly_to_the_refused_level_and_slowly_beyond_if_it_is_used() {
        let mut level = Level::default();
        level.refused(0, 1_000, FREE);
        level.grow(5_000, 800, None);
        assert_eq!(level.limit(None), Some(985), "it is not in use");
        level.grow(5_000, 980, None);
        level.grow(9_999, 980, None);
        assert_eq!(level.limit(None), Some(994));
        level.grow(10_000, 980, None);
        assert_eq!(level.limit(None), Some(1_000));
        level.grow(60_000, 1_000, None);
        assert_eq!(level.limit(None), Some(1_000));
        level.grow(70_000, 1_000, None);
        assert_eq!(level.limit(None), Some(1_010));
        level.grow(5 * 60_000, 1_010, None);
        assert_eq!(level.limit(None), Some(1_030), "after five quiet minutes steps double");
    }

    #[test]
    fn a_refusal_where_hardly_anything_was_accepted_says_nothing_about_a_rate() {
        let mut level = Level::default();
        level.refused(0, 7, FREE);
        assert_eq!(level.limit(None), None);
        level.refused(0, 10, FREE);
        (0..5).for_each(|_| level.refused_too(100, 1, false));
        assert_eq!(level.limit(None), None, "of a burst of ten, five were accepted");
        level.refused(0, 1_000, FREE);
        level.refused(90_000, 50, Circumstances { is_probe: true, ..FREE });
        assert_eq!(level.limit(None), Some(985), "a daily quota is used up");
        level.refused(120_000, 500, Circumstances { is_probe: true, ..FREE });
        assert_eq!(level.limit(None), Some(492));
    }
}
