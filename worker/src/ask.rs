//! Asks the model on behalf of one cell: keeps every reply, counts what it took, asks once more where that helps.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;
use valuesim_shared::codebook::Question;
use valuesim_shared::id::{Code, QuestionId};
use valuesim_shared::manifest::Manifest;
use valuesim_shared::method::{Behaviour, Method, Stage};
use valuesim_shared::outcome::{CellSpend, Ended, StageSpend};
use valuesim_shared::permit::PermitOffice;
use valuesim_shared::prompt::reminder;
use valuesim_shared::queue::Queue;
use valuesim_shared::reply::{Problem, Reading, read_module_reply, read_single_reply};
use valuesim_shared::store::{Backstory, CallKey, CellRecord, RecordedReply, ReplyText, Store};
use valuesim_shared::task::{Task, TaskKind};
use valuesim_shared::transcript::Transcript;

use crate::again::{Again, again};
use crate::context::Context;
use crate::halt::Halt;
use crate::prompts::SharedPrompt;
use crate::provider::{Conversation, EncodedText, Wording};
use crate::retry::{self, Call};
use crate::transcript::{Protocol, story_call};

/// What asking about one question came to.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The answer, if there is a valid one.
    pub(crate) answer: Option<Code>,
    /// Why; what the reference says in its place where there is no reply.
    pub(crate) analysis: String,
    pub(crate) ended: Ended,
    /// How often the model was asked.
    pub(crate) times: u8,
}

/// The calls of one cell.
#[derive(Debug)]
pub(crate) struct CellCalls<Q, S, O> {
    context: Arc<Context<Q, S, O>>,
    task: Arc<Task>,
    halt: CancellationToken,
    /// Replies from an earlier attempt at the cell: these calls are not made again.
    recorded: HashMap<CallKey, RecordedReply>,
    spend: Mutex<CellSpend>,
    /// What is said; none unless the run is to keep it.
    protocol: Option<Protocol>,
}

/// How a kind of reply is read.
type Read = fn(Behaviour, &str, &Question) -> Reading;

impl<Q: Queue, S: Store, O: PermitOffice> CellCalls<Q, S, O> {
    pub(crate) async fn new(
        context: &Arc<Context<Q, S, O>>,
        task: &Arc<Task>,
        halt: &CancellationToken,
    ) -> Result<Self, Halt> {
        let record = context.store.cell_record(&task.run, task.cell).await?;
        let spend = Mutex::new(unanswered(task.kind, &record));
        let (context, task, halt) = (Arc::clone(context), Arc::clone(task), halt.clone());
        let protocol = Protocol::of(&context.run);
        Ok(Self { context, task, halt, recorded: record.replies, spend, protocol })
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        &self.context.run.manifest
    }

    pub(crate) fn question(&self, id: QuestionId) -> &Question {
        self.manifest().codebook.question(id)
    }

    pub(crate) fn held_out(&self) -> &[QuestionId] {
        self.context.run.held_out(self.task.cell.fold)
    }

    /// Says that a prediction is made.
    pub(crate) fn predicted(&self, method: Method, ended: Ended) {
        self.context.meter.predicted(method, ended);
    }

    /// What the calls so far took, earlier attempts at the cell included.
    pub(crate) fn spend(&self) -> CellSpend {
        self.spend_so_far().clone()
    }

    fn spend_so_far(&self) -> MutexGuard<'_, CellSpend> {
        self.spend.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks a module for its answer and analysis.
    pub(crate) async fn ask_module(
        &self,
        stage: Stage,
        question: &Question,
        prompt: &SharedPrompt,
    ) -> Result<Asked, Halt> {
        self.ask(stage, question, (prompt, Some(self.block(question))), read_module_reply).await
    }

    /// Asks the coordinator, whose prompt has the question in it.
    pub(crate) async fn ask_coordinator(&self, question: &Question, prompt: &SharedPrompt) -> Result<Asked, Halt> {
        self.ask(Stage::Coordinator, question, (prompt, None), read_module_reply).await
    }

    /// Asks for an answer in one call.
    pub(crate) async fn ask_single(
        &self,
        stage: Stage,
        question: &Question,
        prompt: &SharedPrompt,
    ) -> Result<Asked, Halt> {
        self.ask(stage, question, (prompt, Some(self.block(question))), read_single_reply).await
    }

    /// The question as prompts show it.
    fn block(&self, question: &Question) -> &EncodedText {
        self.context.run.question_block(question.id)
    }

    async fn ask(
        &self,
        stage: Stage,
        question: &Question,
        (prompt, block): (&SharedPrompt, Option<&EncodedText>),
        read: Read,
    ) -> Result<Asked, Halt> {
        let behaviour = self.manifest().behaviour;
        let key = CallKey { stage, question: Some(question.id), asked_before: 0 };
        let conversation = Conversation::new(&prompt.before, block, &prompt.after);
        let first = self.reply(key, &conversation).await?;
        let asked = judge(behaviour, &first, question, read);
        let (ReplyText::Text { content, .. }, Some(again)) = (&first, self.again(asked.ended)) else {
            return Ok(asked);
        };
        let reminder = reminder(question);
        let conversation = match again {
            Again::Remind => conversation.followed_up(content, &reminder),
            Again::MoreRoom(most) => conversation.with_room_for(most),
        };
        let second = self.reply(CallKey { asked_before: again.asked_before(), ..key }, &conversation).await?;
        let second = judge(behaviour, &second, question, read);
        Ok(match again {
            Again::Remind => after_reminder(asked, second),
            Again::MoreRoom(_) => with_more_room(asked, second),
        })
    }

    /// Whether and how the model is asked again when it was asked once and that ended so.
    pub(crate) fn again(&self, ended: Ended) -> Option<Again> {
        let manifest = self.manifest();
        again(manifest.behaviour, ended, manifest.models[self.task.cell.model.0 as usize].max_output_tokens)
    }

    /// The reply of one call: from the record, or else from the model.
    pub(crate) async fn reply(&self, key: CallKey, wording: &impl Wording) -> Result<ReplyText, Halt> {
        if let Some(recorded) = self.recorded.get(&key) {
            self.count(key.stage, recorded);
            self.keep(key, wording, recorded);
            return Ok(recorded.reply.clone());
        }
        let call = Call { run: &self.task.run, cell: self.task.cell, key, wording };
        let recorded = retry::make(&self.context, call, &self.halt).await?;
        self.count(key.stage, &recorded);
        self.keep(key, wording, &recorded);
        Ok(recorded.reply)
    }

    fn keep(&self, key: CallKey, wording: &impl Wording, recorded: &RecordedReply) {
        if let Some(protocol) = &self.protocol {
            wording.put(|conversation| protocol.add(key, conversation, recorded));
        }
    }

    /// What was said so far, with the backstory's call; none unless the run is to keep it. Called once, at the end.
    pub(crate) async fn transcript(&self, story: Option<&Backstory>) -> Option<Transcript> {
        let protocol = self.protocol.as_ref()?;
        Some(protocol.transcript(story.map(|story| story_call(&self.context.run, &self.task, story))).await)
    }

    fn count(&self, stage: Stage, recorded: &RecordedReply) {
        let mut spend = self.spend_so_far();
        spend.stages.entry(stage).or_default().add(&recorded.spend);
        let model = &recorded.reported_model;
        if !model.is_empty() && !spend.reported_models.contains(model) {
            spend.reported_models.push(model.clone());
        }
    }
}

/// Requests of an earlier attempt at the task that no recorded reply counts: those that failed before the process ended,
/// and those whose end nobody saw.
///
/// The story task counts the backstory's, the CAB task all others.
fn unanswered(kind: TaskKind, record: &CellRecord) -> CellSpend {
    let mut spend = CellSpend::default();
    let of_task = |key: &CallKey| (key.stage == Stage::Story) == (kind == TaskKind::Story);
    for (key, call) in record.sent.iter().filter(|(key, _)| of_task(key)) {
        let counted = record.replies.get(key);
        let sent = call.times.saturating_sub(counted.map_or(0, |reply| reply.spend.sent));
        let failed = call.failed.saturating_sub(counted.map_or(0, |reply| reply.spend.failed)).min(sent);
        let billed = call.perhaps_billed.saturating_sub(counted.map_or(0, |reply| reply.perhaps_billed)).min(failed);
        let abandoned = sent - failed;
        if sent > 0 {
            let unsure = call.each.times(abandoned + billed);
            let stage = StageSpend { sent, failed, abandoned, unsure, ..StageSpend::default() };
            spend.stages.entry(key.stage).or_default().add(&stage);
        }
    }
    spend
}

/// What a reply comes to, as the first one to the question.
fn judge(behaviour: Behaviour, reply: &ReplyText, question: &Question, read: Read) -> Asked {
    match reply {
        ReplyText::Refused => without_reply(Ended::Refused),
        ReplyText::TooLong => without_reply(Ended::TooLong),
        ReplyText::Text { content, cut_off } => {
            let Reading { answer, analysis, problem } = read(behaviour, content, question);
            let ended = match (answer, problem) {
                (Some(_), _) => Ended::Answered,
                (None, Some(Problem::Refused)) => Ended::Refused,
                (None, _) if *cut_off => Ended::CutOff,
                (None, _) => Ended::Invalid,
            };
            Asked { answer, analysis, ended, times: 1 }
        }
    }
}

/// The reference puts the error in the analysis' place when a call fails, and the coordinator reads it.
fn without_reply(ended: Ended) -> Asked {
    Asked { answer: None, analysis: format!("Error: {ended}"), ended, times: 1 }
}

/// A reply that was cut off stands where the provider has no more room to give.
fn with_more_room(first: Asked, second: Asked) -> Asked {
    if second.ended == Ended::TooLong { Asked { times: 2, ..first } } else { Asked { times: 2, ..second } }
}

/// The reminder asks for the answer alone: the analysis is the first reply's where the second has none.
fn after_reminder(first: Asked, second: Asked) -> Asked {
    let ended = if second.ended == Ended::Answered { Ended::Reminded } else { second.ended };
    let analysis = if second.analysis.is_empty() { first.analysis } else { second.analysis };
    Asked { analysis, ended, times: 2, ..second }
}

#[cfg(test)]
mod tests {
    use valuesim_shared::money::NanoUsd;
    use valuesim_shared::outcome::Unsure;
    use valuesim_shared::store::SentCall;

    use super::*;

    const COGNITIVE: CallKey = CallKey { stage: Stage::Cognitive, question: None, asked_before: 0 };

    fn each() -> Unsure {
        Unsure { likely_cost: NanoUsd(5), ..Unsure::default() }
    }

    fn check(sent: SentCall, counted: Option<(StageSpend, u64)>, expected: Option<&StageSpend>) {
        let reply = counted.map(|(spend, perhaps_billed)| {
            let reply =
                RecordedReply { reply: ReplyText::Refused, spend, perhaps_billed, reported_model: String::new() };
            (COGNITIVE, reply)
        });
        let record = CellRecord { sent: [(COGNITIVE, sent)].into(), replies: reply.into_iter().collect() };
        let spend = unanswered(TaskKind::Cab, &record);
        assert_eq!(spend.stages.get(&Stage::Cognitive), expected);
        assert_eq!(unanswered(TaskKind::Story, &record), CellSpend::default());
    }

    #[test]
    fn requests_before_an_interruption_count_as_failed_or_abandoned_and_never_twice() {
        let sent = |times, failed, perhaps_billed| SentCall { times, each: each(), failed, perhaps_billed };
        let spend = |sent, failed, unsure: u64| StageSpend {
            sent,
            failed,
            abandoned: sent - failed,
            unsure: each().times(unsure),
            ..StageSpend::default()
        };
        // Stopped while it waited for the next attempt: nothing is abandoned.
        check(sent(2, 2, 1), None, Some(&spend(2, 2, 1)));
        // Killed in mid-call, after a failure.
        check(sent(2, 1, 0), None, Some(&spend(2, 1, 1)));
        // The reply that came in the end counts its own attempts.
        let counted = StageSpend { sent: 2, answered: 1, failed: 1, ..StageSpend::default() };
        check(sent(2, 1, 1), Some((counted.clone(), 1)), None);
        check(sent(4, 2, 2), Some((counted, 1)), Some(&spend(2, 1, 2)));
    }
}
