//! What the log says: one entry for each write, in bytes.

use crate::id::{Cell, Fold, ModelId, QuestionId, Respondent};
use crate::method::Stage;
use crate::money::{NanoUsd, Tokens};
use crate::outcome::Unsure;
use crate::store::compact::write_reply;
use crate::store::{CallKey, RecordedReply};

/// One write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) run: &'a str,
    pub(super) cell: Cell,
    pub(super) said: Said<'a>,
}

/// What is said of the cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// Its backstory, as JSON.
    Backstory(&'a [u8]),
    /// A call was sent, and what the request may use.
    Sent(CallKey, Unsure),
    /// A request that was sent has failed.
    Failed { key: CallKey, perhaps_billed: bool },
    /// A call's reply.
    Reply(CallKey, Words<'a>),
    /// It is finished: nothing of it is needed any more.
    Forgotten,
    /// All that is needed of it, as frames of entries; what was said before counts no more.
    Anew(&'a [u8]),
}

/// A recorded reply, before and after it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Words<'a> {
    Recorded(&'a RecordedReply),
    Written(&'a [u8]),
}

impl<'a> Entry<'a> {
    /// Appends the entry.
    pub(super) fn write(&self, into: &mut Vec<u8>) {
        let Cell { model, respondent, fold } = self.cell;
        into.push(self.said.kind());
        into.push(u8::try_from(self.run.len()).expect("run ids are short"));
        into.extend_from_slice(self.run.as_bytes());
        into.extend_from_slice(&model.0.to_le_bytes());
        into.extend_from_slice(&respondent.row().to_le_bytes());
        into.push(fold.number());
        match self.said {
            Said::Backstory(bytes) | Said::Anew(bytes) => into.extend_from_slice(bytes),
            Said::Sent(key, each) => {
                write_key(into, key);
                write_tokens(into, each.likely, each.likely_cost);
                write_tokens(into, each.at_most, each.at_most_cost);
            }
            Said::Failed { key, perhaps_billed } => {
                write_key(into, key);
                into.push(u8::from(perhaps_billed));
            }
            Said::Reply(key, Words::Recorded(reply)) => {
                write_key(into, key);
                write_reply(into, reply);
            }
            Said::Reply(key, Words::Written(bytes)) => {
                write_key(into, key);
                into.extend_from_slice(bytes);
            }
            Said::Forgotten => {}
        }
    }

    /// Reads an entry; none where it is not of this format.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = Rest(bytes);
        let [kind, length] = rest.take()?;
        let run = std::str::from_utf8(rest.take_slice(length.into())?).ok()?;
        let model = ModelId(u16::from_le_bytes(rest.take()?));
        let respondent = Respondent::new(u32::from_le_bytes(rest.take()?))?;
        let [fold] = rest.take()?;
        let cell = Cell { model, respondent, fold: Fold::new(fold)? };
        Some(Self { run, cell, said: Said::read(kind, rest)? })
    }
}

impl<'a> Said<'a> {
    const fn kind(&self) -> u8 {
        match self {
            Self::Backstory(_) => 1,
            Self::Sent(..) => 2,
            Self::Failed { .. } => 3,
            Self::Reply(..) => 4,
            Self::Forgotten => 5,
            Self::Anew(_) => 6,
        }
    }

    fn read(kind: u8, mut rest: Rest<'a>) -> Option<Self> {
        let said = match kind {
            1 => Self::Backstory(rest.0),
            2 => Self::Sent(rest.key()?, rest.unsure()?),
            3 => Self::Failed { key: rest.key()?, perhaps_billed: rest.take()? == [1] },
            4 => Self::Reply(rest.key()?, Words::Written(rest.0)),
            5 => Self::Forgotten,
            6 => Self::Anew(rest.0),
            _ => return None,
        };
        Some(said)
    }
}

fn write_key(into: &mut Vec<u8>, key: CallKey) {
    let stage = Stage::ALL.iter().position(|&stage| stage == key.stage).expect("all stages are listed");
    into.push(u8::try_from(stage).expect("there are few stages"));
    into.extend_from_slice(&key.question.map_or(0, QuestionId::number).to_le_bytes());
    into.push(key.asked_before);
}

fn write_tokens(into: &mut Vec<u8>, tokens: Tokens, cost: NanoUsd) {
    for number in [tokens.input, tokens.cached, tokens.output, cost.0] {
        into.extend_from_slice(&number.to_le_bytes());
    }
}

/// Bytes that are still to be read.
#[derive(Clone, Copy)]
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn take_slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn key(&mut self) -> Option<CallKey> {
        let [stage] = self.take()?;
        let stage = *Stage::ALL.get(usize::from(stage))?;
        let question = QuestionId::new(u16::from_le_bytes(self.take()?));
        let [asked_before] = self.take()?;
        Some(CallKey { stage, question, asked_before })
    }

    fn unsure(&mut self) -> Option<Unsure> {
        let ((likely, likely_cost), (at_most, at_most_cost)) = (self.tokens()?, self.tokens()?);
        Some(Unsure { likely, likely_cost, at_most, at_most_cost })
    }

    fn tokens(&mut self) -> Option<(Tokens, NanoUsd)> {
        let mut number = || Some(u64::from_le_bytes(self.take()?));
        let tokens = Tokens { input: number()?, cached: number()?, output: number()? };
        Some((tokens, NanoUsd(number()?)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(said: Said<'_>) {
        let cell = Cell {
            model: ModelId(3),
            respondent: Respondent::new(97_220).expect("not 0"),
            fold: Fold::new(5).expect("not 0"),
        };
        let entry = Entry { run: "a-run", cell, said };
        let mut bytes = Vec::new();
        entry.write(&mut bytes);
        assert_eq!(Entry::read(&bytes), Some(entry));
    }

    #[test]
    fn entries_are_read_as_they_were_written() {
        let story = CallKey { stage: Stage::Story, question: None, asked_before: 2 };
        let last = CallKey { stage: Stage::FullInfo, question: QuestionId::new(290), asked_before: 1 };
        let each = Unsure {
            likely: Tokens { input: 1, cached: 2, output: 3 },
            likely_cost: NanoUsd(4),
            at_most: Tokens { input: 5, cached: 6, output: u64::MAX },
            at_most_cost: NanoUsd(8),
        };
        check(Said::Backstory(b"{}"));
        check(Said::Sent(story, each));
        check(Said::Failed { key: last, perhaps_billed: true });
        check(Said::Failed { key: last, perhaps_billed: false });
        check(Said::Reply(last, Words::Written(b"any bytes")));
        check(Said::Forgotten);
        check(Said::Anew(b"frames"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(entry) = Entry::read(&bytes) {
                let mut again = Vec::new();
                entry.write(&mut again);
                prop_assert_eq!(Entry::read(&again), Some(entry));
            }
        }
    }
}
