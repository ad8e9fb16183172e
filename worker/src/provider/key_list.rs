//! A worker's list of keys: which ones it has, where each may be sent, and which addresses it calls without one. A manifest
//! only names a key; whoever writes a manifest reaches nothing that is not listed here.

mod file;
mod name;
mod origin;
mod source;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reqwest::Url;
use valuesim_shared::model::{HeaderSource, ModelSettings};
use valuesim_shared::price::PriceTable;

use self::file::{ListFile, ListFileError};
use self::name::KeyName;
use self::origin::{Origin, OriginError};
pub(super) use self::source::KeySource;
use super::proxy::is_this_machine;

/// Before the name of a key: the variable that holds it.
const KEY_VARIABLE: &str = "VALUESIM_KEY_";

/// Before the name of a key: the variable that lists the addresses it may be sent to.
const HOSTS_VARIABLE: &str = "VALUESIM_HOSTS_";

/// The keys of a worker, and where its calls may go.
#[derive(Debug, Clone, Default)]
pub struct KeyList {
    keys: BTreeMap<KeyName, ListedKey>,
    without_key: Vec<Origin>,
    ca_file: Option<PathBuf>,
}

#[derive(Debug, Clone)]
struct ListedKey {
    source: KeySource,
    origins: Vec<Origin>,
}

/// Why a key list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyListError {
    /// The file is no key list.
    #[error(transparent)]
    File(#[from] ListFileError),
    /// What should be an address is none.
    #[error("{place}: {error}")]
    Address {
        /// The flag, variable or entry with the address.
        place: String,
        /// What is wrong with it.
        error: OriginError,
    },
    /// A variable's name says which key it holds, and the name is none.
    #[error("the variable {0} names no key: expected letters, digits and `_`, at most 64, after VALUESIM_KEY_")]
    Name(String),
}

/// Why a worker makes no calls to a model: its operator has not allowed them.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotAllowed {
    #[error(
        "has a api_key_name that is no name of a key: expected 1 to 64 letters, digits, `-` and `_`; it is not shown, because it may be a key"
    )]
    Name,
    #[error(
        "names a {0} on the worker's own machine, and a worker follows names of keys alone: coordinate the run with api_key_name, and list \
         the key at the workers (docs/operations.md)"
    )]
    Place(&'static str),
    #[error(
        "names the key {name}, which this worker does not have: set {KEY_VARIABLE}{name} to the key and {HOSTS_VARIABLE}{name} to the \
         addresses that may get it, or list it in the file of --keys"
    )]
    Key { name: KeyName },
    #[error(
        "names the key {name}, which this worker does not send to {origin}: it may go to {allowed}; to allow it, add {origin} to \
         {HOSTS_VARIABLE}{name}, or to the key's hosts in the file of --keys"
    )]
    Origin { name: KeyName, origin: Origin, allowed: String },
    #[error(
        "is at {0} and names no key, and without a key this worker calls its own machine and the addresses of --allow-host (VALUESIM_HOSTS) \
         alone: add {0} there, or name a key with api_key_name"
    )]
    WithoutKey(Origin),
}

impl KeyList {
    /// The list of this process: keys of well-known providers in their usual variables, which go to these providers alone;
    /// those in `VALUESIM_KEY_NAME`; and those in `file`. `hosts` may be called without a key.
    pub fn read(file: Option<&Path>, hosts: &[String]) -> Result<Self, KeyListError> {
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let environment = std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
        let file = file.map(ListFile::read).transpose()?;
        Self::of(&environment, hosts, file)
    }

    fn of(
        environment: &BTreeMap<String, String>,
        hosts: &[String],
        file: Option<ListFile>,
    ) -> Result<Self, KeyListError> {
        let mut list = Self::well_known();
        list.without_key = listed("--allow-host", hosts)?;
        for variable in environment.keys().filter(|name| name.starts_with(KEY_VARIABLE)) {
            list.add_variable(variable, environment)?;
        }
        if let Some(file) = file {
            list.add_file(file)?;
        }
        Ok(list)
    }

    /// The usual variables of providers in the table of prices, each under its own name and under the provider's.
    fn well_known() -> Self {
        let mut list = Self::default();
        for host in &PriceTable::built_in().hosts {
            let Ok(origin) = Origin::parse(&host.base_url) else { continue };
            for name in [&host.api_key_env, &host.name].into_iter().filter_map(|name| KeyName::new(name)) {
                let source = KeySource::Variable(host.api_key_env.clone());
                let key = list.keys.entry(name).or_insert(ListedKey { source, origins: Vec::new() });
                key.origins.push(origin.clone());
            }
        }
        list
    }

    fn add_variable(&mut self, variable: &str, environment: &BTreeMap<String, String>) -> Result<(), KeyListError> {
        let name = variable.strip_prefix(KEY_VARIABLE).and_then(KeyName::new);
        let name = name.ok_or_else(|| KeyListError::Name(variable.to_owned()))?;
        let hosts_in = format!("{HOSTS_VARIABLE}{name}");
        let origins = match environment.get(&hosts_in) {
            Some(hosts) => listed(&hosts_in, hosts.split(','))?,
            None => self.origins(&name),
        };
        self.keys.insert(name, ListedKey { source: KeySource::Variable(variable.to_owned()), origins });
        Ok(())
    }

    fn add_file(&mut self, ListFile { path, content }: ListFile) -> Result<(), KeyListError> {
        let place = |of: &str| format!("{}: {of}", path.display());
        self.without_key.extend(listed(&place("hosts"), &content.hosts)?);
        self.ca_file = content.ca_file;
        for (name, entry) in content.key {
            let (source, hosts) = entry.into_source(&path, &name)?;
            let origins = match (hosts, &source) {
                (Some(hosts), _) => listed(&place(&format!("key.{name}.hosts")), &hosts)?,
                (None, KeySource::Variable(variable)) => {
                    KeyName::new(variable).map(|variable| self.origins(&variable)).unwrap_or_default()
                }
                (None, KeySource::File(_)) => self.origins(&name),
            };
            self.keys.insert(name, ListedKey { source, origins });
        }
        Ok(())
    }

    /// Where the key of this name may go so far.
    fn origins(&self, name: &KeyName) -> Vec<Origin> {
        self.keys.get(name).map(|key| key.origins.clone()).unwrap_or_default()
    }

    /// Where the key for a model of a manifest is, if it names one; `address` is where it would be sent.
    pub(super) fn admit(&self, model: &ModelSettings, address: &Url) -> Result<Option<&KeySource>, NotAllowed> {
        let places = [(&model.api_key_file, "file with a key"), (&model.ca_file, "file of certificates")];
        if let Some((_, what)) = places.into_iter().find(|(place, _)| place.is_some()) {
            return Err(NotAllowed::Place(what));
        }
        let origin = Origin::of(address);
        // Earlier builds wrote the name of the coordinator's variable.
        let Some(name) = model.api_key_name.as_ref().or(model.api_key_env.as_ref()) else {
            // Each header must be allowed itself.
            let has_headers = !model.headers.is_empty();
            let is_allowed = has_headers || is_this_machine(address) || self.without_key.contains(&origin);
            return if is_allowed { Ok(None) } else { Err(NotAllowed::WithoutKey(origin)) };
        };
        self.allowed(name, origin).map(Some)
    }

    /// Where the value of a header of a manifest is; `address` is where it would be sent.
    pub(super) fn admit_header(&self, source: &HeaderSource, address: &Url) -> Result<&KeySource, NotAllowed> {
        if source.file.is_some() {
            return Err(NotAllowed::Place("file with a header's value"));
        }
        let name = source.key.as_ref().or(source.env.as_ref()).ok_or(NotAllowed::Name)?;
        self.allowed(name, Origin::of(address))
    }

    /// Where the key of this name is, if it may go to `origin`.
    fn allowed(&self, name: &str, origin: Origin) -> Result<&KeySource, NotAllowed> {
        let name = KeyName::new(name).ok_or(NotAllowed::Name)?;
        let Some(key) = self.keys.get(&name) else { return Err(NotAllowed::Key { name }) };
        if key.origins.contains(&origin) {
            return Ok(&key.source);
        }
        let allowed: Vec<String> = key.origins.iter().map(ToString::to_string).collect();
        let allowed = if allowed.is_empty() { "no address yet".to_owned() } else { allowed.join(", ") };
        Err(NotAllowed::Origin { name, origin, allowed })
    }

    /// The file of certificates to trust in addition to the system's.
    pub(super) fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }
}

/// The origins in a list; `place` says where the list stands. Empty entries are passed over.
fn listed<'a, T: AsRef<str> + ?Sized + 'a>(
    place: &str,
    hosts: impl IntoIterator<Item = &'a T>,
) -> Result<Vec<Origin>, KeyListError> {
    let hosts = hosts.into_iter().map(AsRef::as_ref).filter(|host: &&str| !host.trim().is_empty());
    let origins = hosts.map(Origin::parse).collect::<Result<_, _>>();
    origins.map_err(|error| KeyListError::Address { place: place.to_owned(), error })
}

#[cfg(test)]
mod tests;
