//! Makes one call until it is decided: gets a permit for each attempt and retries with exponential backoff and full jitter.
//! Nothing else retries.

mod attempt;
mod call;
mod delay;
pub(crate) mod embeddings;
mod not_taken;
mod probe;
mod spent;
mod verdict;

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use valuesim_shared::id::ModelId;
use valuesim_shared::permit::PermitOffice;
use valuesim_shared::store::{RecordedReply, Remark, ReplyText, Store};

use self::attempt::attempt;
pub(crate) use self::call::Call;
use self::call::{PermitOf, asks_for_more_room, halt, store_reply, unanswered};
use self::delay::{ceilings, delay, sleep_unless_stopped};
use self::not_taken::not_taken;
use self::probe::{Probed, probe};
use self::spent::Spent;
use self::verdict::{History, Known, Verdict, may_be_the_prompts};
use crate::call_cost::uncertain_spend;
use crate::context::Context;
use crate::error::WorkerError;
use crate::evidence::Evidence;
use crate::halt::Halt;
use crate::provider::{CallError, CallErrorKind, EMPTY_BESIDE_REASONING, Finish, Reply, Wording};

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
    let (mut spent, mut ceilings, mut history) = (Spent::default(), ceilings(context.backoff), History::default());
    loop {
        let error = match attempt(context, &call, &uncertain, &mut spent, stop).await? {
            Ok((reply, permit)) => return store_answer(context, &call, record(reply, spent), permit),
            Err(error) => error,
        };
        match judge(context, &call, &error, (&mut history, &mut spent), stop).await? {
            Verdict::Retry | Verdict::Probe => back_off(context, model, &error, ceilings.next(), stop).await?,
            Verdict::Declined if error.kind == CallErrorKind::Refused => {
                return store_reply(context, &call, unanswered(ReplyText::Refused, &error, spent));
            }
            // The prompt was taken: there is only no room for a longer reply.
            Verdict::Declined if asks_for_more_room(&call) => {
                return store_reply(context, &call, unanswered(ReplyText::TooLong, &error, spent));
            }
            Verdict::Declined => return not_taken(context, &call, ReplyText::TooLong, (&error, spent), stop).await,
            Verdict::Rejected => return not_taken(context, &call, ReplyText::Rejected, (&error, spent), stop).await,
            Verdict::Stop => {
                let (model, error) = (settings.name.clone(), Box::new(error));
                return Err(halt(WorkerError::Provider { model, error }, stop));
            }
        }
    }
}

/// The verdict on a call that failed, after a probe where one is needed.
async fn judge<Q, S: Store, O: PermitOffice>(
    context: &Context<Q, S, O>,
    call: &Call<'_, impl Wording>,
    error: &CallError,
    (history, spent): (&mut History, &mut Spent),
    stop: &CancellationToken,
) -> Result<Verdict, Halt> {
    let (evidence, kind) = (context.evidence(call.cell.model), error.kind);
    let before = evidence.seen();
    let malformed_in_a_row = if kind == CallErrorKind::Malformed { evidence.malformed() } else { 0 };
    if may_be_the_prompts(kind) {
        evidence.failed();
    }
    history.add(kind, before);
    // The first reply came, so what the provider does not understand is the request for a longer one.
    if is_about_the_request(kind) && asks_for_more_room(call) {
        return Ok(Verdict::Declined);
    }
    let verdict = history.verdict(kind, known(evidence, malformed_in_a_row));
    if verdict != Verdict::Probe {
        return Ok(verdict);
    }
    match probe(context, call, (kind, before), spent, stop).await? {
        Probed::Answered => Ok(history.verdict(kind, known(evidence, 0))),
        Probed::Unclear => Ok(Verdict::Retry),
        Probed::Rejected(error) => {
            Err(halt(WorkerError::RejectsAll { model: context.name(call.cell.model), error }, stop))
        }
    }
}

fn known(evidence: &Evidence, malformed_in_a_row: u32) -> Known {
    Known { has_answered: evidence.has_answered(), seen: evidence.seen(), malformed_in_a_row }
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

/// Stores an answer before its permit is released. Whoever gets the permit next sends nothing before the note of its call
/// is durable, and this reply becomes durable before that note. So there are never more calls without a durable reply than
/// may be in flight.
fn store_answer<Q, S: Store, O: PermitOffice>(
    context: &Context<Q, S, O>,
    call: &Call<'_, impl Wording>,
    recorded: RecordedReply,
    permit: PermitOf<O>,
) -> Result<RecordedReply, Halt> {
    context.brake(call.cell.model).taken();
    if recorded
        .remark
        .as_ref()
        .is_some_and(|it| matches!(it, Remark::Oddity(oddity) if oddity == EMPTY_BESIDE_REASONING))
    {
        say_that_replies_are_empty(context, call.cell.model);
    }
    let recorded = store_reply(context, call, recorded)?;
    drop(permit);
    Ok(recorded)
}

/// Says once, after twenty of a kind, how to get at the text of replies.
fn say_that_replies_are_empty<Q, S, O: PermitOffice>(context: &Context<Q, S, O>, model: ModelId) {
    if context.evidence(model).only_reasoning() {
        tracing::warn!(
            model = context.name(model),
            "twenty replies are empty but have reasoning_content: the server takes the whole reply for reasoning; turn its reasoning parser \
             off, or the model's thinking, for example with extra_body = {{ chat_template_kwargs = {{ enable_thinking = false }} }}"
        );
    }
}

fn record(reply: Reply, Spent { spend, perhaps_billed }: Spent) -> RecordedReply {
    let Reply { content, finish, model, oddity, .. } = reply;
    let reply = match finish {
        Finish::Refused => ReplyText::Refused,
        Finish::Length => ReplyText::Text { content, cut_off: true },
        Finish::Stop => ReplyText::Text { content, cut_off: false },
    };
    RecordedReply { reply, spend, perhaps_billed, reported_model: model, remark: oddity.map(Remark::Oddity) }
}
