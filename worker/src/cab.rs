//! The CAB stage: makes the calls about a cell's questions, as the cell machine asks for them.

use std::panic::resume_unwind;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use valuesim_shared::call::{CallKey, ReplyText};
use valuesim_shared::cell::{
    Follows, MissingStories, NextCall, Prompt, QuestionCalls, QuestionResult, Text, WrittenStory, cell_result, text_of,
};
use valuesim_shared::codebook::Question;
use valuesim_shared::id::QuestionId;
use valuesim_shared::outcome::{
    CellOutcome, CellResult, Ended, OUTCOME_VERSION, RejectedCall, ScaledStory, StoryResult,
};
use valuesim_shared::permit::PermitOffice;
use valuesim_shared::prompt::reminder;
use valuesim_shared::queue::Queue;
use valuesim_shared::stage::Stage;
use valuesim_shared::store::{Backstory, Store};
use valuesim_shared::task::{Task, TaskKind};

use crate::backpressure::ReadyCalls;
use crate::cell_calls::CellCalls;
use crate::context::Context;
use crate::halt::{Halt, all_or_halt, worse};
use crate::next_message::NextMessage;
use crate::prompts::{CellPrompts, SharedPrompt, with_retrieved};
use crate::provider::Conversation;
use crate::story;

/// Answers the questions of a cell. If the cell needs a backstory and has none, the story stage is next.
pub(crate) async fn answer<Q: Queue, S: Store, O: PermitOffice>(
    context: &Arc<Context<Q, S, O>>,
    task: &Arc<Task>,
    ready: ReadyCalls,
    stop: &CancellationToken,
) -> Result<NextMessage, Halt> {
    let backstory = context.store.backstory(&task.run, task.cell).await?;
    let needs_backstory = context.run.manifest.needs_backstory();
    if needs_backstory {
        context.meter.backstory_looked_up(backstory.is_some());
    }
    if backstory.is_none() && needs_backstory {
        return Ok(NextMessage::Task(task.of_kind(TaskKind::Story)));
    }
    let calls = CellCalls::new(context, task, stop).await?;
    let scaled = story::write_scaled(&calls).await?;
    let cell = Arc::new(Cell::new(calls, backstory.as_ref(), &scaled));
    let mut result = Arc::clone(&cell).answer(ready).await?;
    let mut spend = cell.calls.spend();
    result.rejections = cell.calls.rejections();
    if let Some(Backstory { text, ended, asked, spend: of_story, rejection }) = &backstory {
        spend.add(of_story);
        let call = CallKey::first(Stage::STORY, None);
        let of_story = rejection.iter().map(|rejection| RejectedCall { call, rejection: rejection.clone() });
        result.rejections.splice(0..0, of_story);
        result.story = Some(story_result(text, *ended, *asked));
    }
    let scaled = scaled.iter().map(|(stage, WrittenStory { text, ended, asked })| ScaledStory {
        stage: *stage,
        story: story_result(text, *ended, *asked),
    });
    result.scaled_stories = scaled.collect();
    let transcript = cell.calls.transcript(backstory.as_ref()).await;
    let outcome =
        CellOutcome { version: OUTCOME_VERSION, run: task.run.clone(), cell: task.cell, result, spend, transcript };
    Ok(NextMessage::Outcome(Box::new(outcome)))
}

/// A cell whose questions are being answered.
struct Cell<Q, S, O: PermitOffice> {
    calls: CellCalls<Q, S, O>,
    prompts: CellPrompts,
    missing: MissingStories,
}

/// A call that was answered, with its count among the ready calls.
type Answered = (CallKey, ReplyText, Option<ReadyCalls>);

impl<Q: Queue, S: Store, O: PermitOffice> Cell<Q, S, O> {
    fn new(calls: CellCalls<Q, S, O>, backstory: Option<&Backstory>, scaled: &[(Stage, WrittenStory)]) -> Self {
        let whole = (Stage::STORY, backstory.map_or("", |story| &*story.text));
        let scaled = scaled.iter().map(|(stage, story)| (*stage, &*story.text));
        let (mut texts, mut missing) = (Vec::new(), Vec::new());
        for (stage, text) in std::iter::once(whole).chain(scaled) {
            if text.is_empty() { missing.push(stage) } else { texts.push((stage, text)) }
        }
        let prompts = CellPrompts::new(calls.rules(), calls.source(), &texts);
        Self { calls, prompts, missing: MissingStories(missing) }
    }

    async fn answer(self: Arc<Self>, mut ready: ReadyCalls) -> Result<CellResult, Halt> {
        let first_calls = self.calls.rules().first_calls();
        // Each question has a task of its own, so that its replies are parsed on the core on which they arrive.
        let questions = self.calls.asked().iter().map(|&id| {
            let ready = (0..first_calls).map(|_| ready.split_one()).collect();
            AbortOnDropHandle::new(tokio::spawn(Arc::clone(&self).ask_about(id, ready)))
        });
        // If a question fails or is stopped, the others still finish their calls.
        let results = all_or_halt(ended(questions.collect()).await)?;
        Ok(cell_result(self.calls.rules(), &results))
    }

    /// Makes all calls about one question. If one fails, those in flight still finish.
    async fn ask_about(self: Arc<Self>, id: QuestionId, ready: Vec<ReadyCalls>) -> Result<QuestionResult, Halt> {
        let question = self.calls.question(id);
        let mut state = QuestionCalls::new(self.calls.rules(), question, &self.missing);
        let (mut ready, mut halted) = (ready.into_iter(), None);
        let first = state.first().into_iter().map(|call| self.make(question, call, ready.next()));
        let mut in_flight: FuturesUnordered<_> = first.collect();
        while let Some(answered) = in_flight.next().await {
            match answered {
                Ok((key, reply, mut ready)) => {
                    for call in state.reply(key, &reply) {
                        // A follow-up of the same stage is counted in place of the call that it follows.
                        let ready = if call.key.stage == key.stage { ready.take() } else { None };
                        in_flight.push(self.make(question, call, ready));
                    }
                }
                Err(halt) => halted = Some(worse(halted, halt)),
            }
        }
        halted.map_or(Ok(()), Err)?;
        let result = state.result().expect("a question has a result when none of its calls is open");
        for (method, prediction) in &result.predictions {
            self.calls.predicted(*method, prediction.ended);
        }
        Ok(result)
    }

    fn prompt(&self, question: &Question, call: &NextCall) -> SharedPrompt {
        match &call.prompt {
            Prompt::Whole(text) => SharedPrompt::whole(text),
            Prompt::OfStage if text_of(call.key.stage) == Text::Retrieved => {
                with_retrieved(self.calls.source(), question.id)
            }
            Prompt::OfStage => self.prompts.of(call.key.stage).expect("a stage without a prompt is not asked").clone(),
        }
    }

    async fn make(&self, question: &Question, call: NextCall, ready: Option<ReadyCalls>) -> Result<Answered, Halt> {
        let prompt = self.prompt(question, &call);
        let block = (call.prompt == Prompt::OfStage).then(|| self.calls.block(question));
        let response_format = self.calls.answer_format().response_format(call.key.stage.kind(), question);
        let conversation = Conversation::new(&prompt.before, block, &prompt.after);
        let conversation = conversation.in_format(response_format.as_deref());
        let format;
        let conversation = match &call.follows {
            Follows::Nothing => conversation,
            Follows::MoreRoom(tokens) => conversation.with_room_for(*tokens),
            Follows::Reminder { reply } => {
                format = reminder(question);
                conversation.followed_up(reply, &format)
            }
        };
        let reply = self.calls.reply(call.key, &conversation).await?;
        Ok((call.key, reply, ready))
    }
}

/// Waits for the questions' tasks. Returns their results in the same order.
async fn ended<T>(questions: Vec<AbortOnDropHandle<T>>) -> Vec<T> {
    let mut all = Vec::with_capacity(questions.len());
    for question in questions {
        // Nothing aborts the tasks while they are awaited, so an error is a panic, which this task passes on.
        all.push(question.await.unwrap_or_else(|error| resume_unwind(error.into_panic())));
    }
    all
}

fn story_result(text: &str, ended: Ended, asked: u8) -> StoryResult {
    let characters = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    StoryResult { ended, characters, asked }
}
