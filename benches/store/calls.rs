//! CPU time per call for writing its note and reply, here and in Redis, compared with the Redis client alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use redis::aio::MultiplexedConnection;
use tokio::task::JoinSet;
use valuesim_shared::id::{Cell, Fold, ModelId, QuestionId, Respondent, RunId};
use valuesim_shared::money::{NanoUsd, Tokens};
use valuesim_shared::outcome::{StageSpend, UncertainSpend};
use valuesim_shared::stage::Stage;
use valuesim_shared::store::{CallKey, RecordedReply, RedisStore, ReplyText, Store as _};

use crate::server::{Server, cpu_seconds};
use crate::table::{Bound, Table, median};

const CALLS: u32 = 200_000;

/// Calls of a cell: three modules for each of 58 questions.
const CALLS_PER_CELL: u32 = 174;

/// A reply's length in bytes.
const REPLY_BYTES: usize = 600;

/// Bytes whose digest takes about 3 microseconds, and how many digests simulate half a request.
const WORK_BYTES: usize = 12 << 10;
const WORK_TIMES: usize = 4;

/// The maximum CPU time per call for note and reply, here and in Redis together, in microseconds. A bare HTTP call
/// takes 27 to 35, and worker, broker and store may take twice that.
const MAX_MICROSECONDS: f64 = 10.0;

/// Rounds; the median counts. Store and bare client alternate, so that noise of the machine affects both equally.
const ROUNDS: usize = 3;

pub(crate) async fn measure(table: &mut Table) -> anyhow::Result<()> {
    for in_flight in [1, 64, 512] {
        let (mut store, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            store.push(measure_store(in_flight).await?);
            bare.push(measure_bare(in_flight).await?);
        }
        // No bound for a single caller: it spends its time waiting for a provider.
        let bound = if in_flight == 1 { Bound::None } else { Bound::AtMost(MAX_MICROSECONDS) };
        add(table, &format!("the store, {in_flight} in flight"), &store, bound);
        add(table, &format!("HINCRBY and HSET, {in_flight} in flight"), &bare, Bound::None);
    }
    for in_flight in [64, 512] {
        measure_among_work(table, in_flight).await?;
    }
    Ok(())
}

/// The store's additional CPU time when each call also costs as much CPU as an HTTP request, as in a worker.
async fn measure_among_work(table: &mut Table, in_flight: u32) -> anyhow::Result<()> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let mut server = Server::start().await?;
        let store = server.store().await?;
        let before = Before::now(&mut server).await?;
        share_out(in_flight, work_alone).await;
        let alone = before.until_now(&mut server).await?;
        let before = Before::now(&mut server).await?;
        share_out(in_flight, |next| work_and_write(store.clone(), next)).await;
        let used = before.until_now(&mut server).await?;
        rounds.push(CallCost { client: used.client - alone.client, ..used });
    }
    add(table, &format!("the store among other work, {in_flight} in flight"), &rounds, Bound::AtMost(MAX_MICROSECONDS));
    Ok(())
}

async fn work_alone(next: Arc<AtomicU32>) {
    while take(&next).is_some() {
        work().await;
    }
}

async fn work_and_write(store: RedisStore, next: Arc<AtomicU32>) {
    let (run, reply) = (run(), reply());
    while let Some(call) = take(&next) {
        let (cell, key) = (cell_of(call), key_of(call));
        store.note_sent(&run, cell, key, &each()).await.expect("writes");
        work().await;
        store.record_reply(&run, cell, key, &reply).expect("writes");
    }
    store.settle().await.expect("writes");
}

/// Uses the CPU time of an HTTP request, in two halves: sending it, and reading its answer.
async fn work() {
    for _ in 0..2 {
        for _ in 0..WORK_TIMES {
            std::hint::black_box(blake3::hash(std::hint::black_box(&[7; WORK_BYTES])));
        }
        tokio::task::yield_now().await;
    }
}

async fn measure_store(in_flight: u32) -> anyhow::Result<CallCost> {
    let mut server = Server::start().await?;
    let store = server.store().await?;
    let before = Before::now(&mut server).await?;
    share_out(in_flight, |next| write_through_store(store.clone(), next)).await;
    let used = before.until_now(&mut server).await?;
    let record = store.cell_record(&run(), cell_of(0)).await?;
    anyhow::ensure!(record.replies.len() == CALLS_PER_CELL as usize, "{} replies of a cell", record.replies.len());
    Ok(used)
}

/// A hash counter and a hash field for each reply, written with the Redis client alone: the reference for the store.
async fn measure_bare(in_flight: u32) -> anyhow::Result<CallCost> {
    let mut server = Server::start().await?;
    let connection = server.connection.clone();
    let before = Before::now(&mut server).await?;
    share_out(in_flight, |next| write_bare(connection.clone(), next)).await;
    before.until_now(&mut server).await
}

/// Spreads the calls over this many tasks.
async fn share_out<F: Future<Output = ()> + Send + 'static>(in_flight: u32, task: impl Fn(Arc<AtomicU32>) -> F) {
    let next = Arc::new(AtomicU32::new(0));
    let tasks: JoinSet<()> = (0..in_flight).map(|_| task(Arc::clone(&next))).collect();
    tasks.join_all().await;
}

async fn write_through_store(store: RedisStore, next: Arc<AtomicU32>) {
    let (run, reply) = (run(), reply());
    while let Some(call) = take(&next) {
        let (cell, key) = (cell_of(call), key_of(call));
        store.note_sent(&run, cell, key, &each()).await.expect("writes");
        store.record_reply(&run, cell, key, &reply).expect("writes");
    }
    store.settle().await.expect("writes");
}

async fn write_bare(mut connection: MultiplexedConnection, next: Arc<AtomicU32>) {
    let reply = "x".repeat(REPLY_BYTES);
    while let Some(call) = take(&next) {
        let (cell, field) = (format!("bench:{{{}}}", call / CALLS_PER_CELL), call % CALLS_PER_CELL);
        let noted = redis::cmd("HINCRBY").arg(&cell).arg(field).arg(1).exec_async(&mut connection).await;
        noted.expect("writes");
        let recorded = redis::cmd("HSET").arg(&cell).arg(1000 + field).arg(&reply).exec_async(&mut connection).await;
        recorded.expect("writes");
    }
}

fn take(next: &AtomicU32) -> Option<u32> {
    Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&call| call < CALLS)
}

/// The resources used before a measurement.
struct Before {
    start: Instant,
    client: f64,
    redis: f64,
}

impl Before {
    async fn now(server: &mut Server) -> anyhow::Result<Self> {
        Ok(Self { start: Instant::now(), client: cpu_seconds("self")?, redis: server.cpu_seconds().await? })
    }

    async fn until_now(self, server: &mut Server) -> anyhow::Result<CallCost> {
        let for_a_call = 1e6 / f64::from(CALLS);
        Ok(CallCost {
            client: (cpu_seconds("self")? - self.client) * for_a_call,
            redis: (server.cpu_seconds().await? - self.redis) * for_a_call,
            rate: f64::from(CALLS) / self.start.elapsed().as_secs_f64(),
        })
    }
}

/// The measured usage: microseconds of CPU per call, and calls per second.
#[derive(Debug, Clone, Copy)]
struct CallCost {
    client: f64,
    redis: f64,
    rate: f64,
}

fn add(table: &mut Table, what: &str, rounds: &[CallCost], bound: Bound) {
    let of_rounds = |figure: fn(&CallCost) -> f64| median(rounds.iter().map(figure).collect());
    table.add(format!("microseconds of CPU here per call: {what}"), of_rounds(|used| used.client), Bound::None);
    table.add(format!("microseconds of Redis's CPU per call: {what}"), of_rounds(|used| used.redis), Bound::None);
    table.add(format!("both: {what}"), of_rounds(|used| used.client + used.redis), bound);
    table.add(format!("calls per second: {what}"), of_rounds(|used| used.rate), Bound::None);
}

fn run() -> RunId {
    RunId("bench-0123456789ab".to_owned())
}

fn cell_of(call: u32) -> Cell {
    let respondent = Respondent::new(call / CALLS_PER_CELL + 1).expect("counts from 1");
    Cell { model: ModelId(0), respondent, fold: Fold::new(1).expect("counts from 1") }
}

fn key_of(call: u32) -> CallKey {
    let stages = [Stage::COGNITIVE, Stage::AFFECTIVE, Stage::BEHAVIORAL];
    let of_cell = call % CALLS_PER_CELL;
    let question = u16::try_from(of_cell / 3 + 1).expect("is small");
    CallKey { stage: stages[of_cell as usize % 3], question: QuestionId::new(question), asked_before: 0 }
}

fn each() -> UncertainSpend {
    UncertainSpend {
        likely: Tokens { input: 3_000, cached: 0, output: 200, ..Tokens::default() },
        likely_cost: NanoUsd(570_000),
        at_most: Tokens { input: 12_000, cached: 0, output: 16_384, ..Tokens::default() },
        at_most_cost: NanoUsd(11_630_000),
    }
}

fn reply() -> RecordedReply {
    let spend = StageSpend {
        sent: 1,
        answered: 1,
        tokens: Tokens { input: 3_000, cached: 2_048, output: 150, ..Tokens::default() },
        cost: NanoUsd(400_000),
        ..StageSpend::default()
    };
    let reply = ReplyText::Text { content: "x".repeat(REPLY_BYTES), cut_off: false };
    RecordedReply { reply, spend, perhaps_billed: 0, reported_model: "gpt-4o-mini-2024-07-18".to_owned(), remark: None }
}
