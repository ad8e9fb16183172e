//! Sends one request over HTTP and reads the response. Never retries.

use std::error::Error as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Response, Url};
use secrecy::{ExposeSecret as _, SecretString};
use valuesim_shared::model::ModelSettings;
use valuesim_shared::outcome::SIMULATED_MARK;

use super::body::{Conversation, Frame};
use super::error::{CallError, CallErrorKind};
use super::headers;
use super::key::{KeyError, key};
use super::wire::{Reply, completion, failure, readable, shows_a_models_work};

/// Why a client cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The address is none.
    #[error(
        "model {model:?}: the base URL {url:?} is no address ({reason}): expected something like https://api.openai.com/v1"
    )]
    Address {
        /// The model.
        model: String,
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The key has characters that no header can carry.
    #[error("model {model:?}: the key has characters that cannot be sent: expected printable ASCII")]
    KeyCharacters {
        /// The model.
        model: String,
    },
    /// The HTTP library could not be set up.
    #[error("set up the HTTP client: {0}")]
    Http(reqwest::Error),
}

/// How long a call may take.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// For the connection.
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

/// The longest response that is read, in bytes: a hundred times a long backstory.
const MOST_RESPONSE_BYTES: usize = 4 << 20;

/// What stands before the key in its header.
const BEARER: &str = "Bearer ";

/// Shorter keys are such as `none` or `EMPTY`, for servers that ask for any: no secret, and perhaps a word of a message.
const SHORTEST_SECRET: usize = 8;

/// The header with which a simulated provider says what it is.
const SIMULATED_HEADER: &str = "x-valuesim-simulated";

/// Asks one model. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: Url,
    headers: HeaderMap,
    frame: Frame,
    deadlines: Deadlines,
    /// Whether a completion ever came, so that the address is right.
    has_answered: Arc<AtomicBool>,
}

impl Client {
    /// A client for a model. Reads its key; makes no call.
    pub fn new(model: &ModelSettings, deadlines: Deadlines) -> Result<Self, ClientError> {
        install_tls();
        let url = address(model)?;
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("valuesim/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(deadlines.connect)
            .read_timeout(deadlines.idle)
            .redirect(reqwest::redirect::Policy::none())
            // Every attempt is counted where it is made, so the library must make none of its own.
            .retry(reqwest::retry::never())
            // One connection for each call in flight: a shared HTTP/2 connection would cap them at the server's limit
            // of streams, often 100, without a word.
            .http1_only();
        if url.scheme() == "http" {
            // Without this the library asks for the platform's root certificates, which a bare container lacks.
            http = http.tls_certs_only([]);
        }
        if is_this_machine(&url) {
            http = http.no_proxy();
        }
        let http = http.build().map_err(ClientError::Http)?;
        let headers = request_headers(model, key(model)?)?;
        Ok(Self { http, url, headers, frame: Frame::new(model), deadlines, has_answered: Arc::default() })
    }

    /// The request body for a conversation.
    pub fn body(&self, conversation: &Conversation<'_>) -> Bytes {
        self.frame.around(conversation)
    }

    /// Sends one request and waits for its reply.
    pub async fn send(&self, body: Bytes) -> Result<Reply, CallError> {
        let exchange = self.exchange(body);
        tokio::time::timeout(self.deadlines.total, exchange).await.unwrap_or_else(|_| {
            let message = format!("no complete answer within {} s", self.deadlines.total.as_secs());
            Err(CallError { kind: CallErrorKind::TimedOut, status: None, message: Some(message), retry_after: None })
        })
    }

    async fn exchange(&self, body: Bytes) -> Result<Reply, CallError> {
        let request = self.http.post(self.url.clone()).headers(self.headers.clone()).body(body);
        let response = request.send().await.map_err(|error| broken(&error))?;
        let status = response.status().as_u16();
        if status == 200 {
            let simulated = response.headers().contains_key(SIMULATED_HEADER);
            let body = read(response).await?;
            let reply = self.discreet(&body, completion).map_err(|error| self.in_its_place(error, &body))?;
            self.has_answered.store(true, Ordering::Relaxed);
            return Ok(if simulated { marked(reply) } else { reply });
        }
        let moved_to =
            response.headers().get(LOCATION).and_then(|to| readable(&format!("moved to {}", to.to_str().ok()?)));
        let retry_after = headers::retry_after(response.headers(), SystemTime::now());
        let should_retry = headers::should_retry(response.headers());
        // What an error says helps, but an error that breaks off is still that error.
        let text = read(response).await.unwrap_or_default();
        let error = self.discreet(&text, |text| Err(failure(status, should_retry, text)));
        error.map_err(|error| {
            let nothing_was_sent = !self.headers.contains_key(AUTHORIZATION);
            let kind = match error.kind {
                CallErrorKind::WrongKey if nothing_was_sent => CallErrorKind::NoKey,
                kind => kind,
            };
            self.in_its_place(CallError { kind, retry_after, message: moved_to.or(error.message), ..error }, &text)
        })
    }

    /// Where completions came before, a page without any sign of one is a proxy's, and the provider will be back.
    fn in_its_place(&self, error: CallError, body: &[u8]) -> CallError {
        let is_strange = error.kind == CallErrorKind::Malformed && !shows_a_models_work(body);
        let kind = if is_strange && self.has_answered.load(Ordering::Relaxed) {
            CallErrorKind::SomethingElse
        } else {
            error.kind
        };
        CallError { kind, ..error }
    }

    /// What `read` makes of a body. Some proxies repeat the key that they refuse: what is said of the body is said of
    /// one without the key.
    fn discreet(&self, body: &[u8], read: impl Fn(&[u8]) -> Result<Reply, CallError>) -> Result<Reply, CallError> {
        read(body).map_err(|error| match self.without_key(body) {
            Some(clean) => CallError { message: read(clean.as_bytes()).err().and_then(|error| error.message), ..error },
            None => error,
        })
    }

    /// The body with the key blacked out; none where the key is not in it.
    fn without_key(&self, body: &[u8]) -> Option<String> {
        let bearer = self.headers.get(AUTHORIZATION)?.to_str().ok()?;
        let key = bearer.strip_prefix(BEARER).filter(|key| key.len() >= SHORTEST_SECRET)?;
        let text = String::from_utf8_lossy(body);
        text.contains(key).then(|| text.replace(key, "[key]"))
    }
}

/// A simulated provider's reply, marked so that nobody takes it for a model's.
fn marked(reply: Reply) -> Reply {
    Reply { model: reply.model + SIMULATED_MARK, ..reply }
}

/// Installs the TLS implementation once for the process.
fn install_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error says that the program has installed one already, which will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

fn address(model: &ModelSettings) -> Result<Url, ClientError> {
    let base = model.base_url.as_deref().unwrap_or_default();
    let wrong = |reason: String| ClientError::Address { model: model.name.clone(), url: base.to_owned(), reason };
    let url = Url::parse(base).map_err(|error| wrong(error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        // Said without the address, which has the password in it.
        let url = "...".to_owned();
        let reason = "it has a password in it; use a key variable or file".to_owned();
        return Err(ClientError::Address { model: model.name.clone(), url, reason });
    }
    let mut url = url;
    url.path_segments_mut()
        .map_err(|()| wrong("it has no path".to_owned()))?
        .pop_if_empty()
        .extend(["chat", "completions"]);
    Ok(url)
}

fn is_this_machine(url: &Url) -> bool {
    matches!(url.host_str(), Some("localhost" | "[::1]")) || url.host_str().is_some_and(|host| host.starts_with("127."))
}

fn request_headers(model: &ModelSettings, key: Option<SecretString>) -> Result<HeaderMap, ClientError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(key) = key {
        let mut bearer = HeaderValue::from_str(&format!("{BEARER}{}", key.expose_secret()))
            .map_err(|_| ClientError::KeyCharacters { model: model.name.clone() })?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    Ok(headers)
}

async fn read(mut response: Response) -> Result<Bytes, CallError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| broken(&error))? {
        if body.len() + chunk.len() > MOST_RESPONSE_BYTES {
            let message = format!("the response is longer than {MOST_RESPONSE_BYTES} bytes");
            return Err(CallError {
                kind: CallErrorKind::Malformed,
                status: None,
                message: Some(message),
                retry_after: None,
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// An error of the network; its innermost cause says most.
fn broken(error: &reqwest::Error) -> CallError {
    let kind = if error.is_timeout() {
        CallErrorKind::TimedOut
    } else if error.is_connect() {
        CallErrorKind::Unreachable
    } else {
        CallErrorKind::CutConnection
    };
    let mut cause = error.source();
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    let message = cause.and_then(|cause| readable(&cause.to_string()));
    CallError { kind, status: None, message, retry_after: None }
}
