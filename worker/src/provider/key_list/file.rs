//! The file of `--keys`: the keys of a worker in TOML, without any key in it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use valuesim_shared::small_file::{MAX_KEY_FILE, read_text};

use super::name::KeyName;
use super::source::KeySource;

/// Why a file is no key list. Its text is never shown, because somebody may have put a key into it.
#[derive(Debug, thiserror::Error)]
pub enum ListFileError {
    /// It cannot be read.
    #[error("read the key list {}: {error}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is not written as one.
    #[error(
        "the key list {}, line {line}: expected `hosts`, `ca_file`, and for each key a table such as [key.openai] with `file` or `variable`, \
         and `hosts`", .path.display()
    )]
    Unexpected {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// An entry has no place of its key, or two.
    #[error("the key list {}: key.{name}: expected `file` or `variable`, and not both", .path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The key's name.
        name: String,
    },
}

/// A key list that was read from a file.
#[derive(Debug)]
pub(super) struct ListFile {
    pub(super) path: PathBuf,
    pub(super) content: Content,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Content {
    /// The addresses that may be called without a key.
    #[serde(default)]
    pub(super) hosts: Vec<String>,
    /// Certificates to trust in addition to the system's.
    #[serde(default)]
    pub(super) ca_file: Option<PathBuf>,
    #[serde(default)]
    pub(super) key: BTreeMap<KeyName, Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    file: Option<PathBuf>,
    variable: Option<String>,
    hosts: Option<Vec<String>>,
}

impl<'de> Deserialize<'de> for KeyName {
    fn deserialize<D: serde::Deserializer<'de>>(name: D) -> Result<Self, D::Error> {
        let name = String::deserialize(name)?;
        Self::new(&name).ok_or_else(|| serde::de::Error::custom("no name of a key"))
    }
}

impl ListFile {
    /// Reads the file at `path`.
    pub(super) fn read(path: &Path) -> Result<Self, ListFileError> {
        let text = read_text(path, MAX_KEY_FILE)
            .map_err(|error| ListFileError::Unreadable { path: path.to_owned(), error })?;
        Self::parse(path, &text)
    }

    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, ListFileError> {
        let path = path.to_owned();
        match toml::from_str(text) {
            Ok(content) => Ok(Self { path, content }),
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start.min(text.len()));
                let line = 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
                Err(ListFileError::Unexpected { path, line })
            }
        }
    }
}

impl Entry {
    /// Where the key is, and where it may go if the entry says so.
    pub(super) fn into_source(
        self,
        path: &Path,
        name: &KeyName,
    ) -> Result<(KeySource, Option<Vec<String>>), ListFileError> {
        let source = match (self.file, self.variable) {
            (Some(file), None) => KeySource::File(file),
            (None, Some(variable)) => KeySource::Variable(variable),
            _ => return Err(ListFileError::Entry { path: path.to_owned(), name: name.to_string() }),
        };
        Ok((source, self.hosts))
    }
}
