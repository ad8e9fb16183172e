//! The simulated provider, running inside a test.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::runtime::Runtime;
use valuesim_shared::codebook::Codebook;
use valuesim_simulator::provider::{Provider, ProviderOptions, Stats};

/// A running provider. Dropping it stops it.
pub(crate) struct Simulated {
    provider: Provider,
    /// Dropped last: the provider runs on it.
    _runtime: Runtime,
}

impl Simulated {
    pub(crate) fn start(options: ProviderOptions) -> Self {
        let runtime = Runtime::new().unwrap();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let provider = runtime.block_on(Provider::start(listen, options, Arc::new(Codebook::built_in()))).unwrap();
        Self { provider, _runtime: runtime }
    }

    pub(crate) fn base_url(&self) -> String {
        self.provider.base_url()
    }

    pub(crate) fn stats(&self) -> Stats {
        self.provider.stats()
    }
}
