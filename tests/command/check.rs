//! `valuesim check`: what it says of providers, servers and disk, and how it ends.

use secrecy::SecretString;
use serde_json::Value;
use valuesim_simulator::provider::{Cases, ProviderOptions};

use crate::support::sandbox::{CommandOutput, Sandbox};
use crate::support::simulated::Simulated;

/// Providers that answer in their own ways.
const CASES: &str = r#"
[[case]]
name = "no usage, and no name"
to = "all"
status = 200
body = '{"choices":[{"message":{"content":"1"},"finish_reason":"stop"}]}'
right = "described"

[[case]]
name = "temperature refused"
to = "all"
while_sent = "temperature"
status = 400
body = '{"error":{"message":"Unsupported value: temperature does not support 0 with this model. Only the default (1) is supported.","type":"invalid_request_error","param":"temperature","code":"unsupported_value"}}'
right = "named"
"#;

/// Checks an experiment at this address.
fn check(sandbox: &Sandbox, url: &str, flags: &[&str]) -> CommandOutput {
    let experiment = ["check", "--synthetic", "60", "--users", "2", "--model", "m", "--base-url", url];
    sandbox.run(&[&experiment[..], flags].concat())
}

#[track_caller]
fn says(output: &CommandOutput, lines: &[&str]) {
    for line in lines {
        let words: Vec<&str> = line.split(" … ").collect();
        let found = output.stdout.lines().any(|text| words.iter().all(|part| text.contains(part)));
        assert!(found, "{line:?} is not in\n{}\n{}", output.stdout, output.stderr);
    }
}

#[test]
fn a_provider_that_works_is_described_and_nothing_is_left_behind() {
    let provider = Simulated::start(ProviderOptions::default());
    let sandbox = Sandbox::new();
    let output = check(&sandbox, &provider.base_url(), &["--price", "0.15,0.6"]).expect_success();
    says(
        &output,
        &[
            "model m at http://127.0.0.1",
            "ok … reachable … answered in … SIMULATED",
            "ok … key … none is sent",
            "ok … model … reported as",
            "ok … temperature … 0 is accepted",
            "ok … usage … prompt_tokens",
            "ok … cached tokens … cached_tokens",
            "limits",
            "context",
            "ok … price … $0.15 in, $0.6 out",
            "ok … room … free; the run needs about",
            "The questions cost $0.0000",
            "Nothing stands in the way",
        ],
    );
    assert_eq!(provider.stats().answered, 1, "one question");
    assert!(!sandbox.path("runs").exists(), "no run was started");

    let json = check(&sandbox, &provider.base_url(), &["--json"]).expect_success().events();
    let found: &Value = &json[0]["groups"][0]["findings"][0];
    assert_eq!((&found["what"], &found["grade"]), (&Value::from("reachable"), &Value::from("good")));
    assert_eq!(json[0]["cost_is_partly_unknown"], true, "no price is known");
}

#[test]
fn embeddings_are_asked_and_what_is_too_dear_is_not() {
    let provider = Simulated::start(ProviderOptions::default());
    let (sandbox, url) = (Sandbox::new(), provider.base_url());
    let rag = ["--methods", "rag", "--embeddings-model", "e", "--embeddings-base-url"];
    let output = check(&sandbox, &url, &[&rag[..], &[&url, "--price", "150,600"]].concat()).expect_success();
    says(
        &output,
        &["note … reachable … it was not asked … can cost", "embeddings e at http", "ok … reachable … a vector"],
    );
    assert_eq!(provider.stats().calls["embeddings"], 1);
    assert_eq!(provider.stats().answered, 1, "nothing but the embedding");
    let output = check(&sandbox, &url, &[&rag[..], &["http://127.0.0.1:1/v1"]].concat()).expect_code(4);
    says(&output, &["embeddings e at http://127.0.0.1:1/v1", "? … reachable … cannot be reached"]);
}

#[test]
fn what_is_wrong_is_told_with_what_to_do_and_an_exit_code() {
    let sandbox = Sandbox::new();
    let api_key = Some(SecretString::from("sk-the-right-one"));
    let provider = Simulated::start(ProviderOptions { api_key, ..ProviderOptions::default() });
    sandbox.write("key", "sk-a-wrong-one");
    let output = check(&sandbox, &provider.base_url(), &["--api-key-file", "key"]).expect_code(2);
    says(&output, &["WRONG … key … refused the key (401) … check the key", "The run would stop"]);
    assert!(!output.stdout.contains("sk-a-wrong-one"), "{}", output.stdout);
    let output = check(&sandbox, &provider.base_url(), &["--api-key-file", "nowhere"]).expect_code(2);
    says(&output, &["WRONG … key … nowhere cannot be read … was not asked", "ok … room"]);

    let output = check(&sandbox, "http://127.0.0.1:1/v1", &[]).expect_code(4);
    says(&output, &["? … reachable … cannot be reached … check base_url", "Something could not be checked"]);

    let servers = ["--broker", "amqp://127.0.0.1:1", "--store", "redis://127.0.0.1:1"];
    let output = sandbox.run(&[&["check", "--synthetic", "60", "--users", "2"], &servers[..]].concat()).expect_code(4);
    says(&output, &["broker", "store", "? … reachable … connect to RabbitMQ at amqp://127.0.0.1:1"]);
    let output = check(&sandbox, "http://127.0.0.1:1/v1", &["--broker", "http://x"]).expect_code(2);
    assert!(output.stderr.contains("--broker"), "{}", output.stderr);
}

#[test]
fn a_key_that_cannot_be_read_keeps_no_other_provider_from_being_asked() {
    let provider = Simulated::start(ProviderOptions::default());
    let (sandbox, url) = (Sandbox::new(), provider.base_url());
    let model = |name: &str, key: &str| format!("[[model]]\nname = \"{name}\"\nbase_url = \"{url}\"\n{key}\n");
    let models = [
        model("of-a-file", "api_key_file = \"nowhere\""),
        model("without-key", "price = { input_usd_per_million = 1, output_usd_per_million = 1 }"),
        model("of-a-variable", "api_key_env = \"VALUESIM_TEST_UNSET_KEY\""),
    ];
    sandbox.write("experiment.toml", format!("[survey]\nsynthetic = 60\n\n[sample]\nusers = 2\n\n{}", models.concat()));
    let output = sandbox.run(&["check", "experiment.toml"]).expect_code(2);
    says(
        &output,
        &[
            "model of-a-file at http",
            "WRONG … key … nowhere cannot be read … was not asked",
            "model without-key at http",
            "ok … reachable … answered in",
            "model of-a-variable at http",
            "WRONG … key … VALUESIM_TEST_UNSET_KEY … was not asked",
            "ok … room",
            "The run would stop",
        ],
    );
    assert_eq!(provider.stats().answered, 1, "the one that needs no key");
}

#[test]
fn answers_that_lack_something_are_described() {
    let cases = Cases::from_toml(CASES).expect("reads").cases;
    let provider = Simulated::start(ProviderOptions { cases, ..ProviderOptions::default() });
    let sandbox = Sandbox::new();
    let url = |case: u32| provider.base_url().replace("/v1", &format!("/cases/{case}/v1"));
    let output = check(&sandbox, &url(1), &["--price", "1,1"]).expect_success();
    says(
        &output,
        &[
            "note … usage … no tokens are reported",
            "note … cached tokens … none are reported",
            "note … model … reports no name",
            "the cost of some is not known",
        ],
    );
    let output = check(&sandbox, &url(2), &[]).expect_code(2);
    says(&output, &["WRONG … temperature … --temperature default"]);
}
