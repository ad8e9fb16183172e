//! What all tasks of a worker share.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use valuesim_shared::budget::Budget;
use valuesim_shared::dead_letter::OnBadMessage;
use valuesim_shared::id::ModelId;
use valuesim_shared::permit::PermitOffice;

use crate::brake::Brake;
use crate::evidence::Evidence;
use crate::meter::Meter;
use crate::run::Run;
use crate::timeouts::{Backoff, HoldLimits};

/// What all tasks of a worker share.
#[derive(Debug)]
pub(crate) struct Context<Q, S, O: PermitOffice> {
    pub(crate) queue: Q,
    pub(crate) store: S,
    pub(crate) run: Run,
    pub(crate) backoff: Backoff,
    /// The desks at which calls get their permits, by model; `None` for models that this worker does not serve.
    pub(crate) desks: Vec<Option<O::Desk>>,
    pub(crate) meter: Arc<Meter>,
    /// What calls may cost, if that is limited.
    pub(crate) budget: Option<Budget>,
    /// By model: whether its provider answers. Other runs of the process share it.
    pub(crate) evidence: Vec<Arc<Evidence>>,
    /// By model: stops the run where too many prompts are not taken.
    pub(crate) brakes: Vec<Arc<Brake>>,
    pub(crate) hold_limits: HoldLimits,
    /// The newest version of the task message that the worker can execute.
    pub(crate) newest_task: u16,
    pub(crate) on_bad_message: OnBadMessage,
    /// How many tasks were taken and are not finished.
    pub(crate) tasks: AtomicU32,
}

impl<Q, S, O: PermitOffice> Context<Q, S, O> {
    /// The desk at which calls to a model get their permits.
    pub(crate) fn desk(&self, model: ModelId) -> &O::Desk {
        self.desks[usize::from(model.0)].as_ref().expect("tasks are taken for served models only")
    }

    /// What is known of a model's provider.
    pub(crate) fn evidence(&self, model: ModelId) -> &Evidence {
        &self.evidence[usize::from(model.0)]
    }

    /// The brake on a model's prompts.
    pub(crate) fn brake(&self, model: ModelId) -> &Brake {
        &self.brakes[usize::from(model.0)]
    }

    /// A model's name.
    pub(crate) fn name(&self, model: ModelId) -> String {
        self.run.manifest.models[usize::from(model.0)].name.clone()
    }
}
