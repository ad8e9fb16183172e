//! What all tasks of a worker share.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use valuesim_shared::dead_letter::OnBadMessage;

use crate::failures::FailedCells;
use crate::hold::Hold;
use crate::meter::Meter;
use crate::outage::Outage;
use crate::pulse::Pulse;
use crate::run::Run;
use crate::timeouts::{Keeping, Waits};

/// What all tasks of a worker share.
#[derive(Debug)]
pub(crate) struct Context<Q, S, O> {
    pub(crate) queue: Q,
    pub(crate) store: S,
    pub(crate) office: O,
    pub(crate) run: Run,
    pub(crate) waits: Waits,
    /// By model.
    pub(crate) holds: Vec<Hold>,
    /// By model.
    pub(crate) outages: Vec<Outage>,
    pub(crate) pulse: Pulse,
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
