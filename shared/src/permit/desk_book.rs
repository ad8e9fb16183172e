//! What a process keeps about an endpoint and model: the calls that wait, what was granted, and what came of it.

use std::time::Duration;

use tokio::time::Instant;

use crate::money::Tokens;

use super::forecast::Forecast;
use super::grant::Grant;
use super::limits::Limits;
use super::office::{OwnLimit, Reason, Refusal, Request};
use super::outbox::{self, Outbox};
use super::quota::{
    Answer, Ask, Charge, Configured, End, LimitKind, LimitSource, PauseCause, Quota, Settled, Stated, Waited,
};
use super::stored_quota::random;
use super::token_kinds::TokenCounts;
use super::waiting::{Caller, Claimant, RunWants, Waiting};

/// The quota of a process counts its time from here, so that there is a time before its start.
const START_MS: u64 = 1_000_000;

/// The book of one endpoint and model.
#[derive(Debug)]
pub(super) struct DeskBook<P> {
    limits: Limits,
    waiting: Waiting<P>,
    forecast: Forecast,
    keeping: Keeping,
    /// Calls that were granted and are not settled.
    granted: u32,
    /// Why no call may go, and until when.
    paused: Option<(Instant, Reason)>,
    waits_for: Option<Waited>,
    next_at: Option<Instant>,
}

/// Where the quota is kept.
#[derive(Debug)]
enum Keeping {
    /// Here: calls are granted at once.
    Here { quota: Box<Quota>, started_at: Instant },
    /// In the store of a fleet: a clerk asks it.
    InStore(Outbox),
}

/// What a clerk asks a quota in the store.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) wants: Vec<RunWants>,
    pub(super) settlements: Vec<Settled>,
    pub(super) configured: Configured,
    pub(super) in_flight: u32,
    pub(super) capacity: u32,
    pub(super) generation: Option<u64>,
    pub(super) sent: Vec<Charge>,
    pub(super) sent_at: u64,
    /// The quota's time, as far as this process can tell.
    known_now: Option<u64>,
}

/// A waiting call, and what it is to be told.
pub(super) type Told<P> = (Caller<P>, Result<Grant, Refusal>);

/// What becomes of a call that asks for a permit.
pub(super) enum Entered {
    Granted(Grant),
    Paused(Refusal),
    /// It will be told.
    Waits,
}

impl<P> DeskBook<P> {
    /// The book of a process that keeps the quota itself.
    pub(super) fn local(limits: Limits, quota: Quota) -> Self {
        Self::new(limits, Keeping::Here { quota: Box::new(quota), started_at: Instant::now() })
    }

    /// The book of a worker of a fleet, whose quota is in the store.
    pub(super) fn of_fleet(limits: Limits) -> Self {
        Self::new(limits, Keeping::InStore(Outbox::default()))
    }

    fn new(limits: Limits, keeping: Keeping) -> Self {
        Self {
            limits,
            waiting: Waiting::default(),
            forecast: Forecast::default(),
            keeping,
            granted: 0,
            paused: None,
            waits_for: None,
            next_at: None,
        }
    }

    pub(super) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        self.next_at = Some(Instant::now());
    }

    /// The tokens to reserve for a call.
    pub(super) fn reserve(&self, request: &Request) -> TokenCounts {
        self.forecast.reserve(request)
    }

    /// Learns how many tokens a call used.
    pub(super) fn learn(&mut self, request: &Request, usage: Tokens) {
        self.forecast.learn(request, usage);
    }

    /// Grants a call if nobody waits before it and it may go now; otherwise it waits.
    pub(super) fn enter(&mut self, run: Claimant, caller: Caller<P>) -> Entered {
        if let (Keeping::Here { .. }, true) = (&self.keeping, self.waiting.is_empty()) {
            let wants = [RunWants { run: run.run, weight: run.weight, tokens: vec![caller.tokens] }];
            let answer = self.take(&wants, &[]);
            if answer.granted[0] == 1 {
                return Entered::Granted(self.grant(&answer, caller.request, caller.tokens));
            }
        }
        if let Some((left, reason)) = self.paused() {
            return Entered::Paused(Refusal::NotNow { reason, left });
        }
        self.waiting.push(run, caller);
        Entered::Waits
    }

    /// Decides which waiting calls go now. The caller tells them.
    pub(super) fn grant_waiting(&mut self) -> Vec<Told<P>> {
        if matches!(self.keeping, Keeping::InStore(_)) {
            return Vec::new();
        }
        self.waiting.prune();
        self.next_at = None;
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let wants = self.waiting.wants();
        let answer = self.take(&wants, &[]);
        self.turns(&wants, &answer)
    }

    /// What the waiting calls are to be told.
    fn turns(&mut self, wants: &[RunWants], answer: &Answer) -> Vec<Told<P>> {
        if let Some((left, reason)) = self.paused() {
            let refusal = Refusal::NotNow { reason, left };
            return self.waiting.drain().into_iter().map(|caller| (caller, Err(refusal))).collect();
        }
        let mut turns = Vec::new();
        for (want, &granted) in wants.iter().zip(&answer.granted) {
            for &tokens in &want.tokens[..granted] {
                match self.waiting.pop(want.run) {
                    Some(caller) => {
                        let grant = self.grant(answer, caller.request, tokens);
                        turns.push((caller, Ok(grant)));
                    }
                    None => self.unused(answer, tokens),
                }
            }
        }
        turns
    }

    /// Gives back what was granted and nobody uses.
    fn unused(&mut self, answer: &Answer, tokens: TokenCounts) {
        let (slot, epoch) = (answer.slot, answer.epoch);
        let settled =
            Settled { slot, epoch, expected: tokens, end: End::Unsent, took_ms: 0, stated: Stated::default() };
        match &mut self.keeping {
            Keeping::Here { .. } => drop(self.take(&[], &[settled])),
            Keeping::InStore(outbox) => {
                outbox.granted(slot, tokens);
                outbox.push(settled);
            }
        }
    }

    /// Takes in what came of a call. Returns whether somebody waits for that: a call, or the fleet for news.
    pub(super) fn settle(&mut self, settled: &Settled) -> bool {
        self.granted = self.granted.saturating_sub(1);
        if let Keeping::InStore(outbox) = &mut self.keeping {
            return outbox.push(*settled);
        }
        self.take(&[], std::slice::from_ref(settled));
        !self.waiting.is_empty()
    }

    /// What a clerk asks now.
    pub(super) fn question(&mut self) -> Question {
        self.waiting.prune();
        let wants = self.waiting.wants();
        let configured = configured(&self.limits);
        let (in_flight, capacity) = (self.granted, self.limits.calls_in_flight);
        let Keeping::InStore(outbox) = &self.keeping else { unreachable!("only a fleet has clerks") };
        Question {
            wants,
            settlements: outbox.settlements(),
            configured,
            in_flight,
            capacity,
            generation: outbox.generation(),
            sent: outbox.sent(),
            sent_at: outbox.now().unwrap_or_default(),
            known_now: outbox.now(),
        }
    }

    /// Takes in the answer to a question. Grants that come too late are given back.
    pub(super) fn answered(&mut self, question: &Question, answer: &Answer, is_in_time: bool) -> Vec<Told<P>> {
        let wanted: usize = question.wants.iter().map(|want| want.tokens.len()).sum();
        self.note(Instant::now(), answer, wanted);
        if let Keeping::InStore(outbox) = &mut self.keeping {
            outbox.answered(answer, question.settlements.len());
        }
        if is_in_time {
            return self.turns(&question.wants, answer);
        }
        for (want, &granted) in question.wants.iter().zip(&answer.granted) {
            for &tokens in &want.tokens[..granted] {
                self.unused(answer, tokens);
            }
        }
        Vec::new()
    }

    /// When a clerk asks next.
    pub(super) fn next_ask(&self) -> Option<Instant> {
        let Keeping::InStore(outbox) = &self.keeping else { return None };
        let waits = self.waiting.has_callers();
        outbox.next_ask(waits.then(|| self.next_at.unwrap_or_else(Instant::now)), self.granted)
    }

    fn grant(&mut self, answer: &Answer, request: Request, tokens: TokenCounts) -> Grant {
        self.granted += 1;
        if let Keeping::InStore(outbox) = &mut self.keeping {
            outbox.granted(answer.slot, tokens);
        }
        Grant { request, tokens, slot: answer.slot, epoch: answer.epoch, at: Instant::now() }
    }

    fn take(&mut self, wants: &[RunWants], settlements: &[Settled]) -> Answer {
        let now = Instant::now();
        let Keeping::Here { quota, started_at } = &mut self.keeping else {
            unreachable!("a clerk asks a fleet's quota")
        };
        let since_start = now.saturating_duration_since(*started_at).as_millis();
        let now_ms = START_MS.saturating_add(u64::try_from(since_start).unwrap_or(u64::MAX));
        let wants: Vec<_> = wants.iter().map(RunWants::want).collect();
        let ask = Ask {
            worker: 1,
            configured: configured(&self.limits),
            wants: &wants,
            settlements,
            in_flight: self.granted,
            capacity: self.limits.calls_in_flight,
            ..Ask::default()
        };
        let answer = quota.take(now_ms, &ask);
        self.note(now, &answer, wants.iter().map(|want| want.tokens.len()).sum());
        answer
    }

    fn note(&mut self, now: Instant, answer: &Answer, wanted: usize) {
        let has_wants = wanted > 0;
        self.paused = answer.paused.map(|pause| (now + Duration::from_millis(pause.left_ms), reason(pause.cause)));
        if has_wants {
            self.waits_for = answer.waits_for;
        }
        let next = now + self.ask_again_in(answer);
        // Calls that begin to wait may ask at once, unless others wait for a limit or a pause already.
        let is_held = answer.granted.iter().sum::<usize>() < wanted || matches!(self.keeping, Keeping::Here { .. });
        let next = if is_held { next } else { now };
        self.next_at = Some(self.next_at.filter(|_| !has_wants).map_or(next, |known| known.min(next)));
    }

    /// When calls that wait are asked for again. A worker of a fleet asks for about 200 ms of work at a time, and not at the
    /// same moment as the others; less often where so many share a limit that an ask is for less than a call.
    fn ask_again_in(&self, answer: &Answer) -> Duration {
        let told = Duration::from_millis(answer.come_back_ms);
        let is_paced = answer.waits_for.is_some_and(|waited| waited.limit != LimitKind::InFlight);
        match self.keeping {
            Keeping::InStore(_) if is_paced => {
                let times = if answer.granted.iter().sum::<usize>() == 0 { 2 } else { 1 };
                told.max(Duration::from_millis(times * (175 + random() % 50)))
            }
            Keeping::InStore(_) | Keeping::Here { .. } => told,
        }
    }

    /// How long no call may go, and why.
    pub(super) fn paused(&self) -> Option<(Duration, Reason)> {
        let (until, reason) = self.paused?;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some((left, reason))
    }

    /// When waiting calls may be granted next.
    pub(super) fn next_grant_at(&self) -> Option<Instant> {
        self.next_at.filter(|_| !self.waiting.is_empty())
    }

    /// The limit for which calls wait.
    pub(super) fn waited_for(&self) -> Option<Reason> {
        self.waits_for.filter(|_| self.waiting.has_callers()).map(limit_reason)
    }
}

impl Question {
    /// By how much the quota's time has jumped forward, as far as this process can tell.
    pub(super) fn jumped(&self, quota_now: u64) -> u64 {
        self.known_now.map_or(0, |known| outbox::jump(known, quota_now))
    }
}

fn configured(limits: &Limits) -> Configured {
    Configured {
        calls: limits.requests_per_minute.map(u64::from),
        tokens: limits.tokens_a_minute(),
        in_flight: limits.total_calls_in_flight.map(u64::from),
    }
}

const fn reason(cause: PauseCause) -> Reason {
    match cause {
        PauseCause::Provider => Reason::Cooldown,
        PauseCause::Circuit => Reason::CircuitOpen,
        PauseCause::Recovery => Reason::Recovering,
    }
}

fn limit_reason(Waited { limit, value, source }: Waited) -> Reason {
    let value = u32::try_from(value).unwrap_or(u32::MAX);
    let limit = match limit {
        LimitKind::Calls => OwnLimit::RequestsPerMinute(value),
        LimitKind::Tokens(kind) => OwnLimit::TokensPerMinute(kind, value),
        LimitKind::InFlight => OwnLimit::CallsInFlight(value),
    };
    match source {
        LimitSource::Configured => Reason::OwnLimit(limit),
        LimitSource::Stated | LimitSource::Learned => Reason::ProviderLimit(limit),
        LimitSource::Ramp => Reason::SlowStart(value),
    }
}
