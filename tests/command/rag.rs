//! The method `rag`: what is embedded and when, what is said of embeddings that cannot be used, and how such a run resumes.

use serde_json::{Value, json};
use valuesim_simulator::provider::ProviderOptions;

use crate::support::place::{Ended, Place, read};
use crate::support::simulated::Simulated;
use crate::support::vectors::{VectorServer, response, sound, vector};

/// One respondent and one fold of a small synthetic survey.
const ABOUT: [&str; 9] = ["run", "--synthetic", "60", "--users", "1", "--folds", "1", "--methods", "rag"];

/// Runs `rag` with a model and embeddings at these addresses.
fn run(place: &Place, model: &Simulated, embeddings: &VectorServer, more: &[&str]) -> Ended {
    let all = arguments(&model.base_url(), &embeddings.base_url(), more);
    place.run(&all.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The arguments of such a run.
fn arguments(model: &str, embeddings: &str, more: &[&str]) -> Vec<String> {
    let whom = ["--model", "m", "--base-url", model, "--embeddings-model", "e", "--embeddings-base-url", embeddings];
    ABOUT.iter().chain(&whom).chain(more).map(|&argument| argument.to_owned()).collect()
}

#[test]
fn each_text_is_embedded_once_for_a_run_and_the_retrieval_is_shown() {
    let (place, provider) = (Place::new(), Simulated::start(ProviderOptions::default()));
    let url = provider.base_url();
    let embeddings = ["--embeddings-model", "e", "--embeddings-base-url", &url];
    let two = ["run", "--synthetic", "60", "--users", "2", "--methods", "rag", "--model", "m", "--base-url", &url];
    let ended = place.run(&[&two[..], &embeddings].concat()).well();
    let stats = provider.stats();
    assert_eq!(stats.calls["rag"], 2 * 290);
    let texts = ended.stderr.lines().find_map(|line| line.split("embeddings of ").nth(1)).unwrap();
    let texts: u64 = texts.split(' ').next().unwrap().parse().unwrap();
    assert_eq!(stats.embedded_texts, texts, "each distinct text once");
    assert_eq!(stats.calls["other"], 0, "the simulated person knows the prompt");
    let folder = place.run_folder("runs");
    let results: Value = serde_json::from_str(&read(&folder, "results.json")).unwrap();
    assert_eq!(results["spend"][1]["stages"]["embeddings"]["answered"], stats.calls["embeddings"]);
    let run = folder.file_name().unwrap().to_str().unwrap();
    place.run(&["verify", run, "--complete"]).well();
    let exported = place.run(&["export", run, "--format", "jsonl"]).well();
    let respondent = exported.events()[0]["respondent"].to_string();
    let shown = place.run(&["show", run, &respondent, "--json"]).well();
    for question in shown.events().iter().flat_map(|cell| cell["questions"].as_array().unwrap()) {
        let retrieved = question["retrieved"].as_array().unwrap();
        assert!((1..=3).contains(&retrieved.len()), "{question}");
    }
    let text = place.run(&["show", run, &respondent, "Q63"]).well().stdout;
    assert!(text.contains("\nretrieved [similarity: 0.") && text.contains("prediction of rag: "), "{text}");
}

#[test]
fn an_experiment_without_embeddings_is_refused_before_anything_is_begun() {
    let place = Place::new();
    let arguments = [&ABOUT[..], &["--model", "m", "--base-url", "http://127.0.0.1:9/v1"]].concat();
    let ended = place.run(&arguments).with_code(2);
    assert!(ended.stderr.contains("`rag` retrieves with embeddings") && ended.stderr.contains("--embeddings-model"));
    assert!(!place.path("runs").exists(), "no run was begun");
}

/// Runs with embeddings by a rule, and checks what is said of them; no call is made to the model.
#[track_caller]
fn refuse(rule: fn(&[String], usize) -> (u16, String), expected: &str) {
    let (place, model) = (Place::new(), Simulated::start(ProviderOptions::default()));
    let embeddings = VectorServer::start(rule);
    let ended = run(&place, &model, &embeddings, &["--embeddings-batch", "400"]);
    assert_ne!(ended.code, Some(0));
    assert!(ended.stderr.contains(expected), "{expected:?} is not in\n{}", ended.stderr);
    assert_eq!(model.stats().requests, 0);
}

#[test]
fn vectors_that_cannot_be_used_are_named() {
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
fn vectors_of_another_length_stop_the_run_and_what_came_before_is_kept() {
    let (place, model) = (Place::new(), Simulated::start(ProviderOptions::default()));
    let one_in_flight = ["--embeddings-batch", "100", "--embeddings-calls-in-flight", "1"];
    let changing = VectorServer::start(|texts, before| {
        response(texts.iter().map(|text| if before == 1 { json!([1, 2]) } else { json!(vector(text)) }))
    });
    let ended = run(&place, &model, &changing, &one_in_flight).with_code(1);
    assert!(ended.stderr.contains("a vector has 2 numbers, and earlier ones of this run have 16"), "{}", ended.stderr);
    assert!(place.run_folder("runs").join("embeddings.bin").exists(), "the first hundred are kept");
}

#[test]
fn a_key_that_is_refused_is_the_users_to_correct_and_the_run_then_resumes() {
    let (place, model) = (Place::new(), Simulated::start(ProviderOptions::default()));
    let embeddings = VectorServer::with_key(sound, Some("sk-the-right-one"));
    let key = ["--embeddings-api-key-env", "OUR_KEY"];
    let all = arguments(&model.base_url(), &embeddings.base_url(), &key);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let missing = place.run(&all).with_code(2);
    assert!(missing.stderr.contains("embeddings \"e\" needs a key") && missing.stderr.contains("OUR_KEY"));
    let wrong = place.run_with(("OUR_KEY", "sk-the-wrong-one"), &all).with_code(2);
    assert!(wrong.stderr.contains("embeddings \"e\": the provider refused the key (401)"), "{}", wrong.stderr);
    assert!(!wrong.stderr.contains("sk-the-wrong-one"), "{}", wrong.stderr);
    place.run_with(("OUR_KEY", "sk-the-right-one"), &all).well();
}

#[test]
fn a_run_that_broke_off_embeds_only_what_is_missing() {
    let (place, model) = (Place::new(), Simulated::start(ProviderOptions::default()));
    let some = ["--embeddings-batch", "50", "--embeddings-calls-in-flight", "1"];
    // It has no money left after three requests, and money again once somebody looked.
    let embeddings = VectorServer::start(|texts, before| match before {
        3 => (402, json!({"error": {"message": "no credits"}}).to_string()),
        _ => sound(texts, before),
    });
    let broke_off = run(&place, &model, &embeddings, &some).with_code(1);
    assert!(broke_off.stderr.contains("no credits"), "{}", broke_off.stderr);
    run(&place, &model, &embeddings, &some).well();
    let texts = embeddings.texts();
    let again = texts.values().filter(|&&times| times > 1).count();
    assert_eq!(again, 50, "only the texts of the request that failed are sent again");
    let before = embeddings.requests();
    run(&place, &model, &embeddings, &some).well();
    assert_eq!(embeddings.requests(), before, "a finished run embeds nothing");
    let results: Value = serde_json::from_str(&read(&place.run_folder("runs"), "results.json")).unwrap();
    let spend = &results["spend"][1]["stages"]["embeddings"];
    assert_eq!(spend["requests"], before, "all requests are counted, of both attempts");
    assert_eq!(spend["failed"], 1);
}

#[test]
fn a_batch_that_is_too_long_for_one_request_is_sent_in_parts() {
    let (place, model) = (Place::new(), Simulated::start(ProviderOptions::default()));
    let embeddings = VectorServer::start(|texts, before| match texts.len() {
        ..=20 => sound(texts, before),
        _ => (413, json!({"error": {"message": "too many texts"}}).to_string()),
    });
    run(&place, &model, &embeddings, &["--embeddings-batch", "64"]).well();
    assert_eq!(model.stats().calls["rag"], 58);
}

#[test]
fn kept_vectors_that_are_damaged_are_not_used() {
    let (place, model) = (Place::new(), Simulated::start(ProviderOptions::default()));
    let embeddings = VectorServer::start(sound);
    run(&place, &model, &embeddings, &[]).well();
    let (folder, file) = (place.run_folder("runs"), place.run_folder("runs").join("embeddings.bin"));
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let run = folder.file_name().unwrap().to_str().unwrap();
    let verified = place.run(&["verify", run]).with_code(1);
    assert!(verified.stdout.contains("WRONG  embeddings") && verified.stdout.contains("its checksum is wrong"));
    let shown = place.run(&["show", run, "1"]);
    assert!(shown.stderr.contains("remove it to have its texts embedded again"), "{}", shown.stderr);
}
