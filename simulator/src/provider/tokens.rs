//! Counts tokens by a fixed rule: one token is 4.6 bytes of UTF-8, about what tokenizers make of English prose.

/// Bytes of five tokens.
const BYTES_OF_FIVE: usize = 23;

/// How many tokens a text of `bytes` bytes is; a started token counts.
pub(crate) fn tokens(bytes: usize) -> u64 {
    (bytes * 5).div_ceil(BYTES_OF_FIVE) as u64
}

/// How many bytes `tokens` tokens cover.
pub(crate) fn bytes(tokens: u64) -> usize {
    usize::try_from(tokens).map_or(usize::MAX, |tokens| tokens.saturating_mul(BYTES_OF_FIVE) / 5)
}

/// The first `tokens` tokens of a text, cut back to a whole character.
pub(crate) fn first(tokens: u64, text: &str) -> &str {
    &text[..text.floor_char_boundary(bytes(tokens))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_text_has_the_tokens_it_was_cut_to() {
        let text = "täglich grüßt das Murmeltier, and again".repeat(12);
        for count in 0..90 {
            let cut = first(count, &text);
            assert!(tokens(cut.len()) <= count && count <= tokens(cut.len()) + 1, "{count}: {}", cut.len());
        }
        assert_eq!(first(u64::MAX, &text), text);
        assert_eq!([tokens(0), tokens(1), tokens(23), tokens(24)], [0, 1, 5, 6]);
    }
}
