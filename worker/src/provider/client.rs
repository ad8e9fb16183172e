//! Sends one request over HTTP and reads the response. Never retries.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use memchr::memmem;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Body, Response, Url};
use tokio::time::Instant;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::outcome::SIMULATED_MARK;

use super::body::{BodyTemplate, Conversation};
use super::error::{CallError, CallErrorKind};
use super::headers;
use super::proxy::Route;
use super::request_body::RequestBody;
use super::setup::{self, BEARER, ClientError, Deadlines, Problem};
use super::wire::{Reply, completion, failure, readable, shows_a_models_work, text};

/// The longest accepted response, in bytes after decompression: a hundred times a long backstory.
const MAX_RESPONSE_BYTES: usize = 4 << 20;

/// Shorter keys are placeholders such as `none` or `EMPTY`, for servers that accept any key. They are no secrets, and may be
/// words of a message.
const SHORTEST_SECRET: usize = 8;

/// The header by which a simulated provider identifies itself.
const SIMULATED_HEADER: &str = "x-valuesim-simulated";

/// Sends requests to one model. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    address: Url,
    /// The header with the key, if one is sent.
    bearer: Option<HeaderValue>,
    template: BodyTemplate,
    deadlines: Deadlines,
    /// The environment variable that names the proxy, if there is a proxy.
    proxied_by: Option<&'static str>,
    /// Whether a completion has ever arrived, which shows that the address is right.
    has_answered: Arc<AtomicBool>,
}

impl Client {
    /// A client for a model. Reads the model's key and certificates and the proxy variables of the environment. Makes no
    /// call.
    pub fn new(model: &ModelSettings, deadlines: Deadlines) -> Result<Self, ClientError> {
        Self::set_up(model, deadlines).map_err(|problem| ClientError { model: model.name.clone(), problem })
    }

    fn set_up(model: &ModelSettings, deadlines: Deadlines) -> Result<Self, Problem> {
        let address = setup::address(model)?;
        let headers = setup::headers(model)?;
        let bearer = headers.get(AUTHORIZATION).cloned();
        let variable = |name: &str| Some(std::env::var_os(name)?.to_string_lossy().into_owned());
        let route = Route::to(&address, variable)?;
        let http = setup::http_client(model, headers, deadlines, &route)?;
        let (template, has_answered) = (BodyTemplate::new(model), Arc::default());
        Ok(Self { http, address, bearer, template, deadlines, proxied_by: route.variable, has_answered })
    }

    /// The request body for a conversation.
    pub fn body(&self, conversation: &Conversation<'_>) -> RequestBody {
        self.template.fill(conversation)
    }

    /// Sends one request and waits for its reply. Nothing is sent twice: a request takes another connection only if its
    /// pooled connection was closed before any byte was sent.
    pub async fn send(&self, body: RequestBody) -> Result<Reply, CallError> {
        let begun = Instant::now();
        let sent = self.http.post(self.address.clone()).body(Body::wrap(body)).send().await;
        let mut response = sent.map_err(|error| self.network_error(&error, begun))?;
        let body = self.read(&mut response, begun).await;
        if response.status() == 200 {
            let body = body?;
            let reply = completion(&body).map_err(|error| self.unless_intermediary(error, &body))?;
            if !self.has_answered.load(Ordering::Relaxed) {
                self.has_answered.store(true, Ordering::Relaxed);
            }
            return Ok(if response.headers().contains_key(SIMULATED_HEADER) { mark_simulated(reply) } else { reply });
        }
        // The body of an error helps, but an error whose body cannot be read is still that error.
        Err(self.error_response(response.status().as_u16(), response.headers(), &body.unwrap_or_default()))
    }

    /// Reads the whole body of a response and removes the key, which some proxies repeat when they refuse it.
    async fn read(&self, response: &mut Response, begun: Instant) -> Result<String, CallError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.network_error(&error, begun))? {
            if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
                let message = format!("the response is longer than {MAX_RESPONSE_BYTES} bytes");
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
    fn error_response(&self, status: u16, headers: &HeaderMap, body: &str) -> CallError {
        let moved_to = headers.get(LOCATION).and_then(|to| readable(&format!("moved to {}", to.to_str().ok()?)));
        let mut error = failure(status, headers::should_retry(headers), body);
        error.retry_after = headers::retry_after(headers, SystemTime::now());
        error.message = moved_to.or(error.message);
        if error.kind == CallErrorKind::WrongKey && self.bearer.is_none() {
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

    /// The body with the key that was sent replaced.
    fn without_key(&self, body: String) -> String {
        let sent = || self.bearer.as_ref()?.to_str().ok()?.strip_prefix(BEARER);
        match sent().filter(|key| key.len() >= SHORTEST_SECRET) {
            Some(key) if memmem::find(body.as_bytes(), key.as_bytes()).is_some() => body.replace(key, "[key]"),
            _ => body,
        }
    }
}

/// Marks a simulated provider's reply, so that nobody takes it for a real model's.
fn mark_simulated(reply: Reply) -> Reply {
    Reply { model: reply.model + SIMULATED_MARK, ..reply }
}

/// The root cause of a failed HTTP request, which says more than the errors around it.
pub(super) fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &(dyn std::error::Error + 'static) = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
