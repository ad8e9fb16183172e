//! What probes and scrapes see of this process while it is part of a fleet.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use clap::Args;
use tokio_util::sync::CancellationToken;
use valuesim_shared::queue::BrokerState;
use valuesim_shared::telemetry::{ConnectionMetrics, Exposition, Health, ListenError, Listener, Observed, Registry};

use crate::commands::run::note;
use crate::servers::Servers;

/// Where probes and scrapes are answered.
#[derive(Debug, Args)]
pub(crate) struct HttpFlags {
    /// Address to serve /healthz, /readyz and /metrics on; port 0 picks a free port
    #[arg(
        long = "http",
        value_name = "ADDRESS",
        env = "VALUESIM_HTTP",
        default_value = "127.0.0.1:0",
        help_heading = "Servers"
    )]
    address: SocketAddr,
}

/// How this process is.
pub(crate) struct Vitals {
    exposition: Exposition,
    connections: ConnectionMetrics,
    url: String,
    /// None until they are connected.
    servers: OnceLock<Servers>,
    ending: CancellationToken,
    /// What a process that is up does not hear.
    deaf_to: Mutex<Vec<String>>,
}

impl HttpFlags {
    /// Answers from now on and until the runtime ends. `role` is what the process is; once `stop` is cancelled it is no
    /// longer ready.
    pub(crate) async fn serve(&self, role: &str, stop: &CancellationToken) -> Result<Arc<Vitals>, ListenError> {
        let listener = Listener::open(self.address).await?;
        let exposition = Exposition::new(role);
        let vitals = Arc::new(Vitals {
            connections: ConnectionMetrics::new(exposition.registry()),
            exposition,
            url: listener.url(),
            servers: OnceLock::new(),
            ending: stop.child_token(),
            deaf_to: Mutex::default(),
        });
        note(&format!("health and metrics: {url}/healthz, {url}/readyz, {url}/metrics", url = vitals.url));
        // Nobody waits for it: it is to answer for as long as there is a process to ask about.
        tokio::spawn(listener.serve(Arc::clone(&vitals) as Arc<dyn Observed>));
        Ok(vitals)
    }
}

impl Vitals {
    /// Where they can be seen.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Where metrics are registered.
    pub(crate) fn registry(&self) -> &Registry {
        self.exposition.registry()
    }

    /// The process is connected to these; to be said once.
    pub(crate) fn connected_to(&self, servers: &Servers) {
        servers.queue.register(self.registry());
        self.servers.get_or_init(|| servers.clone());
    }

    /// The process takes no more work.
    pub(crate) fn ends(&self) {
        self.ending.cancel();
    }

    /// What should have been heard of the broker and was not, a sentence each; nothing where all is well.
    pub(crate) fn is_deaf_to(&self, what: Vec<String>) {
        *self.deaf_to() = what;
    }

    fn deaf_to(&self) -> MutexGuard<'_, Vec<String>> {
        self.deaf_to.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn not_reached(&self) -> Vec<String> {
        let Some(servers) = self.servers.get() else { return vec!["broker and store: connecting".to_owned()] };
        let broker = match servers.queue.state() {
            // Deliveries still come from a broker that blocks, and what it does not take is kept and sent later.
            BrokerState::Connected | BrokerState::Blocked { .. } => None,
            BrokerState::Reconnecting { reason, .. } => Some(format!("broker: {reason}")),
        };
        let store = servers.link.state();
        let store = (!store.is_connected()).then(|| format!("store: {store}"));
        broker.into_iter().chain(store).collect()
    }
}

impl Observed for Vitals {
    fn alive(&self) -> Health {
        Health::unless(self.deaf_to().clone())
    }

    fn ready(&self) -> Health {
        let ending = self.ending.is_cancelled().then(|| "it takes no more work and is about to end".to_owned());
        Health::unless(ending.into_iter().chain(self.not_reached()).collect())
    }

    fn metrics(&self) -> String {
        self.exposition.text(|| {
            if let Some(servers) = self.servers.get() {
                self.connections.set(&servers.queue.state(), &servers.link.state());
            }
        })
    }
}
