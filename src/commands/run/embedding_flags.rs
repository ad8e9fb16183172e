//! The flags of the embeddings that `rag` retrieves with.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use valuesim_shared::embeddings::{EmbeddingPrice, EmbeddingSettings};
use valuesim_shared::experiment::Experiment;

/// The settings of embeddings, in the words of the table `[embeddings]`.
#[derive(Debug, Args)]
#[expect(clippy::struct_field_names, reason = "the fields are named as the flags are")]
pub(super) struct EmbeddingFlags {
    /// The model that embeds questions and profile items for `rag` [default with --simulate: a simulated one]
    #[arg(long, value_name = "NAME", env = "VALUESIM_EMBEDDINGS_MODEL", help_heading = "Embeddings")]
    embeddings_model: Option<String>,

    /// The address of the embeddings, without the trailing /embeddings
    #[arg(long, value_name = "URL", env = "VALUESIM_EMBEDDINGS_BASE_URL", help_heading = "Embeddings")]
    embeddings_base_url: Option<String>,

    /// The environment variable that holds the key for the embeddings
    #[arg(long, value_name = "NAME", env = "VALUESIM_EMBEDDINGS_API_KEY_ENV", help_heading = "Embeddings")]
    embeddings_api_key_env: Option<String>,

    /// A file that holds the key for the embeddings
    #[arg(
        long,
        value_name = "FILE",
        env = "VALUESIM_EMBEDDINGS_API_KEY_FILE",
        conflicts_with = "embeddings_api_key_env",
        help_heading = "Embeddings"
    )]
    embeddings_api_key_file: Option<PathBuf>,

    /// The price of the embeddings in US dollars for a million tokens [default: the table's]
    #[arg(long, value_name = "USD", env = "VALUESIM_EMBEDDINGS_PRICE", help_heading = "Embeddings")]
    embeddings_price: Option<f64>,

    /// Texts for each request [default: 64]
    #[arg(long, value_name = "N", env = "VALUESIM_EMBEDDINGS_BATCH", help_heading = "Embeddings")]
    embeddings_batch: Option<u16>,

    /// Maximum requests for embeddings in flight [default: 64]
    #[arg(long, value_name = "N", env = "VALUESIM_EMBEDDINGS_CALLS_IN_FLIGHT", help_heading = "Embeddings")]
    embeddings_calls_in_flight: Option<u32>,

    /// Maximum requests for embeddings in any minute [default: no limit]
    #[arg(long, value_name = "N", env = "VALUESIM_EMBEDDINGS_REQUESTS_PER_MINUTE", help_heading = "Embeddings")]
    embeddings_requests_per_minute: Option<u32>,

    /// Maximum tokens of embedded texts in any minute [default: no limit]
    #[arg(long, value_name = "N", env = "VALUESIM_EMBEDDINGS_TOKENS_PER_MINUTE", help_heading = "Embeddings")]
    embeddings_tokens_per_minute: Option<u32>,
}

impl EmbeddingFlags {
    /// Overrides the experiment's embeddings.
    pub(super) fn apply(&self, experiment: &mut Experiment) -> anyhow::Result<()> {
        if let Some(name) = &self.embeddings_model {
            experiment.embeddings = Some(EmbeddingSettings::named(name));
        }
        let Some(embeddings) = &mut experiment.embeddings else {
            let speaks_of_one = self.embeddings_base_url.is_some()
                || self.embeddings_api_key_env.is_some()
                || self.embeddings_api_key_file.is_some();
            if speaks_of_one {
                bail!(
                    "--embeddings-base-url, --embeddings-api-key-env and --embeddings-api-key-file are about a model, and none is named: name it with --embeddings-model"
                );
            }
            return Ok(());
        };
        if let Some(url) = &self.embeddings_base_url {
            embeddings.base_url = Some(url.trim_end_matches('/').to_owned());
        }
        if self.embeddings_api_key_env.is_some() || self.embeddings_api_key_file.is_some() {
            embeddings.api_key_env.clone_from(&self.embeddings_api_key_env);
            embeddings.api_key_file.clone_from(&self.embeddings_api_key_file);
        }
        let price = self.embeddings_price.map(|input_usd_per_million| EmbeddingPrice { input_usd_per_million });
        embeddings.price = price.or(embeddings.price);
        embeddings.batch = self.embeddings_batch.unwrap_or(embeddings.batch);
        let limits = &mut embeddings.limits;
        limits.calls_in_flight = self.embeddings_calls_in_flight.unwrap_or(limits.calls_in_flight);
        limits.requests_per_minute = self.embeddings_requests_per_minute.or(limits.requests_per_minute);
        limits.tokens_per_minute = self.embeddings_tokens_per_minute.or(limits.tokens_per_minute);
        Ok(())
    }
}
