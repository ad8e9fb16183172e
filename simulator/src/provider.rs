//! A simulated model provider: a real HTTP server that speaks OpenAI's chat completions API.
//!
//! Says of itself that it is simulated in every reply (`system_fingerprint`, the header `x-valuesim-simulated`).
//! What it replies follows from the conversation, the model's name and the seed, never from order or time; what it
//! does wrong (errors, hangs, cuts) follows from these and from how often the prompt came, so that a retry gets
//! through in the end.
//!
//! ```text
//! request -> key, size, JSON, model -> gate (limits) -> person -> cache -> latency -> reply gate -> fault or reply
//!            401  413   400   404      429                                          (for tests)   500, 503, silence, cut, 200
//! ```
//!
//! Tokens are counted by a fixed rule, 4.6 bytes each. Limits hold strictly in every sliding window. Calls that were
//! refused with 429 do not count against them.

mod cache;
mod cut;
mod fault;
mod gate;
mod headers;
mod options;
mod problem;
mod prompts;
mod reply;
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

pub use options::{CacheRule, Latency, OptionsError, ProviderOptions};
use server::Desk;
pub use stats::{Stats, TokenStats, WindowStats};

/// How long [`Provider::stop`] waits for replies that are under way.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// A running server. Takes no more connections once it is dropped.
#[derive(Debug)]
pub struct Provider {
    address: SocketAddr,
    desk: Arc<Desk>,
    server: JoinHandle<io::Result<()>>,
    stop: DropGuard,
}

impl Provider {
    /// Starts a server on `listen`; port 0 finds a free one. The codebook is what its person reads profiles with.
    ///
    /// Fails when the address cannot be listened on, and with [`io::ErrorKind::InvalidInput`] and an
    /// [`OptionsError`] inside when the options make no sense.
    pub async fn start(listen: SocketAddr, options: ProviderOptions, codebook: Arc<Codebook>) -> io::Result<Self> {
        options.check().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let desk = Arc::new(Desk::new(options, codebook, stop.clone()));
        // Replies are small: held back to be sent with later ones, each would wait for the client's next packet.
        let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
        let server = axum::serve(listener, server::router(Arc::clone(&desk)));
        let server = server.with_graceful_shutdown(stop.clone().cancelled_owned());
        let server = tokio::spawn(server.into_future());
        Ok(Self { address, desk, server, stop: stop.drop_guard() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a client takes as the base of its URLs: `http://127.0.0.1:PORT/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// What it has done so far: the same as `GET /stats`.
    pub fn stats(&self) -> Stats {
        self.desk.stats()
    }

    /// From now on answers the prompts that it rejected so far.
    pub fn mend(&self) {
        self.desk.mend();
    }

    /// Sends so many replies in all, counted from the start; later calls stay in flight until [`Provider::release`] or a
    /// higher limit.
    pub fn hold_after(&self, replies: u64) {
        self.desk.reply_gate().close_after(replies);
    }

    /// Sends all replies again, first those that were held.
    pub fn release(&self) {
        self.desk.reply_gate().open();
    }

    /// Stops listening, ends hanging calls, and waits up to two seconds for the replies that are under way.
    pub async fn stop(self) {
        drop(self.stop);
        let abort = self.server.abort_handle();
        if tokio::time::timeout(STOP_PATIENCE, self.server).await.is_err() {
            abort.abort();
        }
    }
}
