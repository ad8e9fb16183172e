//! Gives out a run's budget in purses to its workers, and ends the run when no call can be paid for.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use valuesim_shared::budget::PurseLimit;
use valuesim_shared::budget::purses::{Closing, Purses};
use valuesim_shared::control::Order;
use valuesim_shared::id::RunId;
use valuesim_shared::store::EmbeddedStore;

use super::FleetError;
use crate::purse_book::{Draws, PurseBook, Used};
use crate::wall::{Others, WallWatch};

/// How often purses are looked at.
const TICK: Duration = Duration::from_millis(100);

/// What a coordinator needs to know of its run's budget.
#[derive(Debug)]
pub struct FleetBudget {
    /// The limits, the run's first, with what was spent beside calls.
    pub limits: Vec<PurseLimit>,
    /// Where workers find their purses.
    pub purses: Purses,
    /// What the run left when it was last in one process, if it was: its calls are paid, too.
    pub earlier: Option<EmbeddedStore>,
}

/// Gives out the budget of a run.
#[derive(Debug)]
pub(super) struct Treasurer {
    purses: Purses,
    run: RunId,
    folder: PathBuf,
    book: Mutex<PurseBook>,
    is_at_a_wall: AtomicBool,
    tell: fn(&str),
}

impl Treasurer {
    pub(super) fn new(purses: Purses, run: RunId, folder: PathBuf, book: PurseBook, tell: fn(&str)) -> Self {
        Self { purses, run, folder, book: Mutex::new(book), is_at_a_wall: AtomicBool::new(false), tell }
    }

    fn book(&self) -> MutexGuard<'_, PurseBook> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much of the run's budget is used.
    pub(super) fn used(&self) -> Used {
        self.book().used()
    }

    /// Takes over the budget that an operator has set.
    pub(super) fn obey(&self, order: &Order) {
        let Some(limit) = order.budget else { return };
        if self.book().set_limit(limit) {
            (self.tell)(&format!("the budget is {limit} now, set by {}", order.by));
        }
    }

    /// Whether all calls that there are wait for money that no purse can give back.
    pub(super) fn is_at_a_wall(&self) -> bool {
        self.is_at_a_wall.load(Ordering::Relaxed)
    }

    /// Gives out purses until the run is at the wall: calls wait, nothing can pay for them any more, and `others` says of the models
    /// beside these that they are done.
    pub(super) async fn until_the_wall(&self, others: impl Fn(&BTreeSet<usize>) -> Others) -> Result<(), FleetError> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut watch = WallWatch::default();
        loop {
            ticks.tick().await;
            let draws = self.look().await?;
            for warning in self.book().warnings() {
                (self.tell)(&warning);
            }
            self.is_at_a_wall.store(draws.is_at_the_wall, Ordering::Relaxed);
            if watch.is_over(Some(&draws.walled).filter(|_| draws.is_at_the_wall), &others) {
                return Ok(());
            }
        }
    }

    /// Keeps the purses while workers leave, until that fails.
    pub(super) async fn until_failure(&self) -> FleetError {
        let mut ticks = interval(TICK);
        loop {
            ticks.tick().await;
            if let Err(error) = self.look().await {
                return error;
            }
        }
    }

    /// Looks at the purses once: closes those whose owners are gone, and adds to those that need it. While the store is away,
    /// this waits, and nobody draws anything.
    pub(super) async fn look(&self) -> Result<Draws, FleetError> {
        let found = self.purses.read(&self.run).await?;
        if found.life != self.book().life() {
            self.begin_life(found.life).await?;
            return Ok(Draws::default());
        }
        let to_close = self.book().see(&found, Instant::now());
        for owner in &to_close {
            match self.purses.close(&self.run, (owner, &found.life)).await? {
                Closing::Closed(last) => self.book().close(owner, last.as_ref()),
                Closing::OtherLife => return Ok(Draws::default()),
            }
        }
        let missing = self.book().missing(&found);
        let draws = self.book().draw(&found);
        self.shrink(&draws).await?;
        self.keep()?;
        self.purses.grant(&self.run, &[missing, draws.granted.clone()].concat()).await?;
        for owner in &to_close {
            self.purses.forget(&self.run, owner).await?;
        }
        Ok(draws)
    }

    /// A store that was restarted may have put back what it had at some time before. Nothing of that counts.
    async fn begin_life(&self, life: String) -> Result<(), FleetError> {
        self.purses.clear(&self.run).await?;
        self.book().begin_life(life, Instant::now());
        self.keep()
    }

    async fn shrink(&self, draws: &Draws) -> Result<(), FleetError> {
        for (owner, stated, to) in &draws.to_shrink {
            if self.purses.shrink(&self.run, (owner, stated), to).await? {
                self.book().shrunk(owner, to);
            }
        }
        Ok(())
    }

    fn keep(&self) -> Result<(), FleetError> {
        Ok(self.book().keep(&self.folder)?)
    }
}

#[cfg(test)]
mod tests;
