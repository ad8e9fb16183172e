//! What probes and scrapes see of a process: whether it is alive, whether it can work now, and its metrics.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio_util::sync::CancellationToken;

use super::{ConnectionMetrics, Exposition, Health, ListenError, Listener, Observed, Registry};
use crate::link::Link;
use crate::queue::{BrokerState, RabbitQueue};

/// The state of this process that HTTP shows.
pub struct HttpStatus {
    exposition: Exposition,
    url: String,
    /// None in a process that uses no servers.
    servers: Option<Servers>,
    ending: CancellationToken,
    /// What a process that is up does not receive.
    starved_of: Mutex<Vec<String>>,
}

/// The servers that a process needs to be ready.
struct Servers {
    metrics: ConnectionMetrics,
    /// None until they are connected.
    connected: OnceLock<(RabbitQueue, Link)>,
}

impl HttpStatus {
    /// Answers at `address` from now on and until the runtime ends. `role` is what the process is; once `stop` is
    /// cancelled it is no longer ready, nor is it before [`connected_to`](Self::connected_to) was called.
    pub async fn serve(address: SocketAddr, role: &str, stop: &CancellationToken) -> Result<Arc<Self>, ListenError> {
        let exposition = Exposition::new(role);
        let metrics = ConnectionMetrics::new(exposition.registry());
        Self::start(address, exposition, Some(Servers { metrics, connected: OnceLock::new() }), stop).await
    }

    /// The same for a process that uses no servers, and is ready from the beginning.
    pub async fn serve_without_servers(
        address: SocketAddr,
        role: &str,
        stop: &CancellationToken,
    ) -> Result<Arc<Self>, ListenError> {
        Self::start(address, Exposition::new(role), None, stop).await
    }

    async fn start(
        address: SocketAddr,
        exposition: Exposition,
        servers: Option<Servers>,
        stop: &CancellationToken,
    ) -> Result<Arc<Self>, ListenError> {
        let listener = Listener::open(address).await?;
        let (url, ending) = (listener.url(), stop.child_token());
        let status = Arc::new(Self { exposition, url, servers, ending, starved_of: Mutex::default() });
        // Nobody waits for it: it is to answer for as long as there is a process to ask about.
        tokio::spawn(listener.serve(Arc::clone(&status) as Arc<dyn Observed>));
        Ok(status)
    }

    /// Where it can be seen.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where metrics are registered.
    pub fn registry(&self) -> &Registry {
        self.exposition.registry()
    }

    /// The process is connected to these; to be called once.
    pub fn connected_to(&self, queue: &RabbitQueue, store: &Link) {
        queue.register(self.registry());
        if let Some(servers) = &self.servers {
            servers.connected.get_or_init(|| (queue.clone(), store.clone()));
        }
    }

    /// The process takes no more work.
    pub fn ends(&self) {
        self.ending.cancel();
    }

    /// Says what should have arrived and did not, a sentence each; nothing where all is well.
    pub fn is_starved_of(&self, what: Vec<String>) {
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
            // Deliveries still come from a broker that blocks, and what it does not take is kept and sent later.
            BrokerState::Connected | BrokerState::Blocked { .. } => None,
            BrokerState::Reconnecting { reason, .. } => Some(format!("broker: {reason}")),
        };
        let store = store.state();
        let store = (!store.is_connected()).then(|| format!("store: {store}"));
        broker.into_iter().chain(store).collect()
    }
}

impl Observed for HttpStatus {
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
