//! The story stage: has the model write a cell's backstory, once.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use valuesim_shared::method::Stage;
use valuesim_shared::outcome::Ended;
use valuesim_shared::permit::PermitOffice;
use valuesim_shared::prompt;
use valuesim_shared::queue::Queue;
use valuesim_shared::store::{Backstory, CallKey, ReplyText, Store};
use valuesim_shared::task::{Task, TaskKind};

use crate::again::Again;
use crate::ask::CellCalls;
use crate::attempt::Next;
use crate::context::Context;
use crate::halt::Halt;
use crate::prompts::SharedPrompt;
use crate::provider::{Conversation, Wording};
use crate::run::Run;

/// Writes a cell's backstory unless it is there; the CAB stage is next.
pub(crate) async fn write<Q: Queue, S: Store, O: PermitOffice>(
    context: &Arc<Context<Q, S, O>>,
    task: &Arc<Task>,
    halt: &CancellationToken,
) -> Result<Next, Halt> {
    if context.store.backstory(&task.run, task.cell).await?.is_none() {
        let story = ask(context, task, halt).await?;
        context.store.put_backstory(&task.run, task.cell, &story).await?;
        context.meter.backstory_written();
    }
    Ok(Next::Task(task.of_kind(TaskKind::Cab)))
}

async fn ask<Q: Queue, S: Store, O: PermitOffice>(
    context: &Arc<Context<Q, S, O>>,
    task: &Arc<Task>,
    halt: &CancellationToken,
) -> Result<Backstory, Halt> {
    let calls = CellCalls::new(context, task, halt).await?;
    let key = CallKey { stage: Stage::Story, question: None, asked_before: 0 };
    let mut wording = StoryWording { run: &context.run, task, most_output_tokens: None };
    let (mut text, mut ended) = judge(calls.reply(key, &wording).await?);
    let mut asked = 1;
    if let Some(again @ Again::MoreRoom(most)) = calls.again(ended) {
        let key = CallKey { asked_before: again.asked_before(), ..key };
        wording.most_output_tokens = Some(most);
        let second = judge(calls.reply(key, &wording).await?);
        asked = 2;
        // A backstory that was cut off is better than none.
        if !second.0.is_empty() {
            (text, ended) = second;
        }
    }
    Ok(Backstory { text, ended, asked, spend: calls.spend() })
}

/// Asks for a backstory. The prompt is made anew each time it is sent: thousands of them, of twenty kilobytes each, would
/// otherwise wait in memory for their replies.
struct StoryWording<'a> {
    run: &'a Run,
    task: &'a Task,
    most_output_tokens: Option<u32>,
}

impl Wording for StoryWording<'_> {
    fn put<R>(&self, with: impl FnOnce(&Conversation<'_>) -> R) -> R {
        let profile = self.run.profile_text().natural(self.run.profile(self.task));
        let prompt = SharedPrompt::whole(&prompt::story(&profile));
        let conversation = Conversation::new(&prompt.before, None, &prompt.after);
        with(&match self.most_output_tokens {
            Some(most) => conversation.with_room_for(most),
            None => conversation,
        })
    }
}

/// The narrative, and how asking for it ended.
fn judge(reply: ReplyText) -> (String, Ended) {
    match reply {
        ReplyText::Text { content, cut_off: true } => (content, Ended::CutOff),
        ReplyText::Text { content, .. } if content.trim().is_empty() => (String::new(), Ended::Invalid),
        ReplyText::Text { content, .. } => (content, Ended::Answered),
        ReplyText::Refused => (String::new(), Ended::Refused),
        ReplyText::TooLong => (String::new(), Ended::TooLong),
    }
}
