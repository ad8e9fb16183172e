//! A connection that comes back: makes it, notices that it is gone, makes it anew.

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

/// How long something that a person waits for waits for the connection.
const HURRY: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
enum LinkState {
    Up(Arc<Session>),
    Down {
        since: SystemTime,
        reason: String,
    },
    /// For good: this side hung up.
    Closed,
}

/// A connection to the broker that comes back. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Link {
    address: Arc<Address>,
    state: watch::Receiver<LinkState>,
}

impl Link {
    /// Connects, trying for as long as `patience` says; keeps the connection until `stop` is cancelled.
    pub(super) async fn open(
        address: Arc<Address>,
        name: String,
        patience: Duration,
        (stop, tasks): (&CancellationToken, &TaskTracker),
    ) -> Result<Self, QueueError> {
        let missed = Arc::default();
        let first = first_session((&address, &name), patience, &missed).await?;
        let (tell, state) = watch::channel(LinkState::Up(Arc::clone(&first)));
        let keeper = Keeper { address: Arc::clone(&address), name, tell, missed };
        let stop = stop.clone();
        tasks.spawn(async move {
            stop.run_until_cancelled(keeper.keep(first)).await;
            keeper.hang_up().await;
        });
        Ok(Self { address, state })
    }

    /// The connection; waits while there is none. An error once it is closed for good.
    pub(super) async fn session(&self, queue: &QueueName) -> Result<Arc<Session>, QueueError> {
        let closed = || QueueError::Closed(queue.clone());
        let mut state = self.state.clone();
        let state = state.wait_for(|state| !matches!(state, LinkState::Down { .. })).await.map_err(|_| closed())?;
        match &*state {
            LinkState::Up(session) => Ok(Arc::clone(session)),
            LinkState::Down { .. } | LinkState::Closed => Err(closed()),
        }
    }

    /// The connection, for a person who waits: an error where there is none for some seconds.
    pub(super) async fn session_soon(&self, queue: &QueueName) -> Result<Arc<Session>, QueueError> {
        if let Ok(session) = timeout(HURRY, self.session(queue)).await {
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
            LinkState::Up(session) => {
                session.blocked().map_or(BrokerState::Connected, |reason| BrokerState::Blocked { reason })
            }
            LinkState::Down { since, reason } => BrokerState::Reconnecting { since: *since, reason: reason.clone() },
            LinkState::Closed => {
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

/// Makes the connection anew whenever it is gone.
struct Keeper {
    address: Arc<Address>,
    name: String,
    tell: watch::Sender<LinkState>,
    missed: Arc<Missed>,
}

impl Keeper {
    async fn keep(&self, mut session: Arc<Session>) {
        let mut backoff = Backoff::default();
        loop {
            let made = Instant::now();
            let reason = session.lost().await;
            backoff.has_lasted(made.elapsed());
            let since = SystemTime::now();
            tracing::warn!(connection = self.name, reason, "lost the connection to RabbitMQ");
            self.tell.send_replace(LinkState::Down { since, reason });
            session = self.reconnect(since, &mut backoff).await;
            tracing::info!(connection = self.name, "connected to RabbitMQ again");
            self.tell.send_replace(LinkState::Up(Arc::clone(&session)));
        }
    }

    /// Tries until it works: whatever is wrong, somebody may be putting it right.
    async fn reconnect(&self, since: SystemTime, backoff: &mut Backoff) -> Arc<Session> {
        loop {
            backoff.pause().await;
            match connect(&self.address, &self.name).await {
                Ok(connection) => return Session::new(connection, Arc::clone(&self.missed)),
                Err(Refusal { reason, .. }) => {
                    tracing::debug!(connection = self.name, reason, "RabbitMQ cannot be reached yet");
                    self.tell.send_replace(LinkState::Down { since, reason });
                }
            }
        }
    }

    async fn hang_up(&self) {
        let before = self.tell.send_replace(LinkState::Closed);
        if let LinkState::Up(session) = before {
            // A stalled connection would never answer.
            let _ = timeout(HURRY, session.close()).await;
        }
    }
}
