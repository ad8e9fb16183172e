//! A connection to a Redis or Valkey server that reconnects by itself.
//!
//! One TCP connection carries all commands of the process, many in flight at once. A background task keeps it open; commands
//! wait while it is down.
//!
//! ```text
//! store, control ── run ──> connection ──> server
//!                    ^          ^
//!           waits while it      reconnector: connects, pings once a second, reports problems
//! ```
//!
//! Temporary problems are waited for: a server that is unreachable, is loading its data, has no memory left, has become a
//! replica or cannot write to its disk. A command whose answer was lost with the connection is sent again, so commands must
//! be idempotent. Permanent problems (a wrong password, a missing permission) are errors: at once on the first connection,
//! later once the server has refused for a while.
//!
//! The server is a single server, or a proxy or DNS name in front of one. A Redis Cluster is refused with an explanation,
//! although the keys are laid out for one.

mod address;
mod backoff;
mod error;
pub mod key;
mod metrics;
mod reconnect;
mod run;
mod server;

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::telemetry::Registry;

pub use address::Address;
pub use error::RedisConnectionError;
use metrics::CommandMetrics;
pub(crate) use run::Answers;

/// How long one answer may take. A server that forks, or writes its log to a slow disk, takes a second or two.
const RESPONSE_LIMIT: Duration = Duration::from_secs(5);

/// How long connecting may take, including name resolution and TLS.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// A connection to a server. Cheap to clone; clones share the connection.
#[derive(Debug, Clone)]
pub struct RedisConnection {
    shared: Arc<Shared>,
    _reconnector: Arc<AbortOnDropHandle<()>>,
}

/// The state of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisConnectionState {
    /// The server answers.
    Connected,
    /// The server cannot be reached; commands wait.
    Unreachable {
        /// Since when.
        since: Instant,
        /// Why, as far as known.
        reason: String,
    },
    /// The server answers, but refuses commands for now; commands wait.
    Refusing {
        /// Since when.
        since: Instant,
        /// Why, and what to do.
        reason: String,
    },
}

struct Shared {
    address: Address,
    live: watch::Sender<LiveConnection>,
    state: watch::Sender<RedisConnectionState>,
    warnings: Vec<String>,
    metrics: CommandMetrics,
}

/// The current connection, if there is one.
#[derive(Clone)]
enum LiveConnection {
    Down,
    Up {
        /// Distinguishes it from earlier connections.
        number: u64,
        connection: MultiplexedConnection,
    },
    /// The server rejects this client permanently.
    Rejected(RedisConnectionError),
}

impl RedisConnection {
    /// Connects, retrying for up to `patience` while the server is unreachable. Fails at once on a permanent problem.
    pub async fn connect(address: &Address, patience: Duration) -> Result<Self, RedisConnectionError> {
        let opened = reconnect::connect(address, patience).await?;
        for warning in &opened.warnings {
            tracing::warn!(server = %address, "{warning}");
        }
        let live = LiveConnection::Up { number: 0, connection: opened.connection };
        let shared = Arc::new(Shared {
            address: address.clone(),
            live: watch::Sender::new(live),
            state: watch::Sender::new(RedisConnectionState::Connected),
            warnings: opened.warnings,
            metrics: CommandMetrics::new(),
        });
        let reconnector = tokio::spawn(reconnect::keep(Arc::clone(&shared)));
        Ok(Self { shared, _reconnector: Arc::new(AbortOnDropHandle::new(reconnector)) })
    }

    /// The current state of the connection.
    pub fn state(&self) -> RedisConnectionState {
        self.shared.state.borrow().clone()
    }

    /// The states of the connection from now on.
    pub fn states(&self) -> watch::Receiver<RedisConnectionState> {
        self.shared.state.subscribe()
    }

    /// Serves the metrics of this connection. Call it once for each registry.
    pub(crate) fn register(&self, registry: &Registry) {
        self.shared.metrics.register(registry);
    }

    /// The server's address, without a password.
    pub fn address(&self) -> &Address {
        &self.shared.address
    }

    /// Problems with the server's settings at the start, a sentence each. They are logged, too.
    pub fn warnings(&self) -> &[String] {
        &self.shared.warnings
    }
}

impl RedisConnectionState {
    /// Whether the server carries out commands.
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Connected)
    }

    /// What is wrong, if anything is. It does not say for how long, so that all processes report the same text.
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::Connected => None,
            Self::Unreachable { reason, .. } => Some(format!("the store cannot be reached: {reason}")),
            Self::Refusing { reason, .. } => Some(format!("the store does not do what it is told: {reason}")),
        }
    }
}

impl std::fmt::Display for RedisConnectionState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connected => f.write_str("connected"),
            Self::Unreachable { since, reason } => {
                write!(f, "unreachable for {} s: {reason}", since.elapsed().as_secs())
            }
            Self::Refusing { since, reason } => write!(f, "waiting for {} s: {reason}", since.elapsed().as_secs()),
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Shared {
    /// Gives up the connection with this number, so that the reconnector opens another. Does nothing if it was given up already.
    fn give_up(&self, broken: u64, reason: String) {
        self.live.send_if_modified(|live| {
            let is_broken = matches!(live, LiveConnection::Up { number, .. } if *number == broken);
            if is_broken {
                // First the state, so that the reconnector cannot reconnect and report that before it.
                self.is_unreachable(reason);
                *live = LiveConnection::Down;
            }
            is_broken
        });
    }

    fn is_connected(&self) {
        self.state.send_if_modified(|state| {
            let changed = !state.is_connected();
            if changed {
                tracing::info!(server = %self.address, "the store answers again");
                *state = RedisConnectionState::Connected;
            }
            changed
        });
    }

    fn is_unreachable(&self, reason: String) {
        self.state.send_if_modified(|state| {
            let since = match state {
                RedisConnectionState::Unreachable { reason: known, .. } if *known == reason => return false,
                RedisConnectionState::Unreachable { since, .. } => *since,
                RedisConnectionState::Connected | RedisConnectionState::Refusing { .. } => Instant::now(),
            };
            tracing::warn!(server = %self.address, %reason, "the store cannot be reached; waiting for it");
            *state = RedisConnectionState::Unreachable { since, reason };
            true
        });
    }

    fn is_refusing(&self, reason: String) {
        self.state.send_if_modified(|state| {
            if matches!(state, RedisConnectionState::Refusing { reason: known, .. } if *known == reason) {
                return false;
            }
            tracing::warn!(server = %self.address, %reason, "the store does not do what it is told; waiting");
            *state = RedisConnectionState::Refusing { since: Instant::now(), reason };
            true
        });
    }
}
