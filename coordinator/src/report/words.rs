//! Words of others in a Markdown text: names of files and of models, as others have written them.

use crate::terminal_escape::visible;

/// A Markdown text without HTML, links and pictures, and with control characters escaped. The program's own text has none of them,
/// so what looks like one is a name: it is shown as it is.
pub(super) fn only_words(markdown: &str) -> String {
    let mut words = String::with_capacity(markdown.len());
    let text = visible(markdown);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let next = rest.peek().copied().unwrap_or_default();
        let opens_tag = c == '<' && (next.is_ascii_alphabetic() || matches!(next, '/' | '!' | '?'));
        let opens_target = c == ']' && matches!(next, '(' | '[' | ':');
        // A backslash would escape nothing behind another backslash.
        match c {
            _ if opens_tag => words.push_str("&lt;"),
            _ if opens_target => words.push_str("&#93;"),
            _ => words.push(c),
        }
    }
    words
}

/// A text on one line, as an item of a list or a cell of a table.
pub(super) fn on_one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_and_do_nothing() {
        let check = |text: &str, expected: &str| assert_eq!(only_words(text), expected);
        check("# Run\n\n| p < 0.05 | `a` |\n- *b* [c]", "# Run\n\n| p < 0.05 | `a` |\n- *b* [c]");
        check("<script>x</script> <!-- <?", "&lt;script>x&lt;/script> &lt;!-- &lt;?");
        check("![x](http://a) [y][z] [w]: a", "![x&#93;(http://a) [y&#93;[z] [w&#93;: a");
        check("\u{1b}[2J\u{202e}", "\\u{1b}[2J\\u{202e}");
        assert_eq!(on_one_line("a\n# b\r"), "a # b ");
    }
}
