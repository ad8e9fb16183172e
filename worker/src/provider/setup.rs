//! Sets up the HTTP client of a model: where its requests go, by which way, whom it trusts, with which key.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Url, redirect, retry};
use rustls::crypto::ring;
use secrecy::ExposeSecret as _;
use valuesim_shared::model::ModelSettings;

use super::client::innermost;
use super::key::{KeyError, key};
use super::proxy::{ProxyError, Route, has_plain_host};
use super::trust::{TrustError, extra_certificates};

/// Why the client of a model cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("model {model:?} {problem}")]
pub struct ClientError {
    pub(super) model: String,
    pub(super) problem: Problem,
}

/// What is wrong with the settings of a model, or with what the machine adds to them.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("has a key with characters that cannot be sent: expected printable ASCII")]
    KeyCharacters,
    #[error("has the base URL {0:?}, which is no address ({1}): expected something like https://api.openai.com/v1")]
    Address(String, String),
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    #[error(transparent)]
    Certificates(#[from] TrustError),
}

/// How long a call may take.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// For the connection, with its proxy and encryption.
    pub connect: Duration,
    /// Without a byte from the provider.
    pub idle: Duration,
    /// Altogether; keep-alive bytes defeat the idle deadline, not this one.
    pub total: Duration,
}

impl Default for Deadlines {
    /// The official client's connect and total deadlines. DeepSeek keeps a request waiting for up to ten minutes.
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), idle: Duration::from_mins(3), total: Duration::from_mins(10) }
    }
}

/// What stands before the key in its header.
pub(super) const BEARER: &str = "Bearer ";

/// Where the requests for a model go.
pub(super) fn address(model: &ModelSettings) -> Result<Url, Problem> {
    let base = model.base_url.as_deref().unwrap_or_default();
    let wrong = |reason: String| Problem::Address(base.to_owned(), reason);
    let mut url = Url::parse(base).map_err(|error| wrong(error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        // The error does not repeat the address, which has the password in it.
        return Err(Problem::Address(
            "...".to_owned(),
            "it has a password in it; use a key variable or file".to_owned(),
        ));
    }
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong(format!("its scheme is {:?}, not http or https", url.scheme())));
    }
    if !has_plain_host(&url) {
        return Err(wrong("its host has characters that no host has".to_owned()));
    }
    url.path_segments_mut()
        .map_err(|()| wrong("it has no path".to_owned()))?
        .pop_if_empty()
        .extend(["chat", "completions"]);
    Ok(url)
}

/// What every request to a model says, the key among it.
pub(super) fn headers(model: &ModelSettings) -> Result<HeaderMap, Problem> {
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    if let Some(key) = key(model)? {
        let bearer = HeaderValue::from_str(&format!("{BEARER}{}", key.expose_secret()));
        let mut bearer = bearer.map_err(|_| Problem::KeyCharacters)?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    Ok(headers)
}

/// The HTTP client of a model. Each call in flight has a connection of its own: one shared HTTP/2 connection would cap
/// them at the server's limit of streams, often 100, without a word.
pub(super) fn http_client(
    model: &ModelSettings,
    headers: HeaderMap,
    deadlines: Deadlines,
    route: &Route,
) -> Result<reqwest::Client, Problem> {
    // Whoever is first in the process installs the cryptography, and all install the same.
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
    let more = extra_certificates(model, route.is_encrypted)?;
    // Where nothing is encrypted the system's certificates are not looked for: a bare container has none.
    builder = if route.is_encrypted { builder.tls_certs_merge(more) } else { builder.tls_certs_only(more) };
    Ok(builder.build().map_err(|error| TrustError::unusable(model, innermost(&error)))?)
}
