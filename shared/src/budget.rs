//! A run's budget: each call reserves the most that it can cost before it is sent, so that the budget is never passed.
//!
//! In one process the purses are the run's limits. A worker of a fleet has a purse for each model, which it draws from the
//! run's budget ([`purses`]): no call is sent before the fleet's purses know of it.

mod clerk;
mod drawn;
mod limit;
pub mod purses;
mod shared;
mod state;
pub mod statement;

use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use self::clerk::PurseClerk;
use self::drawn::{Drawn, End};
pub use self::limit::PurseLimit;
use self::purses::Purses;
use self::shared::Shared;
use self::state::{Need, Reserved, State};
use crate::id::RunId;
use crate::money::NanoUsd;

/// How long a worker tries to say that it sends no more calls. Whoever gives out purses notices it in any case.
const LAST_WORD_WITHIN: Duration = Duration::from_secs(5);

/// The purses of a run. All clones are the same.
#[derive(Debug, Clone)]
pub struct Budget {
    shared: Arc<Shared>,
}

/// The budget does not pay for the call, and nothing that could pay for it is still reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfBudget;

/// Money reserved for one call. If it is dropped without being settled, all of it counts as spent.
#[derive(Debug)]
pub struct Reservation {
    budget: Budget,
    reserved: Reserved,
    is_settled: bool,
}

impl Budget {
    /// A budget of these purses. `tell` is called when much of one is used.
    pub fn new(limits: Vec<PurseLimit>, tell: fn(&str)) -> Self {
        Self { shared: Shared::new(State::new(limits, None), tell) }
    }

    /// What a worker of a fleet may spend on a run with this many models. `owner` is a name that no other worker has or had.
    pub fn in_fleet(purses: Purses, run: RunId, owner: String, models: usize) -> Self {
        let purse = |model| PurseLimit {
            name: format!("model {model}"),
            limit: NanoUsd(0),
            spent: NanoUsd(0),
            models: vec![model],
        };
        let state = State::new((0..models).map(purse).collect(), Some(Drawn::default()));
        let shared = Shared::new(state, |_| {});
        let clerk = PurseClerk { purses, run, owner };
        tokio::spawn(clerk.work(Arc::downgrade(&shared), Arc::clone(&shared.wake)));
        Self { shared }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.locked()
    }

    /// Reserves money for a call to a model that costs at most `amount`. Waits while calls in flight may give some back, or other
    /// models have money left, until [`Self::exhaust`]; and in a fleet until its purses know of the call.
    pub async fn reserve(&self, model: usize, amount: NanoUsd) -> Result<Reservation, OutOfBudget> {
        let mut waiting = Waiting { budget: self, need: None };
        loop {
            // Before the state is read, so that no change is missed.
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            match self.try_to_reserve(&mut waiting, (amount, model))? {
                Some(reserved) if reserved.ticket == 0 => return Ok(self.reservation(reserved)),
                Some(reserved) => {
                    let uncovered = Uncovered { budget: self, reserved: Some(reserved) };
                    self.shared.wake.notify_one();
                    if let Some(reserved) = uncovered.covered().await {
                        return Ok(self.reservation(reserved));
                    }
                }
                None => {
                    self.shared.wake.notify_one();
                    changed.await;
                }
            }
        }
    }

    fn reservation(&self, reserved: Reserved) -> Reservation {
        Reservation { budget: self.clone(), reserved, is_settled: false }
    }

    fn try_to_reserve(
        &self,
        waiting: &mut Waiting<'_>,
        (amount, model): (NanoUsd, usize),
    ) -> Result<Option<Reserved>, OutOfBudget> {
        let mut state = self.state();
        let need = (state.need(amount), model);
        if let Some(reserved) = state.reserve(need) {
            waiting.forget(&mut state);
            return Ok(Some(reserved));
        }
        waiting.note(&mut state, need);
        state.is_exhausted |= state.is_at_the_wall();
        if state.is_exhausted {
            self.shared.changed.notify_waiters();
            self.shared.exhausted.notify_waiters();
            return Err(OutOfBudget);
        }
        Ok(None)
    }

    /// Waits until a call cannot be paid for and nothing comes back, of whichever model, or until [`Self::exhaust`]. In a fleet, others
    /// decide that.
    pub async fn exhausted(&self) {
        loop {
            let mut exhausted = std::pin::pin!(self.shared.exhausted.notified());
            exhausted.as_mut().enable();
            if self.is_exhausted() {
                return;
            }
            exhausted.await;
        }
    }

    /// The models of which no call can be paid for, if only such calls wait and none is in flight. Calls of other models may be about
    /// to be made. None in a fleet, where others decide that.
    pub fn walled(&self) -> Option<BTreeSet<usize>> {
        self.state().walled()
    }

    /// Ends the wait of calls that cannot be paid for: calls of other models are not about to be made.
    pub fn exhaust(&self) {
        self.state().is_exhausted = true;
        self.shared.changed.notify_waiters();
        self.shared.exhausted.notify_waiters();
    }

    /// Whether a call could not be paid for.
    pub fn is_exhausted(&self) -> bool {
        self.state().is_exhausted
    }

    /// Sets the limit of the first purse, which is the run's. A limit below what is spent stops the run.
    pub fn set_limit(&self, limit: NanoUsd) {
        if let Some(purse) = self.state().purses.first_mut().filter(|purse| purse.limit != limit) {
            purse.set_limit(limit);
        }
        self.shared.changed.notify_waiters();
    }

    /// The first purse's limit, what was spent from it, and what is reserved.
    pub fn used(&self) -> Option<(NanoUsd, NanoUsd, NanoUsd)> {
        self.state().purses.first().map(|purse| (purse.limit, purse.spent, purse.reserved))
    }

    /// Says that no more calls are sent, so that others get what is left. Waits a few seconds for the store to hear it.
    pub async fn close(&self) {
        let said = async {
            loop {
                let mut changed = std::pin::pin!(self.shared.changed.notified());
                changed.as_mut().enable();
                match self.state().drawn.as_mut() {
                    None => return,
                    Some(drawn) if drawn.ends == End::Said => return,
                    Some(drawn) => drawn.ends = End::ToBeSaid,
                }
                self.shared.wake.notify_one();
                changed.await;
            }
        };
        if tokio::time::timeout(LAST_WORD_WITHIN, said).await.is_err() {
            tracing::debug!("could not give back what was not spent; it will be noticed");
        }
    }

    fn end(&self, reserved: Reserved, actual: NanoUsd) {
        let news = self.state().end(reserved, actual);
        for text in &news {
            (self.shared.tell)(text);
        }
        self.shared.changed.notify_waiters();
    }
}

impl Reservation {
    /// Ends the reservation: `actual` was spent, and the rest is free again.
    pub fn settle(mut self, actual: NanoUsd) {
        self.is_settled = true;
        self.budget.end(self.reserved, actual);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.is_settled {
            self.is_settled = true;
            self.budget.end(self.reserved, self.reserved.amount);
        }
    }
}

/// Money for a call of which the fleet's purses do not know yet. If it is dropped, the call is not sent.
struct Uncovered<'a> {
    budget: &'a Budget,
    reserved: Option<Reserved>,
}

impl Uncovered<'_> {
    /// Waits for the answer. Returns the money if the call may be sent.
    async fn covered(mut self) -> Option<Reserved> {
        loop {
            let mut changed = std::pin::pin!(self.budget.shared.changed.notified());
            changed.as_mut().enable();
            {
                let mut state = self.budget.state();
                let (drawn, reserved) = (state.drawn.as_mut()?, self.reserved?);
                match drawn.is_covered(reserved.ticket) {
                    Some(true) => {
                        drawn.forget(reserved.ticket);
                        drop(state);
                        return self.reserved.take();
                    }
                    Some(false) => {
                        drop(state);
                        return None;
                    }
                    None => {}
                }
            }
            changed.await;
        }
    }
}

impl Drop for Uncovered<'_> {
    fn drop(&mut self) {
        let Some(reserved) = self.reserved.take() else { return };
        let mut state = self.budget.state();
        state.release(reserved);
        if let Some(drawn) = &mut state.drawn {
            drawn.forget(reserved.ticket);
        }
        drop(state);
        self.budget.shared.changed.notify_waiters();
    }
}

/// A call that waits for money; dropping it ends the wait.
struct Waiting<'a> {
    budget: &'a Budget,
    need: Option<Need>,
}

impl Waiting<'_> {
    fn note(&mut self, state: &mut State, need: Need) {
        if self.need == Some(need) {
            return;
        }
        self.forget(state);
        state.wait(need);
        self.need = Some(need);
    }

    fn forget(&mut self, state: &mut State) {
        if let Some(need) = self.need.take() {
            state.stop_waiting(need);
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.budget.state();
        self.forget(&mut state);
    }
}

#[cfg(test)]
mod tests;
