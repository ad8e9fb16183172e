//! A permit office that grants whatever is asked for: what the engine would be without one.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use valuesim_shared::permit::{
    Endpoint, Limits, Permit, PermitDesk, PermitOffice, Refusal, Request, RunShare, Settlement, Wait,
};

/// An office without limits, pauses and memory. Only the calls in flight are bounded, as a bare loop's are.
#[derive(Debug, Clone)]
pub(crate) struct OpenOffice {
    pub(crate) in_flight: u32,
}

/// Its desk: places for calls in flight.
#[derive(Debug, Clone)]
pub(crate) struct OpenDesk {
    places: Arc<Semaphore>,
    in_flight: u32,
}

/// A place for a call in flight.
#[derive(Debug)]
pub(crate) struct Place(#[expect(dead_code, reason = "it is held until it is dropped")] OwnedSemaphorePermit);

impl PermitOffice for OpenOffice {
    type Desk = OpenDesk;

    fn open(&self, _: RunShare<'_>, _: &Endpoint, _: &str, _: Limits) -> OpenDesk {
        OpenDesk { places: Arc::new(Semaphore::new(self.in_flight as usize)), in_flight: self.in_flight }
    }

    fn capacity(&self) -> u32 {
        self.in_flight
    }

    fn waits(&self) -> Vec<Wait> {
        Vec::new()
    }
}

impl PermitDesk for OpenDesk {
    type Permit = Place;

    async fn acquire(&self, _: Request) -> Result<Place, Refusal> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        Ok(Place(place.expect("the semaphore is never closed")))
    }

    fn capacity(&self) -> u32 {
        self.in_flight
    }
}

impl Permit for Place {
    fn settle(&mut self, _: Settlement) {}
}
