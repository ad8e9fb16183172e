//! The permit office: one desk state for each endpoint and model, whose quota is kept here or in the store of a fleet.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::circuit_pauses::CircuitPauses;
use super::endpoint::Endpoint;
use super::endpoint_state::EndpointState;
use super::fleet_clerk::FleetClerk;
use super::limits::Limits;
use super::office::{PermitDesk, PermitOffice, Refusal, Request, RunShare, Wait};
use super::office_permit::OfficePermit;
use super::quota::Quota;
use super::stall_detector::StallDetector;
use super::stored_quota::{StoredQuota, random};
use super::waiting::{Claimant, run_number};
use crate::redis_connection::RedisConnection;

/// Issues permits to all runs of one process. Cheap to clone; clones share everything.
///
/// The office keeps the state of an endpoint and model after the last run has closed its desk there. The state takes a few
/// kilobytes, and the next run must not call a provider that has asked for a pause.
#[derive(Debug, Clone)]
pub struct QuotaOffice {
    states: Arc<Mutex<Vec<Arc<EndpointState>>>>,
    pauses: CircuitPauses,
    stall: Arc<StallDetector>,
    /// The store of the fleet, and this process's number in it.
    fleet: Option<(RedisConnection, u64)>,
}

impl QuotaOffice {
    /// Creates an office that keeps all quotas itself, and starts its stall detector.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn local(pauses: CircuitPauses) -> Self {
        Self { states: Arc::default(), pauses, stall: Arc::new(StallDetector::start()), fleet: None }
    }

    /// Creates the office of a worker of a fleet. Its quotas are in the store, where all workers share them.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn of_fleet(store: RedisConnection, pauses: CircuitPauses) -> Self {
        Self { fleet: Some((store, random())), ..Self::local(pauses) }
    }

    fn new_state(&self, endpoint: &Endpoint, model: &str, limits: Limits) -> Arc<EndpointState> {
        let (names, stall) = ((endpoint.clone(), model.to_owned()), Arc::clone(&self.stall));
        match &self.fleet {
            None => EndpointState::local(names, limits, Quota::new(0, 0).with_pauses(self.pauses), stall),
            Some((store, worker)) => {
                let stored = StoredQuota::new(store.clone(), endpoint, model);
                let clerk = FleetClerk { stored, pauses: self.pauses, worker: *worker };
                EndpointState::of_fleet(names, limits, stall, |state, wake| tokio::spawn(clerk.work(state, wake)))
            }
        }
    }

    fn states(&self) -> MutexGuard<'_, Vec<Arc<EndpointState>>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PermitOffice for QuotaOffice {
    type Desk = QuotaDesk;

    fn open(&self, run: RunShare<'_>, endpoint: &Endpoint, model: &str, limits: Limits) -> QuotaDesk {
        let mut states = self.states();
        let known = states.iter().find(|state| state.endpoint == *endpoint && state.model == model);
        let state = known.cloned().unwrap_or_else(|| {
            let new = self.new_state(endpoint, model, limits);
            states.push(Arc::clone(&new));
            new
        });
        state.register(limits);
        let run = Claimant { run: run_number(run.run), weight: run.share.get() };
        QuotaDesk { run, registration: Arc::new(Registration { state, limits }) }
    }

    fn capacity(&self) -> u32 {
        self.states().iter().filter(|state| state.is_in_use()).map(|state| state.capacity()).sum()
    }

    fn waits(&self) -> Vec<Wait> {
        let states = self.states();
        states.iter().filter(|state| state.is_in_use()).filter_map(|state| state.waits_for()).collect()
    }
}

/// The desk of one run at a [`QuotaOffice`].
#[derive(Debug, Clone)]
pub struct QuotaDesk {
    run: Claimant,
    registration: Arc<Registration>,
}

/// Makes a run's limits count until it is dropped.
#[derive(Debug)]
struct Registration {
    state: Arc<EndpointState>,
    limits: Limits,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.state.unregister(self.limits);
    }
}

impl PermitDesk for QuotaDesk {
    type Permit = OfficePermit;

    fn acquire(&self, request: Request) -> impl Future<Output = Result<OfficePermit, Refusal>> + Send {
        self.registration.state.acquire(self.run, request)
    }

    fn capacity(&self) -> u32 {
        self.registration.state.capacity()
    }
}
