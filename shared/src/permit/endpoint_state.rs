//! The state of an endpoint and model that all runs of a process share.

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

/// The limits, cooldown and circuit breaker that apply to the calls of all runs to one endpoint and model.
#[derive(Debug)]
pub(super) struct EndpointState {
    pub(super) endpoint: Endpoint,
    pub(super) model: String,
    in_flight: InFlight,
    pace: Mutex<Option<Arc<Pace>>>,
    /// Whether there is a pace. Spares each call the lock.
    is_paced: AtomicBool,
    cooldown: Cooldown,
    circuit: CircuitBreaker,
    stall: Arc<StallDetector>,
    in_force: Mutex<InForce>,
}

/// The limits in force.
#[derive(Debug)]
struct InForce {
    limits: Limits,
    /// The limits of each run with an open desk here.
    requested: Vec<Limits>,
}

impl EndpointState {
    /// The state of an endpoint and model for which no run has an open desk yet.
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
            in_force: Mutex::new(InForce { limits, requested: Vec::new() }),
        }
    }

    /// Makes the limits of a run count, which opens a desk here.
    pub(super) fn register(&self, limits: Limits) {
        let mut in_force = self.in_force();
        in_force.requested.push(within_bounds(limits));
        self.apply(&mut in_force);
    }

    /// Makes the limits of a run count no longer, because it has closed its desk here.
    pub(super) fn unregister(&self, limits: Limits) {
        let mut in_force = self.in_force();
        let limits = within_bounds(limits);
        if let Some(at) = in_force.requested.iter().position(|requested| *requested == limits) {
            in_force.requested.swap_remove(at);
        }
        self.apply(&mut in_force);
    }

    /// Whether a run has an open desk here.
    pub(super) fn is_in_use(&self) -> bool {
        !self.in_force().requested.is_empty()
    }

    /// Puts the smallest requested limit of each kind into force. Without any request the last limits stay in force.
    fn apply(&self, in_force: &mut InForce) {
        let Some(limits) = in_force.requested.iter().copied().reduce(Limits::and) else { return };
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

    /// Waits until a call that is expected to use `tokens` is within all limits.
    pub(super) async fn acquire(self: &Arc<Self>, tokens: u32) -> Result<LocalPermit, Refusal> {
        // Refused before it waits for a permit: permits that pile up during a pause would all be used when it ends.
        self.refusal().map_or(Ok(()), Err)?;
        self.in_flight.enter().await;
        let permit = LocalPermit { state: Arc::clone(self) };
        self.keep_pace(tokens).await;
        self.stall.check();
        self.refusal().map_or(Ok(permit), Err)
    }

    async fn keep_pace(&self, tokens: u32) {
        while let Some(pace) = self.pace() {
            pace.take(tokens).await;
            // Limits that changed meanwhile apply to waiting calls too.
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

    /// Why no call may be sent now, if none may: whatever lasts longest.
    fn refusal(&self) -> Option<Refusal> {
        let longest = self.cooldown.left().into_iter().chain(self.stall.left()).max_by_key(|(left, _)| *left);
        longest.map(|(left, reason)| Refusal::NotNow { reason, left })
    }

    pub(super) fn capacity(&self) -> u32 {
        self.in_flight.limit()
    }

    /// What the calls wait for, if any of them waits.
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

/// A permit of a [`LocalOffice`](super::LocalOffice).
#[derive(Debug)]
pub struct LocalPermit {
    state: Arc<EndpointState>,
}

impl Permit for LocalPermit {
    fn settle(&mut self, settlement: Settlement) {
        self.state.settle(settlement);
    }
}

impl Drop for LocalPermit {
    fn drop(&mut self) {
        self.state.in_flight.leave();
    }
}
