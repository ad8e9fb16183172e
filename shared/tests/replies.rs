//! Replies in the manner of present models are read as a person reads them.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};
use valuesim_shared::codebook::Codebook;
use valuesim_shared::id::QuestionId;
use valuesim_shared::method::Behaviour;
use valuesim_shared::reply::{Problem, read_module_reply, read_single_reply};

/// A line of the fixture.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    question: String,
    model: String,
    /// The code, "refused" or "invalid".
    right: Value,
    reply: String,
}

fn replies() -> Vec<Line> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/replies.jsonl");
    let text = std::fs::read_to_string(file).expect("the fixture can be read");
    text.lines().map(|line| serde_json::from_str(line).expect("a reply")).collect()
}

#[test]
fn all_replies_are_read_as_a_person_reads_them() {
    let codebook = Codebook::built_in();
    let mut wrong = Vec::new();
    for Line { question, model, right, reply } in replies() {
        let question = codebook.question(question.parse::<QuestionId>().expect("a question"));
        for read in [read_module_reply, read_single_reply] {
            let reading = read(Behaviour::Corrected, &reply, question);
            let found = match (reading.answer, reading.problem) {
                (Some(code), _) => json!(code.0),
                (None, Some(Problem::Refused)) => json!("refused"),
                (None, _) => json!("invalid"),
            };
            if found != right {
                wrong.push(format!("{model} {} {right}, read {found} by {:?}: {reply:?}", question.id, reading.rule));
            }
        }
    }
    assert!(wrong.is_empty(), "{} readings are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_replies_are_of_many_models_and_questions() {
    let replies = replies();
    let count = |by: fn(&Line) -> &str| replies.iter().map(by).collect::<std::collections::BTreeSet<_>>().len();
    assert!(replies.len() >= 300, "{} replies", replies.len());
    assert!(count(|reply| &reply.model) >= 7);
    assert!(count(|reply| &reply.question) >= 150);
    assert!(replies.iter().filter(|reply| reply.right == "invalid").count() >= 30);
}
