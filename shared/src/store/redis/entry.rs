//! What the list of a cell's calls says: one entry for each write, in bytes.
//!
//! A list that is only appended to takes one short command for each write, adds up by itself when two workers write, and
//! needs no reading before a write. Whoever takes the cell over reads it once and counts.

use std::collections::HashSet;

use super::pack::{Packed, put_key, put_number, put_spend, put_text, put_unsure};
use crate::outcome::Unsure;
use crate::store::{CallKey, CellRecord, RecordedReply, ReplyText};

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
    put_unsure(&mut entry, each);
    entry
}

pub(super) fn failed(mark: Mark, key: CallKey, perhaps_billed: bool) -> Vec<u8> {
    note(if perhaps_billed { FAILED_PERHAPS_BILLED } else { FAILED }, mark, key)
}

fn note(kind: u8, mark: Mark, key: CallKey) -> Vec<u8> {
    let mut entry = Vec::with_capacity(48);
    entry.push(kind);
    entry.extend_from_slice(&mark.writer.to_le_bytes());
    put_number(&mut entry, mark.number);
    put_key(&mut entry, key);
    entry
}

pub(super) fn reply(key: CallKey, recorded: &RecordedReply) -> Vec<u8> {
    let RecordedReply { reply, spend, perhaps_billed, reported_model } = recorded;
    let (kind, content) = match reply {
        ReplyText::Text { content, cut_off: false } => (0, content.as_str()),
        ReplyText::Text { content, cut_off: true } => (1, content.as_str()),
        ReplyText::Refused => (2, ""),
        ReplyText::TooLong => (3, ""),
    };
    let mut entry = Vec::with_capacity(content.len() + reported_model.len() + 64);
    entry.push(REPLY);
    put_key(&mut entry, key);
    entry.push(kind);
    put_spend(&mut entry, spend);
    put_number(&mut entry, *perhaps_billed);
    put_text(&mut entry, reported_model);
    entry.extend_from_slice(content.as_bytes());
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
        if self.read(Packed(entry)).is_none() {
            self.unreadable += 1;
        }
    }

    fn read(&mut self, mut packed: Packed<'_>) -> Option<()> {
        let kind = packed.byte()?;
        if kind == REPLY {
            let key = packed.key()?;
            let reply = read_reply(packed)?;
            // The first stands: where two workers asked, both go on with what the other will find here.
            self.record.replies.entry(key).or_insert(reply);
            return Some(());
        }
        let mark = read_mark(&mut packed)?;
        let key = packed.key()?;
        let each = if kind == SENT { Some(packed.unsure()?) } else { None };
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

fn read_mark(packed: &mut Packed<'_>) -> Option<Mark> {
    let (writer, rest) = packed.0.split_first_chunk()?;
    packed.0 = rest;
    Some(Mark { writer: u32::from_le_bytes(*writer), number: packed.number()? })
}

fn read_reply(mut packed: Packed<'_>) -> Option<RecordedReply> {
    let kind = packed.byte()?;
    let (spend, perhaps_billed) = (packed.spend()?, packed.number()?);
    let reported_model = packed.text()?.to_owned();
    let content = packed.rest()?.to_owned();
    let reply = match kind {
        0 | 1 => ReplyText::Text { content, cut_off: kind == 1 },
        2 => ReplyText::Refused,
        3 => ReplyText::TooLong,
        _ => return None,
    };
    Some(RecordedReply { reply, spend, perhaps_billed, reported_model })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::QuestionId;
    use crate::method::Stage;
    use crate::money::{NanoUsd, Tokens};
    use crate::outcome::StageSpend;
    use crate::store::SentCall;

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
