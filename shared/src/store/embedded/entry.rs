//! An entry of the log: one write, in bytes.
//!
//! ```text
//! kind | length of the run's id | run's id | model, 2 bytes | respondent, 4 bytes | fold | body
//!
//! 1 | backstory, JSON
//! 2, 3, 4 | what earlier releases wrote of calls: see `former_call.rs`
//! 5 | nothing: the cell is finished
//! 6 | frames of entries: all that is still needed of the cell
//! 7 | entry of the cell's journal: see `journal.rs`
//! ```
//!
//! Numbers have their low byte first.

use super::former_call;
use crate::id::{Cell, Fold, ModelId, Respondent};
use crate::store::journal::{CallEvent, Mark};

/// One write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) run: &'a str,
    pub(super) cell: Cell,
    pub(super) body: Body<'a>,
}

/// What is written of the cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body<'a> {
    /// Its backstory, as JSON.
    Backstory(&'a [u8]),
    /// What happened to one of its calls.
    Call(Call<'a>),
    /// The cell is finished: nothing of it is needed any more.
    Forgotten,
    /// All that is needed of the cell, as frames of entries. It replaces everything that was written of the cell before.
    Rewritten(&'a [u8]),
}

/// What happened to a call, before and after it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call<'a> {
    /// Yet to be written.
    Event(Mark, &'a CallEvent<'a>),
    /// An entry of the cell's journal.
    Entry(&'a [u8]),
    /// What an earlier release wrote in place of such an entry: its kind and its body.
    Former(u8, &'a [u8]),
}

impl<'a> Entry<'a> {
    /// Appends the entry.
    pub(super) fn write(&self, into: &mut Vec<u8>) {
        let Cell { model, respondent, fold } = self.cell;
        into.push(self.body.kind());
        into.push(u8::try_from(self.run.len()).expect("run ids are short"));
        into.extend_from_slice(self.run.as_bytes());
        into.extend_from_slice(&model.0.to_le_bytes());
        into.extend_from_slice(&respondent.row().to_le_bytes());
        into.push(fold.number());
        match self.body {
            Body::Call(Call::Event(mark, event)) => event.write(mark, into),
            Body::Backstory(bytes)
            | Body::Rewritten(bytes)
            | Body::Call(Call::Entry(bytes) | Call::Former(_, bytes)) => {
                into.extend_from_slice(bytes);
            }
            Body::Forgotten => {}
        }
    }

    /// Reads an entry; `None` if it is not of this format.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = Rest(bytes);
        let [kind, length] = rest.take()?;
        let run = std::str::from_utf8(rest.take_slice(length.into())?).ok()?;
        let model = ModelId(u16::from_le_bytes(rest.take()?));
        let respondent = Respondent::new(u32::from_le_bytes(rest.take()?))?;
        let [fold] = rest.take()?;
        let cell = Cell { model, respondent, fold: Fold::new(fold)? };
        Some(Self { run, cell, body: Body::read(kind, rest.0)? })
    }
}

impl<'a> Body<'a> {
    const fn kind(&self) -> u8 {
        match self {
            Self::Backstory(_) => 1,
            Self::Call(Call::Former(kind, _)) => *kind,
            Self::Forgotten => 5,
            Self::Rewritten(_) => 6,
            Self::Call(Call::Event(..) | Call::Entry(_)) => 7,
        }
    }

    const fn read(kind: u8, bytes: &'a [u8]) -> Option<Self> {
        match kind {
            1 => Some(Self::Backstory(bytes)),
            former_call::SENT | former_call::FAILED | former_call::REPLY => Some(Self::Call(Call::Former(kind, bytes))),
            5 => Some(Self::Forgotten),
            6 => Some(Self::Rewritten(bytes)),
            7 => Some(Self::Call(Call::Entry(bytes))),
            _ => None,
        }
    }
}

/// Bytes that are still to be read.
#[derive(Clone, Copy)]
pub(super) struct Rest<'a>(pub(super) &'a [u8]);

impl<'a> Rest<'a> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn take_slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(body: Body<'_>) -> Entry<'_> {
        let cell = Cell {
            model: ModelId(3),
            respondent: Respondent::new(97_220).expect("not 0"),
            fold: Fold::new(5).expect("not 0"),
        };
        Entry { run: "a-run", cell, body }
    }

    /// The bytes of an entry are those that other releases read and write.
    fn check(body: Body<'_>, expected: &[u8]) {
        let mut bytes = Vec::new();
        entry(body).write(&mut bytes);
        let (kind, rest) = expected.split_first().expect("has a kind");
        let head = [&[*kind, 5], &b"a-run"[..], &[3, 0, 0xc4, 0x7b, 1, 0, 5]].concat();
        assert_eq!(bytes, [&head, rest].concat());
        assert_eq!(Entry::read(&bytes), Some(entry(body)));
    }

    #[test]
    fn entries_are_read_as_they_were_written() {
        check(Body::Backstory(b"{}"), b"\x01{}");
        check(Body::Call(Call::Former(2, b"sent")), b"\x02sent");
        check(Body::Call(Call::Former(3, b"failed")), b"\x03failed");
        check(Body::Call(Call::Former(4, b"reply")), b"\x04reply");
        check(Body::Forgotten, b"\x05");
        check(Body::Rewritten(b"frames"), b"\x06frames");
        check(Body::Call(Call::Entry(b"any bytes")), b"\x07any bytes");
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
