//! A Redis for measurements, and its statistics.

use std::time::Duration;

use anyhow::Context as _;
use redis::aio::MultiplexedConnection;
use valuesim_shared::store::RedisStore;
use valuesim_test_servers::RedisServer;

use crate::cpu;

/// A private server.
pub(crate) struct Server {
    server: RedisServer,
    pub(crate) connection: MultiplexedConnection,
}

impl Server {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let server = RedisServer::start().await?;
        let connection = redis::Client::open(server.url())?.get_multiplexed_async_connection().await?;
        Ok(Self { server, connection })
    }

    pub(crate) async fn store(&self) -> anyhow::Result<RedisStore> {
        Ok(RedisStore::connect(&self.server.url().parse()?, Duration::from_secs(5)).await?)
    }

    /// Its memory usage in bytes.
    pub(crate) async fn memory(&mut self) -> anyhow::Result<f64> {
        self.figure("memory", "used_memory").await
    }

    /// Its CPU seconds so far.
    pub(crate) async fn cpu_seconds(&mut self) -> anyhow::Result<f64> {
        let pid = self.figure("server", "process_id").await?;
        cpu_seconds(&pid.to_string())
    }

    async fn figure(&mut self, section: &str, name: &str) -> anyhow::Result<f64> {
        let info: String = redis::cmd("INFO").arg(section).query_async(&mut self.connection).await?;
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        Ok(line.with_context(|| format!("find {name} in Redis's INFO"))?.trim().parse()?)
    }
}

/// CPU seconds of all threads of a process; the pid `self` is this process.
pub(crate) fn cpu_seconds(pid: &str) -> anyhow::Result<f64> {
    cpu::cpu_seconds(pid).map(|(own, _)| own)
}
