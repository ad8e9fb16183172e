//! The experiments that deploy/ and k8s/ start with: each is one that the command takes, in the words of this release.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use valuesim_shared::experiment::Experiment;
use valuesim_shared::model::ModelSettings;
use valuesim_worker::provider::{Client, ClientError, Deadlines, KeyList, Keys};

use crate::support::sandbox::Sandbox;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Those with a simulated provider, and those with a real one.
const SIMULATED: [&str; 2] = ["deploy/config/demo.toml", "k8s/overlays/demo/experiment.toml"];
const REAL: [&str; 2] = ["deploy/config/experiment.toml", "k8s/base/experiment.toml"];

#[test]
fn demonstrations_can_be_planned() {
    for sample in SIMULATED {
        let file = root().join(sample).display().to_string();
        let planned = Sandbox::new().run(&["coordinate", &file, "--dry-run"]).expect_success();
        assert!(planned.stdout.contains("backstories"), "{sample}: {}", planned.stdout);
    }
}

/// The workers' list of keys beside each.
const LISTS_OF_SIMULATED: [&str; 2] = ["deploy/config/keys.toml", "k8s/overlays/demo/keys.toml"];
const LISTS_OF_REAL: [&str; 2] = ["deploy/config/keys.toml", "k8s/base/keys.toml"];

/// A client of a worker with this list of keys, for each model that an experiment sends to workers.
fn clients(experiment: &str, list: &str) -> Vec<Result<Client, ClientError>> {
    let text = std::fs::read_to_string(root().join(experiment)).expect("reads");
    let experiment: Experiment = toml::from_str(&text).unwrap_or_else(|error| panic!("{experiment}: {error}"));
    let keys = KeyList::read(Some(&root().join(list)), &[]).unwrap_or_else(|error| panic!("{list}: {error}"));
    let keys = Keys::Listed(Arc::new(keys));
    let client = |model: &ModelSettings| {
        assert_eq!(model.problems(false), Vec::<String>::new(), "{}", model.name);
        Client::with_keys(&model.for_workers(), Deadlines::default(), &keys)
    };
    experiment.models.iter().map(client).collect()
}

#[test]
fn the_workers_of_demonstrations_may_call_the_simulated_provider() {
    for (sample, list) in SIMULATED.into_iter().zip(LISTS_OF_SIMULATED) {
        for client in clients(sample, list) {
            client.unwrap_or_else(|error| panic!("{sample}: {error}"));
        }
    }
}

#[test]
fn real_experiments_name_a_key_that_the_workers_have() {
    let files = ["/run/secrets/provider-key", "/run/secrets/valuesim/provider/openai"];
    for ((sample, list), file) in REAL.into_iter().zip(LISTS_OF_REAL).zip(files) {
        for client in clients(sample, list) {
            let error = client.expect_err("the key is elsewhere").to_string();
            assert!(error.contains(&format!("{file} cannot be read")), "{sample}: {error}");
        }
    }
}

#[test]
fn every_sample_is_tested() {
    let folders = ["deploy/config", "k8s/base", "k8s/overlays/demo", "k8s/overlays/production"];
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(root().join(folder)).expect("reads"));
    let files = entries.map(|entry| entry.expect("reads").path());
    let mut found: Vec<PathBuf> = files.filter(|file| file.extension().is_some_and(|end| end == "toml")).collect();
    let mut tested: Vec<PathBuf> = SIMULATED
        .iter()
        .chain(&REAL)
        .chain(&LISTS_OF_SIMULATED)
        .chain(&LISTS_OF_REAL[1..])
        .map(|sample| root().join(sample))
        .collect();
    found.sort();
    tested.sort();
    assert_eq!(found, tested);
}
