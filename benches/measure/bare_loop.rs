//! The bare loop: the minimum cost of sending the same requests with the same HTTP library.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Context as _;
use reqwest::Client;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde_json::json;
use tokio::task::JoinSet;

use crate::process::{Usage, finish, this_program};

/// The number of different bodies: as many as a cell has prompts, so that no reused body is still in the CPU cache.
const BODIES: usize = 175;

/// The cost and speed of a loop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BareLoop {
    pub(crate) cpu_seconds_per_call: f64,
    pub(crate) calls_per_second: f64,
}

/// Makes `calls` calls in a child process.
pub(crate) fn measure(url: &str, in_flight: usize, calls: usize, prompt_bytes: usize) -> anyhow::Result<BareLoop> {
    let numbers = [in_flight, calls, prompt_bytes].map(|number| number.to_string());
    let mut command = this_program(&["as-bare-loop", url])?;
    command.args(numbers);
    let (Usage { cpu_seconds, .. }, output) = finish(command)?;
    let seconds: f64 = output.trim().parse()?;
    Ok(BareLoop { cpu_seconds_per_call: cpu_seconds / calls as f64, calls_per_second: calls as f64 / seconds })
}

/// The role of the child process: makes the calls and prints how many seconds they took.
#[tokio::main]
pub(crate) async fn run(url: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let numbers: Vec<usize> = arguments.iter().map(|number| number.parse()).collect::<Result<_, _>>()?;
    let [in_flight, calls, prompt_bytes] = numbers[..] else {
        anyhow::bail!("expected three numbers, not {}", numbers.len())
    };
    let requests = Arc::new(Requests {
        client: client()?,
        url: format!("{url}/chat/completions"),
        bodies: (0..BODIES).map(|number| body(number, prompt_bytes)).collect(),
        calls,
        next: AtomicUsize::new(0),
    });
    let start = Instant::now();
    let mut loops = JoinSet::new();
    for _ in 0..in_flight {
        loops.spawn(Arc::clone(&requests).send_some());
    }
    while let Some(ended) = loops.join_next().await {
        ended??;
    }
    println!("{}", start.elapsed().as_secs_f64());
    Ok(())
}

/// A client with the engine's settings.
pub(crate) fn client() -> anyhow::Result<Client> {
    // Fails if a provider is already installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder().retry(reqwest::retry::never()).http1_only().tls_certs_only([]).no_proxy();
    builder.build().context("set up the HTTP client")
}

fn body(number: usize, bytes: usize) -> Vec<u8> {
    let words = format!("words of prompt {number}, ");
    let prompt: String = words.chars().cycle().take(bytes).collect();
    json!({"model": "m", "temperature": 0, "messages": [{"role": "user", "content": prompt}]}).to_string().into_bytes()
}

/// The requests that the concurrent loops share.
struct Requests {
    client: Client,
    url: String,
    bodies: Vec<Vec<u8>>,
    calls: usize,
    next: AtomicUsize,
}

impl Requests {
    async fn send_some(self: Arc<Self>) -> anyhow::Result<()> {
        loop {
            let call = self.next.fetch_add(1, Ordering::Relaxed);
            if call >= self.calls {
                return Ok(());
            }
            // The engine writes a body for each call, so the bare loop copies one.
            let body = self.bodies[call % BODIES].clone();
            let request =
                self.client.post(&self.url).header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let response = request.body(body).send().await?.error_for_status()?;
            response.bytes().await?;
        }
    }
}
