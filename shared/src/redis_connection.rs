//! A connection to a Redis or Valkey server that comes back by itself.
//!
//! One TCP connection carries the commands of everybody in the process, many under way at once. A task of its own keeps
//! it up; whoever has a command to run waits while it is down.
//!
//! ```text
//! store, control ── run ──> connection ──> server
//!                    ^          ^
//!           waits while it      keeper: connects, asks once a second whether it lives, says what is wrong
//! ```
//!
//! What passes by itself is waited for: a server that is away, is loading its data, has no memory left, has become a
//! replica or cannot write to its disk. A command whose answer was lost with the connection is sent again, so commands
//! must bear to be carried out twice. What does not pass (a wrong password, a right that is missing) is an error: at
//! once when the first connection is made, later when the server has said so for a while.
//!
//! The server is one server, or what stands in front of one: a proxy, or a name that follows the primary. A Redis Cluster
//! is refused with words; the keys are laid out for one all the same.

mod address;
mod backoff;
mod error;
pub mod key;
mod reconnect;
mod run;
mod server;

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

pub use address::Address;
pub use error::RedisConnectionError;
pub(crate) use run::Answers;

/// How long one answer may take. A server that forks or writes its log to a slow disk takes a second or two.
const RESPONSE_LIMIT: Duration = Duration::from_secs(5);

/// How long it may take to connect, name and cryptography included.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// A connection to a server. Cheap to clone; clones share the connection.
#[derive(Debug, Clone)]
pub struct RedisConnection {
    shared: Arc<Shared>,
    _keeper: Arc<AbortOnDropHandle<()>>,
}

/// How a connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisConnectionState {
    /// The server answers.
    Connected,
    /// The server cannot be reached; commands wait.
    Unreachable {
        /// Since when.
        since: Instant,
        /// Why, as far as it is known.
        reason: String,
    },
    /// The server answers, but will not do what it is told for now; commands wait.
    Refusing {
        /// Since when.
        since: Instant,
        /// Why, and what to do.
        reason: String,
    },
}

struct Shared {
    address: Address,
    line: watch::Sender<Line>,
    state: watch::Sender<RedisConnectionState>,
    warnings: Vec<String>,
}

/// The connection, as far as there is one.
#[derive(Clone)]
enum Line {
    Down,
    Up {
        /// Tells it from those before.
        number: u64,
        connection: MultiplexedConnection,
    },
    /// The server will not have us: waiting does not help.
    Barred(RedisConnectionError),
}

impl RedisConnection {
    /// Connects, for as long as `patience` while the server is away. What will not pass is an error at once.
    pub async fn connect(address: &Address, patience: Duration) -> Result<Self, RedisConnectionError> {
        let opened = reconnect::connect(address, patience).await?;
        for warning in &opened.warnings {
            tracing::warn!(server = %address, "{warning}");
        }
        let line = Line::Up { number: 0, connection: opened.connection };
        let shared = Arc::new(Shared {
            address: address.clone(),
            line: watch::Sender::new(line),
            state: watch::Sender::new(RedisConnectionState::Connected),
            warnings: opened.warnings,
        });
        let keeper = tokio::spawn(reconnect::keep(Arc::clone(&shared)));
        Ok(Self { shared, _keeper: Arc::new(AbortOnDropHandle::new(keeper)) })
    }

    /// How the connection is now.
    pub fn state(&self) -> RedisConnectionState {
        self.shared.state.borrow().clone()
    }

    /// How the connection is from now on.
    pub fn states(&self) -> watch::Receiver<RedisConnectionState> {
        self.shared.state.subscribe()
    }

    /// The server's address, without a password.
    pub fn address(&self) -> &Address {
        &self.shared.address
    }

    /// What was wrong with the server's settings at the start, a sentence each; also logged.
    pub fn warnings(&self) -> &[String] {
        &self.shared.warnings
    }
}

impl RedisConnectionState {
    /// Whether commands are carried out.
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Connected)
    }

    /// What is wrong, if anything is. Without how long that has lasted, so that all who see it say the same.
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
    /// Gives the line with this number up, so that the keeper makes another. Nothing, if that has been done.
    fn give_up_line(&self, broken: u64, reason: String) {
        self.line.send_if_modified(|line| {
            let is_broken = matches!(line, Line::Up { number, .. } if *number == broken);
            if is_broken {
                // Before anybody can see that the line is down and mend it.
                self.is_unreachable(reason);
                *line = Line::Down;
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
