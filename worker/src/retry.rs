//! Makes a call until it is decided: permits, back-off with full jitter, and all retrying. The one place that retries.

use std::sync::atomic::Ordering;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio_util::sync::CancellationToken;
use valuesim_shared::id::{Cell, ModelId, RunId};
use valuesim_shared::model::ModelSettings;
use valuesim_shared::money::{Price, Tokens};
use valuesim_shared::outcome::{StageSpend, UncertainSpend};
use valuesim_shared::permit::{CallEnd, Permit as _, PermitDesk, PermitOffice, Refusal, Request, Settlement};
use valuesim_shared::stage::{Stage, StageKind};
use valuesim_shared::store::{CallKey, RecordedReply, ReplyText, Store};

use crate::context::Context;
use crate::error::WorkerError;
use crate::halt::Halt;
use crate::provider::{CallError, CallErrorKind, Conversation, Decision, Finish, Reply, Wording};
use crate::timeouts::Waits;

/// How often the answer may be no chat completion, to one prompt or to all in a row: each may have been paid for, and a
/// provider that answers so five times will do so again.
const MAX_MALFORMED: u32 = 5;

/// Tokens that an answer with its analysis is expected to have.
const EXPECTED_OUTPUT_TOKENS: u64 = 200;

/// Tokens that a backstory is expected to have: 1,100 to 4,200 on the paper's models.
const EXPECTED_STORY_TOKENS: u64 = 2_500;

/// Tokens that a reply has at most where no limit is set: the longest that present models write by default.
const LONGEST_OUTPUT_TOKENS: u32 = 16_384;

/// Bytes of English prompt for a token, a little on the safe side.
const BYTES_PER_TOKEN: u64 = 4;

/// One call of a cell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a, W> {
    pub(crate) run: &'a RunId,
    pub(crate) cell: Cell,
    pub(crate) key: CallKey,
    pub(crate) wording: &'a W,
}

/// The permits of an office.
type PermitOf<O> = <<O as PermitOffice>::Desk as PermitDesk>::Permit;

/// What a call's attempts took so far.
#[derive(Debug, Default)]
struct Spent {
    spend: StageSpend,
    /// Failed attempts that the provider may have billed.
    perhaps_billed: u64,
}

impl Spent {
    fn failed(&mut self, perhaps_billed: bool, unsure: &UncertainSpend) {
        self.spend.failed += 1;
        if perhaps_billed {
            self.perhaps_billed += 1;
            self.spend.unsure.add(unsure);
        }
    }
}

/// Makes a call and makes it again until it is answered or will never be. A stop is heard between two attempts; an
/// attempt that was sent is always waited for.
pub(crate) async fn make<Q, S: Store, O: PermitOffice>(
    context: &Context<Q, S, O>,
    call: Call<'_, impl Wording>,
    halt: &CancellationToken,
) -> Result<RecordedReply, Halt> {
    let model = call.cell.model;
    let settings = &context.run.manifest.models[model.0 as usize];
    let unsure = call.wording.put(|conversation| unsure(settings, call.key.stage, conversation));
    let mut spent = Spent::default();
    let mut ceilings = ceilings(context.waits);
    let mut malformed = 0;
    loop {
        let error = match attempt(context, &call, &unsure, &mut spent, halt).await? {
            Ok((reply, permit)) => {
                let recorded = record(reply, spent);
                keep(context, &call, &recorded)?;
                // Whoever gets the permit next sends nothing before its note is durable, and this reply is durable before that
                // note: never are more calls without a durable reply than may be in flight.
                drop(permit);
                return Ok(recorded);
            }
            Err(error) => error,
        };
        let mut in_a_row = 0;
        if error.kind == CallErrorKind::Malformed {
            malformed += 1;
            in_a_row = context.malformed[model.0 as usize].fetch_add(1, Ordering::Relaxed) + 1;
        }
        match error.kind.decision() {
            Decision::Retry | Decision::SlowDown if malformed.max(in_a_row) < MAX_MALFORMED => {
                let ceiling = ceilings.next().unwrap_or(context.waits.longest);
                let wait = wait(ceiling, error.retry_after);
                context.meter.call_retried(model, &error, wait);
                pause(wait, halt).await?;
            }
            Decision::GiveUpOnPrompt => return give_up(context, &call, error.kind, spent),
            // The first reply came, so what the provider does not understand is the longer one that is asked for.
            Decision::StopProvider if error.kind == CallErrorKind::BadRequest && asks_for_more_room(&call) => {
                return give_up(context, &call, CallErrorKind::TooLong, spent);
            }
            Decision::StopProvider | Decision::Retry | Decision::SlowDown => {
                // The other calls of the cell would come to the same, each at the cost of a request.
                halt.cancel();
                return Err(WorkerError::Provider { model: settings.name.clone(), error }.into());
            }
        }
    }
}

/// One attempt, counted.
async fn attempt<Q, S: Store, O: PermitOffice>(
    context: &Context<Q, S, O>,
    call: &Call<'_, impl Wording>,
    unsure: &UncertainSpend,
    spent: &mut Spent,
    halt: &CancellationToken,
) -> Result<Result<(Reply, PermitOf<O>), CallError>, Halt> {
    let model = call.cell.model;
    let request = Request { stage: call.key.stage, expected: unsure.likely, at_most: unsure.at_most_cost };
    let mut permit = acquire(context.desk(model), request, halt).await?;
    // Written only now: a thousand calls that wait for a permit need no thousand bodies.
    let body = call.wording.put(|conversation| context.run.client(model).body(conversation));
    context.store.note_sent(call.run, call.cell, call.key, unsure).await?;
    spent.spend.sent += 1;
    let under_way = context.meter.call_sent(model, call.key.stage);
    let ended = context.run.client(model).send(body).await;
    match &ended {
        Ok(reply) => {
            permit.settle(Settlement::answered(reply.tokens));
            provider_answers(context, model);
            let answered = answered(reply, context.run.price(model), unsure);
            under_way.answered(&answered);
            spent.spend.add(&answered);
        }
        Err(error) => {
            permit.settle(Settlement::failed(end(error.kind), error.retry_after));
            under_way.failed(error);
            let perhaps_billed = error.kind.perhaps_billed();
            context.store.note_failed(call.run, call.cell, call.key, perhaps_billed).await?;
            spent.failed(perhaps_billed, unsure);
            tracing::debug!(error = %error, "a call failed");
        }
    }
    Ok(ended.map(|reply| (reply, permit)))
}

/// Failures of before are no sign any more that the provider or its address is at fault.
fn provider_answers<Q, S, O: PermitOffice>(context: &Context<Q, S, O>, model: ModelId) {
    let malformed = &context.malformed[model.0 as usize];
    if malformed.load(Ordering::Relaxed) > 0 {
        malformed.store(0, Ordering::Relaxed);
    }
    context.failed_cells[model.0 as usize].answered();
}

/// Waits until the call may go out.
async fn acquire<D: PermitDesk>(desk: &D, request: Request, halt: &CancellationToken) -> Result<D::Permit, Halt> {
    loop {
        let acquired = tokio::select! {
            biased;
            () = halt.cancelled() => return Err(Halt::Stopped),
            acquired = desk.acquire(request) => acquired,
        };
        match acquired {
            Ok(permit) => return Ok(permit),
            // Spread out, so that what waited does not go out all at once.
            Err(Refusal::NotNow { left, .. }) => pause(wait(left, Some(left)), halt).await?,
        }
    }
}

/// What a failed call tells about the calls to come.
const fn end(kind: CallErrorKind) -> CallEnd {
    match (kind.decision(), kind) {
        (Decision::SlowDown, CallErrorKind::RateLimited) => CallEnd::RateLimited,
        (Decision::SlowDown, _) => CallEnd::Overloaded,
        (Decision::Retry, _) => CallEnd::Unanswered,
        (Decision::GiveUpOnPrompt, _) => CallEnd::Declined,
        (Decision::StopProvider, _) => CallEnd::Rejected,
    }
}

fn keep<Q, S: Store, O: PermitOffice>(
    context: &Context<Q, S, O>,
    call: &Call<'_, impl Wording>,
    recorded: &RecordedReply,
) -> Result<(), Halt> {
    Ok(context.store.record_reply(call.run, call.cell, call.key, recorded)?)
}

fn answered(reply: &Reply, price: Option<Price>, unsure: &UncertainSpend) -> StageSpend {
    let tokens = reply.tokens.unwrap_or_default();
    StageSpend {
        answered: 1,
        without_usage: u64::from(reply.tokens.is_none()),
        tokens,
        cost: price.map(|price| price.cost(tokens)).unwrap_or_default(),
        unsure: if reply.tokens.is_none() { *unsure } else { UncertainSpend::default() },
        ..StageSpend::default()
    }
}

fn asks_for_more_room(call: &Call<'_, impl Wording>) -> bool {
    call.wording.put(|conversation| conversation.most_output_tokens().is_some())
}

/// What one request may use.
fn unsure(model: &ModelSettings, stage: Stage, conversation: &Conversation<'_>) -> UncertainSpend {
    let bytes = conversation.bytes() as u64;
    let limit = conversation.most_output_tokens().or(model.max_output_tokens);
    let longest = u64::from(limit.unwrap_or(LONGEST_OUTPUT_TOKENS));
    let expected = if stage.kind() == StageKind::Story { EXPECTED_STORY_TOKENS } else { EXPECTED_OUTPUT_TOKENS };
    let likely = Tokens { input: bytes / BYTES_PER_TOKEN, cached: 0, output: longest.min(expected) };
    // No tokenizer makes more than one token of a byte.
    let at_most = Tokens { input: bytes, cached: 0, output: longest };
    let cost = |tokens| model.price.map(|price| price.cost(tokens)).unwrap_or_default();
    UncertainSpend { likely, likely_cost: cost(likely), at_most, at_most_cost: cost(at_most) }
}

fn record(reply: Reply, Spent { spend, perhaps_billed }: Spent) -> RecordedReply {
    let Reply { content, finish, model, .. } = reply;
    let reply = match finish {
        Finish::Refused => ReplyText::Refused,
        Finish::Length => ReplyText::Text { content, cut_off: true },
        Finish::Stop => ReplyText::Text { content, cut_off: false },
    };
    RecordedReply { reply, spend, perhaps_billed, reported_model: model }
}

fn give_up<Q, S: Store, O: PermitOffice>(
    context: &Context<Q, S, O>,
    call: &Call<'_, impl Wording>,
    kind: CallErrorKind,
    Spent { spend, perhaps_billed }: Spent,
) -> Result<RecordedReply, Halt> {
    let reply = if kind == CallErrorKind::TooLong { ReplyText::TooLong } else { ReplyText::Refused };
    let recorded = RecordedReply { reply, spend, perhaps_billed, reported_model: String::new() };
    keep(context, call, &recorded)?;
    Ok(recorded)
}

/// Ceilings of the waits: doubling from the first to the longest.
fn ceilings(waits: Waits) -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new().with_min_delay(waits.first).with_max_delay(waits.longest).without_max_times().build()
}

/// A wait anywhere below the ceiling (full jitter, so that workers do not come back together), on top of what the
/// provider asked for.
fn wait(ceiling: Duration, retry_after: Option<Duration>) -> Duration {
    let jitter = ceiling.mul_f64(fraction());
    // Where the provider says when, the jitter only spreads the return.
    retry_after.map_or(jitter, |after| after + jitter.min(after / 4))
}

/// A number in 0..1 that differs from call to call and process to process.
fn fraction() -> f64 {
    use std::hash::{BuildHasher as _, RandomState};
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

async fn pause(wait: Duration, halt: &CancellationToken) -> Result<(), Halt> {
    tokio::select! {
        biased;
        () = halt.cancelled() => Err(Halt::Stopped),
        () = tokio::time::sleep(wait) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let seconds: Vec<f64> = ceilings(Waits::default()).take(9).map(|wait| wait.as_secs_f64()).collect();
        assert_eq!(seconds, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);
    }

    #[test]
    fn jitter_covers_the_whole_range_below_the_ceiling() {
        let ceiling = Duration::from_secs(8);
        let waits: Vec<Duration> = (0..2000).map(|_| wait(ceiling, None)).collect();
        assert!(waits.iter().all(|&wait| wait < ceiling));
        assert!(waits.iter().any(|&wait| wait < ceiling / 10) && waits.iter().any(|&wait| wait > ceiling / 10 * 9));
    }

    #[test]
    fn a_provider_that_says_when_is_not_asked_before() {
        let after = Duration::from_secs(20);
        for _ in 0..100 {
            let wait = wait(Duration::from_mins(1), Some(after));
            assert!(wait >= after && wait <= after + after / 4, "{wait:?}");
        }
    }
}
