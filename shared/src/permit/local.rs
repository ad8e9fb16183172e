//! The permit office of one process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::circuit_breaker::CircuitPauses;
use super::desk::{LocalPermit, SharedDesk};
use super::endpoint::Endpoint;
use super::limits::Limits;
use super::office::{PermitDesk, PermitOffice, Refusal, Request, Wait};
use super::stall_detector::StallDetector;
use crate::id::RunId;

/// Permits for all runs of one process. Cheap to clone; clones share everything.
///
/// What it knows of an endpoint and model stays when no run has a desk there: it is a few hundred bytes, and the next run
/// must not call a provider that asked for a pause.
#[derive(Debug, Clone)]
pub struct LocalOffice {
    desks: Arc<Mutex<Vec<Arc<SharedDesk>>>>,
    pauses: CircuitPauses,
    stall: Arc<StallDetector>,
}

impl LocalOffice {
    /// An office without desks, which watches from now on whether this process stands still.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn new(pauses: CircuitPauses) -> Self {
        Self { desks: Arc::default(), pauses, stall: Arc::new(StallDetector::start()) }
    }

    fn desks(&self) -> MutexGuard<'_, Vec<Arc<SharedDesk>>> {
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PermitOffice for LocalOffice {
    type Desk = LocalDesk;

    fn open(&self, _run: &RunId, endpoint: &Endpoint, model: &str, limits: Limits) -> LocalDesk {
        let mut desks = self.desks();
        let known = desks.iter().find(|desk| desk.endpoint == *endpoint && desk.model == model);
        let shared = known.cloned().unwrap_or_else(|| {
            let names = (endpoint.clone(), model.to_owned());
            let new = Arc::new(SharedDesk::new(names, limits, self.pauses, Arc::clone(&self.stall)));
            desks.push(Arc::clone(&new));
            new
        });
        shared.open(limits);
        LocalDesk { open: Arc::new(OpenDesk { shared, limits }) }
    }

    fn capacity(&self) -> u32 {
        self.desks().iter().filter(|desk| desk.is_open()).map(|desk| desk.capacity()).sum()
    }

    fn waits(&self) -> Vec<Wait> {
        let desks = self.desks();
        desks.iter().filter(|desk| desk.is_open()).filter_map(|desk| desk.waits_for()).collect()
    }
}

/// A run's way to permits for one endpoint and model.
#[derive(Debug, Clone)]
pub struct LocalDesk {
    open: Arc<OpenDesk>,
}

/// Closed when it is dropped.
#[derive(Debug)]
struct OpenDesk {
    shared: Arc<SharedDesk>,
    limits: Limits,
}

impl Drop for OpenDesk {
    fn drop(&mut self) {
        self.shared.close(self.limits);
    }
}

impl PermitDesk for LocalDesk {
    type Permit = LocalPermit;

    fn acquire(&self, request: Request) -> impl Future<Output = Result<LocalPermit, Refusal>> + Send {
        let tokens = request.expected.input.saturating_add(request.expected.output);
        self.open.shared.enter(u32::try_from(tokens).unwrap_or(u32::MAX))
    }

    fn capacity(&self) -> u32 {
        self.open.shared.capacity()
    }
}
