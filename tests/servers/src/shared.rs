//! One broker and one store for many tests; each test has its own virtual host and database.

use std::env;
use std::net::SocketAddr;

use tokio::sync::OnceCell;

use crate::broker::management::Management;
use crate::{Broker, Database, RedisServer, ServerError, Vhost};

const AMQP_URL: &str = "VALUESIM_TEST_AMQP_URL";
const AMQP_API: &str = "VALUESIM_TEST_AMQP_API";
const REDIS_URL: &str = "VALUESIM_TEST_REDIS_URL";

/// The shared servers of a test run.
pub struct Shared {
    broker: Broker,
    redis: RedisServer,
}

impl Shared {
    /// Starts both concurrently.
    pub async fn start() -> Result<Self, ServerError> {
        let (broker, redis) = tokio::join!(Broker::start(), RedisServer::start());
        Ok(Self { broker: broker?, redis: redis? })
    }

    /// The environment variables that [`shared_broker`] and [`shared_redis`] read.
    pub fn variables(&self) -> [(&'static str, String); 3] {
        let api = self.broker.management().0.to_string();
        [(AMQP_URL, self.broker.url()), (AMQP_API, api), (REDIS_URL, self.redis.url())]
    }
}

/// A virtual host on the test run's broker or, outside `valuesim-test-servers with`, on one that this process starts.
///
/// # Panics
/// If no broker is available; the message says what to do.
pub async fn shared_broker() -> Vhost {
    let made = match (env::var(AMQP_URL), env::var(AMQP_API)) {
        (Ok(url), Ok(api)) => Vhost::new(&url, Management(address(AMQP_API, &api))).await,
        _ => private_vhost().await,
    };
    made.unwrap_or_else(|error| panic!("{error}"))
}

/// A database on the test run's Redis or, outside `valuesim-test-servers with`, on one that this process starts.
///
/// # Panics
/// If no Redis is available; the message says what to do.
pub async fn shared_redis() -> Database {
    let made = match env::var(REDIS_URL) {
        Ok(url) => Database::new(address(REDIS_URL, url.trim_start_matches("redis://"))),
        Err(_) => private_database().await,
    };
    made.unwrap_or_else(|error| panic!("{error}"))
}

async fn private_vhost() -> Result<Vhost, ServerError> {
    static BROKER: OnceCell<Broker> = OnceCell::const_new();
    let broker = BROKER.get_or_try_init(Broker::start).await?;
    Vhost::new(&broker.url(), broker.management()).await
}

async fn private_database() -> Result<Database, ServerError> {
    static REDIS: OnceCell<RedisServer> = OnceCell::const_new();
    let redis = REDIS.get_or_try_init(RedisServer::start).await?;
    Database::new(redis.address())
}

fn address(variable: &str, text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|_| panic!("{variable} is {text}, expected an address like 127.0.0.1:5672"))
}
