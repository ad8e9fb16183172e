//! A permit: allows one call, and goes back if the call is not sent.

use std::sync::Arc;

use super::endpoint_state::EndpointState;
use super::grant::Grant;
use super::in_flight::Place;
use super::office::{Permit, Settlement};

/// A permit of a [`QuotaOffice`](super::QuotaOffice).
#[derive(Debug)]
pub struct OfficePermit {
    state: Arc<EndpointState>,
    grant: Grant,
    /// Whether the call has it: otherwise it goes back.
    is_taken: bool,
    is_settled: bool,
    /// Its place among the calls in flight, which it gives back when it is dropped.
    place: Option<Place>,
}

impl OfficePermit {
    pub(super) fn new(state: &Arc<EndpointState>, grant: Grant) -> Self {
        Self { state: Arc::clone(state), grant, is_taken: false, is_settled: false, place: None }
    }
}

impl OfficePermit {
    /// The call has it now.
    pub(super) fn take(&mut self, place: Place) {
        self.is_taken = true;
        self.place = Some(place);
    }

    /// The call does not need it after all.
    pub(super) fn give_back(mut self) {
        self.is_taken = false;
    }
}

impl Permit for OfficePermit {
    fn settle(&mut self, settlement: Settlement) {
        if self.is_settled {
            return;
        }
        self.is_settled = true;
        if let Some(usage) = settlement.usage {
            self.state.book().learn(&self.grant.request, usage);
        }
        self.state.settle(&settlement.settled(&self.grant));
    }
}

impl Drop for OfficePermit {
    fn drop(&mut self) {
        if !self.is_settled {
            self.state.settle(&self.grant.unsettled(self.is_taken));
        }
    }
}
