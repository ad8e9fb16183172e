//! What a reply to a call about one question comes to, as the first reply or the second.

use crate::call::ReplyText;
use crate::codebook::Question;
use crate::id::Code;
use crate::method::Behaviour;
use crate::outcome::Ended;
use crate::reply::{Problem, Reading, read_module_reply, read_single_reply};
use crate::stage::StageKind;

use super::reask::Reask;

/// What asking about one question came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The answer, if there is a valid one.
    pub answer: Option<Code>,
    /// Why; what the reference says in its place where there is no reply.
    pub analysis: String,
    /// How asking ended.
    pub ended: Ended,
    /// How often the model was asked.
    pub times: u8,
}

/// What a reply comes to, as the first one to the question.
pub(super) fn read(behaviour: Behaviour, kind: StageKind, question: &Question, reply: &ReplyText) -> Asked {
    let (content, cut_off) = match reply {
        ReplyText::Refused => return without_reply(Ended::Refused),
        ReplyText::TooLong => return without_reply(Ended::TooLong),
        ReplyText::Rejected => return without_reply(Ended::Rejected),
        ReplyText::Text { content, cut_off } => (content, *cut_off),
    };
    let Reading { answer, analysis, problem, .. } = match kind {
        StageKind::Cognitive | StageKind::Affective | StageKind::Behavioral | StageKind::Coordinator => {
            read_module_reply(behaviour, content, question)
        }
        StageKind::Story
        | StageKind::FullInfo
        | StageKind::NoCab
        | StageKind::NoProfile
        | StageKind::Rag
        | StageKind::Embeddings => read_single_reply(behaviour, content, question),
    };
    let ended = match (answer, problem) {
        (Some(_), _) => Ended::Answered,
        (None, Some(Problem::Refused)) => Ended::Refused,
        (None, _) if cut_off => Ended::CutOff,
        (None, _) => Ended::Invalid,
    };
    Asked { answer, analysis, ended, times: 1 }
}

/// The reference puts the error in the analysis' place when a call fails, and the coordinator reads it.
fn without_reply(ended: Ended) -> Asked {
    Asked { answer: None, analysis: format!("Error: {ended}"), ended, times: 1 }
}

impl Asked {
    /// Nothing was asked, because there was nothing to ask about.
    pub(super) const fn nothing(ended: Ended) -> Self {
        Self { answer: None, analysis: String::new(), ended, times: 0 }
    }

    /// What both replies come to together.
    pub(super) fn then(self, how: Reask, second: Self) -> Self {
        match how {
            Reask::Remind => self.then_reminded(second),
            // A reply that was cut off stands where the provider has no more room to give.
            Reask::MoreRoom(_) if matches!(second.ended, Ended::TooLong | Ended::Rejected) => Self { times: 2, ..self },
            Reask::MoreRoom(_) => Self { times: 2, ..second },
        }
    }

    /// The reminder asks for the answer alone: the analysis is the first reply's where the second has none.
    fn then_reminded(self, second: Self) -> Self {
        let ended = if second.ended == Ended::Answered { Ended::Reminded } else { second.ended };
        let analysis = if second.analysis.is_empty() { self.analysis } else { second.analysis };
        Self { analysis, ended, times: 2, ..second }
    }
}
