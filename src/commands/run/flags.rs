//! The flags of `valuesim run`, and the experiment that results from them and the file.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use valuesim_shared::experiment::{ArmName, Experiment, Simulation, Users};
use valuesim_shared::id::{Fold, Respondent};
use valuesim_shared::method::{Behaviour, Method};
use valuesim_shared::model::{ModelSettings, OutputLimitField, Temperature};
use valuesim_shared::strata::{Allocation, Stratify};

use super::budget_flags::BudgetFlags;
use super::embedding_flags::EmbeddingFlags;
use super::endpoint_flags::EndpointFlags;
use super::experiment_file;
use super::limit_flags::LimitFlags;
use super::pilot::PilotFlags;
use super::price_flags::PriceFlags;
use super::when::When;
use crate::exit::{Failure, OrUsage as _};
use crate::page::PageFlags;

/// What `valuesim run` takes.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct LocalFlags {
    #[command(flatten)]
    pub(crate) run: Flags,

    /// Serve the live page, /healthz, /readyz and /metrics at this address while the run goes on; port 0 picks a free port
    #[arg(long, value_name = "ADDRESS", env = "VALUESIM_LISTEN", help_heading = "Run")]
    pub(crate) listen: Option<SocketAddr>,

    #[command(flatten)]
    pub(crate) page: PageFlags,
}

/// What `valuesim run` and `valuesim coordinate` take: the experiment, and how it is shown.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub(crate) struct Flags {
    /// The experiment as a TOML file; flags override it
    experiment: Option<PathBuf>,

    /// The survey file: the official cross-national CSV of WVS wave 7 (.csv, .csv.gz or .zip) [default: a synthetic survey]
    #[arg(long, value_name = "FILE", env = "VALUESIM_SURVEY", help_heading = "Data")]
    survey: Option<PathBuf>,

    /// The column of the survey file whose numbers name its respondents, for extracts that keep the numbers of another file
    /// [default: their row numbers]
    #[arg(
        long,
        value_name = "COLUMN",
        env = "VALUESIM_ID_COLUMN",
        conflicts_with = "synthetic",
        help_heading = "Data"
    )]
    id_column: Option<String>,

    /// Another codebook: a TOML file, or the reference code's `questions.json` with `nature_options.json` beside it
    #[arg(long, value_name = "FILE", env = "VALUESIM_CODEBOOK", help_heading = "Data")]
    codebook: Option<PathBuf>,

    /// Number of respondents in the synthetic survey [default: 2000]
    #[arg(long, value_name = "N", env = "VALUESIM_SYNTHETIC", conflicts_with = "survey", help_heading = "Data")]
    synthetic: Option<u32>,

    /// How many respondents to draw, or `all` [default: 100 from a survey file, 25 from a synthetic survey, all if drawn in rounds]
    #[arg(long, value_name = "N", env = "VALUESIM_USERS", conflicts_with = "respondents", help_heading = "Sample")]
    users: Option<Users>,

    /// Draw rounds of people, at least 50, until half of the 95 % interval of each arm's accuracy is at most this; --users is the ceiling
    #[arg(long, value_name = "HALF_WIDTH", env = "VALUESIM_PRECISION", conflicts_with_all = ["until_decided", "respondents"], help_heading = "Sample")]
    precision: Option<f64>,

    /// Let each group of this column of the survey file reach --precision, instead of all people together
    #[arg(
        long,
        value_name = "COLUMN",
        env = "VALUESIM_PRECISION_BY",
        conflicts_with = "until_decided",
        help_heading = "Sample"
    )]
    precision_by: Option<String>,

    /// Draw rounds of people until one of two arms is shown to be more accurate, such as valuesim,mode or, of several models, valuesim:MODEL,full-info:MODEL; --users is the ceiling
    #[arg(long, value_name = "ARM,ARM", env = "VALUESIM_UNTIL_DECIDED", value_delimiter = ',', value_parser = arm_name, conflicts_with = "respondents", help_heading = "Sample")]
    until_decided: Vec<ArmName>,

    /// Use these respondents instead of drawing: row numbers in the file, starting at 1
    #[arg(long, value_name = "ROW,...", env = "VALUESIM_RESPONDENTS", value_delimiter = ',', value_parser = respondent, help_heading = "Sample")]
    respondents: Vec<Respondent>,

    /// Use only respondents from these countries: ISO alpha-3 or numeric codes
    #[arg(long, value_name = "CODE,...", env = "VALUESIM_COUNTRIES", value_delimiter = ',', help_heading = "Sample")]
    countries: Vec<String>,

    /// Seed for drawing respondents [default: 42, as in the paper]
    #[arg(long, value_name = "SEED", env = "VALUESIM_SAMPLE_SEED", help_heading = "Sample")]
    sample_seed: Option<u64>,

    /// Spread the draw over groups of respondents: `country` [default: no]
    #[arg(long, value_name = "BY", env = "VALUESIM_STRATIFY", value_parser = stratify, help_heading = "Sample")]
    stratify: Option<Stratify>,

    /// How many of each group: `proportional` to its size, or `equal` [default: proportional]
    #[arg(long, value_name = "HOW", env = "VALUESIM_ALLOCATION", value_parser = allocation, help_heading = "Sample")]
    allocation: Option<Allocation>,

    /// Run only these folds, numbered from 1 [default: all five]
    #[arg(long, value_name = "FOLD,...", env = "VALUESIM_FOLDS", value_delimiter = ',', value_parser = fold, help_heading = "Sample")]
    folds: Vec<Fold>,

    /// Methods that ask a model, such as valuesim, full-info, rag, no-cab, no-story or average [default: valuesim,full-info]
    #[arg(long, value_name = "METHOD,...", env = "VALUESIM_METHODS", value_delimiter = ',', value_parser = method, help_heading = "Method")]
    methods: Vec<Method>,

    /// `paper` reproduces the paper's own code byte for byte, `corrected` fixes its known faults [default: corrected]
    #[arg(long, value_name = "BEHAVIOUR", env = "VALUESIM_BEHAVIOUR", value_parser = behaviour, help_heading = "Method")]
    behaviour: Option<Behaviour>,

    /// Also break results down by these columns of the survey file: questions such as Q273, or others such as `G_TOWNSIZE`
    #[arg(long, value_name = "COLUMN,...", env = "VALUESIM_BY", value_delimiter = ',', help_heading = "Results")]
    by: Vec<String>,

    /// Also weight scores with this column of the survey file: `W_WEIGHT`, `S018` or `PWGHT`
    #[arg(long, value_name = "COLUMN", env = "VALUESIM_WEIGHTS", help_heading = "Results")]
    weights: Option<String>,

    /// A model to ask; may be repeated [default: the simulated provider]
    #[arg(long = "model", value_name = "NAME", env = "VALUESIM_MODEL", value_delimiter = ',', help_heading = "Model")]
    models: Vec<String>,

    #[command(flatten)]
    endpoint: EndpointFlags,

    /// Longest reply to request, in tokens [default: the provider's]
    #[arg(long, value_name = "N", env = "VALUESIM_MAX_OUTPUT_TOKENS", help_heading = "Model")]
    max_output_tokens: Option<u32>,

    /// The request field for --max-output-tokens: `max_tokens`, or `max_completion_tokens`, which reasoning models require [default: `max_tokens`]
    #[arg(long, value_name = "FIELD", env = "VALUESIM_OUTPUT_LIMIT_FIELD", value_parser = output_limit_field, help_heading = "Model")]
    output_limit_field: Option<OutputLimitField>,

    /// Temperature of requests, or `default` for the provider's own, which some models require; part of the run's identity [default: 0]
    #[arg(long, value_name = "NUMBER", env = "VALUESIM_TEMPERATURE", help_heading = "Model")]
    temperature: Option<Temperature>,

    #[command(flatten)]
    embeddings: EmbeddingFlags,

    #[command(flatten)]
    prices: PriceFlags,

    #[command(flatten)]
    budget: BudgetFlags,

    #[command(flatten)]
    pub(super) pilot: PilotFlags,

    /// Share of the last thousand prompts that a provider may reject or find too long before the run stops [default: 0.02]
    #[arg(long, value_name = "SHARE", env = "VALUESIM_REJECTED_AT_MOST", help_heading = "Limits")]
    rejected_at_most: Option<f64>,

    #[command(flatten)]
    limits: LimitFlags,

    /// Let the simulated provider answer in place of the models
    #[arg(long, env = "VALUESIM_SIMULATE", help_heading = "Simulation")]
    simulate: bool,

    /// Seed for the simulated replies [default: 0]
    #[arg(long, value_name = "SEED", env = "VALUESIM_SIMULATOR_SEED", help_heading = "Simulation")]
    simulator_seed: Option<u64>,

    /// Latency of each simulated reply, in milliseconds [default: 0]
    #[arg(long, value_name = "MS", env = "VALUESIM_SIMULATOR_LATENCY_MS", help_heading = "Simulation")]
    simulator_latency_ms: Option<u64>,

    /// The folder that holds the run folders
    #[arg(long, value_name = "DIR", env = "VALUESIM_RUNS", default_value = "runs", help_heading = "Output")]
    pub(in crate::commands) runs: PathBuf,

    /// Keep every prompt and reply, compressed, for `valuesim show` and `valuesim export`
    #[arg(long, env = "VALUESIM_TRANSCRIPTS", help_heading = "Output")]
    transcripts: bool,

    /// When cells may begin: at `any` hour, or `off-peak`, in the hours in which the model costs least
    #[arg(long, value_name = "WHEN", env = "VALUESIM_WHEN", value_enum, default_value_t, help_heading = "Limits")]
    pub(in crate::commands) when: When,

    /// Make every call, also where an earlier run in the folder of runs has finished the same cell, or has kept the reply to the very
    /// same prompt
    #[arg(long, env = "VALUESIM_NO_REUSE", help_heading = "Run")]
    pub(in crate::commands) no_reuse: bool,

    /// Show the plan and its cost in calls, tokens and dollars, then stop
    #[arg(long, help_heading = "Output")]
    pub(super) dry_run: bool,

    /// Write events and results to standard output as JSON lines
    #[arg(long, help_heading = "Output")]
    pub(in crate::commands) json: bool,
}

impl Flags {
    /// The experiment that results from file and flags, checked and completed.
    pub(in crate::commands) fn experiment(&self) -> Result<Experiment, Failure> {
        let mut experiment =
            self.experiment.as_deref().map(experiment_file::read).transpose().or_usage()?.unwrap_or_default();
        self.override_data(&mut experiment);
        self.override_sample(&mut experiment);
        self.override_models(&mut experiment).or_usage()?;
        self.embeddings.apply(&mut experiment).or_usage()?;
        self.prices.apply(&mut experiment)?;
        self.budget.apply(&mut experiment);
        experiment.rejected_at_most = self.rejected_at_most.or(experiment.rejected_at_most);
        experiment.resolve().or_usage()
    }

    fn override_data(&self, experiment: &mut Experiment) {
        if let Some(file) = &self.survey {
            experiment.survey.file = Some(file.clone());
            experiment.survey.synthetic = None;
        }
        if let Some(respondents) = self.synthetic {
            experiment.survey.synthetic = Some(respondents);
            experiment.survey.file = None;
        }
        if let Some(column) = &self.id_column {
            experiment.survey.id_column = Some(column.clone());
        }
        if let Some(codebook) = &self.codebook {
            experiment.codebook = Some(codebook.clone());
        }
        if !self.methods.is_empty() {
            experiment.methods.clone_from(&self.methods);
        }
        experiment.behaviour = self.behaviour.unwrap_or(experiment.behaviour);
        experiment.transcripts |= self.transcripts;
        experiment.share = self.limits.share.or(experiment.share);
        if !self.by.is_empty() {
            experiment.evaluation.by.clone_from(&self.by);
        }
        if self.weights.is_some() {
            experiment.evaluation.weights.clone_from(&self.weights);
        }
    }

    fn override_sample(&self, experiment: &mut Experiment) {
        let sample = &mut experiment.sample;
        if let Some(users) = self.users {
            sample.users = Some(users);
            sample.respondents.clear();
        }
        if !self.respondents.is_empty() {
            sample.respondents.clone_from(&self.respondents);
            sample.users = None;
        }
        if self.precision.is_some() {
            sample.precision = self.precision;
            sample.until_decided.clear();
        }
        if self.precision_by.is_some() {
            sample.precision_by.clone_from(&self.precision_by);
        }
        if !self.until_decided.is_empty() {
            sample.until_decided.clone_from(&self.until_decided);
            (sample.precision, sample.precision_by) = (None, None);
        }
        if !self.countries.is_empty() {
            sample.countries.clone_from(&self.countries);
        }
        sample.seed = self.sample_seed.unwrap_or(sample.seed);
        sample.stratify = self.stratify.or(sample.stratify);
        sample.allocation = self.allocation.or(sample.allocation);
        if !self.folds.is_empty() {
            experiment.split.only.clone_from(&self.folds);
        }
    }

    fn override_models(&self, experiment: &mut Experiment) -> anyhow::Result<()> {
        if !self.models.is_empty() {
            experiment.models = self.models.iter().map(|name| ModelSettings::named(name)).collect();
        }
        let nobody_to_ask = experiment.models.is_empty();
        let speaks_of_one = self.endpoint.is_given();
        if nobody_to_ask && speaks_of_one {
            bail!("--base-url and the flags of its key need a model: name one with --model");
        }
        if nobody_to_ask {
            experiment.models.push(ModelSettings::named("simulated"));
        }
        if nobody_to_ask || self.simulate {
            experiment.simulate.get_or_insert_default();
        }
        if let Some(Simulation { seed, latency_ms }) = &mut experiment.simulate {
            *seed = self.simulator_seed.unwrap_or(*seed);
            *latency_ms = self.simulator_latency_ms.unwrap_or(*latency_ms);
        }
        if speaks_of_one && experiment.models.len() != 1 {
            let count = experiment.models.len();
            bail!(
                "--base-url and the flags of its key apply to one model, but there are {count}: name one with --model, or put them into an experiment file"
            );
        }
        experiment.models.iter_mut().for_each(|model| self.override_model(model));
        Ok(())
    }

    fn override_model(&self, model: &mut ModelSettings) {
        self.endpoint.apply(model);
        self.limits.apply(model);
        model.max_output_tokens = self.max_output_tokens.or(model.max_output_tokens);
        model.output_limit_field = self.output_limit_field.unwrap_or(model.output_limit_field);
        model.temperature = self.temperature.unwrap_or(model.temperature);
    }
}

pub(in crate::commands) fn respondent(text: &str) -> Result<Respondent, String> {
    let row = text.parse().ok().and_then(Respondent::new);
    row.ok_or_else(|| "expected a row number: a whole number, counted from 1".to_owned())
}

pub(in crate::commands) fn fold(text: &str) -> Result<Fold, String> {
    let fold = text.parse().ok().and_then(Fold::new);
    fold.ok_or_else(|| "expected a fold: a whole number, counted from 1".to_owned())
}

fn method(text: &str) -> Result<Method, String> {
    let found = text.parse().ok().filter(|method: &Method| method.asks_model());
    found.ok_or_else(|| {
        let known = Method::WITH_MODEL.map(Method::name);
        format!("expected a method that asks a model: {} or profile-scale(N)", known.join(", "))
    })
}

fn stratify(text: &str) -> Result<Stratify, String> {
    if text == "country" { Ok(Stratify::Country) } else { Err("expected `country`".to_owned()) }
}

fn allocation(text: &str) -> Result<Allocation, String> {
    let found = Allocation::ALL.into_iter().find(|allocation| allocation.name() == text);
    found.ok_or_else(|| "expected `proportional` or `equal`".to_owned())
}

fn arm_name(text: &str) -> Result<ArmName, String> {
    text.parse().map_err(|_| {
        let known = Method::WITH_MODEL.iter().chain(&Method::WITHOUT_MODEL).map(ToString::to_string);
        format!(
            "expected a method or a baseline, with :MODEL if several models are asked: {}",
            known.collect::<Vec<_>>().join(", ")
        )
    })
}

fn output_limit_field(text: &str) -> Result<OutputLimitField, String> {
    let found = OutputLimitField::ALL.into_iter().find(|field| field.name() == text);
    found.ok_or_else(|| format!("expected {}", OutputLimitField::ALL.map(OutputLimitField::name).join(" or ")))
}

pub(in crate::commands) fn behaviour(text: &str) -> Result<Behaviour, String> {
    match text {
        "paper" => Ok(Behaviour::Paper),
        "corrected" => Ok(Behaviour::Corrected),
        _ => Err("expected `paper` or `corrected`".to_owned()),
    }
}
