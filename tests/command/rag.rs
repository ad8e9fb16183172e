//! The method `rag`: what is embedded and when, how unusable embeddings are reported, and how such a run resumes.

use serde_json::{Value, json};
use valuesim_simulator::provider::ProviderOptions;

use crate::support::sandbox::{CommandOutput, Sandbox, read};
use crate::support::simulated::Simulated;
use crate::support::vectors::{VectorServer, response, sound, vector};

/// One respondent and one fold of a small synthetic survey.
const ABOUT: [&str; 9] = ["run", "--synthetic", "60", "--users", "1", "--folds", "1", "--methods", "rag"];

/// Runs `rag` with a model and embeddings at these addresses.
fn run(sandbox: &Sandbox, model: &Simulated, embeddings: &VectorServer, more: &[&str]) -> CommandOutput {
    let all = arguments(&model.base_url(), &embeddings.base_url(), more);
    sandbox.run(&all.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The arguments of such a run.
fn arguments(model: &str, embeddings: &str, more: &[&str]) -> Vec<String> {
    let whom = ["--model", "m", "--base-url", model, "--embeddings-model", "e", "--embeddings-base-url", embeddings];
    ABOUT.iter().chain(&whom).chain(more).map(|&argument| argument.to_owned()).collect()
}

#[test]
fn each_text_is_embedded_once_for_a_run_and_the_retrieval_is_shown() {
    let (sandbox, provider) = (Sandbox::new(), Simulated::start(ProviderOptions::default()));
    let url = provider.base_url();
    let embeddings = ["--embeddings-model", "e", "--embeddings-base-url", &url];
    let two = ["run", "--synthetic", "60", "--users", "2", "--methods", "rag", "--model", "m", "--base-url", &url];
    let output = sandbox.run(&[&two[..], &embeddings].concat()).expect_success();
    let stats = provider.stats();
    assert_eq!(stats.calls["rag"], 2 * 280);
    let texts = output.stderr.lines().find_map(|line| line.split("embeddings of ").nth(1)).unwrap();
    let texts: u64 = texts.split(' ').next().unwrap().parse().unwrap();
    assert_eq!(stats.embedded_texts, texts, "each distinct text once");
    assert_eq!(stats.calls["other"], 0, "the simulator recognizes the prompt");
    let folder = sandbox.run_folder("runs");
    let results: Value = serde_json::from_str(&read(&folder, "results.json")).unwrap();
    assert_eq!(results["spend"][1]["stages"]["embeddings"]["answered"], stats.calls["embeddings"]);
    let run = folder.file_name().unwrap().to_str().unwrap();
    sandbox.run(&["verify", run, "--complete"]).expect_success();
    let exported = sandbox.run(&["export", run, "--format", "jsonl"]).expect_success();
    let respondent = exported.events()[0]["respondent"].to_string();
    let shown = sandbox.run(&["show", run, &respondent, "--json"]).expect_success();
    for question in shown.events().iter().flat_map(|cell| cell["questions"].as_array().unwrap()) {
        let retrieved = question["retrieved"].as_array().unwrap();
        assert!((1..=3).contains(&retrieved.len()), "{question}");
    }
    let text = sandbox.run(&["show", run, &respondent, "Q63"]).expect_success().stdout;
    assert!(text.contains("\nretrieved [similarity: 0.") && text.contains("prediction of rag: "), "{text}");
}

#[test]
fn an_experiment_without_embeddings_is_refused_at_the_start() {
    let sandbox = Sandbox::new();
    let arguments = [&ABOUT[..], &["--model", "m", "--base-url", "http://127.0.0.1:9/v1"]].concat();
    let output = sandbox.run(&arguments).expect_code(2);
    assert!(output.stderr.contains("`rag` retrieves with embeddings") && output.stderr.contains("--embeddings-model"));
    assert!(!sandbox.path("runs").exists(), "no run was started");
}

/// Runs with embeddings by a rule, and checks the exit code, the error, and that the model received no call.
#[track_caller]
fn refuse(rule: fn(&[String], usize) -> (u16, String), expected: &str) {
    let (sandbox, model) = (Sandbox::new(), Simulated::start(ProviderOptions::default()));
    let embeddings = VectorServer::start(rule);
    let output = run(&sandbox, &model, &embeddings, &["--embeddings-batch", "400"]).expect_code(2);
    assert!(output.stderr.contains(expected), "{expected:?} is not in\n{}", output.stderr);
    assert_eq!(model.stats().requests, 0);
}

#[test]
fn unusable_vectors_are_reported() {
    refuse(
        |texts, _| response(texts.iter().map(|_| json!([null]))),
        "embeddings \"e\": the response has no usable embeddings",
    );
    refuse(|_, _| response([]), "it has 0 vectors for");
    refuse(|texts, _| response(texts.iter().map(|_| json!("AACAPw=="))), "base64, which was not asked for");
    refuse(
        |texts, _| (200, response(texts.iter().map(|_| json!([7.25]))).1.replace("7.25", "NaN")),
        "no usable embeddings",
    );
    refuse(|_, _| (200, "<html>hello</html>".to_owned()), "they must name a model of an embeddings API");
    refuse(
        |_, _| (404, json!({"error": {"message": "no such model"}}).to_string()),
        "check the name and the base URL of the embeddings",
    );
}

#[test]
fn vectors_of_another_length_stop_the_run_and_earlier_ones_are_kept() {
    let (sandbox, model) = (Sandbox::new(), Simulated::start(ProviderOptions::default()));
    let one_in_flight = ["--embeddings-batch", "100", "--embeddings-calls-in-flight", "1"];
    let changing = VectorServer::start(|texts, before| {
        response(texts.iter().map(|text| if before == 1 { json!([1, 2]) } else { json!(vector(text)) }))
    });
    let output = run(&sandbox, &model, &changing, &one_in_flight).expect_code(1);
    assert!(
        output.stderr.contains("a vector has 2 numbers, and earlier ones of this run have 16"),
        "{}",
        output.stderr
    );
    assert!(sandbox.run_folder("runs").join("embeddings.bin").exists(), "the first hundred are kept");
}

#[test]
fn a_refused_key_is_a_users_mistake_and_the_run_resumes_once_it_is_corrected() {
    let (sandbox, model) = (Sandbox::new(), Simulated::start(ProviderOptions::default()));
    let embeddings = VectorServer::with_key(sound, Some("sk-the-right-one"));
    let key = ["--embeddings-api-key-env", "OUR_KEY"];
    let all = arguments(&model.base_url(), &embeddings.base_url(), &key);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let missing = sandbox.run(&all).expect_code(2);
    assert!(missing.stderr.contains("embeddings \"e\" needs a key") && missing.stderr.contains("OUR_KEY"));
    let wrong = sandbox.run_with(("OUR_KEY", "sk-the-wrong-one"), &all).expect_code(2);
    assert!(wrong.stderr.contains("embeddings \"e\": the provider refused the key (401)"), "{}", wrong.stderr);
    assert!(!wrong.stderr.contains("sk-the-wrong-one"), "{}", wrong.stderr);
    sandbox.run_with(("OUR_KEY", "sk-the-right-one"), &all).expect_success();
}

#[test]
fn a_resumed_run_embeds_only_what_is_missing() {
    let (sandbox, model) = (Sandbox::new(), Simulated::start(ProviderOptions::default()));
    let some = ["--embeddings-batch", "50", "--embeddings-calls-in-flight", "1"];
    // The credits run out at the fourth request and are back at the next one.
    let embeddings = VectorServer::start(|texts, before| match before {
        3 => (402, json!({"error": {"message": "no credits"}}).to_string()),
        _ => sound(texts, before),
    });
    let broke_off = run(&sandbox, &model, &embeddings, &some).expect_code(1);
    assert!(broke_off.stderr.contains("no credits"), "{}", broke_off.stderr);
    run(&sandbox, &model, &embeddings, &some).expect_success();
    let texts = embeddings.texts();
    let again = texts.values().filter(|&&times| times > 1).count();
    assert_eq!(again, 50, "only the texts of the request that failed are sent again");
    let before = embeddings.requests();
    run(&sandbox, &model, &embeddings, &some).expect_success();
    assert_eq!(embeddings.requests(), before, "a finished run embeds nothing");
    let results: Value = serde_json::from_str(&read(&sandbox.run_folder("runs"), "results.json")).unwrap();
    let spend = &results["spend"][1]["stages"]["embeddings"];
    assert_eq!(spend["requests"], before, "all requests are counted, of both attempts");
    assert_eq!(spend["failed"], 1);
}

#[test]
fn a_batch_that_is_too_long_for_one_request_is_sent_in_parts() {
    let (sandbox, model) = (Sandbox::new(), Simulated::start(ProviderOptions::default()));
    let embeddings = VectorServer::start(|texts, before| match texts.len() {
        ..=20 => sound(texts, before),
        _ => (413, json!({"error": {"message": "too many texts"}}).to_string()),
    });
    run(&sandbox, &model, &embeddings, &["--embeddings-batch", "64"]).expect_success();
    assert_eq!(model.stats().calls["rag"], 54);
}

#[test]
fn damaged_vectors_are_not_used() {
    let (sandbox, model) = (Sandbox::new(), Simulated::start(ProviderOptions::default()));
    let embeddings = VectorServer::start(sound);
    run(&sandbox, &model, &embeddings, &[]).expect_success();
    let (folder, file) = (sandbox.run_folder("runs"), sandbox.run_folder("runs").join("embeddings.bin"));
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let run = folder.file_name().unwrap().to_str().unwrap();
    let verified = sandbox.run(&["verify", run]).expect_code(1);
    assert!(verified.stdout.contains("WRONG  embeddings") && verified.stdout.contains("its checksum is wrong"));
    let shown = sandbox.run(&["show", run, "1"]);
    assert!(shown.stderr.contains("remove it to have its texts embedded again"), "{}", shown.stderr);
}
