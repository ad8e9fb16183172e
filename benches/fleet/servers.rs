//! The benchmark's own broker and store, and their CPU usage.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::Context as _;
use secrecy::SecretString;
use valuesim_shared::queue::{RabbitQueue, RabbitSettings};
use valuesim_shared::store::RedisStore;
use valuesim_test_servers::{Broker, RedisServer};

use crate::cpu::cpu_seconds;

/// The time limit for connecting to the store.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The statistics of scripts, commands inside of them included, and of the clock.
const OF_SCRIPTS: [&str; 2] = ["cmdstat_eval:", "cmdstat_time:"];

/// Private servers. Dropping this stops them.
pub(crate) struct Servers {
    broker: Broker,
    store: RedisServer,
}

/// Their URLs.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    pub(crate) broker: String,
    pub(crate) store: String,
}

impl Servers {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        Ok(Self { broker: Broker::start().await?, store: RedisServer::start().await? })
    }

    /// A new virtual host and an emptied store.
    pub(crate) async fn fresh(&self) -> anyhow::Result<Addresses> {
        self.store.flush()?;
        Ok(Addresses { broker: self.broker.new_vhost().await?, store: self.store.url() })
    }

    /// The CPU seconds of broker and store so far.
    pub(crate) fn used(&self) -> anyhow::Result<(f64, f64)> {
        let pids = self.broker.pid().zip(self.store.pid());
        let (broker, store) = pids.context("a server is not running")?;
        Ok((cpu_seconds(&broker.to_string())?.0, cpu_seconds(&store.to_string())?.0))
    }
}

impl Servers {
    /// The seconds that the store has spent in the commands of scripts and of its clock since it was started. The permit office's
    /// are nearly all of them; the leases of coordinators and budgets are the others.
    pub(crate) fn used_by_scripts(&self) -> anyhow::Result<f64> {
        let address = self.store.url();
        let address = address.trim_start_matches("redis://").trim_end_matches('/');
        let mut connection = TcpStream::connect(address).context("connect to the store")?;
        connection.write_all(b"INFO commandstats\r\nQUIT\r\n")?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        let lines = answer.lines().filter(|line| OF_SCRIPTS.iter().any(|command| line.starts_with(command)));
        let microseconds = lines.filter_map(|line| line.split_once(",usec=")?.1.split(',').next()?.parse::<f64>().ok());
        Ok(microseconds.sum::<f64>() / 1e6)
    }
}

impl Addresses {
    pub(crate) async fn queue(&self) -> anyhow::Result<RabbitQueue> {
        let settings = RabbitSettings::new(SecretString::from(self.broker.clone()), "fleet benchmark");
        Ok(RabbitQueue::connect(settings).await?)
    }

    pub(crate) async fn store(&self) -> anyhow::Result<RedisStore> {
        Ok(RedisStore::connect(&self.store.parse()?, CONNECT_TIMEOUT).await?)
    }
}
