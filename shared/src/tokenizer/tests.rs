//! Tests of the counts: against those of the original, on hard texts, and on any text.

use proptest::prelude::*;

use super::*;

/// Texts with their tokens in `cl100k_base` and in `o200k_base`, counted by OpenAI's own tiktoken 0.14 (`encode_ordinary`).
const COUNTED: [(&str, u64, u64); 17] = [
    ("", 0, 0),
    ("tiktoken is great!", 6, 6),
    ("antidisestablishmentarianism", 6, 6),
    ("2 + 2 = 4", 7, 7),
    ("お誕生日おめでとう", 9, 8),
    ("<|endoftext|>", 7, 7),
    ("hello   world  ", 4, 4),
    ("\r\n\r\n x", 2, 2),
    ("  \u{2028} x", 4, 3),
    ("a\0b", 3, 3),
    ("You were born in 1963, and you don't think that most people can be trusted.", 20, 19),
    (
        "How important is family in your life?\n1. Very important\n2. Rather important\n3. Not very important\n\
         4. Not at all important\n",
        31,
        31,
    ),
    ("Sie halten Ihre Familie für »sehr wichtig«.", 11, 10),
    ("Вы доверяете людям?", 12, 6),
    ("آپ کس حد تک متفق ہیں؟", 21, 8),
    ("👩\u{200d}👩\u{200d}👧 e\u{301} ﷺ", 18, 11),
    ("HTTPServer camelCase 1234567.89", 10, 10),
];

const BOTH: [Tokenizer; 2] = [Tokenizer::Cl100k, Tokenizer::O200k];

#[test]
fn texts_count_as_openais_own_library_counts_them() {
    for (text, cl100k, o200k) in COUNTED {
        assert_eq!(BOTH.map(|tokenizer| tokenizer.count(text)), [cl100k, o200k], "{text:?}");
    }
}

/// The example of OpenAI's cookbook ("How to count tokens with tiktoken"), where the API itself counted 129 tokens of it for
/// gpt-3.5-turbo and gpt-4, and 124 for gpt-4o. Its four names take a token each, and two or three for their words.
#[test]
fn a_chat_has_as_many_tokens_as_openais_api_counted() {
    let messages = [
        "You are a helpful, pattern-following assistant that translates corporate jargon into plain English.",
        "New synergies will help drive top-line growth.",
        "Things working well together will increase revenue.",
        "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
        "Let's talk later when we're less busy about how to do better.",
        "This late pivot means we don't have time to boil the ocean for the client deliverable.",
    ];
    for (tokenizer, counted) in BOTH.into_iter().zip([129, 124]) {
        let names = ["example_user", "example_assistant", "example_user", "example_assistant"];
        let of_names: u64 = names.into_iter().map(|name| 1 + tokenizer.count(name)).sum();
        assert_eq!(tokenizer.count_chat(messages) + of_names, counted, "{tokenizer:?}");
    }
}

#[test]
fn texts_that_are_hard_for_regular_expressions_are_counted_in_time() {
    for unit in [" ", "\n", "a", "A", "^", "0", "'s", "\u{301}", "\u{a0}", " \n", "\u{1f468}\u{200d}"] {
        let text = unit.repeat(1_200_000 / unit.len());
        let tokens = Tokenizer::O200k.count(&text);
        assert!(tokens > 0 && tokens <= text.len() as u64, "{unit:?}: {tokens}");
    }
}

#[test]
fn a_long_text_is_cut_where_a_line_ends() {
    let line = "You think that most people can be trusted.\n";
    let text = line.repeat(2_000);
    assert!(pieces(&text).count() > 2 && pieces(&text).all(|piece| piece.ends_with('\n')));
    assert_eq!(pieces(&text).collect::<String>(), text);
    for tokenizer in BOTH {
        assert_eq!(tokenizer.count(&text), tokenizer.count(line) * 2_000, "{tokenizer:?}");
    }
    let without_lines = "ü".repeat(LONGEST_PIECE);
    assert_eq!(pieces(&without_lines).collect::<String>(), without_lines);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// A token has a byte at least, so a text has no more tokens than bytes.
    #[test]
    fn any_text_is_counted(text in any::<String>()) {
        for tokenizer in BOTH {
            let tokens = tokenizer.count(&text);
            prop_assert!(tokens <= text.len() as u64 && (tokens > 0) != text.is_empty());
        }
    }

    /// Only the words at the joint are cut otherwise, so the parts' tokens are the whole's, give or take those of two words.
    #[test]
    fn parts_have_about_as_many_tokens_as_the_whole(
        one in "[ a-zA-Z0-9.,'\n]{0,200}[ \n]",
        other in "[a-zA-Z]{1,9}[ .,][ a-zA-Z0-9.,'\n]{0,200}",
    ) {
        for tokenizer in BOTH {
            let (parts, whole) = (tokenizer.count(&one) + tokenizer.count(&other), tokenizer.count(&(one.clone() + &other)));
            prop_assert!(parts.abs_diff(whole) <= 9, "{parts} and {whole}");
        }
    }
}
