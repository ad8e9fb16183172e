//! Takes the key that was sent out of what came back, however it is escaped: some proxies repeat it when they refuse it.

use std::borrow::Cow;

/// Shorter keys cannot be told from words, or from an answer's number. They are for servers that accept any key.
const SHORTEST_SECRET: usize = 4;

/// Shorter keys are replaced only where they stand as a word of their own.
pub(super) const SHORTEST_INSIDE_A_WORD: usize = 8;

/// What people write where a server accepts any key. No secrets, and perhaps words of a reply.
const PLACEHOLDERS: [&str; 12] =
    ["none", "null", "empty", "dummy", "test", "fake", "local", "ollama", "token", "nokey", "no-key", "api-key"];

/// What stands in for a key.
const MARK: &str = "[key]";

/// `text` with every `key` in it replaced: as it is, or with any of its characters escaped as in JSON (`\/`, `\u0073`, also
/// several times over), in an address (`%73`) or in HTML (`&#115;`).
pub(super) fn without<'a>(key: &str, text: &'a str) -> Cow<'a, str> {
    let is_placeholder = PLACEHOLDERS.iter().any(|word| word.eq_ignore_ascii_case(key));
    if key.len() < SHORTEST_SECRET || is_placeholder {
        return Cow::Borrowed(text);
    }
    let mut clean = String::new();
    let mut rest = 0;
    while let Some((start, end)) = find(key.as_bytes(), text.as_bytes(), rest) {
        clean.push_str(&text[rest..start]);
        clean.push_str(MARK);
        rest = end;
    }
    if rest == 0 { Cow::Borrowed(text) } else { Cow::Owned(clean + &text[rest..]) }
}

/// Where the next key begins and ends, from byte `from` on. All parts of a match are ASCII, so both are bounds of characters.
fn find(key: &[u8], text: &[u8], from: usize) -> Option<(usize, usize)> {
    let first = key[0];
    let mut at = from;
    loop {
        at += text[at..].iter().position(|&byte| byte == first || matches!(byte, b'\\' | b'%' | b'&'))?;
        let end = if text[at..].starts_with(key) { Some(key.len()) } else { written(key, &text[at..]) };
        match end
            .map(|length| at + length)
            .filter(|&end| key.len() >= SHORTEST_INSIDE_A_WORD || is_a_word(text, at, end))
        {
            Some(end) => return Some((at, end)),
            None => at += 1,
        }
    }
}

/// How many bytes at the beginning of `text` are the key, with any of its characters escaped; `None` if it is not there.
fn written(key: &[u8], text: &[u8]) -> Option<usize> {
    let Some((&wanted, rest)) = key.split_first() else { return Some(0) };
    let mut lengths = character(text, wanted).into_iter().flatten();
    lengths.find_map(|length| Some(length + written(rest, &text[length..])?))
}

/// How many bytes at the beginning of `text` may stand for the character `wanted`: as an escape of it, and as it is. Both are
/// possible where the character itself begins an escape: `%25` is `%`, or `%` and the beginning of something else.
fn character(text: &[u8], wanted: u8) -> [Option<usize>; 2] {
    let backslashes = text.iter().take_while(|&&byte| byte == b'\\').count();
    if wanted == b'\\' && backslashes > 0 {
        return [Some(backslashes), None];
    }
    let after = &text[backslashes..];
    let escape = match after {
        [b'u', digits @ ..] if backslashes > 0 => coded(digits, 4, 16).map(|(code, length)| (code, length + 1)),
        [b'%', digits @ ..] => coded(digits, 2, 16).map(|(code, length)| (code, length + 1)),
        [b'&', b'#', b'x' | b'X', digits @ ..] => entity(digits, 16).map(|(code, length)| (code, length + 3)),
        [b'&', b'#', digits @ ..] => entity(digits, 10).map(|(code, length)| (code, length + 2)),
        _ => None,
    };
    let escaped = escape.filter(|(code, _)| *code == u32::from(wanted)).map(|(_, length)| backslashes + length);
    [escaped, (after.first() == Some(&wanted)).then_some(backslashes + 1)]
}

/// The number in the first `digits` bytes, and its length.
fn coded(text: &[u8], digits: usize, radix: u32) -> Option<(u32, usize)> {
    let number = std::str::from_utf8(text.get(..digits)?).ok()?;
    Some((u32::from_str_radix(number, radix).ok()?, digits))
}

/// The number before a semicolon, and the length of both.
fn entity(text: &[u8], radix: u32) -> Option<(u32, usize)> {
    let digits = text.iter().take(6).position(|&byte| byte == b';')?;
    coded(text, digits, radix).map(|(code, length)| (code, length + 1))
}

/// Whether neither a letter nor a digit adjoins. The letter of an escape (`\n`) is none.
fn is_a_word(text: &[u8], start: usize, end: usize) -> bool {
    let is_escaped = start >= 2 && text[start - 2] == b'\\';
    let adjoins_before = start >= 1 && text[start - 1].is_ascii_alphanumeric() && !is_escaped;
    let adjoins_after = text.get(end).is_some_and(u8::is_ascii_alphanumeric);
    !adjoins_before && !adjoins_after
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "sk-a/b+1=Z";

    #[track_caller]
    fn check(key: &str, text: &str, expected: &str) {
        assert_eq!(without(key, text), expected, "{key} in {text}");
    }

    #[test]
    fn a_key_is_found_however_it_is_escaped() {
        for written in [
            "sk-a/b+1=Z",
            r"sk-a\/b+1=Z",
            r"\u0073k-a/b+1=Z",
            r"\\u0073\u006b-a\\\/b\u002B1=Z",
            "sk-a%2Fb%2b1%3DZ",
            "&#115;k-a&#x2F;b+1=Z",
        ] {
            check(KEY, &format!("the key {written} is ü"), "the key [key] is ü");
        }
        check(KEY, "sk-a/b+1=Z sk-a/b+1=Zsk-a/b+1=Z", "[key] [key][key]");
        check(KEY, r"sk-a/b+1=z sk- \u0073 % & \ &#1", r"sk-a/b+1=z sk- \u0073 % & \ &#1");
        check("%25\"!!!a", r#"{"key":"%25\"!!!a"}"#, r#"{"key":"[key]"}"#);
        check("%25&#38;ab", r#"{"key":"%25&\u0023\u0033\u0038;ab"}"#, r#"{"key":"[key]"}"#);
        check(r"a\b\c\d\e", r#"{"key":"a\\b\\c\\d\\e"}"#, r#"{"key":"[key]"}"#);
    }

    #[test]
    fn a_short_key_is_found_as_a_word_of_its_own() {
        check("pa55", "the key pa55, (pa55) \\npa55", "the key [key], ([key]) \\n[key]");
        check("pa55", "pa556 and apa55", "pa556 and apa55");
        check("EMPTY", "the room was EMPTY", "the room was EMPTY");
        check("7", "Answer: 7", "Answer: 7");
    }

    proptest! {
        #[test]
        fn no_text_panics_and_no_key_stays(key in "[!-~]{8,20}", before in ".{0,12}", after in ".{0,12}") {
            let text = format!("{before}{key}{after}");
            let clean = without(&key, &text);
            prop_assert!(!clean.contains(&key), "{clean}");
            // JSON escapes backslashes, so those of a key cannot be told from those that escape it.
            let key = key.replace('\\', "b");
            let json = serde_json::to_string(&format!("{before}{key}{after}")).expect("writes");
            prop_assert!(without(&key, &json).contains(MARK), "{json}");
        }
    }
}
