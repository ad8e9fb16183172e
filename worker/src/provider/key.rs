//! Reads a provider's key from the environment or a file. The key is never shown.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::small_file::{MAX_KEY_FILE, read_text};

/// Why a key cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    /// The variable is not set, or empty.
    #[error(
        "needs a key: set the environment variable {0}, or name another with --api-key-env, or a file with --api-key-file"
    )]
    NotSet(String),
    /// The file cannot be read, or its first line is empty.
    #[error("needs a key: {} {reason}; expected the key in the file's first line", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// The key for a model; `None` if its settings name none, as for a local server.
pub(super) fn key(model: &ModelSettings) -> Result<Option<SecretString>, KeyError> {
    if let Some(file) = &model.api_key_file {
        return from_file(file).map(Some);
    }
    let Some(variable) = &model.api_key_env else { return Ok(None) };
    let value = std::env::var(variable).unwrap_or_default();
    if value.trim().is_empty() {
        return Err(KeyError::NotSet(variable.clone()));
    }
    Ok(Some(value.trim().into()))
}

fn from_file(file: &Path) -> Result<SecretString, KeyError> {
    let wrong = |reason: String| KeyError::File { file: file.to_owned(), reason };
    let text = read_text(file, MAX_KEY_FILE).map_err(|error| wrong(format!("cannot be read ({error})")))?;
    let key = text.lines().next().unwrap_or_default().trim();
    if key.is_empty() { Err(wrong("is empty".to_owned())) } else { Ok(key.into()) }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn with_file(text: &str) -> Result<Option<SecretString>, KeyError> {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join("key");
        std::fs::write(&file, text).expect("writes");
        key(&ModelSettings { api_key_file: Some(file), ..ModelSettings::named("m") })
    }

    #[test]
    fn a_key_file_has_the_key_in_its_first_line() {
        let read = with_file(" sk-1 \nnotes\n").expect("reads").expect("some");
        assert_eq!(read.expose_secret(), "sk-1");
        assert!(matches!(with_file("\n"), Err(KeyError::File { .. })));
    }

    #[test]
    fn a_file_that_is_too_long_is_no_key_file() {
        let Err(error) = with_file(&"x".repeat(70_000)) else { panic!("it was read") };
        assert!(error.to_string().contains("more than 65536 bytes"), "{error}");
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        let model = ModelSettings { api_key_env: Some("VALUESIM_NO_SUCH_KEY".to_owned()), ..ModelSettings::named("m") };
        let error = key(&model).expect_err("not set").to_string();
        assert!(error.contains("VALUESIM_NO_SUCH_KEY"), "{error}");
    }

    #[test]
    fn no_key_is_needed_if_none_is_named() {
        assert!(key(&ModelSettings::named("m")).expect("fine").is_none());
    }
}
