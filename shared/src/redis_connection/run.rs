//! Runs commands: sends them together, and resends those that were lost or refused for the moment.

use std::time::Duration;

use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::{Arg, Pipeline, Value};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::error::Failure;
use super::{Address, LiveConnection, RedisConnection, RedisConnectionError, RedisConnectionState};

/// The server's answers to several commands.
#[derive(Debug)]
pub(crate) struct Answers {
    /// One for each command, in the order of the commands.
    pub(crate) values: Vec<Value>,
    /// Whether some may have been carried out twice.
    pub(crate) sent_again: bool,
}

/// The kind of commands, which decides what their success says about the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Read,
    /// Reads what may be lost: a value of another kind is removed.
    ReadOrLose,
    Write,
}

/// How the keys of this program begin.
const OURS: &str = "valuesim:{";

/// Commands in flight.
#[derive(Debug)]
struct Exchange {
    /// The commands without an answer so far.
    commands: Pipeline,
    /// The position of the answer of each.
    positions: Vec<usize>,
    values: Vec<Value>,
    /// The keys of this program whose values were found to be of another kind.
    of_another_kind: Vec<String>,
}

impl RedisConnection {
    /// Runs commands that change nothing.
    pub(crate) async fn read(&self, commands: Pipeline) -> Result<Vec<Value>, RedisConnectionError> {
        Ok(self.run(commands, Purpose::Read).await?.values)
    }

    /// The same for what this process may lose. A key whose value is of another kind is removed, and then has no value: nobody who
    /// writes there may stop a run.
    pub(crate) async fn read_or_lose(&self, commands: Pipeline) -> Result<Vec<Value>, RedisConnectionError> {
        Ok(self.run(commands, Purpose::ReadOrLose).await?.values)
    }

    /// Runs idempotent commands, after removing keys whose values are of another kind; waits while the server is unreachable or refuses them for the moment.
    pub(crate) async fn write(&self, commands: Pipeline) -> Result<Answers, RedisConnectionError> {
        self.run(commands, Purpose::Write).await
    }

    /// Runs an operation on the server for at most `limit`.
    pub(crate) async fn within<T>(
        &self,
        limit: Duration,
        doing: impl Future<Output = Result<T, RedisConnectionError>>,
    ) -> Result<T, RedisConnectionError> {
        let ended = tokio::time::timeout(limit, doing).await;
        ended.unwrap_or_else(|_| {
            let reason = match self.state() {
                RedisConnectionState::Connected => format!("no answer in {} s", limit.as_secs_f32()),
                RedisConnectionState::Unreachable { reason, .. } | RedisConnectionState::Refusing { reason, .. } => {
                    reason
                }
            };
            Err(RedisConnectionError::Unreachable { address: self.address().to_string(), reason })
        })
    }

    async fn run(&self, commands: Pipeline, purpose: Purpose) -> Result<Answers, RedisConnectionError> {
        let mut exchange = Exchange::new(commands);
        let mut sent_again = false;
        let mut backoff = Backoff::default();
        loop {
            let (number, connection) = self.live_connection().await?;
            let sent_at = Instant::now();
            let failure = exchange.attempt(self, (connection, purpose)).await;
            self.shared.metrics.ended(sent_at.elapsed(), failure.as_ref());
            match failure {
                None => break,
                Some(Failure::Final(error)) => return Err(error),
                Some(Failure::Lost(reason)) => self.shared.give_up(number, reason),
                Some(Failure::Passing(reason)) => self.shared.is_refusing(reason),
            }
            sent_again = true;
            backoff.pause().await;
        }
        // A server that accepts no writes still answers reads.
        if purpose == Purpose::Write {
            self.shared.is_connected();
        }
        Ok(Answers { values: exchange.values, sent_again })
    }

    /// The current connection and its number; waits until there is one.
    async fn live_connection(&self) -> Result<(u64, MultiplexedConnection), RedisConnectionError> {
        let mut connections = self.shared.live.subscribe();
        let live = connections.wait_for(|live| !matches!(live, LiveConnection::Down)).await.map(|live| live.clone());
        match live {
            Ok(LiveConnection::Up { number, connection }) => Ok((number, connection)),
            Ok(LiveConnection::Rejected(error)) => Err(error),
            Ok(LiveConnection::Down) | Err(_) => {
                unreachable!("the wait has just succeeded, and the sender lives as long as `self`")
            }
        }
    }
}

impl Exchange {
    fn new(commands: Pipeline) -> Self {
        let count = commands.len();
        Self { commands, positions: (0..count).collect(), values: vec![Value::Nil; count], of_another_kind: Vec::new() }
    }

    /// Sends the commands without an answer; returns why some still have none.
    async fn attempt(
        &mut self,
        redis: &RedisConnection,
        (mut connection, purpose): (MultiplexedConnection, Purpose),
    ) -> Option<Failure> {
        let failure = self.send(redis.address(), &mut connection).await;
        let wrong = std::mem::take(&mut self.of_another_kind);
        if purpose == Purpose::Read || wrong.is_empty() {
            return failure;
        }
        let mut removing = Pipeline::new();
        for key in &wrong {
            tracing::warn!(server = %redis.address(), key, "removing a value of another kind, which this program did not write");
            removing.cmd("UNLINK").arg(key);
        }
        // If this fails, the commands fail again, and it is tried again.
        let _ = connection.req_packed_commands(&removing, 0, removing.len()).await;
        Some(Failure::Passing(format!("its key {} held a value of another kind", wrong[0])))
    }

    async fn send(&mut self, address: &Address, connection: &mut MultiplexedConnection) -> Option<Failure> {
        match connection.req_packed_commands(&self.commands, 0, self.commands.len()).await {
            Ok(answers) => self.take(answers, address),
            Err(error) => Some(match Failure::of_exchange(address, &error) {
                // Garbage in place of an answer: nothing that follows on this connection can be trusted.
                Failure::Final(RedisConnectionError::NotRedis { reason, .. }) => Failure::Lost(reason),
                failure => failure,
            }),
        }
    }

    fn take(&mut self, answers: Vec<Value>, address: &Address) -> Option<Failure> {
        let mut failure = None;
        let mut left = Vec::new();
        for (command, answer) in answers.into_iter().enumerate() {
            match answer {
                Value::ServerError(error) => {
                    left.push(command);
                    let key = self.key_of(command);
                    failure = Some(worse(failure, Failure::of_command(address, &error, &key)));
                    if error.code() == "WRONGTYPE" && key.starts_with(OURS) {
                        self.of_another_kind.push(key);
                    }
                }
                value => self.values[self.positions[command]] = value,
            }
        }
        if failure.is_some() {
            self.keep_only(&left);
        }
        failure
    }

    /// The key that a command is about, for errors.
    fn key_of(&self, command: usize) -> String {
        let mut arguments = self.commands.cmd_iter().nth(command).map(redis::Cmd::args_iter).into_iter().flatten();
        let is_script = matches!(arguments.next(), Some(Arg::Simple(b"EVAL")));
        // A script's key comes after its text and the number of keys.
        match arguments.nth(if is_script { 2 } else { 0 }) {
            Some(Arg::Simple(key)) => String::from_utf8_lossy(key).into_owned(),
            _ => String::new(),
        }
    }

    /// Keeps only the commands without an answer, whose positions `left` lists in order.
    fn keep_only(&mut self, left: &[usize]) {
        let mut kept = Pipeline::with_capacity(left.len());
        let all = self.commands.cmd_iter().enumerate();
        for (_, command) in all.filter(|(position, _)| left.binary_search(position).is_ok()) {
            kept.add_command(command.clone());
        }
        self.positions = left.iter().map(|&command| self.positions[command]).collect();
        self.commands = kept;
    }
}

/// The more serious failure: a permanent one, before a lost connection, before a temporary one.
fn worse(one: Option<Failure>, other: Failure) -> Failure {
    match (one, other) {
        (Some(Failure::Final(error)), _) => Failure::Final(error),
        (Some(Failure::Lost(reason)), Failure::Passing(_)) => Failure::Lost(reason),
        (_, other) => other,
    }
}
