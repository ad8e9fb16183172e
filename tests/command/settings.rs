//! Flags go before the environment, the environment before the experiment file, the file before the defaults.

use serde_json::Value;

use crate::support::place::Place;
use crate::support::recorder::Recorder;
use crate::support::voice;

/// How many people the experiment in the folder would take.
#[track_caller]
fn check(variable: (&str, &str), flags: &[&str], expected: usize) {
    let place = Place::new();
    place.write("ours.toml", "sample.users = 5\nsurvey.synthetic = 60\n");
    let arguments = [&["run", "ours.toml", "--dry-run", "--json"], flags].concat();
    let events = place.run_with(variable, &arguments).well().events();
    assert_eq!(events[0]["respondents"].as_array().map(Vec::len), Some(expected), "{variable:?} {flags:?}");
}

#[test]
fn the_nearer_setting_stands() {
    check(("VALUESIM_OTHER", ""), &[], 5);
    check(("VALUESIM_USERS", "4"), &[], 4);
    check(("VALUESIM_USERS", ""), &[], 5);
    check(("VALUESIM_USERS", "4"), &["--users", "3"], 3);
    check(("VALUESIM_OTHER", ""), &["--users", "all"], 60);
    check(("VALUESIM_OTHER", ""), &["--respondents", "7,9"], 2);
}

#[test]
fn a_variable_that_is_set_to_nothing_is_not_set() {
    let place = Place::new();
    let help = place.run(&["run", "--help"]).well().stdout;
    let after_env = help.split("[env:").skip(1);
    let variables: Vec<&str> = after_env.map(|rest| rest.split('=').next().unwrap().trim()).collect();
    assert!(variables.len() > 20, "{variables:?}");
    for variable in variables {
        place.run_with((variable, ""), &["run", "--synthetic", "60", "--dry-run"]).well();
    }
    place.run_with(("VALUESIM_SURVEY", ""), &["verify", "nothing"]).with_code(2);
}

#[test]
fn the_demonstration_is_25_people_and_all_folds() {
    let events = Place::new().run(&["run", "--dry-run", "--json"]).well().events();
    let plan = &events[0];
    assert_eq!(
        (&plan["cells"], &plan["simulated"], &plan["synthetic_survey"]),
        (&125.into(), &true.into(), &true.into())
    );
    let calls = plan["estimate"]["models"][0]["calls"]["likely"].as_u64();
    assert!(calls.is_some_and(|calls| (25_000..35_000).contains(&calls)), "about 30,000 calls, not {calls:?}");
    assert_eq!(plan["folds"], Value::from(vec![1, 2, 3, 4, 5]));
}

#[test]
fn a_reasoning_model_is_asked_as_it_wants_to_be() {
    let (place, provider) = (Place::new(), Recorder::start(voice::reply));
    let url = provider.base_url();
    let run = ["run", "--synthetic", "60", "--users", "1", "--folds", "1", "--methods", "full-info", "--model", "m"];
    let limit = ["--base-url", &url, "--max-output-tokens", "500"];
    place.run(&[&run[..], &limit, &["--output-limit-field", "max_completion_tokens"]].concat()).well();
    let asked = |body: &Value| (body["max_completion_tokens"].as_u64(), body.get("max_tokens").is_some());
    assert!(provider.take().iter().all(|body| asked(body) == (Some(500), false)));
    let ended = place.run(&[&run[..], &limit, &["--output-limit-field", "limit"]].concat()).with_code(2);
    assert!(ended.stderr.contains("expected max_tokens or max_completion_tokens"), "{}", ended.stderr);
}
