//! Decides how many calls to an endpoint and model may go now: a pure function of the time, what was granted and what came
//! of it. One code decides for one process, where the state is behind a lock, and for a fleet, where it is in the store.
//!
//! ```text
//!   ask: wants, settlements ──> take(now) ──> answer: grants, or why not and when to ask again
//!                                 │ slots:  what was granted in the last minute      flow:  an even pace, with a burst
//!                                 │ levels: limits that were set, stated, learned    ramp:  a slow start without them
//!                                 │ hold:   pauses, each ended by one probe          claims: each worker's fair share
//!                                 │ doubt:  whether refusals follow a limit at all
//! ```
//!
//! - **A granted call counts in its slot for a minute**, whoever sent it, and whether or not its worker still lives. What
//!   it really used is corrected in that slot. So no sliding minute holds more than the limit.
//! - **A refused call counts as a call**, because some providers count it, but not as accepted.
//! - **Each pause begins an epoch.** A refused call that was granted in an earlier epoch is no news: a burst of refusals
//!   is one cut, whoever saw it. Pauses are bounded, and the call after each decides, so no limit freezes.
//! - **A refusal is believed until calls contradict it**: those that are accepted beyond the level (`trial`), or refused
//!   however low it is (`doubt`). Then refusals have nothing to do with a limit, and only a wall of them is believed.

mod ask;
mod circuit;
mod claims;
mod clock;
mod doubt;
mod flow;
mod grant;
mod hold;
mod level;
mod ramp;
mod run_accounts;
mod sent;
mod settle;
mod slots;
mod trial;

use serde::{Deserialize, Serialize};

pub use ask::{Answer, Ask, Configured, End, LimitKind, LimitSource, Pause, PauseCause, Settled, Stated, Waited, Want};
use circuit::Circuit;
use claims::{Claims, RunClaim};
use clock::Clock;
use doubt::Doubt;
use flow::{Flow, Rate};
use hold::{Cause, Hold};
use level::Level;
use ramp::Ramp;
use run_accounts::RunAccounts;
pub use sent::Sent;
pub use slots::Charge;
use slots::Slots;

use super::token_kinds::{ByTokenKind, TokenKind};

/// A quota that has lost its state grants nothing for this long, in which workers say what they have sent.
const RECOVERY_MS: u64 = 2_000;

/// A quota that nobody says to have known grants nothing for this long: long enough for busy workers to say so.
const OPENING_MS: u64 = 500;

/// The state of the limits of an endpoint and model, and of their use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quota {
    clock: Clock,
    generation: u64,
    opened_at: u64,
    slots: Slots,
    calls_flow: Flow,
    tokens_flow: ByTokenKind<Flow>,
    calls: Level,
    tokens: ByTokenKind<Level>,
    in_flight: Level,
    ramp: Ramp,
    hold: Hold,
    epoch: u64,
    circuit: Circuit,
    claims: Claims,
    #[serde(default)]
    runs: RunAccounts,
    #[serde(default)]
    doubt: Doubt,
    /// What the last cut was about.
    last_cut: Option<LimitKind>,
    /// Pauses since the last answer.
    pauses_in_a_row: u32,
}

/// The limits in force; absent ones are not limited.
#[derive(Debug, Clone, Copy)]
struct InForce {
    calls: Option<u64>,
    tokens: ByTokenKind<Option<u64>>,
    in_flight: Option<u64>,
    /// Whether the pace is that of a slow start.
    is_ramping: bool,
    calls_rate: Rate,
    tokens_rate: ByTokenKind<Rate>,
}

impl Quota {
    /// A quota of which nothing was used, with a random `generation`, for a process whose calls are all known to it.
    pub fn new(generation: u64, now: u64) -> Self {
        Self {
            clock: Clock::at(now),
            generation,
            opened_at: now,
            slots: Slots::default(),
            calls_flow: Flow::default(),
            tokens_flow: ByTokenKind::default(),
            calls: Level::default(),
            tokens: ByTokenKind::default(),
            in_flight: Level::of_calls_in_flight(),
            ramp: Ramp::default(),
            hold: Hold::default(),
            epoch: 0,
            circuit: Circuit::default(),
            claims: Claims::default(),
            runs: RunAccounts::default(),
            doubt: Doubt::default(),
            last_cut: None,
            pauses_in_a_row: 0,
        }
    }

    /// A quota whose earlier state, if there was one, is lost: it grants nothing until workers had time to say so.
    pub fn reopened(generation: u64, now: u64) -> Self {
        let mut quota = Self::new(generation, now);
        quota.hold.begin(now, OPENING_MS, Cause::Recovery);
        quota
    }

    /// Changes how long an open circuit pauses calls.
    #[must_use]
    pub fn with_pauses(mut self, pauses: super::CircuitPauses) -> Self {
        self.circuit.pauses = pauses;
        self
    }

    /// Answers an ask at the keeper's time, in milliseconds.
    pub fn take(&mut self, keeper_now: u64, ask: &Ask<'_>) -> Answer {
        self.clock.take_back(ask.jumped_ms);
        let passed = self.clock.advance(keeper_now);
        let now = self.clock.now();
        self.drain(passed, ask.configured);
        self.slots.expire(now);
        self.meet(ask);
        let claims = ask.wants.iter().map(|want| RunClaim {
            run: want.run,
            weight: want.weight,
            calls: u32::try_from(want.tokens.len()).unwrap_or(u32::MAX),
        });
        self.claims.record(now, ask.worker, (ask.in_flight, ask.capacity), claims);
        ask.settlements.iter().for_each(|settled| self.settle(settled, ask.configured));
        self.look_for_contradictions();
        self.grow(ask.configured);
        self.grant(ask)
    }

    /// The limits in force beside those that the user has set.
    fn in_force(&self, configured: Configured) -> InForce {
        let calls = self.calls.limit(configured.calls);
        let tokens = ByTokenKind::from_fn(|kind| self.tokens.get(kind).limit(*configured.tokens.get(kind)));
        let is_provisional = |kind| self.tokens.get(kind).is_provisional(*configured.tokens.get(kind));
        let is_known = calls.is_some() || TokenKind::KINDS.iter().any(|&kind| tokens.get(kind).is_some());
        let is_on_trial =
            self.calls.is_provisional(configured.calls) || TokenKind::KINDS.into_iter().any(is_provisional);
        let is_ramping = !is_known || is_on_trial;
        let pace = self.ramp.per_minute();
        let rate = |limit: Option<u64>| limit.map_or(Rate::UNLIMITED, Rate::per_minute);
        let tokens_pace = |kind| tokens.get(kind).filter(|_| !is_provisional(kind));
        InForce {
            calls,
            tokens,
            in_flight: self.in_flight.limit(configured.in_flight),
            is_ramping,
            calls_rate: match (is_on_trial, is_ramping) {
                (true, _) => Rate::trial(self.calls.pace_of_trial().unwrap_or(pace)),
                (false, true) => Rate::ramp(pace),
                (false, false) => rate(calls),
            },
            tokens_rate: ByTokenKind::from_fn(|kind| rate(tokens_pace(kind))),
        }
    }

    /// The same for a probe.
    fn in_force_for_probe(&self, configured: Configured) -> InForce {
        InForce {
            calls: self.calls.limit_of_probe(configured.calls),
            tokens: ByTokenKind::from_fn(|kind| self.tokens.get(kind).limit_of_probe(*configured.tokens.get(kind))),
            ..self.in_force(configured)
        }
    }

    fn drain(&mut self, passed: u64, configured: Configured) {
        let in_force = self.in_force(configured);
        self.calls_flow.drain(passed, in_force.calls_rate);
        for kind in TokenKind::KINDS {
            self.tokens_flow.get_mut(kind).drain(passed, *in_force.tokens_rate.get(kind));
        }
    }

    /// Takes in what a worker was granted by a quota whose state is lost.
    fn meet(&mut self, ask: &Ask<'_>) {
        let knew_another = ask.generation.is_some_and(|known| known != self.generation);
        if !knew_another {
            return;
        }
        let now = self.clock.now();
        let end = self.opened_at + RECOVERY_MS;
        self.hold.begin(now, end.saturating_sub(now), Cause::Recovery);
        for charge in ask.sent {
            let age = Slots::number(ask.sent_at).saturating_sub(charge.slot);
            self.slots.add(Charge { slot: Slots::number(now).saturating_sub(age), ..*charge });
        }
        self.slots.expire(now);
    }

    fn grow(&mut self, configured: Configured) {
        let (now, sum) = (self.clock.now(), self.slots.sum());
        let mut opens = self.calls.settle_down(now) | self.in_flight.settle_down(now);
        self.calls.grow(now, sum.calls, configured.calls);
        for kind in TokenKind::KINDS {
            let level = self.tokens.get_mut(kind);
            opens |= level.settle_down(now);
            level.grow(now, sum.tokens.of(kind), *configured.tokens.get(kind));
        }
        self.in_flight.grow(now, self.claims.in_flight(), configured.in_flight);
        if opens && !self.hold.is_on(now) {
            self.epoch += 1;
            self.hold.begin(now, 0, Cause::Provider);
        }
    }

    /// What refusals taught about a limit, if they did.
    pub fn learned(&self, kind: LimitKind) -> Option<u64> {
        match kind {
            LimitKind::Calls => self.calls.learned(),
            LimitKind::Tokens(kind) => self.tokens.get(kind).learned(),
            LimitKind::InFlight => self.in_flight.learned(),
        }
    }

    /// The quota's time at its keeper's, before it is taken.
    pub fn time_at(&self, keeper_now: u64) -> u64 {
        let mut clock = self.clock;
        clock.advance(keeper_now);
        clock.now()
    }

    /// The generation: a random number of this life of the state.
    pub fn generation(&self) -> u64 {
        self.generation
    }
}
