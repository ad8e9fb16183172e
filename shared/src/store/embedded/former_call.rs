//! What earlier releases wrote of calls, in place of entries of the journal. It is read, so that their runs go on, and
//! never written.
//!
//! ```text
//! 2 | key | likely tokens and cost | highest tokens and cost    sent
//! 3 | key | 1 if the provider may have billed it, else 0        failed
//! 4 | key | reply, as in the journal                            answered
//!
//! key: number of the stage | number of the question in 2 bytes, 0 for none | how often the model was asked before
//! ```
//!
//! Tokens and costs have 8 bytes each; all numbers have their low byte first.

use std::borrow::Cow;

use super::entry::Rest;
use crate::id::QuestionId;
use crate::money::{NanoUsd, Tokens};
use crate::outcome::UncertainSpend;
use crate::stage::Stage;
use crate::store::CallKey;
use crate::store::journal::{CallEvent, read_reply};

pub(super) const SENT: u8 = 2;
pub(super) const FAILED: u8 = 3;
pub(super) const REPLY: u8 = 4;

/// Reads an entry's body; `None` if it is damaged.
pub(super) fn read(kind: u8, body: &[u8]) -> Option<CallEvent<'static>> {
    let mut rest = Rest(body);
    let key = read_key(&mut rest)?;
    match kind {
        SENT => Some(CallEvent::Sent { key, each: read_unsure(&mut rest)? }),
        FAILED => Some(CallEvent::Failed { key, perhaps_billed: rest.take()? == [1] }),
        REPLY => Some(CallEvent::Reply { key, reply: Cow::Owned(read_reply(rest.0)?) }),
        _ => None,
    }
}

fn read_key(rest: &mut Rest<'_>) -> Option<CallKey> {
    let [stage] = rest.take()?;
    let question = QuestionId::new(u16::from_le_bytes(rest.take()?));
    let [asked_before] = rest.take()?;
    Some(CallKey { stage: Stage::from_code(stage.into())?, question, asked_before })
}

fn read_unsure(rest: &mut Rest<'_>) -> Option<UncertainSpend> {
    let mut number = || Some(u64::from_le_bytes(rest.take()?));
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
    use super::*;
    use crate::outcome::StageSpend;
    use crate::store::{RecordedReply, ReplyText};

    const KEY: [u8; 4] = [5, 0x22, 1, 1];

    fn key() -> CallKey {
        CallKey { stage: Stage::FULL_INFO, question: QuestionId::new(290), asked_before: 1 }
    }

    fn check(kind: u8, body: &[u8], expected: CallEvent<'static>) {
        assert_eq!(read(kind, &[&KEY, body].concat()), Some(expected));
    }

    #[test]
    fn what_earlier_releases_wrote_is_read() {
        let tokens = |first: u64| Tokens { input: first, cached: first + 1, output: first + 2, ..Tokens::default() };
        let each =
            UncertainSpend { likely: tokens(1), likely_cost: NanoUsd(4), at_most: tokens(5), at_most_cost: NanoUsd(8) };
        let numbers: Vec<u8> = (1..=8).flat_map(u64::to_le_bytes).collect();
        check(2, &numbers, CallEvent::Sent { key: key(), each });
        check(3, &[0], CallEvent::Failed { key: key(), perhaps_billed: false });
        check(3, &[1], CallEvent::Failed { key: key(), perhaps_billed: true });
        let reply = ReplyText::Text { content: "A: 3".to_owned(), cut_off: false };
        let spend = StageSpend { sent: 2, answered: 1, failed: 1, ..StageSpend::default() };
        let reply = RecordedReply { reply, spend, perhaps_billed: 1, reported_model: "m".to_owned(), remark: None };
        let reply = CallEvent::Reply { key: key(), reply: Cow::Owned(reply) };
        let bytes = [&[0, 2, 1, 1][..], &[0; 14], &[1, 1], b"mA: 3"].concat();
        check(4, &bytes, reply);
    }

    #[test]
    fn a_story_has_no_question() {
        let story = CallKey { stage: Stage::STORY, question: None, asked_before: 2 };
        assert_eq!(read(3, &[0, 0, 0, 2, 0]), Some(CallEvent::Failed { key: story, perhaps_billed: false }));
    }

    #[test]
    fn damaged_bodies_are_not_read() {
        assert_eq!(read(2, &KEY), None);
        assert_eq!(read(3, &KEY), None);
        assert_eq!(read(4, &KEY), None);
        assert_eq!(read(3, &[100, 0, 0, 2, 0]), None, "a stage that is not known");
    }
}
