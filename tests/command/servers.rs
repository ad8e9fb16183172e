//! `valuesim simulate-provider` as a separate server, and `valuesim synth` writing to a pipe.

use crate::support::sandbox::Sandbox;

#[test]
fn a_run_against_a_simulated_provider_in_another_process() {
    let sandbox = Sandbox::new();
    let mut server = sandbox.start(&["simulate-provider", "--listen", "127.0.0.1:0"]);
    let line = server.wait_for_output("SIMULATED provider at http://127.0.0.1:");
    let url = line.split(" at ").last().unwrap().trim();

    let who = ["run", "--synthetic", "60", "--users", "1", "--folds", "1"];
    let output = sandbox.run(&[&who[..], &["--model", "m", "--base-url", url]].concat()).expect_success();
    assert!(output.stdout.contains("valuesim / m"), "{}", output.stdout);

    server.interrupt();
    server.wait().expect_success();
}

#[test]
fn an_address_in_use_is_a_users_mistake() {
    let sandbox = Sandbox::new();
    let mut first = sandbox.start(&["simulate-provider", "--listen", "127.0.0.1:0"]);
    let line = first.wait_for_output("SIMULATED provider at http://");
    let address = line.trim().split("http://").last().unwrap().trim_end_matches("/v1");
    let second = sandbox.run(&["simulate-provider", "--listen", address]).expect_code(2);
    assert!(second.stderr.contains(&format!("error: serve on {address}")), "{}", second.stderr);
    first.interrupt();
    first.wait().expect_success();
}

#[test]
fn synth_writes_the_same_to_a_pipe_and_to_a_file() {
    let sandbox = Sandbox::new();
    let piped = sandbox.run(&["synth", "-", "--respondents", "70"]).expect_success().stdout;
    sandbox.run(&["synth", "survey.csv", "--respondents", "70"]).expect_success();
    assert_eq!(piped.lines().count(), 71);
    assert!(std::fs::read_to_string(sandbox.path("survey.csv")).unwrap() == piped, "the file and the pipe differ");
}
