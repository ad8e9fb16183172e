//! Makes one call until it is decided: gets a permit for each attempt and retries with exponential backoff and full jitter.
//! Nothing else retries.

pub(crate) mod embeddings;

use std::sync::atomic::Ordering;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use valuesim_shared::budget::Reservation;
use valuesim_shared::id::{Cell, ModelId, RunId};
use valuesim_shared::money::NanoUsd;
use valuesim_shared::outcome::{StageSpend, UncertainSpend};
use valuesim_shared::permit::{CallEnd, Permit as _, PermitDesk, PermitOffice, Refusal, Request, Settlement};
use valuesim_shared::store::{CallKey, RecordedReply, ReplyText, Store};

use crate::call_cost::{answered, uncertain_spend};
use crate::context::Context;
use crate::error::WorkerError;
use crate::halt::Halt;
use crate::provider::{CallError, CallErrorKind, Decision, Finish, Reply, Wording};
use crate::timeouts::Backoff;

/// How many responses may be no chat completion, for one prompt or for all in a row. Each of them may be billed, and a
/// provider that sends five will send more.
const MAX_MALFORMED: u32 = 5;

/// One call of a cell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a, W> {
    pub(crate) run: &'a RunId,
    pub(crate) cell: Cell,
    /// The session of the cell's calls.
    pub(crate) session: &'a str,
    pub(crate) key: CallKey,
    pub(crate) wording: &'a W,
    /// Whether other calls of the cell wait for this one.
    pub(crate) goes_ahead: bool,
}

/// The permits of an office.
type PermitOf<O> = <<O as PermitOffice>::Desk as PermitDesk>::Permit;

/// What the attempts at a call have used so far.
#[derive(Debug, Default)]
struct Spent {
    spend: StageSpend,
    /// Failed attempts that the provider may have billed.
    perhaps_billed: u64,
}

impl Spent {
    fn failed(&mut self, perhaps_billed: bool, uncertain: &UncertainSpend) {
        self.spend.failed += 1;
        if perhaps_billed {
            self.perhaps_billed += 1;
            self.spend.unsure.add(uncertain);
        }
    }
}

/// What to do after a failed attempt.
enum AfterFailure {
    /// Try again after a pause.
    Retry,
    /// Record that this prompt gets no answer, for this reason.
    GiveUpOnPrompt(CallErrorKind),
    /// Stop the task, because the provider will answer no call like this one.
    Fail,
}

/// Makes a call, again and again until it is answered or will never be. A stop takes effect between two attempts; an attempt
/// that has been sent is always awaited.
pub(crate) async fn call_with_retries<Q, S: Store, O: PermitOffice>(
    context: &Context<Q, S, O>,
    call: Call<'_, impl Wording>,
    stop: &CancellationToken,
) -> Result<RecordedReply, Halt> {
    let model = call.cell.model;
    let settings = &context.run.manifest.models[model.0 as usize];
    let uncertain = call.wording.with_conversation(|it| uncertain_spend(settings, call.key.stage, it));
    let (mut spent, mut ceilings, mut malformed) = (Spent::default(), ceilings(context.backoff), 0);
    loop {
        let error = match attempt(context, &call, &uncertain, &mut spent, stop).await? {
            Ok((reply, permit)) => return store_answer(context, &call, record(reply, spent), permit),
            Err(error) => error,
        };
        malformed += u32::from(error.kind == CallErrorKind::Malformed);
        match after_failure(&call, error.kind, malformed.max(malformed_in_a_row(context, model, error.kind))) {
            AfterFailure::Retry => back_off(context, model, &error, ceilings.next(), stop).await?,
            AfterFailure::GiveUpOnPrompt(kind) => return give_up(context, &call, kind, spent),
            AfterFailure::Fail => {
                // The cell's other calls would fail in the same way, each at the cost of a request.
                stop.cancel();
                return Err(WorkerError::Provider { model: settings.name.clone(), error: Box::new(error) }.into());
            }
        }
    }
}

/// Stores an answer before its permit is released. Whoever gets the permit next sends nothing before the note of its call
/// is durable, and this reply becomes durable before that note. So there are never more calls without a durable reply than
/// may be in flight.
fn store_answer<Q, S: Store, O: PermitOffice>(
    context: &Context<Q, S, O>,
    call: &Call<'_, impl Wording>,
    recorded: RecordedReply,
    permit: PermitOf<O>,
) -> Result<RecordedReply, Halt> {
    store_reply(context, call, &recorded)?;
    drop(permit);
    Ok(recorded)
}

/// Counts a response that is no chat completion. Returns how many came in a row from the model's provider, or 0 after any
/// other failure.
fn malformed_in_a_row<Q, S, O: PermitOffice>(context: &Context<Q, S, O>, model: ModelId, kind: CallErrorKind) -> u32 {
    if kind != CallErrorKind::Malformed {
        return 0;
    }
    context.malformed[model.0 as usize].fetch_add(1, Ordering::Relaxed) + 1
}

/// Decides what to do after a failed attempt. `malformed` counts the responses that were no chat completion, to this prompt
/// or to all in a row.
fn after_failure(call: &Call<'_, impl Wording>, kind: CallErrorKind, malformed: u32) -> AfterFailure {
    match kind.decision() {
        Decision::Retry | Decision::SlowDown if malformed < MAX_MALFORMED => AfterFailure::Retry,
        Decision::GiveUpOnPrompt => AfterFailure::GiveUpOnPrompt(kind),
        // The first reply came, so what the provider does not understand is the request for a longer one.
        Decision::Weigh | Decision::StopProvider if is_about_the_request(kind) && asks_for_more_room(call) => {
            AfterFailure::GiveUpOnPrompt(CallErrorKind::TooLong)
        }
        Decision::Weigh | Decision::StopProvider | Decision::Retry | Decision::SlowDown => AfterFailure::Fail,
    }
}

/// Whether the provider refused what the request asks for.
const fn is_about_the_request(kind: CallErrorKind) -> bool {
    matches!(kind, CallErrorKind::BadRequest | CallErrorKind::SettingRefused(_))
}

/// Waits before the next attempt.
async fn back_off<Q, S, O: PermitOffice>(
    context: &Context<Q, S, O>,
    model: ModelId,
    error: &CallError,
    ceiling: Option<Duration>,
    stop: &CancellationToken,
) -> Result<(), Halt> {
    let delay = delay(ceiling.unwrap_or(context.backoff.longest), error.retry_after);
    let _waiting = context.meter.call_retried(model, error, delay);
    sleep_unless_stopped(delay, stop).await
}

/// Makes one attempt and counts it.
async fn attempt<Q, S: Store, O: PermitOffice>(
    context: &Context<Q, S, O>,
    call: &Call<'_, impl Wording>,
    uncertain: &UncertainSpend,
    spent: &mut Spent,
    stop: &CancellationToken,
) -> Result<Result<(Reply, PermitOf<O>), CallError>, Halt> {
    let model = call.cell.model;
    let (expected, at_most) = (uncertain.likely, uncertain.at_most_cost);
    let request = Request { stage: call.key.stage, expected, at_most, goes_ahead: call.goes_ahead };
    let asked = Instant::now();
    let mut permit = acquire(context.desk(model), request, stop).await?;
    context.meter.permitted(model, asked.elapsed());
    let money = reserve(context, model, uncertain, stop).await?;
    // Built only now: a thousand calls that wait for a permit need no thousand bodies.
    let body =
        call.wording.with_conversation(|conversation| context.run.client(model).body(conversation, call.session));
    context.store.note_sent(call.run, call.cell, call.key, uncertain).await?;
    spent.spend.sent += 1;
    let in_flight = context.meter.call_sent(model, call.key.stage);
    match context.run.client(model).send(body, call.session).await {
        Ok(reply) => {
            permit.settle(Settlement::answered(reply.tokens).stating(reply.stated));
            clear_failures(context, model);
            let spend = answered(reply.billed(), context.run.price_of_reply(model, &reply.model), uncertain);
            in_flight.answered(&spend);
            settle(money, spend.cost + spend.unsure.at_most_cost);
            spent.spend.add(&spend);
            Ok(Ok((reply, permit)))
        }
        Err(error) => {
            permit.settle(failure_settlement(&error));
            in_flight.failed(&error, uncertain);
            settle(money, if error.kind.perhaps_billed() { uncertain.at_most_cost } else { NanoUsd(0) });
            note_failed(context, call, &error).await?;
            spent.failed(error.kind.perhaps_billed(), uncertain);
            Ok(Err(error))
        }
    }
}

/// Reserves the most that the call can cost. Stops the task if the budget does not pay for it.
async fn reserve<Q, S, O: PermitOffice>(
    context: &Context<Q, S, O>,
    model: ModelId,
    uncertain: &UncertainSpend,
    stop: &CancellationToken,
) -> Result<Option<Reservation>, Halt> {
    let Some(budget) = &context.budget else { return Ok(None) };
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(Halt::Stopped),
        reserved = budget.reserve(model.0 as usize, uncertain.at_most_cost) => reserved.map(Some).map_err(|_| Halt::Stopped),
    }
}

/// Gives back what a call did not cost of the money reserved for it.
fn settle(money: Option<Reservation>, actual: NanoUsd) {
    if let Some(money) = money {
        money.settle(actual);
    }
}

async fn note_failed<Q, S: Store, O: PermitOffice>(
    context: &Context<Q, S, O>,
    call: &Call<'_, impl Wording>,
    error: &CallError,
) -> Result<(), Halt> {
    context.store.note_failed(call.run, call.cell, call.key, error.kind.perhaps_billed()).await?;
    tracing::debug!(error = %error, "a call failed");
    Ok(())
}

/// Forgets earlier failures after an answer: they no longer suggest that the provider or its address is at fault.
fn clear_failures<Q, S, O: PermitOffice>(context: &Context<Q, S, O>, model: ModelId) {
    let malformed = &context.malformed[model.0 as usize];
    if malformed.load(Ordering::Relaxed) > 0 {
        malformed.store(0, Ordering::Relaxed);
    }
    context.fault_attribution[model.0 as usize].answered();
}

/// Waits until the call may be sent.
async fn acquire<D: PermitDesk>(desk: &D, request: Request, stop: &CancellationToken) -> Result<D::Permit, Halt> {
    loop {
        let acquired = tokio::select! {
            biased;
            () = stop.cancelled() => return Err(Halt::Stopped),
            acquired = desk.acquire(request) => acquired,
        };
        match acquired {
            Ok(permit) => return Ok(permit),
            // Spread out, so that the paused calls are not all sent at once.
            Err(Refusal::NotNow { left, .. }) => sleep_unless_stopped(delay(left, Some(left)), stop).await?,
        }
    }
}

/// What the office should know of a failed call, with what the response says of limits.
fn failure_settlement(error: &CallError) -> Settlement {
    let settlement = Settlement::failed(call_end(error.kind), error.retry_after);
    settlement.limited_by(error.limited_by).stating(*error.stated)
}

/// How a call ended that failed, as far as it concerns the office.
const fn call_end(kind: CallErrorKind) -> CallEnd {
    match (kind.decision(), kind) {
        (Decision::SlowDown, CallErrorKind::RateLimited) => CallEnd::RateLimited,
        (Decision::SlowDown, _) => CallEnd::Overloaded,
        (Decision::Retry, _) => CallEnd::Unanswered,
        (Decision::GiveUpOnPrompt, _) => CallEnd::Declined,
        (Decision::Weigh | Decision::StopProvider, _) => CallEnd::Rejected,
    }
}

fn store_reply<Q, S: Store, O: PermitOffice>(
    context: &Context<Q, S, O>,
    call: &Call<'_, impl Wording>,
    recorded: &RecordedReply,
) -> Result<(), Halt> {
    Ok(context.store.record_reply(call.run, call.cell, call.key, recorded)?)
}

/// Whether the call asks for a longer reply than the model's settings allow.
fn asks_for_more_room(call: &Call<'_, impl Wording>) -> bool {
    call.wording.with_conversation(|conversation| conversation.most_output_tokens().is_some())
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

/// Records that the prompt gets no answer.
fn give_up<Q, S: Store, O: PermitOffice>(
    context: &Context<Q, S, O>,
    call: &Call<'_, impl Wording>,
    kind: CallErrorKind,
    Spent { spend, perhaps_billed }: Spent,
) -> Result<RecordedReply, Halt> {
    let reply = if kind == CallErrorKind::TooLong { ReplyText::TooLong } else { ReplyText::Refused };
    let recorded = RecordedReply { reply, spend, perhaps_billed, reported_model: String::new() };
    store_reply(context, call, &recorded)?;
    Ok(recorded)
}

/// The ceilings of the delays, which double from the first to the longest.
fn ceilings(backoff: Backoff) -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new().with_min_delay(backoff.first).with_max_delay(backoff.longest).without_max_times().build()
}

/// A random delay below the ceiling (full jitter, so that workers do not all return at once), in addition to the wait that
/// the provider asked for.
fn delay(ceiling: Duration, retry_after: Option<Duration>) -> Duration {
    let jitter = ceiling.mul_f64(fraction());
    // If the provider says when to return, jitter only spreads the calls a little.
    retry_after.map_or(jitter, |after| after + jitter.min(after / 4))
}

/// A random number in 0..1 that differs between calls and between processes.
fn fraction() -> f64 {
    use std::hash::{BuildHasher as _, RandomState};
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

async fn sleep_unless_stopped(delay: Duration, stop: &CancellationToken) -> Result<(), Halt> {
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(Halt::Stopped),
        () = tokio::time::sleep(delay) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings_double_up_to_the_longest() {
        let seconds: Vec<f64> = ceilings(Backoff::default()).take(9).map(|ceiling| ceiling.as_secs_f64()).collect();
        assert_eq!(seconds, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);
    }

    #[test]
    fn jitter_covers_the_whole_range_below_the_ceiling() {
        let ceiling = Duration::from_secs(8);
        let delays: Vec<Duration> = (0..2000).map(|_| delay(ceiling, None)).collect();
        assert!(delays.iter().all(|&delay| delay < ceiling));
        assert!(
            delays.iter().any(|&delay| delay < ceiling / 10) && delays.iter().any(|&delay| delay > ceiling / 10 * 9)
        );
    }

    #[test]
    fn a_provider_that_names_a_wait_is_not_asked_earlier() {
        let after = Duration::from_secs(20);
        for _ in 0..100 {
            let delay = delay(Duration::from_mins(1), Some(after));
            assert!(delay >= after && delay <= after + after / 4, "{delay:?}");
        }
    }
}
