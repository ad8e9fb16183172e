//! The experiments of `experiments/`: each can be read, says what is to be filled in, is estimated, and runs with `--simulate`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use valuesim_shared::experiment::Experiment;

use crate::support::sandbox::{Sandbox, read};

/// Each file with the models whose address a user has to fill in, the arms of its tables that ask a model, and the backstories that
/// one person needs in one fold.
const EXPERIMENTS: [(&str, &[&str], usize, usize); 5] = [
    ("ablations.toml", &["Llama-3.1-8B", "Qwen-2.5-7B", "DeepSeek-V3"], 4 * 7, 4),
    ("full-dataset.toml", &[], 1, 1),
    ("modern.toml", &[], 4 * 2, 4),
    ("profile-scale.toml", &[], 5, 4),
    ("table1.toml", &["DeepSeek-V3", "Llama-3.1-8B", "Qwen-2.5-7B"], 4 * 5, 4),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments")
}

#[test]
fn every_experiment_is_tested() {
    let found = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut found: Vec<String> = found.collect();
    found.sort();
    assert_eq!(found, EXPERIMENTS.map(|(file, ..)| file));
}

#[test]
fn an_experiment_misses_only_the_addresses_that_it_names() {
    for (file, to_fill_in, ..) in EXPERIMENTS {
        let experiment = Experiment::from_toml(&read(&folder(), file)).unwrap();
        let Err(missing) = experiment.resolve() else {
            assert!(to_fill_in.is_empty(), "{file}");
            continue;
        };
        // A model without an address has no known price either.
        let (prices, missing): (Vec<String>, Vec<String>) =
            missing.0.into_iter().partition(|problem| problem.contains("its price is"));
        assert_eq!(missing.len(), to_fill_in.len(), "{file}: {missing:?}");
        assert_eq!(prices.len(), to_fill_in.len(), "{file}: {prices:?}");
        for ((problem, price), model) in missing.iter().zip(&prices).zip(to_fill_in) {
            assert!(problem.contains(model) && problem.contains("base_url"), "{file}: {problem}");
            assert!(price.contains(model), "{file}: {price}");
        }
    }
}

#[test]
fn every_experiment_is_estimated_and_runs_simulated_at_once() {
    for (file, _, arms, backstories) in EXPERIMENTS {
        let sandbox = Sandbox::new();
        let path = folder().join(file);
        let few = ["run", path.to_str().unwrap(), "--simulate", "--synthetic", "60", "--users", "1", "--folds", "5"];
        let estimate = sandbox.run(&[&few[..], &["--dry-run"]].concat()).expect_success().stdout;
        assert!(estimate.contains(" calls"), "{file}: {estimate}");
        let several = if backstories == 1 { "backstory" } else { "backstories" };
        let written = format!(" cells, {backstories} backstories, ");
        let backstories = format!("{backstories} {several}, ");
        assert!(estimate.contains(&format!("work: {backstories}")), "{file}: {estimate}");
        let progress = sandbox.run(&few).expect_success().stderr;
        assert!(progress.contains(&written), "{file}: {progress}");
        let results: Value = serde_json::from_str(&read(&sandbox.run_folder("runs"), "results.json")).unwrap();
        assert_eq!(results["title"], file.strip_suffix(".toml").unwrap());
        assert_eq!(results["simulated"], true);
        let asked = results["arms"].as_array().unwrap().iter().filter(|arm| !arm["arm"]["model"].is_null());
        let scored = asked.filter(|arm| arm["score"]["overall"]["coverage"] == 1.0).count();
        assert_eq!(scored, arms, "{file}");
    }
}

#[test]
fn one_command_fills_every_cell_of_the_papers_four_tables() {
    let sandbox = Sandbox::new();
    let path = folder().join("table1.toml");
    let few = ["run", path.to_str().unwrap(), "--simulate", "--synthetic", "60", "--users", "2", "--folds", "5"];
    sandbox.run(&few).expect_success();
    let run = sandbox.run_folder("runs").file_name().unwrap().to_str().unwrap().to_owned();
    sandbox.run(&["report", &run, "--format", "csv", "-o", "report"]).expect_success();
    // Four models by three methods, and three methods by four models; with the five methods without a model.
    for (table, rows, columns) in [("by-category", 4 * 3 + 5, 1 + 10), ("of-ablations", 3 + 5, 1 + 4)] {
        for measure in ["mae", "accuracy"] {
            let table = format!("{measure}-{table}.csv");
            let text = read(&sandbox.path("report/tables"), &table);
            let mut lines = text.lines();
            let is_value = |name: &str| !name.ends_with(" lower") && !name.ends_with(" upper");
            let values: Vec<bool> = lines.next().unwrap().split(',').map(is_value).collect();
            let full = lines
                .clone()
                .all(|line| line.split(',').zip(&values).all(|(field, value)| !value || !field.is_empty()));
            assert!(full, "{table} has a hole:\n{text}");
            assert_eq!(
                (lines.count(), values.iter().filter(|value| **value).count() >= columns),
                (rows, true),
                "{table}:\n{text}"
            );
            assert!(text.lines().skip(1).all(|line| line.contains("SIMULATED")), "{table}:\n{text}");
        }
    }
}
