//! The lease on a run: a key with an expiry that only scripts on the server change, so that reading and writing it is atomic.
//! The server's clock decides when a lease has expired.

use std::time::Duration;

use redis::{Pipeline, Value};

use super::super::message::encode;
use super::super::{ControlError, LEASE_EXPIRY, Lead, Process};
use super::RedisControl;
use crate::id::RunId;
use crate::redis_connection::key;

const LEADER: &str = "leader";

/// The beginning of all scripts: reads the leader, or nil if there is none or it cannot be read.
macro_rules! script {
    ($rest:literal) => {
        concat!(
            "local held = redis.call('GET', KEYS[1]) ",
            "local leader = nil ",
            "if held then local ok, found = pcall(cjson.decode, held) ",
            "if ok and type(found) == 'table' and found.id and found.started_at then leader = found end end ",
            $rest
        )
    };
}

/// `ARGV`: the process, its id, the expiry in milliseconds, the id of a process that has ended. Returns nothing if the process
/// leads the run now, otherwise the leader and the remaining milliseconds of its lease.
const TAKE: &str = script!(
    "if leader and leader.id ~= ARGV[2] and leader.id ~= ARGV[4] then return {held, redis.call('PTTL', KEYS[1])} end \
     redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3]) return {}"
);

/// `ARGV`: the process, its id, the expiry, when it started. Returns the leader if that process started earlier.
const RENEW: &str = script!(
    "if leader and leader.id ~= ARGV[2] then local started = tonumber(ARGV[4]) \
     if leader.started_at < started or (leader.started_at == started and leader.id < ARGV[2]) then return held end end \
     redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3]) return false"
);

/// `ARGV`: nothing, the id of the process.
const RELEASE: &str = script!("if leader and leader.id == ARGV[2] then redis.call('DEL', KEYS[1]) end return false");

pub(super) async fn take(
    control: &RedisControl,
    run: &RunId,
    process: &Process,
    gone: Option<&str>,
) -> Result<Lead, ControlError> {
    match evaluate(control, TAKE, run, process, gone.unwrap_or_default()).await? {
        Value::Array(held) => Ok(match &held[..] {
            [Value::BulkString(leader), Value::Int(left)] => match serde_json::from_slice(leader) {
                Ok(by) => Lead::Held { by, left: Duration::from_millis(u64::try_from(*left).unwrap_or(0)) },
                Err(_) => return Err(ControlError::OtherRelease(run.clone())),
            },
            _ => Lead::Ours,
        }),
        _ => Ok(Lead::Ours),
    }
}

pub(super) async fn renew(
    control: &RedisControl,
    run: &RunId,
    process: &Process,
) -> Result<Option<Process>, ControlError> {
    let leader = evaluate(control, RENEW, run, process, &process.started_at.0.to_string()).await?;
    let Value::BulkString(leader) = leader else { return Ok(None) };
    Ok(serde_json::from_slice(&leader).ok())
}

pub(super) async fn release(control: &RedisControl, run: &RunId, process: &Process) -> Result<(), ControlError> {
    evaluate(control, RELEASE, run, process, "").await.map(drop)
}

async fn evaluate(
    control: &RedisControl,
    script: &str,
    run: &RunId,
    process: &Process,
    last: &str,
) -> Result<Value, ControlError> {
    let expiry = u64::try_from(LEASE_EXPIRY.as_millis()).unwrap_or(u64::MAX);
    let mut commands = Pipeline::new();
    commands.cmd("EVAL").arg(script).arg(1).arg(key::of_run(run, LEADER));
    commands.arg(encode(process)).arg(&process.id).arg(expiry).arg(last);
    Ok(control.write(commands).await?.pop().unwrap_or(Value::Nil))
}
