//! Lets cells be sent round by round, where a run asks its people in rounds.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use valuesim_shared::control::RunPhase;
use valuesim_shared::id::ModelId;
use valuesim_shared::queue::Queue;
use valuesim_shared::store::Store;

use super::{Coordinator, CoordinatorError, RunEnd};
use crate::ledger::RoundsRecord;
use crate::rounds::Rounds;

impl<Q: Queue, S: Store> Coordinator<Q, S> {
    /// The same, asking people in rounds if there are any.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub fn in_rounds(self, rounds: Option<Arc<Rounds>>) -> Result<Self, CoordinatorError> {
        let Some(rounds) = rounds else { return Ok(self) };
        self.begin_round(&rounds.so_far()?);
        Ok(Self { rounds: Some(rounds), ..self })
    }

    /// The run's phase once all cells of the plan are finished: a plan of its first people alone is that of a pilot, unless rounds
    /// have come to no more.
    pub fn phase_at_end(&self) -> RunPhase {
        let is_of_all = self.plan.respondents().len() as u64 == self.plan.most_respondents();
        let had_rounds = || self.ledger.rounds().is_ok_and(|record| record.is_some());
        if is_of_all || had_rounds() { RunPhase::Finished } else { RunPhase::Begun }
    }

    fn begin_round(&self, record: &RoundsRecord) {
        self.progress.plan(self.plan.cells_of_respondents(record.people));
        self.people.send_replace(record.people);
    }

    /// The number of a model's last cell that may be sent so far.
    pub(super) fn last_of_the_round(&self) -> u64 {
        *self.people.borrow() * self.plan.folds().len() as u64
    }

    /// Returns when the rounds have come to this cell of a model, counted from 1.
    pub(super) async fn reached(&self, number: u64) {
        let folds = self.plan.folds().len() as u64;
        // The sender is this coordinator's own, and cannot be gone.
        _ = self.people.subscribe().wait_for(|&people| number <= people * folds).await;
    }

    /// The end of the run, once no cell is open and no round follows. Begins the next round if there is one.
    pub(super) async fn end(&self, stop: &CancellationToken) -> Result<Option<RunEnd>, CoordinatorError> {
        while self.round_is_over() {
            let Some(rounds) = &self.rounds else { return Ok(Some(RunEnd::Finished)) };
            let (rounds, dead, stop) = (Arc::clone(rounds), self.cell_states().dead(), stop.clone());
            let deciding = tokio::task::spawn_blocking(move || rounds.decide(dead, &stop));
            let record = match deciding.await.expect("a decision does not panic") {
                Err(error) if error.is_interruption() => return Ok(Some(RunEnd::Interrupted)),
                decided => decided?,
            };
            if record.end.is_some() {
                return Ok(Some(RunEnd::Finished));
            }
            self.begin_round(&record);
        }
        Ok(None)
    }

    /// Whether all cells of the people so far are finished or dead.
    fn round_is_over(&self) -> bool {
        let people = *self.people.borrow();
        let settled = {
            let cell_states = self.cell_states();
            cell_states.finished() + cell_states.dead()
        };
        let are_enough = settled >= self.plan.cells_of_respondents(people);
        if self.rounds.is_none() || !are_enough {
            return are_enough;
        }
        // A ledger that was restored from a copy may get cells of later rounds.
        !self.plan.models().any(|model| self.has_open_cells(model))
    }

    /// Whether cells with the people so far of a model that is none of these are neither finished nor dead.
    pub(crate) fn has_open_cells_beside(&self, models: &BTreeSet<usize>) -> bool {
        let mut others = self.plan.models().filter(|model| !models.contains(&usize::from(model.0)));
        others.any(|model| self.has_open_cells(model))
    }

    /// The same of one model.
    fn has_open_cells(&self, model: ModelId) -> bool {
        let cells = usize::try_from(self.last_of_the_round()).unwrap_or(usize::MAX);
        let cell_states = self.cell_states();
        self.plan.cells_of(model).take(cells).any(|cell| !cell_states.is_settled(cell))
    }
}
