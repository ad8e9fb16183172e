//! Embeds the texts that a run retrieves with before its first cell is sent, and keeps their vectors in the run folder.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::{StreamExt as _, stream};
use indicatif::HumanCount;
use tokio_util::sync::CancellationToken;
use valuesim_coordinator::retrieval::{EmbeddedTexts, KeptVectors, Retrieval};
use valuesim_shared::embeddings::EmbeddingSettings;
use valuesim_shared::outcome::StageSpend;
use valuesim_worker::embedder::{EmbeddedBatch, Embedder};
use valuesim_worker::timeouts::Timeouts;

use super::super::job::Job;
use super::as_failure;
use crate::exit::Failure;
use crate::output::note;
use crate::run_folder::RunFolder;
use crate::wiring::permit_office;

/// How often vectors are written to the disk while more of them come.
const SAVE_EVERY: Duration = Duration::from_secs(2);

/// What a run needs before its cells are sent.
#[derive(Debug, Default)]
pub(in crate::commands) struct Prepared {
    /// Finds items of profiles; none unless a method retrieves.
    pub(in crate::commands) retrieval: Option<Arc<Retrieval>>,
    /// What all embeddings of the run took.
    pub(in crate::commands) spend: StageSpend,
}

impl Job {
    /// Embeds the texts that have no vector yet, at the address of `simulator` if there is one. Returns `None` if `stop` was
    /// cancelled before all texts had one; the vectors that arrived are kept.
    pub(in crate::commands) async fn prepare_retrieval(
        &self,
        folder: &RunFolder,
        simulator: Option<String>,
        stop: &CancellationToken,
    ) -> Result<Option<Prepared>, Failure> {
        let Some(mut kept) = self.vectors(folder)? else { return Ok(Some(Prepared::default())) };
        let mut settings = self.embeddings().context("a run that keeps vectors has settings for them")?.clone();
        if simulator.is_some() {
            settings = EmbeddingSettings { base_url: simulator, ..without_secrets(settings) };
        }
        let about = (&*self.codebook, self.experiment.behaviour);
        let texts = EmbeddedTexts::of(self.plan.respondents(), &self.plan, &self.survey, about);
        let missing: Vec<&str> = texts.texts().iter().map(String::as_str).filter(|text| !kept.has(text)).collect();
        if !missing.is_empty() {
            self.embed(&settings, &missing, &mut kept, stop).await?;
        }
        if missing.iter().any(|text| !kept.has(text)) {
            return Ok(None);
        }
        let retrieval = Arc::new(Retrieval::new(&texts, &kept)?);
        Ok(Some(Prepared { retrieval: Some(retrieval), spend: kept.spend().total() }))
    }

    async fn embed(
        &self,
        settings: &EmbeddingSettings,
        missing: &[&str],
        kept: &mut KeptVectors,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        let (count, model) = (HumanCount(missing.len() as u64), &settings.name);
        note(&format!("embedding {count} texts with {model}, for `rag`"));
        let embedder = Embedder::new(&self.run, settings, &permit_office(), Timeouts::default())
            .map_err(|error| as_failure(error.into()))?;
        let halt = stop.child_token();
        let (embedder, halted) = (&embedder, &halt);
        let batches = missing.chunks(settings.batch.into());
        let batches = batches.map(|texts| async move { (texts, embedder.embed(texts, halted).await) });
        let mut under_way = stream::iter(batches).buffer_unordered(settings.limits.calls_in_flight as usize);
        let (mut failed, mut saved) = (None, Instant::now());
        while let Some((texts, batch)) = under_way.next().await {
            if let Err(error) = add(kept, texts, batch) {
                // The others are finished and kept.
                halt.cancel();
                failed.get_or_insert(error);
            }
            if saved.elapsed() >= SAVE_EVERY {
                kept.save()?;
                saved = Instant::now();
                note(&format!("{} texts have their vectors", HumanCount(kept.len() as u64)));
            }
        }
        kept.save()?;
        failed.map_or(Ok(()), |error| Err(as_failure(error)))
    }
}

/// Adds what a batch took and brought.
fn add(kept: &mut KeptVectors, texts: &[&str], batch: EmbeddedBatch) -> anyhow::Result<()> {
    kept.add_spend(&batch.spend);
    for (text, vector) in texts.iter().zip(batch.vectors?.into_iter().flatten()) {
        kept.insert(text, vector)?;
    }
    Ok(())
}

/// The simulated provider of this process needs no key, and must not get one.
fn without_secrets(settings: EmbeddingSettings) -> EmbeddingSettings {
    EmbeddingSettings { api_key_env: None, api_key_file: None, ca_file: None, ..settings }
}
