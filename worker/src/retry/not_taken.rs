//! Ends a prompt that the provider does not take, or the run where it takes none or too few.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use valuesim_shared::permit::PermitOffice;
use valuesim_shared::store::{RecordedReply, ReplyText, Store};

use super::call::{Call, halt, store_reply, unanswered};
use super::delay::sleep_unless_stopped;
use super::spent::Spent;
use crate::brake::FIRST;
use crate::context::Context;
use crate::error::WorkerError;
use crate::evidence::Evidence;
use crate::halt::Halt;
use crate::provider::{CallError, Wording};

/// How often a call that is held looks whether others were answered.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long all open calls may be held before it is clear that none is taken: longer than it takes to fetch other tasks.
const QUIET_FOR: Duration = Duration::from_secs(2);

/// Records that a prompt is not taken. Before any was, it waits until another one is, so that a run of which no prompt is taken
/// stops and is not finished without a prediction.
pub(super) async fn not_taken<Q, S: Store, O: PermitOffice>(
    context: &Context<Q, S, O>,
    call: &Call<'_, impl Wording>,
    reply: ReplyText,
    (error, spent): (&CallError, Spent),
    stop: &CancellationToken,
) -> Result<RecordedReply, Halt> {
    let (model, said) = (call.cell.model, error.rejection().to_string());
    let advice = error.kind.advice_if_all();
    context.brake(model).say(&said);
    if !any_is_taken(context.evidence(model), stop).await? {
        let said = context.brake(model).nothing_taken();
        return Err(halt(WorkerError::NoPromptTaken { model: context.name(model), said, advice }, stop));
    }
    if let Some(said) = context.brake(model).not_taken() {
        let at_most = context.run.manifest.rejected_at_most();
        return Err(halt(WorkerError::TooManyNotTaken { model: context.name(model), said, at_most, advice }, stop));
    }
    store_reply(context, call, unanswered(reply, error, spent))
}

/// Whether the provider takes any prompt, as far as it can be known now: not if as many wait for the answer as there may be, or
/// all that there are.
async fn any_is_taken(evidence: &Evidence, stop: &CancellationToken) -> Result<bool, Halt> {
    if evidence.has_answered() {
        return Ok(true);
    }
    let _held = evidence.hold();
    let mut quiet_since = Instant::now();
    loop {
        if evidence.has_answered() {
            return Ok(true);
        }
        if !evidence.only_held() {
            quiet_since = Instant::now();
        }
        if evidence.held() as usize >= FIRST || quiet_since.elapsed() >= QUIET_FOR {
            return Ok(false);
        }
        sleep_unless_stopped(LOOK_EVERY, stop).await?;
    }
}
