//! What is read from well-formed, sloppy and malicious replies.

use proptest::prelude::*;

use super::*;
use crate::codebook::{Level, OpenValues};
use crate::id::{Code, QuestionId};

const IMPORTANCE: [(i32, &str); 4] =
    [(1, "Very important"), (2, "Rather important"), (3, "Not very important"), (4, "Not at all important")];
const AGREEMENT: [(i32, &str); 4] = [(1, "Agree strongly"), (2, "Agree"), (0, "Neither, nor"), (9, "2-3 times")];
const SCALE: [(i32, &str); 10] =
    [(1, "Never"), (2, "2"), (3, "3"), (4, "4"), (5, "5"), (6, "6"), (7, "7"), (8, "8"), (9, "9"), (10, "Always")];
const YEAR: [(i32, &str); 0] = [];

fn question(options: &[(i32, &str)]) -> Question {
    Question {
        level: Level::Ordinal,
        open: options.is_empty().then_some(OpenValues::Number),
        range: options.is_empty().then_some((1900, 2010)),
        ..Question::example(QuestionId::from_index(0), "How important?", options)
    }
}

fn check(options: &[(i32, &str)], reply: &str, expected: Result<i32, Problem>) {
    let question = question(options);
    for reading in [
        read_module_reply(Behaviour::Corrected, reply, &question),
        read_single_reply(Behaviour::Corrected, reply, &question),
    ] {
        assert_eq!(reading.answer, expected.ok().map(Code), "{reply:?}: {reading:?}");
        assert_eq!(reading.problem, expected.err(), "{reply:?}");
    }
}

#[test]
fn labelled_answers_are_read() {
    for (reply, code) in [
        ("Answer: 2", 2),
        ("**Answer:** [2]\n\n**Analysis:** 3 things", 2),
        ("Answer: **(2)**", 2),
        ("answer = 2", 2),
        ("Answer:\n\n2\n\nAnalysis: x", 2),
        ("### Answer\n2", 2),
        ("Answer - 2", 2),
        ("Answer: - 2", 2),
        ("Answer: Option 2", 2),
        ("Answer: option number #2.", 2),
        ("Answer number: 02", 2),
        ("Answer: Q7: 2", 2),
        ("Answer: Question 7: 2", 2),
        ("Answer: 2️⃣", 2),
        ("Answer: \\boxed{2}", 2),
        ("Answer: rather IMPORTANT.", 2),
        ("Answer: \"Rather important\" (2)", 2),
        ("Answer: Rather important (option 2)", 2),
        ("{'answer': 2, 'analysis': 'They have 3 children'}", 2),
        ("Answer: 2 (Rather important) because of 3 reasons", 2),
        ("Answer: The user would most likely choose option 2, as 4 friends do", 2),
        ("Answer: 2 out of 4", 2),
        ("Answer format: '2: Rather important'", 2),
        ("I will answer as this person, who has 3 children.\nAnswer: 2", 2),
        ("Answer: [option number]\nAnalysis: [your reasoning]\n\nAnswer: 2\nAnalysis: x", 2),
        ("The answer is based on 3 facts. So the answer is 2.", 2),
        ("Analysis: the answer is 3 at first sight.\nAnswer: 2", 2),
        ("Answer: 3\nAnalysis: on second thought\nFinal answer: 2", 2),
        ("1. They care.\n2. They try.\nAnswer: 4", 4),
    ] {
        check(&IMPORTANCE, reply, Ok(code));
    }
}

#[test]
fn answers_without_a_label_are_read() {
    for (reply, code) in [
        ("2", 2),
        (" '2' ", 2),
        ("2. Rather important", 2),
        ("(2) Rather important", 2),
        ("Option 2", 2),
        ("Option 2: Rather important", 2),
        ("Q：Rather important", 2),
        ("Q7: 2", 2),
        ("The user would select 2.", 2),
        ("Rather important\n\nThey have 3 children.", 2),
        ("They have 3 children.\n\n**2: Rather important**", 2),
        ("Given 3 jobs, they would most likely choose option 2 because of 4 things.", 2),
        ("Based on this profile, I would select 'Rather important'.", 2),
        ("They would not choose option 3; they would pick option 2.", 2),
    ] {
        check(&IMPORTANCE, reply, Ok(code));
    }
}

/// Reports of replies that were misread, as a person reads them.
#[test]
fn replies_are_read_as_a_person_reads_them() {
    const MANY: [(i32, &str); 4] = [(1, "Agree strongly"), (2, "Agree"), (3, "Disagree"), (4, "Disagree strongly")];
    for (reply, code) in [
        ("[THINK]Maybe Answer: 1 is too strong.[/THINK]Answer: 2\nAnalysis: x", 2),
        ("<seed:think>Answer: 1</seed:think>Answer: 2", 2),
        ("◁think▷Maybe Answer: 1◁/think▷Answer: 2", 2),
        ("analysisThey might say so. Answer: 1?assistantfinalAnswer: 2\nAnalysis: x", 2),
        (
            "<|channel|>analysis<|message|>Maybe Answer: 1 fits.<|end|><|start|>assistant<|channel|>final<|message|>Answer: 2",
            2,
        ),
        ("Answer: this is about 3 aspects of life.\nAnswer: 2", 2),
        ("Answer: 1\nAnalysis: on reflection I must correct myself.\nAnswer: 2", 2),
        ("Answer: 2/4\nAnalysis: x", 2),
        ("Answer: 2 / 4", 2),
        ("Answer: 2.0\nAnalysis: x", 2),
        ("答案：2\n分析：x", 2),
        ("**Respuesta:** 2\nAnálisis: x", 2),
        ("Réponse : 2", 2),
        ("ОТВЕТ: 2", 2),
        ("الإجابة: ٢", 2),
        ("Trả lời: 2", 2),
        ("답변: 2", 2),
        ("Jawaban: Agree", 2),
        ("Answer: \u{200b}2\nAnalysis: x", 2),
        ("\\boxed{2}", 2),
        ("They lean to agreement, so $\\boxed{2}$", 2),
        ("2</s>", 2),
        ("Answer: two\nAnalysis: x", 2),
        ("Answer: Two.", 2),
        ("Answer: Agree, because it fits\nAnalysis: x", 2),
    ] {
        check(&MANY, reply, Ok(code));
    }
    for (reply, problem) in [
        ("Answer: 1 or 2\nAnalysis: x", Problem::Ambiguous),
        ("Answer: 2/5", Problem::Ambiguous),
        ("Answer: one of the most important things", Problem::NoOption),
        ("I would say the answer is 1. Then again, the answer is 3.", Problem::Ambiguous),
        ("I'm sorry, but I can't help with that.", Problem::Refused),
        ("<|channel|>analysis<|message|>Answer: 2", Problem::Empty),
    ] {
        check(&MANY, reply, Err(problem));
    }
    check(&[(1, "Don't know"), (2, "Can’t say")], "Answer: Can't say", Ok(2));
    check(&[(1, "Don't know"), (2, "Can’t say")], "Answer: Don’t know", Ok(1));
}

#[test]
fn a_reply_without_an_answer_has_a_problem() {
    use Problem::{Ambiguous, Empty, NoOption, NotAnOption, Refused};
    for (reply, problem) in [
        ("", Empty),
        (" \n", Empty),
        ("<think>Answer: 2</think>\n", Empty),
        ("<think>Answer: 2", Empty),
        ("I'm sorry, but I cannot say.", Refused),
        ("I can't answer for 1 person.", Refused),
        ("They care about family.", NoOption),
        ("Answer: [option number]", NoOption),
        ("Answer: not 2", NoOption),
        ("Answer: 2nd", NoOption),
        ("3 things stand out about them.", NoOption),
        ("Answer: 5", NotAnOption),
        ("Answer: -1", NotAnOption),
        ("Answer: −1", NotAnOption),
        ("Answer: 2.5", NotAnOption),
        ("Answer: 2,5", Ambiguous),
        ("Answer: 50%", NotAnOption),
        ("Answer: 99999999999999999999", NotAnOption),
        ("Answer: 2 or 3", Ambiguous),
        ("Answer: 2-3", Ambiguous),
        ("Answer: 2 (Rather important) or maybe 3 (Not very important)", Ambiguous),
        ("Answer: 2: Very important", Ambiguous),
        ("Answer: Very important (2)", Ambiguous),
        ("2\n\nThey care.\n\n3", Ambiguous),
        ("I would choose option 2. But they might choose option 3.", Ambiguous),
        ("1. They care.\n2. They try.", Ambiguous),
    ] {
        check(&IMPORTANCE, reply, Err(problem));
    }
}

#[test]
fn labels_must_match_whole_and_numbers_take_precedence() {
    check(&AGREEMENT, "Agree", Ok(2));
    check(&AGREEMENT, "Answer: Agree strongly", Ok(1));
    check(&AGREEMENT, "Answer: Agree wholly", Err(Problem::NoOption));
    check(&AGREEMENT, "Answer: neither, nor", Ok(0));
    check(&AGREEMENT, "Answer: 2-3 times", Ok(9));
    check(&AGREEMENT, "Answer: 0: Neither, nor", Ok(0));
    check(&SCALE, "Answer: 10", Ok(10));
    check(&SCALE, "Answer: 7 on a scale of 1 to 10", Ok(7));
    check(&SCALE, "5: 5", Ok(5));
    check(&SCALE, "Answer: Always", Ok(10));
    check(&[(1, "Yes"), (2, "Yes")], "Yes", Err(Problem::NoOption));
}

#[test]
fn open_questions_take_the_only_number() {
    check(&YEAR, "Answer: 1973", Ok(1973));
    check(&YEAR, "You were born in 1973.", Ok(1973));
    check(&YEAR, "You were born in 1973 or 1974.", Err(Problem::Ambiguous));
    check(&YEAR, "Answer: 19730", Err(Problem::NotAnOption));
    check(&YEAR, "Answer: 1973 2 children", Ok(1973));
}

#[test]
fn the_analysis_is_read_with_the_answer() {
    let check = |reply: &str, expected: &str| {
        let read = read_module_reply(Behaviour::Corrected, reply, &question(&IMPORTANCE));
        assert_eq!(read.analysis, expected, "{reply:?}");
    };
    check("Answer: 2\nAnalysis: They care.\nA lot.", "They care.\nA lot.");
    check("**Answer:** 2\n**Analysis:** They *care*.", "They *care*.");
    check("Analysis: The answer: family.\nAnswer: 2", "The answer: family.");
    check("Answer: 2\nThey care.", "They care.");
    check("They care.\nAnswer: 2", "They care.");
    check("Answer: 2\nReasoning: They care.", "They care.");
    check("<think>No.</think>Answer：2\nAnalysis：They care.", "They care.");
    check("{\"answer\": \"2\", \"analysis\": \"They \\\"care\\\".\"}", "They \"care\".");
    check("Answer: 7\nAnalysis: They care.", "They care.");
    check("They care.", "");
}

#[test]
fn backstories_lose_their_reasoning_and_refusals_are_seen() {
    let read = |behaviour, text: &str| read_story(behaviour, text.to_owned());
    let check = |text: &str, expected: StoryReading| assert_eq!(read(Behaviour::Corrected, text), expected, "{text}");
    let story = |text: &str| StoryReading::Story(text.to_owned());
    check("<think>The user wants 232 items...</think>\n\nYou were born in 1973.", story("You were born in 1973."));
    check("I'm sorry, but I cannot write about this person.", StoryReading::Refused);
    check("You were born in 1973.\n", story("You were born in 1973.\n"));
    let framed = "Here is the backstory:\n\nYou were born in 1973 ...\n\nLet me know if you want changes!";
    check(framed, story(framed));
    let apologetic = format!("I'm sorry for your loss, they said. {}", "You moved on. ".repeat(60));
    check(&apologetic, story(&apologetic));
    let thought = "<think>Hm.</think>You.";
    assert_eq!(read(Behaviour::Paper, thought), story(thought), "the paper's program keeps what comes");
}

/// Long replies that a careless reader would read in quadratic time.
#[test]
fn long_replies_are_read_in_linear_time() {
    let size = 40_000;
    let before = std::time::Instant::now();
    for piece in [
        "answer: ",
        "answer",
        "Answer:\n",
        "final answer: the the the 5x",
        "1",
        "1 ",
        "1\n",
        "<think>",
        "</think>",
        "[/THINK]",
        "◁think▷",
        "<|channel|>",
        "analysis",
        "assistantfinal",
        "\u{200b}",
        "</s>",
        "答案：",
        "two ",
        "1/",
        "<",
        "{",
        "{\"a\":",
        "[",
        " ",
        "*",
        "choose ",
        "choose option the ",
        "not choose 2 ",
        "very important",
        "analysis ",
        "Analysis:Answer:",
        "-",
        "2 or ",
        "\u{1d7ce}",
        "Q",
    ] {
        let reply = piece.repeat(size / piece.len());
        for options in [&IMPORTANCE[..], &YEAR] {
            for behaviour in [Behaviour::Paper, Behaviour::Corrected] {
                read_module_reply(behaviour, &reply, &question(options));
                read_single_reply(behaviour, &reply, &question(options));
            }
        }
    }
    // Takes about a second without optimisation; quadratic time would take many minutes.
    assert!(before.elapsed().as_secs() < 60, "{:?}", before.elapsed());
}

/// Texts composed of what the readers look for.
fn reply() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "Answer",
        "answer",
        ":",
        "：",
        " ",
        "\n",
        "1",
        "2",
        "10",
        "-",
        ".",
        "3.5",
        "or",
        "**",
        "[",
        "]",
        "{",
        "}",
        "\"",
        "Analysis:",
        "<think>",
        "</think>",
        "[THINK]",
        "<|channel|>final<|message|>",
        "\u{200b}",
        "</s>",
        "Respuesta",
        "two",
        "/4",
        ".0",
        "Q12:",
        "option",
        "choose",
        "not",
        "final",
        "is",
        "٣",
        "３",
        "é",
        "important",
        "Very important",
        "Rather",
        "Agree",
        "_",
        "(",
        ")",
        "’",
        "😀",
        "%",
    ]);
    prop_oneof![prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat()), any::<String>()]
}

const LABELS: [&str; 8] =
    ["Answer: ", "**Answer:** ", "answer： ", "ANSWER = ", "The answer is ", "", "Option ", "Q3: "];
const DECORATIONS: [&str; 11] =
    ["{}", "[{}]", "({})", "**{}**", "'{}'", "`{}`", "{}.", "<{}>", "\"{}\"", "{}:", "# {}"];

proptest! {
    #[test]
    fn any_reply_gives_an_answer_that_the_question_has_or_a_problem(text in reply()) {
        for options in [&IMPORTANCE[..], &AGREEMENT, &SCALE, &YEAR] {
            let question = question(options);
            let module = read_module_reply(Behaviour::Corrected, &text, &question);
            let single = read_single_reply(Behaviour::Corrected, &text, &question);
            prop_assert_eq!((module.answer, module.problem), (single.answer, single.problem));
            prop_assert!(module.answer.is_none_or(|code| question.accepts(code)), "{:?}", module);
            prop_assert_eq!(module.answer.is_none(), module.problem.is_some());
            for reading in [
                read_module_reply(Behaviour::Paper, &text, &question),
                read_single_reply(Behaviour::Paper, &text, &question),
            ] {
                prop_assert_eq!(reading.answer.is_none(), reading.problem.is_some());
                prop_assert!(reading.answer.is_none_or(|code| !code.is_missing()));
            }
        }
    }

    #[test]
    fn a_decorated_answer_is_read_back(
        at in 0_usize..10,
        label in prop::sample::select(LABELS.to_vec()),
        decoration in prop::sample::select(DECORATIONS.to_vec()),
        thought in prop::sample::select(vec!["", "<think>Answer: 9, or 4?</think>\n", "1 or 5?</think>"]),
        after in prop::sample::select(vec!["", "\nAnalysis: all 3 of them care.", "\n\n**Analysis**: Answer 4?"]),
    ) {
        let (code, words) = SCALE[at];
        let question = question(&SCALE);
        for value in [code.to_string(), format!("{code}: {words}"), format!("{code} ({words})")] {
            let reply = format!("{thought}{label}{}{after}", decoration.replace("{}", &value));
            let read = read_module_reply(Behaviour::Corrected, &reply, &question);
            prop_assert_eq!(read.answer, Some(Code(code)), "{}", reply);
        }
    }

    #[test]
    fn paper_behaviour_reads_the_requested_format(code in 0_i32.., why in "[a-z][a-z ]{0,20}") {
        let reply = format!("Answer: {code}\nAnalysis: {why}");
        let read = read_module_reply(Behaviour::Paper, &reply, &question(&SCALE));
        prop_assert_eq!(read, Reading { answer: Some(Code(code)), analysis: why.trim().to_owned(), problem: None, rule: Rule::PaperLabel });
        let single = read_single_reply(Behaviour::Paper, &reply, &question(&SCALE));
        prop_assert_eq!(single.answer, Some(Code(code)));
    }
}
