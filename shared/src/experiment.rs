//! The experiment as a user writes it: data, sample, folds, methods, models, limits.

mod arm_name;
mod budget;
mod evaluation;
mod models;
mod sample;
mod stopping;

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::budget::PurseLimit;
use crate::cell::needs_retrieval;
use crate::embeddings::EmbeddingSettings;
use crate::id::Fold;
use crate::method::{Behaviour, Method};
use crate::model::ModelSettings;

pub use arm_name::ArmName;
use budget::Budgets;
pub use evaluation::EvaluationSettings;
pub use models::MAX_MODELS;
pub use sample::{Sample, Users};

/// The seed of the paper's folds and sample (paper, section 4.1).
pub const PAPER_SEED: u64 = 42;

/// The paper's number of folds.
pub const PAPER_FOLDS: u8 = 5;

/// The paper's number of respondents, and the default sample size with a survey file.
pub const PAPER_USERS: u32 = 100;

/// The most respondents of a synthetic survey: a hundred times those of the official file.
pub const MAX_SYNTHETIC: u32 = 10_000_000;

/// Respondents of the demonstration on synthetic data.
pub const DEMO_USERS: u32 = 25;

/// Size of the demonstration's synthetic survey: enough for meaningful baselines.
pub const DEMO_SURVEY: u32 = 2_000;

/// The name of a model that is simulated because none was named.
const SIMULATED: &str = "simulated";

/// An experiment, as given by a TOML file or flags. Unknown keys are refused.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Experiment {
    /// A name for the run folder and the report; letters, digits, `-` and `_`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether to reproduce the faults of the paper's code.
    pub behaviour: Behaviour,
    /// The methods that ask a model, each run with every model; `valuesim` and `full-info` if absent.
    pub methods: Vec<Method>,
    /// A codebook file to use instead of the built-in one, which may be the `questions.json` of the paper's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codebook: Option<PathBuf>,
    /// Whether to keep every prompt and reply, for `valuesim show` and `valuesim export`.
    pub transcripts: bool,
    /// The source of the respondents.
    pub survey: SurveySource,
    /// The respondents to draw.
    pub sample: Sample,
    /// How to split the questions.
    pub split: SplitSettings,
    /// How results are computed; does not change what is asked.
    #[serde(skip_serializing_if = "EvaluationSettings::is_default")]
    pub evaluation: EvaluationSettings,
    /// If present, all models answer from the simulated provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub simulate: Option<Simulation>,
    /// What the run may cost at most, in US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_usd: Option<f64>,
    /// The run's share beside other runs of a fleet at the same limits: 1 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<NonZeroU32>,
    /// Whether the run goes on although the price of a model is unknown.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub price_unknown: bool,
    /// The largest share of prompts that a provider may reject or find too long before the run stops, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected_at_most: Option<f64>,
    /// The embeddings that `rag` retrieves with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<EmbeddingSettings>,
    /// The models to ask.
    #[serde(rename = "model")]
    pub models: Vec<ModelSettings>,
}

/// The source of the respondents. Without a file, a synthetic survey is generated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SurveySource {
    /// The survey file: `.csv`, `.csv.gz` or `.zip`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The column of the file whose numbers name the respondents, in place of their rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_column: Option<String>,
    /// Respondents of the synthetic survey.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synthetic: Option<u32>,
    /// Seed of the synthetic survey.
    pub synthetic_seed: u64,
}

/// How to split the questions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SplitSettings {
    /// Seed of the shuffle.
    pub seed: u64,
    /// Number of folds.
    pub folds: u8,
    /// The folds to run; all if empty.
    pub only: Vec<Fold>,
}

impl Default for SplitSettings {
    fn default() -> Self {
        Self { seed: PAPER_SEED, folds: PAPER_FOLDS, only: Vec::new() }
    }
}

/// The simulated provider that stands in for the models.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Simulation {
    /// Seed of the simulated replies.
    pub seed: u64,
    /// Latency of each reply in milliseconds.
    pub latency_ms: u64,
}

/// What is missing where `rag` is asked for without an embeddings endpoint.
const NO_EMBEDDINGS: &str = "methods: `rag` retrieves with embeddings, and none are named: name their model with \
                             --embeddings-model and its address with --embeddings-base-url, or in the table [embeddings] of \
                             the experiment file";

/// What is said of embeddings whose price nobody knows.
const NO_EMBEDDINGS_PRICE: &str = "its price is unknown: say one with --embeddings-price (`price` in the experiment file), or run with \
                                   --price-unknown (`price_unknown = true`)";

/// All problems of an experiment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the experiment cannot be run:\n{}", .0.iter().map(|problem| format!("  - {problem}")).collect::<Vec<_>>().join("\n"))]
pub struct Problems(pub Vec<String>);

impl Experiment {
    /// Parses an experiment file. The error names the line and what was expected.
    pub fn from_toml(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// Fills in defaults, and reports all problems.
    pub fn resolve(mut self) -> Result<Self, Problems> {
        if self.methods.is_empty() {
            self.methods = Method::DEFAULT.to_vec();
        }
        self.methods.sort_unstable();
        self.methods.dedup();
        if self.survey.file.is_none() && self.survey.synthetic.is_none() {
            self.survey.synthetic = Some(DEMO_SURVEY);
        }
        if self.models.is_empty() {
            self.simulate.get_or_insert_default();
            self.models.push(ModelSettings::named(SIMULATED));
        }
        self.complete_stopping();
        if self.sample.users.is_none() && self.sample.respondents.is_empty() {
            let users = if self.survey.file.is_some() { PAPER_USERS } else { DEMO_USERS };
            self.sample.users = Some(Users::Count(users));
        }
        for model in &mut self.models {
            model.fill_in_known();
        }
        if self.simulate.is_some() && needs_retrieval(&self.methods) && self.embeddings.is_none() {
            self.embeddings = Some(EmbeddingSettings::named(SIMULATED));
        }
        if let Some(embeddings) = &mut self.embeddings {
            embeddings.fill_in_known();
        }
        let problems = self.problems();
        if problems.is_empty() { Ok(self) } else { Err(Problems(problems)) }
    }

    fn budgets(&self) -> Budgets<'_> {
        Budgets { of_run: self.budget_usd, models: &self.models }
    }

    /// Whether the run, a model or an endpoint has a budget.
    pub fn has_budget(&self) -> bool {
        self.budgets().are_there()
    }

    /// The purses of the run: the run's own first, if there is any budget. Nothing is spent yet.
    pub fn purses(&self) -> Vec<PurseLimit> {
        self.budgets().purses()
    }

    /// The files that it names, each with what it is.
    fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let of_models = self
            .models
            .iter()
            .flat_map(|model| [("api_key_file", model.api_key_file.as_deref()), ("ca_file", model.ca_file.as_deref())]);
        let own = [("survey.file", self.survey.file.as_deref()), ("codebook", self.codebook.as_deref())];
        let of_headers = self.models.iter().flat_map(|model| model.headers.values());
        let of_headers = of_headers.map(|source| ("headers", source.file.as_deref()));
        own.into_iter().chain(of_models).chain(of_headers).filter_map(|(what, file)| Some((what, file?)))
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut unless = |holds: bool, problem: String| {
            if !holds {
                problems.push(problem);
            }
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let name = self.name.as_deref().unwrap_or("unnamed");
        let name_is_plain = !name.is_empty() && name.len() <= 60 && name.chars().all(plain);
        unless(name_is_plain, format!("name {name:?}: expected 1 to 60 letters, digits, `-` and `_`"));
        let one_source = self.survey.file.is_none() || self.survey.synthetic.is_none();
        unless(one_source, "survey: `file` and `synthetic` exclude each other; leave one out".to_owned());
        let has_file = self.survey.id_column.is_none() || self.survey.file.is_some();
        unless(
            has_file,
            "survey.id_column (--id-column): it is a column of a survey file; name the file, too".to_owned(),
        );
        let is_sized = self.survey.synthetic.is_none_or(|people| (1..=MAX_SYNTHETIC).contains(&people));
        unless(is_sized, format!("survey.synthetic: expected 1 to {MAX_SYNTHETIC} respondents"));
        for problem in self.sample.problems().into_iter().chain(self.stopping_problems()) {
            unless(false, problem);
        }
        for (what, file) in self.files() {
            let file = file.to_string_lossy();
            let is_plain = !file.contains(char::is_control);
            unless(
                is_plain,
                format!("{what} {file:?}: the name of a file must not have control characters; rename the file"),
            );
        }
        for fold in self.split.only.iter().collect::<BTreeSet<_>>() {
            let exists = fold.number() <= self.split.folds;
            unless(exists, format!("split.only: there is no fold {fold}; expected 1 to {}", self.split.folds));
        }
        for method in &self.methods {
            let asks = method.asks_model();
            unless(asks, format!("methods: `{method}` is a baseline, which is always included; leave it out"));
        }
        let is_simulated = self.simulate.is_some();
        let has_vectors = self.embeddings.is_some() || !needs_retrieval(&self.methods);
        unless(has_vectors, NO_EMBEDDINGS.to_owned());
        if let Some(embeddings) = &self.embeddings {
            for problem in embeddings.problems(is_simulated) {
                unless(false, problem);
            }
            let is_paid = needs_retrieval(&self.methods) && !is_simulated && embeddings.price.is_none();
            let name = &embeddings.name;
            unless(!is_paid || self.price_unknown, format!("embeddings {name:?}: {NO_EMBEDDINGS_PRICE}"));
            let has_bound = !(is_paid && self.has_budget());
            unless(has_bound, format!("embeddings {name:?}: a budget needs a price: say one with --embeddings-price"));
        }
        if let Some(share) = self.rejected_at_most {
            let is_share = (0.0..=1.0).contains(&share);
            unless(is_share, format!("rejected_at_most is {share}: expected a share from 0 to 1, such as 0.02"));
        }
        for problem in budget::problems(self.budgets()) {
            unless(false, problem);
        }
        for problem in self.model_problems() {
            unless(false, problem);
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_experiment_is_the_simulated_demonstration() {
        let demo = Experiment::default().resolve().expect("is valid");
        assert_eq!(demo.survey.synthetic, Some(DEMO_SURVEY));
        assert_eq!(demo.sample.users, Some(Users::Count(DEMO_USERS)));
        assert_eq!(demo.methods, [Method::ValueSim, Method::FullInfo]);
        assert!(demo.simulate.is_some());
        assert_eq!(demo.models[0].name, "simulated");
    }

    #[test]
    fn a_written_experiment_is_read_back() {
        let text = "
            name = 'ours'
            behaviour = 'paper'
            methods = ['valuesim']
            survey.file = 'wvs.csv'
            sample.users = 'all'
            split.only = [5]
            [[model]]
            name = 'gpt-3.5-turbo'
            limits = { calls_in_flight = 8 }
            [embeddings]
            name = 'text-embedding-3-small'
            batch = 8
            extra_body = { dimensions = 256 }
        ";
        let experiment = Experiment::from_toml(text).expect("reads").resolve().expect("is valid");
        let written = toml::to_string(&experiment).expect("writes");
        assert_eq!(Experiment::from_toml(&written).expect("reads back"), experiment);
    }

    #[test]
    fn unknown_keys_and_values_are_refused_by_name() {
        for (text, expected) in [
            ("\nuser = 5", "unknown field `user`"),
            ("sample.users = 0", "above 0"),
            ("sample.users = 'some'", "above 0"),
            ("methods = ['magic']", "unknown method `magic`"),
            ("behaviour = 'better'", "unknown variant `better`"),
        ] {
            let error = Experiment::from_toml(text).expect_err("refused").to_string();
            assert!(error.contains(expected) && error.contains("line"), "{error}");
        }
    }

    #[test]
    fn rag_needs_embeddings_unless_they_are_simulated() {
        let with = |simulate: Option<Simulation>, embeddings: Option<&str>| {
            let methods = vec![Method::Rag];
            let models = vec![ModelSettings::named("gpt-4o-mini")];
            let embeddings = embeddings.map(EmbeddingSettings::named);
            Experiment { methods, simulate, embeddings, models, ..Experiment::default() }.resolve()
        };
        let Problems(problems) = with(None, None).expect_err("is invalid");
        assert!(problems.len() == 1 && problems[0].contains("--embeddings-model"), "{problems:?}");
        let known = with(None, Some("text-embedding-ada-002")).expect("is valid").embeddings.expect("named");
        assert!(known.price.is_some());
        let simulated = with(Some(Simulation::default()), None).expect("is valid").embeddings.expect("filled in");
        assert_eq!(simulated.name, SIMULATED);
        let Problems(problems) = with(None, Some("mine")).expect_err("has no address");
        assert!(problems[0].starts_with("embeddings \"mine\": missing base_url"), "{problems:?}");
    }

    #[test]
    fn all_problems_are_reported_together() {
        let text = "
            name = 'two words'
            methods = ['mode']
            sample.users = 5
            sample.respondents = [1]
            split.only = [6]
            [[model]]
            name = 'unheard-of'
        ";
        let Problems(problems) = Experiment::from_toml(text).expect("reads").resolve().expect_err("is invalid");
        let expected = [
            "name \"two words\"",
            "sample:",
            "split.only: there is no fold 6",
            "methods: `mode`",
            "model \"unheard-of\": missing base_url",
            "model \"unheard-of\": its price is unknown",
        ];
        assert_eq!(problems.len(), expected.len(), "{problems:#?}");
        for (problem, start) in problems.iter().zip(expected) {
            assert!(problem.starts_with(start), "{problem}");
        }
    }
}
