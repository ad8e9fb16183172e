//! The servers that a fleet shares, a RabbitMQ broker and a Redis or Valkey store, as flags name them: both together for
//! coordinators and workers, each alone for operators' commands.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};
use valuesim_shared::control::RedisControl;
use valuesim_shared::fleet;
use valuesim_shared::queue::{RabbitQueue, RabbitSettings};
use valuesim_shared::redis_connection::{Address, RedisConnection};
use valuesim_shared::small_file::read_secret;
use valuesim_shared::store::RedisStore;

use crate::precedence::{Either, FlagsFirst};

/// How long a process waits at its start for a server: long enough that everything can be started together.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long an operator's command waits for one server, so that it reports an unreachable one within seconds.
pub(crate) const OPERATOR_PATIENCE: Duration = Duration::from_secs(3);

/// Where the servers are.
#[derive(Debug, Args)]
pub(crate) struct ServerFlags {
    #[command(flatten)]
    pub(crate) broker: BrokerFlags,

    #[command(flatten)]
    pub(crate) store: StoreFlags,
}

/// Where the broker is.
pub(crate) type BrokerFlags = FlagsFirst<BrokerAddressFlags>;

/// Where the store is.
pub(crate) type StoreFlags = FlagsFirst<StoreAddressFlags>;

/// The broker's address, or a file with it.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct BrokerAddressFlags {
    /// The RabbitMQ broker's address: `amqp://user:password@host:port/vhost`, or `amqps://` for TLS
    #[arg(long, value_name = "URL", env = "VALUESIM_BROKER", hide_env_values = true, help_heading = "Servers")]
    broker: Option<SecretString>,

    /// A file that contains the broker's address; keeps its password off the command line
    #[arg(long, value_name = "FILE", env = "VALUESIM_BROKER_FILE", help_heading = "Servers")]
    broker_file: Option<PathBuf>,

    /// A PEM file of certificates to trust for the broker, in addition to the system's
    #[arg(long, value_name = "FILE", env = "VALUESIM_BROKER_CA", help_heading = "Servers")]
    broker_ca: Option<PathBuf>,
}

/// The store's address, or a file with it.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct StoreAddressFlags {
    /// The Redis or Valkey store's address: `redis://user:password@host:port/database`, or `rediss://` for TLS
    #[arg(long, value_name = "URL", env = "VALUESIM_STORE", hide_env_values = true, help_heading = "Servers")]
    store: Option<SecretString>,

    /// A file that contains the store's address
    #[arg(long, value_name = "FILE", env = "VALUESIM_STORE_FILE", help_heading = "Servers")]
    store_file: Option<PathBuf>,

    /// A PEM file of certificates to trust for the store, instead of the system's
    #[arg(long, value_name = "FILE", env = "VALUESIM_STORE_CA", help_heading = "Servers")]
    store_ca: Option<PathBuf>,
}

/// Both addresses, parsed and not yet connected to.
#[derive(Debug)]
pub(crate) struct Addresses {
    pub(crate) broker: BrokerAddress,
    pub(crate) store: StoreAddress,
}

/// The broker's address, not yet connected to.
#[derive(Debug)]
pub(crate) struct BrokerAddress {
    settings: RabbitSettings,
    /// Without the password.
    shown: String,
}

/// The store's address, not yet connected to.
#[derive(Debug)]
pub(crate) struct StoreAddress(Address);

/// The servers, connected. Cheap to clone.
pub(crate) type Servers = fleet::Servers<RabbitQueue, RedisStore, RedisControl>;

impl ServerFlags {
    /// The addresses that the flags name, for a process that is called `name` at the broker; none where they name no server.
    pub(crate) fn addresses_if_given(&self, name: &str) -> anyhow::Result<Option<Addresses>> {
        let is_given = self.broker.is_given() || self.store.is_given();
        is_given.then(|| self.addresses(name)).transpose()
    }

    /// The addresses that the flags name, for a process that is called `name` at the broker.
    pub(crate) fn addresses(&self, name: &str) -> anyhow::Result<Addresses> {
        Ok(Addresses { broker: self.broker.address(name)?, store: self.store.address()? })
    }
}

impl Either for BrokerAddressFlags {
    const BOTH: [&'static str; 2] = ["broker", "broker_file"];
}

impl Either for StoreAddressFlags {
    const BOTH: [&'static str; 2] = ["store", "store_file"];
}

impl BrokerFlags {
    fn is_given(&self) -> bool {
        self.0.broker.is_some() || self.0.broker_file.is_some()
    }

    /// The address that the flags name, for a process that is called `name` at the broker.
    pub(crate) fn address(&self, name: &str) -> anyhow::Result<BrokerAddress> {
        let BrokerAddressFlags { broker, broker_file, broker_ca } = &self.0;
        let (address, file) = (broker.as_ref(), broker_file.as_ref());
        let given = GivenAddress { flag: "broker", example: "amqp://user:password@host", address, file };
        let settings = RabbitSettings {
            ca_file: broker_ca.clone(),
            patience: PATIENCE,
            ..RabbitSettings::new(given.address()?, format!("{name} {}", std::process::id()))
        };
        let shown = settings.shown().with_context(|| given.by())?;
        settings.check_certificates().context("--broker-ca")?;
        Ok(BrokerAddress { settings, shown })
    }
}

impl StoreFlags {
    /// The address that the flags name, if they name one.
    pub(crate) fn address_if_given(&self) -> anyhow::Result<Option<StoreAddress>> {
        self.is_given().then(|| self.address()).transpose()
    }

    fn is_given(&self) -> bool {
        self.0.store.is_some() || self.0.store_file.is_some()
    }

    /// The address that the flags name.
    pub(crate) fn address(&self) -> anyhow::Result<StoreAddress> {
        let StoreAddressFlags { store, store_file, store_ca } = &self.0;
        let (address, file) = (store.as_ref(), store_file.as_ref());
        let given = GivenAddress { flag: "store", example: "redis://host", address, file };
        let address: Address = given.address()?.expose_secret().parse().with_context(|| given.by())?;
        let Some(file) = store_ca else { return Ok(StoreAddress(address)) };
        let certificates =
            std::fs::read(file).with_context(|| format!("--store-ca: read the certificate file {}", file.display()))?;
        let trusting = address.trusting(certificates);
        let doing = || format!("--store-ca: trust the certificates in {}", file.display());
        Ok(StoreAddress(trusting.with_context(doing)?))
    }
}

/// The address of a server as flags or variables give it.
struct GivenAddress<'a> {
    flag: &'static str,
    example: &'static str,
    address: Option<&'a SecretString>,
    file: Option<&'a PathBuf>,
}

impl GivenAddress<'_> {
    fn address(&self) -> anyhow::Result<SecretString> {
        let Self { flag, example, address, file } = self;
        match (address, file) {
            (Some(address), _) => Ok((*address).clone()),
            (None, Some(file)) if file.to_string_lossy().contains("://") => {
                bail!("--{flag}-file: expected the path of a file, got an address: pass that with --{flag}")
            }
            (None, Some(file)) => {
                let text = read_secret(file)
                    .with_context(|| format!("--{flag}-file: read the {flag}'s address in {}", file.display()))?;
                Ok(SecretString::from(text))
            }
            (None, None) => bail!("missing {flag} address: pass --{flag} {example} or --{flag}-file FILE"),
        }
    }

    /// The flag that gave it, for error messages.
    fn by(&self) -> String {
        match (self.address, self.file) {
            (None, Some(file)) => format!("--{}-file: the address in {}", self.flag, file.display()),
            _ => format!("--{}", self.flag),
        }
    }
}

impl Addresses {
    /// Connects to both servers.
    pub(crate) async fn connect(&self) -> anyhow::Result<Servers> {
        let connection = async { Ok(RedisConnection::connect(&self.store.0, PATIENCE).await?) };
        let queue = async { Ok::<_, anyhow::Error>(RabbitQueue::connect(self.broker.settings.clone()).await?) };
        let (connection, queue) = tokio::try_join!(connection, queue)?;
        Ok(Servers { queue, store: RedisStore::new(connection.clone()), control: RedisControl::new(connection) })
    }
}

impl BrokerAddress {
    /// Connects to the broker for an operator's command: tries once.
    pub(crate) async fn reach(&self) -> anyhow::Result<RabbitQueue> {
        let settings = RabbitSettings { patience: Duration::ZERO, ..self.settings.clone() };
        reached(&format!("RabbitMQ at {}", self.shown), RabbitQueue::connect(settings)).await
    }
}

impl StoreAddress {
    /// Connects to the store for an operator's command: tries once.
    pub(crate) async fn reach(&self) -> anyhow::Result<(RedisStore, RedisControl)> {
        let connection =
            reached(&format!("the store {}", self.0), RedisConnection::connect(&self.0, Duration::ZERO)).await?;
        Ok((RedisStore::new(connection.clone()), RedisControl::new(connection)))
    }
}

/// Limits how long an operator waits for a connection to a server.
async fn reached<T, E: Into<anyhow::Error>>(
    server: &str,
    connecting: impl Future<Output = Result<T, E>>,
) -> anyhow::Result<T> {
    let advice = "check the host and the port, and that no firewall on the way drops the packets";
    match tokio::time::timeout(OPERATOR_PATIENCE, connecting).await {
        Ok(connected) => connected.map_err(Into::into),
        Err(_) => bail!("connect to {server}: no answer within {} s; {advice}", OPERATOR_PATIENCE.as_secs()),
    }
}

/// Disconnects for an operator's command, in limited time: messages that are not handed back by then go back by themselves.
pub(crate) async fn hang_up(queue: &RabbitQueue) {
    // The command has already succeeded or reported its failure.
    let _ = tokio::time::timeout(OPERATOR_PATIENCE, queue.close()).await;
}

/// Runs an operation on a server for at most `limit`.
pub(crate) async fn within<T, E: Into<anyhow::Error>>(
    what: &str,
    limit: Duration,
    doing: impl Future<Output = Result<T, E>>,
) -> anyhow::Result<T> {
    match tokio::time::timeout(limit, doing).await {
        Ok(done) => done.map_err(Into::into),
        Err(_) => bail!("{what}: no answer within {} s", limit.as_secs()),
    }
}
