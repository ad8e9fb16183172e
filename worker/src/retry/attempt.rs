//! One attempt at a call: a permit, a note in the store, one request, and what came of it.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use valuesim_shared::budget::Reservation;
use valuesim_shared::id::ModelId;
use valuesim_shared::money::NanoUsd;
use valuesim_shared::outcome::UncertainSpend;
use valuesim_shared::permit::{CallEnd, Permit as _, PermitDesk, PermitOffice, Refusal, Request, Settlement};
use valuesim_shared::price::Price;
use valuesim_shared::store::Store;

use super::call::{Call, PermitOf};
use super::delay::{delay, sleep_unless_stopped};
use super::spent::Spent;
use crate::call_cost::{Uncounted, answered, counted};
use crate::context::Context;
use crate::halt::Halt;
use crate::provider::{CallError, CallErrorKind, Decision, Reply, Wording};

/// Makes one attempt and counts it.
pub(super) async fn attempt<Q, S: Store, O: PermitOffice>(
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
            let price = context.run.price_of_reply(model, &reply.model);
            let uncertain = &used(context, call, (&reply, price), uncertain);
            permit.settle(Settlement::answered(reply.tokens.or(Some(uncertain.likely))).stating(reply.stated));
            context.evidence(model).answered();
            let spend = answered(reply.billed(), price, uncertain);
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

/// What an answered call used, as far as the provider does not say it.
fn used<Q, S, O: PermitOffice>(
    context: &Context<Q, S, O>,
    call: &Call<'_, impl Wording>,
    (reply, price): (&Reply, Option<&Price>),
    uncertain: &UncertainSpend,
) -> UncertainSpend {
    if reply.tokens.is_some() {
        return *uncertain;
    }
    let asked = context.run.manifest.models[call.cell.model.0 as usize].name_at_provider();
    let model = if reply.model.is_empty() { asked } else { &reply.model };
    let reply = Uncounted { model, text: &reply.content, price };
    call.wording.with_conversation(|conversation| counted(reply, conversation, uncertain))
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

/// Waits until the call may be sent.
pub(super) async fn acquire<D: PermitDesk>(
    desk: &D,
    request: Request,
    stop: &CancellationToken,
) -> Result<D::Permit, Halt> {
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
pub(super) fn failure_settlement(error: &CallError) -> Settlement {
    let settlement = Settlement::failed(call_end(error.kind), error.retry_after);
    settlement.limited_by(error.limited_by).stating(*error.stated)
}

/// How a call ended that failed, as far as it concerns the office.
const fn call_end(kind: CallErrorKind) -> CallEnd {
    match (kind.decision(), kind) {
        (Decision::SlowDown, CallErrorKind::RateLimited) => CallEnd::RateLimited,
        (Decision::SlowDown, _) => CallEnd::Overloaded,
        // A firewall's page comes during an outage.
        (Decision::Retry, _) | (_, CallErrorKind::Page) => CallEnd::Unanswered,
        (Decision::GiveUpOnPrompt, _) => CallEnd::Declined,
        (Decision::Weigh | Decision::StopProvider, _) => CallEnd::Rejected,
    }
}
