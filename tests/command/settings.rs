//! Flags override the environment, which overrides the experiment file, which overrides the defaults.

use serde_json::Value;

use crate::support::recorder::Recorder;
use crate::support::reply_rule;
use crate::support::sandbox::Sandbox;

/// Checks how many respondents the experiment would select.
#[track_caller]
fn check(variable: (&str, &str), flags: &[&str], expected: usize) {
    let sandbox = Sandbox::new();
    sandbox.write("ours.toml", "sample.users = 5\nsurvey.synthetic = 60\n");
    let arguments = [&["run", "ours.toml", "--dry-run", "--json"], flags].concat();
    let events = sandbox.run_with(variable, &arguments).expect_success().events();
    assert_eq!(events[0]["respondents"].as_array().map(Vec::len), Some(expected), "{variable:?} {flags:?}");
}

#[test]
fn flags_override_variables_which_override_the_file() {
    check(("VALUESIM_OTHER", ""), &[], 5);
    check(("VALUESIM_USERS", "4"), &[], 4);
    check(("VALUESIM_USERS", ""), &[], 5);
    check(("VALUESIM_USERS", "4"), &["--users", "3"], 3);
    check(("VALUESIM_OTHER", ""), &["--users", "all"], 60);
    check(("VALUESIM_OTHER", ""), &["--respondents", "7,9"], 2);
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let sandbox = Sandbox::new();
    let help = sandbox.run(&["run", "--help"]).expect_success().stdout;
    let after_env = help.split("[env:").skip(1);
    let variables: Vec<&str> = after_env.map(|rest| rest.split('=').next().unwrap().trim()).collect();
    assert!(variables.len() > 20, "{variables:?}");
    for variable in variables {
        sandbox.run_with((variable, ""), &["run", "--synthetic", "60", "--dry-run"]).expect_success();
    }
    sandbox.run_with(("VALUESIM_SURVEY", ""), &["verify", "nothing"]).expect_code(2);
}

#[test]
fn the_demonstration_has_25_respondents_and_all_folds() {
    let events = Sandbox::new().run(&["run", "--dry-run", "--json"]).expect_success().events();
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
fn the_output_limit_can_be_sent_in_the_field_of_reasoning_models() {
    let (sandbox, provider) = (Sandbox::new(), Recorder::start(reply_rule::reply));
    let url = provider.base_url();
    let run = ["run", "--synthetic", "60", "--users", "1", "--folds", "1", "--methods", "full-info", "--model", "m"];
    let limit = ["--base-url", &url, "--max-output-tokens", "500"];
    sandbox.run(&[&run[..], &limit, &["--output-limit-field", "max_completion_tokens"]].concat()).expect_success();
    let asked = |body: &Value| (body["max_completion_tokens"].as_u64(), body.get("max_tokens").is_some());
    assert!(provider.take().iter().all(|body| asked(body) == (Some(500), false)));
    let output = sandbox.run(&[&run[..], &limit, &["--output-limit-field", "limit"]].concat()).expect_code(2);
    assert!(output.stderr.contains("expected max_tokens or max_completion_tokens"), "{}", output.stderr);
}

#[test]
fn headers_of_ones_own_are_named_in_the_experiment_and_have_their_values_elsewhere() {
    let (sandbox, provider) = (Sandbox::new(), Recorder::start(reply_rule::reply));
    let run = ["run", "experiment.toml", "--synthetic", "60", "--users", "1", "--folds", "1", "--methods", "full-info"];
    let write = |headers: &str| {
        let url = provider.base_url();
        let model = format!("[[model]]\nname = 'm'\nbase_url = '{url}?api-version=2024-10-21'\nheaders = {headers}\n");
        sandbox.write("experiment.toml", model);
    };
    write("{ api-key = { env = 'AZURE_VALUE' } }");
    let said = sandbox.run(&run).expect_code(2).stderr;
    assert!(said.contains("needs the header api-key: set the environment variable AZURE_VALUE"), "{said}");
    let done = sandbox.run_with(("AZURE_VALUE", "hush-0123456789"), &run).expect_success();
    assert!(!format!("{}{}", done.stdout, done.stderr).contains("hush"), "{done:?}");
    let kept = std::fs::read_to_string(sandbox.run_folder("runs").join("experiment.toml")).unwrap();
    assert!(kept.contains("AZURE_VALUE") && !kept.contains("hush"), "{kept}");
    for (headers, expected) in [
        ("{ api-key = 'hush' }", "the line is not shown, because it may hold a key"),
        ("{ api-key = {} }", "headers.api-key: expected { env = \"VARIABLE\" }"),
        ("{ api-key = { env = 'hush-0123456789abcdef' } }", "env: expected the name of an environment variable"),
        ("{ Authorization = { env = 'A' } }", "headers.Authorization: the program sets this header itself"),
    ] {
        write(headers);
        let said = sandbox.run(&run).expect_code(2).stderr;
        assert!(said.contains(expected) && !said.contains("hush"), "{headers}: {said}");
    }
}

#[test]
fn answers_can_be_constrained_to_json_in_behaviour_corrected_alone() {
    let sandbox = Sandbox::new();
    let said = |lines: &str, code: i32| {
        sandbox.write("experiment.toml", format!("{lines}\nbase_url = 'http://127.0.0.1:9/v1'\n"));
        let ended =
            sandbox.run(&["run", "experiment.toml", "--synthetic", "60", "--dry-run", "--json"]).expect_code(code);
        format!("{}{}", ended.stdout, ended.stderr)
    };
    let model = "[[model]]\nname = 'm'";
    let constrained = format!("{model}\nanswer_format = 'json_schema'");
    let run = |text: &str| text.split("\"run\":\"").nth(1).map(|rest| rest[..12].to_owned());
    let (as_text, as_json) = (said(model, 0), said(&constrained, 0));
    assert!(run(&as_text).is_some() && run(&as_text) != run(&as_json), "the format is part of the run's identity");
    assert_eq!(run(&said(&format!("{model}\nanswer_format = 'text'"), 0)), run(&as_text));
    for (lines, expected) in [
        (format!("behaviour = 'paper'\n{constrained}"), "answer_format is not for behaviour `paper`"),
        (format!("{model}\nanswer_format = 'xml'"), "expected `text` or `json_schema`"),
        (
            format!("{constrained}\nextra_body = {{ response_format = {{}} }}"),
            "extra_body.response_format: answer_format sets",
        ),
    ] {
        let said = said(&lines, 2);
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_model_at_two_addresses_has_an_id_at_each() {
    let (sandbox, one, other) =
        (Sandbox::new(), Recorder::start(reply_rule::reply), Recorder::start(reply_rule::reply));
    let run = ["run", "experiment.toml", "--synthetic", "60", "--users", "1", "--folds", "1", "--methods", "full-info"];
    let write = |ids: [&str; 2]| {
        let model = |url: String, id: &str| format!("[[model]]\nname = 'm'\nbase_url = '{url}'\n{id}\n");
        sandbox.write("experiment.toml", model(one.base_url(), ids[0]) + &model(other.base_url(), ids[1]));
    };
    write(["", ""]);
    let said = sandbox.run(&run).expect_code(2).stderr;
    assert!(said.contains("model \"m\" is listed twice: give each an `id` of its own"), "{said}");
    write(["id = 'here'", "id = 'here'"]);
    assert!(sandbox.run(&run).expect_code(2).stderr.contains("model \"here\" is listed twice"));
    write(["", "id = 'there'"]);
    let done = sandbox.run(&run).expect_success();
    assert!(done.stdout.contains("there") && done.stdout.contains(" m"), "{}", done.stdout);
    for provider in [one, other] {
        let asked = provider.take();
        assert!(!asked.is_empty() && asked.iter().all(|body| body["model"] == "m"), "the provider's name is asked for");
    }
    let folder = sandbox.run_folder("runs");
    sandbox.run(&["verify", folder.to_str().unwrap()]).expect_success();
    let export = ["export", folder.to_str().unwrap(), "--format", "csv"];
    assert!(sandbox.run(&export).expect_success().stdout.contains(",there,"));
}
