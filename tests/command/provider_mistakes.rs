//! Keys, models and addresses that a provider does not take: what is said, with the exit code for a user's mistake.

use secrecy::SecretString;
use valuesim_simulator::provider::ProviderOptions;

use crate::support::place::{Ended, Place};
use crate::support::simulated::Simulated;

const KEY: (&str, &str) = ("OUR_KEY", "sk-the-wrong-one");

/// Asks `model` of the provider with a key, and checks what is said; the key is not.
#[track_caller]
fn check(provider: &Simulated, model: &str, expected: &[&str]) {
    let url = provider.base_url();
    let who = ["run", "--synthetic", "60", "--users", "2", "--folds", "1"];
    let whom = ["--model", model, "--base-url", &url, "--api-key-env", KEY.0];
    let ended = Place::new().run_with(KEY, &[&who[..], &whom].concat()).with_code(2);
    says(&ended, expected);
    assert!(!ended.stderr.contains(KEY.1), "{}", ended.stderr);
}

#[track_caller]
fn says(ended: &Ended, expected: &[&str]) {
    for part in expected {
        assert!(ended.stderr.contains(part), "{part:?} is not in\n{}", ended.stderr);
    }
    assert_eq!(ended.stdout, "");
}

#[test]
fn no_key() {
    let place = Place::new();
    let arguments = ["run", "--synthetic", "60", "--users", "2", "--model", "gpt-3.5-turbo"];
    let expected = ["model \"gpt-3.5-turbo\" needs a key", "OPENAI_API_KEY", "--api-key-env", "--api-key-file"];
    says(&place.run(&arguments).with_code(2), &expected);
    assert!(!place.path("runs").exists(), "no run was begun");
}

#[test]
fn no_key_in_the_file() {
    let place = Place::new();
    place.write("key", "\n");
    let arguments = ["run", "--synthetic", "60", "--users", "2", "--model", "gpt-3.5-turbo", "--api-key-file", "key"];
    says(&place.run(&arguments).with_code(2), &["key is empty", "expected the key in the file's first line"]);
}

#[test]
fn a_wrong_key() {
    let api_key = Some(SecretString::from("sk-the-right-one"));
    let provider = Simulated::start(ProviderOptions { api_key, ..ProviderOptions::default() });
    let expected = ["error: model \"m\": the provider refused the key (401)", "Incorrect API key", "check the key"];
    check(&provider, "m", &expected);
    assert_eq!(provider.stats().answered, 0);
}

#[test]
fn an_unknown_model() {
    let models = Some(vec!["a-model".to_owned()]);
    let provider = Simulated::start(ProviderOptions { models, ..ProviderOptions::default() });
    let expected = ["error: model \"b-model\": the provider does not know the model (404)", "check the model's name"];
    check(&provider, "b-model", &expected);
    assert_eq!(provider.stats().answered, 0);
}

#[test]
fn a_wrong_key_that_was_mended_lets_the_run_go_on() {
    let api_key = Some(SecretString::from("sk-the-right-one"));
    let provider = Simulated::start(ProviderOptions { api_key, ..ProviderOptions::default() });
    let url = provider.base_url();
    let place = Place::new();
    let who = ["run", "--synthetic", "60", "--users", "1", "--folds", "1"];
    let arguments = [&who[..], &["--model", "m", "--base-url", &url, "--api-key-env", KEY.0]].concat();
    place.run_with(KEY, &arguments).with_code(2);
    let ended = place.run_with((KEY.0, "sk-the-right-one"), &arguments).well();
    assert!(ended.stderr.contains("1 of 1 cells"), "{}", ended.stderr);
    assert_eq!(provider.stats().repeated_prompts, 0);
}
