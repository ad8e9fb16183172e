//! What all clones of a budget share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::state::State;

/// The money, and who is told of its changes.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// Money came back, or the budget was raised.
    pub(super) changed: Notify,
    /// A call cannot be paid for, and no money will come back.
    pub(super) exhausted: Notify,
    /// The fleet's purses have something to hear.
    pub(super) wake: Arc<Notify>,
    pub(super) tell: fn(&str),
}

impl Shared {
    pub(super) fn new(state: State, tell: fn(&str)) -> Arc<Self> {
        let [changed, exhausted] = [Notify::new(), Notify::new()];
        Arc::new(Self { state: Mutex::new(state), changed, exhausted, wake: Arc::default(), tell })
    }

    pub(super) fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}
