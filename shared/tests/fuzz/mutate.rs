//! Generates hostile inputs: damaged valid ones, which a fuzzer without a grammar would never find, and noise.

use std::ops::Range;

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// The most edits of one input.
const EDITS: usize = 6;

/// Tokens with a meaning in most formats: brackets, numbers at the limits of integers, control characters.
const WORDS: [&str; 34] = [
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    "[[",
    ",",
    ":",
    "=",
    ";",
    "\n",
    "\r",
    "\t",
    "\0",
    "\u{1b}[2J",
    "\u{feff}",
    "\u{202e}",
    "\\u0000",
    "\\ud800",
    "null",
    "true",
    "NaN",
    "-1",
    "0",
    "255",
    "256",
    "65536",
    "2147483648",
    "4294967296",
    "18446744073709551615",
    "1e999",
    "99999999999999999999",
    "\u{fffd}",
];

/// An edit that damages an input. Positions refer to the result of the edits before.
#[derive(Debug, Clone)]
enum Edit {
    Overwrite(Index, u8),
    Insert(Index, &'static str),
    Remove(Index, usize),
    Repeat(Index, usize, usize),
    CutOff(Index),
}

impl Edit {
    fn apply(&self, text: &mut Vec<u8>) {
        let from = |at: &Index| at.index(text.len() + 1);
        let until = |start: usize, length: usize| (start + length).min(text.len());
        match self {
            Self::Overwrite(at, byte) => {
                let at = from(at);
                if let Some(there) = text.get_mut(at) {
                    *there = *byte;
                }
            }
            Self::Insert(at, word) => {
                let at = from(at);
                text.splice(at..at, word.bytes());
            }
            Self::Remove(at, length) => {
                let start = from(at);
                text.drain(start..until(start, *length));
            }
            Self::Repeat(at, length, times) => {
                let start = from(at);
                let repeated = text[start..until(start, *length)].repeat(*times);
                text.splice(start..start, repeated);
            }
            Self::CutOff(at) => text.truncate(from(at)),
        }
    }
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        3 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Edit::Overwrite(at, byte)),
        4 => (any::<Index>(), select(&WORDS[..])).prop_map(|(at, word)| Edit::Insert(at, word)),
        2 => (any::<Index>(), 1..40_usize).prop_map(|(at, length)| Edit::Remove(at, length)),
        2 => (any::<Index>(), 1..40_usize, 1..40_usize).prop_map(|(at, length, times)| Edit::Repeat(at, length, times)),
        1 => any::<Index>().prop_map(Edit::CutOff),
    ]
}

/// One of `valid` with few or no edits; occasionally random bytes.
pub(crate) fn hostile(valid: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let damaged = (select(valid), prop::collection::vec(edit(), 0..EDITS)).prop_map(|(mut text, edits)| {
        for edit in edits {
            edit.apply(&mut text);
        }
        text
    });
    prop_oneof![15 => damaged, 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

/// Like [`hostile`], as text; invalid UTF-8 is replaced.
pub(crate) fn hostile_text(valid: &[&str]) -> impl Strategy<Value = String> + use<> {
    let valid: Vec<Vec<u8>> = valid.iter().map(|text| text.as_bytes().to_vec()).collect();
    hostile(valid).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// `unit` repeated up to `bytes` bytes.
pub(crate) fn endless(unit: &str, bytes: usize) -> String {
    unit.repeat(bytes / unit.len())
}

/// The concatenated items for `numbers`.
pub(crate) fn listed(numbers: Range<usize>, item: impl Fn(usize) -> String) -> String {
    numbers.map(item).collect::<Vec<_>>().concat()
}
