//! One call of a cell, and how it ends.

use tokio_util::sync::CancellationToken;
use valuesim_shared::id::{Cell, RunId};
use valuesim_shared::permit::{PermitDesk, PermitOffice};
use valuesim_shared::store::{CallKey, RecordedReply, Remark, ReplyText, Store};

use super::spent::Spent;
use crate::context::Context;
use crate::error::WorkerError;
use crate::halt::Halt;
use crate::provider::{CallError, Wording};

/// One call of a cell.
#[derive(Debug)]
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

impl<'a, W> Call<'a, W> {
    /// The same call with other words.
    pub(super) const fn saying<V>(&self, wording: &'a V) -> Call<'a, V> {
        let Self { run, cell, session, key, goes_ahead, .. } = *self;
        Call { run, cell, session, key, wording, goes_ahead }
    }
}

/// The permits of an office.
pub(super) type PermitOf<O> = <<O as PermitOffice>::Desk as PermitDesk>::Permit;

/// Ends the task for a reason that concerns all its calls. The cell's other calls would fail in the same way, each at the cost
/// of a request.
pub(super) fn halt(error: WorkerError, stop: &CancellationToken) -> Halt {
    stop.cancel();
    error.into()
}

/// Whether the call asks for a longer reply than the model's settings allow.
pub(super) fn asks_for_more_room(call: &Call<'_, impl Wording>) -> bool {
    call.wording.with_conversation(|conversation| conversation.most_output_tokens().is_some())
}

pub(super) fn store_reply<Q, S: Store, O: PermitOffice>(
    context: &Context<Q, S, O>,
    call: &Call<'_, impl Wording>,
    recorded: RecordedReply,
) -> Result<RecordedReply, Halt> {
    context.store.record_reply(call.run, call.cell, call.key, &recorded)?;
    Ok(recorded)
}

/// The record of a prompt that got no reply.
pub(super) fn unanswered(reply: ReplyText, error: &CallError, Spent { spend, perhaps_billed }: Spent) -> RecordedReply {
    let remark = Some(Remark::Rejection(error.rejection()));
    RecordedReply { reply, spend, perhaps_billed, reported_model: String::new(), remark }
}
