//! A provider that replies by a fixed rule, records every request, and can pause its replies.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// A limit for hangs: how long requests may take to arrive.
const TIMEOUT: Duration = Duration::from_mins(2);

/// Gives the reply to the first message of a conversation.
pub(crate) type Rule = fn(&str) -> String;

/// A running server. Dropping it stops it.
pub(crate) struct Recorder {
    runtime: Runtime,
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    rule: Rule,
    /// The model that replies name, instead of the one that was asked.
    reported: Option<String>,
    /// What it says instead of any reply.
    refusal: Option<String>,
    requests: Mutex<Vec<Value>>,
    arrived: watch::Sender<usize>,
    /// How many of the requests may be answered; later ones wait.
    answered: watch::Sender<usize>,
}

impl Recorder {
    pub(crate) fn start(rule: Rule) -> Self {
        Self::serve(rule, None, None)
    }

    /// One whose replies name this model.
    pub(crate) fn reporting(rule: Rule, model: &str) -> Self {
        Self::serve(rule, Some(model.to_owned()), None)
    }

    /// One that refuses every key with this message.
    pub(crate) fn refusing(message: &str) -> Self {
        Self::serve(|_| String::new(), None, Some(message.to_owned()))
    }

    fn serve(rule: Rule, reported: Option<String>, refusal: Option<String>) -> Self {
        let shared = Arc::new(Shared {
            rule,
            reported,
            refusal,
            requests: Mutex::default(),
            arrived: watch::Sender::new(0),
            answered: watch::Sender::new(usize::MAX),
        });
        let router = Router::new().route("/v1/chat/completions", post(chat)).with_state(Arc::clone(&shared));
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { runtime, address, shared }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Removes and returns the bodies of all requests so far.
    pub(crate) fn take(&self) -> Vec<Value> {
        self.shared.arrived.send_replace(0);
        std::mem::take(&mut *self.shared.requests.lock().unwrap())
    }

    /// Answers this many requests, counted from the start or the last [`Self::take`]; later ones wait for
    /// [`Self::resume_replies`].
    pub(crate) fn pause_replies_after(&self, requests: usize) {
        self.shared.answered.send_replace(requests);
    }

    /// Answers all requests again, beginning with those that wait.
    pub(crate) fn resume_replies(&self) {
        self.shared.answered.send_replace(usize::MAX);
    }

    /// Waits until this many requests have arrived.
    #[track_caller]
    pub(crate) fn wait_for(&self, requests: usize) {
        let mut arrived = self.shared.arrived.subscribe();
        let enough = self.runtime.block_on(async {
            tokio::time::timeout(TIMEOUT, arrived.wait_for(|&arrived| arrived >= requests)).await.is_ok()
        });
        assert!(enough, "expected {requests} requests, but only {} arrived", *self.shared.arrived.borrow());
    }
}

async fn chat(State(shared): State<Arc<Shared>>, Json(body): Json<Value>) -> (StatusCode, Json<Value>) {
    if let Some(message) = &shared.refusal {
        return (StatusCode::UNAUTHORIZED, Json(json!({"error": {"message": message, "code": "invalid_api_key"}})));
    }
    let content = (shared.rule)(body["messages"][0]["content"].as_str().unwrap());
    let reply = json!({
        "model": shared.reported.as_ref().map_or_else(|| body["model"].clone(), |model| json!(model)),
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    });
    shared.requests.lock().unwrap().push(body);
    let mut number = 0;
    shared.arrived.send_modify(|arrived| {
        *arrived += 1;
        number = *arrived;
    });
    let waiting = shared.answered.subscribe().wait_for(|&answered| number <= answered).await.map(drop);
    waiting.expect("the recorder keeps the sender");
    (StatusCode::OK, Json(reply))
}
