//! Keeps a connection up: makes it, watches over it, makes it again.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError};
use tokio::time::{Instant, MissedTickBehavior};

use super::backoff::Pauses;
use super::error::Failure;
use super::{Address, CONNECT_LIMIT, Line, RESPONSE_LIMIT, RedisConnectionError, Shared, server};

/// How often the server is asked whether it lives, so that its loss is seen while nobody has a command for it.
const PING_EVERY: Duration = Duration::from_secs(1);

/// For how long a server has to give the same answer before it counts as its last word: one that has too many clients says
/// so in answer to a login, which reads as a wrong password.
const BARRED_AFTER: Duration = Duration::from_secs(20);

/// How long to leave a server alone that will not have us: somebody has to change something first.
const BARRED_PAUSE: Duration = Duration::from_secs(5);

/// A connection that was just made.
pub(super) struct Opened {
    pub(super) connection: MultiplexedConnection,
    pub(super) warnings: Vec<String>,
}

/// Makes a connection; tries again for as long as `patience` while the server is away.
pub(super) async fn connect(address: &Address, patience: Duration) -> Result<Opened, RedisConnectionError> {
    let start = Instant::now();
    let mut pauses = Pauses::default();
    loop {
        let reason = match open(address).await {
            Ok(opened) => return Ok(opened),
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Lost(reason) | Failure::Passing(reason)) => reason,
        };
        if start.elapsed() >= patience {
            return Err(RedisConnectionError::Unreachable { address: address.to_string(), reason });
        }
        pauses.pause().await;
    }
}

/// Keeps the connection up for as long as anybody has it.
pub(super) async fn keep(shared: Arc<Shared>) {
    for number in 1.. {
        until_lost(&shared).await;
        let connection = make_again(&shared).await;
        shared.line.send_replace(Line::Up { number, connection });
        shared.is_connected();
    }
}

async fn open(address: &Address) -> Result<Opened, Failure> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_LIMIT))
        .set_response_timeout(Some(RESPONSE_LIMIT));
    let connected = address.client.get_multiplexed_async_connection_with_config(&config).await;
    let mut connection = connected.map_err(|error| not_connected(address, &error))?;
    let failed = |error| Failure::of_exchange(address, &error);
    let Some(facts) = server::facts(&mut connection).await.map_err(failed)? else {
        return Ok(Opened { connection, warnings: Vec::new() });
    };
    facts.check(address).map_err(Failure::Final)?;
    let warnings = server::warnings(&facts, &mut connection).await;
    Ok(Opened { connection, warnings })
}

/// Why there is no connection, with what it often means.
fn not_connected(address: &Address, error: &RedisError) -> Failure {
    let Failure::Lost(reason) = Failure::of_exchange(address, error) else {
        return Failure::of_exchange(address, error);
    };
    let hint = match address.has_tls() {
        true if reason.contains("certificate") => "--store-ca names a file with the certificates to trust",
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
    let Line::Up { number, mut connection } = shared.line.borrow().clone() else { return };
    let mut line = shared.line.subscribe();
    tokio::select! {
        _ = line.wait_for(|line| !matches!(line, Line::Up { .. })) => {}
        reason = until_silent(&mut connection) => shared.give_up_line(number, reason),
    }
}

/// Asks the server every second whether it lives; returns why it does not.
async fn until_silent(connection: &mut MultiplexedConnection) -> String {
    let mut seconds = tokio::time::interval(PING_EVERY);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let ping = redis::cmd("PING");
    loop {
        seconds.tick().await;
        match connection.send_packed_command(&ping).await {
            // Whatever it says, it lives.
            Ok(_) => {}
            Err(error) if error.is_timeout() => return "it does not answer in time".to_owned(),
            Err(error) => return error.to_string(),
        }
    }
}

/// Makes the connection again, however long that takes.
async fn make_again(shared: &Shared) -> MultiplexedConnection {
    let (mut pauses, mut refusal) = (Pauses::default(), Refusal::default());
    loop {
        match open(&shared.address).await {
            Ok(opened) => return opened.connection,
            Err(Failure::Lost(reason) | Failure::Passing(reason)) => {
                refusal = Refusal::default();
                shared.is_unreachable(reason);
            }
            // Another server may stand behind the address in a moment: that is how a primary fails over.
            Err(Failure::Final(
                error @ (RedisConnectionError::Replica { .. } | RedisConnectionError::NotRedis { .. }),
            )) => {
                refusal = Refusal::default();
                shared.is_unreachable(error.to_string());
            }
            Err(Failure::Final(error)) => {
                shared.is_unreachable(error.to_string());
                if refusal.is_last_word(&error) {
                    shared.line.send_replace(Line::Barred(error));
                    tokio::time::sleep(BARRED_PAUSE).await;
                }
            }
        }
        pauses.pause().await;
    }
}

/// What a server has answered without a break, and since when.
#[derive(Debug, Default)]
struct Refusal(Option<(RedisConnectionError, Instant)>);

impl Refusal {
    /// Whether it has said the same for so long that waiting does not help.
    fn is_last_word(&mut self, error: &RedisConnectionError) -> bool {
        match &self.0 {
            Some((known, since)) if known == error => since.elapsed() >= BARRED_AFTER,
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
        assert!(!refusal.is_last_word(&wrong));
        advance(BARRED_AFTER / 2).await;
        assert!(!refusal.is_last_word(&wrong));
        assert!(!refusal.is_last_word(&other), "another answer begins anew");
        advance(BARRED_AFTER / 2).await;
        assert!(!refusal.is_last_word(&wrong));
        advance(BARRED_AFTER).await;
        assert!(refusal.is_last_word(&wrong));
    }
}
