//! Answers the requests of a simulated provider.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use secrecy::ExposeSecret;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use valuesim_shared::codebook::Codebook;

use super::cache::{Lookup, PrefixCache};
use super::cut;
use super::fault::{self, Fault, Said};
use super::gate::Gate;
use super::headers;
use super::options::ProviderOptions;
use super::problem::Problem;
use super::prompts::Prompts;
use super::reply::{self, Used};
use super::reply_gate::ReplyGate;
use super::request;
use super::stats::{Counter, Event, Stats};
use super::tokens;
use crate::person::{Conversation, Kind, Person};

/// Everything that a running provider knows.
#[derive(Debug)]
pub(crate) struct Desk {
    options: ProviderOptions,
    voice: Voice,
    gate: Gate,
    cache: Option<PrefixCache>,
    prompts: Prompts,
    counter: Counter,
    stop: CancellationToken,
    reply_gate: ReplyGate,
    /// Whether prompts that were rejected are answered now.
    is_mended: AtomicBool,
}

/// Who replies.
#[derive(Debug)]
enum Voice {
    Person(Box<Person>),
    Fixed { reply: String, story: String },
}

/// A call that was let in.
#[derive(Debug, Clone, Copy)]
struct Call<'a> {
    model: &'a str,
    digest: u128,
    attempt: u64,
    used: Used,
}

/// The routes of the provider.
pub(crate) fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/models", get(models))
        .route("/stats", get(stats))
        .route("/stats/reset", post(reset))
        .route("/healthz", get(|| async { "ok\n" }))
        .fallback(unknown)
        .with_state(desk)
}

async fn chat(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    desk.counter.count(Event::Requested);
    let response = desk.chat(request).await;
    desk.finished(response)
}

async fn models(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    let names = desk.options.models.clone().unwrap_or_else(|| vec!["simulated".to_owned()]);
    let model = |id| json!({"id": id, "object": "model", "created": 0, "owned_by": "valuesim-simulator"});
    let data: Vec<_> = names.into_iter().map(model).collect();
    let response = desk.authorize(&headers).map(|()| Json(json!({"object": "list", "data": data})).into_response());
    desk.finished(response)
}

async fn stats(State(desk): State<Arc<Desk>>) -> Json<Stats> {
    Json(desk.stats())
}

async fn reset(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    let response = desk.authorize(&headers).map(|()| {
        desk.counter.reset();
        desk.gate.reset_most();
        desk.prompts.reset();
        StatusCode::NO_CONTENT.into_response()
    });
    response.unwrap_or_else(Problem::into_response)
}

async fn unknown(State(desk): State<Arc<Desk>>, uri: Uri) -> Response {
    desk.finished(Err(Problem::UnknownUrl(uri.path().to_owned())))
}

impl Desk {
    pub(crate) fn new(options: ProviderOptions, codebook: Arc<Codebook>, stop: CancellationToken) -> Self {
        let voice = match options.fixed_reply {
            Some(bytes) => {
                Voice::Fixed { reply: fixed_reply(bytes), story: fixed_reply(options.fixed_story.unwrap_or(bytes)) }
            }
            None => Voice::Person(Box::new(Person::new(codebook, options.seed))),
        };
        let gate = Gate::new(&options);
        let cache = PrefixCache::new(&options);
        let prompts = Prompts::new(options.prompts_remembered);
        Self {
            options,
            voice,
            gate,
            cache,
            prompts,
            counter: Counter::default(),
            stop,
            reply_gate: ReplyGate::default(),
            is_mended: AtomicBool::new(false),
        }
    }

    pub(crate) fn mend(&self) {
        self.is_mended.store(true, Ordering::Relaxed);
    }

    pub(crate) fn reply_gate(&self) -> &ReplyGate {
        &self.reply_gate
    }

    pub(crate) fn stats(&self) -> Stats {
        let window_ms = u64::try_from(self.gate.window().as_millis()).unwrap_or(u64::MAX);
        self.counter.stats(self.gate.passed(), self.prompts.known(), window_ms)
    }

    /// Counts an error where there is one, and adds the headers.
    fn finished(&self, response: Result<Response, Problem>) -> Response {
        let mut response = response.unwrap_or_else(|problem| {
            self.counter.count(Event::Failed(problem.status().as_u16()));
            problem.into_response()
        });
        headers::add(response.headers_mut(), self.gate.left());
        response
    }

    async fn chat(&self, request: Request) -> Result<Response, Problem> {
        self.authorize(request.headers())?;
        let body = self.read(request).await?;
        let asked = request::read(&body)?;
        let conversation = &asked.conversation;
        self.check_model(&conversation.model)?;
        self.answer(conversation, asked.most_tokens).await
    }

    fn authorize(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(key) = &self.options.api_key else { return Ok(()) };
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let is_right = given.and_then(|value| value.strip_prefix("Bearer ")) == Some(key.expose_secret());
        if is_right { Ok(()) } else { Err(Problem::WrongKey) }
    }

    async fn read(&self, request: Request) -> Result<Bytes, Problem> {
        let most = self.options.most_body_bytes;
        // A body that breaks off ends here too: its sender is gone and reads nothing.
        to_bytes(request.into_body(), most).await.map_err(|_| Problem::TooLarge(most))
    }

    fn check_model(&self, model: &str) -> Result<(), Problem> {
        let is_known = self.options.models.as_ref().is_none_or(|models| models.iter().any(|known| known == model));
        if is_known { Ok(()) } else { Err(Problem::UnknownModel(model.to_owned())) }
    }

    async fn answer(&self, conversation: &Conversation<'_>, most_tokens: Option<u64>) -> Result<Response, Problem> {
        let kind = Kind::of(&conversation.messages);
        self.counter.count(Event::Called(kind));
        let text = conversation.text();
        let input = tokens::tokens(text.len());
        let limited = |closed| Problem::RateLimited { model: conversation.model.to_string(), closed };
        // Looked at before the reply is made, which is the dear part; passed only when the reply's length is known.
        self.gate.look(input).map_err(limited)?;
        let digest = conversation.digest();
        if fault::is_rejected(&self.options, digest) && !self.is_mended.load(Ordering::Relaxed) {
            return Err(Problem::Rejected);
        }
        let said = fault::finish(&self.options, digest, self.reply(kind, conversation, digest), most_tokens);
        let output = tokens::tokens(said.content.as_deref().or(said.refusal).map_or(0, str::len));
        let _in_flight = self.gate.pass(input + output).map_err(limited)?;

        let lookup = self.cache.as_ref().map(|cache| cache.look(&text));
        let cached_input = lookup.as_ref().map_or(0, |lookup| lookup.cached_tokens);
        let attempt = self.prompts.try_again(digest);
        let call = Call { model: &conversation.model, digest, attempt, used: Used { input, cached_input, output } };
        let waiting = Waiting { counter: &self.counter, is_over: false };
        let response = self.say(call, &said, lookup).await;
        waiting.over();
        response
    }

    fn reply(&self, kind: Kind, conversation: &Conversation<'_>, digest: u128) -> String {
        match &self.voice {
            Voice::Person(person) => person.reply(kind, &conversation.messages, digest),
            Voice::Fixed { story, .. } if kind == Kind::Story => story.clone(),
            Voice::Fixed { reply, .. } => reply.clone(),
        }
    }

    /// Waits as long as the reply takes, and sends it; or fails as this call is to fail.
    async fn say(&self, call: Call<'_>, said: &Said, lookup: Option<Lookup>) -> Result<Response, Problem> {
        let latency = fault::latency(&self.options, call.digest, call.attempt);
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        // Held replies end with the server, as hanging ones do.
        tokio::select! {
            biased;
            () = self.reply_gate.pass() => {}
            () = self.stop.cancelled() => {}
        }
        match fault::fault(&self.options, call.digest, call.attempt) {
            Some(Fault::Broken) => Err(Problem::Broken),
            Some(Fault::Overloaded) => Err(Problem::Overloaded),
            Some(Fault::Hang) => {
                self.counter.count(Event::Hung);
                self.stop.cancelled().await;
                Err(Problem::Overloaded)
            }
            Some(Fault::Cut) => {
                self.counter.count(Event::Cut { tokens: call.used.input + call.used.output });
                Ok(cut::response(self.body(call, said)))
            }
            None => {
                if let (Some(cache), Some(lookup)) = (&self.cache, lookup) {
                    // Only now: a prompt that is still being read helps no other.
                    cache.keep(&lookup);
                }
                self.prompts.answered(call.digest);
                let Used { input, cached_input, output } = call.used;
                self.counter.count(Event::Answered { input, cached_input, output, spoil: said.spoil });
                Ok(json_response(self.body(call, said).into()))
            }
        }
    }

    fn body(&self, call: Call<'_>, said: &Said) -> Vec<u8> {
        reply::body(call.model, call.digest, said, (call.used, self.options.cache))
    }
}

/// A client that waits for its answer; when it goes away, the server drops the call, and with it this.
struct Waiting<'a> {
    counter: &'a Counter,
    is_over: bool,
}

impl Waiting<'_> {
    fn over(mut self) {
        self.is_over = true;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.counter.count(Event::Abandoned);
        }
    }
}

pub(super) fn json_response(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// A reply of so many bytes that keeps to the format, if there is room for it.
fn fixed_reply(bytes: usize) -> String {
    let mut text = "Answer: 1\nAnalysis: (simulated) ".to_owned();
    text.extend("a fixed reply, made to measure speed. ".chars().cycle().take(bytes.saturating_sub(text.len())));
    text.truncate(bytes);
    text
}
