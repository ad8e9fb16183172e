//! The story stage: has the model write a cell's backstory, once.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;
use valuesim_shared::cell::{Follows, NextCall, StoryCalls, StoryStep, WrittenStory};
use valuesim_shared::permit::PermitOffice;
use valuesim_shared::prompt;
use valuesim_shared::queue::Queue;
use valuesim_shared::reply::is_framed;
use valuesim_shared::stage::Stage;
use valuesim_shared::store::{Backstory, Store};
use valuesim_shared::task::{Task, TaskKind};

use crate::cell_calls::CellCalls;
use crate::context::Context;
use crate::halt::{Halt, all_or_halt};
use crate::next_message::NextMessage;
use crate::prompts::SharedPrompt;
use crate::provider::{Conversation, Wording};
use crate::run::Run;

/// How the report calls a backstory with talk around it.
const FRAMED: &str = "a backstory with talk around it, such as \"Here is the backstory:\"";

/// Has a cell's backstory written, unless the store has it. The CAB stage is next.
pub(crate) async fn write<Q: Queue, S: Store, O: PermitOffice>(
    context: &Arc<Context<Q, S, O>>,
    task: &Arc<Task>,
    stop: &CancellationToken,
) -> Result<NextMessage, Halt> {
    if context.store.backstory(&task.run, task.cell).await?.is_none() {
        let calls = CellCalls::new(context, task, stop).await?;
        let WrittenStory { text, ended, asked } = ask(&calls, Stage::STORY).await?;
        let rejection = calls.rejections().pop().map(|rejected| rejected.rejection);
        let story = Backstory { text, ended, asked, spend: calls.spend(), rejection };
        context.store.put_backstory(&task.run, task.cell, &story).await?;
        context.meter.backstory_written();
    }
    Ok(NextMessage::Task(task.of_kind(TaskKind::Cab)))
}

/// Has the backstories written that the cell needs from samples of its profile.
pub(crate) async fn write_scaled<Q: Queue, S: Store, O: PermitOffice>(
    calls: &CellCalls<Q, S, O>,
) -> Result<Vec<(Stage, WrittenStory)>, Halt> {
    let stages = calls.rules().scaled_stories();
    let stories = join_all(stages.iter().map(|&stage| ask(calls, stage))).await;
    let stories = all_or_halt(stories)?;
    for &stage in &stages {
        calls.backstory_written(stage);
    }
    Ok(stages.into_iter().zip(stories).collect())
}

/// Has a stage write its backstory.
async fn ask<Q: Queue, S: Store, O: PermitOffice>(
    calls: &CellCalls<Q, S, O>,
    stage: Stage,
) -> Result<WrittenStory, Halt> {
    let mut story = StoryCalls::new(calls.rules(), stage);
    let mut call = story.first();
    loop {
        let (run, task) = calls.source();
        let wording = StoryPrompt { run, task, call: &call };
        match story.reply(calls.reply(call.key, &wording).await?) {
            StoryStep::Call(next) => call = next,
            StoryStep::Done(written) => {
                if is_framed(&written.text) {
                    calls.note_oddity(FRAMED);
                }
                return Ok(written);
            }
        }
    }
}

/// The prompt for a backstory. It is rendered each time it is sent: otherwise thousands of prompts of twenty kilobytes each
/// would wait in memory for their replies.
struct StoryPrompt<'a> {
    run: &'a Run,
    task: &'a Task,
    call: &'a NextCall,
}

impl Wording for StoryPrompt<'_> {
    fn with_conversation<R>(&self, with: impl FnOnce(&Conversation<'_>) -> R) -> R {
        let answers = self.run.part_of_profile(self.task, self.call.key.stage).unwrap_or_default();
        let profile = self.run.profile_text().natural(answers);
        let prompt = SharedPrompt::whole(&prompt::story(&profile));
        let conversation = Conversation::new(&prompt.before, None, &prompt.after);
        with(&match self.call.follows {
            Follows::MoreRoom(most) => conversation.with_room_for(most),
            Follows::Nothing | Follows::Reminder { .. } => conversation,
        })
    }
}
