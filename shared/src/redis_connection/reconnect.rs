//! Keeps a connection open: connects, monitors the connection, reconnects.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError};
use tokio::time::{Instant, MissedTickBehavior};

use super::backoff::Backoff;
use super::error::{Failure, first_line};
use super::{Address, CONNECT_LIMIT, LiveConnection, RESPONSE_LIMIT, RedisConnectionError, Shared, server};
use crate::certificate_advice;

/// How often the server is pinged, so that its loss is noticed even while nobody sends commands.
const PING_EVERY: Duration = Duration::from_secs(1);

/// How long a server must give the same refusal before it counts as permanent: a server with too many clients refuses logins,
/// which looks like a wrong password.
const REJECTED_AFTER: Duration = Duration::from_secs(20);

/// How long to wait after a permanent refusal: somebody has to change something first.
const REJECTED_PAUSE: Duration = Duration::from_secs(5);

/// A new connection.
pub(super) struct Opened {
    pub(super) connection: MultiplexedConnection,
    pub(super) warnings: Vec<String>,
}

/// Connects; retries for up to `patience` while the server is unreachable.
pub(super) async fn connect(address: &Address, patience: Duration) -> Result<Opened, RedisConnectionError> {
    let start = Instant::now();
    let mut backoff = Backoff::default();
    loop {
        let reason = match open(address).await {
            Ok(opened) => return Ok(opened),
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Lost(reason) | Failure::Passing(reason)) => reason,
        };
        if start.elapsed() >= patience {
            return Err(RedisConnectionError::Unreachable { address: address.to_string(), reason });
        }
        backoff.pause().await;
    }
}

/// Keeps the connection open while anybody uses it.
pub(super) async fn keep(shared: Arc<Shared>) {
    for number in 1.. {
        until_lost(&shared).await;
        let connection = reconnect(&shared).await;
        shared.live.send_replace(LiveConnection::Up { number, connection });
        shared.is_connected();
    }
}

async fn open(address: &Address) -> Result<Opened, Failure> {
    let mut connection = match connection_to(address).await {
        Ok(connection) => connection,
        Err(failure @ Failure::Final(_)) => return Err(if_sentinel(address).await.unwrap_or(failure)),
        Err(failure) => return Err(failure),
    };
    let refusal = match server::facts(&mut connection).await {
        Ok(facts) => return checked(address, connection, &facts).await,
        Err(error) => error,
    };
    let failure = Failure::of_exchange(address, &refusal);
    if matches!(failure, Failure::Lost(_)) {
        // A proxy may close the connection over a command that it does not know. If the server is only restarting, it answers now.
        connection = connection_to(address).await?;
        if let Ok(facts) = server::facts(&mut connection).await {
            return checked(address, connection, &facts).await;
        }
        connection = connection_to(address).await?;
    }
    // Whoever answers this does what it is told, and so may be used unchecked.
    match redis::cmd("PING").query_async::<String>(&mut connection).await {
        Ok(_) => Ok(Opened { connection, warnings: vec![server::unchecked(&first_line(&refusal))] }),
        Err(_) => Err(failure),
    }
}

/// The failure that says so if the server is a Sentinel: it refuses the login to the primary, and the choice of a database.
async fn if_sentinel(address: &Address) -> Option<Failure> {
    let mut connection = connection_to(&address.without_login()).await.ok()?;
    let facts = server::facts(&mut connection).await.ok()?;
    let refusal = facts.check(address).err()?;
    matches!(refusal, RedisConnectionError::Sentinel { .. }).then_some(Failure::Final(refusal))
}

async fn connection_to(address: &Address) -> Result<MultiplexedConnection, Failure> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_LIMIT))
        .set_response_timeout(Some(RESPONSE_LIMIT));
    let connected = address.client.get_multiplexed_async_connection_with_config(&config).await;
    connected.map_err(|error| not_connected(address, &error))
}

async fn checked(
    address: &Address,
    mut connection: MultiplexedConnection,
    facts: &server::Facts,
) -> Result<Opened, Failure> {
    facts.check(address).map_err(Failure::Final)?;
    let warnings = server::warnings(facts, &mut connection).await;
    Ok(Opened { connection, warnings })
}

/// Why there is no connection, with what it often means.
fn not_connected(address: &Address, error: &RedisError) -> Failure {
    let Failure::Lost(reason) = Failure::of_exchange(address, error) else {
        return Failure::of_exchange(address, error);
    };
    let hint = match address.has_tls() {
        true if reason.contains("certificate") => certificate_advice::advice(&reason),
        // It takes the greeting for the beginning of a long command, and waits for the rest.
        true => "if it is a server without TLS, its address begins with redis://",
        false if error.is_connection_dropped() && !error.is_connection_refusal() => {
            "if it is a server with TLS, its address begins with rediss://"
        }
        false => return Failure::Lost(reason),
    };
    Failure::Lost(format!("{reason} ({hint})"))
}

async fn until_lost(shared: &Shared) {
    let LiveConnection::Up { number, mut connection } = shared.live.borrow().clone() else { return };
    let mut line = shared.live.subscribe();
    tokio::select! {
        _ = line.wait_for(|line| !matches!(line, LiveConnection::Up { .. })) => {}
        reason = until_silent(&mut connection) => shared.give_up(number, reason),
    }
}

/// Pings the server every second; returns the reason when it stops answering.
async fn until_silent(connection: &mut MultiplexedConnection) -> String {
    let mut seconds = tokio::time::interval(PING_EVERY);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let ping = redis::cmd("PING");
    loop {
        seconds.tick().await;
        match connection.send_packed_command(&ping).await {
            // Any answer shows that it is alive.
            Ok(_) => {}
            Err(error) if error.is_timeout() => return "it does not answer in time".to_owned(),
            Err(error) => return error.to_string(),
        }
    }
}

/// Reconnects, however long that takes.
async fn reconnect(shared: &Shared) -> MultiplexedConnection {
    let (mut backoff, mut refusal) = (Backoff::default(), Refusal::default());
    loop {
        match open(&shared.address).await {
            Ok(opened) => return opened.connection,
            Err(Failure::Lost(reason) | Failure::Passing(reason)) => {
                refusal = Refusal::default();
                shared.is_unreachable(reason);
            }
            // During a failover another server may soon have this address.
            Err(Failure::Final(
                error @ (RedisConnectionError::Replica { .. } | RedisConnectionError::NotRedis { .. }),
            )) => {
                refusal = Refusal::default();
                shared.is_unreachable(error.to_string());
            }
            Err(Failure::Final(error)) => {
                shared.is_unreachable(error.to_string());
                if refusal.is_final(&error) {
                    shared.live.send_replace(LiveConnection::Rejected(error));
                    tokio::time::sleep(REJECTED_PAUSE).await;
                }
            }
        }
        backoff.pause().await;
    }
}

/// The refusal that a server has been repeating, and since when.
#[derive(Debug, Default)]
struct Refusal(Option<(RedisConnectionError, Instant)>);

impl Refusal {
    /// Whether it has given the same refusal for so long that it counts as permanent.
    fn is_final(&mut self, error: &RedisConnectionError) -> bool {
        match &self.0 {
            Some((known, since)) if known == error => since.elapsed() >= REJECTED_AFTER,
            _ => {
                self.0 = Some((error.clone(), Instant::now()));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_a_last_word_once_it_was_the_same_for_long() {
        let wrong = RedisConnectionError::Password { address: "redis://store".to_owned() };
        let other = RedisConnectionError::Cluster { address: "redis://store".to_owned() };
        let mut refusal = Refusal::default();
        assert!(!refusal.is_final(&wrong));
        advance(REJECTED_AFTER / 2).await;
        assert!(!refusal.is_final(&wrong));
        assert!(!refusal.is_final(&other), "the time starts again with another answer");
        advance(REJECTED_AFTER / 2).await;
        assert!(!refusal.is_final(&wrong));
        advance(REJECTED_AFTER).await;
        assert!(refusal.is_final(&wrong));
    }
}
