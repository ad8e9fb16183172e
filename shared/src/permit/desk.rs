//! All that one process knows of the calls to an endpoint and model.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::circuit_breaker::{CircuitBreaker, CircuitPauses};
use super::cooldown::Cooldown;
use super::endpoint::Endpoint;
use super::in_flight::InFlight;
use super::limits::{Limits, MAX_CALLS_IN_FLIGHT};
use super::office::{CallEnd, Permit, Reason, Refusal, Settlement, Wait};
use super::pace::Pace;
use super::stall_detector::StallDetector;

/// What the calls of all runs to an endpoint and model share.
#[derive(Debug)]
pub(super) struct SharedDesk {
    pub(super) endpoint: Endpoint,
    pub(super) model: String,
    in_flight: InFlight,
    pace: Mutex<Option<Arc<Pace>>>,
    /// Whether there is a pace; checked before each call.
    is_paced: AtomicBool,
    cooldown: Cooldown,
    circuit: CircuitBreaker,
    stall: Arc<StallDetector>,
    in_force: Mutex<InForce>,
}

/// Which limits hold.
#[derive(Debug)]
struct InForce {
    limits: Limits,
    /// Those of each run that has the desk open.
    wanted: Vec<Limits>,
}

impl SharedDesk {
    /// A desk that nobody has open yet.
    pub(super) fn new(
        (endpoint, model): (Endpoint, String),
        limits: Limits,
        pauses: CircuitPauses,
        stall: Arc<StallDetector>,
    ) -> Self {
        let limits = within_bounds(limits);
        let pace = Pace::new(&limits).map(Arc::new);
        Self {
            endpoint,
            model,
            in_flight: InFlight::new(limits.calls_in_flight),
            is_paced: AtomicBool::new(pace.is_some()),
            pace: Mutex::new(pace),
            cooldown: Cooldown::default(),
            circuit: CircuitBreaker::new(pauses),
            stall,
            in_force: Mutex::new(InForce { limits, wanted: Vec::new() }),
        }
    }

    /// A run with these limits has the desk open from now on.
    pub(super) fn open(&self, limits: Limits) {
        let mut in_force = self.in_force();
        in_force.wanted.push(within_bounds(limits));
        self.change(&mut in_force);
    }

    /// A run with these limits has closed it.
    pub(super) fn close(&self, limits: Limits) {
        let mut in_force = self.in_force();
        let limits = within_bounds(limits);
        if let Some(at) = in_force.wanted.iter().position(|wanted| *wanted == limits) {
            in_force.wanted.swap_remove(at);
        }
        self.change(&mut in_force);
    }

    pub(super) fn is_open(&self) -> bool {
        !self.in_force().wanted.is_empty()
    }

    /// The smallest limit of each kind holds; without an open run those of the last one stand.
    fn change(&self, in_force: &mut InForce) {
        let Some(limits) = in_force.wanted.iter().copied().reduce(Limits::and) else { return };
        let before = std::mem::replace(&mut in_force.limits, limits);
        if before.calls_in_flight != limits.calls_in_flight {
            self.in_flight.set_limit(limits.calls_in_flight);
        }
        let per_minute = |limits: Limits| (limits.requests_per_minute, limits.tokens_per_minute);
        if per_minute(before) != per_minute(limits) {
            let pace = Pace::after_others(&limits).map(Arc::new);
            let mut current = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
            self.is_paced.store(pace.is_some(), Ordering::Relaxed);
            *current = pace;
        }
    }

    fn in_force(&self) -> MutexGuard<'_, InForce> {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a call with so many tokens is within all limits.
    pub(super) async fn enter(self: &Arc<Self>, tokens: u32) -> Result<LocalPermit, Refusal> {
        // Before the permit, not with it: permits that pile up while calls are kept back would all be used at its end.
        self.refusal().map_or(Ok(()), Err)?;
        self.in_flight.enter().await;
        let permit = LocalPermit { desk: Arc::clone(self) };
        self.keep_pace(tokens).await;
        self.stall.check();
        self.refusal().map_or(Ok(permit), Err)
    }

    async fn keep_pace(&self, tokens: u32) {
        while let Some(pace) = self.pace() {
            pace.take(tokens).await;
            // Limits that changed meanwhile hold for those who waited too.
            if self.pace().is_some_and(|now| Arc::ptr_eq(&now, &pace)) {
                return;
            }
        }
    }

    fn pace(&self) -> Option<Arc<Pace>> {
        if !self.is_paced.load(Ordering::Relaxed) {
            return None;
        }
        self.pace.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn settle(&self, settlement: Settlement) {
        match settlement.end {
            CallEnd::Answered | CallEnd::Declined => self.circuit.answered(),
            CallEnd::RateLimited | CallEnd::Overloaded | CallEnd::Unanswered => self.failed(settlement.retry_after),
            CallEnd::Rejected => {}
        }
    }

    fn failed(&self, retry_after: Option<Duration>) {
        if let Some(after) = retry_after {
            self.cooldown.at_least(after, Reason::Cooldown);
        }
        if let Some(pause) = self.circuit.failed(self.capacity(), || self.refusal().is_some()) {
            self.cooldown.at_least(pause, Reason::CircuitOpen);
        }
    }

    /// What keeps all calls back, and for how long.
    fn refusal(&self) -> Option<Refusal> {
        let longest = self.cooldown.left().into_iter().chain(self.stall.left()).max_by_key(|(left, _)| *left);
        longest.map(|(left, reason)| Refusal::NotNow { reason, left })
    }

    pub(super) fn capacity(&self) -> u32 {
        self.in_flight.limit()
    }

    /// What calls wait for, if any do.
    pub(super) fn waits_for(&self) -> Option<Wait> {
        let (reason, left) = match self.refusal() {
            Some(Refusal::NotNow { reason, left }) => (reason, Some(left)),
            None => {
                let pace = self.pace();
                let per_minute = pace.as_ref().and_then(|pace| pace.waited_for());
                (Reason::OwnLimit(per_minute.or_else(|| self.in_flight.waited_for())?), None)
            }
        };
        Some(Wait { endpoint: self.endpoint.clone(), model: self.model.clone(), reason, left })
    }
}

fn within_bounds(limits: Limits) -> Limits {
    Limits { calls_in_flight: limits.calls_in_flight.clamp(1, MAX_CALLS_IN_FLIGHT), ..limits }
}

/// Leave to make one call, until it is dropped.
#[derive(Debug)]
pub struct LocalPermit {
    desk: Arc<SharedDesk>,
}

impl Permit for LocalPermit {
    fn settle(&mut self, settlement: Settlement) {
        self.desk.settle(settlement);
    }
}

impl Drop for LocalPermit {
    fn drop(&mut self) {
        self.desk.in_flight.leave();
    }
}
