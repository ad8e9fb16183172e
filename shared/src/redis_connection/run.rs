//! Runs commands: sends them together, and again what was lost or has to wait.

use std::time::Duration;

use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::{Pipeline, Value};

use super::backoff::Pauses;
use super::error::Failure;
use super::{Address, Line, RedisConnection, RedisConnectionError, RedisConnectionState};

/// What the server said to a number of commands.
#[derive(Debug)]
pub(crate) struct Answers {
    /// One for each command, in their order.
    pub(crate) values: Vec<Value>,
    /// Whether some may have been carried out twice.
    pub(crate) sent_again: bool,
}

/// What commands are for, which tells what their success says of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Read,
    Write,
}

/// Commands on their way.
#[derive(Debug)]
struct Exchange {
    /// Those that are not answered yet.
    commands: Pipeline,
    /// Where the answer of each belongs.
    places: Vec<usize>,
    values: Vec<Value>,
}

impl RedisConnection {
    /// Runs commands that change nothing.
    pub(crate) async fn read(&self, commands: Pipeline) -> Result<Vec<Value>, RedisConnectionError> {
        Ok(self.run(commands, Purpose::Read).await?.values)
    }

    /// Runs commands that bear to be carried out twice; waits while the server is away or will not have them.
    pub(crate) async fn write(&self, commands: Pipeline) -> Result<Answers, RedisConnectionError> {
        self.run(commands, Purpose::Write).await
    }

    /// Does something with the server, and waits no longer than `limit` for it.
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
        let mut pauses = Pauses::default();
        loop {
            let (number, connection) = self.line().await?;
            match exchange.attempt(self, connection).await {
                None => break,
                Some(Failure::Final(error)) => return Err(error),
                Some(Failure::Lost(reason)) => self.shared.give_up_line(number, reason),
                Some(Failure::Passing(reason)) => self.shared.is_refusing(reason),
            }
            sent_again = true;
            pauses.pause().await;
        }
        // A server that takes no writes still answers reads.
        if purpose == Purpose::Write {
            self.shared.is_connected();
        }
        Ok(Answers { values: exchange.values, sent_again })
    }

    /// The connection and its number; waits until there is one.
    async fn line(&self) -> Result<(u64, MultiplexedConnection), RedisConnectionError> {
        let mut lines = self.shared.line.subscribe();
        let line = lines.wait_for(|line| !matches!(line, Line::Down)).await.map(|line| line.clone());
        match line {
            Ok(Line::Up { number, connection }) => Ok((number, connection)),
            Ok(Line::Barred(error)) => Err(error),
            Ok(Line::Down) | Err(_) => unreachable!("it was waited for, and its sender lives as long as this"),
        }
    }
}

impl Exchange {
    fn new(commands: Pipeline) -> Self {
        let count = commands.len();
        Self { commands, places: (0..count).collect(), values: vec![Value::Nil; count] }
    }

    /// Sends what is not answered yet; returns why some of it still is not.
    async fn attempt(&mut self, link: &RedisConnection, mut connection: MultiplexedConnection) -> Option<Failure> {
        let address = link.address();
        match connection.req_packed_commands(&self.commands, 0, self.commands.len()).await {
            Ok(answers) => self.take(answers, address),
            Err(error) => Some(match Failure::of_exchange(address, &error) {
                // Noise where an answer should be: nothing that follows on this connection can be trusted.
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
                    failure = Some(worse(failure, Failure::of_command(address, &error)));
                }
                value => self.values[self.places[command]] = value,
            }
        }
        if failure.is_some() {
            self.keep_only(&left);
        }
        failure
    }

    /// Drops the commands that are answered; `left` says in order which are not.
    fn keep_only(&mut self, left: &[usize]) {
        let mut kept = Pipeline::with_capacity(left.len());
        let all = self.commands.cmd_iter().enumerate();
        for (_, command) in all.filter(|(place, _)| left.binary_search(place).is_ok()) {
            kept.add_command(command.clone());
        }
        self.places = left.iter().map(|&command| self.places[command]).collect();
        self.commands = kept;
    }
}

/// The failure that decides: one that does not pass, before a lost connection, before one that passes.
fn worse(one: Option<Failure>, other: Failure) -> Failure {
    match (one, other) {
        (Some(Failure::Final(error)), _) => Failure::Final(error),
        (Some(Failure::Lost(reason)), Failure::Passing(_)) => Failure::Lost(reason),
        (_, other) => other,
    }
}
