//! Embeds texts: each batch in one request, or in several if it is too long for one.

use tokio_util::sync::CancellationToken;
use valuesim_shared::embeddings::EmbeddingSettings;
use valuesim_shared::id::RunId;
use valuesim_shared::outcome::{CellSpend, StageSpend};
use valuesim_shared::permit::{PermitOffice, RunShare};
use valuesim_shared::stage::Stage;

use crate::error::WorkerError;
use crate::halt::Halt;
use crate::provider::{CallErrorKind, EmbeddingsClient, Vectors};
use crate::retry::embeddings::{Endpoint, make};
use crate::timeouts::Timeouts;

/// Embeds texts with one model, within its limits.
#[derive(Debug)]
pub struct Embedder<O: PermitOffice> {
    endpoint: Endpoint<O::Desk>,
}

/// What became of a batch of texts.
#[derive(Debug)]
pub struct EmbeddedBatch {
    /// What its requests used, and the models that answered, however it ended.
    pub spend: CellSpend,
    /// The vectors in the order of the texts; `None` if the batch was stopped.
    pub vectors: Result<Option<Vec<Vec<f64>>>, WorkerError>,
}

impl<O: PermitOffice> Embedder<O> {
    /// An embedder for a run. Reads the key; makes no call.
    ///
    /// # Errors
    /// If the client cannot be set up.
    pub fn new(
        run: &RunId,
        settings: &EmbeddingSettings,
        office: &O,
        Timeouts { deadlines, backoff, .. }: Timeouts,
    ) -> Result<Self, WorkerError> {
        let client = EmbeddingsClient::new(settings, deadlines)?;
        let model = settings.as_model();
        let desk = office.open(RunShare::ordinary(run), &model.endpoint(), &model.name, model.limits);
        Ok(Self { endpoint: Endpoint { client, desk, model, backoff } })
    }

    /// The vectors of a batch of texts. A request that is under way when `stop` is cancelled is waited for.
    pub async fn embed(&self, texts: &[&str], stop: &CancellationToken) -> EmbeddedBatch {
        let (mut stage, mut reported) = (StageSpend::default(), Vec::new());
        let vectors = self.embed_all(texts, &mut stage, &mut reported, stop).await;
        let vectors = match vectors {
            Ok(vectors) => Ok(Some(vectors)),
            Err(Halt::Stopped) => Ok(None),
            Err(Halt::Failed(error)) => Err(error),
        };
        let spend = CellSpend {
            stages: [(Stage::EMBEDDINGS, stage)].into(),
            reported_models: reported,
            ..CellSpend::default()
        };
        EmbeddedBatch { spend, vectors }
    }

    async fn embed_all(
        &self,
        texts: &[&str],
        spend: &mut StageSpend,
        reported: &mut Vec<String>,
        stop: &CancellationToken,
    ) -> Result<Vec<Vec<f64>>, Halt> {
        let mut all = Vec::with_capacity(texts.len());
        // The parts that are left, the next one last.
        let mut parts = vec![texts];
        while let Some(part) = parts.pop() {
            match make(&self.endpoint, part, spend, stop).await? {
                Ok(Vectors { vectors, model, .. }) => {
                    all.extend(vectors);
                    if !model.is_empty() && !reported.contains(&model) {
                        reported.push(model);
                    }
                }
                Err(error) if error.kind == CallErrorKind::TooLong && part.len() > 1 => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                Err(error) => {
                    let model = self.endpoint.model.name.clone();
                    return Err(WorkerError::Embeddings { model, error: Box::new(error) }.into());
                }
            }
        }
        Ok(all)
    }
}
