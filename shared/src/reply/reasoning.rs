//! Removes a model's reasoning block from its reply.

use std::borrow::Cow;

const NAMES: [&str; 3] = ["think", "thinking", "reasoning"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    Open,
    Close,
}

/// The reply without `<think>` blocks.
///
/// An unclosed block extends to the end. A block without an opening tag begins at the start of the reply, because some
/// chat templates put the opening tag into the prompt.
pub(super) fn without_reasoning(text: &str) -> Cow<'_, str> {
    let mut kept = String::new();
    let mut open = false;
    let mut from = 0;
    for (at, tag, end) in tags(text) {
        match (tag, open) {
            (Tag::Open, false) => kept.push_str(&text[from..at]),
            (Tag::Open, true) => continue,
            (Tag::Close, false) => kept.clear(),
            (Tag::Close, true) => {}
        }
        open = tag == Tag::Open;
        from = end;
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    if !open {
        kept.push_str(&text[from..]);
    }
    Cow::Owned(kept)
}

/// All tags, with the positions at which they begin and end.
fn tags(text: &str) -> impl Iterator<Item = (usize, Tag, usize)> {
    text.match_indices('<').filter_map(|(at, _)| {
        let inside = &text[at + 1..];
        let (tag, name) = inside.strip_prefix('/').map_or((Tag::Open, inside), |name| (Tag::Close, name));
        let name_length = NAMES.into_iter().find(|of| names(name, of))?.len();
        let end = text.len() - name.len() + name_length + 1;
        Some((at, tag, end))
    })
}

fn names(text: &str, name: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.get(name.len()) == Some(&b'>') && bytes[..name.len()].eq_ignore_ascii_case(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_removed_at_any_position() {
        let check = |text: &str, expected: &str| assert_eq!(without_reasoning(text), expected, "{text}");
        check("no block, 1 < 2", "no block, 1 < 2");
        check("<think>a</think>b", "b");
        check("a<THINKING>b</thinking>c<think>d</think>e", "ace");
        check("a <think> never closed", "a ");
        check("opened by the prompt</think>b", "b");
        check("<think>a<think>b</think>c", "c");
        check("<thinker>a</thinker>", "<thinker>a</thinker>");
        check("<think", "<think");
    }
}
