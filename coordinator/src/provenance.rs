//! Records where a run's numbers come from. The ledger keeps this beside the cells, so that the run can be verified.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use valuesim_shared::answer_format::AnswerFormat;
use valuesim_shared::cell::needs_retrieval;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::experiment::Experiment;
use valuesim_shared::id::RunId;
use valuesim_shared::method::Behaviour;
use valuesim_shared::model::Temperature;
use valuesim_shared::price::Price;
use valuesim_shared::prompt::prompts_digest;
use valuesim_shared::survey::Survey;

use crate::plan::Plan;

/// The program, inputs and prices that a run was executed with. A run that was continued with another release or at
/// other prices has several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The release of this program.
    pub program: String,
    /// The survey's own name and version.
    pub survey_version: String,
    /// Digest of the survey's codes.
    pub survey: String,
    /// The codebook's name.
    pub codebook_name: String,
    /// Digest of the codebook.
    pub codebook: String,
    /// Digest of all prompt templates.
    pub prompts: String,
    /// Which faults of the paper's code are reproduced.
    pub behaviour: Behaviour,
    /// Whether the replies come from the simulated provider.
    pub simulated: bool,
    /// Cells of the plan; of rounds, the most that there may be.
    pub cells: u64,
    /// The models in the experiment's order.
    pub models: Vec<ModelProvenance>,
    /// The model of the embeddings; none unless the run retrieves with some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<ModelProvenance>,
    /// The runs whose kept replies are used where the prompt is the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_replies_of: Vec<RunId>,
    /// The runs that paid for cells that were taken over. Not known before: [`with_cells_taken_of`] adds it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cells_taken_of: Vec<RunId>,
}

/// A model as it was configured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelProvenance {
    /// Its name in the experiment.
    pub name: String,
    /// What its tokens cost; `None` if unknown.
    pub price: Option<Price>,
    /// The temperature of requests.
    #[serde(default, skip_serializing_if = "Temperature::is_usual")]
    pub temperature: Temperature,
    /// The form of answers that requests ask for.
    #[serde(default, skip_serializing_if = "AnswerFormat::is_usual")]
    pub answer_format: AnswerFormat,
}

impl Provenance {
    /// The provenance of an execution of the experiment by this program.
    pub fn new(experiment: &Experiment, plan: &Plan, survey: &Survey, codebook: &Codebook) -> Self {
        let models = experiment.models.iter();
        let embeddings = experiment.embeddings.as_ref().filter(|_| needs_retrieval(&experiment.methods));
        Self {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            survey_version: survey.edition().version.clone(),
            survey: blake3::Hash::from(survey.digest()).to_string(),
            codebook_name: codebook.name.clone(),
            codebook: blake3::Hash::from(codebook.digest()).to_string(),
            prompts: prompts_digest(),
            behaviour: experiment.behaviour,
            simulated: experiment.simulate.is_some(),
            cells: plan.cells_of_respondents(plan.most_respondents()),
            models: models
                .map(|model| ModelProvenance {
                    name: model.name.clone(),
                    price: model.price.clone(),
                    temperature: model.temperature,
                    answer_format: model.answer_format,
                })
                .collect(),
            embeddings: embeddings.map(|model| ModelProvenance {
                name: model.name.clone(),
                price: model.price.map(Price::from),
                temperature: Temperature::default(),
                answer_format: AnswerFormat::default(),
            }),
            kept_replies_of: Vec::new(),
            cells_taken_of: Vec::new(),
        }
    }

    /// Whether a cell's prompts are those of a run with this provenance.
    pub(crate) fn has_the_prompts_of(&self, other: &Self) -> bool {
        let of = |it: &Self| (it.survey.clone(), it.codebook.clone(), it.prompts.clone(), it.behaviour, it.simulated);
        of(self) == of(other)
    }

    /// The differences from `other` in everything that decides the results; releases and prices may differ.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let names = |provenance: &Self| -> Vec<String> {
            provenance.models.iter().map(|model| model.name.clone()).collect::<Vec<_>>()
        };
        let embeddings =
            |provenance: &Self| provenance.embeddings.as_ref().map_or("none".to_owned(), |model| model.name.clone());
        let pairs = [
            ("survey digest", self.survey.clone(), other.survey.clone()),
            ("codebook digest", self.codebook.clone(), other.codebook.clone()),
            ("prompts digest", self.prompts.clone(), other.prompts.clone()),
            ("behaviour", self.behaviour.to_string(), other.behaviour.to_string()),
            ("simulated", self.simulated.to_string(), other.simulated.to_string()),
            ("cells planned", self.cells.to_string(), other.cells.to_string()),
            ("models", names(self).join(", "), names(other).join(", ")),
            ("embeddings", embeddings(self), embeddings(other)),
        ];
        let differing = pairs.into_iter().filter(|(_, own, others)| own != others);
        differing.map(|(what, own, others)| format!("{what}: {own}, expected {others}")).collect()
    }
}

/// A run's provenance, oldest first, of which the newest has `taken`: the runs whose cells were taken over, by what the cells say.
pub(crate) fn with_cells_taken_of(mut all: Vec<Provenance>, taken: BTreeSet<RunId>) -> Vec<Provenance> {
    for provenance in &mut all {
        provenance.cells_taken_of.clear();
    }
    if let Some(newest) = all.last_mut() {
        newest.cells_taken_of = taken.into_iter().collect();
    }
    all
}

/// How the line begins that tells surveys apart.
pub(crate) const SURVEY_DIGEST: &str = "survey digest: ";

/// All of a run's provenance as lines for people, without repetitions.
pub(crate) fn lines(all: &[Provenance]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in all.iter().flat_map(lines_of) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

fn lines_of(provenance: &Provenance) -> Vec<String> {
    let Provenance { program, survey_version, survey, codebook_name, codebook, prompts, .. } = provenance;
    let mut lines = vec![
        format!("valuesim {program}"),
        format!("survey version: {survey_version}"),
        format!("{SURVEY_DIGEST}{survey}"),
        format!("codebook: {codebook_name}, digest {codebook}"),
        format!("prompts digest: {prompts}"),
    ];
    let price = |model: &ModelProvenance| model.price.as_ref().map(|price| price_line(&model.name, price));
    let other = provenance.models.iter().filter(|model| !model.temperature.is_usual());
    lines.extend(other.map(|model| match model.temperature {
        Temperature::Default => format!("temperature of {}: the provider's own", model.name),
        Temperature::Set(value) => format!("temperature of {}: {value}", model.name),
    }));
    let constrained = provenance.models.iter().filter(|model| !model.answer_format.is_usual());
    lines.extend(
        constrained.map(|model| format!("answers of {}: constrained to JSON of a schema with the codes", model.name)),
    );
    lines.extend(provenance.embeddings.iter().map(|model| format!("embeddings: {}", model.name)));
    lines.extend(provenance.models.iter().chain(&provenance.embeddings).filter_map(price));
    let earlier = &provenance.kept_replies_of;
    lines.extend(earlier.iter().map(|run| format!("replies kept by run {run} are used where the prompt is the same")));
    let taken = &provenance.cells_taken_of;
    lines.extend(
        taken
            .iter()
            .map(|run| format!("finished cells of run {run} are taken over, where all that decides them is the same")),
    );
    lines
}

fn price_line(model: &str, price: &Price) -> String {
    let Price { input_usd_per_million, cached_usd_per_million, output_usd_per_million, variants, version, .. } = price;
    let cached = cached_usd_per_million.map_or_else(String::new, |usd| format!(", {usd} cached"));
    let others = if variants.is_empty() { "" } else { ", others by tier, size or hour" };
    let version = version.as_ref().map_or_else(String::new, |version| format!(" (table of {version})"));
    format!(
        "price of {model} in US dollars for a million tokens: {input_usd_per_million} in{cached}, {output_usd_per_million} out{others}{version}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provenance(program: &str, usd: f64) -> Provenance {
        let price = Price::flat(usd, Some(0.25), 1.5);
        Provenance {
            program: program.to_owned(),
            survey_version: "6-0-0".to_owned(),
            survey: "5a".to_owned(),
            codebook_name: "own".to_owned(),
            codebook: "cb".to_owned(),
            prompts: "9e".to_owned(),
            behaviour: Behaviour::Corrected,
            simulated: false,
            cells: 500,
            models: vec![ModelProvenance {
                name: "m".to_owned(),
                price: Some(price),
                temperature: Temperature::default(),
                answer_format: AnswerFormat::default(),
            }],
            embeddings: None,
            kept_replies_of: Vec::new(),
            cells_taken_of: Vec::new(),
        }
    }

    #[test]
    fn a_continued_run_says_what_changed_and_the_rest_once() {
        let lines = lines(&[provenance("1.0.0", 0.5), provenance("1.1.0", 0.4)]);
        insta::assert_snapshot!(lines.join("\n"), @r"
        valuesim 1.0.0
        survey version: 6-0-0
        survey digest: 5a
        codebook: own, digest cb
        prompts digest: 9e
        price of m in US dollars for a million tokens: 0.5 in, 0.25 cached, 1.5 out
        valuesim 1.1.0
        price of m in US dollars for a million tokens: 0.4 in, 0.25 cached, 1.5 out
        ");
    }

    #[test]
    fn cells_are_taken_of_the_runs_that_their_rows_name_whatever_was_expected() {
        let run = |name: &str| RunId(name.to_owned());
        let expected = Provenance { cells_taken_of: vec![run("never-used")], ..provenance("1.0.0", 0.5) };
        let all = with_cells_taken_of(vec![expected, provenance("1.1.0", 0.5)], [run("used")].into());
        let lines = lines(&all).join("\n");
        assert!(
            lines.contains("finished cells of run used are taken over") && !lines.contains("never-used"),
            "{lines}"
        );
    }

    #[test]
    fn only_what_decides_the_results_is_a_difference() {
        let expected = provenance("1.0.0", 0.5);
        assert_eq!(provenance("1.1.0", 0.4).differences(&expected), Vec::<String>::new());
        let other = Provenance { prompts: "00".to_owned(), cells: 499, ..expected.clone() };
        assert_eq!(
            other.differences(&expected),
            ["prompts digest: 00, expected 9e", "cells planned: 499, expected 500"]
        );
    }
}
