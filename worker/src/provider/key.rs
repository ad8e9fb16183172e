//! Reads a provider's key from the environment or a file. The key is never shown.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqwest::Url;
use secrecy::SecretString;
use valuesim_shared::model::{HeaderSource, ModelSettings};
use valuesim_shared::small_file::read_secret;

use super::key_list::{KeyList, KeyListError, KeySource, NotAllowed};

/// Why a key cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    /// The variable is not set, or empty.
    #[error(
        "needs a key: set the environment variable {0}, or name another with --api-key-env, or a file with --api-key-file"
    )]
    NotSet(String),
    /// The variable with the value of a header is not set, or empty.
    #[error("needs the header {header}: set the environment variable {variable}, which headers.{header} names")]
    HeaderNotSet {
        /// The name of the header.
        header: String,
        /// The variable.
        variable: String,
    },
    /// The variable that the worker's list names is not set, or empty.
    #[error("needs a key: {0} is not set in the worker's environment; set it, or list the key in the file of --keys")]
    NotSetHere(String),
    /// The file cannot be read, or its first line is empty.
    #[error("needs a key: {} {reason}; expected the key in the file's first line", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The worker's operator has not allowed it.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    /// The environment's keys cannot be used.
    #[error(transparent)]
    List(#[from] KeyListError),
}

/// Whose word counts about where a key is and where it goes.
#[derive(Debug, Clone, Default)]
pub enum Keys {
    /// The user's, who names models and keys on this machine.
    #[default]
    OfUser,
    /// The worker's operator's. What a manifest says is followed as far as this list allows.
    Listed(Arc<KeyList>),
}

/// What calls to a model may use.
#[derive(Debug)]
pub(super) struct Admitted {
    /// The key; `None` if none is sent.
    pub(super) key: Option<SecretString>,
    /// The values of headers of the user's own.
    pub(super) headers: Vec<(String, SecretString)>,
    /// The file of certificates to trust in addition to the system's.
    pub(super) ca_file: Option<PathBuf>,
}

impl Keys {
    /// Reads the key for calls to `address`, a URL of the model.
    pub(super) fn admit(&self, model: &ModelSettings, address: &Url) -> Result<Admitted, KeyError> {
        match self {
            Self::OfUser => {
                let headers = each_header(model, |name, source| header_of_user(name, source, address))?;
                Ok(Admitted { key: key(model, address)?, headers, ca_file: model.ca_file.clone() })
            }
            Self::Listed(list) => {
                let key = list.admit(model, address)?.map(KeySource::read).transpose()?;
                let headers = each_header(model, |_, source| list.admit_header(source, address)?.read())?;
                Ok(Admitted { key, headers, ca_file: list.ca_file().map(Path::to_owned) })
            }
        }
    }
}

impl KeySource {
    fn read(&self) -> Result<SecretString, KeyError> {
        match self {
            Self::Variable(name) => from_variable(name).ok_or_else(|| KeyError::NotSetHere(name.clone())),
            Self::File(file) => from_file(file),
        }
    }
}

/// The key that a user names for a model; `None` if its settings name none, as for a local server.
fn key(model: &ModelSettings, address: &Url) -> Result<Option<SecretString>, KeyError> {
    match (&model.api_key_file, &model.api_key_env, &model.api_key_name) {
        (Some(file), ..) => from_file(file).map(Some),
        (None, Some(name), _) => from_variable(name).ok_or_else(|| KeyError::NotSet(name.clone())).map(Some),
        (None, None, Some(_)) => {
            let named = ModelSettings { ca_file: None, ..model.clone() };
            let list = KeyList::read(None, &[])?;
            list.admit(&named, address)?.map(KeySource::read).transpose()
        }
        (None, None, None) => Ok(None),
    }
}

/// The values of a model's own headers.
fn each_header(
    model: &ModelSettings,
    read: impl Fn(&str, &HeaderSource) -> Result<SecretString, KeyError>,
) -> Result<Vec<(String, SecretString)>, KeyError> {
    model.headers.iter().map(|(name, source)| Ok((name.clone(), read(name, source)?))).collect()
}

/// The value of a header that a user names.
fn header_of_user(name: &str, source: &HeaderSource, address: &Url) -> Result<SecretString, KeyError> {
    match (&source.file, &source.env) {
        (Some(file), _) => from_file(file),
        (None, Some(variable)) => from_variable(variable)
            .ok_or_else(|| KeyError::HeaderNotSet { header: name.to_owned(), variable: variable.clone() }),
        (None, None) => KeyList::read(None, &[])?.admit_header(source, address)?.read(),
    }
}

fn from_variable(variable: &str) -> Option<SecretString> {
    let value = std::env::var(variable).ok()?;
    (!value.trim().is_empty()).then(|| value.trim().into())
}

fn from_file(file: &Path) -> Result<SecretString, KeyError> {
    let wrong = |reason: String| KeyError::File { file: file.to_owned(), reason };
    let key = read_secret(file).map_err(|error| wrong(format!("cannot be read ({error})")))?;
    if key.is_empty() { Err(wrong("is empty".to_owned())) } else { Ok(key.into()) }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn address() -> Url {
        "http://127.0.0.1:9/v1".parse().expect("is an address")
    }

    fn with_file(text: &str) -> Result<Option<SecretString>, KeyError> {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join("key");
        std::fs::write(&file, text).expect("writes");
        key(&ModelSettings { api_key_file: Some(file), ..ModelSettings::named("m") }, &address())
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
        let error = key(&model, &address()).expect_err("not set").to_string();
        assert!(error.contains("VALUESIM_NO_SUCH_KEY"), "{error}");
    }

    #[test]
    fn no_key_is_needed_if_none_is_named() {
        assert!(key(&ModelSettings::named("m"), &address()).expect("fine").is_none());
    }
}
