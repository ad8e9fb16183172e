//! A quota in the store of a fleet: one value, changed by whoever finds it as it was read.
//!
//! A worker reads the value and the server's time, decides, and writes its decision if nobody else has written meanwhile.
//! Otherwise the answer has what the other wrote, and it decides again: a lost race costs one round trip. So the decision is
//! the same code that decides in one process.

use redis::{Pipeline, Value};
use xxhash_rust::xxh3::xxh3_128;

use super::endpoint::Endpoint;
use super::quota::Quota;
use crate::redis_connection::{RedisConnection, RedisConnectionError, key};

/// How long a quota is kept after its last change: what is known of a provider's limits outlasts a night.
const EXPIRY_SECONDS: u64 = 24 * 60 * 60;

/// The layout of the value. Releases with different layouts keep different quotas.
const LAYOUT: u32 = 3;

/// The compression level of the value: the store's time is dearer than that of its workers.
const LEVEL: i32 = 1;

/// The longest JSON of a quota, in bytes; ordinary ones have some ten thousand.
const MOST_JSON: usize = 4 << 20;

/// Writes the value if its version is as expected; returns the time, and the value if it is another.
const SWAP: &str = "\
    local value = redis.call('GET', KEYS[1]) or '' \
    local time = redis.call('TIME') \
    local version = string.match(value, '^%x+') or '' \
    if version == ARGV[1] then redis.call('SET', KEYS[1], ARGV[3], 'EX', ARGV[4]) return {time[1], time[2]} end \
    if version == ARGV[2] then return {time[1], time[2]} end \
    return {time[1], time[2], value}";

/// A quota in the store.
#[derive(Debug, Clone)]
pub(super) struct StoredQuota {
    connection: RedisConnection,
    key: String,
}

/// A quota as it was read.
#[derive(Debug)]
pub(super) struct Found {
    /// `None` if there is none, or it cannot be read.
    pub(super) quota: Option<Quota>,
    version: String,
    /// The server's time, in milliseconds.
    pub(super) now: u64,
}

impl StoredQuota {
    /// The quota of a model at an endpoint.
    pub(super) fn new(connection: RedisConnection, endpoint: &Endpoint, model: &str) -> Self {
        let digest = xxh3_128(format!("{LAYOUT} {endpoint:?} {model}").as_bytes());
        Self { connection, key: key::of_fleet(&format!("quota-{digest:032x}")) }
    }

    /// Reads the quota. Waits while the store is away.
    pub(super) async fn read(&self) -> Result<Found, RedisConnectionError> {
        let mut commands = Pipeline::new();
        commands.cmd("GET").arg(&self.key).cmd("TIME");
        let mut answers = self.connection.read_or_lose(commands).await?.into_iter();
        let (value, time) = (answers.next(), answers.next());
        let Some(Value::Array(time)) = time else { return Ok(found(value, 0)) };
        Ok(found(value, milliseconds(&time)))
    }

    /// Writes a quota that was decided from what was found. Returns what was found instead, if that has changed.
    pub(super) async fn write(
        &self,
        found_before: &Found,
        quota: &Quota,
    ) -> Result<Option<Found>, RedisConnectionError> {
        let version = format!("{:016x}", random());
        let json = serde_json::to_vec(quota).unwrap_or_default();
        let packed = zstd::bulk::compress(&json, LEVEL).expect("memory can be written to");
        let value = [version.as_bytes(), b" ", &packed].concat();
        let mut commands = Pipeline::new();
        let command = commands.cmd("EVAL").arg(SWAP).arg(1).arg(&self.key).arg(&found_before.version);
        command.arg(&version).arg(value).arg(EXPIRY_SECONDS);
        let answer = self.connection.write(commands).await?.values.pop();
        let Some(Value::Array(mut parts)) = answer else { return Ok(None) };
        let value = (parts.len() > 2).then(|| parts.pop()).flatten();
        Ok(value.map(|value| found(Some(value), milliseconds(&parts))))
    }
}

fn found(value: Option<Value>, now: u64) -> Found {
    let bytes = match value {
        Some(Value::BulkString(bytes)) => bytes,
        _ => Vec::new(),
    };
    let space = bytes.iter().position(|byte| *byte == b' ').unwrap_or_default();
    let (version, packed) = bytes.split_at(space);
    let json = zstd::bulk::decompress(packed.get(1..).unwrap_or_default(), MOST_JSON).unwrap_or_default();
    Found { quota: serde_json::from_slice(&json).ok(), version: String::from_utf8_lossy(version).into_owned(), now }
}

/// Seconds and microseconds as the server tells its time.
fn milliseconds(time: &[Value]) -> u64 {
    let part = |at: usize| match time.get(at) {
        Some(Value::BulkString(digits)) => std::str::from_utf8(digits).ok()?.parse::<u64>().ok(),
        Some(Value::Int(number)) => u64::try_from(*number).ok(),
        _ => None,
    };
    part(0).unwrap_or_default() * 1_000 + part(1).unwrap_or_default() / 1_000
}

/// A random number that differs between processes and between calls.
pub(super) fn random() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(0_u8)
}
