//! Finds the words that speak against the answer that a sentence names.

use super::value::{is_one_of, word_end};

/// Words that negate what follows in their clause, or make it a condition. Words that end with "n't" do, too.
const NEGATIONS: [&str; 16] = [
    "not", "never", "cannot", "no", "nobody", "none", "nor", "neither", "nothing", "without", "hardly", "scarcely",
    "barely", "rarely", "if", "unless",
];

/// Words that reject or doubt what the sentence names, wherever it does.
const DOUBTS: [&str; 51] = [
    "avoid",
    "avoids",
    "avoiding",
    "reject",
    "rejects",
    "rejected",
    "rejecting",
    "rule",
    "rules",
    "ruled",
    "ruling",
    "exclude",
    "excludes",
    "excluded",
    "dismiss",
    "dismisses",
    "deny",
    "denies",
    "refuse",
    "refuses",
    "discard",
    "eliminate",
    "oppose",
    "doubt",
    "doubts",
    "doubtful",
    "unsure",
    "uncertain",
    "unclear",
    "unlikely",
    "impossible",
    "improbable",
    "questionable",
    "hesitate",
    "hesitates",
    "wrong",
    "false",
    "untrue",
    "mistake",
    "mistaken",
    "inaccurate",
    "hard",
    "difficult",
    "whether",
    "least",
    "instead",
    "than",
    "except",
    "far",
    "second",
    "alternative",
];

/// How much of a text is looked at before an answer, in bytes.
const NEAR: usize = 300;

/// What begins a clause that the negation of the clause before does not reach: "I do not pray, so I would choose".
const NEW_CLAUSES: [&str; 14] = [
    ": ",
    "：",
    ", so ",
    " so i",
    " so they ",
    " but ",
    ", i ",
    ", i'd ",
    ", i'll ",
    ", they ",
    ", they'd ",
    ", he ",
    ", she ",
    ", the ",
];

/// Whether a text holds a word that negates, rejects or doubts.
pub(super) fn speaks_against(text: &str) -> bool {
    words(text).any(|word| negates(word) || is_one_of(word, &DOUBTS))
}

/// Whether the sentence with which a text ends rejects or doubts what follows it, or its last clause negates that.
pub(super) fn is_rejected(before: &str) -> bool {
    let sentence = last_sentence(before).replace('’', "'").to_ascii_lowercase();
    let ends = NEW_CLAUSES.into_iter().filter_map(|mark| Some(sentence.rfind(mark)? + mark.len()));
    let clause = &sentence[ends.max().unwrap_or(0)..];
    words(&sentence).any(|word| is_one_of(word, &DOUBTS)) || words(clause).any(negates)
}

/// The unfinished sentence with which a text ends.
pub(super) fn last_sentence(before: &str) -> &str {
    let near = &before[before.ceil_char_boundary(before.len().saturating_sub(NEAR))..];
    near.rsplit(['.', ';', '!', '?', '\n']).next().unwrap_or("")
}

/// The words of a text, with their apostrophes.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    let starts = text.char_indices().filter(|&(at, c)| {
        c.is_alphanumeric() && !text[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '\'' | '’' | '_'))
    });
    starts.map(|(at, _)| &text[at..at + word_end(&text[at..])])
}

fn negates(word: &str) -> bool {
    is_one_of(word, &NEGATIONS) || word.to_ascii_lowercase().replace('’', "'").ends_with("n't")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_rejects_what_follows_its_negation_or_doubt() {
        for before in [
            "They would certainly not ",
            "They would not under any circumstances ",
            "I doubt that they would ",
            "I’m not sure that they’d ",
            "Nobody like them would ",
            "They would rule out ",
            "I don’t think they would ",
        ] {
            assert!(is_rejected(before), "{before:?}");
        }
    }

    #[test]
    fn a_sentence_does_not_reject_what_follows_in_another_clause() {
        for before in ["", "I would ", "It is not. I would ", "I'm not religious, so I'd ", "Not 5, not 3: "] {
            assert!(!is_rejected(before), "{before:?}");
        }
    }
}
