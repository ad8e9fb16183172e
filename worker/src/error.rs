//! Why a worker cannot go on, and whose fault that is.

use tokio::task::JoinError;
use valuesim_shared::id::{Cell, Fold, ModelId, RunId};
use valuesim_shared::manifest::ManifestError;
use valuesim_shared::queue::QueueError;
use valuesim_shared::split::SplitError;
use valuesim_shared::store::StoreError;
use valuesim_shared::task::TaskError;

use crate::provider::{CallError, CallErrorKind, ClientError};

/// Why a worker cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// A queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store has no manifest of the run.
    #[error("the store has no manifest of run {0}: start the run first")]
    NoManifest(RunId),
    /// The manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The run was started with other prompts.
    #[error("run {0} uses other prompt templates than this program: use the release that started the run")]
    OtherPrompts(RunId),
    /// A provider's client cannot be set up.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A task cannot be read.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// A provider will not answer any more calls.
    #[error("model {model:?}: {error}; {}", .error.kind.advice())]
    Provider {
        /// The model.
        model: String,
        /// What the provider said.
        error: CallError,
    },
    /// The questions cannot be split as the manifest says.
    #[error("the manifest of the run: {0}")]
    Split(#[from] SplitError),
    /// A task does not fit its run.
    #[error(transparent)]
    Misfit(#[from] MisfitError),
    /// A task was delivered again and again, and whoever had it went away.
    #[error(
        "the task of cell {cell} was delivered {times} times, and each time its worker died or lost its connection"
    )]
    KillsItsWorkers {
        /// Its cell.
        cell: Cell,
        /// How often it was delivered.
        times: u32,
    },
    /// A task ended without an answer because of a fault of this program.
    #[error("a task broke off, which is a fault of this program: {0}")]
    Broken(JoinError),
}

impl WorkerError {
    /// Whether it may be the task's own fault: the provider did not take a call of it, or no message holds what it led to.
    pub(crate) fn may_be_the_tasks(&self) -> bool {
        use CallErrorKind::{BadRequest, Malformed, NotAgain};
        match self {
            Self::Provider { error, .. } => matches!(error.kind, BadRequest | NotAgain | Malformed),
            Self::Queue(error) => matches!(error, QueueError::TooLarge { .. }),
            _ => false,
        }
    }

    /// Whether the user's settings are at fault: a key, a name, an address.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Client(_) => true,
            Self::Provider { error, .. } => !matches!(error.kind, CallErrorKind::NoMoney | CallErrorKind::NotAgain),
            _ => false,
        }
    }
}

/// Why a task is none of the run's.
#[derive(Debug, thiserror::Error)]
pub enum MisfitError {
    /// It belongs to another run.
    #[error("the task is one of run {0}, and came in a queue of run {1}")]
    OtherRun(RunId, RunId),
    /// It is for another model than its queue.
    #[error("the task is for model {}, and came in a queue of model {}", .0.0, .1.0)]
    OtherModel(ModelId, ModelId),
    /// The run has no such fold.
    #[error("the task is of fold {fold}: expected one of the run's {folds}")]
    NoFold {
        /// The task's.
        fold: Fold,
        /// How many there are.
        folds: usize,
    },
    /// A method reads a part of the profile that the task does not name.
    #[error("the task does not say which {items} answers of its profile `profile-scale({items})` reads")]
    Draw {
        /// The size of the part.
        items: u16,
    },
    /// The profile has too few answers or too many.
    #[error("the task's profile has {found} answers: expected {expected}, one for each question that its fold keeps")]
    Profile {
        /// How many it has.
        found: usize,
        /// How many it should have.
        expected: usize,
    },
}
