//! What the list of a cell's calls says: one entry for each write, in bytes.
//!
//! A list that is only appended to takes one short command for each write, adds up by itself when two workers write, and
//! needs no reading before a write. Whoever takes the cell over reads it once and counts.

use std::collections::HashSet;

use crate::id::QuestionId;
use crate::method::Stage;
use crate::money::{NanoUsd, Tokens};
use crate::outcome::Unsure;
use crate::store::compact::{read_number, read_reply, write_number, write_reply};
use crate::store::{CallKey, CellRecord, RecordedReply};

const SENT: u8 = 1;
const FAILED: u8 = 2;
const FAILED_PERHAPS_BILLED: u8 = 3;
const REPLY: u8 = 4;

/// Tells one write from another, so that one which was sent twice counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Mark {
    /// Which process wrote.
    pub(super) writer: u32,
    /// Its how manieth write it was.
    pub(super) number: u64,
}

pub(super) fn sent(mark: Mark, key: CallKey, each: &Unsure) -> Vec<u8> {
    let mut entry = note(SENT, mark, key);
    write_unsure(&mut entry, each);
    entry
}

pub(super) fn failed(mark: Mark, key: CallKey, perhaps_billed: bool) -> Vec<u8> {
    note(if perhaps_billed { FAILED_PERHAPS_BILLED } else { FAILED }, mark, key)
}

fn note(kind: u8, mark: Mark, key: CallKey) -> Vec<u8> {
    let mut entry = Vec::with_capacity(48);
    entry.push(kind);
    entry.extend_from_slice(&mark.writer.to_le_bytes());
    write_number(&mut entry, mark.number);
    write_key(&mut entry, key);
    entry
}

pub(super) fn reply(key: CallKey, recorded: &RecordedReply) -> Vec<u8> {
    let mut entry = Vec::with_capacity(1024);
    entry.push(REPLY);
    write_key(&mut entry, key);
    write_reply(&mut entry, recorded);
    entry
}

/// A cell's record, as far as its entries have been read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) record: CellRecord,
    /// Entries that a newer release wrote, or that are damaged. What they say is not known: it may be asked for again.
    pub(super) unreadable: usize,
    seen: HashSet<Mark>,
}

impl Reading {
    /// Takes the next entry in.
    pub(super) fn add(&mut self, entry: &[u8]) {
        if self.read(entry).is_none() {
            self.unreadable += 1;
        }
    }

    fn read(&mut self, entry: &[u8]) -> Option<()> {
        let (&kind, mut rest) = entry.split_first()?;
        if kind == REPLY {
            let key = read_key(&mut rest)?;
            let reply = read_reply(rest)?;
            // The first stands: where two workers asked, both go on with what the other will find here.
            self.record.replies.entry(key).or_insert(reply);
            return Some(());
        }
        let mark = read_mark(&mut rest)?;
        let key = read_key(&mut rest)?;
        let each = if kind == SENT { Some(read_unsure(&mut rest)?) } else { None };
        if !matches!(kind, SENT | FAILED | FAILED_PERHAPS_BILLED) {
            return None;
        }
        if self.seen.insert(mark) {
            self.count(kind, key, each);
        }
        Some(())
    }

    fn count(&mut self, kind: u8, key: CallKey, each: Option<Unsure>) {
        let call = self.record.sent.entry(key).or_default();
        if let Some(each) = each {
            call.times += 1;
            call.each = each;
        } else {
            call.failed += 1;
            call.perhaps_billed += u64::from(kind == FAILED_PERHAPS_BILLED);
        }
    }
}

fn read_mark(rest: &mut &[u8]) -> Option<Mark> {
    let (writer, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(Mark { writer: u32::from_le_bytes(*writer), number: read_number(rest)? })
}

fn write_key(into: &mut Vec<u8>, key: CallKey) {
    let stage = Stage::ALL.iter().position(|&stage| stage == key.stage).expect("all stages are listed");
    let question = key.question.map_or(0, QuestionId::number);
    for number in [stage as u64, question.into(), key.asked_before.into()] {
        write_number(into, number);
    }
}

fn read_key(rest: &mut &[u8]) -> Option<CallKey> {
    let stage = *Stage::ALL.get(usize::try_from(read_number(rest)?).ok()?)?;
    let question = match u16::try_from(read_number(rest)?).ok()? {
        0 => None,
        number => Some(QuestionId::new(number)?),
    };
    Some(CallKey { stage, question, asked_before: u8::try_from(read_number(rest)?).ok()? })
}

fn write_unsure(into: &mut Vec<u8>, unsure: &Unsure) {
    let Unsure { likely, likely_cost, at_most, at_most_cost } = unsure;
    for (tokens, cost) in [(likely, likely_cost), (at_most, at_most_cost)] {
        for number in [tokens.input, tokens.cached, tokens.output, cost.0] {
            write_number(into, number);
        }
    }
}

fn read_unsure(rest: &mut &[u8]) -> Option<Unsure> {
    let mut number = || read_number(rest);
    let mut tokens = || Some((Tokens { input: number()?, cached: number()?, output: number()? }, NanoUsd(number()?)));
    let ((likely, likely_cost), (at_most, at_most_cost)) = (tokens()?, tokens()?);
    Some(Unsure { likely, likely_cost, at_most, at_most_cost })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::outcome::StageSpend;
    use crate::store::{ReplyText, SentCall};

    const STORY: CallKey = CallKey { stage: Stage::Story, question: None, asked_before: 2 };

    fn question() -> CallKey {
        CallKey { stage: Stage::FullInfo, question: QuestionId::new(290), asked_before: 1 }
    }

    fn each() -> Unsure {
        Unsure {
            likely: Tokens { input: 3_000, cached: 0, output: 200 },
            likely_cost: NanoUsd(420_000),
            at_most: Tokens { input: 12_000, cached: 0, output: u64::MAX },
            at_most_cost: NanoUsd(8),
        }
    }

    fn mark(number: u64) -> Mark {
        Mark { writer: 0xfeed_beef, number }
    }

    fn read(entries: &[Vec<u8>]) -> Reading {
        let mut reading = Reading::default();
        for entry in entries {
            reading.add(entry);
        }
        reading
    }

    fn text(content: &str, unsure: Unsure) -> RecordedReply {
        let spend = StageSpend {
            sent: 3,
            answered: 1,
            failed: 1,
            abandoned: 1,
            without_usage: 1,
            tokens: Tokens { input: 1, cached: 2, output: 3 },
            cost: NanoUsd(4),
            unsure,
        };
        let reply = ReplyText::Text { content: content.to_owned(), cut_off: false };
        RecordedReply { reply, spend, perhaps_billed: 1, reported_model: "gpt (SIMULATED)".to_owned() }
    }

    #[test]
    fn every_kind_of_reply_is_read_as_it_was_written() {
        let cut_off = ReplyText::Text { content: "Ü\u{0}".to_owned(), cut_off: true };
        let replies = [
            text("", Unsure::default()),
            text("Q: 3\nA: because", each()),
            RecordedReply { reply: cut_off, ..text("", each()) },
            RecordedReply { reply: ReplyText::Refused, ..text("", each()) },
            RecordedReply { reply: ReplyText::TooLong, ..text("", Unsure::default()) },
        ];
        for expected in replies {
            let reading = read(&[reply(question(), &expected)]);
            assert_eq!(reading.record.replies, [(question(), expected)].into());
        }
    }

    #[test]
    fn a_write_that_was_sent_twice_counts_once() {
        let (first, again) = (sent(mark(1), STORY, &each()), sent(mark(2), STORY, &each()));
        let broken = failed(mark(3), STORY, true);
        let refused = failed(mark(4), STORY, false);
        let reading = read(&[first.clone(), first, again, broken.clone(), refused, broken]);
        let expected = SentCall { times: 2, each: each(), failed: 2, perhaps_billed: 1 };
        assert_eq!(reading.record.sent, [(STORY, expected)].into());
        assert_eq!(reading.unreadable, 0);
    }

    #[test]
    fn of_two_replies_to_one_call_the_first_stands() {
        let (one, other) = (text("one", each()), text("other", each()));
        let reading = read(&[reply(STORY, &one), reply(STORY, &other)]);
        assert_eq!(reading.record.replies, [(STORY, one)].into());
    }

    #[test]
    fn what_a_newer_release_wrote_is_left_out_and_counted() {
        let mut longer = sent(mark(1), STORY, &each());
        longer[0] = 77;
        let reading = read(&[longer, Vec::new(), sent(mark(1), question(), &each())]);
        assert_eq!((reading.unreadable, reading.record.sent.len()), (2, 1));
    }

    #[test]
    fn a_note_is_a_few_dozen_bytes() {
        let length = sent(mark(1_000_000), question(), &Unsure { at_most: Tokens::default(), ..each() }).len();
        assert!(length <= 32, "{length} bytes");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_counted(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let reading = read(&[bytes]);
            let read = reading.record.replies.len() + reading.record.sent.len();
            prop_assert_eq!(read + reading.unreadable, 1);
        }
    }
}
