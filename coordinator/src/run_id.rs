//! Derives a run's id from everything that decides its results, and from nothing else.

use serde::Serialize;
use valuesim_shared::answer_format::AnswerFormat;
use valuesim_shared::cell::needs_retrieval;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::experiment::{ArmName, Experiment};
use valuesim_shared::id::{Fold, QuestionId, Respondent, RunId};
use valuesim_shared::method::{Behaviour, Method};
use valuesim_shared::model::{ModelSettings, Temperature};
use valuesim_shared::strata::{Allocation, Stratify};
use valuesim_shared::survey::Survey;

use crate::plan::Plan;
use crate::statistics::Population;

/// Hexadecimal digits of the digest in a run id. They tell 2^48 runs apart; a collision becomes likely after about
/// 2^24 runs.
const DIGITS: usize = 12;

/// Everything that decides a run's results. API keys, limits, prices and speeds do not, so they are not here.
#[derive(Debug, Serialize)]
struct RunInputs<'a> {
    survey: String,
    codebook: String,
    prompts: String,
    behaviour: Behaviour,
    split_seed: u64,
    split_folds: u8,
    folds: &'a [Fold],
    /// Absent if every question that the folds hold out is asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_asked: Vec<QuestionId>,
    respondents: &'a [Respondent],
    population: Population,
    #[serde(skip_serializing_if = "Option::is_none")]
    stratify: Option<Stratify>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allocation: Option<Allocation>,
    methods: &'a [Method],
    models: Vec<ModelInputs<'a>>,
    simulator_seed: Option<u64>,
    /// Decides which part of the profile is read; set only if a method reads part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    draw_seed: Option<u64>,
    /// Decides which answers are retrieved; set only if a method retrieves.
    #[serde(skip_serializing_if = "Option::is_none")]
    embeddings: Option<EmbeddingInputs<'a>>,
    /// Decides how many people are asked; set only if they are asked in rounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopping: Option<StoppingInputs<'a>>,
}

#[derive(Debug, PartialEq, Serialize)]
struct ModelInputs<'a> {
    name: &'a str,
    /// Absent if it is the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    name_at_provider: Option<&'a str>,
    base_url: Option<&'a str>,
    max_output_tokens: Option<u32>,
    /// Absent if it is the paper's.
    #[serde(skip_serializing_if = "Temperature::is_usual")]
    temperature: Temperature,
    /// Absent if it is the paper's.
    #[serde(skip_serializing_if = "AnswerFormat::is_usual")]
    answer_format: AnswerFormat,
    extra_body: &'a serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Serialize)]
struct StoppingInputs<'a> {
    precision: Option<f64>,
    precision_by: Option<&'a str>,
    until_decided: &'a [ArmName],
}

#[derive(Debug, Serialize)]
struct EmbeddingInputs<'a> {
    name: &'a str,
    base_url: Option<&'a str>,
    extra_body: &'a serde_json::Map<String, serde_json::Value>,
}

/// The id of the run: a digest of its inputs, preceded by the experiment's name if it has one.
///
/// # Panics
/// Never: all map keys in the inputs are text.
pub fn run_id(experiment: &Experiment, plan: &Plan, survey: &Survey, codebook: &Codebook) -> RunId {
    id((experiment, plan), (survey, codebook), plan.not_asked())
}

/// The id of the same experiment in releases that asked every question that a fold holds out (manifest 1). `None` if this
/// release asks them all, too: then it can continue their run.
///
/// # Panics
/// Never, like [`run_id`].
pub fn run_id_with_manifest_1(
    experiment: &Experiment,
    plan: &Plan,
    survey: &Survey,
    codebook: &Codebook,
) -> Option<RunId> {
    (!plan.not_asked().is_empty()).then(|| id((experiment, plan), (survey, codebook), Vec::new()))
}

/// Whether a reply of a model in one experiment might as well be one of a model in the other, to the same prompt.
pub(crate) fn same_replies(
    (one, model): (&Experiment, &ModelSettings),
    (other, others): (&Experiment, &ModelSettings),
) -> bool {
    let seed = |experiment: &Experiment| experiment.simulate.as_ref().map(|simulation| simulation.seed);
    let same_settings = model_inputs(one, model) == model_inputs(other, others);
    same_settings && one.behaviour == other.behaviour && seed(one) == seed(other)
}

fn model_inputs<'a>(experiment: &Experiment, model: &'a ModelSettings) -> ModelInputs<'a> {
    ModelInputs {
        name: &model.name,
        name_at_provider: model.name_at_provider.as_deref(),
        // The simulator listens on any free port, so its address does not identify the run.
        base_url: model.base_url.as_deref().filter(|_| experiment.simulate.is_none()),
        max_output_tokens: model.max_output_tokens,
        temperature: model.temperature,
        answer_format: model.answer_format,
        extra_body: &model.extra_body,
    }
}

fn id(
    (experiment, plan): (&Experiment, &Plan),
    (survey, codebook): (&Survey, &Codebook),
    not_asked: Vec<QuestionId>,
) -> RunId {
    let simulated = experiment.simulate.as_ref();
    let models = experiment.models.iter().map(|model| model_inputs(experiment, model));
    let embeddings = experiment.embeddings.as_ref().filter(|_| needs_retrieval(&experiment.methods));
    let embeddings = embeddings.map(|embeddings| EmbeddingInputs {
        name: &embeddings.name,
        base_url: embeddings.base_url.as_deref().filter(|_| simulated.is_none()),
        extra_body: &embeddings.extra_body,
    });
    let reads_a_part = experiment.methods.iter().any(|method| matches!(method, Method::ProfileScale(_)));
    let sample = &experiment.sample;
    let stopping = sample.is_in_rounds().then(|| StoppingInputs {
        precision: sample.precision,
        precision_by: sample.precision_by.as_deref(),
        until_decided: &sample.until_decided,
    });
    let inputs = RunInputs {
        survey: blake3::Hash::from(survey.digest()).to_string(),
        codebook: blake3::Hash::from(codebook.digest()).to_string(),
        prompts: valuesim_shared::prompt::prompts_digest(),
        behaviour: experiment.behaviour,
        split_seed: experiment.split.seed,
        split_folds: experiment.split.folds,
        folds: plan.folds(),
        not_asked,
        respondents: plan.respondents(),
        population: plan.population(),
        stratify: experiment.sample.stratify,
        allocation: experiment.sample.stratify.map(|_| experiment.sample.allocation.unwrap_or_default()),
        methods: &experiment.methods,
        models: models.collect(),
        simulator_seed: simulated.map(|simulation| simulation.seed),
        draw_seed: reads_a_part.then_some(experiment.sample.seed),
        embeddings,
        stopping,
    };
    let json = serde_json::to_vec(&inputs).expect("a run's inputs can be written as JSON");
    let digest = &blake3::hash(&json).to_hex()[..DIGITS];
    match &experiment.name {
        Some(name) => RunId(format!("{name}-{digest}")),
        None => RunId(digest.to_owned()),
    }
}
