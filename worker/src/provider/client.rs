//! Sends one request over HTTP and reads the response. Never retries.

use std::error::Error;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, LOCATION, USER_AGENT};
use hyper::{Method, Request, Response, Uri};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::outcome::SIMULATED_MARK;

use super::body::{Conversation, Frame};
use super::connect::connector;
use super::deadline::{Deadline, Late};
use super::error::{CallError, CallErrorKind};
use super::headers;
use super::key::{KeyError, key};
use super::pool::{Line, Pool};
use super::request_body::RequestBody;
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
    /// The machine's root certificates cannot be used.
    #[error("model {model:?}: read this machine's root certificates: {reason}; install them (package ca-certificates)")]
    Certificates {
        /// The model.
        model: String,
        /// What is wrong with them.
        reason: String,
    },
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

/// How many new connections a request takes, each of which may have ended before it: no provider closes them all.
const MOST_NEW_CONNECTIONS: u32 = 2;

/// The header with which a simulated provider says what it is.
const SIMULATED_HEADER: &str = "x-valuesim-simulated";

/// Asks one model. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Client {
    pool: Pool,
    /// Where requests go on that host.
    path: Uri,
    headers: HeaderMap,
    frame: Frame,
    deadlines: Deadlines,
    /// Whether a completion ever came, so that the address is right.
    has_answered: Arc<AtomicBool>,
}

impl Client {
    /// A client for a model. Reads its key; makes no call.
    pub fn new(model: &ModelSettings, deadlines: Deadlines) -> Result<Self, ClientError> {
        let address = address(model)?;
        let connector = connector(&address, deadlines.connect)
            .map_err(|error| ClientError::Certificates { model: model.name.clone(), reason: error.to_string() })?;
        let path = path(&address);
        let headers = request_headers(model, &address, key(model)?)?;
        Ok(Self {
            pool: Pool::new(connector, address),
            path,
            headers,
            frame: Frame::new(model),
            deadlines,
            has_answered: Arc::default(),
        })
    }

    /// The request body for a conversation.
    pub fn body(&self, conversation: &Conversation<'_>) -> RequestBody {
        self.frame.around(conversation)
    }

    /// Sends one request and waits for its reply. Nothing is sent twice: only a request of which no byte went out,
    /// because the pooled connection had ended, takes another connection.
    pub async fn send(&self, body: RequestBody) -> Result<Reply, CallError> {
        let first = self.deadlines.idle.min(self.deadlines.total);
        let timer = pin!(tokio::time::sleep(first));
        let mut deadline = Deadline::new(self.deadlines, timer);
        let (mut line, response) = self.response(body, &mut deadline).await?;
        let (head, body) = response.into_parts();
        let body = self.read(&mut line, body, &mut deadline).await;
        if body.is_ok() {
            self.pool.put(line);
        }
        if head.status == 200 {
            let body = body?;
            let reply = self.discreet(&body, completion).map_err(|error| self.in_its_place(error, &body))?;
            if !self.has_answered.load(Ordering::Relaxed) {
                self.has_answered.store(true, Ordering::Relaxed);
            }
            return Ok(if head.headers.contains_key(SIMULATED_HEADER) { marked(reply) } else { reply });
        }
        // What an error says helps, but an error that breaks off is still that error.
        Err(self.refusal(head.status.as_u16(), &head.headers, &body.unwrap_or_default()))
    }

    /// Sends a request over a connection that is there still, or a new one.
    async fn response(
        &self,
        body: RequestBody,
        deadline: &mut Deadline<'_>,
    ) -> Result<(Line, Response<Incoming>), CallError> {
        let mut request = self.request(body);
        let mut new = 0;
        loop {
            let mut line = if let Some(line) = self.pool.take() {
                line
            } else {
                new += 1;
                // On the heap: it is large, and most calls need no new connection.
                let mut connecting = Box::pin(self.pool.connect());
                let connected = deadline.hold(connecting.as_mut()).await.map_err(|late| self.late(late))?;
                connected.map_err(|error| broken(&*error, true))?
            };
            let response = pin!(line.send(request));
            let response = deadline.hold(pin!(line.heard(response))).await.map_err(|late| self.late(late))?;
            let mut failed = match response {
                Ok(response) => return Ok((line, response)),
                Err(failed) => failed,
            };
            match failed.take_message() {
                Some(unsent) if new < MOST_NEW_CONNECTIONS => request = unsent,
                unsent => return Err(broken(failed.error(), unsent.is_some())),
            }
        }
    }

    fn request(&self, body: RequestBody) -> Request<RequestBody> {
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.path.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }

    /// The whole body of a response.
    async fn read(&self, line: &mut Line, mut body: Incoming, deadline: &mut Deadline<'_>) -> Result<Bytes, CallError> {
        // Most responses come in one piece, which needs no copy.
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        loop {
            let frame = pin!(body.frame());
            let heard = deadline.hold(pin!(line.heard(frame))).await;
            let Some(frame) = heard.map_err(|late| self.late(late))? else { break };
            let Ok(chunk) = frame.map_err(|error| broken(&error, false))?.into_data() else { continue };
            if first.len() + all.len() + chunk.len() > MOST_RESPONSE_BYTES {
                return Err(too_long());
            }
            if first.is_empty() && all.is_empty() {
                first = chunk;
            } else {
                all.extend_from_slice(&std::mem::take(&mut first));
                all.extend_from_slice(&chunk);
            }
        }
        Ok(if first.is_empty() { all.freeze() } else { first })
    }

    fn late(&self, late: Late) -> CallError {
        let (within, what) = match late {
            Late::Silent => (self.deadlines.idle, "no byte"),
            Late::Unfinished => (self.deadlines.total, "no complete answer"),
        };
        let message = Some(format!("{what} within {} s", within.as_secs()));
        CallError { kind: CallErrorKind::TimedOut, status: None, message, retry_after: None }
    }

    /// What a response with another status than 200 says.
    fn refusal(&self, status: u16, headers: &HeaderMap, text: &[u8]) -> CallError {
        let moved_to = headers.get(LOCATION).and_then(|to| readable(&format!("moved to {}", to.to_str().ok()?)));
        let retry_after = headers::retry_after(headers, SystemTime::now());
        let read = |text: &[u8]| failure(status, headers::should_retry(headers), text);
        let error = self.without_key(text).map_or_else(|| read(text), |clean| read(clean.as_bytes()));
        let no_key_was_sent = !self.headers.contains_key(AUTHORIZATION);
        let kind = match error.kind {
            CallErrorKind::WrongKey if no_key_was_sent => CallErrorKind::NoKey,
            kind => kind,
        };
        self.in_its_place(CallError { kind, retry_after, message: moved_to.or(error.message), ..error }, text)
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

fn address(model: &ModelSettings) -> Result<Uri, ClientError> {
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
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong(format!("its scheme is {:?}, not http or https", url.scheme())));
    }
    url.as_str().parse().map_err(|error: hyper::http::uri::InvalidUri| wrong(error.to_string()))
}

/// What of an address a request to its host names.
fn path(address: &Uri) -> Uri {
    address.path_and_query().map_or_else(Uri::default, |path| Uri::from(path.clone()))
}

/// An address' host, with its port where that is not its scheme's.
fn host(address: &Uri) -> String {
    let host = address.host().unwrap_or_default();
    let of_scheme = if address.scheme_str() == Some("https") { 443 } else { 80 };
    match address.port_u16() {
        Some(port) if port != of_scheme => format!("{host}:{port}"),
        _ => host.to_owned(),
    }
}

fn request_headers(model: &ModelSettings, address: &Uri, key: Option<SecretString>) -> Result<HeaderMap, ClientError> {
    let mut headers = HeaderMap::new();
    let host = HeaderValue::try_from(host(address)).expect("an address' host has no characters but a header's");
    headers.insert(HOST, host);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("valuesim/", env!("CARGO_PKG_VERSION"))));
    if let Some(key) = key {
        let mut bearer = HeaderValue::from_str(&format!("{BEARER}{}", key.expose_secret()))
            .map_err(|_| ClientError::KeyCharacters { model: model.name.clone() })?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    Ok(headers)
}

fn too_long() -> CallError {
    let message = format!("the response is longer than {MOST_RESPONSE_BYTES} bytes");
    CallError { kind: CallErrorKind::Malformed, status: None, message: Some(message), retry_after: None }
}

/// An error of the network; its innermost cause says most.
fn broken(error: &(dyn Error + 'static), while_connecting: bool) -> CallError {
    let mut innermost = error;
    while let Some(deeper) = innermost.source() {
        innermost = deeper;
    }
    let in_time = innermost.downcast_ref::<io::Error>().is_none_or(|error| error.kind() != io::ErrorKind::TimedOut);
    let kind = match (in_time, while_connecting) {
        (false, _) => CallErrorKind::TimedOut,
        (true, true) => CallErrorKind::Unreachable,
        (true, false) => CallErrorKind::CutConnection,
    };
    CallError { kind, status: None, message: readable(&innermost.to_string()), retry_after: None }
}
