//! The shipped rules with shorter durations, so that a test need not wait for a quarter of an hour.

/// The rules with a second for each minute, a minute for each hour, and so on: `for: 15m`, `[1d]` and `offset 15m` become
/// `for: 15s`, `[24m]` and `offset 15s`. Nothing else changes.
pub(crate) fn minutes_as_seconds(rules: &str) -> String {
    let words = rules.split_inclusive(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.map(shorter).collect()
}

/// A word with the separator that follows it.
fn shorter(word: &str) -> String {
    let end = word.trim_end_matches(|letter: char| !letter.is_ascii_alphanumeric());
    let separator = &word[end.len()..];
    let split = |unit| end.strip_suffix(unit).and_then(|number| number.parse::<u32>().ok());
    let short = split('m').map(|minutes| format!("{minutes}s"));
    let short = short.or_else(|| split('h').map(|hours| format!("{hours}m")));
    let short = short.or_else(|| split('d').map(|days| format!("{}m", 24 * days)));
    short.map_or_else(|| word.to_owned(), |short| short + separator)
}

#[test]
fn durations_alone_change() {
    let rules = "rate(a_5m{x=\"y\"}[15m]) > 0.05 offset 1d\n  for: 2m\n  summary: in the last 15 minutes, m, 3h\n";
    let expected = "rate(a_5m{x=\"y\"}[15s]) > 0.05 offset 24m\n  for: 2s\n  summary: in the last 15 minutes, m, 3m\n";
    assert_eq!(minutes_as_seconds(rules), expected);
}
