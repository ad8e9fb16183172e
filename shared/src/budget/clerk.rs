//! Tells the fleet's purses what a worker spends, reserves and wants, and what they answer.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::drawn::End;
use super::purses::Purses;
use super::shared::Shared;
use crate::id::RunId;

/// How often a worker whose calls wait for money asks.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// How often a worker that has money says what it has spent.
const STATE_EVERY: Duration = Duration::from_secs(1);

/// How long to wait before the store is asked again that refuses this process.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// States what a worker's calls cost.
#[derive(Debug)]
pub(super) struct PurseClerk {
    pub(super) purses: Purses,
    pub(super) run: RunId,
    /// A name that no other worker has or had.
    pub(super) owner: String,
}

impl PurseClerk {
    /// Makes statements whenever there is something to say, until the budget is gone.
    pub(super) async fn work(self, budget: Weak<Shared>, wake: Arc<Notify>) {
        let mut stated_at = Instant::now();
        loop {
            let Some(due) = budget.upgrade().map(|budget| due(&budget)) else { return };
            let waited = due.map(|after| (stated_at + after).saturating_duration_since(Instant::now()));
            match waited {
                None => wake.notified().await,
                Some(left) if !left.is_zero() => {
                    tokio::select! {
                        () = wake.notified() => {}
                        () = sleep(left) => {}
                    }
                }
                Some(_) => {
                    let Some(budget) = budget.upgrade() else { return };
                    stated_at = Instant::now();
                    self.state_once(&budget).await;
                }
            }
        }
    }

    async fn state_once(&self, budget: &Shared) {
        let Some(asked) = budget.locked().statement() else { return };
        let owner = format!("{}/{}", self.owner, asked.purse);
        match self.purses.state(&self.run, &owner, &asked.statement).await {
            Ok(purse) => {
                budget.locked().answered(&asked, &purse);
                budget.changed.notify_waiters();
            }
            Err(error) => {
                tracing::warn!(%error, "the store refuses to say what calls may cost; asking again");
                sleep(REFUSED_PAUSE).await;
            }
        }
    }
}

/// How long after the last statement the next one is made; `None` if there is nothing to say.
fn due(budget: &Shared) -> Option<Duration> {
    let state = budget.locked();
    let drawn = state.drawn.as_ref()?;
    let is_urgent = drawn.has_uncovered() || drawn.ends == End::ToBeSaid;
    let [asks, states] = [(state.has_wants(), ASK_EVERY), (state.has_drawn(), STATE_EVERY)];
    let due = [(is_urgent, Duration::ZERO), asks, states];
    due.into_iter().find(|(is_due, _)| *is_due).map(|(_, after)| after)
}
