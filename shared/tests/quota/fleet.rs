//! Workers in virtual time that share one quota: they always have calls waiting, as in a run of days.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use valuesim_shared::permit::TokenCounts;
use valuesim_shared::permit::quota::{Ask, Configured, End, Quota, Settled, Stated, Want};

use crate::provider::Provider;

/// How long a granted call takes to reach the provider, and a refusal to come back.
const ON_THE_WAY_MS: f64 = 30.0;

/// How a fleet works.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) workers: usize,
    /// Calls that each worker may have in flight.
    pub(crate) capacity: u32,
    pub(crate) configured: Configured,
    pub(crate) latency_ms: f64,
    /// The standard deviation of the latency's logarithm.
    pub(crate) sigma: f64,
    /// The tokens of a call, and the factor by which more are expected.
    pub(crate) tokens: u64,
    pub(crate) over_expected: f64,
    /// Whether the provider says which limit refused a call.
    pub(crate) names_limit: bool,
    pub(crate) seconds: u32,
    /// Of the random numbers; not 0.
    pub(crate) seed: u64,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            workers: 8,
            capacity: 512,
            configured: Configured::default(),
            latency_ms: 2_000.0,
            sigma: 0.5,
            tokens: 1_000,
            over_expected: 1.2,
            names_limit: true,
            seconds: 300,
            seed: 88_172_645_463_325_252,
        }
    }
}

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A worker asks.
    Ask(usize),
    /// A granted call reaches the provider.
    Arrive(usize, u64),
    /// The worker hears of it.
    Settle(usize, u64),
    /// The provider's limits change, or workers die.
    Change(usize),
}

/// A worker.
#[derive(Debug, Default)]
struct Worker {
    is_dead: bool,
    in_flight: u32,
    settlements: Vec<Settled>,
    asks_at: f64,
}

/// The fleet's world.
pub(crate) struct Fleet {
    pub(crate) provider: Provider,
    pub(crate) quota: Quota,
    setting: Setting,
    workers: Vec<Worker>,
    calls: BTreeMap<u64, (Settled, f64)>,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    sequence: u64,
    random: u64,
    changes: Vec<fn(&mut Fleet)>,
    pub(crate) cuts: u64,
}

impl Fleet {
    pub(crate) fn new(setting: Setting, provider: Provider) -> Self {
        let workers = (0..setting.workers).map(|_| Worker::default()).collect();
        let random = setting.seed;
        Self {
            provider,
            quota: Quota::new(1, 1_000_000),
            setting,
            workers,
            calls: BTreeMap::new(),
            events: BinaryHeap::new(),
            sequence: 0,
            random,
            changes: Vec::new(),
            cuts: 0,
        }
    }

    /// Changes something at a second.
    pub(crate) fn at_second(mut self, second: u32, change: fn(&mut Self)) -> Self {
        self.changes.push(change);
        let change = Event::Change(self.changes.len() - 1);
        self.schedule(f64::from(second) * 1_000.0, change);
        self
    }

    /// Kills half of the workers: what they have in flight is answered, and nobody hears of it.
    pub(crate) fn kill_half(&mut self) {
        let half = self.workers.len() / 2;
        self.workers[..half].iter_mut().for_each(|worker| worker.is_dead = true);
    }

    /// Runs to the end.
    pub(crate) fn run(mut self) -> Self {
        let workers = self.workers.len();
        (0..workers).for_each(|worker| self.schedule(worker as f64 * 7.0, Event::Ask(worker)));
        let end = f64::from(self.setting.seconds) * 1_000.0;
        while let Some(Reverse((at_us, _, event))) = self.events.pop() {
            let at = at_us as f64 / 1_000.0;
            if at >= end {
                break;
            }
            match event {
                Event::Ask(worker) => self.ask(at, worker),
                Event::Arrive(worker, call) => self.arrive(at, worker, call),
                Event::Settle(worker, call) => self.settle(at, worker, call),
                Event::Change(change) => self.changes[change](&mut self),
            }
        }
        self
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "minutes in microseconds")]
    fn schedule(&mut self, at: f64, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse(((at * 1_000.0) as u64, self.sequence, event)));
    }

    /// A random number in 0..1.
    fn random(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        let (one, two) = (self.random().max(1e-12), self.random());
        median * (sigma * (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * two).cos()).exp()
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers")]
    fn ask(&mut self, at: f64, number: usize) {
        let worker = &mut self.workers[number];
        // Times of events are in whole microseconds.
        if worker.is_dead || at + 2e-3 < worker.asks_at {
            return;
        }
        let settlements = std::mem::take(&mut worker.settlements);
        let capacity = self.setting.capacity;
        let free = capacity.saturating_sub(worker.in_flight) as usize;
        let expected = (self.setting.tokens as f64 * self.setting.over_expected) as u64;
        let expected = vec![TokenCounts::of_prompt(expected); free.min(256)];
        let want = Want { run: 1, weight: 1, tokens: &expected };
        let ask = Ask {
            worker: number as u64 + 1,
            configured: self.setting.configured,
            wants: &[want],
            settlements: &settlements,
            in_flight: worker.in_flight,
            capacity,
            ..Ask::default()
        };
        let answer = self.quota.take(1_000_000 + at as u64, &ask);
        self.cuts = answer.epoch;
        for &expected in &expected[..answer.granted[0]] {
            self.send(at, number, (answer.slot, answer.epoch, expected));
        }
        let next = at + answer.come_back_ms.clamp(5, 200) as f64;
        self.ask_at(next, number);
    }

    fn ask_at(&mut self, at: f64, number: usize) {
        self.workers[number].asks_at = at;
        self.schedule(at, Event::Ask(number));
    }

    fn send(&mut self, at: f64, number: usize, (slot, epoch, expected): (u64, u64, TokenCounts)) {
        let call = self.sequence;
        let settled = Settled { slot, epoch, expected, end: End::Unsent, took_ms: 0, stated: Stated::default() };
        self.calls.insert(call, (settled, at));
        self.workers[number].in_flight += 1;
        let on_the_way = ON_THE_WAY_MS * (0.5 + self.random());
        self.schedule(at + on_the_way, Event::Arrive(number, call));
    }

    fn arrive(&mut self, at: f64, number: usize, call: u64) {
        let tokens = self.setting.tokens;
        let tokens = tokens - tokens / 10 + call * 7_919 % (tokens / 5).max(1);
        // A random number is drawn only where one is needed, so that the others stay the same.
        let chance = if self.provider.unrelated.is_some() { self.random() } else { 1.0 };
        let (end, takes) = match self.provider.call(at, tokens, chance) {
            Ok(()) => {
                let latency = self.lognormal(self.setting.latency_ms, self.setting.sigma);
                (End::Answered { used: Some(TokenCounts::of_prompt(tokens)) }, latency)
            }
            Err(refused) => {
                let limit = self.setting.names_limit.then_some(refused.limit);
                (End::Limited { limit, retry_after_ms: refused.retry_after_ms }, ON_THE_WAY_MS)
            }
        };
        self.calls.get_mut(&call).expect("it is under way").0.end = end;
        self.schedule(at + takes, Event::Settle(number, call));
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "milliseconds of a call")]
    fn settle(&mut self, at: f64, number: usize, call: u64) {
        let (mut settled, sent_at) = self.calls.remove(&call).expect("it is under way");
        settled.took_ms = (at - sent_at) as u64;
        if matches!(settled.end, End::Answered { .. }) {
            self.provider.ended();
        }
        let worker = &mut self.workers[number];
        worker.in_flight -= 1;
        worker.settlements.push(settled);
        if matches!(settled.end, End::Limited { .. }) {
            // Reported at once.
            self.ask_at(at, number);
        }
    }
}
