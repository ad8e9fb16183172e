//! Finds the label of one of the question's options: at the beginning of a text, or as all that a line says.

use super::digit::{decimal, leading_digits};
use super::refusal::straight_apostrophe;
use super::value::{is_decoration, is_one_of, is_separator, skip_decoration, word_end};
use crate::codebook::Question;
use crate::id::Code;

/// The longest beginning of a label, in bytes.
const LONGEST_BEGINNING: usize = 80;

/// The option whose label the text begins with, and the text after it. The longest label wins; a label that two options
/// share matches neither.
pub(super) fn label_at<'a>(text: &'a str, question: &Question) -> Option<(Code, &'a str)> {
    let mut best: Option<(Code, &str)> = None;
    let mut doubtful = false;
    for option in &question.options {
        let Some(rest) = after_option(text, &option.label) else { continue };
        let longest = best.map_or(usize::MAX, |(_, rest)| rest.len());
        if rest.len() < longest {
            (best, doubtful) = (Some((option.code, rest)), false);
        } else if rest.len() == longest {
            doubtful = true;
        }
    }
    match best {
        None => beginning_of_label(text, question),
        Some(_) => best.filter(|_| !doubtful),
    }
}

/// The only option whose label begins with what the text says up to its first mark, if these are two words and more: `Not at
/// all` for `Not at all important`.
fn beginning_of_label<'a>(text: &'a str, question: &Question) -> Option<(Code, &'a str)> {
    let near = &text[..text.floor_char_boundary(LONGEST_BEGINNING)];
    let said = near.split(['.', ',', ':', ';', '!', '(', '\n', '*', '"', '\'', '|']).next()?.trim_end();
    said.split_whitespace().nth(1)?;
    let begins = |label: &str| strip_label(label, said).is_some_and(|rest| rest.starts_with(char::is_whitespace));
    let mut found = question.options.iter().filter(|option| begins(&option.label));
    let only = found.next().filter(|_| found.next().is_none())?;
    Some((only.code, &text[said.len()..]))
}

/// The option with whose label a text ends, perhaps as a verb's form (`the user agrees`), and the text before it. The longest
/// label wins.
pub(super) fn label_ending<'a>(text: &'a str, question: &Question) -> Option<(Code, &'a str)> {
    let text = text.trim_end_matches(|c: char| !c.is_alphanumeric());
    let endings = [Some(text), text.strip_suffix('s')];
    let ended = question.options.iter().flat_map(|option| {
        endings.into_iter().flatten().filter_map(|text| Some((option.code, before_label(text, &option.label)?)))
    });
    ended.min_by_key(|(_, before)| before.len())
}

/// The text before a label in any case; `None` if the text does not end with it.
fn before_label<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    let mut rest = text.chars();
    let label = label.trim_end_matches(|c: char| !c.is_alphanumeric());
    for expected in label.chars().rev() {
        let found = typed(rest.next_back()?);
        if found != typed(expected) && !found.to_lowercase().eq(typed(expected).to_lowercase()) {
            return None;
        }
    }
    let before = rest.as_str();
    (!label.is_empty() && !before.ends_with(char::is_alphanumeric)).then_some(before)
}

/// The only option whose label a text names, if that label has two words and more: its place, in bytes, and its code.
pub(super) fn only_label_in(text: &str, question: &Question) -> Option<(std::ops::Range<usize>, Code)> {
    let starts =
        text.char_indices().filter(|&(at, c)| c.is_alphanumeric() && !text[..at].ends_with(char::is_alphanumeric));
    let mut found = None;
    let mut from = 0;
    for (at, _) in starts {
        let named = named_at(&text[at..], question).filter(|_| at >= from);
        let Some((code, length)) = named else { continue };
        if found.is_some_and(|(_, other)| other != code) {
            return None;
        }
        from = at + length;
        found = Some((at..from, code));
    }
    found
}

/// The option with the longest label of two words and more that the text begins with, and the label's length in bytes.
fn named_at(text: &str, question: &Question) -> Option<(Code, usize)> {
    let of_words = question.options.iter().filter(|option| option.label.contains(' '));
    let named = of_words.filter_map(|option| {
        let rest = strip_label(text, &option.label).filter(|rest| !rest.starts_with(char::is_alphanumeric))?;
        Some((option.code, text.len() - rest.len()))
    });
    named.max_by_key(|&(_, length)| length)
}

/// The text after an option's label, or after what stands in the label before a bracket: `Orthodox` for
/// `Orthodox (Russian, Greek, etc.)`.
fn after_option<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    let ended = |label| strip_label(text, label).filter(|rest| ends_label(rest));
    ended(label).or_else(|| ended(label.split_once(" (")?.0))
}

/// The text after a label in any case; `None` if the text does not begin with it. Labels that are numbers are read as
/// numbers instead.
fn strip_label<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    let label = label.trim().trim_end_matches('.');
    if label.chars().all(|c| decimal(c).is_some()) {
        return None;
    }
    let mut rest = text.chars();
    for expected in label.chars() {
        let [expected, found] = [Some(expected), rest.next()].map(|c| c.map(typed));
        let same = found.zip(expected).is_some_and(|(c, of)| c == of || c.to_lowercase().eq(of.to_lowercase()));
        if !same {
            return None;
        }
    }
    Some(rest.as_str())
}

/// The character that people type for one that typesetting puts in its place.
fn typed(c: char) -> char {
    match c {
        '\u{2010}' | '\u{2011}' => '-',
        '\u{a0}' | '\u{202f}' => ' ',
        c => straight_apostrophe(c),
    }
}

/// Whether a label ends here: "Agree strongly" does not mean "Agree".
fn ends_label(after: &str) -> bool {
    let next = after.trim_start();
    let spaced = next.len() < after.len();
    let bracket_or_dash = next.starts_with(['(', '（', '-', '–', '—']);
    let reason = spaced && is_one_of(&next[..word_end(next)], &["because", "with"]);
    let ended = |c: char| matches!(c, '.' | ':' | '：' | ';' | '!' | ',') || is_decoration(c);
    next.is_empty() || reason || spaced && bracket_or_dash || next.starts_with(ended)
}

/// The answer that a line is, if it is nothing else: a number, a label, or a number with its label.
pub(super) fn whole_answer(line: &str, question: &Question) -> Option<Code> {
    let text = skip_decoration(line);
    let (code, after) = match leading_digits(text).filter(|_| label_at(text, question).is_none()) {
        Some(digits) => {
            let code = digits.value.filter(|&code| question.has_option(code))?;
            let after = skip_decoration(digits.rest.trim_start_matches(is_separator));
            match label_at(after, question) {
                Some((other, _)) if other != code => return None,
                Some((_, rest)) => (code, rest),
                None => (code, after),
            }
        }
        None => label_at(text, question)?,
    };
    after.chars().all(|c| is_decoration(c) || is_separator(c)).then_some(code)
}

/// The option that the first line of a text begins with as a number with its own label: `4: Retired`.
pub(super) fn labelled_number(text: &str, question: &Question) -> Option<Code> {
    let digits = leading_digits(text.split('\n').next()?)?;
    let code = digits.value?;
    let separated = digits.rest.trim_start_matches(is_separator);
    let after = skip_decoration(separated);
    let is_separated = after.len() < digits.rest.len();
    label_at(after, question).filter(|&(of, _)| is_separated && of == code).map(|(of, _)| of)
}
