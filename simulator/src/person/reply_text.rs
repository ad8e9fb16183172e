//! Writes the text of replies.

use std::fmt::Write as _;

use valuesim_shared::id::Code;

use super::odds::Odds;
use super::prompt::Kind;
use super::reader::AskedQuestion;

/// The reply to a prompt that contains no question.
pub(super) const GREETING: &str = "Thank you for the message. This is valuesim's simulated provider: there is no \
                                   language model here, only somebody who answers surveys. (simulated)";

/// The maximum number of bytes quoted from a reason.
const QUOTED_BYTES: usize = 130;

/// The chosen option alone: number and label.
pub(super) fn option(asked: &AskedQuestion<'_>, code: Code) -> String {
    match label(asked, code) {
        Some(label) => format!("{code}: {label} (simulated)"),
        None => format!("{code} (simulated)"),
    }
}

/// A module's answer and analysis, in the format that the prompt requests.
pub(super) fn module(kind: Kind, asked: &AskedQuestion<'_>, odds: &Odds, reasons: &[&str]) -> String {
    let (view, close) = perspective(kind);
    let mut text = answer(odds.best());
    write!(text, "(simulated) {view}, this person comes out at {}.", choice(asked, odds.best())).expect(IN_MEMORY);
    if let [first, others @ ..] = reasons {
        write!(text, " What weighed most is this: {}", quoted(first)).expect(IN_MEMORY);
        for other in others {
            write!(text, " and {}", quoted(other)).expect(IN_MEMORY);
        }
        text.push('.');
    }
    write!(text, " {close} {}.", odds.statement()).expect(IN_MEMORY);
    text
}

/// The coordinator's decision, in the same format.
pub(super) fn coordinator(asked: &AskedQuestion<'_>, odds: &Odds) -> String {
    let best = odds.best();
    let mut text = answer(best);
    write!(
        text,
        "(simulated) Thoughts, feelings and habits do not point quite the same way here. Taken together, each with the \
         confidence that it was stated with, they favour {}",
        choice(asked, best)
    )
    .expect(IN_MEMORY);
    if let Some((second, _)) = odds.ranked().get(1) {
        write!(text, " over {}", choice(asked, *second)).expect(IN_MEMORY);
    }
    write!(text, ". {}.", odds.statement()).expect(IN_MEMORY);
    text
}

const IN_MEMORY: &str = "writing to memory does not fail";

fn answer(code: Code) -> String {
    format!("Answer: {code}\nAnalysis: ")
}

fn perspective(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Affective => (
            "Going by what moves and troubles them, and by the values that they hold dear",
            "The other choices would sit less easily with how they feel about people close to them and far away.",
        ),
        Kind::Behavioral => (
            "Going by what they do from day to day, and by the means and the company that they have",
            "The other choices would ask them to act against habits that the profile shows in several places.",
        ),
        _ => (
            "Going by what they know and believe, and by how they tend to reason about such things",
            "The other choices would need beliefs that little in the profile speaks for.",
        ),
    }
}

/// An option by number and label.
fn choice(asked: &AskedQuestion<'_>, code: Code) -> String {
    label(asked, code).map_or_else(|| code.to_string(), |label| format!("{code} ({label})"))
}

fn label<'a>(asked: &AskedQuestion<'a>, code: Code) -> Option<&'a str> {
    let at = asked.codes.iter().position(|&of| of == code)?;
    asked.labels.get(at).copied()
}

fn quoted(sentence: &str) -> String {
    let sentence = sentence.trim_end_matches('.');
    if sentence.len() <= QUOTED_BYTES {
        return format!("\"{sentence}\"");
    }
    format!("\"{}...\"", &sentence[..sentence.floor_char_boundary(QUOTED_BYTES)])
}
