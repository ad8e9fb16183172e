//! The experiments that deploy/ and k8s/ start with: each is one that the command takes, in the words of this release.

use std::path::{Path, PathBuf};

use valuesim_shared::experiment::Experiment;

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

#[test]
fn real_experiments_name_a_key_where_the_workers_have_it() {
    for (sample, folder) in REAL.into_iter().zip(["/run/secrets", "/run/secrets/valuesim/provider"]) {
        let text = std::fs::read_to_string(root().join(sample)).expect("reads");
        let experiment: Experiment = toml::from_str(&text).unwrap_or_else(|error| panic!("{sample}: {error}"));
        assert_eq!(experiment.survey.file.as_deref().and_then(Path::parent), Some(Path::new("/survey")), "{sample}");
        for model in &experiment.models {
            assert_eq!(model.problems(false), Vec::<String>::new(), "{sample}");
            assert_eq!(model.api_key_file.as_deref().and_then(Path::parent), Some(Path::new(folder)));
        }
    }
}

#[test]
fn every_sample_is_tested() {
    let folders = ["deploy/config", "k8s/base", "k8s/overlays/demo", "k8s/overlays/production"];
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(root().join(folder)).expect("reads"));
    let files = entries.map(|entry| entry.expect("reads").path());
    let mut found: Vec<PathBuf> = files.filter(|file| file.extension().is_some_and(|end| end == "toml")).collect();
    let mut tested: Vec<PathBuf> = SIMULATED.iter().chain(&REAL).map(|sample| root().join(sample)).collect();
    found.sort();
    tested.sort();
    assert_eq!(found, tested);
}
