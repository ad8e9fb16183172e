//! Fuzzes the experiment file: any text is either resolved or refused with all problems.

use std::sync::Once;

use valuesim_shared::experiment::{Experiment, MAX_MODELS};
use valuesim_shared::split::Split;

use crate::bounds::{HOSTILE_BYTES, Memory, bounded, fuzz};
use crate::mutate::{endless, hostile_text, listed};

const MEMORY: Memory = Memory { fixed: 64 << 10, per_byte: 200 };

const VALID: [&str; 2] = [
    "name = 'ours'\nbehaviour = 'paper'\nmethods = ['valuesim']\ncodebook = 'questions.json'\nsurvey.file = 'wvs.csv'\n\
     [sample]\nusers = 'all'\nseed = 42\ncountries = ['DEU', '276']\n[split]\nseed = 42\nfolds = 5\nonly = [5]\n\
     [[model]]\nname = 'gpt-3.5-turbo'\nlimits = { calls_in_flight = 8, requests_per_minute = 500 }\n",
    "survey.synthetic = 2000\nsample.respondents = [1, 2]\nsimulate = { seed = 1, latency_ms = 5 }\n[[model]]\n\
     name = 'mine'\nbase_url = 'http://localhost:8000/v1'\napi_key_env = 'KEY'\nca_file = 'ca.pem'\nmax_output_tokens = 300\n\
     price = { input_usd_per_million = 0.5, output_usd_per_million = 1.5 }\n\
     extra_body = { thinking = { type = 'disabled' }, stop = [1, 2.5, 1979-05-27T07:32:00Z] }\n",
];

fn check(text: &str) {
    // The table of prices is read once, and is no part of an experiment's memory.
    static TABLES: Once = Once::new();
    TABLES.call_once(|| drop(Experiment::from_toml("[[model]]\nname = \"gpt-4o-mini\"").map(Experiment::resolve)));
    let resolved = bounded(text.len(), MEMORY, || {
        let experiment = Experiment::from_toml(text).map_err(|error| error.to_string())?;
        experiment.resolve().map_err(|problems| problems.to_string())
    });
    let Ok(experiment) = resolved else { return };
    assert!(!experiment.models.is_empty() && !experiment.methods.is_empty());
    assert!(experiment.models.len() <= MAX_MODELS);
    for respondent in &experiment.sample.respondents {
        assert!(respondent.index() < respondent.row() as usize);
    }
    let Ok(split) = Split::new(experiment.split.seed, experiment.split.folds) else { return };
    assert!(experiment.split.only.iter().all(|&fold| split.contains(fold)));
}

#[test]
fn the_valid_experiments_are_valid() {
    for text in VALID {
        assert!(Experiment::from_toml(text).expect("reads").resolve().is_ok(), "{text}");
    }
}

#[test]
fn fuzz_any_experiment_is_resolved_or_refused() {
    fuzz(1, &hostile_text(&VALID), |text| check(&text));
}

#[test]
fn fuzz_repetitive_experiments_are_read_in_linear_time() {
    for unit in ["[", "a.", "[[model]]\n", "[a.", "{a=", "'''", "\"\\", "1,", "# \n", "[[model]]\nname=''\n"] {
        for start in ["", "model = [", "sample.respondents = [", "methods = ["] {
            check(&format!("{start}{}", endless(unit, HOSTILE_BYTES)));
        }
    }
}

#[test]
fn fuzz_an_experiment_of_many_models_is_refused_without_delay() {
    let models = listed(0..HOSTILE_BYTES / 22, |at| format!("[[model]]\nname='m{at}'\n"));
    check(&models);
    let rows = listed(1..HOSTILE_BYTES / 8, |row| format!("{row},"));
    check(&format!("sample.respondents = [{rows}]"));
    check(&format!("split.only = [{}]", endless("1,", HOSTILE_BYTES)));
    check(&format!("split.only = [{}]", endless("9,", HOSTILE_BYTES)));
}
