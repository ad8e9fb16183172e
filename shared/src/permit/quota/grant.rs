//! How many calls a quota grants, and what the others wait for.

use super::ask::{Answer, Ask, LimitKind, LimitSource, Pause, PauseCause, Waited, Want};
use super::hold::{Cause, Passage};
use super::slots::{Charge, Slots};
use super::{InForce, Quota};
use crate::permit::token_kinds::{ByTokenKind, TokenCounts, TokenKind};

/// A worker asks again within this time if calls wait: others may have given up their share.
const COME_BACK_MS: u64 = 200;

/// When to ask again while a probe is under way, or for a place in flight.
const SOON_MS: u64 = 50;

/// More calls than anybody asks for at once.
const MANY: f64 = 1e9;

/// What can be granted now.
#[derive(Debug)]
struct Room {
    calls: f64,
    tokens: ByTokenKind<f64>,
}

/// What a worker may still have of one of its wants.
#[derive(Debug)]
struct Open {
    run: u64,
    share: f64,
    tokens_left: ByTokenKind<f64>,
}

impl Open {
    /// Whether it may have a call more than so many.
    fn may_have(&self, granted: usize) -> bool {
        (granted as f64) < self.share.ceil() && TokenKind::KINDS.iter().all(|&kind| *self.tokens_left.get(kind) > 0.0)
    }

    fn use_tokens(&mut self, tokens: TokenCounts) {
        for kind in TokenKind::KINDS {
            *self.tokens_left.get_mut(kind) -= tokens.of(kind) as f64;
        }
    }
}

impl Quota {
    /// Grants what may go now.
    pub(super) fn grant(&mut self, ask: &Ask<'_>) -> Answer {
        let now = self.clock.now();
        let in_force = self.in_force(ask.configured);
        let mut answer = Answer {
            granted: vec![0; ask.wants.len()],
            slot: Slots::number(now),
            epoch: self.epoch,
            generation: self.generation,
            now,
            paused: None,
            waits_for: None,
            come_back_ms: COME_BACK_MS,
        };
        let wanted: usize = ask.wants.iter().map(|want| want.tokens.len()).sum();
        let at_most = match self.hold.passage(now) {
            Passage::Free => wanted,
            Passage::One => wanted.min(1),
            Passage::AfterProbe => {
                answer.come_back_ms = SOON_MS;
                return answer;
            }
            Passage::Closed(cause, left_ms) => {
                answer.paused = Some(Pause { cause: cause.into(), left_ms });
                answer.come_back_ms = left_ms;
                return answer;
            }
        };
        if wanted == 0 {
            return answer;
        }
        let is_probe = self.hold.passage(now) == Passage::One;
        let in_force_now = if is_probe { self.in_force_for_probe(ask.configured) } else { in_force };
        let granted = self.grant_up_to(at_most, ask, &in_force_now, &mut answer);
        if is_probe && granted > 0 {
            self.hold.probe_granted(now);
            // So that the calls of the last epoch cannot be taken for the probe.
            answer.come_back_ms = SOON_MS;
        } else if granted < wanted {
            self.explain(ask, &in_force, &mut answer);
        }
        answer
    }

    /// Grants calls, none more than its share: each to the run that is owed most. Returns how many.
    fn grant_up_to(&mut self, at_most: usize, ask: &Ask<'_>, in_force: &InForce, answer: &mut Answer) -> usize {
        let room = self.room(in_force);
        let available = room.calls.min(MANY);
        let shares = self.claims.shares(self.clock.now(), ask.worker, available);
        let (own, of_wants) = shares.of(ask.worker);
        let open = |(want, share): (&Want<'_>, f64)| {
            let part = (share / available).min(1.0);
            Open { run: want.run, share, tokens_left: ByTokenKind::from_fn(|kind| room.tokens.get(kind) * part) }
        };
        let of_wants = of_wants.iter().copied().chain(std::iter::repeat(0.0));
        let mut open: Vec<Open> = ask.wants.iter().zip(of_wants).map(open).collect();
        let mut granted = 0;
        while granted < at_most && (granted as f64) < own {
            let can_go = |at: &usize| {
                let next = ask.wants[*at].tokens.get(answer.granted[*at]);
                open[*at].may_have(answer.granted[*at]) && next.is_some_and(|&tokens| self.fits(tokens, in_force))
            };
            // Of runs that are owed as much, the first.
            let most_owed = |one: &usize, other: &usize| {
                self.runs.owed(open[*one].run).total_cmp(&self.runs.owed(open[*other].run)).then(other.cmp(one))
            };
            let Some(at) = (0..open.len()).filter(can_go).max_by(most_owed) else { break };
            let tokens = ask.wants[at].tokens[answer.granted[at]];
            self.charge(ask.worker, tokens);
            self.runs.granted(open[at].run, shares.of_runs());
            open[at].use_tokens(tokens);
            answer.granted[at] += 1;
            granted += 1;
        }
        self.claims.got(ask.worker, granted, &shares);
        granted
    }

    fn charge(&mut self, worker: u64, tokens: TokenCounts) {
        let slot = Slots::number(self.clock.now());
        self.slots.add(Charge { slot, calls: 1, refused: 0, tokens });
        self.calls_flow.grant(1);
        for kind in TokenKind::KINDS {
            self.tokens_flow.get_mut(kind).grant(tokens.of(kind));
        }
        self.claims.granted(worker, 1);
    }

    fn room(&self, in_force: &InForce) -> Room {
        let sum = self.slots.sum();
        let left = |limit: Option<u64>, used: u64| limit.map_or(f64::INFINITY, |it| it.saturating_sub(used) as f64);
        let flow = self.calls_flow.room(in_force.calls_rate).floor().max(0.0);
        let in_flight = left(in_force.in_flight, self.claims.in_flight());
        Room {
            calls: left(in_force.calls, sum.calls).min(in_flight).min(flow),
            tokens: ByTokenKind::from_fn(|kind| {
                let flow = self.tokens_flow.get(kind).room(*in_force.tokens_rate.get(kind));
                left(in_force.tokens.get(kind).map(in_window), sum.tokens.of(kind)).min(flow)
            }),
        }
    }

    /// Whether a call of so many tokens fits now. One that is larger than the limit goes alone.
    fn fits(&self, tokens: TokenCounts, in_force: &InForce) -> bool {
        self.obstacle(tokens, in_force).is_none()
    }

    /// What stands in the way of a call, and when it may be gone.
    fn obstacle(&self, tokens: TokenCounts, in_force: &InForce) -> Option<(LimitKind, u64)> {
        let (now, sum) = (self.clock.now(), self.slots.sum());
        let expiry = || self.slots.next_expiry().map_or(SOON_MS, |at| at.saturating_sub(now));
        if in_force.in_flight.is_some_and(|limit| self.claims.in_flight() >= limit) {
            return Some((LimitKind::InFlight, SOON_MS));
        }
        if in_force.calls.is_some_and(|limit| sum.calls >= limit) {
            return Some((LimitKind::Calls, expiry()));
        }
        let is_beyond = |kind: &TokenKind| {
            let (used, more) = (sum.tokens.of(*kind), tokens.of(*kind));
            in_force.tokens.get(*kind).is_some_and(|limit| used > 0 && more > 0 && used + more > in_window(limit))
        };
        if let Some(kind) = TokenKind::KINDS.into_iter().find(is_beyond) {
            return Some((LimitKind::Tokens(kind), expiry()));
        }
        if self.calls_flow.room(in_force.calls_rate) < 1.0 {
            return Some((LimitKind::Calls, self.calls_flow.wait_ms(in_force.calls_rate, 1.0)));
        }
        // The last call may be larger than what is left of the burst: it is paid off before the next.
        TokenKind::KINDS.into_iter().find_map(|kind| {
            let (flow, rate) = (self.tokens_flow.get(kind), *in_force.tokens_rate.get(kind));
            (flow.room(rate) <= 0.0).then(|| (LimitKind::Tokens(kind), flow.wait_ms(rate, 1.0)))
        })
    }

    /// Says what the calls wait for that were not granted.
    fn explain(&mut self, ask: &Ask<'_>, in_force: &InForce, answer: &mut Answer) {
        let next = ask.wants.iter().zip(&answer.granted).find_map(|(want, &granted)| want.tokens.get(granted));
        let Some(&tokens) = next else { return };
        // Without an obstacle the rest is the share of others, who wait for the same pace.
        let (limit, wait_ms) = self.obstacle(tokens, in_force).unwrap_or((LimitKind::Calls, COME_BACK_MS));
        answer.come_back_ms = wait_ms.clamp(1, COME_BACK_MS);
        let is_below = in_force.calls.is_none_or(|limit| self.slots.sum().calls < limit);
        let is_ramp = limit == LimitKind::Calls && in_force.is_ramping && is_below;
        if is_ramp {
            self.ramp.filled(self.clock.now());
        }
        let (level, configured, in_force) = match limit {
            LimitKind::Calls => (&self.calls, ask.configured.calls, in_force.calls),
            LimitKind::Tokens(kind) => {
                (self.tokens.get(kind), *ask.configured.tokens.get(kind), *in_force.tokens.get(kind))
            }
            LimitKind::InFlight => (&self.in_flight, ask.configured.in_flight, in_force.in_flight),
        };
        let value = in_force.filter(|_| !is_ramp).unwrap_or(self.ramp.per_minute());
        let source = match () {
            () if is_ramp => LimitSource::Ramp,
            () if level.learned() == Some(value) => LimitSource::Learned,
            () if configured == Some(value) => LimitSource::Configured,
            () => LimitSource::Stated,
        };
        answer.waits_for = Some(Waited { limit, value, source });
    }
}

/// How many tokens of a limit are granted in a minute. Calls in flight may use more than expected, and the provider knows it first.
const fn in_window(limit: u64) -> u64 {
    limit - limit / 100
}

impl From<Cause> for PauseCause {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Provider => Self::Provider,
            Cause::Circuit => Self::Circuit,
            Cause::Recovery => Self::Recovery,
        }
    }
}
