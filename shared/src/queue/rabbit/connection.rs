//! A connection that reconnects by itself: opens it, notices when it is lost, and opens it again.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::address::Address;
use super::backoff::Backoff;
use super::connect::{Refusal, connect};
use super::session::{Missed, Session};
use super::state::BrokerState;
use crate::queue::{QueueError, QueueName};

/// How long an operation waits for the connection if a person waits for the operation.
const OPERATOR_PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
enum ConnectionState {
    Up(Arc<Session>),
    Down {
        since: SystemTime,
        reason: String,
    },
    /// This side has closed the connection for good.
    Closed,
}

/// A connection to the broker that reconnects by itself. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct RabbitConnection {
    address: Arc<Address>,
    state: watch::Receiver<ConnectionState>,
}

impl RabbitConnection {
    /// Connects, retrying for up to `patience`, and keeps the connection open until `stop` is cancelled.
    pub(super) async fn open(
        address: Arc<Address>,
        name: String,
        patience: Duration,
        (stop, tasks): (&CancellationToken, &TaskTracker),
    ) -> Result<Self, QueueError> {
        let missed = Arc::default();
        let first = first_session((&address, &name), patience, &missed).await?;
        let (sender, state) = watch::channel(ConnectionState::Up(Arc::clone(&first)));
        let reconnector = Reconnector { address: Arc::clone(&address), name, state: sender, missed };
        let stop = stop.clone();
        tasks.spawn(async move {
            stop.run_until_cancelled(reconnector.keep(first)).await;
            reconnector.hang_up().await;
        });
        Ok(Self { address, state })
    }

    /// The current session; waits while disconnected. Fails once the connection is closed for good.
    pub(super) async fn session(&self, queue: &QueueName) -> Result<Arc<Session>, QueueError> {
        let closed = || QueueError::Closed(queue.clone());
        let mut state = self.state.clone();
        let state =
            state.wait_for(|state| !matches!(state, ConnectionState::Down { .. })).await.map_err(|_| closed())?;
        match &*state {
            ConnectionState::Up(session) => Ok(Arc::clone(session)),
            ConnectionState::Down { .. } | ConnectionState::Closed => Err(closed()),
        }
    }

    /// The current session, for operators: fails if there is none within a few seconds.
    pub(super) async fn session_soon(&self, queue: &QueueName) -> Result<Arc<Session>, QueueError> {
        if let Ok(session) = timeout(OPERATOR_PATIENCE, self.session(queue)).await {
            return session;
        }
        let reason = match self.state() {
            BrokerState::Reconnecting { reason, .. } => reason,
            BrokerState::Connected | BrokerState::Blocked { .. } => "the connection was just lost".to_owned(),
        };
        Err(self.unreachable(queue, reason))
    }

    pub(super) fn unreachable(&self, queue: &QueueName, reason: String) -> QueueError {
        QueueError::Unreachable { address: self.address.shown(), queue: queue.clone(), reason }
    }

    pub(super) fn state(&self) -> BrokerState {
        match &*self.state.borrow() {
            ConnectionState::Up(session) => {
                session.blocked().map_or(BrokerState::Connected, |reason| BrokerState::Blocked { reason })
            }
            ConnectionState::Down { since, reason } => {
                BrokerState::Reconnecting { since: *since, reason: reason.clone() }
            }
            ConnectionState::Closed => {
                BrokerState::Reconnecting { since: SystemTime::now(), reason: "closed by this side".to_owned() }
            }
        }
    }
}

async fn first_session(
    (address, name): (&Address, &str),
    patience: Duration,
    missed: &Arc<Missed>,
) -> Result<Arc<Session>, QueueError> {
    let deadline = Instant::now() + patience;
    let mut backoff = Backoff::default();
    loop {
        let Refusal { reason, advice, lasting } = match connect(address, name).await {
            Ok(connection) => return Ok(Session::new(connection, Arc::clone(missed))),
            Err(refusal) => refusal,
        };
        if lasting || Instant::now() >= deadline {
            return Err(QueueError::Connect { address: address.shown(), reason, advice });
        }
        backoff.pause().await;
    }
}

/// Reconnects whenever the connection is lost.
struct Reconnector {
    address: Arc<Address>,
    name: String,
    state: watch::Sender<ConnectionState>,
    missed: Arc<Missed>,
}

impl Reconnector {
    async fn keep(&self, mut session: Arc<Session>) {
        let mut backoff = Backoff::default();
        loop {
            let made = Instant::now();
            let reason = session.lost().await;
            backoff.has_lasted(made.elapsed());
            let since = SystemTime::now();
            tracing::warn!(connection = self.name, reason, "lost the connection to RabbitMQ");
            self.state.send_replace(ConnectionState::Down { since, reason });
            session = self.reconnect(since, &mut backoff).await;
            tracing::info!(connection = self.name, "connected to RabbitMQ again");
            self.state.send_replace(ConnectionState::Up(Arc::clone(&session)));
        }
    }

    /// Retries until it succeeds, whatever the error, because somebody may be fixing the cause.
    async fn reconnect(&self, since: SystemTime, backoff: &mut Backoff) -> Arc<Session> {
        loop {
            backoff.pause().await;
            match connect(&self.address, &self.name).await {
                Ok(connection) => return Session::new(connection, Arc::clone(&self.missed)),
                Err(Refusal { reason, .. }) => {
                    tracing::debug!(connection = self.name, reason, "RabbitMQ cannot be reached yet");
                    self.state.send_replace(ConnectionState::Down { since, reason });
                }
            }
        }
    }

    async fn hang_up(&self) {
        let before = self.state.send_replace(ConnectionState::Closed);
        if let ConnectionState::Up(session) = before {
            // A stalled connection would never answer.
            let _ = timeout(OPERATOR_PATIENCE, session.close()).await;
        }
    }
}
