//! What all tasks of a worker share.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use valuesim_shared::dead_letter::OnBadMessage;
use valuesim_shared::id::ModelId;
use valuesim_shared::permit::PermitOffice;

use crate::failures::FailedCells;
use crate::meter::Meter;
use crate::run::Run;
use crate::timeouts::{Keeping, Waits};

/// What all tasks of a worker share.
#[derive(Debug)]
pub(crate) struct Context<Q, S, O: PermitOffice> {
    pub(crate) queue: Q,
    pub(crate) store: S,
    pub(crate) run: Run,
    pub(crate) waits: Waits,
    /// Where calls get their permits, by model; none for models that this worker does not serve.
    pub(crate) desks: Vec<Option<O::Desk>>,
    pub(crate) meter: Arc<Meter>,
    /// By model: answers that were no chat completion since the last one that was.
    pub(crate) malformed: Vec<AtomicU32>,
    /// By model.
    pub(crate) failed_cells: Vec<FailedCells>,
    pub(crate) keeping: Keeping,
    /// The newest version of tasks that it does.
    pub(crate) newest_task: u16,
    pub(crate) on_bad_message: OnBadMessage,
    /// Tasks that were taken and are not finished.
    pub(crate) tasks: AtomicU32,
}

impl<Q, S, O: PermitOffice> Context<Q, S, O> {
    /// Where calls to a model get their permits.
    pub(crate) fn desk(&self, model: ModelId) -> &O::Desk {
        self.desks[usize::from(model.0)].as_ref().expect("tasks are taken for served models only")
    }
}
