//! The state of a process that probes and scrapes get: alive, ready, and metrics.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use axum::Router;
use tokio_util::sync::CancellationToken;

use super::{ConnectionMetrics, Exposition, Health, ListenError, Listener, Probed, Registry};
use crate::queue::{BrokerState, RabbitQueue};
use crate::redis_connection::RedisConnection;

/// The state of this process, served over HTTP.
pub struct HttpStatus {
    exposition: Exposition,
    url: String,
    /// `None` in a process that uses no servers.
    servers: Option<Servers>,
    ending: CancellationToken,
    /// What the process waits for although it should have arrived.
    starved_of: Mutex<Vec<String>>,
}

/// The servers that the process must be connected to before it is ready.
struct Servers {
    metrics: ConnectionMetrics,
    /// Empty until they are connected.
    connected: OnceLock<(RabbitQueue, RedisConnection)>,
}

impl HttpStatus {
    /// Answers at `address` until the runtime ends. The process is ready from the call of
    /// [`connected_to`](Self::connected_to) until `stop` is cancelled. `role` is the label of the build metric; `more` is what
    /// the process serves besides.
    pub async fn serve(
        address: SocketAddr,
        (role, more): (&str, Router),
        stop: &CancellationToken,
    ) -> Result<Arc<Self>, ListenError> {
        let exposition = Exposition::new(role);
        let metrics = ConnectionMetrics::new(exposition.registry());
        let servers = Servers { metrics, connected: OnceLock::new() };
        Self::start((address, more), exposition, Some(servers), stop).await
    }

    /// Like [`serve`](Self::serve), for a process that uses no servers and is ready at once.
    pub async fn serve_without_servers(
        address: SocketAddr,
        (role, more): (&str, Router),
        stop: &CancellationToken,
    ) -> Result<Arc<Self>, ListenError> {
        Self::start((address, more), Exposition::new(role), None, stop).await
    }

    async fn start(
        (address, more): (SocketAddr, Router),
        exposition: Exposition,
        servers: Option<Servers>,
        stop: &CancellationToken,
    ) -> Result<Arc<Self>, ListenError> {
        let listener = Listener::open(address).await?;
        let (url, ending) = (listener.url(), stop.child_token());
        let status = Arc::new(Self { exposition, url, servers, ending, starved_of: Mutex::default() });
        // Nobody awaits this task: it answers until the process exits.
        tokio::spawn(listener.serve(Arc::clone(&status) as Arc<dyn Probed>, more));
        Ok(status)
    }

    /// The URL at which the state is served.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The registry for metrics.
    pub fn registry(&self) -> &Registry {
        self.exposition.registry()
    }

    /// Marks the servers as connected. Call it once.
    pub fn connected_to(&self, queue: &RabbitQueue, store: &RedisConnection) {
        queue.register(self.registry());
        store.register(self.registry());
        if let Some(servers) = &self.servers {
            servers.connected.get_or_init(|| (queue.clone(), store.clone()));
        }
    }

    /// Marks the process as about to exit.
    pub fn ends(&self) {
        self.ending.cancel();
    }

    /// Sets what should have arrived and did not, a sentence each; empty if nothing is missing.
    pub fn set_starved_of(&self, what: Vec<String>) {
        *self.starved_of() = what;
    }

    fn starved_of(&self) -> MutexGuard<'_, Vec<String>> {
        self.starved_of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Servers {
    fn not_reached(&self) -> Vec<String> {
        let Some((queue, store)) = self.connected.get() else { return vec!["broker and store: connecting".to_owned()] };
        let broker = match queue.state() {
            // A blocked broker still delivers, and what it refuses is kept and sent later.
            BrokerState::Connected | BrokerState::Blocked { .. } => None,
            BrokerState::Reconnecting { reason, .. } => Some(format!("broker: {reason}")),
        };
        let store = store.state();
        let store = (!store.is_connected()).then(|| format!("store: {store}"));
        broker.into_iter().chain(store).collect()
    }
}

impl Probed for HttpStatus {
    fn alive(&self) -> Health {
        Health::unless(self.starved_of().clone())
    }

    fn ready(&self) -> Health {
        let ending = self.ending.is_cancelled().then(|| "it takes no more work and is about to end".to_owned());
        let not_reached = self.servers.as_ref().map(Servers::not_reached).unwrap_or_default();
        Health::unless(ending.into_iter().chain(not_reached).collect())
    }

    fn metrics(&self) -> String {
        self.exposition.text(|| {
            let Some(servers) = &self.servers else { return };
            if let Some((queue, store)) = servers.connected.get() {
                servers.metrics.set(&queue.state(), &store.state());
            }
        })
    }
}
