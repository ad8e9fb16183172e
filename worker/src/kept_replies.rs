//! Replies to the same calls in another run, which are used in place of calls.

use std::collections::HashMap;
use std::sync::Arc;

use valuesim_shared::call::{CallKey, ReplyText};
use valuesim_shared::task::Task;
use valuesim_shared::transcript::{Call, Transcript, TranscriptError};

use crate::provider::{LastUnescaped, Wording};

/// The calls of a cell in another run, if its task brings some.
#[derive(Debug, Default)]
pub(crate) struct KeptReplies(HashMap<CallKey, Call>);

impl KeptReplies {
    /// Reads what the task brings: megabytes of text, so that happens on a thread for blocking work. What cannot be read is
    /// left out, because its calls can be made.
    pub(crate) async fn of(task: &Arc<Task>) -> Self {
        if task.kept.is_none() {
            return Self::default();
        }
        let reading = {
            let task = Arc::clone(task);
            tokio::task::spawn_blocking(move || read(&task))
        };
        match reading.await.expect("reading a transcript does not panic") {
            Ok(calls) => Self(calls),
            Err(error) => {
                tracing::warn!(run = %task.run, cell = %task.cell, %error, "the replies kept by another run are not used");
                Self::default()
            }
        }
    }

    /// The kept call with this key, if its messages are those of `wording` to the byte.
    pub(crate) fn call(&self, key: CallKey, wording: &impl Wording) -> Option<&Call> {
        // What another run was refused may be answered now.
        let call = self.0.get(&key).filter(|call| call.reply != ReplyText::Rejected)?;
        let messages = wording.with_conversation(|it| it.owned().messages(&mut LastUnescaped::default()));
        (messages == call.messages).then_some(call)
    }
}

fn read(task: &Task) -> Result<HashMap<CallKey, Call>, TranscriptError> {
    let calls = task.kept.iter().flat_map(Transcript::calls);
    calls.map(|call| call.map(|call| (call.key, call))).collect()
}
