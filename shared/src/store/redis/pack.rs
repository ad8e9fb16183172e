//! Numbers and texts in few bytes: what is written twice for each call should not be JSON.

use crate::id::QuestionId;
use crate::method::Stage;
use crate::money::{NanoUsd, Tokens};
use crate::outcome::{StageSpend, Unsure};
use crate::store::CallKey;

/// Seven bits of a number in each byte, the lowest first; the eighth says that more follow.
pub(super) fn put_number(into: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        into.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    into.push((number & 0x7f) as u8);
}

pub(super) fn put_text(into: &mut Vec<u8>, text: &str) {
    put_number(into, text.len() as u64);
    into.extend_from_slice(text.as_bytes());
}

pub(super) fn put_key(into: &mut Vec<u8>, key: CallKey) {
    let stage = Stage::ALL.iter().position(|&stage| stage == key.stage).expect("all stages are listed");
    put_number(into, stage as u64);
    put_number(into, key.question.map_or(0, QuestionId::number).into());
    into.push(key.asked_before);
}

pub(super) fn put_unsure(into: &mut Vec<u8>, unsure: &Unsure) {
    let Unsure { likely, likely_cost, at_most, at_most_cost } = unsure;
    put_tokens(into, *likely, *likely_cost);
    put_tokens(into, *at_most, *at_most_cost);
}

pub(super) fn put_spend(into: &mut Vec<u8>, spend: &StageSpend) {
    let StageSpend { sent, answered, failed, abandoned, without_usage, tokens, cost, unsure } = spend;
    for &number in [sent, answered, failed, abandoned, without_usage] {
        put_number(into, number);
    }
    put_tokens(into, *tokens, *cost);
    into.push(u8::from(!unsure.is_nothing()));
    if !unsure.is_nothing() {
        put_unsure(into, unsure);
    }
}

fn put_tokens(into: &mut Vec<u8>, Tokens { input, cached, output }: Tokens, NanoUsd(cost): NanoUsd) {
    for number in [input, cached, output, cost] {
        put_number(into, number);
    }
}

/// Bytes that are still to be read. Everything is none where they end or make no sense.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packed<'a>(pub(super) &'a [u8]);

impl<'a> Packed<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        // Ten groups of seven bits hold any number; the last has room for one bit.
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    pub(super) fn rest(self) -> Option<&'a str> {
        std::str::from_utf8(self.0).ok()
    }

    pub(super) fn key(&mut self) -> Option<CallKey> {
        let stage = *Stage::ALL.get(usize::try_from(self.number()?).ok()?)?;
        let question = match u16::try_from(self.number()?).ok()? {
            0 => None,
            number => Some(QuestionId::new(number)?),
        };
        Some(CallKey { stage, question, asked_before: self.byte()? })
    }

    pub(super) fn unsure(&mut self) -> Option<Unsure> {
        let ((likely, likely_cost), (at_most, at_most_cost)) = (self.tokens()?, self.tokens()?);
        Some(Unsure { likely, likely_cost, at_most, at_most_cost })
    }

    pub(super) fn spend(&mut self) -> Option<StageSpend> {
        let (sent, answered, failed) = (self.number()?, self.number()?, self.number()?);
        let (abandoned, without_usage) = (self.number()?, self.number()?);
        let (tokens, cost) = self.tokens()?;
        let unsure = if self.byte()? == 0 { Unsure::default() } else { self.unsure()? };
        Some(StageSpend { sent, answered, failed, abandoned, without_usage, tokens, cost, unsure })
    }

    fn tokens(&mut self) -> Option<(Tokens, NanoUsd)> {
        let tokens = Tokens { input: self.number()?, cached: self.number()?, output: self.number()? };
        Some((tokens, NanoUsd(self.number()?)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed_number(number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_number(&mut bytes, number);
        bytes
    }

    #[test]
    fn small_numbers_are_short() {
        for (number, length) in [(0, 1), (127, 1), (128, 2), (16_383, 2), (16_384, 3), (u64::MAX, 10)] {
            assert_eq!(packed_number(number).len(), length, "{number}");
        }
    }

    #[test]
    fn a_number_that_is_too_large_or_ends_early_is_none() {
        for bytes in [&[0x80][..], &[0xff; 10], &[0xff; 11], &[]] {
            assert_eq!(Packed(bytes).number(), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_number_is_read_as_it_was_written(number: u64) {
            let bytes = packed_number(number);
            let mut packed = Packed(&bytes);
            prop_assert_eq!((packed.number(), packed.0), (Some(number), &[][..]));
        }
    }
}
