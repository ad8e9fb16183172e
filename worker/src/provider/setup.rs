//! Sets up the HTTP client of a model: the address, the route, the trusted certificates and the key.

use std::path::Path;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Url, redirect, retry};
use rustls::crypto::ring;
use secrecy::{ExposeSecret as _, SecretString};
use valuesim_shared::model::{ModelSettings, holds_a_secret, shown};

use super::connection::root_cause;
use super::key::KeyError;
use super::proxy::{ProxyError, Route, has_plain_host};
use super::trust::{TrustError, extra_certificates};

/// Why the client of a model cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("{what} {model:?} {problem}")]
pub struct ClientError {
    /// What the model is for: `model`, or `embeddings`.
    pub(super) what: &'static str,
    pub(super) model: String,
    pub(super) problem: Problem,
}

impl ClientError {
    /// Whether the key is missing, cannot be read or cannot be sent.
    pub fn is_about_the_key(&self) -> bool {
        matches!(self.problem, Problem::Key(_) | Problem::EmbeddingsKey(_) | Problem::KeyCharacters)
    }
}

/// What is wrong with the settings of a model, or with the environment that they refer to.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(
        "needs a key: set the environment variable {0}, or name another with --embeddings-api-key-env, or a file with --embeddings-api-key-file"
    )]
    EmbeddingsKey(String),
    #[error("has a key that cannot be sent in a header: expected printable ASCII characters only")]
    KeyCharacters,
    #[error("has a header {0} that cannot be sent: expected a value of printable ASCII characters only")]
    HeaderCharacters(String),
    #[error("has an invalid base URL {0:?}: {1}; expected an address such as https://api.openai.com/v1")]
    Address(String, String),
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    #[error(transparent)]
    Certificates(#[from] TrustError),
}

/// How long a call may take.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// Time to connect, including the proxy and TLS.
    pub connect: Duration,
    /// Time without any data from the provider.
    pub idle: Duration,
    /// Time in total. Keep-alive bytes reset the idle deadline, but not this one.
    pub total: Duration,
}

impl Default for Deadlines {
    /// OpenAI's client connects within the same time and has the same total deadline. DeepSeek keeps requests waiting for up
    /// to ten minutes.
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), idle: Duration::from_mins(3), total: Duration::from_mins(10) }
    }
}

/// Comes before the key in its header.
pub(super) const BEARER: &str = "Bearer ";

/// The URL to which the requests for a model are sent: `path` below its base URL.
pub(super) fn address(model: &ModelSettings, path: &[&str]) -> Result<Url, Problem> {
    let base = model.base_url.as_deref().unwrap_or_default();
    let wrong = |reason: String| Problem::Address(shown(base).to_owned(), reason);
    if holds_a_secret(base) {
        // The error must not repeat the address, which contains the password.
        return Err(Problem::Address(
            "...".to_owned(),
            "it contains a user name, a password or a key; put the key into a variable or file".to_owned(),
        ));
    }
    let mut url = Url::parse(base).map_err(|error| wrong(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong(format!("its scheme is {:?} instead of http or https", url.scheme())));
    }
    if !has_plain_host(&url) {
        return Err(wrong("its host is empty or has invalid characters".to_owned()));
    }
    url.path_segments_mut().map_err(|()| wrong("it has no path".to_owned()))?.pop_if_empty().extend(path);
    Ok(url)
}

/// The headers of every request to a model, including the key and those of the user's own.
pub(super) fn headers(key: Option<&SecretString>, own: &[(String, SecretString)]) -> Result<HeaderMap, Problem> {
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    if let Some(key) = key {
        let bearer = HeaderValue::from_str(&format!("{BEARER}{}", key.expose_secret()));
        let mut bearer = bearer.map_err(|_| Problem::KeyCharacters)?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    for (name, value) in own {
        let unusable = || Problem::HeaderCharacters(name.clone());
        let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| unusable())?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable())?, value);
    }
    Ok(headers)
}

/// The HTTP client of a model. Each call in flight has a connection of its own: a shared HTTP/2 connection would silently
/// limit calls in flight to the server's limit of streams, often 100.
pub(super) fn http_client(
    ca_file: Option<&Path>,
    headers: HeaderMap,
    deadlines: Deadlines,
    route: &Route,
) -> Result<reqwest::Client, Problem> {
    // The first client of the process installs the cryptography provider; later attempts fail harmlessly.
    let _ = ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("valuesim/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .http1_only()
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(retry::never())
        .connect_timeout(deadlines.connect)
        .read_timeout(deadlines.idle)
        .timeout(deadlines.total)
        .no_proxy();
    if let Some(proxy) = &route.proxy {
        builder = builder.proxy(proxy.clone());
    }
    let more = extra_certificates(ca_file, route.is_encrypted)?;
    // Without TLS, the system's certificates are not loaded: a bare container has none.
    builder = if route.is_encrypted { builder.tls_certs_merge(more) } else { builder.tls_certs_only(more) };
    Ok(builder.build().map_err(|error| TrustError::unusable(ca_file, root_cause(&error)))?)
}
