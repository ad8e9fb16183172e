//! With behaviour `paper` and the reference's question files, prompts equal the reference's, byte for byte.
//!
//! The expected prompts come from an independent implementation, `tests/fixtures/reference/make.py`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::fixture;
use crate::support::recorder::Recorder;
use crate::support::reply_rule::{self, Asked};
use crate::support::sandbox::Sandbox;
use crate::support::survey::SurveyFile;
use crate::support::vectors::{self, VectorServer};

/// The names of the stages in the fixture.
const STAGES: [(Asked, &str); 7] = [
    (Asked::Story, "story"),
    (Asked::Module, "module"),
    (Asked::Coordinator, "coordinator"),
    (Asked::FullInfo, "full_info"),
    (Asked::NoCab, "no_cab"),
    (Asked::NoProfile, "no_profile"),
    (Asked::Rag, "rag"),
];

/// All methods that ask a model. `average` adds no prompt.
const METHODS: &str =
    "valuesim,full-info,rag,no-cab,no-story,no-cognitive,no-affective,no-behavioral,average,no-profile,combined";

#[test]
fn the_prompts_of_a_respondent_equal_the_references_byte_for_byte() {
    let sandbox = Sandbox::new();
    sandbox.write("survey.csv", respondent().text());
    let (provider, embeddings) = (Recorder::start(reply_rule::reply), VectorServer::start(vectors::sound));
    let expected = fixture::json("reference/prompts.json");
    for (fold, expected) in (1..).zip(expected.as_array().unwrap()) {
        run_fold(&sandbox, &provider, &embeddings, fold);
        let requests = provider.take();
        let arrived = by_stage(requests.iter().map(prompt));
        for (asked, name) in STAGES {
            let expected: Vec<&str> =
                expected[name].as_array().unwrap().iter().map(|hash| hash.as_str().unwrap()).collect();
            assert_eq!(arrived[&asked], expected, "fold {fold}, {name}");
        }
    }
}

fn run_fold(sandbox: &Sandbox, provider: &Recorder, embeddings: &VectorServer, fold: u8) {
    let (fold, url, codebook) = (fold.to_string(), provider.base_url(), fixture::path("reference/questions.json"));
    let data = ["run", "--survey", "survey.csv", "--codebook", codebook.to_str().unwrap(), "--respondents", "1"];
    let method = ["--behaviour", "paper", "--folds", &fold, "--methods", METHODS, "--model", "m", "--base-url", &url];
    let embedded = ["--embeddings-model", "e", "--embeddings-base-url", &embeddings.base_url()];
    sandbox.run(&[&data[..], &method, &embedded].concat()).expect_success();
}

/// The respondent of the fixture as a survey file.
fn respondent() -> SurveyFile {
    let codes = fixture::json("reference/respondent.json");
    let answers = codes.as_object().unwrap();
    answers.iter().fold(SurveyFile::of(1), |file, (question, code)| file.with(2, question, &code.to_string()))
}

/// The prompt of a request, which must be one user message at temperature 0 and nothing else.
fn prompt(request: &Value) -> &str {
    let fields: Vec<&str> = request.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["messages", "model", "temperature"]);
    assert_eq!((&request["model"], request["temperature"].as_f64()), (&Value::from("m"), Some(0.0)));
    let [message] = request["messages"].as_array().unwrap().as_slice() else {
        panic!("expected one message: {request}")
    };
    let prompt = message["content"].as_str().unwrap();
    assert_eq!(*message, serde_json::json!({"role": "user", "content": prompt}));
    prompt
}

/// The sorted hashes of the prompts, by what they ask for.
fn by_stage<'a>(prompts: impl Iterator<Item = &'a str>) -> BTreeMap<Asked, Vec<String>> {
    let mut stages: BTreeMap<Asked, Vec<String>> = STAGES.map(|(asked, _)| (asked, Vec::new())).into();
    for prompt in prompts {
        stages.entry(reply_rule::asked(prompt)).or_default().push(reply_rule::sha256(prompt));
    }
    for hashes in stages.values_mut() {
        hashes.sort_unstable();
    }
    stages
}
