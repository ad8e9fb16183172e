//! A simulated model provider: a real HTTP server that speaks OpenAI's APIs of chat completions and embeddings.
//!
//! Every reply says that it is simulated (`system_fingerprint`, the header `x-valuesim-simulated`). Replies depend on
//! the conversation, the model's name and the seed, never on order or time. Faults (errors, hangs, cut connections)
//! also depend on how often the prompt was sent, so a retry succeeds eventually.
//!
//! ```text
//! request -> key, size, JSON, model -> rate limits -> person -> cache -> latency -> reply gate -> fault or reply
//!            401  413   400   404      429                                      (for tests)   500, 503, hang, cut, 200
//! ```
//!
//! A token is always 4.6 bytes. Limits hold strictly in every sliding window, or as token buckets; `POST /limits` changes
//! them while it runs. Calls refused with 429 count against them only if the options say so.

mod api_error;
mod bucket;
mod cache;
mod completion;
mod cut;
mod embedding;
mod fault;
mod headers;
mod limits;
mod options;
mod playing;
mod prompt_history;
mod rate_limiter;
mod replay;
mod replicas;
mod reply_gate;
mod request;
mod server;
mod stats;
mod tokens;
mod window;

use std::future::IntoFuture;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use valuesim_shared::codebook::Codebook;

pub use limits::{LimitsChange, ProviderLimits};
pub use options::{CacheRule, Latency, LimitRule, OptionsError, ProviderOptions, TokenCount};
pub use replay::{Case, Cases, CasesError, To};
use server::ProviderState;
pub use stats::{Stats, TokenStats, WindowStats};

/// How long [`Provider::stop`] waits for replies in progress.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// A running server. Accepts no more connections once it is dropped.
#[derive(Debug)]
pub struct Provider {
    address: SocketAddr,
    state: Arc<ProviderState>,
    server: JoinHandle<io::Result<()>>,
    stop: DropGuard,
}

impl Provider {
    /// Starts a server on `listen`; port 0 selects a free port. The simulated person reads profiles with the codebook.
    ///
    /// Fails if it cannot listen on the address, and with [`io::ErrorKind::InvalidInput`], which contains an
    /// [`OptionsError`], if the options are invalid.
    pub async fn start(listen: SocketAddr, options: ProviderOptions, codebook: Arc<Codebook>) -> io::Result<Self> {
        options.check().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let state = Arc::new(ProviderState::new(options, codebook, stop.clone()));
        // With Nagle's algorithm, small replies would wait for the client's next packet.
        let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
        let server = axum::serve(listener, server::router(Arc::clone(&state)));
        let server = server.with_graceful_shutdown(stop.clone().cancelled_owned());
        let server = tokio::spawn(server.into_future());
        Ok(Self { address, state, server, stop: stop.drop_guard() })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL for clients: `http://127.0.0.1:PORT/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The base URL at which one case is played: `http://127.0.0.1:PORT/cases/N/v1`. Cases count from 1.
    pub fn case_url(&self, case: usize) -> String {
        format!("http://{}/cases/{case}/v1", self.address)
    }

    /// The base URL of one replica: `http://127.0.0.1:PORT/replicas/N/v1`. Replicas count from 0.
    pub fn replica_url(&self, replica: u32) -> String {
        format!("http://{}/replicas/{replica}/v1", self.address)
    }

    /// Changes the limits from now on; the same as `POST /limits`. Returns the limits in force.
    pub fn change_limits(&self, change: LimitsChange) -> Result<ProviderLimits, OptionsError> {
        self.state.change_limits(change)
    }

    /// The statistics so far; the same as `GET /stats`.
    pub fn stats(&self) -> Stats {
        self.state.stats()
    }

    /// From now on, answers the prompts that it rejected because of `bad_request_rate`.
    pub fn accept_rejected_prompts(&self) {
        self.state.accept_rejected_prompts();
    }

    /// Sends this many replies in total, counted from the start, and then no more: later calls stay in flight until
    /// [`Provider::resume_replies`] or a higher limit.
    pub fn pause_replies_after(&self, replies: u64) {
        self.state.reply_gate().close_after(replies);
    }

    /// Sends all replies again, beginning with those that wait.
    pub fn resume_replies(&self) {
        self.state.reply_gate().open();
    }

    /// Stops listening, ends hanging calls, and waits up to two seconds for the replies in progress.
    pub async fn stop(self) {
        drop(self.stop);
        let abort = self.server.abort_handle();
        if tokio::time::timeout(STOP_TIMEOUT, self.server).await.is_err() {
            abort.abort();
        }
    }
}
