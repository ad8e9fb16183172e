//! Purses in the store: two hashes for each run, by owner.

use std::collections::BTreeMap;

use redis::{Pipeline, Value};

use super::written::{CLOSED, Closing, Found, Purse, Stated, purse, purse_bytes, statement_bytes};
use crate::budget::statement::Statement;
use crate::id::RunId;
use crate::money::NanoUsd;
use crate::redis_connection::key::{self, EXPIRY_SECONDS};
use crate::redis_connection::{RedisConnection, RedisConnectionError};

/// The last parts of the keys.
const STATEMENTS: &str = "statements";
const PURSES: &str = "purses";

/// Writes a statement, and returns the purse.
const STATE: &str = "\
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) \
    redis.call('EXPIRE', KEYS[1], ARGV[3]) \
    return redis.call('HGET', KEYS[2], ARGV[1])";

/// Writes a purse if the statement is still the one that was seen.
const SHRINK: &str = "\
    if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end \
    redis.call('HSET', KEYS[2], ARGV[1], ARGV[3]) \
    return 1";

/// Reads the server's name for its present life, which ends with each restart, and both hashes.
const READ: &str = "\
    local life = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or '' \
    return {life, redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2])}";

/// Closes a purse, and returns the statement; does neither in another life of the server.
const CLOSE: &str = "\
    local life = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or '' \
    if life ~= ARGV[4] then return 0 end \
    redis.call('HSET', KEYS[2], ARGV[1], ARGV[2]) \
    redis.call('EXPIRE', KEYS[2], ARGV[3]) \
    return redis.call('HGET', KEYS[1], ARGV[1])";

fn keys(run: &RunId) -> [String; 2] {
    [STATEMENTS, PURSES].map(|what| key::of_run(run, what))
}

async fn run_script(
    connection: &RedisConnection,
    (script, run): (&str, &RunId),
    arguments: &[&[u8]],
) -> Result<Value, RedisConnectionError> {
    let mut commands = Pipeline::new();
    let command = commands.cmd("EVAL").arg(script).arg(2).arg(&keys(run)[..]);
    for argument in arguments {
        command.arg(*argument);
    }
    Ok(connection.write(commands).await?.values.swap_remove(0))
}

pub(super) async fn state(
    connection: &RedisConnection,
    run: &RunId,
    owner: &str,
    statement: &Statement,
) -> Result<Purse, RedisConnectionError> {
    let expiry = EXPIRY_SECONDS.to_string();
    let arguments = [owner.as_bytes(), &statement_bytes(statement), expiry.as_bytes()];
    match run_script(connection, (STATE, run), &arguments).await? {
        Value::BulkString(bytes) => Ok(purse(&bytes)),
        _ => Ok(Purse::Absent),
    }
}

pub(super) async fn read(connection: &RedisConnection, run: &RunId) -> Result<Found, RedisConnectionError> {
    let mut parts = match run_script(connection, (READ, run), &[]).await? {
        Value::Array(parts) => parts,
        _ => Vec::new(),
    };
    let [granted, statements, life] = [parts.pop(), parts.pop(), parts.pop()];
    let [granted, statements] = [granted, statements].map(|hash| hash.map(fields).unwrap_or_default());
    let read = |(owner, bytes): (String, Vec<u8>)| Some((owner, Stated::read(bytes)?));
    let granted = granted.into_iter().map(|(owner, bytes)| (owner, purse(&bytes))).collect();
    let life = life.and_then(|life| redis::from_redis_value(life).ok()).unwrap_or_default();
    Ok(Found { life, stated: statements.into_iter().filter_map(read).collect(), granted })
}

/// The fields of a hash.
fn fields(answer: Value) -> BTreeMap<String, Vec<u8>> {
    redis::from_redis_value(answer).unwrap_or_default()
}

pub(super) async fn grant(
    connection: &RedisConnection,
    run: &RunId,
    grants: &[(String, Vec<NanoUsd>)],
) -> Result<(), RedisConnectionError> {
    if grants.is_empty() {
        return Ok(());
    }
    let [_, purses] = keys(run);
    let mut commands = Pipeline::new();
    let command = commands.cmd("HSET").arg(&purses);
    for (owner, limits) in grants {
        command.arg(owner).arg(purse_bytes(limits));
    }
    commands.cmd("EXPIRE").arg(&purses).arg(EXPIRY_SECONDS);
    connection.write(commands).await.map(|_| ())
}

pub(super) async fn shrink(
    connection: &RedisConnection,
    run: &RunId,
    (owner, seen): (&str, &[u8]),
    to: &[NanoUsd],
) -> Result<bool, RedisConnectionError> {
    let done = run_script(connection, (SHRINK, run), &[owner.as_bytes(), seen, &purse_bytes(to)]).await?;
    Ok(done == Value::Int(1))
}

pub(super) async fn close(
    connection: &RedisConnection,
    run: &RunId,
    (owner, life): (&str, &str),
) -> Result<Closing, RedisConnectionError> {
    let expiry = EXPIRY_SECONDS.to_string();
    let arguments = [owner.as_bytes(), CLOSED, expiry.as_bytes(), life.as_bytes()];
    Ok(match run_script(connection, (CLOSE, run), &arguments).await? {
        Value::BulkString(bytes) => Closing::Closed(Stated::read(bytes).map(|stated| stated.statement)),
        Value::Nil => Closing::Closed(None),
        _ => Closing::OtherLife,
    })
}

pub(super) async fn forget(connection: &RedisConnection, run: &RunId, owner: &str) -> Result<(), RedisConnectionError> {
    let [statements, _] = keys(run);
    let mut commands = Pipeline::new();
    commands.cmd("HDEL").arg(statements).arg(owner);
    connection.write(commands).await.map(|_| ())
}

pub(super) async fn clear(connection: &RedisConnection, run: &RunId) -> Result<(), RedisConnectionError> {
    let mut commands = Pipeline::new();
    commands.cmd("UNLINK").arg(&keys(run)[..]);
    connection.write(commands).await.map(|_| ())
}
