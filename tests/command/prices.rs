//! Prices: listed, imported, checked; and runs whose price is unknown.

use std::fs;

use crate::support::sandbox::Sandbox;

const ONE: &[&str] =
    &["run", "--synthetic", "60", "--users", "1", "--folds", "1", "--methods", "full-info", "--dry-run"];

fn run(sandbox: &Sandbox, flags: &[&str]) -> (i32, String, String) {
    let mut command = sandbox.command(&[ONE, flags].concat());
    let output = command.env_remove("VALUESIM_PRICE_UNKNOWN").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_table_of_this_release_is_listed_and_sound() {
    let sandbox = Sandbox::new();
    let listed = sandbox.run(&["prices", "list"]).expect_success().stdout;
    assert!(listed.contains("table of 2026-11-27") && listed.contains("deepseek-flash"), "{listed}");
    let toml = sandbox.run(&["prices", "list", "--toml"]).expect_success().stdout;
    fs::write(sandbox.path("table.toml"), &toml).unwrap();
    let again = sandbox.run(&["prices", "list", "--toml", "--prices", "table.toml"]).expect_success().stdout;
    assert_eq!(again, toml);
    let checked = sandbox.run(&["prices", "check"]).expect_success();
    assert!(checked.stdout.starts_with("sound: 42 models"), "{}", checked.stdout);
}

#[test]
fn an_imported_price_goes_before_the_table_and_the_experiments_own_before_both() {
    let sandbox = Sandbox::new();
    let litellm = r#"{"gpt-4o-mini": {"mode": "chat", "litellm_provider": "openai", "input_cost_per_token": 1e-3,
        "output_cost_per_token": 1e-3}, "other": {"input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6}}"#;
    fs::write(sandbox.path("litellm.json"), litellm).unwrap();
    let table = sandbox.run(&["prices", "import", "litellm.json", "--model", "gpt-4o-mini"]).expect_success().stdout;
    assert!(table.contains("litellm.json, imported on") && !table.contains("other"), "{table}");
    fs::write(sandbox.path("prices.toml"), table).unwrap();
    let cost = |flags: &[&str]| {
        let (code, text, errors) = run(&sandbox, &[&["--model", "gpt-4o-mini", "--json"], flags].concat());
        assert_eq!(code, 0, "{errors}");
        let plan: serde_json::Value = serde_json::from_str(&text).unwrap();
        plan["estimate"]["models"][0]["cost"]["likely"].as_u64().unwrap()
    };
    let (known, imported) = (cost(&[]), cost(&["--prices", "prices.toml"]));
    assert!(imported > 100 * known, "{imported} for a thousand dollars a million, {known} for the usual price");
    assert_eq!(cost(&["--prices", "litellm.json"]), imported);
    assert_eq!(cost(&["--prices", "prices.toml", "--price", "0,0"]), 0);
}

#[test]
fn a_model_of_several_hosts_has_the_price_of_its_own_or_none() {
    let sandbox = Sandbox::new();
    let litellm = r#"{"together_ai/m": {"litellm_provider": "together_ai", "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6},
        "azure/m": {"litellm_provider": "azure", "input_cost_per_token": 8e-6, "output_cost_per_token": 8e-6},
        "bedrock/m": {"litellm_provider": "bedrock", "input_cost_per_token": 9e-6, "output_cost_per_token": 9e-6}}"#;
    fs::write(sandbox.path("litellm.json"), litellm).unwrap();
    let at = |url: &str| run(&sandbox, &["--model", "m", "--prices", "litellm.json", "--base-url", url, "--json"]);
    let (code, text, errors) = at("https://api.together.xyz/v1/");
    assert_eq!(code, 0, "{errors}");
    let plan: serde_json::Value = serde_json::from_str(&text).unwrap();
    let estimate = &plan["estimate"]["models"][0];
    let tokens = ["input", "output"].map(|kind| estimate["tokens"][kind].as_u64().unwrap()).iter().sum::<u64>();
    let cost = estimate["cost"]["likely"].as_u64().unwrap();
    assert!(
        cost.abs_diff(tokens * 1000) <= cost / 100,
        "{cost} nano-dollars for {tokens} tokens at a dollar a million"
    );
    let (code, _, errors) = at("https://mine.example/v1");
    assert_eq!(code, 2, "{errors}");
    assert!(
        errors.contains("it has m at azure, bedrock, together, which may not be https://mine.example/v1"),
        "{errors}"
    );
}

#[test]
fn a_model_without_a_price_runs_only_if_the_user_says_so() {
    let sandbox = Sandbox::new();
    let model = ["--model", "m", "--base-url", "http://127.0.0.1:9/v1"];
    let (code, _, errors) = run(&sandbox, &model);
    assert_eq!(code, 2);
    assert!(errors.contains("model \"m\": its price is unknown: say one with --price"), "{errors}");
    for more in [["--price-unknown"].as_slice(), &["--price", "0,0"]] {
        let (code, _, errors) = run(&sandbox, &[&model, more].concat());
        assert_eq!(code, 0, "{errors}");
    }
}

#[test]
fn bad_prices_are_usage_errors_that_name_the_mistake() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("survey.csv"), "respondent,Q1\n1,2\n").unwrap();
    fs::write(sandbox.path("negative.json"), r#"{"m": {"input_cost_per_token": -1, "output_cost_per_token": 1}}"#)
        .unwrap();
    let check = |arguments: &[&str], expected: &str| {
        let ended = sandbox.run(arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    };
    check(&["prices", "check", "survey.csv"], "expected a table of prices");
    check(&["prices", "import", "negative.json"], "\"m\": price -1000000");
    fs::write(sandbox.path("line.toml"), "x".repeat(1 << 20)).unwrap();
    fs::write(sandbox.path("utf16.toml"), b"\xff\xfem\0").unwrap();
    check(&["prices", "check", "line.toml"], "line 1: ");
    assert!(sandbox.run(&["prices", "list", "--prices", "line.toml"]).stderr.len() < 1_000);
    check(&["prices", "check", "utf16.toml"], "save it as UTF-8");
    let mixed = r#"{"bad": {"input_cost_per_token": "much", "output_cost_per_token": 1}, "half": {"input_cost_per_token": 1e-6},
        "good": {"input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6}}"#;
    fs::write(sandbox.path("mixed.json"), mixed).unwrap();
    let all = sandbox.run(&["prices", "import", "mixed.json"]).expect_success();
    assert!(all.stdout.contains("good") && !all.stdout.contains("half"), "{}", all.stdout);
    assert!(all.stderr.contains("left out: \"bad\"") && all.stderr.contains("output: 1 model\n"), "{}", all.stderr);
    let good = sandbox.run(&["prices", "import", "mixed.json", "--model", "good"]).expect_success();
    assert!(!good.stderr.contains("bad"), "{}", good.stderr);
    check(&["prices", "import", "mixed.json", "--model", "bad"], "\"bad\": input_cost_per_token is \"much\"");
    check(&["prices", "import", "mixed.json", "--model", "half"], "no price of input or of output for \"half\"");
    check(&["prices", "check", "mixed.json"], "\"bad\": input_cost_per_token");
    check(&["prices", "check", "none.toml"], "read the prices none.toml");
    let model = ["--model", "m", "--base-url", "http://127.0.0.1:9/v1"];
    check(&[ONE, &model, &["--price=-1,2"]].concat(), "-1: expected US dollars");
    check(&[ONE, &model, &["--prices", "survey.csv"]].concat(), "expected a table of prices");
}

#[test]
fn a_retired_model_is_announced_with_its_successor() {
    let sandbox = Sandbox::new();
    let (code, text, _) = run(&sandbox, &["--model", "deepseek-chat"]);
    assert_eq!(code, 0);
    let expected = "warning: deepseek-chat was retired by its vendor on 2026-07-24; its successor is deepseek-flash";
    assert!(text.contains(expected), "{text}");
    let (_, simulated, _) = run(&sandbox, &["--model", "deepseek-chat", "--simulate"]);
    assert!(!simulated.contains("warning"), "{simulated}");
}
