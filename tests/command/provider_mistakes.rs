//! Keys and models that a provider refuses are reported with the exit code for a user's mistake.

use secrecy::SecretString;
use valuesim_simulator::provider::ProviderOptions;

use crate::support::sandbox::Sandbox;
use crate::support::simulated::Simulated;

const KEY: (&str, &str) = ("OUR_KEY", "sk-the-wrong-one");

/// Runs `model` with a wrong key, and checks that the error contains all of `expected` and never the key.
#[track_caller]
fn check(provider: &Simulated, model: &str, expected: &[&str]) {
    let url = provider.base_url();
    let who = ["run", "--synthetic", "60", "--users", "2", "--folds", "1"];
    let whom = ["--model", model, "--base-url", &url, "--api-key-env", KEY.0];
    let output = Sandbox::new().run_with(KEY, &[&who[..], &whom].concat()).expect_code(2);
    output.check_error(expected);
    assert!(!output.stderr.contains(KEY.1), "{}", output.stderr);
}

#[test]
fn a_missing_key() {
    let sandbox = Sandbox::new();
    let arguments = ["run", "--synthetic", "60", "--users", "2", "--model", "gpt-3.5-turbo"];
    let expected = ["model \"gpt-3.5-turbo\" needs a key", "OPENAI_API_KEY", "--api-key-env", "--api-key-file"];
    sandbox.run(&arguments).expect_code(2).check_error(&expected);
    assert!(!sandbox.path("runs").exists(), "no run was started");
}

#[test]
fn a_missing_key_file() {
    let sandbox = Sandbox::new();
    let arguments =
        ["run", "--synthetic", "60", "--users", "2", "--model", "gpt-3.5-turbo", "--api-key-file", "nowhere"];
    let expected = ["nowhere cannot be read (No such file", "expected the key in the file's first line"];
    sandbox.run(&arguments).expect_code(2).check_error(&expected);
    assert!(!sandbox.path("runs").exists(), "no run was started");
}

#[test]
fn an_empty_key_file() {
    let sandbox = Sandbox::new();
    sandbox.write("key", "\n");
    let arguments = ["run", "--synthetic", "60", "--users", "2", "--model", "gpt-3.5-turbo", "--api-key-file", "key"];
    let expected = ["key is empty", "expected the key in the file's first line"];
    sandbox.run(&arguments).expect_code(2).check_error(&expected);
}

#[test]
fn a_key_file_from_another_system() {
    let sandbox = Sandbox::new();
    let api_key = Some(SecretString::from("sk-the-right-one"));
    let provider = Simulated::start(ProviderOptions { api_key, ..ProviderOptions::default() });
    let url = provider.base_url();
    let run = ["run", "--synthetic", "60", "--users", "1", "--folds", "1", "--methods", "no-cab", "--model", "m"];
    let arguments = [&run[..], &["--base-url", &url, "--api-key-file", "key"]].concat();
    for (key, says) in [("\"sk-the-right-one\"\r\n", "in quotes"), ("s\0k\0-\0", "it is UTF-16")] {
        sandbox.write("key", key);
        let output = sandbox.run(&arguments).expect_code(2);
        output.check_error(&["key cannot be read", says]);
        assert!(!output.stderr.contains("sk-the-right-one"), "{}", output.stderr);
    }
    sandbox.write("key", "\u{feff}  sk-the-right-one\r\n");
    sandbox.run(&arguments).expect_success();
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
fn a_run_continues_once_its_key_is_corrected() {
    let api_key = Some(SecretString::from("sk-the-right-one"));
    let provider = Simulated::start(ProviderOptions { api_key, ..ProviderOptions::default() });
    let url = provider.base_url();
    let sandbox = Sandbox::new();
    let who = ["run", "--synthetic", "60", "--users", "1", "--folds", "1"];
    let arguments = [&who[..], &["--model", "m", "--base-url", &url, "--api-key-env", KEY.0]].concat();
    sandbox.run_with(KEY, &arguments).expect_code(2);
    let output = sandbox.run_with((KEY.0, "sk-the-right-one"), &arguments).expect_success();
    assert!(output.stderr.contains("1 of 1 cells"), "{}", output.stderr);
    assert_eq!(provider.stats().repeated_prompts, 0);
}

#[test]
fn a_key_in_the_wrong_place_is_refused_and_never_shown() {
    let key = "sk-proj-1234567890abcdef";
    let check = |arguments: &[&str], expected: &str| {
        let sandbox = Sandbox::new();
        let lines = format!("[[model]]\nname = 'm'\nbase_url = 'http://127.0.0.1:9/v1'\napi_key = \"{key}\"\n");
        sandbox.write("experiment.toml", lines);
        sandbox.write("open.toml", format!("[[model]]\nname = 'm'\napi_key_env = \"{key}\n"));
        let said = sandbox.run(arguments).expect_code(2).stderr;
        assert!(said.contains(expected), "{said}");
        assert!(!said.contains("1234567890"), "{said}");
        assert!(!sandbox.path("runs").exists(), "no run was started");
    };
    let run = |flags: &[&'static str]| [&["run", "--model", "m"], flags].concat();
    check(&["run", "experiment.toml"], "line 4: unknown field `api_key`; the line is not shown");
    check(&["run", "open.toml"], "line 3: it cannot be read; the line is not shown");
    let at = ["--base-url", "http://127.0.0.1:9/v1"];
    check(&run(&[&at[..], &["--api-key-env", "sk-proj-1234567890abcdef"]].concat()), "--api-key-env");
    check(&run(&[&at[..], &["--api-key-name", "sk-proj-1234567890abcdef"]].concat()), "--api-key-name");
    check(
        &run(&["--base-url", "http://127.0.0.1:9/v1?api_key=sk-proj-1234567890abcdef"]),
        "base_url: it contains a key",
    );
    check(
        &run(&["--base-url", "http://127.0.0.1:9/v1?api_key=1234567890", "--dry-run"]),
        "base_url: it contains a key",
    );
    check(&run(&["--base-url", "sk-proj-1234567890abcdef"]), "base_url: it contains a key");
    check(&run(&["--api-key", "sk-proj-1234567890abcdef"]), "unexpected argument '--api-key'");
    check(&run(&["--api-key=sk-proj-1234567890abcdef"]), "unexpected argument '--api-key'");
}
