//! A recorded reply in few bytes. A run records a hundred million of them, and JSON takes eight times as long to write.
//!
//! ```text
//! kind | numbers of the spend | perhaps billed | length of the model's name | name | words, up to the end
//!
//! kind: 0 text, 1 text that was cut off, 2 refused, 3 prompt too long; 4 more if the numbers of the spend are followed by
//! tokens written to the cache and tokens of reasoning; 8 more if a remark with its length comes before the words; 16 more for a
//! prompt that was rejected, which is 2 otherwise
//! ```

use super::number::{read_number, write_number};
use crate::money::{NanoUsd, Tokens};
use crate::outcome::{StageSpend, UncertainSpend};
use crate::store::{RecordedReply, Remark, ReplyText};

/// Added to the kind of a reply whose tokens have parts with prices of their own.
const WITH_PARTS: u8 = 4;

/// Added to the kind of a reply with a remark.
const WITH_REMARK: u8 = 8;

/// Added to the kind of a prompt that was rejected: earlier builds knew four kinds.
const REJECTED: u8 = 16;

/// Appends a recorded reply.
pub(super) fn write_reply(into: &mut Vec<u8>, recorded: &RecordedReply) {
    let RecordedReply { reply, spend, perhaps_billed, reported_model, remark } = recorded;
    let (kind, words) = match reply {
        ReplyText::Text { content, cut_off: false } => (0, content.as_str()),
        ReplyText::Text { content, cut_off: true } => (1, content.as_str()),
        ReplyText::Refused => (2, ""),
        ReplyText::TooLong => (3, ""),
        ReplyText::Rejected => (2 + REJECTED, ""),
    };
    let parts = [spend.tokens.cache_write, spend.tokens.reasoning];
    let has_parts = parts != [0; 2];
    let flags = if has_parts { WITH_PARTS } else { 0 } + if remark.is_some() { WITH_REMARK } else { 0 };
    into.push(kind + flags);
    let parts = parts.into_iter().filter(|_| has_parts);
    for number in numbers(spend).into_iter().chain(parts).chain([*perhaps_billed, reported_model.len() as u64]) {
        write_number(into, number);
    }
    into.extend_from_slice(reported_model.as_bytes());
    if let Some(remark) = remark {
        let remark = serde_json::to_vec(remark).expect("a remark can be written as JSON");
        write_number(into, remark.len() as u64);
        into.extend_from_slice(&remark);
    }
    into.extend_from_slice(words.as_bytes());
}

/// Reads what [`write_reply`] wrote; `None` if it is something else.
pub(in crate::store) fn read_reply(bytes: &[u8]) -> Option<RecordedReply> {
    let (&kind, mut rest) = bytes.split_first()?;
    let mut spend = read_spend(&mut rest)?;
    if kind & WITH_PARTS != 0 {
        spend.tokens.cache_write = read_number(&mut rest)?;
        spend.tokens.reasoning = read_number(&mut rest)?;
    }
    let perhaps_billed = read_number(&mut rest)?;
    let length = usize::try_from(read_number(&mut rest)?).ok()?;
    let (model, mut words) = rest.split_at_checked(length)?;
    let remark = if kind & WITH_REMARK == 0 { None } else { Some(read_remark(&mut words)?) };
    let content = String::from_utf8(words.to_vec()).ok()?;
    let reply = match kind & !(WITH_PARTS | WITH_REMARK) {
        0 => ReplyText::Text { content, cut_off: false },
        1 => ReplyText::Text { content, cut_off: true },
        2 => ReplyText::Refused,
        3 => ReplyText::TooLong,
        18 => ReplyText::Rejected,
        _ => return None,
    };
    let reported_model = String::from_utf8(model.to_vec()).ok()?;
    Some(RecordedReply { reply, spend, perhaps_billed, reported_model, remark })
}

fn read_remark(rest: &mut &[u8]) -> Option<Remark> {
    let length = usize::try_from(read_number(rest)?).ok()?;
    let (remark, after) = rest.split_at_checked(length)?;
    *rest = after;
    serde_json::from_slice(remark).ok()
}

fn numbers(spend: &StageSpend) -> [u64; 17] {
    // Which part of a call's spend was for asking again is known when the cell is done.
    let StageSpend { sent, answered, failed, abandoned, without_usage, tokens, cost, unsure, .. } = spend;
    let UncertainSpend { likely, likely_cost, at_most, at_most_cost } = unsure;
    [
        *sent,
        *answered,
        *failed,
        *abandoned,
        *without_usage,
        tokens.input,
        tokens.cached,
        tokens.output,
        cost.0,
        likely.input,
        likely.cached,
        likely.output,
        likely_cost.0,
        at_most.input,
        at_most.cached,
        at_most.output,
        at_most_cost.0,
    ]
}

fn read_spend(rest: &mut &[u8]) -> Option<StageSpend> {
    let mut number = || read_number(rest);
    let [sent, answered, failed, abandoned, without_usage] = [number()?, number()?, number()?, number()?, number()?];
    let mut tokens = || {
        Some((
            Tokens { input: number()?, cached: number()?, output: number()?, ..Tokens::default() },
            NanoUsd(number()?),
        ))
    };
    let ((tokens, cost), (likely, likely_cost), (at_most, at_most_cost)) = (tokens()?, tokens()?, tokens()?);
    let unsure = UncertainSpend { likely, likely_cost, at_most, at_most_cost };
    Some(StageSpend { sent, answered, failed, abandoned, without_usage, tokens, cost, unsure, ..StageSpend::default() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::call::Rejection;

    fn any_reply() -> impl Strategy<Value = RecordedReply> {
        let reply = prop_oneof![
            (any::<String>(), any::<bool>()).prop_map(|(content, cut_off)| ReplyText::Text { content, cut_off }),
            Just(ReplyText::Refused),
            Just(ReplyText::TooLong),
            Just(ReplyText::Rejected),
        ];
        let rejection = (any::<Option<u16>>(), any::<Option<String>>(), any::<String>())
            .prop_map(|(status, code, said)| Remark::Rejection(Rejection { status, code, said }));
        let remark = prop::option::of(prop_oneof![rejection, any::<String>().prop_map(Remark::Oddity)]);
        let number = || prop_oneof![0_u64..3, any::<u64>()];
        (reply, prop::array::uniform32(number()), any::<String>(), remark).prop_map(
            |(reply, n, reported_model, remark)| {
                let tokens =
                    |at: usize| Tokens { input: n[at], cached: n[at + 1], output: n[at + 2], ..Tokens::default() };
                let unsure = UncertainSpend {
                    likely: tokens(9),
                    likely_cost: NanoUsd(n[12]),
                    at_most: tokens(13),
                    at_most_cost: NanoUsd(n[16]),
                };
                let spend = StageSpend {
                    sent: n[0],
                    answered: n[1],
                    failed: n[2],
                    abandoned: n[3],
                    without_usage: n[4],
                    tokens: Tokens { cache_write: n[18], reasoning: n[19], ..tokens(5) },
                    cost: NanoUsd(n[8]),
                    unsure,
                    ..StageSpend::default()
                };
                RecordedReply { reply, spend, perhaps_billed: n[17], reported_model, remark }
            },
        )
    }

    proptest! {
        #[test]
        fn replies_are_read_as_they_were_written(reply in any_reply()) {
            let mut bytes = Vec::new();
            write_reply(&mut bytes, &reply);
            prop_assert_eq!(read_reply(&bytes), Some(reply));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Some(reply) = read_reply(&bytes) {
                let mut again = Vec::new();
                write_reply(&mut again, &reply);
                prop_assert_eq!(read_reply(&again), Some(reply));
            }
        }
    }
}
