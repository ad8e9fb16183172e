//! The flags that say where a model is and which key is sent there.

use std::path::PathBuf;

use clap::Args;
use valuesim_shared::model::ModelSettings;

/// The address and the key of the only model.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct EndpointFlags {
    /// The provider's address, without the trailing /chat/completions
    #[arg(long, value_name = "URL", env = "VALUESIM_BASE_URL", help_heading = "Model")]
    base_url: Option<String>,

    /// The environment variable that holds the provider's key
    #[arg(long, value_name = "NAME", env = "VALUESIM_API_KEY_ENV", help_heading = "Model")]
    api_key_env: Option<String>,

    /// A file that holds the provider's key
    #[arg(
        long,
        value_name = "FILE",
        env = "VALUESIM_API_KEY_FILE",
        conflicts_with = "api_key_env",
        help_heading = "Model"
    )]
    api_key_file: Option<PathBuf>,

    /// The key's name in the workers' lists of keys: a fleet knows keys by name alone [default: the variable's name]
    #[arg(long, value_name = "KEY", env = "VALUESIM_API_KEY_NAME", help_heading = "Model")]
    api_key_name: Option<String>,
}

impl EndpointFlags {
    /// Whether any of them is given.
    pub(super) fn is_given(&self) -> bool {
        let places = [&self.base_url, &self.api_key_env, &self.api_key_name];
        places.into_iter().any(Option::is_some) || self.api_key_file.is_some()
    }

    /// Overrides the settings of the model.
    pub(super) fn apply(&self, model: &mut ModelSettings) {
        if let Some(url) = &self.base_url {
            model.base_url = Some(url.trim_end_matches('/').to_owned());
        }
        if self.api_key_env.is_some() || self.api_key_file.is_some() {
            model.api_key_env.clone_from(&self.api_key_env);
            model.api_key_file.clone_from(&self.api_key_file);
            model.api_key_name = None;
        }
        if self.api_key_name.is_some() {
            model.api_key_name.clone_from(&self.api_key_name);
        }
    }
}
