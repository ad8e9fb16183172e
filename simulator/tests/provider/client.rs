//! A client with its own simulated provider.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use valuesim_shared::codebook::Codebook;
use valuesim_simulator::provider::{Provider, ProviderOptions, Stats};

static CODEBOOK: LazyLock<Arc<Codebook>> = LazyLock::new(|| Arc::new(Codebook::built_in()));

/// A running provider and an HTTP client for it.
pub(crate) struct Client {
    http: reqwest::Client,
    pub(crate) provider: Provider,
}

impl Client {
    /// Starts a provider on a free port.
    pub(crate) async fn start(options: ProviderOptions) -> Self {
        // Fails if another test of this process has already installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let provider = Provider::start(listen, options, Arc::clone(&CODEBOOK)).await.unwrap();
        Self { http: reqwest::Client::builder().no_proxy().build().unwrap(), provider }
    }

    /// Sends a body unchanged.
    pub(crate) async fn post(&self, body: impl Into<reqwest::Body>) -> Response {
        self.try_post(body, "any").await.unwrap()
    }

    /// Sends a body with a key; fails if the connection fails.
    pub(crate) async fn try_post(&self, body: impl Into<reqwest::Body>, key: &str) -> reqwest::Result<Response> {
        let url = format!("{}/chat/completions", self.provider.base_url());
        self.http.post(url).bearer_auth(key).body(body).send().await
    }

    /// Sends a prompt and returns the HTTP response.
    pub(crate) async fn respond(&self, prompt: &str) -> Response {
        self.post(body(prompt).to_string()).await
    }

    /// Sends a prompt and returns the completion.
    pub(crate) async fn ask(&self, prompt: &str) -> Value {
        completion(self.respond(prompt).await).await
    }

    /// Sends a prompt and returns the text of the reply.
    pub(crate) async fn ask_for_text(&self, prompt: &str) -> String {
        content(&self.ask(prompt).await).to_owned()
    }

    /// Requests another path of the server, such as `/stats`.
    pub(crate) async fn get(&self, path: &str) -> Response {
        self.http.get(format!("http://{}{path}", self.provider.address())).send().await.unwrap()
    }

    /// Sends a body to another path of the server, such as `/limits`.
    pub(crate) async fn post_to(&self, path: &str, body: impl Into<reqwest::Body>) -> Response {
        self.http.post(format!("http://{}{path}", self.provider.address())).body(body).send().await.unwrap()
    }

    /// The statistics over HTTP.
    pub(crate) async fn stats(&self) -> Stats {
        serde_json::from_slice(&self.get("/stats").await.bytes().await.unwrap()).unwrap()
    }

    /// Resets the statistics.
    pub(crate) async fn reset(&self) -> StatusCode {
        let url = format!("http://{}/stats/reset", self.provider.address());
        self.http.post(url).send().await.unwrap().status()
    }
}

/// The request for one prompt.
pub(crate) fn body(prompt: &str) -> Value {
    json!({"model": "gpt-sim", "messages": [{"role": "user", "content": prompt}], "temperature": 0})
}

/// The body of a successful response.
pub(crate) async fn completion(response: Response) -> Value {
    let (status, bytes) = (response.status(), response.bytes().await.unwrap());
    assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&bytes));
    serde_json::from_slice(&bytes).unwrap()
}

/// The text of a completion.
pub(crate) fn content(completion: &Value) -> &str {
    completion["choices"][0]["message"]["content"].as_str().unwrap()
}
