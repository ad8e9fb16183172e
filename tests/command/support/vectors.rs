//! A server of embeddings that answers by a rule and counts the texts that it receives.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// Gives the status and body of the response to a request with these texts, which arrives after this many others.
pub(crate) type Rule = fn(&[String], usize) -> (u16, String);

/// The length of each [`vector`].
const DIMENSIONS: usize = 16;

/// A running server. Dropping it stops it.
pub(crate) struct VectorServer {
    _runtime: Runtime,
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    rule: Rule,
    key: Option<&'static str>,
    /// How often each text arrived, and how many requests did.
    seen: Mutex<(HashMap<String, usize>, usize)>,
}

impl VectorServer {
    pub(crate) fn start(rule: Rule) -> Self {
        Self::with_key(rule, None)
    }

    /// A server that accepts only this key.
    pub(crate) fn with_key(rule: Rule, key: Option<&'static str>) -> Self {
        let shared = Arc::new(Shared { rule, key, seen: Mutex::default() });
        let router = Router::new().route("/v1/embeddings", post(embed)).with_state(Arc::clone(&shared));
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { _runtime: runtime, address, shared }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// How often each text was sent.
    pub(crate) fn texts(&self) -> HashMap<String, usize> {
        self.shared.seen.lock().unwrap().0.clone()
    }

    pub(crate) fn requests(&self) -> usize {
        self.shared.seen.lock().unwrap().1
    }
}

async fn embed(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["encoding_format"], Value::Null, "the encoding is not asked for");
    let key = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Some(wanted) = shared.key.filter(|wanted| key != Some(&format!("Bearer {wanted}"))) {
        let message = format!("Incorrect API key, expected another than {wanted}");
        let error = json!({"error": {"message": message, "code": "invalid_api_key"}});
        return (StatusCode::UNAUTHORIZED, error.to_string()).into_response();
    }
    let texts: Vec<String> = serde_json::from_value(body["input"].clone()).unwrap();
    let before = {
        let mut seen = shared.seen.lock().unwrap();
        for text in &texts {
            *seen.0.entry(text.clone()).or_default() += 1;
        }
        seen.1 += 1;
        seen.1 - 1
    };
    let (status, body) = (shared.rule)(&texts, before);
    (StatusCode::from_u16(status).unwrap(), [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// The vector of a text, which `tests/fixtures/reference/make.py` computes in the same way.
pub(crate) fn vector(text: &str) -> Vec<f64> {
    Sha256::digest(text)[..DIMENSIONS].iter().map(|byte| f64::from(*byte) - 100.0).collect()
}

/// A response with these vectors.
pub(crate) fn response(vectors: impl IntoIterator<Item = Value>) -> (u16, String) {
    let data: Vec<Value> =
        (0..).zip(vectors).map(|(index, vector): (u32, Value)| json!({"index": index, "embedding": vector})).collect();
    (200, json!({"data": data, "model": "m-1", "usage": {"prompt_tokens": 10, "total_tokens": 10}}).to_string())
}

/// The rule of a server without faults.
pub(crate) fn sound(texts: &[String], _before: usize) -> (u16, String) {
    response(texts.iter().map(|text| json!(vector(text))))
}
