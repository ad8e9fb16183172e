//! `valuesim parse`: how replies are read, and why.

use crate::support::sandbox::Sandbox;

const REPLIES: &str = "Q1\tAnswer: 2\tAnalysis: they care.
Q1\t<think>Answer: 1?</think>\u{200b}Answer: 3</s>\u{1b}[2J

Q49\tI would choose 7, or rather I would pick 8.
{\"question\": \"Q1\", \"reply\": \"They care.\\nFinal answer: 1\", \"model\": \"m\", \"right\": 1}
{\"question\": \"Q1\", \"reply\": \"I'm sorry, but I can't.\", \"model\": \"m\", \"right\": \"invalid\"}
";

#[test]
fn each_reply_is_shown_with_what_decided() {
    let sandbox = Sandbox::new();
    sandbox.write("replies.txt", REPLIES);
    let shown = sandbox.run(&["parse", "replies.txt"]).expect_code(1);
    assert_eq!(shown.stderr, "");
    insta::assert_snapshot!("parse", shown.stdout);
}

#[test]
fn machines_get_an_object_for_each_reply_and_a_summary() {
    let sandbox = Sandbox::new();
    sandbox.write("replies.txt", REPLIES);
    let shown = sandbox.run(&["parse", "replies.txt", "--json"]).expect_code(1);
    assert!(!shown.stdout.contains('\u{1b}'), "{}", shown.stdout);
    let objects = shown.events();
    assert_eq!(objects.len(), 6);
    assert_eq!(objects[1]["line"], 2);
    assert_eq!(objects[1]["answer"], 3);
    assert_eq!(objects[1]["removed"][1]["text"], "<think>Answer: 1?</think>");
    assert_eq!(objects[2]["problem"], "ambiguous");
    assert_eq!(objects[5]["summary"]["as_expected"], 1);
    assert_eq!(objects[5]["by_model"]["m"]["refused"], 1);
    assert_eq!(objects[5]["by_rule"]["final_label"], 1);
}

#[test]
fn bare_replies_are_about_the_question_that_is_given() {
    let sandbox = Sandbox::new();
    sandbox.write("replies.txt", "Answer: 2\nIt is 3 things\n");
    let codes = |behaviour: &str, kind: &str| {
        let flags = ["--question", "Q1", "--json", "--behaviour", behaviour, "--kind", kind];
        let shown = sandbox.run(&[&["parse", "replies.txt"], &flags[..]].concat()).expect_success();
        shown.events()[..2].iter().map(|object| object["answer"].as_i64()).collect::<Vec<_>>()
    };
    assert_eq!(codes("corrected", "module"), [Some(2), None]);
    assert_eq!(codes("paper", "module"), [Some(2), None]);
    assert_eq!(codes("paper", "single"), [Some(2), Some(3)]);
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_line() {
    let sandbox = Sandbox::new();
    let check = |content: &[u8], expected: &[&str]| {
        sandbox.write("replies.txt", content);
        sandbox.run(&["parse", "replies.txt"]).expect_code(2).check_error(expected);
    };
    check(b"Q1\t2\nQ300\t2\n", &["replies.txt, line 2", "unknown question \"Q300\": expected Q1 to Q290"]);
    check(b"Answer: \x1b[2J", &["line 1", "\\u{1b}[2J", "names no question", "--question"]);
    check(b"{\"question\": \"Q1\", \"reply\": 2}", &["line 1", "expected a JSON object", "invalid type"]);
    check(b"Q1\t2\nQ2\t\xff\n", &["replies.txt, line 2: not UTF-8"]);
    check(b"", &["replies.txt has no replies"]);
    sandbox.run(&["parse", "none.txt"]).expect_code(2).check_error(&["read replies from none.txt"]);
    sandbox.run(&["parse", "none.txt", "--question", "57"]).expect_code(2).check_error(&["expected Q1 to Q290"]);
    sandbox.run(&["parse", "none.txt", "--kind", "story"]).expect_code(2).check_error(&["module", "single"]);
    sandbox.run(&["parse", "none.txt", "--behaviour", "x"]).expect_code(2).check_error(&["`paper` or `corrected`"]);
}
