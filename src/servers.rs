//! The servers that a fleet shares: a RabbitMQ broker and a Redis or Valkey store, as flags name them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};
use valuesim_shared::control::RedisControl;
use valuesim_shared::link::{Address, Link};
use valuesim_shared::queue::{RabbitQueue, RabbitSettings};
use valuesim_shared::store::RedisStore;

/// How long a server may be away when a process starts: long enough that all can be started together.
const PATIENCE: Duration = Duration::from_secs(15);

/// Where the servers are.
#[derive(Debug, Args)]
pub(crate) struct ServerFlags {
    /// The RabbitMQ broker: amqp://user:password@host:port/vhost, amqps:// for TLS
    #[arg(
        long,
        value_name = "URL",
        env = "VALUESIM_BROKER",
        hide_env_values = true,
        conflicts_with = "broker_file",
        help_heading = "Servers"
    )]
    broker: Option<SecretString>,

    /// A file that holds the broker's address, so that its password is on no command line
    #[arg(long, value_name = "FILE", env = "VALUESIM_BROKER_FILE", help_heading = "Servers")]
    broker_file: Option<PathBuf>,

    /// A file with certificates (PEM) to trust at the broker beside those of the system
    #[arg(long, value_name = "FILE", env = "VALUESIM_BROKER_CA", help_heading = "Servers")]
    broker_ca: Option<PathBuf>,

    /// The Redis or Valkey store: <redis://user:password@host:port/database>, rediss:// for TLS
    #[arg(
        long,
        value_name = "URL",
        env = "VALUESIM_STORE",
        hide_env_values = true,
        conflicts_with = "store_file",
        help_heading = "Servers"
    )]
    store: Option<SecretString>,

    /// A file that holds the store's address
    #[arg(long, value_name = "FILE", env = "VALUESIM_STORE_FILE", help_heading = "Servers")]
    store_file: Option<PathBuf>,
}

/// The addresses, read and not yet tried.
#[derive(Debug)]
pub(crate) struct Addresses {
    broker: RabbitSettings,
    store: Address,
}

/// The servers, connected. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Servers {
    pub(crate) queue: RabbitQueue,
    pub(crate) link: Link,
    pub(crate) store: RedisStore,
    pub(crate) control: RedisControl,
}

impl ServerFlags {
    /// The addresses that the flags name, for a process that is called `name` at the broker.
    pub(crate) fn addresses(&self, name: &str) -> anyhow::Result<Addresses> {
        let broker = address(("broker", "amqp://user:password@host"), self.broker.as_ref(), self.broker_file.as_ref())?;
        let store = address(("store", "redis://host"), self.store.as_ref(), self.store_file.as_ref())?;
        let name = format!("{name} {}", std::process::id());
        let broker =
            RabbitSettings { ca_file: self.broker_ca.clone(), patience: PATIENCE, ..RabbitSettings::new(broker, name) };
        Ok(Addresses { broker, store: store.expose_secret().parse()? })
    }
}

fn address(
    (flag, example): (&str, &str),
    given: Option<&SecretString>,
    file: Option<&PathBuf>,
) -> anyhow::Result<SecretString> {
    match (given, file) {
        (Some(address), _) => Ok(address.clone()),
        (None, Some(file)) => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("read the {flag}'s address in {}", file.display()))?;
            Ok(SecretString::from(text.trim().to_owned()))
        }
        (None, None) => bail!("where is the {flag}? Say --{flag} {example}, or --{flag}-file FILE"),
    }
}

impl Addresses {
    /// Connects to both.
    pub(crate) async fn connect(&self) -> anyhow::Result<Servers> {
        let link = async { Ok(Link::connect(&self.store, PATIENCE).await?) };
        let queue = async { Ok::<_, anyhow::Error>(RabbitQueue::connect(self.broker.clone()).await?) };
        let (link, queue) = tokio::try_join!(link, queue)?;
        Ok(Servers { queue, store: RedisStore::new(link.clone()), control: RedisControl::new(link.clone()), link })
    }
}
