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

use super::body::{Conversation, Frame};
use super::error::{CallError, CallErrorKind};
use super::headers;
use super::proxy::Route;
use super::request_body::RequestBody;
use super::setup::{self, BEARER, ClientError, Deadlines, Problem};
use super::wire::{Reply, completion, failure, readable, shows_a_models_work, text};

/// The longest response that is read, in bytes after decompression: a hundred times a long backstory.
const MAX_RESPONSE_BYTES: usize = 4 << 20;

/// Shorter keys are such as `none` or `EMPTY`, for servers that ask for any: no secret, and perhaps a word of a message.
const SHORTEST_SECRET: usize = 8;

/// The header with which a simulated provider says what it is.
const SIMULATED_HEADER: &str = "x-valuesim-simulated";

/// Asks one model. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    address: Url,
    /// The header with the key, if one is sent.
    bearer: Option<HeaderValue>,
    frame: Frame,
    deadlines: Deadlines,
    /// The variable that names the proxy, if there is one.
    proxied_by: Option<&'static str>,
    /// Whether a completion ever came, so that the address is right.
    has_answered: Arc<AtomicBool>,
}

impl Client {
    /// A client for a model. Reads its key and certificates, and what the environment says of proxies; makes no call.
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
        let (frame, has_answered) = (Frame::new(model), Arc::default());
        Ok(Self { http, address, bearer, frame, deadlines, proxied_by: route.variable, has_answered })
    }

    /// The request body for a conversation.
    pub fn body(&self, conversation: &Conversation<'_>) -> RequestBody {
        self.frame.around(conversation)
    }

    /// Sends one request and waits for its reply. Nothing is sent twice: only a request of which no byte went out,
    /// because the pooled connection had ended, takes another connection.
    pub async fn send(&self, body: RequestBody) -> Result<Reply, CallError> {
        let begun = Instant::now();
        let sent = self.http.post(self.address.clone()).body(Body::wrap(body)).send().await;
        let mut response = sent.map_err(|error| self.broken(&error, begun))?;
        let body = self.read(&mut response, begun).await;
        if response.status() == 200 {
            let body = body?;
            let reply = completion(&body).map_err(|error| self.in_its_place(error, &body))?;
            if !self.has_answered.load(Ordering::Relaxed) {
                self.has_answered.store(true, Ordering::Relaxed);
            }
            return Ok(if response.headers().contains_key(SIMULATED_HEADER) { marked(reply) } else { reply });
        }
        // What an error says helps, but an error that breaks off is still that error.
        Err(self.refusal(response.status().as_u16(), response.headers(), &body.unwrap_or_default()))
    }

    /// The whole body of a response. Some proxies repeat the key that they refuse: it is blacked out.
    async fn read(&self, response: &mut Response, begun: Instant) -> Result<String, CallError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(&error, begun))? {
            if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
                let message = format!("the response is longer than {MAX_RESPONSE_BYTES} bytes");
                return Err(CallError::new(CallErrorKind::Malformed, None, &message));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(self.without_key(text(body)))
    }

    /// An error of the network.
    fn broken(&self, error: &reqwest::Error, begun: Instant) -> CallError {
        let Deadlines { connect, idle, total } = self.deadlines;
        let within = |what: &str, deadline: Duration| format!("{what} within {} s", deadline.as_secs());
        let (kind, mut message) = match (error.is_timeout(), error.is_connect()) {
            (true, _) if begun.elapsed() >= total => (CallErrorKind::TimedOut, within("no complete answer", total)),
            (true, true) => (CallErrorKind::TimedOut, within("no connection", connect)),
            (true, false) => (CallErrorKind::TimedOut, within("no byte", idle)),
            (false, true) => (CallErrorKind::Unreachable, innermost(error)),
            (false, false) => (CallErrorKind::CutConnection, innermost(error)),
        };
        if let Some(variable) = self.proxied_by.filter(|_| error.is_connect()) {
            message.push_str(&format!(" ({variable} names a proxy)"));
        }
        CallError::new(kind, None, &message)
    }

    /// What a response with another status than 200 says.
    fn refusal(&self, status: u16, headers: &HeaderMap, body: &str) -> CallError {
        let moved_to = headers.get(LOCATION).and_then(|to| readable(&format!("moved to {}", to.to_str().ok()?)));
        let mut error = failure(status, headers::should_retry(headers), body);
        error.retry_after = headers::retry_after(headers, SystemTime::now());
        error.message = moved_to.or(error.message);
        if error.kind == CallErrorKind::WrongKey && self.bearer.is_none() {
            error.kind = CallErrorKind::NoKey;
        }
        self.in_its_place(error, body)
    }

    /// Where completions came before, a page without any sign of one is a proxy's, and the provider will be back.
    fn in_its_place(&self, mut error: CallError, body: &str) -> CallError {
        let is_strange = error.kind == CallErrorKind::Malformed && !shows_a_models_work(body);
        if is_strange && self.has_answered.load(Ordering::Relaxed) {
            error.kind = CallErrorKind::SomethingElse;
        }
        error
    }

    /// A body without the key that was sent.
    fn without_key(&self, body: String) -> String {
        let sent = || self.bearer.as_ref()?.to_str().ok()?.strip_prefix(BEARER);
        match sent().filter(|key| key.len() >= SHORTEST_SECRET) {
            Some(key) if memmem::find(body.as_bytes(), key.as_bytes()).is_some() => body.replace(key, "[key]"),
            _ => body,
        }
    }
}

/// A simulated provider's reply, marked so that nobody takes it for a model's.
fn marked(reply: Reply) -> Reply {
    Reply { model: reply.model + SIMULATED_MARK, ..reply }
}

/// What the error of an HTTP request comes down to: its innermost cause says most.
pub(super) fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &(dyn std::error::Error + 'static) = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
