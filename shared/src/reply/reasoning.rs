//! Takes out of a reply what is not for its reader: reasoning, invisible characters, ends that a server left in the text.

use std::borrow::Cow;

use super::forms::FORMS;
use super::reading::{Removal, Removed};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    Open,
    Close,
}

/// What the reply says to its reader.
pub(crate) fn for_the_reader(text: &str) -> Cow<'_, str> {
    taken_apart(text, &mut |_| ())
}

/// What the reply says to its reader; `removed` hears what is taken out, step by step.
pub(super) fn taken_apart<'a>(text: &'a str, removed: &mut impl FnMut(Removed)) -> Cow<'a, str> {
    match visible(text, removed) {
        Some(visible) => Cow::Owned(said(&visible, removed).into_owned()),
        None => said(text, removed),
    }
}

/// The part of a visible text that is for its reader.
fn said<'a>(text: &'a str, removed: &mut impl FnMut(Removed)) -> Cow<'a, str> {
    let text = final_channel(text, removed).unwrap_or(text);
    match without_reasoning(text, removed) {
        Cow::Borrowed(said) => Cow::Borrowed(before_end(said, removed)),
        Cow::Owned(said) => Cow::Owned(before_end(&said, removed).to_owned()),
    }
}

/// The text without characters that nobody sees; `None` if it has none.
fn visible(text: &str, removed: &mut impl FnMut(Removed)) -> Option<String> {
    // All of them begin with one of these bytes, which English replies seldom have.
    memchr::memchr3(0xe2, 0xef, 0xc2, text.as_bytes())?;
    if !text.contains(is_invisible) {
        return None;
    }
    let (hidden, shown): (String, String) = text.chars().partition(|&c| is_invisible(c));
    removed(Removed { what: Removal::Invisible, text: &hidden });
    Some(shown)
}

/// Soft hyphens, spaces of no width, marks of direction, and the mark of byte order.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// What follows the last mark of the final channel; empty if the reply has channels but not that one.
fn final_channel<'a>(text: &'a str, removed: &mut impl FnMut(Removed)) -> Option<&'a str> {
    let from = final_channel_at(text)?;
    removed(Removed { what: Removal::Channel, text: &text[..from] });
    Some(&text[from..])
}

/// Where the text of the final channel begins; at the end if the reply has channels but not that one.
fn final_channel_at(text: &str) -> Option<usize> {
    let channels = &FORMS.channels;
    if text.trim_start().starts_with(&channels.flat_opening) {
        return text.rfind(&channels.flat_final).map(|at| at + channels.flat_final.len());
    }
    text.contains('<').then_some(())?;
    text.find(&channels.mark)?;
    let begins = |at: usize| Some(at + text[at..].find(&channels.message)? + channels.message.len());
    Some(text.rfind(&channels.last).and_then(begins).unwrap_or(text.len()))
}

/// What stands before the first end of the reply.
fn before_end<'a>(text: &'a str, removed: &mut impl FnMut(Removed)) -> &'a str {
    if memchr::memchr(b'<', text.as_bytes()).is_none() {
        return text;
    }
    let ends = FORMS.ends.tokens.iter().filter_map(|token| text.find(token.as_str()));
    let Some(at) = ends.filter(|&at| !text[..at].trim().is_empty()).min() else { return text };
    removed(Removed { what: Removal::End, text: &text[at..] });
    &text[..at]
}

/// The reply without blocks of reasoning.
///
/// An unclosed block extends to the end. A block without an opening tag begins at the start of the reply, because some
/// chat templates put the opening tag into the prompt.
fn without_reasoning<'a>(text: &'a str, removed: &mut impl FnMut(Removed)) -> Cow<'a, str> {
    let mut kept = String::new();
    let mut opened = None;
    let mut from = 0;
    for (at, tag, end) in tags(text) {
        match (tag, opened) {
            (Tag::Open, None) => {
                kept.push_str(&text[from..at]);
                opened = Some(at);
            }
            (Tag::Open, Some(_)) => continue,
            (Tag::Close, None) => {
                kept.clear();
                removed(Removed { what: Removal::Reasoning, text: &text[..end] });
            }
            (Tag::Close, Some(opened)) => removed(Removed { what: Removal::Reasoning, text: &text[opened..end] }),
        }
        if tag == Tag::Close {
            opened = None;
        }
        from = end;
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    match opened {
        Some(opened) => removed(Removed { what: Removal::Reasoning, text: &text[opened..] }),
        None => kept.push_str(&text[from..]),
    }
    Cow::Owned(kept)
}

/// All tags, with the positions at which they begin and end.
fn tags(text: &str) -> impl Iterator<Item = (usize, Tag, usize)> {
    // The first bytes of `<`, `[` and `◁`.
    let candidates = memchr::memchr3_iter(b'<', b'[', 0xe2, text.as_bytes());
    candidates.filter_map(|at| {
        let (tag, length) = tag_at(text.get(at..)?)?;
        Some((at, tag, at + length))
    })
}

/// The tag that a text begins with, and its length in bytes.
fn tag_at(text: &str) -> Option<(Tag, usize)> {
    let named = FORMS.reasoning.iter().find_map(|form| {
        let inside = text.strip_prefix(form.open.as_str())?;
        let (tag, name) = inside.strip_prefix('/').map_or((Tag::Open, inside), |name| (Tag::Close, name));
        let name_length = form.names.iter().find(|of| names(name, of, &form.close))?.len();
        Some((tag, text.len() - name.len() + name_length + form.close.len()))
    });
    named.or_else(|| {
        FORMS.reasoning_pair.iter().find_map(|pair| {
            let marks = [(Tag::Open, &pair.open), (Tag::Close, &pair.close)];
            marks.into_iter().find(|(_, mark)| begins_with(text, mark)).map(|(tag, mark)| (tag, mark.len()))
        })
    })
}

fn names(text: &str, name: &str, close: &str) -> bool {
    begins_with(text, name) && text.as_bytes()[name.len()..].starts_with(close.as_bytes())
}

fn begins_with(text: &str, mark: &str) -> bool {
    text.as_bytes().get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(for_the_reader(text), expected, "{text}");
    }

    #[test]
    fn blocks_are_removed_at_any_position() {
        check("no block, 1 < 2", "no block, 1 < 2");
        check("<think>a</think>b", "b");
        check("a<THINKING>b</thinking>c<think>d</think>e", "ace");
        check("a <think> never closed", "a ");
        check("opened by the prompt</think>b", "b");
        check("<think>a<think>b</think>c", "c");
        check("<thinker>a</thinker>", "<thinker>a</thinker>");
        check("<think", "<think");
    }

    #[test]
    fn reasoning_stands_in_many_kinds_of_marks() {
        for (open, close) in [
            ("[THINK]", "[/THINK]"),
            ("<seed:think>", "</seed:think>"),
            ("◁think▷", "◁/think▷"),
            ("<|begin_of_thought|>", "<|end_of_thought|>"),
            ("<Thought>", "</Thought>"),
        ] {
            check(&format!("{open}Answer: 1{close}Answer: 2"), "Answer: 2");
        }
        check("Analysis: [reasoning] and [1]", "Analysis: [reasoning] and [1]");
    }

    #[test]
    fn only_the_final_channel_is_for_the_reader() {
        check(
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Answer: 2<|return|>",
            "Answer: 2",
        );
        check("<|channel|>analysis<|message|>cut off", "");
        check("analysisThey might.assistantfinalAnswer: 2", "Answer: 2");
        check("analysis of the answer: 2", "analysis of the answer: 2");
    }

    #[test]
    fn what_nobody_sees_and_what_follows_the_end_is_gone() {
        check("Answer: \u{200b}2\u{feff}", "Answer: 2");
        check("2</s>", "2");
        check("2<|im_end|>\n<|im_start|>user\nAnswer: 3", "2");
        check("<|im_end|>2", "<|im_end|>2");
        check("’tis – é", "’tis – é");
    }
}
