//! Requests embeddings until the request is decided.

use tokio_util::sync::CancellationToken;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::outcome::StageSpend;
use valuesim_shared::permit::{Permit as _, PermitDesk, Request, Settlement};
use valuesim_shared::stage::Stage;

use super::attempt::{acquire, failure_settlement};
use super::delay::{ceilings, delay, sleep_unless_stopped};
use super::verdict::MAX_MALFORMED;
use crate::call_cost::{Billed, answered, counted_texts, uncertain_spend_on_texts};
use crate::halt::Halt;
use crate::provider::{CallError, CallErrorKind, Decision, EmbeddingsClient, Vectors};
use crate::timeouts::Backoff;

/// What requests for embeddings have in common.
#[derive(Debug)]
pub(crate) struct Endpoint<D> {
    pub(crate) client: EmbeddingsClient,
    pub(crate) desk: D,
    pub(crate) model: ModelSettings,
    pub(crate) backoff: Backoff,
}

/// Requests the vectors of some texts, and requests them again until they come or never will. Adds what that takes to
/// `spend`, however it ends.
pub(crate) async fn make<D: PermitDesk>(
    endpoint: &Endpoint<D>,
    texts: &[&str],
    spend: &mut StageSpend,
    halt: &CancellationToken,
) -> Result<Result<Vectors, CallError>, Halt> {
    let mut ceilings = ceilings(endpoint.backoff);
    let mut unusable = 0;
    loop {
        let error = match attempt(endpoint, texts, spend, halt).await? {
            Ok(vectors) => return Ok(Ok(vectors)),
            Err(error) => error,
        };
        unusable += u32::from(error.kind == CallErrorKind::NoVectors);
        match error.kind.decision() {
            Decision::Retry | Decision::SlowDown if unusable < MAX_MALFORMED => {
                let ceiling = ceilings.next().unwrap_or(endpoint.backoff.longest);
                sleep_unless_stopped(delay(ceiling, error.retry_after), halt).await?;
            }
            Decision::Retry
            | Decision::SlowDown
            | Decision::GiveUpOnPrompt
            | Decision::Weigh
            | Decision::StopProvider => {
                return Ok(Err(error));
            }
        }
    }
}

/// One attempt, counted.
async fn attempt<D: PermitDesk>(
    Endpoint { client, desk, model, .. }: &Endpoint<D>,
    texts: &[&str],
    spend: &mut StageSpend,
    halt: &CancellationToken,
) -> Result<Result<Vectors, CallError>, Halt> {
    let uncertain = uncertain_spend_on_texts(model, texts);
    let (expected, at_most) = (uncertain.likely, uncertain.at_most_cost);
    let request = Request { stage: Stage::EMBEDDINGS, expected, at_most, goes_ahead: false };
    let mut permit = acquire(desk, request, halt).await?;
    spend.sent += 1;
    let ended = client.send(texts).await;
    match &ended {
        Ok(Vectors { tokens, .. }) => {
            let uncertain = if tokens.is_none() { counted_texts(model, texts, &uncertain) } else { uncertain };
            permit.settle(Settlement::answered(tokens.or(Some(uncertain.likely))));
            let billed = Billed { tokens: *tokens, ..Billed::default() };
            spend.add(&answered(billed, model.price.as_ref(), &uncertain));
        }
        Err(error) => {
            permit.settle(failure_settlement(error));
            spend.failed += 1;
            if error.kind.perhaps_billed() {
                spend.unsure.add(&uncertain);
            }
            tracing::debug!(error = %error, "a request for embeddings failed");
        }
    }
    Ok(ended)
}
