//! The permit office of one process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::circuit_breaker::CircuitPauses;
use super::endpoint::Endpoint;
use super::endpoint_state::{EndpointState, LocalPermit};
use super::limits::Limits;
use super::office::{PermitDesk, PermitOffice, Refusal, Request, Wait};
use super::stall_detector::StallDetector;
use crate::id::RunId;

/// Issues permits to all runs of one process. Cheap to clone; clones share everything.
///
/// The office keeps the state of an endpoint and model after the last run has closed its desk there. The state takes a few
/// hundred bytes, and the next run must not call a provider that has asked for a pause.
#[derive(Debug, Clone)]
pub struct LocalOffice {
    states: Arc<Mutex<Vec<Arc<EndpointState>>>>,
    pauses: CircuitPauses,
    stall: Arc<StallDetector>,
}

impl LocalOffice {
    /// Creates an office without open desks and starts its stall detector.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn new(pauses: CircuitPauses) -> Self {
        Self { states: Arc::default(), pauses, stall: Arc::new(StallDetector::start()) }
    }

    fn states(&self) -> MutexGuard<'_, Vec<Arc<EndpointState>>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PermitOffice for LocalOffice {
    type Desk = LocalDesk;

    fn open(&self, _run: &RunId, endpoint: &Endpoint, model: &str, limits: Limits) -> LocalDesk {
        let mut states = self.states();
        let known = states.iter().find(|state| state.endpoint == *endpoint && state.model == model);
        let state = known.cloned().unwrap_or_else(|| {
            let names = (endpoint.clone(), model.to_owned());
            let new = Arc::new(EndpointState::new(names, limits, self.pauses, Arc::clone(&self.stall)));
            states.push(Arc::clone(&new));
            new
        });
        state.register(limits);
        LocalDesk { registration: Arc::new(Registration { state, limits }) }
    }

    fn capacity(&self) -> u32 {
        self.states().iter().filter(|state| state.is_in_use()).map(|state| state.capacity()).sum()
    }

    fn waits(&self) -> Vec<Wait> {
        let states = self.states();
        states.iter().filter(|state| state.is_in_use()).filter_map(|state| state.waits_for()).collect()
    }
}

/// The desk of one run at a [`LocalOffice`].
#[derive(Debug, Clone)]
pub struct LocalDesk {
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

impl PermitDesk for LocalDesk {
    type Permit = LocalPermit;

    fn acquire(&self, request: Request) -> impl Future<Output = Result<LocalPermit, Refusal>> + Send {
        let tokens = request.expected.input.saturating_add(request.expected.output);
        self.registration.state.acquire(u32::try_from(tokens).unwrap_or(u32::MAX))
    }

    fn capacity(&self) -> u32 {
        self.registration.state.capacity()
    }
}
