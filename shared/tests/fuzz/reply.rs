//! Fuzzes the readers of replies: any text is either an answer to the question or a problem.

use std::sync::Once;

use proptest::prelude::*;
use proptest::sample::select;
use valuesim_shared::codebook::{Codebook, Question};
use valuesim_shared::id::QuestionId;
use valuesim_shared::method::Behaviour;
use valuesim_shared::reply::{Reading, read_module_reply, read_single_reply};

use crate::bounds::{HOSTILE_BYTES, Memory, bounded, fuzz};
use crate::mutate::{endless, hostile_text};

/// Mostly for the values of a JSON array, which take two bytes each in the reply.
const MEMORY: Memory = Memory { fixed: 16 << 10, per_byte: 64 };

/// Parts of replies, well-formed or not.
const FRAGMENTS: [&str; 78] = [
    "Answer:",
    "answer",
    "**Answer:**",
    "ANSWER ： ",
    "Answer = ",
    "the answer is ",
    "Final answer: ",
    "final_answer",
    "Analysis:",
    "Reasoning:",
    "### Answer\n",
    "Option ",
    "option number ",
    "Q7: ",
    "Question 7:",
    "I would choose ",
    "selects ",
    "not ",
    "don’t ",
    "because ",
    "or ",
    "and ",
    "to ",
    "out of ",
    "I'm sorry, ",
    "As an AI ",
    "<think>",
    "</think>",
    "<thinking>",
    "</REASONING>",
    "<",
    "```json\n",
    "{\"answer\": ",
    "\"analysis\": \"",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "\\",
    ",",
    ":",
    "：",
    "=",
    "(",
    ")",
    "（",
    "**",
    "_",
    "`",
    "#",
    "- ",
    "– ",
    "—",
    "+",
    ".",
    "%",
    "\\boxed{",
    "2️⃣",
    "\u{20e3}",
    " ",
    "\n",
    "\r\n",
    "\t",
    "\u{1f}",
    "\u{a0}",
    "\u{200b}",
    "\u{301}",
    "Ⅳ",
    "²",
    "Very important",
    "rather IMPORTANT",
    "Agree strongly",
    "İ",
    "ß",
    "\0",
    "\u{1b}[2J",
];

/// Numbers in the digits of several scripts, from small to too large for any integer.
fn number() -> impl Strategy<Value = String> {
    const ZEROS: [char; 6] = ['0', '٠', '०', '๐', '０', '𝟎'];
    (select(&ZEROS[..]), prop_oneof![6 => 0..12_u64, 2 => 1890..2030_u64, 1 => any::<u64>()]).prop_map(
        |(zero, value)| {
            let digit = |digit: char| char::from_u32(u32::from(zero) + digit.to_digit(10)?);
            value.to_string().chars().filter_map(digit).collect()
        },
    )
}

fn reply() -> impl Strategy<Value = String> {
    let fragment = prop_oneof![
        8 => select(&FRAGMENTS[..]).prop_map(str::to_owned),
        3 => number(),
        1 => any::<String>(),
    ];
    let valid = ["Answer: 2\nAnalysis: They care.", r#"{"answer": "2", "analysis": "They \"care\"."}"#];
    prop_oneof![4 => prop::collection::vec(fragment, 0..24).prop_map(|parts| parts.concat()), 1 => hostile_text(&valid)]
}

/// Questions with words or numbers as labels, with a code 0, with many options, and without options.
fn questions() -> Vec<Question> {
    let codebook = Codebook::built_in();
    let asked = [1, 7, 48, 57, 119, 223, 261, 266, 289].map(|number| QuestionId::new(number).expect("in range"));
    asked.map(|id| codebook.question(id).clone()).to_vec()
}

fn read_all(reply: &str, question: &Question) -> Vec<(Behaviour, Reading)> {
    let read = |behaviour| {
        let (module, single) = bounded(reply.len(), MEMORY, || {
            (read_module_reply(behaviour, reply, question), read_single_reply(behaviour, reply, question))
        });
        [(behaviour, module), (behaviour, single)]
    };
    [Behaviour::Paper, Behaviour::Corrected].into_iter().flat_map(read).collect()
}

fn check(reply: &str, question: &Question) {
    // The tables that the readers share are read once, and are no part of a reply's memory.
    static TABLES: Once = Once::new();
    TABLES.call_once(|| drop(read_module_reply(Behaviour::Corrected, "Respuesta: 2", question)));
    for (behaviour, reading) in read_all(reply, question) {
        assert_ne!(
            reading.answer.is_some(),
            reading.problem.is_some(),
            "expected either an answer or a problem: {reading:?}"
        );
        assert!(reading.analysis.len() <= reply.len(), "the analysis is longer than the reply: {reading:?}");
        let accepted = reading.answer.is_none_or(|code| question.accepts(code));
        assert!(accepted || behaviour == Behaviour::Paper, "{:?} is not an answer to {}", reading.answer, question.id);
    }
}

#[test]
fn fuzz_any_reply_is_an_answer_or_a_problem() {
    fuzz(1, &(reply(), select(questions())), |(reply, question)| check(&reply, &question));
}

#[test]
fn fuzz_repetitive_replies_are_read_in_linear_time() {
    let units = [
        "Answer:",
        "answer ",
        "Answer: [",
        "Answer: 2 or ",
        "**Answer** is ",
        "final answer: x\n",
        "**\n**answer",
        "a ",
        "<think>",
        "</think>",
        "<thinking",
        "{",
        "{\"answer\":[",
        "[",
        "\"",
        "[0,",
        "choose ",
        "not choose 2 ",
        "i'd ",
        "9",
        "٣",
        "9 ",
        "9\n",
        "\n",
        " ",
        "*",
        "“",
        "\u{301}",
        "_",
        "Analysis: ",
        "analysis",
        "Analysis:\nAnswer: ",
        "answer\n\n",
        "- ",
        "1. x\n",
        "Very important ",
        "Very ",
        "(",
        "�",
    ];
    let questions = questions();
    for unit in units {
        for question in [&questions[0], &questions[6]] {
            check(&endless(unit, HOSTILE_BYTES), question);
            check(&format!("{{\"answer\": [{}", endless(unit, HOSTILE_BYTES)), question);
            check(&format!("Answer: x\n{}\nAnswer: 2", endless(unit, HOSTILE_BYTES)), question);
        }
    }
}
