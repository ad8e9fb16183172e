//! The state of an endpoint and model that all runs of a process share: its calls in flight, those that wait, and the quota
//! by which they are granted.
//!
//! ```text
//!   acquire ──> in flight ──> waiting ──> quota ──> permit ──> settle ──> quota
//!               own limit     by run      here, or in the store of the fleet
//! ```

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::sleep_until;
use tokio_util::task::AbortOnDropHandle;

use super::desk_book::{DeskBook, Entered, Told};
use super::endpoint::Endpoint;
use super::in_flight::InFlight;
use super::limits::{Limits, MAX_CALLS_IN_FLIGHT};
use super::office::{Reason, Refusal, Request, Wait};
use super::office_permit::OfficePermit;
use super::quota::{Quota, Settled};
use super::stall_detector::StallDetector;
use super::waiting::{Caller, Claimant};

/// What applies to the calls of all runs of a process to one endpoint and model.
#[derive(Debug)]
pub(super) struct EndpointState {
    pub(super) endpoint: Endpoint,
    pub(super) model: String,
    in_flight: Arc<InFlight>,
    book: Mutex<DeskBook<OfficePermit>>,
    /// Notified when calls begin to wait, or something is to be reported.
    wake: Arc<Notify>,
    stall: Arc<StallDetector>,
    /// The limits of each run with an open desk here.
    requested: Mutex<Vec<Limits>>,
    clerk: OnceLock<AbortOnDropHandle<()>>,
}

impl EndpointState {
    /// The state of an endpoint and model for which no run has an open desk yet, with a quota of this process alone.
    pub(super) fn local(
        (endpoint, model): (Endpoint, String),
        limits: Limits,
        quota: Quota,
        stall: Arc<StallDetector>,
    ) -> Arc<Self> {
        let limits = within_bounds(limits);
        let book = DeskBook::local(limits, quota);
        Self::new((endpoint, model), limits, (book, stall), |state, wake| tokio::spawn(grant_in_time(state, wake)))
    }

    /// The same for a worker of a fleet, with a quota in the store that a task asks, which `clerk` spawns.
    pub(super) fn of_fleet(
        names: (Endpoint, String),
        limits: Limits,
        stall: Arc<StallDetector>,
        clerk: impl FnOnce(Weak<Self>, Arc<Notify>) -> JoinHandle<()>,
    ) -> Arc<Self> {
        let limits = within_bounds(limits);
        let book = DeskBook::of_fleet(limits);
        Self::new(names, limits, (book, stall), clerk)
    }

    fn new(
        (endpoint, model): (Endpoint, String),
        limits: Limits,
        (book, stall): (DeskBook<OfficePermit>, Arc<StallDetector>),
        clerk: impl FnOnce(Weak<Self>, Arc<Notify>) -> JoinHandle<()>,
    ) -> Arc<Self> {
        let wake = Arc::new(Notify::new());
        let state = Arc::new(Self {
            endpoint,
            model,
            in_flight: Arc::new(InFlight::new(limits.calls_in_flight)),
            book: Mutex::new(book),
            wake: Arc::clone(&wake),
            stall,
            requested: Mutex::default(),
            clerk: OnceLock::new(),
        });
        // Only now: the clerk ends when there is no state.
        let working = AbortOnDropHandle::new(clerk(Arc::downgrade(&state), wake));
        state.clerk.set(working).expect("the state is new");
        state
    }

    /// Makes the limits of a run count, which opens a desk here.
    pub(super) fn register(&self, limits: Limits) {
        let mut requested = self.requested();
        requested.push(within_bounds(limits));
        self.apply(&requested);
    }

    /// Makes the limits of a run count no longer, because it has closed its desk here.
    pub(super) fn unregister(&self, limits: Limits) {
        let (mut requested, limits) = (self.requested(), within_bounds(limits));
        if let Some(at) = requested.iter().position(|known| *known == limits) {
            requested.swap_remove(at);
        }
        self.apply(&requested);
    }

    /// Whether a run has an open desk here.
    pub(super) fn is_in_use(&self) -> bool {
        !self.requested().is_empty()
    }

    fn requested(&self) -> MutexGuard<'_, Vec<Limits>> {
        self.requested.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the smallest requested limit of each kind into force. Without any request the last limits stay in force.
    fn apply(&self, requested: &[Limits]) {
        let Some(limits) = requested.iter().copied().reduce(Limits::and) else { return };
        if self.in_flight.limit() != limits.calls_in_flight {
            self.in_flight.set_limit(limits.calls_in_flight);
        }
        self.book().set_limits(limits);
        self.wake.notify_one();
    }

    pub(super) fn book(&self) -> MutexGuard<'_, DeskBook<OfficePermit>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a call of a run is within all limits.
    pub(super) async fn acquire(self: &Arc<Self>, run: Claimant, request: Request) -> Result<OfficePermit, Refusal> {
        // Refused before it waits for a place: places that pile up during a pause would all be used when it ends.
        self.refusal().map_or(Ok(()), Err)?;
        let place = InFlight::enter(&self.in_flight, request.goes_ahead).await;
        let mut permit = self.turn(run, request).await?;
        permit.take(place);
        self.stall.check();
        let Some(refusal) = self.refusal() else { return Ok(permit) };
        permit.give_back();
        Err(refusal)
    }

    async fn turn(self: &Arc<Self>, run: Claimant, request: Request) -> Result<OfficePermit, Refusal> {
        let (turn, heard) = oneshot::channel();
        let entered = {
            let mut book = self.book();
            let tokens = book.reserve(&request);
            book.enter(run, Caller { request, tokens, turn })
        };
        match entered {
            Entered::Granted(grant) => return Ok(OfficePermit::new(self, grant)),
            Entered::Paused(refusal) => return Err(refusal),
            Entered::Waits => self.wake.notify_one(),
        }
        heard.await.expect("a waiting call is told of its turn, as long as the state exists")
    }

    /// Grants what may go now to the calls that wait.
    fn grant_waiting(self: &Arc<Self>) {
        let turns = self.book().grant_waiting();
        for turn in turns {
            self.tell(turn);
        }
    }

    /// Tells a call of its turn.
    pub(super) fn tell(self: &Arc<Self>, (caller, turn): Told<OfficePermit>) {
        // Given up meanwhile: the permit goes back when it is dropped.
        let _ = caller.turn.send(turn.map(|grant| OfficePermit::new(self, grant)));
    }

    /// Takes in what came of a call.
    pub(super) fn settle(self: &Arc<Self>, settled: &Settled) {
        let is_waited_for = self.book().settle(settled);
        if is_waited_for {
            self.grant_waiting();
            self.wake.notify_one();
        }
    }

    /// Why no call may be sent now, if none may: whatever lasts longest.
    fn refusal(&self) -> Option<Refusal> {
        let paused = self.book().paused();
        let longest = paused.into_iter().chain(self.stall.left()).max_by_key(|(left, _)| *left);
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
                let granted = self.book().waited_for();
                (granted.or_else(|| self.in_flight.waited_for().map(Reason::OwnLimit))?, None)
            }
        };
        Some(Wait { endpoint: self.endpoint.clone(), model: self.model.clone(), reason, left })
    }
}

/// Grants waiting calls when their time has come.
async fn grant_in_time(state: Weak<EndpointState>, wake: Arc<Notify>) {
    loop {
        let Some(next) = state.upgrade().map(|state| state.book().next_grant_at()) else { return };
        let Some(at) = next else {
            wake.notified().await;
            continue;
        };
        tokio::select! {
            () = wake.notified() => {}
            () = sleep_until(at) => {
                if let Some(state) = state.upgrade() {
                    state.grant_waiting();
                }
            }
        }
    }
}

fn within_bounds(limits: Limits) -> Limits {
    Limits { calls_in_flight: limits.calls_in_flight.clamp(1, MAX_CALLS_IN_FLIGHT), ..limits }
}
