//! The calls that write a backstory.

use crate::call::{CallKey, ReplyText};
use crate::method::Behaviour;
use crate::outcome::Ended;
use crate::reply::{StoryReading, read_story};
use crate::stage::Stage;

use super::reask::Reask;
use super::{Follows, NextCall, Prompt, Rules};

/// The calls that write one backstory, as far as they are known.
#[derive(Debug)]
pub struct StoryCalls<'a> {
    rules: &'a Rules,
    stage: Stage,
    /// What the first reply came to, where it was followed by a second call.
    first: Option<WrittenStory>,
}

/// A backstory as it came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenStory {
    /// The narrative; empty where the model gave none.
    pub text: String,
    /// How asking for it ended.
    pub ended: Ended,
    /// How often the model was asked.
    pub asked: u8,
}

/// What follows on a reply.
#[derive(Debug)]
pub enum StoryStep {
    /// One more call.
    Call(NextCall),
    /// The backstory.
    Done(WrittenStory),
}

impl<'a> StoryCalls<'a> {
    /// The calls of a stage that writes a backstory.
    pub fn new(rules: &'a Rules, stage: Stage) -> Self {
        Self { rules, stage, first: None }
    }

    /// The first call.
    pub fn first(&self) -> NextCall {
        NextCall { key: CallKey::first(self.stage, None), prompt: Prompt::OfStage, follows: Follows::Nothing }
    }

    /// What follows on a reply.
    pub fn reply(&mut self, reply: ReplyText) -> StoryStep {
        let story = judge(self.rules.behaviour, reply);
        if let Some(first) = self.first.take() {
            // A backstory that was cut off is better than none.
            let best = if story.text.is_empty() { first } else { story };
            return StoryStep::Done(WrittenStory { asked: 2, ..best });
        }
        let Some(how @ Reask::MoreRoom(most)) = self.rules.reask(story.ended) else { return StoryStep::Done(story) };
        self.first = Some(story);
        let key = CallKey { stage: self.stage, question: None, asked_before: how.asked_before() };
        StoryStep::Call(NextCall { key, prompt: Prompt::OfStage, follows: Follows::MoreRoom(most) })
    }
}

/// The narrative, and how asking for it ended.
fn judge(behaviour: Behaviour, reply: ReplyText) -> WrittenStory {
    let (text, ended) = match reply {
        ReplyText::Text { content, cut_off } => match read_story(behaviour, content) {
            StoryReading::Refused => (String::new(), Ended::Refused),
            StoryReading::Story(text) if cut_off => (text, Ended::CutOff),
            StoryReading::Story(text) if text.trim().is_empty() => (String::new(), Ended::Invalid),
            StoryReading::Story(text) => (text, Ended::Answered),
        },
        ReplyText::Refused => (String::new(), Ended::Refused),
        ReplyText::TooLong => (String::new(), Ended::TooLong),
        ReplyText::Rejected => (String::new(), Ended::Rejected),
    };
    WrittenStory { text, ended, asked: 1 }
}
