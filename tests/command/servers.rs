//! `valuesim simulate-provider` as a server of its own, and `valuesim synth` as the source of a pipe.

use crate::support::place::Place;

#[test]
fn a_run_against_a_simulated_provider_in_another_process() {
    let place = Place::new();
    let mut server = place.start(&["simulate-provider", "--listen", "127.0.0.1:0"]);
    let line = server.wait_for_output("SIMULATED provider at http://127.0.0.1:");
    let url = line.split(" at ").last().unwrap().trim();

    let who = ["run", "--synthetic", "60", "--users", "1", "--folds", "1"];
    let ended = place.run(&[&who[..], &["--model", "m", "--base-url", url]].concat()).well();
    assert!(ended.stdout.contains("valuesim / m"), "{}", ended.stdout);

    server.interrupt();
    server.end().well();
}

#[test]
fn an_address_that_is_taken_is_the_users_to_mend() {
    let place = Place::new();
    let mut first = place.start(&["simulate-provider", "--listen", "127.0.0.1:0"]);
    let line = first.wait_for_output("SIMULATED provider at http://");
    let address = line.trim().split("http://").last().unwrap().trim_end_matches("/v1");
    let second = place.run(&["simulate-provider", "--listen", address]).with_code(2);
    assert!(second.stderr.contains(&format!("error: serve on {address}")), "{}", second.stderr);
    first.interrupt();
    first.end().well();
}

#[test]
fn synth_writes_the_same_to_a_pipe_and_to_a_file() {
    let place = Place::new();
    let piped = place.run(&["synth", "-", "--respondents", "70"]).well().stdout;
    place.run(&["synth", "survey.csv", "--respondents", "70"]).well();
    assert_eq!(piped.lines().count(), 71);
    assert!(std::fs::read_to_string(place.path("survey.csv")).unwrap() == piped, "the file and the pipe differ");
}
