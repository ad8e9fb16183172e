//! One entry of the journal, in bytes.
//!
//! ```text
//! 1 | mark | key | likely tokens and cost | highest tokens and cost    sent
//! 2 | mark | key                                                       failed, not billed
//! 3 | mark | key                                                       failed, perhaps billed
//! 4 | key | reply                                                      answered
//!
//! mark: writer in 4 bytes, little end first | number
//! key: number of the stage | number of the question, 0 for none | how often the model was asked before
//! ```
//!
//! All numbers are written by `number.rs`.

use std::borrow::Cow;

use super::mark::Mark;
use super::number::{read_number, write_number};
use super::reply::{read_reply, write_reply};
use crate::id::QuestionId;
use crate::money::{NanoUsd, Tokens};
use crate::outcome::UncertainSpend;
use crate::stage::Stage;
use crate::store::{CallKey, RecordedReply};

const SENT: u8 = 1;
const FAILED: u8 = 2;
const FAILED_PERHAPS_BILLED: u8 = 3;
const REPLY: u8 = 4;

/// What happened to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "an event is written or taken apart at once, and none is kept")]
pub(in crate::store) enum CallEvent<'a> {
    /// It is about to be sent.
    Sent {
        /// Which call.
        key: CallKey,
        /// What one request may use.
        each: UncertainSpend,
    },
    /// A request that was sent has failed.
    Failed {
        /// Which call.
        key: CallKey,
        /// Whether the provider may have billed it all the same.
        perhaps_billed: bool,
    },
    /// Its reply arrived.
    Reply {
        /// Which call.
        key: CallKey,
        /// What came back.
        reply: Cow<'a, RecordedReply>,
    },
}

impl CallEvent<'_> {
    /// Appends an entry. A reply is written without its mark: the first reply of a call stands, however many follow.
    pub(in crate::store) fn write(&self, mark: Mark, into: &mut Vec<u8>) {
        match self {
            Self::Sent { key, each } => {
                write_marked(into, SENT, mark, *key);
                write_unsure(into, each);
            }
            Self::Failed { key, perhaps_billed: false } => write_marked(into, FAILED, mark, *key),
            Self::Failed { key, perhaps_billed: true } => write_marked(into, FAILED_PERHAPS_BILLED, mark, *key),
            Self::Reply { key, reply } => {
                into.push(REPLY);
                write_key(into, *key);
                write_reply(into, reply);
            }
        }
    }
}

impl CallEvent<'static> {
    /// Reads an entry, and its mark if it has one; `None` if a newer release wrote it or it is damaged.
    pub(in crate::store) fn read(entry: &[u8]) -> Option<(Option<Mark>, Self)> {
        let (&kind, mut rest) = entry.split_first()?;
        if kind == REPLY {
            let key = read_key(&mut rest)?;
            return Some((None, Self::Reply { key, reply: Cow::Owned(read_reply(rest)?) }));
        }
        let mark = Mark::read(&mut rest)?;
        let key = read_key(&mut rest)?;
        let event = match kind {
            SENT => Self::Sent { key, each: read_unsure(&mut rest)? },
            FAILED => Self::Failed { key, perhaps_billed: false },
            FAILED_PERHAPS_BILLED => Self::Failed { key, perhaps_billed: true },
            _ => return None,
        };
        Some((Some(mark), event))
    }
}

fn write_marked(into: &mut Vec<u8>, kind: u8, mark: Mark, key: CallKey) {
    into.push(kind);
    mark.write(into);
    write_key(into, key);
}

fn write_key(into: &mut Vec<u8>, key: CallKey) {
    let question = key.question.map_or(0, QuestionId::number);
    for number in [key.stage.code().into(), question.into(), key.asked_before.into()] {
        write_number(into, number);
    }
}

fn read_key(rest: &mut &[u8]) -> Option<CallKey> {
    let stage = Stage::from_code(u32::try_from(read_number(rest)?).ok()?)?;
    let question = match u16::try_from(read_number(rest)?).ok()? {
        0 => None,
        number => Some(QuestionId::new(number)?),
    };
    Some(CallKey { stage, question, asked_before: u8::try_from(read_number(rest)?).ok()? })
}

fn write_unsure(into: &mut Vec<u8>, unsure: &UncertainSpend) {
    let UncertainSpend { likely, likely_cost, at_most, at_most_cost } = unsure;
    for (tokens, cost) in [(likely, likely_cost), (at_most, at_most_cost)] {
        for number in [tokens.input, tokens.cached, tokens.output, cost.0] {
            write_number(into, number);
        }
    }
}

fn read_unsure(rest: &mut &[u8]) -> Option<UncertainSpend> {
    let mut number = || read_number(rest);
    let mut tokens = || {
        Some((
            Tokens { input: number()?, cached: number()?, output: number()?, ..Tokens::default() },
            NanoUsd(number()?),
        ))
    };
    let ((likely, likely_cost), (at_most, at_most_cost)) = (tokens()?, tokens()?);
    Some(UncertainSpend { likely, likely_cost, at_most, at_most_cost })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::outcome::StageSpend;
    use crate::stage::StageKind;
    use crate::store::ReplyText;

    const STORY: CallKey = CallKey { stage: Stage::STORY, question: None, asked_before: 2 };
    const MARK: Mark = Mark { writer: 0xfeed_beef, number: 300 };

    fn question() -> CallKey {
        CallKey { stage: Stage::FULL_INFO, question: QuestionId::new(290), asked_before: 1 }
    }

    fn each() -> UncertainSpend {
        UncertainSpend {
            likely: Tokens { input: 3_000, cached: 0, output: 200, ..Tokens::default() },
            likely_cost: NanoUsd(420_000),
            at_most: Tokens { input: 12_000, cached: 0, output: 1_000, ..Tokens::default() },
            at_most_cost: NanoUsd(8),
        }
    }

    fn answered(key: CallKey, content: &str) -> CallEvent<'static> {
        let spend = StageSpend { sent: 3, answered: 1, failed: 1, abandoned: 1, ..StageSpend::default() };
        let reply = ReplyText::Text { content: content.to_owned(), cut_off: false };
        let recorded =
            RecordedReply { reply, spend, perhaps_billed: 1, reported_model: "gpt".to_owned(), remark: None };
        CallEvent::Reply { key, reply: Cow::Owned(recorded) }
    }

    fn written(event: &CallEvent<'_>) -> Vec<u8> {
        let mut entry = Vec::new();
        event.write(MARK, &mut entry);
        entry
    }

    /// The bytes of an entry are those that other releases read and write.
    fn check(event: &CallEvent<'static>, expected: &str) {
        let entry = written(event);
        let hex = entry.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        assert_eq!(hex, expected, "{event:?}");
        let mark = (!matches!(event, CallEvent::Reply { .. })).then_some(MARK);
        assert_eq!(CallEvent::read(&entry), Some((mark, event.clone())));
    }

    #[test]
    fn the_bytes_of_entries_never_change() {
        check(&CallEvent::Sent { key: question(), each: each() }, "01efbeedfeac0205a20201b81700c801a0d119e05d00e80708");
        check(&CallEvent::Failed { key: STORY, perhaps_billed: false }, "02efbeedfeac02000002");
        check(&CallEvent::Failed { key: question(), perhaps_billed: true }, "03efbeedfeac0205a20201");
        check(&answered(question(), "A: 3"), "0405a202010003010101000000000000000000000000000103677074413a2033");
        let stages =
            StageKind::ALL.map(Stage::plain).map(|stage| written(&answered(CallKey { stage, ..STORY }, ""))[1]);
        assert_eq!(stages, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn a_note_is_a_few_dozen_bytes() {
        let length = written(&CallEvent::Sent { key: question(), each: each() }).len();
        assert!(length <= 32, "{length} bytes");
    }

    #[test]
    fn an_entry_of_a_newer_release_is_not_read() {
        let mut newer = written(&CallEvent::Sent { key: STORY, each: each() });
        newer[0] = 77;
        assert_eq!(CallEvent::read(&newer), None);
        assert_eq!(CallEvent::read(&[]), None);
        let mut unknown_stage = written(&answered(STORY, ""));
        unknown_stage[1] = 100;
        assert_eq!(CallEvent::read(&unknown_stage), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some((mark, event)) = CallEvent::read(&bytes) {
                let mut again = Vec::new();
                event.write(mark.unwrap_or(MARK), &mut again);
                prop_assert_eq!(CallEvent::read(&again), Some((mark, event)));
            }
        }
    }
}
