//! Counts tokens by a fixed rule: one token is 4.6 bytes of UTF-8, about the average of English prose.

/// The bytes of five tokens.
const BYTES_PER_FIVE_TOKENS: usize = 23;

/// The number of tokens in a text of `bytes` bytes, rounded up.
pub(crate) fn tokens(bytes: usize) -> u64 {
    (bytes * 5).div_ceil(BYTES_PER_FIVE_TOKENS) as u64
}

/// The number of bytes in `tokens` tokens.
pub(crate) fn bytes(tokens: u64) -> usize {
    usize::try_from(tokens).map_or(usize::MAX, |tokens| tokens.saturating_mul(BYTES_PER_FIVE_TOKENS) / 5)
}

/// The first `tokens` tokens of a text, truncated to a character boundary.
pub(crate) fn first(tokens: u64, text: &str) -> &str {
    &text[..text.floor_char_boundary(bytes(tokens))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truncated_text_has_the_requested_tokens() {
        let text = "täglich grüßt das Murmeltier, and again".repeat(12);
        for count in 0..90 {
            let cut = first(count, &text);
            assert!(tokens(cut.len()) <= count && count <= tokens(cut.len()) + 1, "{count}: {}", cut.len());
        }
        assert_eq!(first(u64::MAX, &text), text);
        assert_eq!([tokens(0), tokens(1), tokens(23), tokens(24)], [0, 1, 5, 6]);
    }
}
