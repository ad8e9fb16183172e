//! Sends a short prompt where nothing else tells whether a provider answers.

use tokio_util::sync::CancellationToken;
use valuesim_shared::permit::PermitOffice;
use valuesim_shared::store::Store;

use super::attempt::attempt;
use super::call::Call;
use super::spent::Spent;
use super::verdict::may_be_the_prompts;
use crate::call_cost::uncertain_spend;
use crate::context::Context;
use crate::evidence::Seen;
use crate::halt::Halt;
use crate::provider::{CallError, CallErrorKind, Conversation, Decision, EncodedText, Wording};

/// What came of a probe.
pub(super) enum Probed {
    /// It was answered, or another call was in the meantime: the provider works.
    Answered,
    /// The provider is away, or somebody else asks.
    Unclear,
    /// It was rejected, too: no prompt is to blame.
    Rejected(Box<CallError>),
}

/// The prompt of a probe: nothing in it can be too long or against a policy.
struct ShortPrompt;

impl Wording for ShortPrompt {
    fn with_conversation<R>(&self, with: impl FnOnce(&Conversation<'_>) -> R) -> R {
        let [prompt, nothing] = ["Reply with the number 1.", ""].map(EncodedText::new);
        with(&Conversation::new(&prompt, None, &nothing))
    }
}

/// Asks, unless a call was answered since this one first failed. It is a request of the call that asks, and its cost is that
/// call's.
pub(super) async fn probe<Q, S: Store, O: PermitOffice>(
    context: &Context<Q, S, O>,
    call: &Call<'_, impl Wording>,
    (kind, before): (CallErrorKind, Seen),
    spent: &mut Spent,
    stop: &CancellationToken,
) -> Result<Probed, Halt> {
    let evidence = context.evidence(call.cell.model);
    let _asking = if may_be_the_prompts(kind) && kind != CallErrorKind::Malformed {
        // In an outage, one call that asks is enough.
        let Ok(asking) = evidence.probing.try_lock() else { return Ok(Probed::Unclear) };
        asking
    } else {
        evidence.probing.lock().await
    };
    if evidence.seen().answered > before.answered {
        return Ok(Probed::Answered);
    }
    let call = call.saying(&ShortPrompt);
    let settings = &context.run.manifest.models[call.cell.model.0 as usize];
    let uncertain = ShortPrompt.with_conversation(|it| uncertain_spend(settings, call.key.stage, it));
    Ok(match attempt(context, &call, &uncertain, spent, stop).await? {
        Ok(_) => Probed::Answered,
        Err(error) => match error.kind.decision() {
            Decision::Weigh if error.kind == CallErrorKind::Page => Probed::Unclear,
            Decision::Retry if error.kind == CallErrorKind::Malformed => Probed::Rejected(Box::new(error)),
            Decision::Retry | Decision::SlowDown => Probed::Unclear,
            Decision::Weigh | Decision::GiveUpOnPrompt | Decision::StopProvider => Probed::Rejected(Box::new(error)),
        },
    })
}
