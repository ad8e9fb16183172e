//! Answers the requests of a simulated provider.

mod play;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::{Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use secrecy::ExposeSecret;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use valuesim_shared::codebook::Codebook;

use super::api_error::ApiError;
use super::cache::{Lookup, PrefixCache};
use super::completion::{self, CallTokens, json_response};
use super::cut;
use super::embedding;
use super::fault::{self, Fault, ReplyMessage};
use super::headers;
use super::limits::{LimitsChange, ProviderLimits};
use super::options::{OptionsError, ProviderOptions, TokenCount};
use super::playing::Playing;
use super::prompt_history::PromptHistory;
use super::rate_limiter::RateLimiter;
use super::replicas::{Replicas, Route};
use super::reply_gate::ReplyGate;
use super::request::{self, ChatRequest};
use super::stats::{Counter, Event, Stats};
use super::tokens;
use crate::person::{Conversation, Kind, Person};

/// The state of a running provider.
#[derive(Debug)]
pub(crate) struct ProviderState {
    options: ProviderOptions,
    source: ReplySource,
    limiter: RateLimiter,
    replicas: Replicas,
    prompts: PromptHistory,
    counter: Counter,
    stop: CancellationToken,
    cases: Vec<Playing>,
    reply_gate: ReplyGate,
    /// Whether prompts that `bad_request_rate` rejects are answered now.
    accepts_rejected_prompts: AtomicBool,
}

/// The source of replies.
#[derive(Debug)]
enum ReplySource {
    Person(Box<Person>),
    Fixed { reply: String, story: String },
}

/// How the response to a call that did not fail is sent.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Reply,
    /// Its connection is cut in the middle.
    Cut,
}

/// An admitted call.
#[derive(Debug, Clone, Copy)]
struct Call<'a> {
    model: &'a str,
    digest: u128,
    attempt: u64,
    tokens: CallTokens,
}

/// The routes of the provider.
pub(crate) fn router(state: Arc<ProviderState>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/replicas/{replica}/v1/chat/completions", post(chat_at_replica))
        .route("/cases/{case}/v1/chat/completions", post(play::chat_of_case))
        .route("/v1/embeddings", post(embeddings))
        .route("/v1/models", get(models))
        .route("/stats", get(stats))
        .route("/stats/reset", post(reset))
        .route("/limits", get(limits).post(change_limits))
        .route("/healthz", get(|| async { "ok\n" }))
        .fallback(unknown)
        .with_state(state)
}

async fn chat(State(state): State<Arc<ProviderState>>, request: Request) -> Response {
    state.counter.count(Event::Requested);
    let only = if state.cases.len() == 1 { Some(0) } else { None };
    let response = state.chat(request, None, only).await;
    state.finished(response)
}

async fn chat_at_replica(
    State(state): State<Arc<ProviderState>>,
    Path(replica): Path<usize>,
    request: Request,
) -> Response {
    state.counter.count(Event::Requested);
    let response = if state.replicas.has(replica) {
        state.chat(request, Some(replica), None).await
    } else {
        Err(ApiError::UnknownUrl(request.uri().path().to_owned()))
    };
    state.finished(response)
}

async fn embeddings(State(state): State<Arc<ProviderState>>, request: Request) -> Response {
    state.counter.count(Event::Requested);
    let response = state.embed(request).await;
    state.finished(response)
}

async fn models(State(state): State<Arc<ProviderState>>, headers: HeaderMap) -> Response {
    let names = state.options.models.clone().unwrap_or_else(|| vec!["simulated".to_owned()]);
    let model = |id| json!({"id": id, "object": "model", "created": 0, "owned_by": "valuesim-simulator"});
    let data: Vec<_> = names.into_iter().map(model).collect();
    let response = state.authorize(&headers).map(|()| Json(json!({"object": "list", "data": data})).into_response());
    state.finished(response)
}

async fn stats(State(state): State<Arc<ProviderState>>) -> Json<Stats> {
    Json(state.stats())
}

async fn reset(State(state): State<Arc<ProviderState>>, headers: HeaderMap) -> Response {
    let response = state.authorize(&headers).map(|()| {
        state.counter.reset();
        state.limiter.reset_peak();
        state.prompts.reset();
        StatusCode::NO_CONTENT.into_response()
    });
    response.unwrap_or_else(ApiError::into_response)
}

async fn limits(State(state): State<Arc<ProviderState>>) -> Json<ProviderLimits> {
    Json(state.limiter.limits())
}

async fn change_limits(State(state): State<Arc<ProviderState>>, headers: HeaderMap, body: Bytes) -> Response {
    let changed = state.authorize(&headers).and_then(|()| {
        let change = serde_json::from_slice(&body).map_err(|error| ApiError::Unreadable(error.to_string()))?;
        state.change_limits(change).map_err(|error| ApiError::Unreadable(error.to_string()))
    });
    changed.map_or_else(ApiError::into_response, |limits| Json(limits).into_response())
}

async fn unknown(State(state): State<Arc<ProviderState>>, uri: Uri) -> Response {
    state.finished(Err(ApiError::UnknownUrl(uri.path().to_owned())))
}

impl ProviderState {
    pub(crate) fn new(options: ProviderOptions, codebook: Arc<Codebook>, stop: CancellationToken) -> Self {
        let source = match options.fixed_reply {
            Some(bytes) => ReplySource::Fixed {
                reply: fixed_reply(bytes),
                story: fixed_reply(options.fixed_story.unwrap_or(bytes)),
            },
            None => ReplySource::Person(Box::new(Person::new(codebook, options.seed))),
        };
        let limiter = RateLimiter::new(&options);
        let replicas = Replicas::new(&options);
        let prompts = PromptHistory::new(options.prompts_remembered);
        let cases = options.cases.iter().cloned().map(Playing::new).collect();
        Self {
            options,
            source,
            limiter,
            replicas,
            prompts,
            counter: Counter::default(),
            stop,
            cases,
            reply_gate: ReplyGate::default(),
            accepts_rejected_prompts: AtomicBool::new(false),
        }
    }

    pub(crate) fn accept_rejected_prompts(&self) {
        self.accepts_rejected_prompts.store(true, Ordering::Relaxed);
    }

    pub(crate) fn reply_gate(&self) -> &ReplyGate {
        &self.reply_gate
    }

    pub(crate) fn change_limits(&self, change: LimitsChange) -> Result<ProviderLimits, OptionsError> {
        self.limiter.change(change)
    }

    pub(crate) fn stats(&self) -> Stats {
        let window_ms = u64::try_from(self.limiter.window().as_millis()).unwrap_or(u64::MAX);
        self.counter.stats(self.limiter.traffic(), self.prompts.counts(), window_ms)
    }

    /// Counts an error, if there is one, and adds the headers.
    fn finished(&self, response: Result<Response, ApiError>) -> Response {
        let mut response = response.unwrap_or_else(|error| {
            self.counter.count(Event::Failed(error.status().as_u16()));
            let wait = error.retry_after().filter(|_| self.limiter.limits().retry_after);
            let mut response = error.into_response();
            headers::add_retry_after(response.headers_mut(), wait);
            response
        });
        headers::add(response.headers_mut(), self.limiter.remaining());
        response
    }

    async fn chat(&self, request: Request, replica: Option<usize>, case: Option<usize>) -> Result<Response, ApiError> {
        self.authorize(request.headers())?;
        let headers = request.headers().clone();
        let body = self.read(request).await?;
        let request = request::parse(&body)?;
        self.check_model(&request.conversation.model)?;
        let route = Route::of(replica, &headers, request.prompt_cache_key.as_deref());
        let Some(case) = case.map(|at| &self.cases[at]) else { return self.answer(&request, route).await };
        if let Some(response) = self.play(case, &request, &body) {
            return Ok(response);
        }
        self.answer(&request, route).await.inspect(|_| case.answered())
    }

    async fn embed(&self, request: Request) -> Result<Response, ApiError> {
        self.authorize(request.headers())?;
        let body = self.read(request).await?;
        let request = embedding::parse(&body)?;
        self.check_model(&request.model)?;
        self.counter.count(Event::Called(Kind::Embeddings));
        let (input, digest) = (request.tokens(), request.digest());
        let limited = |exceeded| ApiError::RateLimited { model: request.model.clone(), exceeded };
        let _in_flight = self.limiter.admit(input).map_err(limited)?;
        if fault::is_rejected(&self.options, digest) && !self.accepts_rejected_prompts.load(Ordering::Relaxed) {
            return Err(ApiError::Rejected);
        }
        let attempt = self.prompts.count_attempt(digest);
        let guard = AbandonGuard { counter: &self.counter, is_finished: false };
        let end = self.turn(digest, attempt).await;
        guard.finish();
        match end? {
            Turn::Cut => {
                self.counter.count(Event::Cut { tokens: input });
                Ok(cut::response(request.response()))
            }
            Turn::Reply => {
                self.prompts.answered(digest);
                self.counter.count(Event::Embedded { texts: request.texts.len() as u64, input });
                Ok(json_response(request.response().into()))
            }
        }
    }

    fn authorize(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let Some(key) = &self.options.api_key else { return Ok(()) };
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let is_right = given.and_then(|value| value.strip_prefix("Bearer ")) == Some(key.expose_secret());
        if is_right { Ok(()) } else { Err(ApiError::WrongKey) }
    }

    async fn read(&self, request: Request) -> Result<Bytes, ApiError> {
        let max = self.options.max_body_bytes;
        // An incomplete body gets the same error, which nobody reads: its sender is gone.
        to_bytes(request.into_body(), max).await.map_err(|_| ApiError::TooLarge(max))
    }

    fn check_model(&self, model: &str) -> Result<(), ApiError> {
        let is_known = self.options.models.as_ref().is_none_or(|models| models.iter().any(|known| known == model));
        if is_known { Ok(()) } else { Err(ApiError::UnknownModel(model.to_owned())) }
    }

    async fn answer(&self, request: &ChatRequest<'_>, route: Route<'_>) -> Result<Response, ApiError> {
        let ChatRequest { conversation, max_tokens, .. } = request;
        let kind = Kind::of(&conversation.messages);
        self.counter.count(Event::Called(kind));
        let text = conversation.text();
        let input = tokens::tokens(text.len());
        let limited = |exceeded| ApiError::RateLimited { model: conversation.model.to_string(), exceeded };
        // Check first, because generating the reply is expensive; admit the call once the reply's length is known.
        self.limiter.check(input).map_err(limited)?;
        let digest = conversation.digest();
        if fault::is_rejected(&self.options, digest) && !self.accepts_rejected_prompts.load(Ordering::Relaxed) {
            return Err(ApiError::Rejected);
        }
        let reply = fault::lengthened(&self.options, digest, self.reply(kind, conversation, digest));
        let message = fault::finish_reply(&self.options, digest, reply, *max_tokens);
        let output = tokens::tokens(message.content.as_deref().or(message.refusal).map_or(0, str::len));
        let counted = match self.options.token_count {
            TokenCount::Used => output,
            TokenCount::Requested => max_tokens.unwrap_or(output),
        };
        let _in_flight = self.limiter.admit(input.saturating_add(counted)).map_err(limited)?;

        let lookup = self.replicas.cache(route).map(|cache| (cache, cache.look_up(&text)));
        let cached_input = lookup.as_ref().map_or(0, |(_, lookup)| lookup.cached_tokens);
        let attempt = self.prompts.count_attempt(digest);
        let call =
            Call { model: &conversation.model, digest, attempt, tokens: CallTokens { input, cached_input, output } };
        let guard = AbandonGuard { counter: &self.counter, is_finished: false };
        let response = self.respond(call, &message, lookup).await;
        guard.finish();
        response
    }

    fn reply(&self, kind: Kind, conversation: &Conversation<'_>, digest: u128) -> String {
        match &self.source {
            ReplySource::Person(person) => person.reply(kind, &conversation.messages, digest),
            ReplySource::Fixed { story, .. } if kind == Kind::Story => story.clone(),
            ReplySource::Fixed { reply, .. } => reply.clone(),
        }
    }

    /// Waits for the latency, then sends the reply or fails with this call's fault.
    async fn respond(
        &self,
        call: Call<'_>,
        message: &ReplyMessage,
        lookup: Option<(&PrefixCache, Lookup)>,
    ) -> Result<Response, ApiError> {
        match self.turn(call.digest, call.attempt).await? {
            Turn::Cut => {
                self.counter.count(Event::Cut { tokens: call.tokens.input + call.tokens.output });
                Ok(cut::response(self.body(call, message)))
            }
            Turn::Reply => {
                if let Some((cache, lookup)) = lookup {
                    // Only now: a prompt in progress is not in the cache yet.
                    cache.insert(&lookup);
                }
                self.prompts.answered(call.digest);
                let CallTokens { input, cached_input, output } = call.tokens;
                self.counter.count(Event::Answered { input, cached_input, output, defect: message.defect });
                Ok(json_response(self.body(call, message).into()))
            }
        }
    }

    /// Waits for the latency, and until replies are sent; fails with this attempt's fault.
    async fn turn(&self, digest: u128, attempt: u64) -> Result<Turn, ApiError> {
        let latency = fault::latency(&self.options, digest, attempt);
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        // Paused replies end with the server, as hanging ones do.
        tokio::select! {
            biased;
            () = self.reply_gate.pass() => {}
            () = self.stop.cancelled() => {}
        }
        match fault::fault(&self.options, digest, attempt) {
            Some(Fault::Broken) => Err(ApiError::Broken),
            Some(Fault::Overloaded) => Err(ApiError::Overloaded),
            Some(Fault::Hang) => {
                self.counter.count(Event::Hung);
                self.stop.cancelled().await;
                Err(ApiError::Overloaded)
            }
            Some(Fault::Cut) => Ok(Turn::Cut),
            Some(Fault::Limited) => Err(ApiError::UsedUp),
            None => Ok(Turn::Reply),
        }
    }

    fn body(&self, call: Call<'_>, message: &ReplyMessage) -> Vec<u8> {
        completion::body(call.model, call.digest, message, (call.tokens, self.options.cache))
    }
}

/// Counts a call as abandoned if it is dropped before its end: when a client disconnects, the server drops the call.
struct AbandonGuard<'a> {
    counter: &'a Counter,
    is_finished: bool,
}

impl AbandonGuard<'_> {
    fn finish(mut self) {
        self.is_finished = true;
    }
}

impl Drop for AbandonGuard<'_> {
    fn drop(&mut self) {
        if !self.is_finished {
            self.counter.count(Event::Abandoned);
        }
    }
}

/// A reply of this many bytes, in the correct format if there is room for it.
fn fixed_reply(bytes: usize) -> String {
    let mut text = "Answer: 1\nAnalysis: (simulated) ".to_owned();
    text.extend("a fixed reply, made to measure speed. ".chars().cycle().take(bytes.saturating_sub(text.len())));
    text.truncate(bytes);
    text
}
