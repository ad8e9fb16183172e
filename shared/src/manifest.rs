//! The manifest: what all tasks of a run share (codebook, prompts, split, methods, models). It contains no secrets.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::codebook::Codebook;
use crate::experiment::{Experiment, SplitSettings};
use crate::id::{ModelId, RunId};
use crate::method::{Behaviour, Method};
use crate::model::{ModelSettings, is_plain};
use crate::prompt::prompts_digest;

/// The version of the manifest. Readers refuse other versions.
pub const MANIFEST_VERSION: u16 = 2;

/// The largest share of prompts that a provider may not take before a run stops, unless the experiment says otherwise.
pub const REJECTED_AT_MOST: f64 = 0.02;

/// What workers need to know of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The writer's [`MANIFEST_VERSION`].
    pub version: u16,
    /// The run.
    pub run: RunId,
    /// Whether to reproduce the faults of the paper's code.
    pub behaviour: Behaviour,
    /// How to split the questions.
    pub split: SplitSettings,
    /// The methods that ask a model.
    pub methods: Vec<Method>,
    /// The models in the experiment's order, with addresses filled in. Contains the names of keys, never the keys.
    pub models: Vec<ModelSettings>,
    /// Whether to keep transcripts.
    pub transcripts: bool,
    /// Whether workers draw what their calls cost from the run's budget. Earlier builds, which do not, refuse such a manifest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub budgeted: bool,
    /// The run's share beside other runs at the same limits. Left out where it is 1, so that workers of earlier releases
    /// read the manifest.
    #[serde(default = "ordinary_share", skip_serializing_if = "is_ordinary")]
    pub share: NonZeroU32,
    /// The largest share of prompts that a provider may not take before the run stops; [`REJECTED_AT_MOST`] if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected_at_most: Option<f64>,
    /// The digest of the prompt templates, in hexadecimal. A worker with other prompts refuses the run.
    pub prompts: String,
    /// The questions and their wording.
    pub codebook: Codebook,
}

const fn ordinary_share() -> NonZeroU32 {
    NonZeroU32::MIN
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature of serde")]
const fn is_ordinary(share: &NonZeroU32) -> bool {
    share.get() == 1
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The bytes are not JSON, or not a manifest.
    #[error("read the manifest of a run: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// The manifest has another version.
    #[error(
        "the manifest of the run has version {0}: this program reads version {MANIFEST_VERSION}; use the release that started the run"
    )]
    Version(u16),
    /// A model's name would steer what shows it. No program of this kind writes such a manifest.
    #[error("the manifest of the run was not written by valuesim: the name of a model has control characters")]
    ModelName,
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
            budgeted: experiment.has_budget(),
            share: experiment.share.unwrap_or_else(ordinary_share),
            rejected_at_most: experiment.rejected_at_most,
            prompts: prompts_digest(),
            codebook,
        }
    }

    /// The manifest as stored JSON.
    ///
    /// # Panics
    /// Never: all maps of a manifest have text keys.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a manifest can be written as JSON")
    }

    /// Reads a manifest. Checks the version before the other fields.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Head {
            version: u16,
        }
        let head: Head = serde_json::from_slice(bytes)?;
        if head.version != MANIFEST_VERSION {
            return Err(ManifestError::Version(head.version));
        }
        let manifest: Self = serde_json::from_slice(bytes)?;
        if manifest.models.iter().all(|model| is_plain(&model.name)) {
            Ok(manifest)
        } else {
            Err(ManifestError::ModelName)
        }
    }

    /// The models with their ids.
    pub fn models(&self) -> impl Iterator<Item = (ModelId, &ModelSettings)> {
        (0..).map(ModelId).zip(&self.models)
    }

    /// The largest share of prompts that a provider may not take before the run stops.
    pub fn rejected_at_most(&self) -> f64 {
        self.rejected_at_most.unwrap_or(REJECTED_AT_MOST)
    }

    /// Whether any method needs a backstory.
    pub fn needs_backstory(&self) -> bool {
        crate::cell::needs_backstory(&self.methods)
    }
}
