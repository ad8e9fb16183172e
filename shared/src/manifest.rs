//! What is the same for all tasks of a run, kept once: codebook, prompts, split, methods, models. No secrets.

use serde::{Deserialize, Serialize};

use crate::codebook::Codebook;
use crate::experiment::{Experiment, SplitSettings};
use crate::id::{ModelId, RunId};
use crate::method::{Behaviour, Method};
use crate::model::ModelSettings;
use crate::prompt::prompts_digest;

/// The version of the manifest; a reader refuses others.
pub const MANIFEST_VERSION: u16 = 1;

/// A run as its workers need to know it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`MANIFEST_VERSION`] of the writer.
    pub version: u16,
    /// Which run.
    pub run: RunId,
    /// Which faults of the paper's code are reproduced.
    pub behaviour: Behaviour,
    /// How the questions are split.
    pub split: SplitSettings,
    /// The methods that ask a model.
    pub methods: Vec<Method>,
    /// The models, in the experiment's order, addresses filled in. Keys are named, never contained.
    pub models: Vec<ModelSettings>,
    /// Whether what was said is kept.
    pub transcripts: bool,
    /// Digest of the prompt templates, as hexadecimal text; a worker with other prompts refuses the run.
    pub prompts: String,
    /// Questions and wording.
    pub codebook: Codebook,
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is no JSON, or has not the fields of a manifest.
    #[error("read the manifest of a run: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// It has another version.
    #[error(
        "the manifest of the run has version {0}: this program reads version {MANIFEST_VERSION}; use the release that started the run"
    )]
    Version(u16),
}

impl Manifest {
    /// The manifest of a run of `experiment`, with this program's prompts.
    pub fn of(run: RunId, experiment: &Experiment, codebook: Codebook) -> Self {
        Self {
            version: MANIFEST_VERSION,
            run,
            behaviour: experiment.behaviour,
            split: experiment.split.clone(),
            methods: experiment.methods.clone(),
            models: experiment.models.clone(),
            transcripts: experiment.transcripts,
            prompts: prompts_digest(),
            codebook,
        }
    }

    /// The manifest as it is kept: JSON.
    ///
    /// # Panics
    /// Never: a manifest has no map with keys that are not text.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a manifest can be written as JSON")
    }

    /// Reads a manifest; refuses other versions before it looks at the rest.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Head {
            version: u16,
        }
        let head: Head = serde_json::from_slice(bytes)?;
        if head.version != MANIFEST_VERSION {
            return Err(ManifestError::Version(head.version));
        }
        Ok(serde_json::from_slice(bytes)?)
    }

    /// The models with their ids.
    pub fn models(&self) -> impl Iterator<Item = (ModelId, &ModelSettings)> {
        (0..).map(ModelId).zip(&self.models)
    }

    /// Whether any method needs a backstory.
    pub fn needs_backstory(&self) -> bool {
        crate::cell::needs_backstory(&self.methods)
    }
}
