//! Replies generated from a grammar of the forms in which models answer: the reader finds the code that the grammar put in, and none
//! where it put in none.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::select;
use valuesim_shared::codebook::{Codebook, Question};
use valuesim_shared::id::QuestionId;
use valuesim_shared::method::Behaviour;
use valuesim_shared::reply::{read_module_reply, read_single_reply};

static CODEBOOK: LazyLock<Codebook> = LazyLock::new(Codebook::built_in);

const WORDS: [&str; 11] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

/// Labels before an answer: English in its usual dress, and the word for answer in ten further languages.
const LABELS: [&str; 34] = [
    "Answer: ",
    "Answer:",
    "Answer:\n\n",
    "ANSWER: ",
    "**Answer:** ",
    "**Answer**: ",
    "*Answer:* ",
    "### Answer\n",
    "## Answer: ",
    "- **Answer:** ",
    "> Answer: ",
    "1. Answer: ",
    "Answer = ",
    "Answer：",
    "Answer -> ",
    "Final answer: ",
    "**Final Answer:** ",
    "The answer is ",
    "My answer is: ",
    "So the answer is: ",
    "Answer:\u{a0}",
    "Answer: Option ",
    "Respuesta: ",
    "Resposta: ",
    "Réponse : ",
    "Antwort: ",
    "Ответ: ",
    "الإجابة: ",
    "答案：",
    "答え：",
    "Jawaban: ",
    "답변: ",
    "Cevap: ",
    "Câu trả lời: ",
];

/// What may stand before a labelled answer.
const PREFACES: [&str; 6] = [
    "",
    "Okay, stepping into this user's shoes.\n\n",
    "As this person, who has 3 children, I weigh 2 things.\n\n",
    "1. They care.\n2. They try.\n\n",
    "Cognitive perspective answer: 1\nAffective perspective answer: 2\n\n",
    "Answer: [option number]\nAnalysis: [your reasoning]\n\n",
];

/// What may stand around a value.
const DRESSES: [&str; 14] = [
    "{}",
    "**{}**",
    "*{}*",
    "`{}`",
    "[{}]",
    "({})",
    "\"{}\"",
    "“{}”",
    "'{}'",
    "<{}>",
    "{}.",
    "{} ",
    "$\\boxed{{}}$",
    "__{}__",
];

const ANALYSES: [&str; 7] = [
    "",
    "\nAnalysis: They have 3 children and 2 jobs.",
    "\n\n**Analysis:** On balance, 4 of 5 cues point here.",
    "\n\nAnalysis:\n1. They read 2 papers.\n2. They vote.",
    "\nAnálisis: Confían en 3 de 4 vecinos.",
    "\n\n---\n*Note: 1 of 232 answers was missing.*",
    "\nAnalysis: The cognitive module gave answer 1, the affective module answer 2.",
];

const REMARKS: [&str; 4] = [
    "",
    "\n\nThey have 3 children and 2 jobs.",
    "\n\nThis fits all 9 cues in the profile.",
    "\n\nLet me know if you need more!",
];

/// What a model thinks before it answers, with answers that it drops.
const THOUGHTS: [&str; 5] =
    ["", "They say 3.", "Answer: 1\nor Answer: 9?", "Final answer: 2. Wait.", "\\boxed{4} {\"answer\": 5} 答案：6"];

const INVISIBLE: [&str; 6] = ["", "\u{200b}", "\u{feff}", "\u{2060}\u{200d}", "\u{ad}", "\u{200e}"];

const ENDS: [&str; 9] = [
    "",
    "\n",
    "</s>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|endoftext|>Human: Answer: 1",
    "<|im_end|>\n<|im_start|>user\nAnswer: 2",
    "<｜end▁of▁sentence｜>",
    "<|return|>",
];

/// The questions with options, and a code of each.
fn asked() -> impl Strategy<Value = (&'static Question, usize)> {
    let with_options: Vec<QuestionId> =
        QuestionId::all().filter(|&id| !CODEBOOK.question(id).options.is_empty()).collect();
    (select(with_options), any::<prop::sample::Index>()).prop_map(|(id, index)| {
        let question = CODEBOOK.question(id);
        (question, index.index(question.options.len()))
    })
}

/// The ways to say an option: its number in many forms, its label, or both.
fn values(question: &Question, at: usize) -> Vec<String> {
    let option = &question.options[at];
    let (code, label) = (option.code.0, option.label.as_str());
    let largest = question.options.iter().map(|option| option.code.0).max().expect("it has options");
    let mut values = vec![
        code.to_string(),
        format!("{code}.0"),
        format!("{code}/{largest}"),
        format!("{code} out of {largest}"),
        format!("{code}: {label}"),
        format!("{code}. {label}"),
        format!("{code} – {label}"),
        format!("{code} ({label})"),
        format!("{label} ({code})"),
        format!("Option {code}: {label}"),
        full_width(code),
        label.to_owned(),
        label.to_uppercase(),
        label.replace('\'', "’"),
        label.replace('-', "\u{2011}"),
    ];
    values.extend(usize::try_from(code).ok().and_then(|code| WORDS.get(code)).map(|word| (*word).to_owned()));
    values
}

fn full_width(code: i32) -> String {
    code.to_string().chars().map(|digit| char::from_u32(u32::from(digit) + 0xfee0).expect("a digit")).collect()
}

/// The answer as a model gives it, before reasoning and ends are added.
fn said(question: &'static Question, at: usize) -> impl Strategy<Value = String> {
    let code = question.options[at].code.0;
    let value =
        (select(values(question, at)), select(&DRESSES[..])).prop_map(|(value, dress)| dress.replace("{}", &value));
    let labelled = (select(&PREFACES[..]), select(&LABELS[..]), value.clone(), select(&ANALYSES[..]))
        .prop_map(|(preface, label, value, analysis)| format!("{preface}{label}{value}{analysis}"));
    let bare = (value, select(&REMARKS[..])).prop_map(|(value, remark)| format!("{value}{remark}"));
    let last = (select(&LABELS[..]), Just(code), "They [a-z ]{3,20}, having 3 jobs and 1 car\\.")
        .prop_map(|(label, code, before)| format!("Analysis: {before}\n\n{label}{code}"));
    let json = select(vec![
        format!("{{\"answer\": {code}, \"analysis\": \"They have 3 children.\"}}"),
        format!("```json\n{{\n  \"answer\": \"{code}\",\n  \"analysis\": \"Answer: 3?\"\n}}\n```"),
        format!("{{\"final_answer\": \"{code}\"}}"),
    ]);
    let boxed = Just(format!("On balance they would be here.\n\n$\\boxed{{{code}}}$"));
    let spoken = select(vec![
        format!("They would most likely choose option {code} because of their job."),
        format!("I would rate this {code}."),
        format!("I'd answer **{code}**, as this person."),
    ]);
    prop_oneof![8 => labelled, 3 => bare, 2 => last, 1 => json, 1 => boxed, 1 => spoken]
}

/// A reply with its reasoning, as servers hand it through.
fn with_reasoning(said: String) -> impl Strategy<Value = String> {
    let tags = select(vec![
        ("<think>\n", "\n</think>\n\n"),
        ("<thinking>", "</thinking>"),
        ("[THINK]", "[/THINK]"),
        ("<seed:think>", "</seed:think>"),
        ("◁think▷", "◁/think▷"),
        ("<|begin_of_thought|>", "<|end_of_thought|>"),
        ("", "</think>\n"),
        ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
        ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>"),
        ("analysis", "assistantfinal"),
    ]);
    let thought = (tags, select(&THOUGHTS[..])).prop_map(|((open, close), thought)| format!("{open}{thought}{close}"));
    (prop_oneof![Just(String::new()), thought], select(&INVISIBLE[..]), select(&ENDS[..]))
        .prop_map(move |(reasoning, hidden, end)| format!("{reasoning}{hidden}{said}{hidden}{end}"))
}

fn reply() -> impl Strategy<Value = (&'static Question, i32, String)> {
    asked().prop_flat_map(|(question, at)| {
        let code = question.options[at].code.0;
        said(question, at).prop_flat_map(with_reasoning).prop_map(move |reply| (question, code, reply))
    })
}

/// Sentences that name an option, by number or label, and say that it is not the answer, or that nobody knows. `{}` is the option.
const REJECTIONS: [&str; 18] = [
    "They would certainly not choose {}.",
    "They would not under any circumstances pick {}.",
    "They wouldn’t say {}.",
    "As this person they would rule out {}.",
    "They would avoid {}.",
    "They would reject {}",
    "I don't think they would select {}.",
    "I doubt that they would choose {}.",
    "I’m not sure that they would answer {}.",
    "It is unlikely that they would pick {}.",
    "Nobody like them would choose {}.",
    "It would be wrong to choose {}.",
    "It is hard to say whether they would choose {}.",
    "The least likely option: {}",
    "The answer is not {}.",
    "My answer would not be {}.",
    "They would choose anything except {}.",
    "Not {}.",
];

/// Ends of replies whose number counts something else than an answer.
const COUNTS: [&str; 8] = [
    "Confidence level: {}",
    "Confidence: {}",
    "**Confidence:** {}",
    "Confidence → {}",
    "Word count: {}",
    "They live with their children ({}).",
    "Their children are around {}.",
    "I would rate my confidence in this as a {}.",
];

/// Replies that name options and give no answer.
fn unanswered() -> impl Strategy<Value = (&'static Question, String)> {
    asked().prop_flat_map(|(question, at)| {
        let code = question.options[at].code.0;
        let number = format!("option {code}");
        let full = format!("option {code}: {}", question.options[at].label);
        let rejected = (select(&REJECTIONS[..]), select(vec![code.to_string(), number, full]))
            .prop_map(|(sentence, option)| sentence.replace("{}", &option));
        let counted = (select(&COUNTS[..]), 0_i32..12).prop_map(|(end, number)| {
            format!("They have mixed feelings here.\n{}", end.replace("{}", &number.to_string()))
        });
        let listed =
            select(vec!["{}: {label}", "{}. {label}", "Option {}: {label}", "选项{}：{label}", "Antwort {}: {label}"])
                .prop_map(|item| list(question, item));
        (Just(question), prop_oneof![3 => rejected, 2 => counted, 1 => listed])
    })
}

/// All options of a question, each on a line.
fn list(question: &Question, item: &str) -> String {
    let lines = question
        .options
        .iter()
        .map(|option| item.replace("{}", &option.code.0.to_string()).replace("{label}", &option.label));
    lines.collect::<Vec<_>>().join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn the_code_of_a_generated_reply_is_read((question, code, reply) in reply()) {
        for read in [read_module_reply, read_single_reply] {
            let reading = read(Behaviour::Corrected, &reply, question);
            let answer = reading.answer.map(|code| code.0);
            prop_assert_eq!(answer, Some(code), "{} {:?} {:?}", question.id, reading, reply);
        }
    }

    #[test]
    fn no_code_is_read_where_none_is_given((question, reply) in unanswered()) {
        for read in [read_module_reply, read_single_reply] {
            let reading = read(Behaviour::Corrected, &reply, question);
            prop_assert_eq!(reading.answer, None, "{} {:?} {:?}", question.id, reading, reply);
        }
    }
}

/// `VALUESIM_FUZZ_CASES` replies, or a number that takes a second.
fn cases() -> u32 {
    std::env::var("VALUESIM_FUZZ_CASES").map_or(2_000, |cases| cases.parse().expect("a number of cases"))
}
