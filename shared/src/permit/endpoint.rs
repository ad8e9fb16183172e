//! An endpoint: a provider's address and the key that is used there.

use std::path::PathBuf;

/// A provider's address with a key. Providers count requests by key, so limits, cooldown, circuit breaker and calls in
/// flight belong to an endpoint and a model, whichever run makes the calls.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    address: String,
    key: KeyName,
}

/// Where the key is read from; never the key itself.
#[derive(Debug, Default, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyName {
    /// No key is sent.
    #[default]
    None,
    /// From this environment variable.
    Variable(String),
    /// From this file.
    File(PathBuf),
    /// From where each worker's own list has the key of this name.
    Listed(String),
}

impl Endpoint {
    /// The endpoint at `address`. Addresses that differ only in how they are written are equal; see [`plain_address`].
    pub fn new(address: &str, key: KeyName) -> Self {
        Self { address: plain_address(address), key }
    }

    /// The provider's address, without a slash at the end.
    pub fn address(&self) -> &str {
        &self.address
    }
}

/// Paths of APIs that people paste with an address, and that are added to it for each request.
const API_PATHS: [&str; 2] = ["/chat/completions", "/embeddings"];

/// An address as it is written plainly: scheme and host in lower case, without spaces around it, without a slash at the end of its
/// path, and without the path of the API. What follows a question mark stays as it is.
pub fn plain_address(address: &str) -> String {
    let address = address.trim();
    let (base, query) = address.split_at(address.find(['?', '#']).unwrap_or(address.len()));
    plain_base(base) + query
}

/// An address without its query, as it is written plainly.
fn plain_base(address: &str) -> String {
    let plain_end = |address: &str| address.trim_end_matches(|c: char| c == '/' || c.is_whitespace()).len();
    let mut address = &address[..plain_end(address)];
    while let Some(base) = API_PATHS.iter().find_map(|path| address.strip_suffix(path)) {
        address = &base[..plain_end(base)];
    }
    let host_at = address.find("://").map_or(0, |at| at + "://".len());
    let path_at = address[host_at..].find('/').map_or(address.len(), |at| host_at + at);
    let (host, path) = address.split_at(path_at);
    host.to_ascii_lowercase() + path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> Endpoint {
        Endpoint::new(address, KeyName::None)
    }

    #[test]
    fn an_address_is_the_same_however_it_is_written() {
        let plain = at("https://api.example.com/v1");
        assert_eq!(at("HTTPS://API.Example.com/v1/"), plain);
        assert_eq!(at(" https://api.example.com/v1// "), plain);
        assert_eq!(at("https://api.example.com/v1/chat/completions/"), plain);
        assert_eq!(at("https://api.example.com/v1/embeddings"), plain);
        assert_ne!(at("https://api.example.com/V1"), plain, "paths are case-sensitive");
        let azure = at("https://h.example/openai/deployments/m?api-version=2024-10-21-Preview");
        assert_eq!(at("https://H.example/openai/deployments/m/chat/completions?api-version=2024-10-21-Preview"), azure);
        assert!(azure.address().ends_with("/m?api-version=2024-10-21-Preview"));
        assert_eq!(at("https://H.example?V=A").address(), "https://h.example?V=A");
        assert_eq!(at("http://LOCALHOST:8000"), at("http://localhost:8000/"));
    }

    #[test]
    fn another_key_is_another_endpoint() {
        let with = |key| Endpoint::new("https://api.example.com/v1", key);
        let one = with(KeyName::Variable("KEY_ONE".to_owned()));
        assert_eq!(one, with(KeyName::Variable("KEY_ONE".to_owned())));
        assert_ne!(one, with(KeyName::Variable("KEY_TWO".to_owned())));
        assert_ne!(one, with(KeyName::File("KEY_ONE".into())));
        assert_ne!(one, with(KeyName::None));
    }
}
