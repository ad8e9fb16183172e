//! Orders and reports on a Redis or Valkey server.
//!
//! No operation waits for long: an operator's command fails within seconds if it cannot reach the server, and a late report is
//! useless.

mod leader;

use std::time::Duration;

use redis::{Pipeline, Value};
use serde::de::DeserializeOwned;

use super::message::{decode, encode};
use super::{
    AboutRun, Change, Control, ControlError, CoordinatorReport, History, Lead, Listing, MAX_CHANGES, Order, Process,
    REPORT_EXPIRY, RunScores, WorkerReport,
};
use crate::id::RunId;
use crate::redis_connection::key::{self, EXPIRY, EXPIRY_SECONDS};
use crate::redis_connection::{Address, RedisConnection, RedisConnectionError};

/// How long the server may take to answer: clearly less than an operator's command waits, so that the command can report
/// which server did not answer, and why.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long to wait for the server to drop expired members of a list; the next reader can do it as well.
const TIDY_WITHIN: Duration = Duration::from_millis(200);

const ORDER: &str = "order";
const ABOUT: &str = "about";
const SCORES: &str = "scores";
const RUNS: &str = "runs";
const WORKERS: &str = "workers";
const COORDINATORS: &str = "coordinators";
const CHANGES: &str = "changes";
const HISTORY: &str = "history";

/// Orders and reports on a server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RedisControl {
    connection: RedisConnection,
}

impl RedisControl {
    /// Connects to a server. Tries once, because an operator waits.
    pub async fn connect(address: &Address) -> Result<Self, RedisConnectionError> {
        Ok(Self::new(RedisConnection::connect(address, Duration::ZERO).await?))
    }

    /// Uses a connection that others may share.
    pub fn new(connection: RedisConnection) -> Self {
        Self { connection }
    }

    /// Why processes cannot report at the moment, so that those which are alive may be missing in what is read: the server's
    /// memory is full. `None` if they can.
    pub async fn cannot_be_reported_to(&self) -> Result<Option<String>, ControlError> {
        let mut commands = Pipeline::new();
        commands.cmd("INFO").arg("memory");
        let info = self.read(commands).await?.pop();
        let info: String = info.and_then(|info| redis::from_redis_value(info).ok()).unwrap_or_default();
        Ok(is_full(&info).then(|| {
            "its memory is full (maxmemory): give it more memory, or purge finished runs; no process can report there, so those that are \
             alive may be missing here"
                .to_owned()
        }))
    }

    async fn report(&self, list: &str, id: &str, report: Vec<u8>) -> Result<(), ControlError> {
        let mut commands = Pipeline::new();
        let expiry = REPORT_EXPIRY.as_secs();
        commands.cmd("SET").arg(key::of_fleet_member(list, id)).arg(report).arg("EX").arg(expiry);
        enlist(&mut commands, list, id);
        self.write(commands).await.map(|_| ())
    }

    async fn leave(&self, list: &str, member: &str) -> Result<(), ControlError> {
        let mut commands = Pipeline::new();
        commands.cmd("UNLINK").arg(key::of_fleet_member(list, member));
        commands.cmd("ZREM").arg(key::of_fleet(list)).arg(member);
        self.write(commands).await.map(|_| ())
    }

    async fn reports<T: DeserializeOwned>(&self, list: &str) -> Result<Listing<T>, ControlError> {
        let members = self.listed(list).await?;
        let mut commands = Pipeline::new();
        for member in &members {
            commands.cmd("GET").arg(key::of_fleet_member(list, member));
        }
        let mut found = Listing { all: Vec::new(), unreadable: 0 };
        let mut silent = Pipeline::new();
        for (member, answer) in members.iter().zip(self.read(commands).await?) {
            match (&answer, parse(&answer)) {
                (_, Some(report)) => found.all.push(report),
                (Value::Nil, None) => _ = silent.cmd("ZREM").arg(key::of_fleet(list)).arg(member),
                (_, None) => found.unreadable += 1,
            }
        }
        self.tidy(silent).await;
        Ok(found)
    }

    /// Drops silent members from their list if the server accepts writes; one that does not still answers reads. A member that
    /// was only late adds itself again with its next report.
    async fn tidy(&self, silent: Pipeline) {
        if silent.is_empty() {
            return;
        }
        if let Err(error) = self.connection.within(TIDY_WITHIN, self.connection.write(silent)).await {
            tracing::debug!(%error, "could not drop silent members from their list");
        }
    }

    /// The members of a list, the most recent report first.
    async fn listed(&self, list: &str) -> Result<Vec<String>, ControlError> {
        let mut commands = Pipeline::new();
        commands.cmd("ZREVRANGE").arg(key::of_fleet(list)).arg(0).arg(-1);
        let members = self.read(commands).await?.swap_remove(0);
        Ok(redis::from_redis_value(members).unwrap_or_default())
    }

    async fn read(&self, commands: Pipeline) -> Result<Vec<Value>, ControlError> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.connection.within(PATIENCE, self.connection.read(commands)).await?)
    }

    async fn write(&self, commands: Pipeline) -> Result<Vec<Value>, ControlError> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.connection.within(PATIENCE, self.connection.write(commands)).await?.values)
    }
}

impl Control for RedisControl {
    async fn give_order(&self, run: &RunId, order: &Order) -> Result<(), ControlError> {
        let mut commands = Pipeline::new();
        commands.cmd("SET").arg(key::of_run(run, ORDER)).arg(encode(order)).arg("EX").arg(EXPIRY_SECONDS);
        self.write(commands).await.map(|_| ())
    }

    async fn order(&self, run: &RunId) -> Result<Option<Order>, ControlError> {
        let mut commands = Pipeline::new();
        commands.cmd("GETEX").arg(key::of_run(run, ORDER)).arg("EX").arg(EXPIRY_SECONDS);
        match self.write(commands).await?.first() {
            None | Some(Value::Nil) => Ok(None),
            Some(order) => parse(order).map(Some).ok_or_else(|| ControlError::OtherRelease(run.clone())),
        }
    }

    async fn announce(&self, about: &AboutRun) -> Result<(), ControlError> {
        let mut commands = Pipeline::new();
        announce_into(&mut commands, about);
        self.write(commands).await.map(|_| ())
    }

    async fn announce_under(&self, order: &Order, about: &AboutRun) -> Result<bool, ControlError> {
        let mut commands = Pipeline::new();
        let order_key = key::of_run(&about.run, ORDER);
        commands.cmd("SET").arg(order_key).arg(encode(order)).arg("NX").arg("EX").arg(EXPIRY_SECONDS);
        announce_into(&mut commands, about);
        Ok(matches!(self.write(commands).await?.first(), Some(Value::Okay)))
    }

    async fn about(&self, run: &RunId) -> Result<Option<AboutRun>, ControlError> {
        let mut commands = Pipeline::new();
        commands.cmd("GET").arg(key::of_run(run, ABOUT));
        Ok(self.read(commands).await?.first().and_then(parse))
    }

    async fn runs(&self) -> Result<Listing<(AboutRun, Option<Order>)>, ControlError> {
        let runs: Vec<RunId> = self.listed(RUNS).await?.into_iter().map(RunId).collect();
        let mut commands = Pipeline::new();
        for run in &runs {
            commands.cmd("GET").arg(key::of_run(run, ABOUT));
            commands.cmd("GET").arg(key::of_run(run, ORDER));
        }
        let mut found = Listing { all: Vec::new(), unreadable: 0 };
        for answers in self.read(commands).await?.chunks_exact(2) {
            match (&answers[0], parse(&answers[0])) {
                (_, Some(about)) => found.all.push((about, parse(&answers[1]))),
                (Value::Nil, None) => {}
                (_, None) => found.unreadable += 1,
            }
        }
        Ok(found)
    }

    async fn report_scores(&self, scores: &RunScores) -> Result<(), ControlError> {
        let mut commands = Pipeline::new();
        let scores_key = key::of_run(&scores.run, SCORES);
        commands.cmd("SET").arg(scores_key).arg(encode(scores)).arg("EX").arg(EXPIRY_SECONDS);
        self.write(commands).await.map(|_| ())
    }

    async fn scores(&self, run: &RunId) -> Result<Option<RunScores>, ControlError> {
        let mut commands = Pipeline::new();
        commands.cmd("GET").arg(key::of_run(run, SCORES));
        Ok(self.read(commands).await?.first().and_then(parse))
    }

    async fn strike_out(&self, run: &RunId) -> Result<(), ControlError> {
        let mut commands = Pipeline::new();
        commands.cmd("UNLINK").arg(key::of_run(run, SCORES));
        self.write(commands).await?;
        self.leave(RUNS, &run.0).await
    }

    async fn report_worker(&self, report: &WorkerReport) -> Result<(), ControlError> {
        self.report(WORKERS, &report.process.id, encode(report)).await
    }

    async fn report_coordinator(&self, report: &CoordinatorReport) -> Result<(), ControlError> {
        self.report(COORDINATORS, &report.process.id, encode(report)).await
    }

    async fn worker_ended(&self, id: &str) -> Result<(), ControlError> {
        self.leave(WORKERS, id).await
    }

    async fn coordinator_ended(&self, id: &str) -> Result<(), ControlError> {
        self.leave(COORDINATORS, id).await
    }

    async fn workers(&self) -> Result<Listing<WorkerReport>, ControlError> {
        self.reports(WORKERS).await
    }

    async fn coordinators(&self) -> Result<Listing<CoordinatorReport>, ControlError> {
        self.reports(COORDINATORS).await
    }

    async fn note_change(&self, run: &RunId, change: &Change) -> Result<(), ControlError> {
        let (mut commands, changes) = (Pipeline::new(), key::of_run(run, CHANGES));
        commands.cmd("LPUSH").arg(&changes).arg(encode(change));
        commands.cmd("LTRIM").arg(&changes).arg(0).arg(MAX_CHANGES - 1);
        commands.cmd("EXPIRE").arg(&changes).arg(EXPIRY_SECONDS);
        self.write(commands).await.map(|_| ())
    }

    async fn changes(&self, run: &RunId) -> Result<Vec<Change>, ControlError> {
        let mut commands = Pipeline::new();
        commands.cmd("LRANGE").arg(key::of_run(run, CHANGES)).arg(0).arg(MAX_CHANGES - 1);
        let changes = self.read(commands).await?.swap_remove(0);
        let changes: Vec<Vec<u8>> = redis::from_redis_value(changes).unwrap_or_default();
        Ok(changes.iter().filter_map(|change| decode(change)).collect())
    }

    async fn keep_history(&self, run: &RunId, history: &History) -> Result<(), ControlError> {
        let mut commands = Pipeline::new();
        commands.cmd("SET").arg(key::of_run(run, HISTORY)).arg(encode(history)).arg("EX").arg(EXPIRY_SECONDS);
        self.write(commands).await.map(|_| ())
    }

    async fn history(&self, run: &RunId) -> Result<Option<History>, ControlError> {
        let mut commands = Pipeline::new();
        commands.cmd("GET").arg(key::of_run(run, HISTORY));
        Ok(self.read(commands).await?.first().and_then(parse))
    }

    async fn take_lead(&self, run: &RunId, process: &Process, gone: Option<&str>) -> Result<Lead, ControlError> {
        leader::take(self, run, process, gone).await
    }

    async fn renew_lead(&self, run: &RunId, process: &Process) -> Result<Option<Process>, ControlError> {
        leader::renew(self, run, process).await
    }

    async fn release_lead(&self, run: &RunId, process: &Process) -> Result<(), ControlError> {
        leader::release(self, run, process).await
    }

    fn problem(&self) -> Option<String> {
        self.connection.state().problem()
    }
}

/// Writes a run's entry in the list of runs.
fn announce_into(commands: &mut Pipeline, about: &AboutRun) {
    let about_key = key::of_run(&about.run, ABOUT);
    commands.cmd("SET").arg(about_key).arg(encode(about)).arg("EX").arg(EXPIRY_SECONDS);
    enlist(commands, RUNS, &about.run.0);
}

/// Adds a member to a list at the server's time, and drops members that were last heard of so many milliseconds before it.
/// `ARGV`: the member, these milliseconds, the expiry of the list in seconds. By a process's own clock, one that is a year ahead
/// would drop everybody else.
const ENLIST: &str = "\
    local time = redis.call('TIME') \
    local now = time[1] * 1000 + math.floor(time[2] / 1000) \
    redis.call('ZADD', KEYS[1], now, ARGV[1]) \
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2]) \
    return redis.call('EXPIRE', KEYS[1], ARGV[3])";

/// Adds a member to a list, and drops members whose data has expired.
fn enlist(commands: &mut Pipeline, list: &str, member: &str) {
    let expiry = u64::try_from(EXPIRY.as_millis()).unwrap_or(u64::MAX);
    commands.cmd("EVAL").arg(ENLIST).arg(1).arg(key::of_fleet(list)).arg(member).arg(expiry).arg(EXPIRY_SECONDS);
}

/// Whether `INFO memory` says that commands which need memory are refused.
fn is_full(info: &str) -> bool {
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    let number = |name: &str| field(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let limit = number("maxmemory");
    limit > 0 && number("used_memory") >= limit && field("maxmemory_policy") == Some("noeviction")
}

/// Reads a message; `None` if it has another version or cannot be parsed.
fn parse<T: DeserializeOwned>(answer: &Value) -> Option<T> {
    let Value::BulkString(json) = answer else { return None };
    decode(json)
}
