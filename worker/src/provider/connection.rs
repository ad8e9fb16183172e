//! Posts one request to one address and reads the response. Never retries.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Body, Response, Url};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::permit::Stated;

use super::error::{CallError, CallErrorKind};
use super::headers;
use super::key::{Admitted, Keys};
use super::one_line::readable;
use super::proxy::Route;
use super::redact;
use super::request_body::RequestBody;
use super::setup::{self, BEARER, Deadlines, Problem};
use super::wire::{failure, shows_a_models_work, text};

/// The header by which routers, OpenRouter among them, keep the requests of a session at one place.
const SESSION_HEADER: &str = "x-session-id";

/// The header by which a simulated provider identifies itself.
const SIMULATED_HEADER: &str = "x-valuesim-simulated";

/// Connections to one URL of a provider. Cheap to clone; clones share them.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    http: reqwest::Client,
    address: Url,
    /// The header with the key, if one is sent.
    bearer: Option<HeaderValue>,
    /// The values of the user's own headers.
    own_headers: Vec<SecretString>,
    deadlines: Deadlines,
    /// The environment variable that names the proxy, if there is a proxy.
    proxied_by: Option<&'static str>,
    /// The longest accepted response, in bytes after decompression.
    max_bytes: usize,
    /// Whether a usable answer has ever arrived, which shows that the address is right.
    has_answered: Arc<AtomicBool>,
}

/// A response with status 200.
pub(super) struct Answer {
    pub(super) body: String,
    /// Whether a simulated provider sent it.
    pub(super) is_simulated: bool,
    /// The limits that its headers state.
    pub(super) stated: Stated,
}

/// Longer than the words of a reply.
const LONGEST_WORD: usize = 20;

impl Connection {
    /// The connection to `path` below a model's base URL. Reads the model's key and certificates and the proxy variables of
    /// the environment. Makes no call.
    pub(super) fn new(
        model: &ModelSettings,
        path: &[&str],
        (deadlines, max_bytes): (Deadlines, usize),
        keys: &Keys,
    ) -> Result<Self, Problem> {
        let address = setup::address(model, path)?;
        let Admitted { key, headers: own, ca_file } = keys.admit(model, &address)?;
        let headers = setup::headers(key.as_ref(), &own)?;
        let own_headers = own.into_iter().map(|(_, value)| value).collect();
        let bearer = headers.get(AUTHORIZATION).cloned();
        let variable = |name: &str| Some(std::env::var_os(name)?.to_string_lossy().into_owned());
        let route = Route::to(&address, variable)?;
        let http = setup::http_client(ca_file.as_deref(), headers, deadlines, &route)?;
        let (proxied_by, has_answered) = (route.variable, Arc::default());
        Ok(Self { http, address, bearer, own_headers, deadlines, proxied_by, max_bytes, has_answered })
    }

    /// Where its requests go.
    pub(super) const fn address(&self) -> &Url {
        &self.address
    }

    /// Sends one request, of a session if it belongs to one, waits for its response, and has `read` read it if its status is
    /// 200. Nothing is sent twice: a request takes another connection only if its pooled connection was closed before any
    /// byte was sent.
    pub(super) async fn post<T>(
        &self,
        body: RequestBody,
        session: Option<&str>,
        read: impl FnOnce(&Answer) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let begun = Instant::now();
        let mut request = self.http.post(self.address.clone()).body(Body::wrap(body));
        if let Some(session) = session {
            request = request.header(SESSION_HEADER, session);
        }
        let sent = request.send().await;
        let mut response = sent.map_err(|error| self.network_error(&error, begun))?;
        let body = self.read(&mut response, begun).await;
        if response.status() == 200 {
            let is_simulated = response.headers().contains_key(SIMULATED_HEADER);
            let stated = headers::stated_limits(response.headers(), SystemTime::now());
            let answer = Answer { body: body?, is_simulated, stated };
            let value = read(&answer).map_err(|error| self.unless_intermediary(error, &answer.body))?;
            if !self.has_answered.load(Ordering::Relaxed) {
                self.has_answered.store(true, Ordering::Relaxed);
            }
            return Ok(value);
        }
        // The body of an error helps, but an error whose body cannot be read is still that error.
        Err(self.error_response(response.status().as_u16(), response.headers(), &body.unwrap_or_default()))
    }

    /// What the address answers to a request for a page; `None` if there is none.
    pub(super) async fn get(&self) -> Option<String> {
        let mut response = self.http.get(self.address.clone()).send().await.ok()?;
        let is_there = response.status() == 200;
        let body = self.read(&mut response, Instant::now()).await.ok()?;
        is_there.then_some(body)
    }

    /// Reads the whole body of a response and removes the key.
    async fn read(&self, response: &mut Response, begun: Instant) -> Result<String, CallError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.network_error(&error, begun))? {
            if body.len() + chunk.len() > self.max_bytes {
                let message = format!("the response is longer than {} bytes", self.max_bytes);
                return Err(CallError::new(CallErrorKind::Malformed, None, &message));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(self.without_key(text(body)))
    }

    /// The error for a failure of the network.
    fn network_error(&self, error: &reqwest::Error, begun: Instant) -> CallError {
        let Deadlines { connect, idle, total } = self.deadlines;
        let within = |what: &str, deadline: Duration| format!("{what} within {} s", deadline.as_secs());
        let (kind, mut message) = match (error.is_timeout(), error.is_connect()) {
            (true, _) if begun.elapsed() >= total => (CallErrorKind::TimedOut, within("no complete response", total)),
            (true, true) => (CallErrorKind::TimedOut, within("no connection", connect)),
            (true, false) => (CallErrorKind::TimedOut, within("no data", idle)),
            (false, true) => (CallErrorKind::Unreachable, root_cause(error)),
            (false, false) => (CallErrorKind::ConnectionBroken, root_cause(error)),
        };
        if let Some(variable) = self.proxied_by.filter(|_| error.is_connect()) {
            message.push_str(&format!(" (through the proxy in {variable})"));
        }
        CallError::new(kind, None, &message)
    }

    /// The error for a response with a status other than 200.
    pub(super) fn error_response(&self, status: u16, headers: &HeaderMap, body: &str) -> CallError {
        let moved_to = headers.get(LOCATION).and_then(|to| to.to_str().ok());
        let moved_to = moved_to.and_then(|to| readable(&self.without_key(format!("moved to {to}"))));
        let mut error = failure(status, headers::should_retry(headers), body);
        error.retry_after = headers::retry_after(headers, SystemTime::now());
        error.stated = Box::new(headers::stated_limits(headers, SystemTime::now()));
        error.message = moved_to.or(error.message);
        if error.kind == CallErrorKind::WrongKey && self.bearer.is_none() && self.own_headers.is_empty() {
            error.kind = CallErrorKind::MissingKey;
        }
        self.unless_intermediary(error, body)
    }

    /// Blames an intermediary for a response without any sign of a completion, if completions have arrived before: it comes
    /// from a proxy, and the provider will be back.
    fn unless_intermediary(&self, mut error: CallError, body: &str) -> CallError {
        let is_strange = error.kind == CallErrorKind::Malformed && !shows_a_models_work(body);
        if is_strange && self.has_answered.load(Ordering::Relaxed) {
            error.kind = CallErrorKind::Intermediary;
        }
        error
    }

    /// The text with the key and the values of headers that were sent replaced.
    pub(super) fn without_key(&self, text: String) -> String {
        let key = self.bearer.as_ref().and_then(|bearer| bearer.to_str().ok()?.strip_prefix(BEARER));
        // A key may follow the name of a scheme, as in `Bearer KEY`.
        let own = self.own_headers.iter().flat_map(|value| value.expose_secret().split_whitespace());
        let own = own.filter(|part| may_be_a_key(part));
        key.into_iter().chain(own).fold(text, |text, secret| match redact::without(secret, &text) {
            Cow::Borrowed(_) => text,
            Cow::Owned(clean) => clean,
        })
    }
}

/// Whether a part of a header's value may be a key. The name of a project may be a word of a reply; a key is longer, or has more than
/// letters.
fn may_be_a_key(part: &str) -> bool {
    let has_more_than_letters = !part.bytes().all(|byte| byte.is_ascii_alphabetic());
    part.len() >= if has_more_than_letters { redact::SHORTEST_INSIDE_A_WORD } else { LONGEST_WORD }
}

/// The root cause of a failed HTTP request, which says more than the errors around it.
pub(super) fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &(dyn std::error::Error + 'static) = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
