//! What the tests have in common: cells, stores, and a plain connection beside them.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use valuesim_shared::id::{Cell, Fold, ModelId, QuestionId, Respondent, RunId};
use valuesim_shared::money::NanoUsd;
use valuesim_shared::outcome::{CellSpend, Ended, StageSpend, UncertainSpend};
use valuesim_shared::redis_connection::{RedisConnection, RedisConnectionState};
use valuesim_shared::stage::Stage;
use valuesim_shared::store::{Backstory, CallKey, RecordedReply, RedisStore, ReplyText};

/// A ceiling for what hangs: how long anything here may take before a test fails.
pub(crate) const LIMIT: Duration = Duration::from_mins(2);

pub(crate) fn run(name: &str) -> RunId {
    RunId(name.to_owned())
}

pub(crate) fn cell(row: u32) -> Cell {
    let respondent = Respondent::new(row).expect("not 0");
    Cell { model: ModelId(0), respondent, fold: Fold::new(1).expect("not 0") }
}

pub(crate) fn call(question: u16) -> CallKey {
    CallKey { stage: Stage::COGNITIVE, question: QuestionId::new(question), asked_before: 0 }
}

pub(crate) fn each() -> UncertainSpend {
    UncertainSpend { likely_cost: NanoUsd(5), at_most_cost: NanoUsd(9), ..UncertainSpend::default() }
}

pub(crate) fn reply(content: &str) -> RecordedReply {
    let reply = ReplyText::Text { content: content.to_owned(), cut_off: false };
    let spend = StageSpend { sent: 1, answered: 1, ..StageSpend::default() };
    RecordedReply { reply, spend, perhaps_billed: 0, reported_model: "m".to_owned(), remark: None }
}

/// Texts that tell of the same things, each in its own way.
pub(crate) fn story(number: u32) -> Backstory {
    let sentence = |i: u32| {
        let answer = number.wrapping_mul(2_654_435_761).rotate_left(i) % 10;
        let matter = ["neighbours", "work", "the army", "science", "elections", "your family", "taxes"][i as usize % 7];
        format!("Of {matter} ({i}) you have thought for {answer} years much as your mother did, and told her so. ")
    };
    let text = (0..40).map(sentence).collect();
    Backstory { text, ended: Ended::Answered, asked: 1, spend: CellSpend::default(), rejection: None }
}

pub(crate) async fn store(url: &str) -> RedisStore {
    RedisStore::connect(&url.parse().expect("is an address"), LIMIT).await.expect("connects")
}

pub(crate) async fn connect(url: &str) -> RedisConnection {
    RedisConnection::connect(&url.parse().expect("is an address"), LIMIT).await.expect("connects")
}

/// A connection that knows nothing of what is tested.
pub(crate) async fn plain(url: &str) -> MultiplexedConnection {
    let client = redis::Client::open(url).expect("is an address");
    client.get_multiplexed_async_connection().await.expect("connects")
}

/// Runs a command of a few words.
pub(crate) async fn command(connection: &mut MultiplexedConnection, words: &str) -> redis::Value {
    let mut words = words.split(' ');
    let mut command = redis::cmd(words.next().expect("a word"));
    for word in words {
        command.arg(word);
    }
    command.query_async(connection).await.expect("the server does it")
}

pub(crate) async fn keys(connection: &mut MultiplexedConnection, pattern: &str) -> Vec<String> {
    let mut keys: Vec<String> = redis::cmd("KEYS").arg(pattern).query_async(connection).await.expect("lists");
    keys.sort();
    keys
}

/// Waits until the connection is as it should be.
pub(crate) async fn until(
    connection: &RedisConnection,
    is_so: impl Fn(&RedisConnectionState) -> bool,
) -> RedisConnectionState {
    let mut states = connection.states();
    let reached = tokio::time::timeout(LIMIT, states.wait_for(is_so)).await.expect("in time");
    reached.expect("the connection lives").clone()
}

pub(crate) fn is_unreachable(state: &RedisConnectionState) -> bool {
    matches!(state, RedisConnectionState::Unreachable { .. })
}

pub(crate) fn is_refusing(state: &RedisConnectionState) -> bool {
    matches!(state, RedisConnectionState::Refusing { .. })
}
