//! Records the transcript of a cell, if the experiment asks for it, and compresses it at the end.

use std::sync::{Mutex, PoisonError};

use valuesim_shared::outcome::{Ended, StageSpend};
use valuesim_shared::prompt;
use valuesim_shared::stage::Stage;
use valuesim_shared::store::{Backstory, CallKey, RecordedReply, ReplyText};
use valuesim_shared::task::Task;
use valuesim_shared::transcript::{Call, Transcript};

use crate::provider::{Conversation, LastUnescaped, OwnedConversation};
use crate::run::Run;

/// Records the calls of a cell. Their prompts share the long texts, so a call takes little more memory than its reply.
#[derive(Debug, Default)]
pub(crate) struct TranscriptRecorder {
    calls: Mutex<Vec<(CallKey, OwnedConversation, RecordedReply)>>,
}

impl TranscriptRecorder {
    /// A recorder, if the run is to keep transcripts.
    pub(crate) fn of(run: &Run) -> Option<Self> {
        run.manifest.transcripts.then(Self::default)
    }

    pub(crate) fn add(&self, key: CallKey, conversation: &Conversation<'_>, reply: &RecordedReply) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push((key, conversation.owned(), reply.clone()));
    }

    /// The transcript of all calls in the order of their keys, after `story`. Megabytes are compressed, so that happens on
    /// a thread for blocking work.
    pub(crate) async fn transcript(&self, story: Option<Call>) -> Transcript {
        let mut calls = std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner));
        calls.sort_unstable_by_key(|(key, ..)| *key);
        let writing = tokio::task::spawn_blocking(move || {
            let mut last = LastUnescaped::default();
            let calls =
                calls.into_iter().map(|(key, conversation, reply)| call(key, conversation.messages(&mut last), reply));
            Transcript::of(story.into_iter().chain(calls))
        });
        writing.await.expect("compressing does not panic")
    }
}

fn call(key: CallKey, messages: Vec<String>, recorded: RecordedReply) -> Call {
    let RecordedReply { reply, spend, reported_model, .. } = recorded;
    Call { key, messages, reply, tokens: tokens(&spend), reported_model }
}

fn tokens(spend: &StageSpend) -> Option<valuesim_shared::money::Tokens> {
    let counted = spend.answered > 0 && spend.without_usage == 0;
    counted.then_some(spend.tokens)
}

/// The tokens of a backstory that another run had kept.
fn reused_tokens(story: &Backstory) -> Option<valuesim_shared::money::Tokens> {
    let reused = story.spend.reused;
    (reused.replies > 0).then_some(reused.tokens)
}

/// The call that wrote the backstory. A story task made it, so its prompt is rendered again from the profile.
pub(crate) fn story_call(run: &Run, task: &Task, story: &Backstory) -> Call {
    let profile = run.profile_text().natural(run.profile(task));
    let text = |cut_off| ReplyText::Text { content: story.text.clone(), cut_off };
    Call {
        key: CallKey { stage: Stage::STORY, question: None, asked_before: story.asked.saturating_sub(1) },
        messages: vec![prompt::story(&profile)],
        reply: match story.ended {
            Ended::Refused => ReplyText::Refused,
            Ended::TooLong => ReplyText::TooLong,
            Ended::Rejected => ReplyText::Rejected,
            Ended::CutOff => text(true),
            Ended::Answered | Ended::Reminded | Ended::Invalid | Ended::NoBackstory => text(false),
        },
        tokens: story.spend.stages.get(&Stage::STORY).and_then(tokens).or_else(|| reused_tokens(story)),
        reported_model: story.spend.reported_models.last().cloned().unwrap_or_default(),
    }
}
