//! Why a worker cannot continue, and whose fault that is.

use tokio::task::JoinError;
use valuesim_shared::control::Refusal;
use valuesim_shared::id::{Cell, Fold, ModelId, RunId};
use valuesim_shared::manifest::ManifestError;
use valuesim_shared::queue::QueueError;
use valuesim_shared::split::SplitError;
use valuesim_shared::store::StoreError;
use valuesim_shared::task::TaskError;

use crate::brake::Said;
use crate::provider::{CallError, CallErrorKind, ClientError, advice_on_embeddings};

/// Why a worker cannot continue.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// A queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store has no manifest of the run.
    #[error("the store has no manifest of run {0}: start the run, or check its id")]
    NoManifest(RunId),
    /// The manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The run was started by a release with other prompts.
    #[error("run {0} uses other prompt templates than this program: use the release that started the run")]
    OtherPrompts(RunId),
    /// The client of a model cannot be set up.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A task cannot be read.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The provider will answer no more calls to a model.
    #[error("model {model:?}: {error}; {}", .error.kind.advice())]
    Provider {
        /// The model.
        model: String,
        /// What the provider said.
        error: Box<CallError>,
    },
    /// The provider answered calls before, and now rejects a short prompt, too.
    #[error(
        "model {model:?}: the provider answered calls before, and now it rejects every prompt, a short one, too: {error}; {}",
        .error.kind.advice()
    )]
    RejectsAll {
        /// The model.
        model: String,
        /// What the provider said to the short prompt.
        error: Box<CallError>,
    },
    /// The provider took none of the prompts.
    #[error("model {model:?}: the provider took none of the first {} prompts, and no call was answered:\n{}{advice}", .said.of, .said.words)]
    NoPromptTaken {
        /// The model.
        model: String,
        /// What it said.
        said: Said,
        /// What the user can do about it.
        advice: &'static str,
    },
    /// The provider did not take too many of the prompts.
    #[error(
        "model {model:?}: the provider did not take {} of the last {} prompts, and --rejected-at-most is {at_most}:\n{}{advice}; \
         `valuesim show` shows the prompts, and the same command goes on",
        .said.not_taken, .said.of, .said.words
    )]
    TooManyNotTaken {
        /// The model.
        model: String,
        /// What it said.
        said: Said,
        /// The share that is allowed.
        at_most: f64,
        /// What the user can do about it.
        advice: &'static str,
    },
    /// The provider of the embeddings will not answer any more requests.
    #[error("embeddings {model:?}: {error}; {}", advice_on_embeddings(.error.kind))]
    Embeddings {
        /// The model.
        model: String,
        /// What the provider said.
        error: Box<CallError>,
    },
    /// The questions cannot be split as the manifest says.
    #[error("cannot use the manifest of the run: {0}")]
    Split(#[from] SplitError),
    /// A task does not fit its run.
    #[error(transparent)]
    Misfit(#[from] MisfitError),
    /// A task was delivered again and again, and each of its workers died or lost its connection.
    #[error(
        "the task of cell {cell} was delivered {times} times, and each time its worker died or lost its connection"
    )]
    KillsItsWorkers {
        /// The task's cell.
        cell: Cell,
        /// How often it was delivered.
        times: u32,
    },
    /// A task panicked, which is a bug in this program.
    #[error("a task panicked, which is a bug in this program: {0}")]
    Panicked(JoinError),
}

impl WorkerError {
    /// Whether the task itself is at fault: its result is too large for a message.
    pub(crate) const fn is_the_tasks_fault(&self) -> bool {
        matches!(self, Self::Queue(QueueError::TooLarge { .. }))
    }

    /// That no worker like this one can serve the run before somebody changes something, unless it may pass by itself.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::NoPromptTaken { said, .. } | Self::TooManyNotTaken { said, .. } => {
                Some(Refusal { settings: self.is_configuration(), said: said.words.clone() })
            }
            Self::Client(_)
            | Self::Provider { .. }
            | Self::RejectsAll { .. }
            | Self::Embeddings { .. }
            | Self::Manifest(_)
            | Self::OtherPrompts(_)
            | Self::Split(_) => Some(Refusal { settings: self.is_configuration(), ..Refusal::default() }),
            Self::Queue(_)
            | Self::Store(_)
            | Self::NoManifest(_)
            | Self::Task(_)
            | Self::Misfit(_)
            | Self::KillsItsWorkers { .. }
            | Self::Panicked(_) => None,
        }
    }

    /// The error in one line, without the table of what a provider said.
    pub(crate) fn in_one_line(&self) -> String {
        match self {
            Self::NoPromptTaken { model, said, advice } => format!(
                "model {model:?}: the provider took none of the first {} prompts, and no call was answered; {advice}",
                said.of
            ),
            Self::TooManyNotTaken { model, said, at_most, advice } => format!(
                "model {model:?}: the provider did not take {} of the last {} prompts, and --rejected-at-most is {at_most}; {advice}",
                said.not_taken, said.of
            ),
            other => other.to_string(),
        }
    }

    /// Whether the user's settings are at fault: a key, a name, an address.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Client(_) | Self::NoPromptTaken { .. } | Self::RejectsAll { .. } => true,
            Self::Provider { error, .. } | Self::Embeddings { error, .. } => {
                !matches!(error.kind, CallErrorKind::InsufficientFunds | CallErrorKind::NotRetryable)
            }
            _ => false,
        }
    }
}

/// Why a task does not fit its run.
#[derive(Debug, thiserror::Error)]
pub enum MisfitError {
    /// It belongs to another run.
    #[error("the task belongs to run {0} but came from a queue of run {1}")]
    OtherRun(RunId, RunId),
    /// It is for another model than its queue.
    #[error("the task is for model {} but came from a queue of model {}", .0.0, .1.0)]
    OtherModel(ModelId, ModelId),
    /// The run has no such fold.
    #[error("the task is for fold {fold}: expected one of the run's {folds} folds")]
    NoFold {
        /// The task's fold.
        fold: Fold,
        /// How many folds the run has.
        folds: usize,
    },
    /// The task lacks the sample of its profile that a method reads.
    #[error("the task does not say which {items} answers of its profile the method `profile-scale({items})` reads")]
    Draw {
        /// The size of the sample.
        items: u16,
    },
    /// `rag` asks with items of the profile that the task does not name.
    #[error(
        "the task does not name the items of its profile that were retrieved for each question, or names answers that have no text"
    )]
    Retrieved,
    /// The profile has too few answers or too many.
    #[error("the task's profile has {found} answers: expected {expected}, one for each question that its fold keeps")]
    Profile {
        /// How many it has.
        found: usize,
        /// How many it should have.
        expected: usize,
    },
}
