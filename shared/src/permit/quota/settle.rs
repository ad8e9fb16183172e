//! What the outcomes of calls teach a quota.

use super::Quota;
use super::ask::{Configured, End, LimitKind, Settled, Stated};
use super::hold::Cause;
use super::level::{Circumstances, Level};
use super::slots::Sum;
use crate::permit::token_kinds::{TokenCounts, TokenKind};

/// The first pause after a refusal that does not say how long to wait. It doubles while probes are refused.
const FIRST_PAUSE_MS: u64 = 1_000;

/// The longest pause after refusals that do not say how long to wait.
const LONGEST_PAUSE_MS: u64 = 8_000;

/// The pause after a refusal for calls in flight, where some of them end soon, and the shortest after any refusal: within it
/// the other refusals of a burst arrive.
const SHORTEST_PAUSE_MS: u64 = 500;

/// The calls that count are less than a minute's if the oldest counts for longer than this.
const YOUNG_MS: u64 = 5_000;

/// The pause after a probe that failed, if the circuit does not say how long.
const FAILED_PROBE_PAUSE_MS: u64 = 500;

/// A limit that a refusal may be about, its present level, and what the user has set.
type Candidate<'a> = (LimitKind, &'a Level, u64, Option<u64>);

impl Quota {
    /// Takes in what came of a call.
    pub(super) fn settle(&mut self, settled: &Settled, configured: Configured) {
        let expected = settled.expected;
        self.believe(settled.stated);
        match settled.end {
            End::Unsent => {
                self.slots.unsent(settled.slot, expected);
                self.calls_flow.give_back(1);
                self.give_back(expected);
                if settled.epoch == self.epoch {
                    self.hold.probe_unsent();
                }
            }
            End::Answered { used } => {
                self.use_tokens(settled, used.unwrap_or(expected));
                self.answered(settled, configured);
            }
            End::Limited { limit, retry_after_ms } => {
                self.give_back(expected);
                self.slots.refused(settled.slot, expected);
                self.limited(settled, limit, retry_after_ms, configured);
            }
            End::Failed { retry_after_ms } => self.failed(settled, retry_after_ms),
            End::Ended if settled.epoch == self.epoch => self.hold.passed(),
            End::Unknown if settled.epoch == self.epoch => self.hold.probe_unsent(),
            End::Ended | End::Unknown => {}
        }
    }

    fn believe(&mut self, stated: Stated) {
        if let Some(calls) = stated.calls {
            self.calls.state(calls);
        }
        for kind in TokenKind::KINDS {
            if let Some(tokens) = *stated.tokens.get(kind) {
                self.tokens.get_mut(kind).state(tokens);
            }
        }
    }

    /// Gives tokens back that are not used after all.
    fn give_back(&mut self, tokens: TokenCounts) {
        for kind in TokenKind::KINDS {
            self.tokens_flow.get_mut(kind).give_back(tokens.of(kind));
        }
    }

    fn use_tokens(&mut self, settled: &Settled, used: TokenCounts) {
        self.slots.correct(settled.slot, settled.expected, used);
        for kind in TokenKind::KINDS {
            let (flow, expected, used) = (self.tokens_flow.get_mut(kind), settled.expected.of(kind), used.of(kind));
            match used.checked_sub(expected) {
                Some(more) => flow.grant(more),
                None => flow.give_back(expected - used),
            }
        }
    }

    fn answered(&mut self, settled: &Settled, configured: Configured) {
        let sum = self.slots.sum();
        self.calls.succeeded(sum.calls - sum.refused);
        for kind in TokenKind::KINDS {
            self.tokens.get_mut(kind).succeeded(sum.tokens.of(kind));
        }
        self.in_flight.succeeded(self.claims.in_flight());
        self.ramp.answered(settled.took_ms);
        self.circuit.answered();
        if settled.epoch == self.epoch {
            if self.hold.is_probed() {
                // What was not used during the pause would go out at once, and be refused.
                let in_force = self.in_force(configured);
                self.calls_flow.spend_burst(in_force.calls_rate);
                for kind in TokenKind::KINDS {
                    self.tokens_flow.get_mut(kind).spend_burst(*in_force.tokens_rate.get(kind));
                }
            }
            self.pass(settled);
            self.hold.passed();
            self.pauses_in_a_row = 0;
        }
    }

    /// Lets more of what is provisional be tried: two calls for each that was answered, so that they double in the time of a
    /// call.
    fn pass(&mut self, settled: &Settled) {
        let (now, sum) = (self.clock.now(), self.slots.sum());
        self.calls.passed(sum.calls, 2);
        self.calls.open(now);
        self.in_flight.passed(self.claims.in_flight(), 1);
        for kind in TokenKind::KINDS {
            let level = self.tokens.get_mut(kind);
            level.passed(sum.tokens.of(kind), 2 * settled.expected.of(kind));
            level.open(now);
        }
    }

    /// Drops what refusals taught if so much was accepted that there can be no limit at the level of a refusal.
    pub(super) fn look_for_contradictions(&mut self) {
        let now = self.clock.now();
        let is_disproved = |level: &Level, amount: &dyn Fn(Sum) -> u64| {
            let since = level.doubted_since().map(|at| amount(self.slots.sum_since(at)));
            since.is_some_and(|since| level.is_disproved_by(now, amount(self.slots.sum()), since))
        };
        let in_flight = self.claims.in_flight();
        let is_disproved = is_disproved(&self.calls, &|sum| sum.calls - sum.refused)
            || is_disproved(&self.in_flight, &|_| in_flight)
            || TokenKind::KINDS.iter().any(|&kind| is_disproved(self.tokens.get(kind), &|sum| sum.tokens.of(kind)));
        if is_disproved {
            self.doubt();
        }
    }

    /// Doubts that refusals follow a limit, and forgets those that they taught.
    fn doubt(&mut self) {
        self.doubt.begin(self.clock.now());
        self.calls.forget();
        self.in_flight.forget();
        for kind in TokenKind::KINDS {
            self.tokens.get_mut(kind).forget();
        }
        self.last_cut = None;
    }

    /// A call was refused for a limit.
    fn limited(
        &mut self,
        settled: &Settled,
        limit: Option<LimitKind>,
        retry_after_ms: Option<u64>,
        configured: Configured,
    ) {
        let now = self.clock.now();
        let kind = limit.unwrap_or_else(|| self.most_likely_limit(configured));
        if self.doubt.is_on(now) {
            if !self.slots.end_in_wall() {
                self.refused_by_chance(settled, kind, retry_after_ms);
                return;
            }
            self.doubt.end();
        } else if settled.epoch < self.epoch {
            self.limited_too(settled, (kind, limit.is_some()), retry_after_ms);
            return;
        }
        self.learn(kind, limit.is_some(), configured);
        self.last_cut = Some(kind);
        self.ramp.refused();
        if self.doubt.is_due() {
            self.doubt();
        }
        self.pause(kind, retry_after_ms);
    }

    /// Learns from a refusal what was accepted, and counts cuts that are made in vain.
    fn learn(&mut self, kind: LimitKind, is_told: bool, configured: Configured) {
        let (now, sum) = (self.clock.now(), self.slots.sum());
        let is_young = self.slots.next_expiry().is_none_or(|at| at > now + YOUNG_MS);
        let (before, is_probe) = (self.refused_at(kind), self.hold.is_probed());
        let of = |configured| Circumstances { configured, is_probe, is_young, is_told };
        match kind {
            LimitKind::Calls => self.calls.refused(now, sum.calls - sum.refused, of(configured.calls)),
            LimitKind::Tokens(kind) => {
                let circumstances = of(*configured.tokens.get(kind));
                self.tokens.get_mut(kind).refused(now, sum.tokens.of(kind), circumstances);
            }
            LimitKind::InFlight => {
                let accepted = self.claims.in_flight().saturating_sub(1);
                self.in_flight.refused(now, accepted, Circumstances { is_young: !is_told, ..of(configured.in_flight) });
            }
        }
        let is_lower = before.zip(self.refused_at(kind)).is_some_and(|(before, now)| now < before);
        // A call in flight more is tried often, and refused in a moment.
        let is_tried_often = kind == LimitKind::InFlight && is_told;
        self.doubt.cut(now, is_lower && !is_probe && !is_tried_often);
    }

    /// A call was refused while the levels of refusals are in doubt: that is no reason to pause, unless the provider asks for
    /// a pause, or has refused the call after one.
    fn refused_by_chance(&mut self, settled: &Settled, kind: LimitKind, retry_after_ms: Option<u64>) {
        if settled.epoch < self.epoch {
            self.hold.extend(self.clock.now(), retry_after_ms.unwrap_or(0));
        } else if retry_after_ms.is_some() || self.hold.is_probed() {
            self.pause(kind, retry_after_ms);
        }
    }

    fn refused_at(&self, kind: LimitKind) -> Option<u64> {
        match kind {
            LimitKind::Calls => self.calls.refused_at(),
            LimitKind::Tokens(kind) => self.tokens.get(kind).refused_at(),
            LimitKind::InFlight => self.in_flight.refused_at(),
        }
    }

    fn pause(&mut self, kind: LimitKind, retry_after_ms: Option<u64>) {
        self.epoch += 1;
        self.hold.begin(self.clock.now(), self.pause_ms(kind, retry_after_ms), Cause::Provider);
        self.pauses_in_a_row += 1;
    }

    /// Another call of a burst was refused whose first refusal was taken in already.
    fn limited_too(&mut self, settled: &Settled, (kind, is_told): (LimitKind, bool), retry_after_ms: Option<u64>) {
        let now = self.clock.now();
        if settled.epoch + 1 != self.epoch || self.last_cut != Some(kind) {
            return;
        }
        match kind {
            LimitKind::Calls => self.calls.refused_too(now, 1, is_told),
            LimitKind::Tokens(kind) => self.tokens.get_mut(kind).refused_too(now, settled.expected.of(kind), is_told),
            LimitKind::InFlight => self.in_flight.refused_too(now, 1, is_told),
        }
        self.hold.extend(now, retry_after_ms.unwrap_or(0));
    }

    fn pause_ms(&self, kind: LimitKind, retry_after_ms: Option<u64>) -> u64 {
        let doubled = FIRST_PAUSE_MS << self.pauses_in_a_row.min(3);
        let untold = match kind {
            LimitKind::InFlight => SHORTEST_PAUSE_MS,
            LimitKind::Calls | LimitKind::Tokens(_) => doubled.min(LONGEST_PAUSE_MS),
        };
        retry_after_ms.unwrap_or(untold).max(SHORTEST_PAUSE_MS)
    }

    /// The limit that a refusal is most likely about if the provider does not say so: the one that stands above the highest
    /// level at which calls succeeded, in flight first. Limits that are known, and kept, are the least likely.
    fn most_likely_limit(&self, configured: Configured) -> LimitKind {
        let sum = self.slots.sum();
        let candidates = [
            (LimitKind::InFlight, &self.in_flight, self.claims.in_flight(), configured.in_flight),
            (LimitKind::Calls, &self.calls, sum.calls - sum.refused, configured.calls),
            self.candidate(TokenKind::All, configured),
            self.candidate(TokenKind::Input, configured),
            self.candidate(TokenKind::Uncached, configured),
            self.candidate(TokenKind::Output, configured),
        ];
        let is_unknown = |level: &Level, configured: Option<u64>| configured.is_none() && level.stated().is_none();
        // Only what is known to be limited is limited apart.
        let may_be = |(kind, level, _, configured): &&Candidate<'_>| {
            let is_apart = matches!(kind, LimitKind::Tokens(kind) if *kind != TokenKind::All);
            !is_apart || level.limit(*configured).is_some()
        };
        let above = candidates.iter().filter(may_be).filter(|(_, level, now, _)| level.is_above_best(*now));
        let unknown = above.clone().find(|(_, level, _, configured)| is_unknown(level, *configured));
        let likely = unknown.or_else(|| above.clone().next());
        likely.map_or(LimitKind::Calls, |(kind, ..)| *kind)
    }

    fn candidate(&self, kind: TokenKind, configured: Configured) -> Candidate<'_> {
        let now = self.slots.sum().tokens.of(kind);
        (LimitKind::Tokens(kind), self.tokens.get(kind), now, *configured.tokens.get(kind))
    }

    /// A call was not answered.
    fn failed(&mut self, settled: &Settled, retry_after_ms: Option<u64>) {
        let now = self.clock.now();
        for level in [&mut self.calls, &mut self.in_flight] {
            level.rest(now);
        }
        for kind in TokenKind::KINDS {
            self.tokens.get_mut(kind).rest(now);
        }
        self.ramp.rest();
        let was_probe = settled.epoch == self.epoch && self.hold.is_probed();
        let opened = self.circuit.failed(self.claims.capacity(), self.hold.is_on(now));
        if let Some(pause_ms) = opened {
            self.epoch += 1;
            self.hold.begin(now, pause_ms, Cause::Circuit);
        }
        if let Some(after_ms) = retry_after_ms {
            self.epoch += u64::from(!self.hold.is_on(now));
            self.hold.begin(now, after_ms, Cause::Provider);
        } else if was_probe && opened.is_none() {
            self.epoch += 1;
            self.hold.begin(now, FAILED_PROBE_PAUSE_MS, Cause::Provider);
        }
    }
}
