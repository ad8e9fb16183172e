//! Reads the answer with which the last line of a reply concludes.

use super::digit::decimal;
use super::doubt::{is_rejected, last_sentence, words};
use super::option_label::{label_ending, whole_answer};
use super::value::{Value, agreed, has_other_number, is_one_of, skip_decoration};
use crate::codebook::Question;
use crate::id::Code;

/// Reads the answer at the end of a line.
type Read = fn(&str, &Question) -> Option<Code>;

/// Words before a colon that say that the answer follows it.
const ANNOUNCED: [&str; 9] =
    ["so", "overall", "therefore", "thus", "hence", "option", "choice", "conclusion", "verdict"];

/// The same in Chinese and Japanese, which put no space between words.
const ANNOUNCED_UNSPACED: [&str; 5] = ["答案", "回答", "选项", "选择", "答え"];

/// What negates or doubts in a Chinese line.
const CHINESE_DOUBTS: [char; 5] = ['不', '非', '没', '难', '否'];

/// The answer with which the last line concludes, if no other option's number is in the text: `they would agree (2)`.
pub(super) fn read_conclusion(reply: &str, question: &Question) -> Value {
    let last = reply.trim_end().rsplit('\n').next().unwrap_or("");
    if let Some(code) = answered_in_chinese(last, question) {
        return Value::Code(code);
    }
    let readers: [Read; 4] = [after_own_label, after_colon, after_so, after_around];
    let value = agreed(readers.into_iter().filter_map(|read| read(last, question)));
    let is_disputed = matches!(value, Value::Code(code) if has_other_number(reply, code, question));
    if is_disputed { Value::Nothing } else { value }
}

/// `综合来看，我认为答案是2。`
fn answered_in_chinese(line: &str, question: &Question) -> Option<Code> {
    let (before, after) = line.rsplit_once("答案是")?;
    whole_answer(after.trim_end_matches('。'), question).filter(|_| !before.contains(CHINESE_DOUBTS))
}

/// A number directly after its own label: `the user would agree (2)`, `"Not much" — option 3`.
fn after_own_label(line: &str, question: &Question) -> Option<Code> {
    let after_mark = |mark| {
        let (before, after) = line.rsplit_once(mark)?;
        let code = whole_answer(after, question)?;
        let (named, before) = label_ending(before, question)?;
        (named == code && !is_rejected(before)).then_some(code)
    };
    ["(", "（", "— option ", "– option ", "- option "].into_iter().find_map(after_mark)
}

/// A label after a colon, or a number if the word before the colon announces the answer: `that's easy: Daily`, `Overall: 3`.
fn after_colon(line: &str, question: &Question) -> Option<Code> {
    let after_mark = |mark| {
        let (before, after): (&str, &str) = line.rsplit_once(mark)?;
        let code = whole_answer(after, question)?;
        // A number before the colon is that of an item of a list.
        let is_item = before.contains(|c| decimal(c).is_some());
        let is_label = !is_item && skip_decoration(after).contains(char::is_alphabetic);
        let is_meant = is_label || is_announced(before);
        (is_meant && !is_rejected(before)).then_some(code)
    };
    [": ", "："].into_iter().find_map(after_mark)
}

fn is_announced(before: &str) -> bool {
    let before = before.trim_end_matches(|c: char| !c.is_alphanumeric());
    let last = words(before).last().unwrap_or("");
    is_one_of(last, &ANNOUNCED)
        || ANNOUNCED_UNSPACED.iter().any(|word| before.ends_with(word)) && !before.contains(CHINESE_DOUBTS)
}

/// A number that a line draws as its conclusion: `practically never; so 8`.
fn after_so(line: &str, question: &Question) -> Option<Code> {
    let (before, after) = line.rsplit_once(" so ")?;
    let code = whole_answer(after, question)?;
    before.ends_with([',', ';', '.', '—', '–']).then_some(code)
}

/// A number that answers where on the scale somebody is: `So where do I land? Around 4.`
fn after_around(line: &str, question: &Question) -> Option<Code> {
    let (before, after) = line.rsplit_once("? Around ")?;
    let code = whole_answer(after, question)?;
    words(last_sentence(before)).any(|word| is_one_of(word, &["where"])).then_some(code)
}
