//! A cell's record, counted together from the entries of its journal.

use std::borrow::Cow;
use std::collections::HashSet;

use super::event::CallEvent;
use super::mark::Mark;
use crate::id::{Cell, RunId};
use crate::store::CellRecord;

/// Reads a journal, from its first entry to its last.
#[derive(Debug, Default)]
pub(in crate::store) struct RecordReader {
    record: CellRecord,
    unreadable: usize,
    seen: HashSet<Mark>,
}

impl RecordReader {
    /// Takes the next entry in.
    pub(in crate::store) fn read(&mut self, entry: &[u8]) {
        match CallEvent::read(entry) {
            Some((Some(mark), _)) if !self.seen.insert(mark) => {}
            event => self.add(event.map(|(_, event)| event)),
        }
    }

    /// Takes an event in that was read from elsewhere; `None` stands for one that could not be read.
    pub(in crate::store) fn add(&mut self, event: Option<CallEvent<'_>>) {
        match event {
            None => self.unreadable += 1,
            Some(CallEvent::Sent { key, each }) => {
                let call = self.record.sent.entry(key).or_default();
                call.times += 1;
                call.each = each;
            }
            Some(CallEvent::Failed { key, perhaps_billed }) => {
                let call = self.record.sent.entry(key).or_default();
                call.failed += 1;
                call.perhaps_billed += u64::from(perhaps_billed);
            }
            // The first reply stands: where two workers asked, both go on with what the other will find here.
            Some(CallEvent::Reply { key, reply }) => {
                self.record.replies.entry(key).or_insert_with(|| Cow::into_owned(reply));
            }
        }
    }

    /// The record of the cell whose journal this is. Warns if a newer release wrote some of the entries, or if some are
    /// damaged: what these say is not known, so the calls they tell of may be made again.
    pub(in crate::store) fn finish(self, run: &RunId, cell: Cell) -> CellRecord {
        if self.unreadable > 0 {
            let entries = self.unreadable;
            tracing::warn!(%run, %cell, entries, "skipped entries of a cell's journal that this release cannot read");
        }
        self.record
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::QuestionId;
    use crate::money::{NanoUsd, Tokens};
    use crate::outcome::{StageSpend, UncertainSpend};
    use crate::stage::Stage;
    use crate::store::{CallKey, RecordedReply, ReplyText, SentCall};

    const STORY: CallKey = CallKey { stage: Stage::STORY, question: None, asked_before: 2 };

    fn question() -> CallKey {
        CallKey { stage: Stage::FULL_INFO, question: QuestionId::new(290), asked_before: 1 }
    }

    fn each() -> UncertainSpend {
        UncertainSpend {
            likely: Tokens { input: 3_000, cached: 0, output: 200, ..Tokens::default() },
            likely_cost: NanoUsd(420_000),
            at_most: Tokens { input: 12_000, cached: 0, output: u64::MAX, ..Tokens::default() },
            at_most_cost: NanoUsd(8),
        }
    }

    fn entry(number: u64, event: &CallEvent<'_>) -> Vec<u8> {
        let mut entry = Vec::new();
        event.write(Mark { writer: 0xfeed_beef, number }, &mut entry);
        entry
    }

    fn sent(number: u64, key: CallKey) -> Vec<u8> {
        entry(number, &CallEvent::Sent { key, each: each() })
    }

    fn failed(number: u64, key: CallKey, perhaps_billed: bool) -> Vec<u8> {
        entry(number, &CallEvent::Failed { key, perhaps_billed })
    }

    fn reply(key: CallKey, recorded: &RecordedReply) -> Vec<u8> {
        entry(0, &CallEvent::Reply { key, reply: Cow::Borrowed(recorded) })
    }

    fn read(entries: &[Vec<u8>]) -> (CellRecord, usize) {
        let mut reader = RecordReader::default();
        for entry in entries {
            reader.read(entry);
        }
        (reader.record, reader.unreadable)
    }

    fn text(content: &str, unsure: UncertainSpend) -> RecordedReply {
        let spend = StageSpend {
            sent: 3,
            answered: 1,
            failed: 1,
            abandoned: 1,
            without_usage: 1,
            tokens: Tokens { input: 1, cached: 2, output: 3, ..Tokens::default() },
            cost: NanoUsd(4),
            unsure,
            ..StageSpend::default()
        };
        let reply = ReplyText::Text { content: content.to_owned(), cut_off: false };
        RecordedReply { reply, spend, perhaps_billed: 1, reported_model: "gpt (SIMULATED)".to_owned(), remark: None }
    }

    #[test]
    fn every_kind_of_reply_is_read_as_it_was_written() {
        let cut_off = ReplyText::Text { content: "Ü\u{0}".to_owned(), cut_off: true };
        let replies = [
            text("", UncertainSpend::default()),
            text("Q: 3\nA: because", each()),
            RecordedReply { reply: cut_off, ..text("", each()) },
            RecordedReply { reply: ReplyText::Refused, ..text("", each()) },
            RecordedReply { reply: ReplyText::TooLong, ..text("", UncertainSpend::default()) },
        ];
        for expected in replies {
            let (record, unreadable) = read(&[reply(question(), &expected)]);
            assert_eq!(record.replies, [(question(), expected)].into());
            assert_eq!(unreadable, 0);
        }
    }

    #[test]
    fn an_entry_that_was_appended_twice_counts_once() {
        let (first, again) = (sent(1, STORY), sent(2, STORY));
        let broken = failed(3, STORY, true);
        let refused = failed(4, STORY, false);
        let (record, unreadable) = read(&[first.clone(), first, again, broken.clone(), refused, broken]);
        let expected = SentCall { times: 2, each: each(), failed: 2, perhaps_billed: 1 };
        assert_eq!(record.sent, [(STORY, expected)].into());
        assert_eq!(unreadable, 0);
    }

    #[test]
    fn of_two_replies_to_one_call_the_first_stands() {
        let (one, other) = (text("one", each()), text("other", each()));
        let (record, _) = read(&[reply(STORY, &one), reply(STORY, &other)]);
        assert_eq!(record.replies, [(STORY, one)].into());
    }

    #[test]
    fn what_a_newer_release_wrote_is_left_out_and_counted() {
        let mut newer = sent(1, STORY);
        newer[0] = 77;
        let (record, unreadable) = read(&[newer, Vec::new(), sent(1, question())]);
        assert_eq!((unreadable, record.sent.len()), (2, 1));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_counted(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let (record, unreadable) = read(&[bytes]);
            prop_assert_eq!(record.replies.len() + record.sent.len() + unreadable, 1);
        }
    }
}
