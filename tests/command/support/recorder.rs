//! A provider that replies by a fixed rule, remembers every request, and can hold replies back.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// How long requests may take to come; far more than they ever do.
const PATIENCE: Duration = Duration::from_mins(2);

/// The rule: a reply to the first message of a conversation.
pub(crate) type Rule = fn(&str) -> String;

/// A running server; it ends when it is dropped.
pub(crate) struct Recorder {
    runtime: Runtime,
    address: SocketAddr,
    desk: Arc<Desk>,
}

struct Desk {
    rule: Rule,
    requests: Mutex<Vec<Value>>,
    arrived: watch::Sender<usize>,
    /// How many of the requests are answered; later ones wait.
    answered: watch::Sender<usize>,
}

impl Recorder {
    pub(crate) fn start(rule: Rule) -> Self {
        let desk = Arc::new(Desk {
            rule,
            requests: Mutex::default(),
            arrived: watch::Sender::new(0),
            answered: watch::Sender::new(usize::MAX),
        });
        let router = Router::new().route("/v1/chat/completions", post(chat)).with_state(Arc::clone(&desk));
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { runtime, address, desk }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The bodies of all requests so far, which are then forgotten.
    pub(crate) fn take(&self) -> Vec<Value> {
        self.desk.arrived.send_replace(0);
        std::mem::take(&mut *self.desk.requests.lock().unwrap())
    }

    /// Answers only the first requests from now on; the others wait for [`Self::release`].
    pub(crate) fn hold_after(&self, requests: usize) {
        self.desk.answered.send_replace(requests);
    }

    pub(crate) fn release(&self) {
        self.desk.answered.send_replace(usize::MAX);
    }

    /// Waits until so many requests have come.
    #[track_caller]
    pub(crate) fn wait_for(&self, requests: usize) {
        let mut arrived = self.desk.arrived.subscribe();
        let enough = self.runtime.block_on(async {
            tokio::time::timeout(PATIENCE, arrived.wait_for(|&arrived| arrived >= requests)).await.is_ok()
        });
        assert!(enough, "expected {requests} requests, only {} came", *self.desk.arrived.borrow());
    }
}

async fn chat(State(desk): State<Arc<Desk>>, Json(body): Json<Value>) -> Json<Value> {
    let content = (desk.rule)(body["messages"][0]["content"].as_str().unwrap());
    let reply = json!({
        "model": body["model"],
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    });
    desk.requests.lock().unwrap().push(body);
    let mut number = 0;
    desk.arrived.send_modify(|arrived| {
        *arrived += 1;
        number = *arrived;
    });
    let waiting = desk.answered.subscribe().wait_for(|&answered| number <= answered).await.map(drop);
    waiting.expect("the desk keeps the sender");
    Json(reply)
}
