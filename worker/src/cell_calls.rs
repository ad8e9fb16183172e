//! Makes the calls of one cell: uses replies that are already recorded or that another run kept, makes the other calls, and
//! counts what all of them used.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;
use valuesim_shared::answer_format::AnswerFormat;
use valuesim_shared::call::{CallKey, ReplyText, session};
use valuesim_shared::cell::Rules;
use valuesim_shared::codebook::Question;
use valuesim_shared::id::QuestionId;
use valuesim_shared::manifest::Manifest;
use valuesim_shared::method::Method;
use valuesim_shared::outcome::{CellSpend, Ended, PartSpend, RejectedCall, ReusedReplies, StageSpend};
use valuesim_shared::permit::PermitOffice;
use valuesim_shared::queue::Queue;
use valuesim_shared::stage::Stage;
use valuesim_shared::store::{Backstory, CellRecord, RecordedReply, Rejection, Remark, Store};
use valuesim_shared::task::{Task, TaskKind};
use valuesim_shared::transcript::{self, Transcript};

use crate::context::Context;
use crate::halt::Halt;
use crate::kept_replies::KeptReplies;
use crate::provider::{EncodedText, Wording};
use crate::retry::{self, Call};
use crate::run::Run;
use crate::transcript::{TranscriptRecorder, story_call};
use crate::warm_up::WarmUp;

/// The calls of one cell.
#[derive(Debug)]
pub(crate) struct CellCalls<Q, S, O: PermitOffice> {
    context: Arc<Context<Q, S, O>>,
    task: Arc<Task>,
    stop: CancellationToken,
    /// Replies from earlier attempts at the cell. These calls are not made again.
    recorded: HashMap<CallKey, RecordedReply>,
    /// Replies of another run to the same prompts. These calls are not made again either.
    kept: KeptReplies,
    spend: Mutex<CellSpend>,
    /// What the reply to each call used.
    replies: Mutex<HashMap<CallKey, (PartSpend, Usable)>>,
    /// What the provider said to prompts that it did not take.
    rejections: Mutex<Vec<RejectedCall>>,
    session: String,
    warm_up: WarmUp,
    /// Records the transcript, if the run is to keep transcripts.
    recorder: Option<TranscriptRecorder>,
}

impl<Q: Queue, S: Store, O: PermitOffice> CellCalls<Q, S, O> {
    pub(crate) async fn new(
        context: &Arc<Context<Q, S, O>>,
        task: &Arc<Task>,
        stop: &CancellationToken,
    ) -> Result<Self, Halt> {
        let mut record = context.store.cell_record(&task.run, task.cell).await?;
        if record.replies.values().any(|recorded| matches!(recorded.reply, ReplyText::Text { .. })) {
            context.evidence(task.cell.model).was_answered_before();
        }
        // What was not taken may be by now, after a change at the provider, and asking costs nothing.
        record.replies.retain(|_, recorded| !matches!(recorded.reply, ReplyText::TooLong | ReplyText::Rejected));
        let spend = Mutex::new(unanswered(task.kind, &record));
        let (context, task, stop) = (Arc::clone(context), Arc::clone(task), stop.clone());
        let (kept, recorder) = (KeptReplies::of(&task).await, TranscriptRecorder::of(&context.run));
        let (replies, rejections) = Default::default();
        let model = &context.run.manifest.models[usize::from(task.cell.model.0)];
        let warm_up = WarmUp::new(context.run.rules(task.cell.model), model.cache_after());
        let session = session(&task.run, task.cell);
        Ok(Self {
            context,
            task,
            stop,
            recorded: record.replies,
            kept,
            spend,
            replies,
            rejections,
            session,
            warm_up,
            recorder,
        })
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        &self.context.run.manifest
    }

    pub(crate) fn question(&self, id: QuestionId) -> &Question {
        self.manifest().codebook.question(id)
    }

    /// The cell's questions, in the fold's order.
    pub(crate) fn asked(&self) -> &[QuestionId] {
        self.context.run.asked(self.task.cell.fold)
    }

    /// Counts a prediction.
    pub(crate) fn predicted(&self, method: Method, ended: Ended) {
        self.context.meter.predicted(method, ended);
    }

    /// Counts the backstory of a stage, unless the store had it from an earlier attempt at the cell.
    pub(crate) fn backstory_written(&self, stage: Stage) {
        if !self.recorded.keys().any(|key| key.stage == stage) {
            self.context.meter.backstory_written();
        }
    }

    /// What the calls so far have used, including earlier attempts at the cell.
    pub(crate) fn spend(&self) -> CellSpend {
        let mut spend = self.spend_so_far().clone();
        let replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        note_repeats(&mut spend, &replies);
        spend
    }

    fn spend_so_far(&self) -> MutexGuard<'_, CellSpend> {
        self.spend.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The question as prompts show it.
    pub(crate) fn block(&self, question: &Question) -> &EncodedText {
        self.context.run.question_block(question.id)
    }

    /// The form of answers that the cell's model is asked for.
    pub(crate) fn answer_format(&self) -> AnswerFormat {
        self.context.run.manifest.models[usize::from(self.task.cell.model.0)].answer_format
    }

    /// The rules that decide the cell's calls.
    pub(crate) fn rules(&self) -> &Rules {
        self.context.run.rules(self.task.cell.model)
    }

    /// The run and the task, from which prompts are rendered.
    pub(crate) fn source(&self) -> (&Run, &Task) {
        (&self.context.run, &self.task)
    }

    /// The reply to one call: the recorded one, or that of another run to the same prompt, or else the model's.
    pub(crate) async fn reply(&self, key: CallKey, wording: &impl Wording) -> Result<ReplyText, Halt> {
        if let Some(recorded) = self.recorded.get(&key) {
            self.count(key, recorded);
            self.keep(key, wording, recorded);
            return Ok(recorded.reply.clone());
        }
        if let Some(kept) = self.kept.call(key, wording) {
            self.count_kept(kept);
            self.keep(key, wording, &recorded_then(kept));
            return Ok(kept.reply.clone());
        }
        let _open = self.context.evidence(self.task.cell.model).open();
        let turn = self.warm_up.turn(key.stage).await;
        let (run, cell, session, goes_ahead) = (&self.task.run, self.task.cell, &self.session, turn.goes_ahead());
        let call = Call { run, cell, session, key, wording, goes_ahead };
        let recorded = retry::call_with_retries(&self.context, call, &self.stop).await?;
        turn.answered();
        self.count(key, &recorded);
        self.keep(key, wording, &recorded);
        Ok(recorded.reply)
    }

    fn keep(&self, key: CallKey, wording: &impl Wording, recorded: &RecordedReply) {
        if let Some(recorder) = &self.recorder {
            wording.with_conversation(|conversation| recorder.add(key, conversation, recorded));
        }
    }

    /// The transcript of the calls so far, after the backstory's call; `None` unless the run is to keep transcripts. To be
    /// called once, at the end.
    pub(crate) async fn transcript(&self, story: Option<&Backstory>) -> Option<Transcript> {
        let recorder = self.recorder.as_ref()?;
        Some(recorder.transcript(story.map(|story| story_call(&self.context.run, &self.task, story))).await)
    }

    fn count(&self, key: CallKey, recorded: &RecordedReply) {
        let is_text = matches!(recorded.reply, ReplyText::Text { .. });
        let usable = if is_text { Usable::Perhaps } else { Usable::No };
        let part = PartSpend::from(&recorded.spend);
        self.replies.lock().unwrap_or_else(PoisonError::into_inner).insert(key, (part, usable));
        let mut spend = self.spend_so_far();
        spend.stages.entry(key.stage).or_default().add(&recorded.spend);
        match &recorded.remark {
            Some(Remark::Oddity(oddity)) => spend.add_oddity(oddity, 1),
            Some(Remark::Rejection(rejection)) => self.note_rejection(key, rejection),
            None => {}
        }
        note_model(&mut spend, &recorded.reported_model);
    }

    /// Counts a reply that is odd, and used nonetheless.
    pub(crate) fn note_oddity(&self, oddity: &str) {
        self.spend_so_far().add_oddity(oddity, 1);
    }

    fn note_rejection(&self, call: CallKey, rejection: &Rejection) {
        let mut rejections = self.rejections.lock().unwrap_or_else(PoisonError::into_inner);
        rejections.push(RejectedCall { call, rejection: rejection.clone() });
    }

    /// What the provider said to prompts that it did not take, in the order of the calls.
    pub(crate) fn rejections(&self) -> Vec<RejectedCall> {
        let mut rejections = self.rejections.lock().unwrap_or_else(PoisonError::into_inner).clone();
        rejections.sort_by_key(|rejected| rejected.call);
        rejections
    }

    fn count_kept(&self, kept: &transcript::Call) {
        let mut spend = self.spend_so_far();
        spend.reused.add(ReusedReplies { replies: 1, tokens: kept.tokens.unwrap_or_default() });
        note_model(&mut spend, &kept.reported_model);
    }
}

/// Whether a reply can be used: whether the model is asked again tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Usable {
    Perhaps,
    No,
}

/// Counts the replies that asked again, and those that could not be used.
fn note_repeats(spend: &mut CellSpend, replies: &HashMap<CallKey, (PartSpend, Usable)>) {
    for (key, (part, usable)) in replies {
        let Some(stage) = spend.stages.get_mut(&key.stage) else { continue };
        let asked_next = CallKey { asked_before: key.asked_before.saturating_add(1), ..*key };
        if key.asked_before > 0 {
            stage.asked_again.add(*part);
        }
        if *usable == Usable::No || replies.contains_key(&asked_next) {
            stage.unusable.add(*part);
        }
    }
}

/// What the other run recorded of the call, as far as it is known.
fn recorded_then(kept: &transcript::Call) -> RecordedReply {
    let spend = StageSpend {
        answered: 1,
        without_usage: u64::from(kept.tokens.is_none()),
        tokens: kept.tokens.unwrap_or_default(),
        ..StageSpend::default()
    };
    let (reply, reported_model) = (kept.reply.clone(), kept.reported_model.clone());
    RecordedReply { reply, spend, perhaps_billed: 0, reported_model, remark: None }
}

fn note_model(spend: &mut CellSpend, model: &str) {
    if !model.is_empty() && !spend.reported_models.iter().any(|known| known == model) {
        spend.reported_models.push(model.to_owned());
    }
}

/// Counts the requests of earlier attempts at the task that no recorded reply counts: those that failed before the process
/// ended, and those whose end was not recorded.
///
/// A story task counts the requests for the backstory, a CAB task all others.
fn unanswered(kind: TaskKind, record: &CellRecord) -> CellSpend {
    let mut spend = CellSpend::default();
    let of_task = |key: &CallKey| (key.stage == Stage::STORY) == (kind == TaskKind::Story);
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

#[cfg(test)]
mod tests {
    use valuesim_shared::money::NanoUsd;
    use valuesim_shared::outcome::UncertainSpend;
    use valuesim_shared::store::SentCall;

    use super::*;

    const COGNITIVE: CallKey = CallKey { stage: Stage::COGNITIVE, question: None, asked_before: 0 };

    fn each() -> UncertainSpend {
        UncertainSpend { likely_cost: NanoUsd(5), ..UncertainSpend::default() }
    }

    fn check(sent: SentCall, counted: Option<(StageSpend, u64)>, expected: Option<&StageSpend>) {
        let reply = counted.map(|(spend, perhaps_billed)| {
            let reply = RecordedReply {
                reply: ReplyText::Refused,
                spend,
                perhaps_billed,
                reported_model: String::new(),
                remark: None,
            };
            (COGNITIVE, reply)
        });
        let record = CellRecord { sent: [(COGNITIVE, sent)].into(), replies: reply.into_iter().collect() };
        let spend = unanswered(TaskKind::Cab, &record);
        assert_eq!(spend.stages.get(&Stage::COGNITIVE), expected);
        assert_eq!(unanswered(TaskKind::Story, &record), CellSpend::default());
    }

    #[test]
    fn asking_again_is_counted_with_the_reply_that_was_the_reason() {
        let part = |cost| PartSpend { answered: 1, cost: NanoUsd(cost), ..PartSpend::default() };
        let key = |asked_before| CallKey { asked_before, ..COGNITIVE };
        let replies = [(key(0), (part(10), Usable::Perhaps)), (key(1), (part(3), Usable::Perhaps))].into();
        let mut spend =
            CellSpend { stages: [(Stage::COGNITIVE, StageSpend::default())].into(), ..CellSpend::default() };
        note_repeats(&mut spend, &replies);
        let stage = &spend.stages[&Stage::COGNITIVE];
        assert_eq!((stage.asked_again, stage.unusable), (part(3), part(10)));
        let refused = [(key(0), (part(10), Usable::No))].into();
        let mut spend =
            CellSpend { stages: [(Stage::COGNITIVE, StageSpend::default())].into(), ..CellSpend::default() };
        note_repeats(&mut spend, &refused);
        assert_eq!(spend.stages[&Stage::COGNITIVE].unusable, part(10));
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
        // Stopped between two attempts: nothing is abandoned.
        check(sent(2, 2, 1), None, Some(&spend(2, 2, 1)));
        // Killed during a call, after a failed one.
        check(sent(2, 1, 0), None, Some(&spend(2, 1, 1)));
        // The final reply counts its own attempts.
        let counted = StageSpend { sent: 2, answered: 1, failed: 1, ..StageSpend::default() };
        check(sent(2, 1, 1), Some((counted.clone(), 1)), None);
        check(sent(4, 2, 2), Some((counted, 1)), Some(&spend(2, 1, 2)));
    }
}
